//! The integrator's own chat: each message is a signed webhook (Standard Webhooks).

use super::reports::{ReportedOutcome, Reports};
use super::sender::{Sender, refused};
use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, HttpError};
use crate::secrets::SecretSource;
use crate::trust::Trust;
use domain::event::link_event_id;
use domain::ports::{ChannelError, Message};
use domain::{ConversationId, DeliveryFailure, DeliveryReport, Doors, PaymentRequestId, Phone, Timestamp, WorkspaceId};
use http::{HeaderMap, StatusCode};
use runtime::json::Document;
use runtime::problem::FieldError;
use runtime::webhook::{Secrets, SignedWebhook, WEBHOOK_AT_MOST};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::Serialize;

/// A channel that posts messages to `CHANNEL_WEBHOOK_URL`, signed with `CHANNEL_WEBHOOK_SECRET` or the secret at
/// `CHANNEL_WEBHOOK_SECRET_ARN`.
///
/// The webhook's identifier is the event's. So a receiver that stores the identifiers delivers every message once,
/// however often it is posted.
#[derive(Debug, Clone)]
pub struct WebhookChannel {
    doors: Doors,
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
    /// Builds the channel from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            doors: environment.doors(),
            http: HttpClient::new(&Trust::of(environment)?),
            url: Endpoint::complete(environment.require("CHANNEL_WEBHOOK_URL")?, "CHANNEL_WEBHOOK_URL")?.into_string(),
            secrets: SecretSource::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")?,
        })
    }
}

impl Sender for WebhookChannel {
    /// Returns true: the integrator's chat stores the identifiers of the messages that it has received.
    fn drops_repeats(&self) -> bool {
        true
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    async fn send(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let (event, now) = (message.event, self.doors.now());
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
        let secrets = self.secrets.current().await?;
        let headers = secrets.sign(&event.event_id, &body, now).map_err(refused)?;
        let request = self.http.post(&self.url).headers(headers).body("application/json", body);
        let status = match request.exchange().await {
            Ok(response) => response.status,
            Err(HttpError::Refused(cause)) => return Err(refused(cause)),
            // The chat may have received the message, and drops the repeat.
            Err(HttpError::Unavailable(cause) | HttpError::Unreadable(cause)) => {
                return Err(ChannelError::Unavailable(cause));
            }
        };
        let cause = || format!("it answered {status}");
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => Err(refused(cause())),
            // The chat did not examine the message: it is being deployed, its secret is being rotated, or its gateway
            // answered.
            _ => Err(ChannelError::Unavailable(cause().into())),
        }
    }
}

/// The webhooks by which the chat reports that a text will not arrive, signed with the same secret as the texts. Their
/// schema is `events/schemas/message.failed.schema.json`.
#[derive(Debug, Clone)]
pub struct ChatReports {
    secrets: SecretSource<Secrets>,
}

impl ChatReports {
    /// Builds the reader of webhooks signed with `CHANNEL_WEBHOOK_SECRET` or the secret at
    /// `CHANNEL_WEBHOOK_SECRET_ARN`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { secrets: SecretSource::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")? })
    }
}

impl Reports for ChatReports {
    fn body_at_most(&self) -> Option<usize> {
        Some(WEBHOOK_AT_MOST)
    }

    /// Verifies a report, and ignores one about a text without a link.
    async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Vec<ReportedOutcome>, WebhookError> {
        let webhook = SignedWebhook::read(headers, body, now)?;
        self.secrets.verify(|secrets| secrets.verify(&webhook)).await?;
        let document = Document::new(body);
        let report = document.object()?;
        if report.required::<String>("type")? != "message.failed" {
            return Ok(Vec::new());
        }
        let message = report.object("data").unwrap_or_default();
        let event_id: String = message.required("event_id")?;
        let id: String = message.required("payment_request_id")?;
        let reason = match message.raw("reason") {
            None => DeliveryFailure::Undelivered,
            Some(_) => DeliveryFailure::of_code(&message.required::<String>("reason")?)
                .ok_or_else(|| WebhookError::Field(unknown_reason()))?,
        };
        let id = id.parse().ok().filter(|id| link_event_id(*id) == event_id);
        Ok(id.map(|id| ReportedOutcome::Failed(DeliveryReport { id, reason })).into_iter().collect())
    }
}

fn unknown_reason() -> FieldError {
    let codes: Vec<_> = DeliveryFailure::ALL.iter().map(|failure| failure.code()).collect();
    FieldError::new("data.reason", format!("must be one of {}", codes.join(", ")))
}
