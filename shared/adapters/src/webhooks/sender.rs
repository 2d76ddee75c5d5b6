//! The calls to the endpoints. A name is resolved, every address of it is checked, and the connection is made to one of
//! those very addresses.

use crate::http_client::{HttpClient, HttpError};
use crate::trust::Trust;
use crate::webhooks;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::result::ConnectorError;
use domain::Timestamp;
use domain::ports::WebhookSender;
use domain::webhooks::{AttemptError, Delivery, Reach, Response, SigningSecret, WebhookEndpoint};
use http::header::RETRY_AFTER;
use runtime::telemetry::redacted;
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment};
use serde::Serialize;
use serde_json::value::RawValue;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::error::Elapsed;

/// The timeout of a call: name resolution, connection, and the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The sender of deliveries.
///
/// It follows no redirect, because a redirect could lead inside a network. It opens a connection for each call, so that
/// none of an address that was checked long ago is used.
#[derive(Debug, Clone)]
pub struct EndpointSender {
    http: HttpClient,
    reach: Reach,
}

/// The body of a delivery, as Standard Webhooks recommends it. Its schema is in `events/README.md`.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    /// The bus event's detail, byte for byte.
    data: &'a RawValue,
}

impl EndpointSender {
    /// Builds the sender. `WEBHOOK_ENDPOINTS_ON_LOOPBACK` says whether it calls endpoints on this machine.
    ///
    /// # Errors
    /// The variable is invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        let reach = webhooks::reach(environment)?;
        Ok(Self { http: HttpClient::resolving(&Trust::of(environment)?, CheckingResolver { reach }), reach })
    }

    async fn call(
        &self,
        endpoint: &WebhookEndpoint,
        secrets: &[SigningSecret],
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Response, AttemptError> {
        // A number in place of a name is not resolved, so that it is checked here.
        let url = endpoint.url.address(self.reach).map_err(|_| AttemptError::Internal)?;
        let event = &delivery.event;
        let data: &RawValue = serde_json::from_str(&event.detail).map_err(|error| not_sent(&redacted(&error)))?;
        let body = Body { r#type: event.kind.as_str(), timestamp: event.occurred_at, data };
        let body = serde_json::to_vec(&body).map_err(|error| not_sent(&redacted(&error)))?;
        let secrets = Secrets::of(secrets.iter().map(|secret| secret.reveal().to_vec()));
        let headers = secrets.sign_with_all(event.id.as_str(), &body, now);
        let headers = headers.map_err(|_| not_sent("it cannot be signed"))?;
        let request = self.http.post(url.as_str()).headers(headers).body("application/json", body).timeout(TIMEOUT);
        let (status, headers) = request.head().await.map_err(|error| attempt_error(&error))?;
        let wait = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = wait.map(Duration::from_secs).filter(|_| matches!(status.as_u16(), 429 | 503));
        Ok(Response { answer: Ok(status.as_u16()), retry_after })
    }
}

impl WebhookSender for EndpointSender {
    async fn send(
        &self,
        endpoint: &WebhookEndpoint,
        secrets: &[SigningSecret],
        delivery: &Delivery,
        now: Timestamp,
    ) -> Response {
        let failed = |error| Response { answer: Err(error), retry_after: None };
        self.call(endpoint, secrets, delivery, now).await.unwrap_or_else(failed)
    }
}

/// Resolves names to addresses that may be called.
#[derive(Debug, Clone)]
struct CheckingResolver {
    reach: Reach,
}

/// The error of a name that leads nowhere, or inside a network.
#[derive(Debug, thiserror::Error)]
enum ResolveError {
    #[error("the name has no address")]
    NotFound,
    #[error("the name leads inside a network")]
    Internal,
}

impl CheckingResolver {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let found = tokio::net::lookup_host((name, 0)).await.map_err(|_| ResolveError::NotFound)?;
        allowed(self.reach, found.map(|address| address.ip()).collect())
    }
}

/// Returns the addresses if each of them may be called. One that may not makes the whole name suspect.
fn allowed(reach: Reach, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, ResolveError> {
    if addresses.is_empty() {
        Err(ResolveError::NotFound)
    } else if addresses.iter().all(|address| reach.allows(*address)) {
        Ok(addresses)
    } else {
        Err(ResolveError::Internal)
    }
}

impl ResolveDns for CheckingResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}

