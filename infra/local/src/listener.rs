//! The loopback listener. It bounds the connections that are open at once, and completes the responses to requests that
//! are not valid HTTP.
//!
//! A process may have few files open, often 1,024, and every connection is one. A client beyond the bound is not
//! refused: it waits. While one waits, every response closes its connection, and connections that nobody uses are
//! closed.
//!
//! A request that cannot be parsed never reaches a route. The HTTP library responds with a status and no body. This
//! listener adds a body like that of the HTTP API's own answers.

use axum::Router;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use stand_in_host::Shutdown;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// The longest that a connection may take to bring the head of its next request.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a connection may be unused while a client waits for its place. This is far longer than a client takes from
/// its connection or a response to the next request, so that no request meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a response may still be written after the runner began to drain, as long as no request is in flight.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(100);
/// The pause after a failure to accept a connection, such as one for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections from this machine.
pub(crate) struct Listener {
    socket: TcpListener,
    places: Arc<Semaphore>,
    idle_timeout: Duration,
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

/// Whether a client waits for a place.
type Crowded = Arc<watch::Sender<bool>>;

impl Listener {
    /// Binds a port of the loopback address only. At most `places` connections are open at once.
    pub(crate) async fn bind(port: u16, places: usize) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        Ok(Self { socket, places: Arc::new(Semaphore::new(places)), idle_timeout: IDLE_TIMEOUT })
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves the router until the runner drains. Requests in flight are then finished by tasks of their own.
    pub(crate) async fn serve(self, router: Router, shutdown: Shutdown) {
        let crowded = Arc::new(watch::Sender::new(false));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&crowded) => accepted,
                () = shutdown.draining() => return,
            };
            let Some((stream, address, place)) = accepted else { continue };
            let closing = Closing {
                idle: Arc::new(watch::Sender::new(Some(Instant::now()))),
                idle_timeout: self.idle_timeout,
                crowded: Arc::clone(&crowded),
                shutdown: shutdown.clone(),
            };
            let served = serve(stream, address, router.clone(), closing);
            shutdown.spawn(async move {
                served.await;
                drop(place);
            });
        }
    }

    /// Accepts the next connection, and waits for a place for it. Returns none after a failure.
    async fn accept(&self, crowded: &Crowded) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let (stream, address) = match self.socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "connection not accepted");
                sleep(ACCEPT_PAUSE).await;
                return None;
            }
        };
        let place = if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            crowded.send_replace(false);
            place
        } else {
            crowded.send_replace(true);
            Arc::clone(&self.places).acquire_owned().await.ok()?
        };
        Some((stream, address, place))
    }
}

