//! Live updates: issues tickets, opens and ends the connections of desks, and notifies them of every change on the bus.

mod announce;
#[cfg(feature = "schema")]
pub mod schema;
mod socket_event;
mod tickets;

use adapters::DynamoDbStore;
use adapters::live::{LiveGateway, LiveTable};
use announce::Announcer;
use domain::Doors;
use domain::live::{ConnectionId, Ticket};
use domain::ports::Connections as _;
use domain::use_cases::UseCaseError;
use domain::use_cases::live::{Connected, Pinged, connect, ping};
use http::StatusCode;
use runtime::bus_event::subject;
use runtime::caller::ClaimNames;
use runtime::json::Document;
use runtime::{BoxFuture, ConfigError, Environment, Function, HttpFunction, InvocationError};
use serde_json::json;
use socket_event::SocketEvent;
use tickets::Tickets;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Live {
    tickets: HttpFunction<Tickets>,
    announcer: Announcer,
    table: LiveTable,
    gateway: LiveGateway,
    doors: Doors,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let table = LiveTable::new(environment)?;
    let gateway = LiveGateway::new(environment)?;
    Ok(Box::new(Live {
        tickets: HttpFunction(Tickets {
            table: table.clone(),
            gateway: gateway.clone(),
            doors: environment.doors(),
            claims: ClaimNames::new(environment),
        }),
        announcer: Announcer {
            store: DynamoDbStore::new(environment)?,
            table: table.clone(),
            gateway: gateway.clone(),
            doors: environment.doors(),
            public_base_url: runtime::config::public_base_url(environment)?,
        },
        table,
        gateway,
        doors: environment.doors(),
    }))
}

impl Function for Live {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let socket = {
                let document = Document::new(event.as_bytes());
                let root = document.object().map_err(|error| InvocationError::unreadable(&error))?;
                if root.raw("detail").is_some() {
                    None
                } else {
                    let socket = SocketEvent::read(&root).map_err(|error| InvocationError::unreadable(&error))?;
                    Some(socket)
                }
            };
            match socket {
                None => {
                    self.announcer.announce(&subject(event)?).await.map_err(InvocationError::work)?;
                    Ok("null".to_owned())
                }
                Some(None) => self.tickets.invoke(event).await,
                Some(Some(event)) => {
                    let status = self.socket(event).await.map_err(InvocationError::work)?;
                    Ok(json!({ "statusCode": status.as_u16() }).to_string())
                }
            }
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        self.tickets.warm()
    }
}

impl Live {
    /// Handles an event of a connection, and returns the status of the answer. Only that of `$connect` is read: the
    /// handshake succeeds with 200 alone.
    async fn socket(&self, event: SocketEvent) -> Result<StatusCode, UseCaseError> {
        match event {
            SocketEvent::Connect(connection, ticket) => return self.connect(connection, ticket).await,
            SocketEvent::Ping(connection) => {
                if ping(&self.table, &self.gateway, &self.doors, &connection).await? == Pinged::Closed {
                    tracing::info!("connection closed: its token has ended, or it is unknown");
                }
            }
            SocketEvent::Other => tracing::debug!("message of a client ignored: it is no ping"),
            SocketEvent::Disconnect(connection) => {
                self.table.take(&connection).await?;
            }
        }
        Ok(StatusCode::OK)
    }

    async fn connect(&self, connection: ConnectionId, ticket: Option<Ticket>) -> Result<StatusCode, UseCaseError> {
        let connected = match ticket {
            Some(ticket) => connect(&self.table, &self.doors, &ticket, connection).await?,
            None => Connected::NoTicket,
        };
        Ok(match connected {
            Connected::Opened(_) => StatusCode::OK,
            Connected::NoTicket => {
                tracing::info!("connection refused: its ticket is unknown, used or late");
                StatusCode::FORBIDDEN
            }
            Connected::TooMany(limit) => {
                tracing::warn!(limit, "connection refused: too many watch the same requests");
                StatusCode::TOO_MANY_REQUESTS
            }
        })
    }
}
