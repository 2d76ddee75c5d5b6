//! The calls to the endpoints. A name is resolved, every address of it is checked, and the connection is made to one of
//! those very addresses.

use crate::http_client::{HttpClient, HttpError};
use crate::webhooks;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use domain::Timestamp;
use domain::ports::WebhookSender;
use domain::webhooks::{AttemptError, Delivery, Reach, Response, SigningSecret, WebhookEndpoint};
use http::header::RETRY_AFTER;
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment};
use serde::Serialize;
use serde_json::value::RawValue;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

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
        Ok(Self { http: HttpClient::resolving(CheckingResolver { reach }), reach })
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
        let data: &RawValue = serde_json::from_str(&event.detail).map_err(|_| AttemptError::NoConnection)?;
        let body = Body { r#type: event.kind.as_str(), timestamp: event.occurred_at, data };
        let body = serde_json::to_vec(&body).map_err(|_| AttemptError::NoConnection)?;
        let secrets = Secrets::of(secrets.iter().map(|secret| secret.reveal().to_vec()));
        let headers = secrets.sign_with_all(event.id.as_str(), &body, now).map_err(|_| AttemptError::NoConnection)?;
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
        checked(self.reach, found.map(|address| address.ip()).collect())
    }
}

/// Returns the addresses if each of them may be called. One that may not makes the whole name suspect.
fn checked(reach: Reach, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, ResolveError> {
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

/// Returns why a call had no answer.
fn attempt_error(error: &HttpError) -> AttemptError {
    let (HttpError::Unavailable(cause) | HttpError::Refused(cause) | HttpError::Unreadable(cause)) = error;
    let mut next: Option<&(dyn Error + 'static)> = Some(cause.as_ref());
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(ResolveError::NotFound) => return AttemptError::NameNotFound,
            Some(ResolveError::Internal) => return AttemptError::Internal,
            None => {}
        }
        // The client's own timeout of the connection has no type to tell it by.
        let text = error.to_string();
        if error.is::<tokio::time::error::Elapsed>() || text.contains("timed out") || text.contains("timeout") {
            return AttemptError::TimedOut;
        }
        // The error of a TLS handshake.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return AttemptError::NotSecure;
        }
        next = error.source();
    }
    AttemptError::NoConnection
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_inside_a_network_makes_a_name_unusable() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let public = of(&["1.1.1.1", "2606:4700:4700::1111"]);
        assert_eq!(checked(Reach::Public, public.clone()).unwrap(), public);
        for mixed in [of(&["1.1.1.1", "169.254.169.254"]), of(&["::1"]), of(&["2606:4700:4700::1111", "10.0.0.1"])] {
            assert!(matches!(checked(Reach::Public, mixed), Err(ResolveError::Internal)));
        }
        assert!(matches!(checked(Reach::Public, Vec::new()), Err(ResolveError::NotFound)));
    }

    /// A name that was public when it was registered, and that leads to this machine by now.
    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
        let http = HttpClient::resolving(CheckingResolver { reach: Reach::Public });
        let error = http.post(&url).head().await.unwrap_err();
        assert_eq!(attempt_error(&error), AttemptError::Internal, "{error:?}");
        assert!(!accepted.is_finished(), "it was connected to");
        accepted.abort();
    }

    #[tokio::test]
    async fn a_failure_is_told_apart() {
        let http = HttpClient::resolving(CheckingResolver { reach: Reach::PublicAndLoopback });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = http.post(&format!("http://127.0.0.1:{port}/")).timeout(Duration::from_millis(50)).head().await;
        assert_eq!(attempt_error(&silent.unwrap_err()), AttemptError::TimedOut);
        drop(listener);
        let closed = http.post(&format!("http://127.0.0.1:{port}/")).head().await;
        assert_eq!(attempt_error(&closed.unwrap_err()), AttemptError::NoConnection);
    }
}
