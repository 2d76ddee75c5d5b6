//! Text messages or WhatsApp by Clickatell's One API
//! (<https://guides.clickatell.com/clickatell-chat-commerce-platform/developer/channels/whatsapp-and-sms-one-api/api-reference/messages/send-messages>).

use super::exchange::{by_status, described, exchange, read};
use super::reports::{ReportedOutcome, Reports, objects};
use super::sender::{Sender, refused};
use super::token::Token;
use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, HttpResponse};
use crate::json::null_as_default;
use crate::names::names;
use crate::secrets::SecretSource;
use crate::trust::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::{ChannelError, Message};
use domain::{DeliveryFailure, DeliveryReport, Doors, PaymentRequestId, Timestamp};
use http::HeaderMap;
use runtime::hmac::{code, equal_in_constant_time};
use runtime::json::Document;
use runtime::webhook::SignatureError;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

const API_URL: &str = "https://platform.clickatell.com";

/// A channel that sends texts over `CLICKATELL_CHANNEL` with the key `CLICKATELL_API_KEY` or the one at
/// `CLICKATELL_API_KEY_ARN`, through `CLICKATELL_API_URL`.
#[derive(Debug, Clone)]
pub struct ClickatellChannel {
    doors: Doors,
    http: HttpClient,
    url: String,
    keys: SecretSource<Token>,
    route: Route,
}

names! {
    /// The service that Clickatell sends a text over, by its name for it.
    enum Route {
        /// A text message.
        Sms = "sms",
        /// A WhatsApp message.
        WhatsApp = "whatsapp",
    }
}

/// The body of a response. An error is about the whole request or about its one message.
#[derive(Deserialize)]
struct Response {
    #[serde(default, deserialize_with = "null_as_default")]
    messages: Vec<SentMessage>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct SentMessage {
    accepted: bool,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
}

impl ClickatellChannel {
    /// Builds the channel from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let route = environment.parse("CLICKATELL_CHANNEL", &Route::alternatives())?;
        let api = environment.get("CLICKATELL_API_URL").unwrap_or(API_URL);
        let api = Endpoint::base(api, "CLICKATELL_API_URL")?.into_string();
        Ok(Self {
            doors: environment.doors(),
            http: HttpClient::unpooled(&Trust::of(environment)?),
            url: format!("{api}/v1/message"),
            keys: SecretSource::from_environment(environment, "CLICKATELL_API_KEY")?,
            route,
        })
    }
}

impl Sender for ClickatellChannel {
    /// Returns false: Clickatell accepts a client's identifier for tracking, but does not document that it drops a
    /// repeat.
    fn drops_repeats(&self) -> bool {
        false
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    async fn send(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let request = |key: &Token| {
            let mut body = json!({
                "channel": self.route.as_str(),
                // The international form without the plus sign.
                "to": message.event.customer.phone.as_str().trim_start_matches('+'),
                "content": message.text,
            });
            if let Some(id) = message.link_of() {
                body["clientMessageId"] = Mark::new(id, key).to_text().into();
            }
            self.http.post(&self.url).authorization(key.expose_secret()).json(&json!({ "messages": [body] }))
        };
        outcome(&exchange(&self.keys, request).await?)
    }
}

/// The `clientMessageId` of a message with a link, which the reports of the message repeat. Clickatell does not sign
/// callbacks. A mark that is returned unchanged proves that Clickatell sent the callback, because nobody else knows the
/// mark.
struct Mark {
    id: PaymentRequestId,
    proof: [u8; Self::PROOF],
}

impl Mark {
    /// The length of the proof. With the request's identifier it makes 32 characters, like the identifiers in
    /// Clickatell's examples.
    const PROOF: usize = 8;

