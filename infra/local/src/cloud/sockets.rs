//! The WebSocket API: connections of desks, each event of which invokes the template's function, and the interface by
//! which the function posts to them.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-overview.html>

use super::aws;
use super::functions::InvokeError;
use super::time::as_in_a_log;
use crate::listener::ClientAddress;
use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::Timestamp;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use stand_in_host::Identifiers as _;
use stand_in_host::web::body;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// The stage's name, which is the path of the connections.
pub(crate) const STAGE: &str = "live";
/// The path of the interface by which the function posts.
pub(crate) const MANAGEMENT_PATH: &str = "/local/aws/sockets";

// The quotas of WebSocket APIs:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
/// The largest frame of a client, in bytes.
const FRAME_LIMIT: usize = 32 * 1024;
/// The largest message in either direction, in bytes.
const MESSAGE_LIMIT: usize = 128 * 1024;
/// The longest time without a message in either direction.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// The longest life of a connection.
const LIFETIME: Duration = Duration::from_hours(2);

/// The messages that wait for a client. One that lets more of them wait does not read any.
const WAITING_AT_MOST: usize = 32;
/// The longest time in which a client has to take a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// The size of a connection's read buffer, in bytes. Clients send nothing but pings.
const READ_BUFFER: usize = 1024;
/// The bytes that may wait to be written to a client: a message in both of its halves, and answers to its pings. A
/// client that never reads can make no more of them wait.
const WRITE_BUFFER: usize = 2 * MESSAGE_LIMIT;

/// The most frames that a client may send within [`FLOOD_WINDOW`]. A desk pings every five minutes. The template's
/// stage limits the messages of all clients together.
const FRAMES_AT_MOST: usize = 100;
/// The time in which a client's frames are counted together.
const FLOOD_WINDOW: Duration = Duration::from_secs(10);

/// How long a client is waited for until it has closed its side of a connection.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// The most connections at once.
const CONNECTIONS: usize = 10_000;
/// The files that everything else needs.
const OTHER_FILES: usize = 512;
/// The connections where the number of open files is unknown.
const CONNECTIONS_WITHOUT_LIMIT: usize = 256;

/// All connections.
struct Gateway {
    runner: Runner,
    connections: Mutex<HashMap<String, Connection>>,
    places: Arc<Semaphore>,
}

/// An open connection, as the function can reach it. When it is dropped, the connection ends.
struct Connection {
    outgoing: mpsc::Sender<Outgoing>,
    connected_at: Timestamp,
    client: IpAddr,
}

/// What is to be sent to a client.
enum Outgoing {
    Message(String),
    Close,
}

/// Why a connection ended.
enum End {
    /// The client closed it, or has gone.
    Client,
    /// A message was too large.
    TooLarge,
    /// It sent more than a desk ever does.
    Flood,
    /// What it sent is no WebSocket frame.
    Unreadable,
    /// The function closed it.
    Closed,
    /// Its time is over, or the runner stops.
    GoingAway,
    /// The client does not take its messages.
    Dropped,
}

/// The parts of a connection's events that stay the same.
struct Context {
    id: String,
    client: IpAddr,
    connected_at: Timestamp,
    authority: String,
}

/// Returns the route of the connections and those of the interface by which the function posts.
pub(super) fn start(runner: &Runner) -> Router {
    let gateway = Arc::new(Gateway {
        runner: runner.clone(),
        connections: Mutex::default(),
        places: Arc::new(Semaphore::new(connections_at_most())),
    });
    let path = format!("/{}", runner.template.sockets.stage);
    Router::new()
        .route(&path, get(connect))
        .route(&format!("{MANAGEMENT_PATH}/@connections/{{id}}"), post(send).get(describe).delete(close))
        .with_state(gateway)
}

/// Returns how many connections the limit on open files leaves room for.
fn connections_at_most() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => CONNECTIONS,
        Some(number) => number.parse::<usize>().map_or(CONNECTIONS_WITHOUT_LIMIT, |files| {
            files.saturating_sub(OTHER_FILES).clamp(CONNECTIONS_WITHOUT_LIMIT, CONNECTIONS)
        }),
        None => CONNECTIONS_WITHOUT_LIMIT,
    }
}

/// `GET /live`: opens a connection, unless the function refuses it.
async fn connect(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(ClientAddress(client)): ConnectInfo<ClientAddress>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(place) = Arc::clone(&gateway.places).try_acquire_owned() else {
        tracing::warn!("connection refused: as many are open as the runner may have");
        return refusal(StatusCode::TOO_MANY_REQUESTS);
    };
    let context = Context {
        id: gateway.runner.host.doors.uuid().simple().to_string(),
        client: client.ip(),
        connected_at: gateway.runner.host.doors.now(),
        authority: gateway.runner.host.base_url.trim_start_matches("http://").to_owned(),
    };
    let mut event = gateway.event(&context, "CONNECT", "$connect");
    event["headers"] = json!(of_headers(&headers));
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap_or_default();
    if !parameters.is_empty() {
        let parameters: Map<String, Value> = parameters.into_iter().map(|(name, value)| (name, value.into())).collect();
        event["queryStringParameters"] = parameters.into();
    }
    let opened = Arc::new(context);
    let answered = Handshake::begin(&gateway, &opened, event).answered().await;
    if !answered.is_success() {
        return refusal(answered);
    }
    let (failed, failed_context) = (Arc::clone(&gateway), Arc::clone(&opened));
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(MESSAGE_LIMIT)
        .on_failed_upgrade(move |_| {
            let shutdown = failed.runner.host.shutdown.clone();
            shutdown.spawn(async move { failed.disconnected(&failed_context).await });
        })
        .on_upgrade(async move |socket| {
            let shutdown = gateway.runner.host.shutdown.clone();
            shutdown.spawn(async move { gateway.serve(socket, &opened, place).await });
        })
}

