//! The events of the WebSocket API
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html>).

use domain::live::{ConnectionId, Ticket};
use runtime::json::{Document, Object, Unreadable};

/// What happened to a connection.
pub(crate) enum SocketEvent {
    /// A client asks for a connection. Without a ticket, the address holds none of the form.
    Connect(ConnectionId, Option<Ticket>),
    /// A client sent a ping.
    Ping(ConnectionId),
    /// A client sent something else.
    Other,
    /// The connection ended.
    Disconnect(ConnectionId),
}

impl SocketEvent {
    /// Reads an event; `None` if it is none of a WebSocket API.
    ///
    /// # Errors
    /// Something that is needed is missing or has another form.
    pub(crate) fn read(event: &Object<'_>) -> Result<Option<Self>, Unreadable> {
        let Some(context) = event.object("requestContext") else { return Ok(None) };
        let Some(kind) = context.optional::<String>("eventType") else { return Ok(None) };
        let connection: ConnectionId = context.required("connectionId")?;
        match kind.as_str() {
            "CONNECT" => Ok(Some(Self::Connect(connection, ticket(event)))),
            "DISCONNECT" => Ok(Some(Self::Disconnect(connection))),
            "MESSAGE" => {
                let body: String = event.optional("body").unwrap_or_default();
                Ok(Some(if is_ping(&body) { Self::Ping(connection) } else { Self::Other }))
            }
            _ => Err(Unreadable::new("its eventType is unknown")),
        }
    }
}

fn ticket(event: &Object<'_>) -> Option<Ticket> {
    event.object("queryStringParameters")?.optional::<String>("ticket")?.parse().ok()
}

/// Returns whether a message is `{"type":"ping"}`.
fn is_ping(body: &str) -> bool {
    let document = Document::new(body.as_bytes());
    document.object().is_ok_and(|message| message.optional::<String>("type").is_some_and(|kind| kind == "ping"))
}
