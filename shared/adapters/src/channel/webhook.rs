//! A message as a signed webhook (Standard Webhooks) to the integrator's chat.

use super::{refused, secret_error};
use crate::http_client::{CallError, HttpClient};
use crate::secrets::SecretSource;
use domain::ports::{ChannelError, Message};
use domain::{Clock, ConversationId, PaymentRequestId, Phone, SystemClock, Timestamp, WorkspaceId};
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment};
use serde::Serialize;

/// Posts messages to `CHANNEL_WEBHOOK_URL`, signed with `CHANNEL_WEBHOOK_SECRET` or the secret at
/// `CHANNEL_WEBHOOK_SECRET_ARN`.
///
/// The webhook's identifier is the event's, so a receiver that keeps the identifiers it has seen delivers every message
/// once, however often it is posted.
#[derive(Debug, Clone)]
pub struct WebhookChannel {
    http: HttpClient,
    url: String,
    secrets: SecretSource<Secrets>,
}

/// The webhook's body. Its schema is `events/schemas/message.requested.schema.json`.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    event_id: &'a str,
    payment_request_id: PaymentRequestId,
    workspace: &'a WorkspaceId,
    conversation_id: Option<&'a ConversationId>,
    to: &'a Phone,
    text: &'a str,
}

impl WebhookChannel {
    /// The channel that the environment names.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpClient::new(),
            url: runtime::config::url(environment, "CHANNEL_WEBHOOK_URL")?,
            secrets: SecretSource::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")?,
        })
    }

    /// Posts a message once.
    pub(super) async fn post(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let (event, now) = (message.event, SystemClock.now());
        let body = Body {
            r#type: "message.requested",
            timestamp: now,
            data: Data {
                event_id: &event.event_id,
                payment_request_id: event.id,
                workspace: &event.workspace,
                conversation_id: event.conversation_id.as_ref(),
                to: &event.customer.phone,
                text: &message.text,
            },
        };
        let body = serde_json::to_vec(&body).map_err(refused)?;
        let secrets = self.secrets.current().await.map_err(secret_error)?;
        let headers = secrets.sign(&event.event_id, &body, now).map_err(refused)?;
        let call = self.http.post(&self.url).headers(headers).body("application/json", body);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(CallError::Unavailable(cause)) => Err(ChannelError::Unavailable(cause)),
            Err(CallError::Refused(cause) | CallError::Unreadable(cause)) => Err(refused(cause)),
        }
    }
}
