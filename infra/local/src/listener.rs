//! The loopback listener, which also completes the responses to requests that are not valid HTTP.
//!
//! A request that cannot be parsed never reaches a route. The HTTP library responds with a status and no body. This
//! listener adds the problem body that every other rejection has.

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use http::StatusCode;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Accepts connections from this machine.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Binds a port of the loopback address only.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map(Self)
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The library's own listener distinguishes temporary failures to accept from permanent ones.
        let (stream, address) = axum::serve::Listener::accept(&mut self.0).await;
        (Connection { stream, waiting: Vec::new() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.address()
    }
}

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Listener>> for ClientAddress {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// One client's connection.
pub(crate) struct Connection {
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

/// Adds a problem body to a response that the HTTP library built by itself: nothing else here uses these statuses
/// without a body. Returns `None` for any other response.
fn with_body(answer: &[u8]) -> Option<Vec<u8>> {
    let (status, title, detail) = if answer.starts_with(b"HTTP/1.1 400 ") {
        (StatusCode::BAD_REQUEST, "Malformed request", "The request is not valid HTTP.")
    } else if answer.starts_with(b"HTTP/1.1 414 ") {
        (StatusCode::URI_TOO_LONG, "Address too long", "The request's address is too long.")
    } else if answer.starts_with(b"HTTP/1.1 431 ") {
        let detail = "The request has too many or too long headers.";
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Headers too large", detail)
    } else {
        return None;
    };
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let others: Vec<_> = head.split("\r\n").filter(|line| *line != "content-length: 0").collect();
    if others.len() + 1 != head.split("\r\n").count() {
        return None;
    }
    let status = status.as_u16();
    let shown = format!(r#""title":"{title}","status":{status},"detail":"{detail}""#);
    let body = format!(r#"{{"type":"urn:chat2pay:problem:malformed_body",{shown},"code":"malformed_body"}}"#);
    let length = body.len();
    let head = others.join("\r\n");
    Some(format!("{head}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\r\n{body}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_librarys_empty_answers_get_a_body() {
        let bare = b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = String::from_utf8(with_body(bare).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(
                "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-type: application/problem+json"
            )
        );
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
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