/// Logs why a request could not be made, for a reason of ours.
fn not_sent(cause: &str) -> AttemptError {
    tracing::error!(cause, "webhook not sent: the request cannot be made");
    AttemptError::NotSent
}

/// Returns why a call had no answer.
fn attempt_error(error: &HttpError) -> AttemptError {
    let cause = match error {
        HttpError::Refused(_) => return not_sent("the client refuses it"),
        HttpError::Unavailable(cause) | HttpError::Unreadable(cause) => cause,
    };
    let mut next: Option<&(dyn Error + 'static)> = Some(cause.as_ref());
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(ResolveError::NotFound) => return AttemptError::NameNotFound,
            Some(ResolveError::Internal) => return AttemptError::Internal,
            None => {}
        }
        if error.is::<Elapsed>()
            || error.downcast_ref().is_some_and(ConnectorError::is_timeout)
            || error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
        {
            return AttemptError::TimedOut;
        }
        if error.downcast_ref().is_some_and(is_of_handshake) {
            return AttemptError::NotSecure;
        }
        next = error.source();
    }
    AttemptError::NoConnection
}

/// Returns whether an error is that of a TLS handshake. The client wraps it in an error of its own, whose `source`
/// leaves it out.
fn is_of_handshake(error: &io::Error) -> bool {
    let inner = || error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::InvalidData || inner().is_some_and(is_of_handshake)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::LOOPBACK;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use domain::Doors;
    use domain::event::DetailType;
    use domain::webhooks::{EndpointId, Subscription, WebhookEvent};
    use std::sync::Arc;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    /// A certificate for `localhost` that nobody but itself has signed, and its key, made for this test alone.
    const CERTIFICATE: &str = "\
        MIIBVTCCAQegAwIBAgIURzPUGXO5FX3rwwIo7tMPQa/c+GcwBQYDK2VwMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDAgFw0yNjExMjYx\
        NTMzMjhaGA8yMTI2MTEwMjE1MzMyOFowFDESMBAGA1UEAwwJbG9jYWxob3N0MCowBQYDK2VwAyEALo2gP13xZYylNWjtGrbfODmH\
        +dYSln9MmmlbT8AFwr6jaTBnMB0GA1UdDgQWBBSMkSTt+5p4mHcFsMlabUrlU0wtsDAfBgNVHSMEGDAWgBSMkSTt+5p4mHcFsMla\
        bUrlU0wtsDAPBgNVHRMBAf8EBTADAQH/MBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAFBgMrZXADQQCZo16/qlC0sIVGCUXSCXd6dikR\
        61bpY4BQSIDa59/yoYd/Hx1WzYE2HU2f15b3NMX+Z3f4fnzRCPMZKAs41MEA";
    const CERTIFICATE_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIF8LoWVjxSTaFkFySWJuWconZht72iR1i7SwPUS76DuY";

    fn trust() -> Arc<Trust> {
        Trust::of(&Environment::default()).unwrap()
    }

    /// Sends a delivery to this address, which is stored already, and returns the answer.
    async fn sent(sender: &EndpointSender, url: &str) -> Result<u16, AttemptError> {
        sent_as(sender, url, "{}").await
    }

    async fn sent_as(sender: &EndpointSender, url: &str, detail: &str) -> Result<u16, AttemptError> {
        let (doors, workspace) = (Doors::default(), "acme".parse::<domain::WorkspaceId>().unwrap());
        let now = doors.now();
        let endpoint = WebhookEndpoint {
            workspace: workspace.clone(),
            id: EndpointId::random(&doors).unwrap(),
            url: serde_json::from_value(url.into()).unwrap(),
            events: Subscription::All,
            description: None,
            created_at: now,
            secrets: Vec::new(),
            failing_since: None,
            disabled_at: None,
            ended_at: None,
            slow_until: None,
        };
        let event = WebhookEvent {
            id: "0199-a#1".parse().unwrap(),
            kind: DetailType::PaymentRequestStatusChanged,
            occurred_at: now,
            workspace,
            detail: detail.to_owned(),
        };
        let delivery = Delivery::new(endpoint.id.clone(), event, now);
        sender.send(&endpoint, &[SigningSecret::random(&doors).unwrap()], &delivery, now).await.answer
    }

    /// The resolver is not asked about a number, so that the sender itself has to check it.
    #[tokio::test]
    async fn a_stored_address_inside_a_network_is_not_connected_to() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sender = EndpointSender::new(&Environment::default()).unwrap();
        for host in ["https://127.0.0.1", "http://127.0.0.1", "https://localhost", "https://[::ffff:127.0.0.1]"] {
            let answer = sent(&sender, &format!("{host}:{}/", address.port())).await;
            assert_eq!(answer, Err(AttemptError::Internal), "{host}");
        }
        let own = TcpStream::connect(address).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, own.local_addr().unwrap(), "it was connected to");
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_endpoint_whose_certificate_nobody_trusts() {
        let bytes = |text| STANDARD.decode(text).unwrap();
        let key = PrivateKeyDer::try_from(bytes(CERTIFICATE_KEY)).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(bytes(CERTIFICATE))], key)
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(drop)
        });
        let sender = EndpointSender::new(&Environment::default().with(LOOPBACK, "allowed")).unwrap();
        assert_eq!(sent(&sender, &format!("https://localhost:{port}/")).await, Err(AttemptError::NotSecure));
        assert!(server.await.unwrap().is_err(), "a connection was made");
    }

    #[test]
    fn one_address_inside_a_network_makes_a_name_unusable() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let public = of(&["1.1.1.1", "2606:4700:4700::1111"]);
        assert_eq!(allowed(Reach::Public, public.clone()).unwrap(), public);
        for mixed in [of(&["1.1.1.1", "169.254.169.254"]), of(&["::1"]), of(&["2606:4700:4700::1111", "10.0.0.1"])] {
            assert!(matches!(allowed(Reach::Public, mixed), Err(ResolveError::Internal)));
        }
        assert!(matches!(allowed(Reach::Public, Vec::new()), Err(ResolveError::NotFound)));
    }

    /// A name that was public when it was registered, and that leads to this machine by now.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
        let http = HttpClient::resolving(&trust(), CheckingResolver { reach: Reach::Public });
        let error = http.post(&url).head().await.unwrap_err();
        assert_eq!(attempt_error(&error), AttemptError::Internal, "{error:?}");
        assert!(!accepted.is_finished(), "it was connected to");
        accepted.abort();
    }

    #[tokio::test]
    async fn each_failure_has_a_reason_of_its_own() {
        let http = HttpClient::resolving(&trust(), CheckingResolver { reach: Reach::PublicAndLoopback });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = http.post(&format!("http://127.0.0.1:{port}/")).timeout(Duration::from_millis(50)).head().await;
        assert_eq!(attempt_error(&silent.unwrap_err()), AttemptError::TimedOut);
        drop(listener);
        let closed = http.post(&format!("http://127.0.0.1:{port}/")).head().await;
        assert_eq!(attempt_error(&closed.unwrap_err()), AttemptError::NoConnection);
        let refused = http.post("https://ex{am}ple.com/").head().await;
        assert_eq!(attempt_error(&refused.unwrap_err()), AttemptError::NotSent);
        // A text says nothing: it may hold the endpoint's name.
        let named = HttpError::Unavailable("no certificate for timeout.example.com".into());
        assert_eq!(attempt_error(&named), AttemptError::NoConnection);
    }

    /// The connection, with its handshake, has less time than the whole call.
    #[tokio::test]
    async fn a_handshake_that_is_not_answered_is_a_timeout() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let sender = EndpointSender::new(&Environment::default().with(LOOPBACK, "allowed")).unwrap();
        let (answer, _accepted) = tokio::join!(sent(&sender, &url), listener.accept());
        assert_eq!(answer, Err(AttemptError::TimedOut));
    }

    #[tokio::test]
    async fn an_answer_whose_headers_do_not_end_is_no_answer() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
            let mut sent = 0_usize;
            while stream.write_all(format!("x-{sent}: {}\r\n", "y".repeat(1_000)).as_bytes()).await.is_ok() {
                sent += 1;
            }
            sent
        });
        let sender = EndpointSender::new(&Environment::default().with(LOOPBACK, "allowed")).unwrap();
        assert_eq!(sent(&sender, &url).await, Err(AttemptError::NoConnection));
        let headers = server.await.unwrap();
        assert!(headers < 10_000, "{headers} headers were read");
    }

    /// What is stored cannot be sent. That is no fault of the endpoint's.
    #[tokio::test]
    async fn an_event_that_cannot_be_read_back_is_not_sent() {
        let sender = EndpointSender::new(&Environment::default().with(LOOPBACK, "allowed")).unwrap();
        assert_eq!(sent_as(&sender, "http://127.0.0.1:9/", "{").await, Err(AttemptError::NotSent));
    }
}