/// What decides when a connection is closed.
struct Closing {
    /// Since when no request is in flight on the connection; none while one is.
    idle: Arc<watch::Sender<Option<Instant>>>,
    idle_timeout: Duration,
    crowded: Crowded,
    shutdown: Shutdown,
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, address: SocketAddr, router: Router, closing: Closing) {
    let router = TowerToHyperService::new(router);
    let (idle, crowded) = (Arc::clone(&closing.idle), Arc::clone(&closing.crowded));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(ClientAddress(address)));
        let (response, idle, crowded) = (router.call(request), Arc::clone(&idle), Arc::clone(&crowded));
        async move {
            idle.send_replace(None);
            let mut response = response.await?;
            if *crowded.borrow() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            idle.send_replace(Some(Instant::now()));
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let io = TokioIo::new(Connection { stream, waiting: Vec::new() });
    let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = closing.begins() => {
            connection.as_mut().graceful_shutdown();
            // The library goes on waiting for the first request of a connection that never had one.
            tokio::select! {
                served = connection.as_mut() => served,
                () = closing.unused_for(FLUSH_TIMEOUT) => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

impl Closing {
    /// Waits until the connection has to be closed as soon as no request is in flight on it: the runner drains, or
    /// another client needs the place and nobody uses the connection.
    async fn begins(&self) {
        let needed = async {
            let mut crowded = self.crowded.subscribe();
            loop {
                drop(crowded.wait_for(|crowded| *crowded).await);
                tokio::select! {
                    () = self.unused_for(self.idle_timeout) => return,
                    () = async { drop(crowded.wait_for(|crowded| !*crowded).await) } => {}
                }
            }
        };
        tokio::select! { () = needed => {} () = self.shutdown.draining() => {} }
    }

    /// Waits until no request has been in flight for this time.
    async fn unused_for(&self, time: Duration) {
        let mut idle = self.idle.subscribe();
        loop {
            let since = *idle.borrow_and_update();
            let over = async {
                match since {
                    Some(since) => sleep_until(since + time).await,
                    None => pending().await,
                }
            };
            tokio::select! { () = over => return, _ = idle.changed() => {} }
        }
    }
}

/// One client's connection.
struct Connection {
    stream: TcpStream,
    /// The bytes still to be written of a response that was built here.
    waiting: Vec<u8>,
}

impl Connection {
    fn write_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.write_waiting(context))?;
        match with_body(bytes) {
            Some(answer) => {
                self.waiting = answer;
                Poll::Ready(Ok(bytes.len()))
            }
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_waiting(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_waiting(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Adds a body to a response that the HTTP library built by itself: nothing else here uses these statuses without a
/// body. Returns `None` for any other response.
fn with_body(answer: &[u8]) -> Option<Vec<u8>> {
    let message = if answer.starts_with(b"HTTP/1.1 400 ") {
        "Bad Request"
    } else if answer.starts_with(b"HTTP/1.1 414 ") {
        "URI Too Long"
    } else if answer.starts_with(b"HTTP/1.1 431 ") {
        "Request Header Fields Too Large"
    } else {
        return None;
    };
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let others: Vec<_> = head.split("\r\n").filter(|line| *line != "content-length: 0").collect();
    if others.len() + 1 != head.split("\r\n").count() {
        return None;
    }
    let body = json!({ "message": message }).to_string();
    let length = body.len();
    let head = others.join("\r\n");
    Some(format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use stand_in_host::ShutdownHandle;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// Serves `router` with this many places, and returns its address.
    async fn serving(places: usize, router: Router) -> (SocketAddr, ShutdownHandle) {
        let listener = Listener { idle_timeout: FLUSH_TIMEOUT, ..Listener::bind(0, places).await.unwrap() };
        let address = listener.address().unwrap();
        let (handle, shutdown) = ShutdownHandle::new();
        shutdown.spawn(listener.serve(router, shutdown.clone()));
        (address, handle)
    }

    async fn connected(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// Sends a request, and returns the response's head.
    async fn head(stream: &mut TcpStream) -> String {
        stream.write_all(REQUEST).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        stream.read(&mut [0; 64]).await.unwrap() == 0
    }

    #[tokio::test]
    async fn a_client_over_the_bound_gets_the_place_of_connections_that_nobody_uses() {
        let (address, _handle) = serving(2, Router::new().route("/", get(async || ""))).await;
        let (mut used, mut unused) = (connected(address).await, connected(address).await);
        assert!(!head(&mut used).await.contains("connection: close"));
        let mut third = connected(address).await;
        assert!(head(&mut third).await.starts_with("HTTP/1.1 200 OK"));
        // Either of the two may have had to go. As long as somebody waits, the other one has to go as well.
        let mut fourth = connected(address).await;
        assert!(head(&mut fourth).await.starts_with("HTTP/1.1 200 OK"));
        assert!(is_closed(&mut used).await && is_closed(&mut unused).await);
    }

    #[tokio::test]
    async fn a_client_over_the_bound_waits_for_a_response_which_then_closes_its_connection() {
        let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arrival, answered) = (Arc::clone(&arrived), Arc::clone(&answer));
        let slow = get(async move || {
            arrival.notify_one();
            answered.notified().await;
        });
        let (address, _handle) = serving(1, Router::new().route("/", slow)).await;
        let mut first = connected(address).await;
        first.write_all(REQUEST).await.unwrap();
        arrived.notified().await;
        let mut second = connected(address).await;
        second.write_all(REQUEST).await.unwrap();
        answer.notify_one();
        let mut text = String::new();
        first.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
        arrived.notified().await;
        answer.notify_one();
        assert!(second.read_u8().await.is_ok());
    }

    #[tokio::test]
    async fn draining_ends_unused_connections_and_finishes_requests() {
        let (arrived, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (arrival, answered) = (Arc::clone(&arrived), Arc::clone(&answer));
        let slow = get(async move || {
            arrival.notify_one();
            answered.notified().await;
        });
        let (address, handle) = serving(9, Router::new().route("/", slow)).await;
        let mut unused = connected(address).await;
        let mut used = connected(address).await;
        used.write_all(REQUEST).await.unwrap();
        arrived.notified().await;
        handle.drain();
        assert!(is_closed(&mut unused).await);
        answer.notify_one();
        let mut text = String::new();
        used.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
        handle.stop(Duration::from_mins(1)).await;
    }

    #[test]
    fn only_the_librarys_empty_answers_get_a_body() {
        let bare = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = String::from_utf8(with_body(bare).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-type: application/json\r\n")
        );
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        assert_eq!(body, r#"{"message":"URI Too Long"}"#);
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n",
            "{}",
        ] {
            assert_eq!(with_body(other.as_bytes()), None, "{other}");
        }
    }
}
