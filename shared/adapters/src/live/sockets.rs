//! The WebSocket API, through its management interface
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html>).

use crate::aws::{SOCKETS, client_config, endpoint_resolver};
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::live::{ConnectionId, Ticket};
use domain::ports::{SocketError, Sockets};
use runtime::{ConfigError, Environment};
use std::error::Error;
use url::Url;

/// The WebSocket API's stage.
#[derive(Debug, Clone)]
pub struct LiveGateway {
    client: Client,
    url: Url,
}

impl LiveGateway {
    /// Builds the gateway from the environment: the stage at `LIVE_URL`, with the endpoint
    /// `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        const NAME: &str = "LIVE_URL";
        let expected = "an address such as wss://abc.execute-api.eu-west-1.amazonaws.com/live";
        let invalid = || Environment::invalid(NAME, expected);
        let url: Url = environment.require(NAME)?.parse().map_err(|_| invalid())?;
        let of_endpoint = match url.scheme() {
            "wss" => "https",
            "ws" => "http",
            _ => return Err(invalid()),
        };
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(invalid());
        }
        let mut config = client_config!(aws_sdk_apigatewaymanagement, environment, SOCKETS).to_builder();
        if SOCKETS.configured(environment)?.is_none() {
            let endpoint = url.as_str().replacen(url.scheme(), of_endpoint, 1);
            config.set_endpoint_resolver(Some(endpoint_resolver(endpoint)));
        }
        Ok(Self { client: Client::from_conf(config.build()), url })
    }

    /// Returns the address at which a ticket opens a connection.
    #[must_use]
    pub fn address(&self, ticket: &Ticket) -> String {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("ticket", &ticket.reveal());
        url.into()
    }
}

impl Sockets for LiveGateway {
    async fn post(&self, connection: &ConnectionId, message: &str) -> Result<(), SocketError> {
        let post = self.client.post_to_connection().connection_id(connection.as_str());
        post.data(Blob::new(message)).send().await.map(drop).map_err(socket_error)
    }

    async fn close(&self, connection: &ConnectionId) -> Result<(), SocketError> {
        let closed = self.client.delete_connection().connection_id(connection.as_str()).send().await;
        match closed.map_err(socket_error) {
            Ok(_) | Err(SocketError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Maps a failed call. The status counts, because the gateway's errors may come without a code.
fn socket_error<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
    error: SdkError<E, HttpResponse>,
) -> SocketError {
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(410) => SocketError::Gone,
        _ => SocketError::Failed(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::SystemRandomness;

    fn made(url: &str) -> Result<LiveGateway, ConfigError> {
        let environment = Environment::default()
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("LIVE_URL", url);
        LiveGateway::new(&environment)
    }

    #[test]
    fn the_address_of_a_ticket_is_that_of_the_stage() {
        let ticket = Ticket::random(&SystemRandomness).unwrap();
        let address = made("wss://a.example.com/live").unwrap().address(&ticket);
        assert_eq!(address, format!("wss://a.example.com/live?ticket={}", ticket.reveal()));
    }

    #[test]
    fn only_the_address_of_a_websocket_is_accepted() {
        for wrong in ["", "a", "https://a.example.com", "wss://a@b.example.com/live", "wss://b.example.com/live?x"] {
            assert!(made(wrong).unwrap_err().to_string().contains("LIVE_URL"), "{wrong}");
        }
    }
}