    fn new(id: PaymentRequestId, key: &Token) -> Self {
        let mut proof = [0; Self::PROOF];
        let code = code(key.expose_secret().as_bytes(), &[b"chat2pay delivery report\0", id.as_bytes()]);
        proof.iter_mut().zip(code).for_each(|(to, from)| *to = from);
        Self { id, proof }
    }

    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.id.as_bytes().as_slice(), &self.proof].concat())
    }

    /// Parses a mark without verifying who made it.
    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, proof) = bytes.split_first_chunk()?;
        Some(Self { id: PaymentRequestId::from_bytes(*id), proof: proof.try_into().ok()? })
    }

    fn verify(&self, key: &Token) -> Result<(), SignatureError> {
        let holds = equal_in_constant_time(&self.proof, &Self::new(self.id, key).proof);
        if holds { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// The maximum size of a callback in bytes. A callback may be about several messages.
const CALLBACK_AT_MOST: usize = 256 * 1024;

/// The callbacks about messages that were sent
/// (<https://guides.clickatell.com/clickatell-chat-commerce-platform/developer/channels/whatsapp-and-sms-one-api/api-reference/customer-callbacks>).
#[derive(Debug, Clone)]
pub struct ClickatellReports {
    keys: SecretSource<Token>,
}

impl ClickatellReports {
    /// Builds the reader of callbacks about messages that were sent with the key `CLICKATELL_API_KEY` or the one at
    /// `CLICKATELL_API_KEY_ARN`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self { keys: SecretSource::from_environment(environment, "CLICKATELL_API_KEY")? })
    }
}

impl Reports for ClickatellReports {
    fn body_at_most(&self) -> Option<usize> {
        Some(CALLBACK_AT_MOST)
    }

    /// Returns false: a code in the body says who sent it.
    fn are_signed(&self) -> bool {
        false
    }

    /// Accepts only reports with a mark of ours, and ignores those about all other messages of the account. What has no
    /// mark may come from anybody, so an unknown shape of it is logged and not counted.
    async fn read(
        &self,
        _headers: &HeaderMap,
        body: &[u8],
        _now: Timestamp,
    ) -> Result<Vec<ReportedOutcome>, WebhookError> {
        let document = Document::new(body);
        let callback = document.object()?;
        let (mut unreadable, mut said, mut unmarked) = (Vec::new(), Vec::new(), 0);
        // Replies of customers have other members.
        let event = callback.object("event").unwrap_or_default();
        for update in objects(&event, "messageStatusUpdate", &mut unreadable) {
            let mark = update.optional::<String>("clientMessageId").as_deref().and_then(Mark::read);
            let Some(mark) = mark else { continue };
            let outcome = match update.optional("statusCode").map_or(Meaning::Unknown, Meaning::of) {
                Meaning::Failed(reason) => ReportedOutcome::Failed(DeliveryReport { id: mark.id, reason }),
                Meaning::NotFailed => continue,
                Meaning::Unknown => ReportedOutcome::unknown("statusCode", update.raw("statusCode").map(RawValue::get)),
            };
            match self.keys.verify(|key| mark.verify(key)).await {
                Ok(()) => said.push(outcome),
                // Another system's identifier may look like a mark, so the sender of the callback is not at fault.
                Err(WebhookError::Signature(_)) => unmarked += 1,
                Err(error) => return Err(error),
            }
        }
        if unmarked > 0 {
            tracing::warn!(unmarked, "delivery reports ignored: their mark was not made with this key");
        }
        if !unreadable.is_empty() {
            tracing::warn!(
                skipped = unreadable.len(),
                "status updates ignored: they have an unknown shape and no mark"
            );
        }
        Ok(said)
    }
}

/// The meaning of a status code
/// (<https://www.clickatell.com/developers/api-documentation/one-api-message-status-codes-descriptions/>).
enum Meaning {
    /// The message was not delivered, for this reason.
    Failed(DeliveryFailure),
    /// The message was delivered, or still may be.
    NotFailed,
    /// This version does not know the code.
    Unknown,
}

impl Meaning {
    fn of(status_code: i64) -> Self {
        Self::Failed(match status_code {
            // Unknown so far, queued, scheduled, sent, delivered, read; or emulated, because the account is testing.
            1..=6 | 24 => return Self::NotFailed,
            // Expired, or a delivery error.
            20 | 23 => DeliveryFailure::Undelivered,
            29 => DeliveryFailure::NotOnChannel,
            // WhatsApp's 24-hour window is over.
            131 => DeliveryFailure::OutsideConversationWindow,
            // WhatsApp's rate limits.
            132 | 133 => DeliveryFailure::ChannelUnavailable,
            // Stopped, no credit, a limit, a route, the content, the template.
            21.. => DeliveryFailure::ChannelRefused,
            _ => return Self::Unknown,
        })
    }
}

fn outcome(response: &HttpResponse) -> Result<(), ChannelError> {
    let (message, whole) =
        read::<Response>(response).map(|body| (body.messages.into_iter().next(), body.error)).unwrap_or_default();
    let accepted = message.as_ref().map(|message| message.accepted);
    let code = message.and_then(|message| message.error).or(whole).map(|error| error.code);
    if response.status.is_success() && accepted == Some(true) && code.is_none() {
        return Ok(());
    }
    let because = |reason| ChannelError::Refused { reason, cause: described(response.status, code) };
    // https://help.clickatell.com/developers-documentation/channels/whatsapp-and-sms-one-api/status-codes-and-errors
    Err(match code {
        Some(25) => because(DeliveryFailure::InvalidRecipient),
        Some(26) => because(DeliveryFailure::RecipientOptedOut),
        Some(27) => because(DeliveryFailure::NotOnChannel),
        // "Internal error, please retry" and the rate limit.
        Some(19 | 43) => ChannelError::Unavailable(described(response.status, code)),
        // "Internal error" without an invitation to retry.
        Some(18) => ChannelError::Unconfirmed(described(response.status, code)),
        // Every other error comes from the checks before a message is accepted, whatever the HTTP status.
        Some(_) => because(DeliveryFailure::ChannelRefused),
        None if accepted == Some(false) => refused(described(response.status, code)),
        None => by_status(response.status, code),
    })
}

#[cfg(test)]
mod tests {
    use super::super::sender::tests::meaning;
    use super::*;
    use http::StatusCode;
    use serde_json::Value;

    fn said(status: u16, body: &Value) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = HttpResponse { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() };
        meaning(outcome(&answer))
    }

    fn of_message(code: i64) -> Value {
        json!({ "messages": [{ "apiMessageId": null, "accepted": false, "to": "27831234567",
            "error": { "code": code, "description": "Invalid recipient address: 27831234567" } }], "error": null })
    }

    fn of_call(code: i64) -> Value {
        json!({ "messages": [], "error": { "code": code, "description": "wrong" } })
    }

    #[test]
    fn each_documented_error_is_mapped_whatever_the_http_status() {
        for status in [200, 202, 207, 400] {
            for (code, meaning) in [
                (25, "invalid_recipient"),
                (26, "recipient_opted_out"),
                (27, "not_on_channel"),
                (28, "channel_refused"),
                (20, "channel_refused"),
                (43, "again"),
                (19, "again"),
                (18, "unknown"),
                (999, "channel_refused"),
            ] {
                assert_eq!(said(status, &of_message(code)), meaning, "{status} {code}");
            }
        }
        for (status, code, meaning) in [
            (401, 1, "channel_refused"),
            (400, 21, "channel_refused"),
            (400, 43, "again"),
            (503, 19, "again"),
            (500, 18, "unknown"),
        ] {
            assert_eq!(said(status, &of_call(code)), meaning, "{status} {code}");
        }
    }

    #[test]
    fn only_an_accepted_message_counts_as_sent() {
        let message = json!({ "apiMessageId": "77fb", "accepted": true, "to": "27831234567", "error": null });
        let accepted = json!({ "messages": [message], "error": null, "new": 1 });
        assert_eq!(said(202, &accepted), "sent");
        assert_eq!(said(200, &accepted), "sent");
        assert_eq!(said(207, &accepted), "sent");
        let refused = json!({ "messages": [{ "accepted": false, "to": "27831234567", "error": null }] });
        assert_eq!(said(202, &refused), "channel_refused");
        for body in [json!({}), json!({ "messages": [] }), json!({ "messages": [{ "to": "x" }] }), json!("<html>")] {
            assert_eq!(said(202, &body), "unknown", "{body}");
            assert_eq!(said(502, &body), "unknown", "{body}");
            assert_eq!(said(429, &body), "again", "{body}");
            assert_eq!(said(404, &body), "channel_refused", "{body}");
        }
    }
}