/// A handshake whose client has not been answered yet. If the client goes before, the connection has ended once it is
/// open.
struct Handshake {
    gateway: Arc<Gateway>,
    context: Arc<Context>,
    answer: Option<oneshot::Receiver<StatusCode>>,
}

impl Handshake {
    /// Invokes the function, which goes on when the client goes.
    fn begin(gateway: &Arc<Gateway>, context: &Arc<Context>, event: Value) -> Self {
        let (sender, answer) = oneshot::channel();
        let invoking = Arc::clone(gateway);
        gateway.runner.host.shutdown.spawn(async move {
            let status = match invoking.invoke(&event).await {
                Ok(answer) => status(&answer),
                Err(error) => {
                    tracing::error!(%error, "connection refused: the function failed");
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            };
            // The receiver waits for it, whether the client does or not.
            sender.send(status).unwrap_or_default();
        });
        Self { gateway: Arc::clone(gateway), context: Arc::clone(context), answer: Some(answer) }
    }

    /// Returns the function's answer.
    async fn answered(mut self) -> StatusCode {
        let Some(answer) = &mut self.answer else { return StatusCode::INTERNAL_SERVER_ERROR };
        let status = answer.await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.answer = None;
        status
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else { return };
        let (gateway, context) = (Arc::clone(&self.gateway), Arc::clone(&self.context));
        self.gateway.runner.host.shutdown.spawn(async move {
            if answer.await.is_ok_and(|status| status.is_success()) {
                gateway.disconnected(&context).await;
            }
        });
    }
}

/// Builds the answer to a handshake that is refused.
fn refusal(status: StatusCode) -> Response {
    let message = status.canonical_reason().unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], json!({ "message": message }).to_string()).into_response()
}

/// Returns the status in the function's answer.
fn status(answer: &str) -> StatusCode {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn of_headers(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value).into())).collect()
}

impl Gateway {
    fn connections(&self) -> MutexGuard<'_, HashMap<String, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds an event of a connection.
    fn event(&self, context: &Context, kind: &str, route_key: &str) -> Value {
        let (now, request_id) = (self.runner.host.doors.now(), self.runner.host.doors.uuid().to_string());
        json!({
            "requestContext": {
                "apiId": "local",
                "connectedAt": context.connected_at.as_milliseconds(),
                "connectionId": context.id,
                "domainName": context.authority,
                "eventType": kind,
                "extendedRequestId": request_id,
                "identity": { "sourceIp": context.client.to_string() },
                "messageDirection": "IN",
                "requestId": request_id,
                "requestTime": as_in_a_log(now),
                "requestTimeEpoch": now.as_milliseconds(),
                "routeKey": route_key,
                "stage": self.runner.template.sockets.stage,
                "accountId": aws::ACCOUNT,
            },
            "isBase64Encoded": false,
        })
    }

    async fn invoke(&self, event: &Value) -> Result<String, InvokeError> {
        let functions = &self.runner.functions;
        let turn = functions.turn().await;
        functions.invoke_in_turn(&self.runner.template.sockets.function, event.to_string(), turn).await
    }

