//! The function `live`, over the handlers' database, with a gateway that a test controls; and the clients of the local
//! system's own gateway.

use crate::handlers::Handlers;
use crate::system::User;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use domain::{Clock, Doors, SystemRandomness};
use futures::StreamExt as _;
use runtime::Function;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// The longest time that a test waits for a message. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the gateway was called with: the method, and the connection.
pub type GatewayCall = (Method, String);

/// A gateway that records its calls. The connections in `statuses` answer with another status than 200.
#[derive(Clone, Default)]
pub struct Gateway {
    calls: Arc<Mutex<Vec<GatewayCall>>>,
    messages: Arc<Mutex<Vec<(String, Value)>>>,
    statuses: Arc<Mutex<HashMap<String, StatusCode>>>,
    post_statuses: Arc<Mutex<HashMap<String, StatusCode>>>,
}

impl Gateway {
    /// Returns the calls since the last time.
    #[must_use]
    pub fn take_calls(&self) -> Vec<GatewayCall> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Returns the messages since the last time, each with its connection.
    #[must_use]
    pub fn take_messages(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.messages.lock().unwrap())
    }

    /// Answers the calls about a connection with this status from now on.
    pub fn answer(&self, connection: &str, status: StatusCode) {
        self.statuses.lock().unwrap().insert(connection.to_owned(), status);
    }

    /// Answers the posts to a connection with this status from now on, and everything else as before.
    pub fn answer_posts(&self, connection: &str, status: StatusCode) {
        self.post_statuses.lock().unwrap().insert(connection.to_owned(), status);
    }
}

async fn call(
    State(gateway): State<Gateway>,
    Path(connection): Path<String>,
    method: Method,
    body: axum::body::Bytes,
) -> StatusCode {
    gateway.calls.lock().unwrap().push((method.clone(), connection.clone()));
    let posted = gateway.post_statuses.lock().unwrap().get(&connection).copied().filter(|_| method == Method::POST);
    let status = posted.or_else(|| gateway.statuses.lock().unwrap().get(&connection).copied());
    let status = status.unwrap_or(StatusCode::OK);
    if method == Method::POST && status == StatusCode::OK {
        gateway.messages.lock().unwrap().push((connection, serde_json::from_slice(&body).unwrap()));
    }
    status
}

/// The function `live` of one machine.
pub struct Live {
    /// The other functions, over the same database.
    pub handlers: Arc<Handlers>,
    /// The gateway that it posts to.
    pub gateway: Gateway,
    function: Box<dyn Function>,
    url: String,
}

impl Live {
    /// Starts the function with the machine's own clock.
    pub async fn start() -> Self {
        let (handlers, gateway) = (Handlers::start().await, Gateway::default());
        let router = Router::new().route("/@connections/{id}", axum::routing::any(call)).with_state(gateway.clone());
        let url = crate::serve(router).await;
        let function = function(&handlers, &url, Doors::default());
        Self { handlers, gateway, function, url }
    }

    /// Returns the function of a machine with this clock, over the same database and gateway.
    #[must_use]
    pub fn with_clock(&self, clock: impl Clock + 'static) -> Self {
        let (handlers, gateway, url) = (self.handlers.clone(), self.gateway.clone(), self.url.clone());
        let function = function(&handlers, &url, Doors::new(clock, SystemRandomness));
        Self { handlers, gateway, function, url }
    }

    /// Opens the connections that a deployment opens before its first event.
    pub async fn warm(&self) {
        self.function.warm().await;
    }

    /// Invokes the function with an event.
    ///
    /// # Errors
    /// As the function's own.
    pub async fn invoke(&self, event: &Value) -> Result<Value, runtime::InvocationError> {
        Ok(serde_json::from_str(&self.function.invoke(&event.to_string()).await?).unwrap())
    }

    /// Asks for a ticket with these claims, and returns the answer's status and body.
    pub async fn ticket_with(&self, claims: &Value) -> (u64, Value) {
        let answer = self.invoke(&ticket_event(claims)).await.unwrap();
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
    }

    /// Returns a ticket of a person of the workspace `acme`, whose token ends at `exp`, in seconds since the Unix
    /// epoch.
    pub async fn ticket(&self, sub: &str, role: &str, exp: i64) -> String {
        let (status, body) = self.ticket_with(&claims(sub, role, exp)).await;
        assert_eq!((status, &body["expires_in"]), (201, &json!(30)), "{body}");
        body["url"].as_str().unwrap().split_once("?ticket=").unwrap().1.to_owned()
    }

    /// Opens a connection with a ticket, and returns the status of the handshake.
    pub async fn connect(&self, connection: &str, ticket: &str) -> u64 {
        let mut event = socket_event("CONNECT", connection);
        event["queryStringParameters"] = json!({ "ticket": ticket });
        self.invoke(&event).await.unwrap()["statusCode"].as_u64().unwrap()
    }

