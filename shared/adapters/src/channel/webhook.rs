//! A message as a signed webhook (Standard Webhooks) to the integrator's chat.

use super::{refused, secret_error};
use crate::WebhookError;
use crate::http_client::{CallError, HttpClient};
use crate::secrets::SecretSource;
use domain::event::link_event_id;
use domain::ports::{ChannelError, Message};
use domain::{
    Clock, ConversationId, DeliveryFailure, DeliveryReport, PaymentRequestId, Phone, SystemClock, Timestamp,
    WorkspaceId,
};
use http::{HeaderMap, StatusCode};
use runtime::webhook::{Secrets, check_headers};
use runtime::{ConfigError, Environment, FieldError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
        let status = match call.exchange().await {
            Ok(answer) => answer.status,
            Err(CallError::Refused(cause)) => return Err(refused(cause)),
            // The chat may have taken it, and drops it when it comes again.
            Err(CallError::Unavailable(cause) | CallError::Unreadable(cause)) => {
                return Err(ChannelError::Unavailable(cause));
            }
        };
        let cause = || format!("it answered {status}");
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => Err(refused(cause())),
            // Nobody looked at the text: the chat is being deployed, its secret rotated, its gateway in the way.
            _ => Err(ChannelError::Unavailable(cause().into())),
        }
    }
}

/// Webhooks by which the chat says that a text will not arrive, signed with the secret that the texts come with. Their schema
/// is `events/schemas/message.failed.schema.json`.
#[derive(Debug, Clone)]
pub struct ChatReports {
    secrets: SecretSource<Secrets>,
}

#[derive(Deserialize)]
struct Report {
    r#type: String,
    /// What the type says it is; a type that is none of ours may have none.
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct FailedMessage {
    event_id: String,
    payment_request_id: String,
    reason: Option<String>,
}

impl ChatReports {
    /// Webhooks signed with `CHANNEL_WEBHOOK_SECRET` or the secret at `CHANNEL_WEBHOOK_SECRET_ARN`.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { secrets: SecretSource::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")? })
    }

    /// Verifies a webhook and reads which link did not arrive. Other texts leave nothing to tell anybody.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<DeliveryReport>, WebhookError> {
        // Whatever can be refused without the secret does not make us ask for it.
        check_headers(headers, now)?;
        self.secrets.verify(|secrets| secrets.verify(headers, body, now)).await?;
        let report: Report = serde_json::from_slice(body)?;
        if report.r#type != "message.failed" {
            return Ok(Vec::new());
        }
        let message: FailedMessage = serde_json::from_value(report.data)?;
        let reason = match message.reason.as_deref() {
            None => DeliveryFailure::Undelivered,
            Some(code) => DeliveryFailure::of_code(code).ok_or_else(|| WebhookError::Field(unknown_reason()))?,
        };
        let id = message.payment_request_id.parse().ok().filter(|id| link_event_id(*id) == message.event_id);
        Ok(id.map(|id| DeliveryReport { id, reason }).into_iter().collect())
    }
}

fn unknown_reason() -> FieldError {
    let codes: Vec<_> = DeliveryFailure::ALL.iter().map(|failure| failure.code()).collect();
    FieldError::new("data.reason", format!("must be one of {}", codes.join(", ")))
}