    /// Serves a connection until it ends.
    async fn serve(&self, mut socket: WebSocket, context: &Context, place: OwnedSemaphorePermit) {
        let (outgoing, mut messages) = mpsc::channel(WAITING_AT_MOST);
        let connection = Connection { outgoing, connected_at: context.connected_at, client: context.client };
        self.connections().insert(context.id.clone(), connection);
        let ends_at = Instant::now() + LIFETIME;
        let (mut window, mut frames) = (Instant::now(), 0);
        let end = loop {
            let idle_until = Instant::now() + IDLE_TIMEOUT;
            if window.elapsed() > FLOOD_WINDOW {
                (window, frames) = (Instant::now(), 0);
            }
            if frames > FRAMES_AT_MOST {
                break End::Flood;
            }
            tokio::select! {
                outgoing = messages.recv() => match outgoing {
                    Some(Outgoing::Message(text)) => {
                        match timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => break End::Client,
                            Err(_) => break End::Dropped,
                        }
                    }
                    Some(Outgoing::Close) => break End::Closed,
                    None => break End::Dropped,
                },
                received = socket.recv() => {
                    frames += 1;
                    match received {
                        Some(Ok(Message::Text(text))) => self.message(context, text.as_str()).await,
                        Some(Ok(Message::Binary(bytes))) => {
                            self.message(context, &String::from_utf8_lossy(&bytes)).await;
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Err(error)) if is_too_large(&error) => break End::TooLarge,
                        Some(Err(error)) if is_unreadable(&error) => break End::Unreadable,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => break End::Client,
                    }
                }
                () = sleep_until(idle_until.min(ends_at)) => break End::GoingAway,
                () = self.runner.host.shutdown.draining() => break End::GoingAway,
            }
        };
        self.connections().remove(&context.id);
        let code = match &end {
            End::Client => None,
            End::Flood => {
                tracing::warn!("connection closed: its client sends more than a desk ever does");
                Some(close_code::POLICY)
            }
            End::Unreadable => {
                tracing::warn!("connection closed: what its client sent is no WebSocket frame");
                Some(close_code::PROTOCOL)
            }
            End::TooLarge => {
                tracing::warn!("connection closed: its client sent a message that is larger than a frame");
                Some(close_code::SIZE)
            }
            End::Closed => Some(close_code::NORMAL),
            End::GoingAway => Some(close_code::AWAY),
            End::Dropped => {
                tracing::warn!("connection dropped: its client does not read what it is sent");
                None
            }
        };
        if let Some(code) = code {
            let frame = Message::Close(Some(CloseFrame { code, reason: "".into() }));
            // The client may be gone already.
            drop(timeout(SEND_TIMEOUT, socket.send(frame)).await);
        }
        if !matches!(end, End::Dropped) {
            // Reads on until both sides have closed (RFC 6455, section 7.1.1): the library answers the client's close
            // frame while it is asked for more, and what is unread when a socket is dropped resets the connection.
            drop(timeout(CLOSING_TIMEOUT, async { while let Some(Ok(_)) = socket.recv().await {} }).await);
        }
        drop(socket);
        drop(place);
        // Every connection ends with the runner, and the function could not tell them all in time. What stays stored is
        // removed when the next message is posted.
        if !self.runner.host.shutdown.is_draining() {
            self.disconnected(context).await;
        }
    }

    async fn message(&self, context: &Context, text: &str) {
        let mut event = self.event(context, "MESSAGE", "$default");
        event["body"] = text.into();
        event["requestContext"]["messageId"] = self.runner.host.doors.uuid().to_string().into();
        if let Err(error) = self.invoke(&event).await {
            tracing::error!(%error, "message of a client lost: the function failed");
        }
    }

    async fn disconnected(&self, context: &Context) {
        let event = self.event(context, "DISCONNECT", "$disconnect");
        if let Err(error) = self.invoke(&event).await {
            tracing::error!(%error, "end of a connection lost: the function failed");
        }
    }
}

/// Returns whether a client's message exceeds a limit.
fn is_too_large(error: &axum::Error) -> bool {
    // The library's own error type is not public. Its text names the limit.
    error.to_string().contains("too long") || error.to_string().contains("Space limit exceeded")
}

/// Returns whether what a client sent is against the protocol.
fn is_unreadable(error: &axum::Error) -> bool {
    let text = error.to_string();
    text.contains("WebSocket protocol error") && !text.contains("without closing handshake")
        || text.contains("UTF-8 encoding error")
}

/// Builds the answer for a connection that is not there.
fn gone() -> Response {
    (StatusCode::GONE, [("x-amzn-errortype", "GoneException")], json!({ "message": "Gone" }).to_string())
        .into_response()
}

/// `POST …/@connections/{id}`: sends a message to a client. A client that has let too many of them wait is dropped.
async fn send(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>, body: Body) -> Response {
    let Ok(bytes) = body::read(body, MESSAGE_LIMIT).await else {
        let error = [("x-amzn-errortype", "PayloadTooLargeException")];
        return (StatusCode::PAYLOAD_TOO_LARGE, error, json!({ "message": "Payload too large" }).to_string())
            .into_response();
    };
    let message = Outgoing::Message(String::from_utf8_lossy(&bytes).into_owned());
    let mut connections = gateway.connections();
    match connections.get(&id).map(|connection| connection.outgoing.try_send(message)) {
        Some(Ok(())) => StatusCode::OK.into_response(),
        Some(Err(_)) => {
            connections.remove(&id);
            gone()
        }
        None => gone(),
    }
}

/// `GET …/@connections/{id}`: describes a connection.
async fn describe(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Response {
    match gateway.connections().get(&id) {
        Some(connection) => axum::Json(json!({
            "connectedAt": connection.connected_at.to_string(),
            "identity": { "sourceIp": connection.client.to_string() },
        }))
        .into_response(),
        None => gone(),
    }
}

/// `DELETE …/@connections/{id}`: closes a connection.
async fn close(State(gateway): State<Arc<Gateway>>, Path(id): Path<String>) -> Response {
    match gateway.connections().remove(&id) {
        Some(connection) => {
            // A queue that is full ends with its sender.
            drop(connection.outgoing.try_send(Outgoing::Close));
            StatusCode::NO_CONTENT.into_response()
        }
        None => gone(),
    }
}