    /// Opens the connection of a person whose token ends in an hour.
    pub async fn connected(&self, connection: &str, sub: &str, role: &str) {
        let exp = crate::system::now().as_milliseconds() / 1000 + 3600;
        let ticket = self.ticket(sub, role, exp).await;
        assert_eq!(self.connect(connection, &ticket).await, 200);
    }

    /// Sends a message of a client.
    pub async fn message(&self, connection: &str, text: &str) {
        let mut event = socket_event("MESSAGE", connection);
        event["body"] = text.into();
        self.invoke(&event).await.unwrap();
    }

    /// Ends a connection.
    pub async fn disconnect(&self, connection: &str) {
        self.invoke(&socket_event("DISCONNECT", connection)).await.unwrap();
    }

    /// Hands the function the latest event of a payment request.
    ///
    /// # Errors
    /// As the function's own.
    pub async fn announce(&self, id: &str) -> Result<Value, runtime::InvocationError> {
        let (kind, detail) = self.handlers.events(id).await.pop().unwrap();
        self.invoke(&json!({ "source": "chat2pay", "detail-type": kind, "detail": detail })).await
    }
}

fn function(handlers: &Handlers, url: &str, doors: Doors) -> Box<dyn Function> {
    let environment = handlers
        .environment()
        .clone()
        .with("LIVE_TABLE_NAME", local::dynamodb::LIVE_TABLE_NAME)
        .with("LIVE_URL", "wss://live.example.com/live")
        .with("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url)
        .with_doors(doors);
    live::function(&environment).unwrap()
}

/// Returns the claims of a person of the workspace `acme`.
#[must_use]
pub fn claims(sub: &str, role: &str, exp: i64) -> Value {
    json!({ "sub": sub, "name": sub, "role": role, "workspace": "acme", "exp": exp.to_string() })
}

/// Builds the event with which the HTTP API asks for a ticket.
#[must_use]
pub fn ticket_event(claims: &Value) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /live/tickets",
        "rawPath": "/live/tickets",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": { "method": "POST", "path": "/live/tickets" },
            "routeKey": "POST /live/tickets",
            "stage": "$default",
            "authorizer": { "jwt": { "claims": claims, "scopes": null } },
        },
        "isBase64Encoded": false,
    })
}

/// Builds an event of the WebSocket API.
#[must_use]
pub fn socket_event(kind: &str, connection: &str) -> Value {
    json!({
        "requestContext": {
            "eventType": kind, "connectionId": connection, "domainName": "live.example.com", "stage": "live",
        },
        "isBase64Encoded": false,
    })
}

/// A client of the local system's live updates.
pub struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Asks for a ticket as this user, and opens its connection.
    pub async fn of(user: &User<'_>) -> Self {
        Self::at(&address(user).await).await.unwrap()
    }

    /// Opens a connection at this address.
    ///
    /// # Errors
    /// The status with which the handshake is refused.
    pub async fn at(address: &str) -> Result<Self, u16> {
        match tokio_tungstenite::connect_async(address).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a text.
    pub async fn send(&mut self, text: &str) {
        use futures::SinkExt as _;
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Sends a text, if the connection is still open.
    pub async fn try_send(&mut self, text: &str) -> bool {
        use futures::SinkExt as _;
        self.0.send(Message::text(text)).await.is_ok()
    }

    /// Closes the connection from this side.
    pub async fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.0.close(Some(frame)).await.unwrap();
    }

    /// Returns the next message, which has to be a change, and its request.
    pub async fn changed(&mut self) -> Value {
        match self.next().await {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(text.as_str()).unwrap();
                assert_eq!(message["type"], "changed", "{message}");
                message["request"].clone()
            }
            other => panic!("no change: {other:?}"),
        }
    }

    /// Waits until a request has this status, and returns the statuses up to it.
    pub async fn until(&mut self, id: &str, status: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let request = self.changed().await;
            assert_eq!(request["id"], id, "{request}");
            seen.push(request["status"].as_str().unwrap().to_owned());
            if request["status"] == status {
                return seen;
            }
        }
    }

    /// Waits until the connection is closed, and returns the code; none if it broke off.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn next(&mut self) -> Message {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap().unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                other => return other,
            }
        }
    }
}

/// Asks for a ticket as this user, and returns the address of its connection.
pub async fn address(user: &User<'_>) -> String {
    let answer = crate::system::Answer::of(user.request(Method::POST, "/live/tickets")).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ticket = answer.json();
    assert_eq!(ticket["expires_in"], 30);
    ticket["url"].as_str().unwrap().to_owned()
}
