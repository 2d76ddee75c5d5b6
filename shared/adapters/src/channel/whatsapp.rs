//! WhatsApp by Meta's Cloud API
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages/>).

use super::exchange::{by_status, described, exchange, read};
use super::reports::{ReportedOutcome, Reports, objects};
use super::sender::Sender;
use super::token::Token;
use crate::endpoint::Endpoint;
use crate::http_client::{HttpClient, HttpResponse};
use crate::secrets::{SecretSource, SecretValue as _};
use crate::trust::Trust;
use domain::ports::{ChannelError, Message};
use domain::{DeliveryFailure, DeliveryReport, Doors, Timestamp};
use http::HeaderMap;
use runtime::hmac::{equal_in_constant_time, hexadecimal};
use runtime::json::{Document, Object};
use runtime::webhook::SignatureError;
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// The Graph API, in the version that this code was written for.
const API_URL: &str = "https://graph.facebook.com/v25.0";
/// The field of a message that the reports of the message repeat.
const DATA: &str = "biz_opaque_callback_data";

/// A channel that sends texts from the business's phone number `WHATSAPP_PHONE_NUMBER_ID`, with the token
/// `WHATSAPP_ACCESS_TOKEN` or the one at `WHATSAPP_ACCESS_TOKEN_ARN`, through `WHATSAPP_API_URL`.
#[derive(Debug, Clone)]
pub struct WhatsAppChannel {
    doors: Doors,
    http: HttpClient,
    url: String,
    tokens: SecretSource<Token>,
}

#[derive(Deserialize)]
struct Sent {
    messages: Vec<SentMessage>,
}

#[derive(Deserialize)]
struct SentMessage {
    #[serde(rename = "id")]
    _id: String,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: GraphError,
}

#[derive(Deserialize)]
struct GraphError {
    code: i64,
}

impl WhatsAppChannel {
    /// Builds the channel from the environment.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let number = environment.require("WHATSAPP_PHONE_NUMBER_ID")?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Environment::invalid(
                "WHATSAPP_PHONE_NUMBER_ID",
                "the number's identifier at Meta, digits alone",
            ));
        }
        let api = environment.get("WHATSAPP_API_URL").unwrap_or(API_URL);
        let api = Endpoint::base(api, "WHATSAPP_API_URL")?.into_string();
        Ok(Self {
            doors: environment.doors(),
            http: HttpClient::unpooled(&Trust::of(environment)?),
            url: format!("{api}/{number}/messages"),
            tokens: SecretSource::from_environment(environment, "WHATSAPP_ACCESS_TOKEN")?,
        })
    }
}

impl Sender for WhatsAppChannel {
    /// Returns false: the Cloud API accepts no identifier by which a repeat could be recognized.
    fn drops_repeats(&self) -> bool {
        false
    }

    fn doors(&self) -> &Doors {
        &self.doors
    }

    async fn send(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let mut body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.event.customer.phone,
            "type": "text",
            // A preview would fetch the link. That is safe, but without it the message arrives slightly earlier.
            "text": { "preview_url": false, "body": message.text },
        });
        if let Some(id) = message.link_of() {
            // The reports of the message return this identifier.
            body[DATA] = id.to_string().into();
        }
        let request = |token: &Token| self.http.post(&self.url).bearer_auth(token.expose_secret()).json(&body);
        outcome(&exchange(&self.tokens, request).await?)
    }
}

fn outcome(response: &HttpResponse) -> Result<(), ChannelError> {
    if response.status.is_success() && read::<Sent>(response).is_some_and(|sent| !sent.messages.is_empty()) {
        return Ok(());
    }
    let code = read::<ErrorResponse>(response).map(|body| body.error.code);
    Err(match code.map(Meaning::of) {
        Some(Meaning::Recipient(reason)) => ChannelError::Refused { reason, cause: described(response.status, code) },
        Some(Meaning::Busy) => ChannelError::Unavailable(described(response.status, code)),
        Some(Meaning::Unclear) => ChannelError::Unconfirmed(described(response.status, code)),
        Some(Meaning::Other) | None => by_status(response.status, code),
    })
}

/// The meaning of an error
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>).
enum Meaning {
    /// This customer cannot be reached, for this reason.
    Recipient(DeliveryFailure),
    /// The message was not accepted: a rate limit, or a service that is down, overloaded or in maintenance.
    Busy,
    /// The send failed, at an unknown point.
    Unclear,
    /// Any other error.
    Other,
}

impl Meaning {
    /// Returns the meaning of Meta's error code.
    fn of(code: i64) -> Self {
        match code {
            // The recipient is the business's own number.
            131_021 => Self::Recipient(DeliveryFailure::InvalidRecipient),
            // Undeliverable: the number is not on WhatsApp, has not accepted its current terms, or uses an outdated
            // application.
            131_026 => Self::Recipient(DeliveryFailure::NotOnChannel),
            // More than 24 hours since the customer last wrote.
            131_047 => Self::Recipient(DeliveryFailure::OutsideConversationWindow),
            // The customer has opted out of these messages.
            131_050 => Self::Recipient(DeliveryFailure::RecipientOptedOut),
            // The first four are the rate limits of the application, of the account, of the number, and of the number
            // to this customer.
            4 | 80_007 | 130_429 | 131_056 | 2 | 131_016 | 131_057 => Self::Busy,
            // "Possible server error" and "unknown error".
            1 | 131_000 => Self::Unclear,
            _ => Self::Other,
        }
    }
}

/// The header of Meta's signature: `sha256=` and the HMAC-SHA256 of the body in hexadecimal, with the application's
/// secret as the key (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>). The signature has no
/// timestamp, but a replayed report changes nothing.
const SIGNATURE: &str = "x-hub-signature-256";

/// The maximum size of a body in bytes. Meta batches notifications, including all messages of the account and of its
/// customers (<https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks>). A body that is
/// rejected as too long is sent again at the same length. In base64 this is 4 MiB of the 6 MB that Lambda accepts.
const NOTIFICATION_AT_MOST: usize = 3 * 1024 * 1024;

/// The webhooks of the application that the number belongs to.
#[derive(Debug, Clone)]
pub struct WhatsAppReports {
    secrets: SecretSource<Token>,
    verify_token: Token,
}

impl WhatsAppReports {
    /// Builds the reader of webhooks signed with `WHATSAPP_APP_SECRET` or the secret at `WHATSAPP_APP_SECRET_ARN`. Meta
    /// sends `WHATSAPP_VERIFY_TOKEN` when the webhook's address is registered.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            secrets: SecretSource::from_environment(environment, "WHATSAPP_APP_SECRET")?,
            verify_token: Token::parse(environment.require("WHATSAPP_VERIFY_TOKEN")?, "WHATSAPP_VERIFY_TOKEN")?,
        })
    }
}

impl Reports for WhatsAppReports {
    fn body_at_most(&self) -> Option<usize> {
        Some(NOTIFICATION_AT_MOST)
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        _now: Timestamp,
    ) -> Result<Vec<ReportedOutcome>, WebhookError> {
        let signed = SignedNotification::read(headers, body)?;
        self.secrets.verify(|secret| signed.verify(secret)).await?;
        let document = Document::new(body);
        let notifications = document.object()?;
        if notifications.raw("entry").is_some() {
            notifications.required::<Vec<&RawValue>>("entry")?;
        }
        let mut said = Vec::new();
        for entry in objects(&notifications, "entry", &mut said) {
            for change in objects(&entry, "changes", &mut said) {
                read_change(&change, &mut said);
            }
        }
        Ok(said)
    }

    fn verifies(&self, token: &str) -> bool {
        equal_in_constant_time(self.verify_token.expose_secret().as_bytes(), token.as_bytes())
    }
}

/// A received notification: the signature from its header, and its raw body. The same bytes are verified and parsed.
struct SignedNotification<'a> {
    signature: &'a str,
    body: &'a [u8],
}

impl<'a> SignedNotification<'a> {
    /// Reads the signature's header, and rejects a malformed one before the secret is needed.
    ///
    /// # Errors
    /// [`SignatureError::Header`]
    fn read(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Self, SignatureError> {
        let mut values = headers.get_all(SIGNATURE).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Header) };
        let signature = value.to_str().ok().and_then(|text| text.strip_prefix("sha256="));
        Ok(Self { signature: signature.ok_or(SignatureError::Header)?, body })
    }

    /// Verifies the signature, in constant time.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`]
    fn verify(&self, secret: &Token) -> Result<(), SignatureError> {
        let expected = hexadecimal(secret.expose_secret().as_bytes(), &[self.body]);
        let holds = equal_in_constant_time(self.signature.as_bytes(), expected.as_bytes());
        if holds { Ok(()) } else { Err(SignatureError::Mismatch) }
    }
}

/// Reads one change of a field that the application subscribes to. Only `messages` has statuses.
fn read_change(change: &Object<'_>, said: &mut Vec<ReportedOutcome>) {
    match change.optional::<String>("field").as_deref() {
        Some("messages") => {}
        Some(_) => return,
        None => return said.push(ReportedOutcome::unknown("field", None)),
    }
    if change.raw("value").is_none() {
        return;
    }
    let Some(value) = change.object("value") else { return said.push(ReportedOutcome::unknown("value", None)) };
    for status in objects(&value, "statuses", said) {
        read_status(&status, said);
    }
}

/// Reads one status, of a message of any system that sends from the account's numbers. A link's message of ours repeats
/// the request's identifier
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status>).
fn read_status(status: &Object<'_>, said: &mut Vec<ReportedOutcome>) {
    if status.raw(DATA).is_none() {
        return;
    }
    let Some(data) = status.optional::<String>(DATA) else { return said.push(ReportedOutcome::unknown(DATA, None)) };
    let Ok(id) = data.parse() else { return };
    match status.optional::<String>("status").as_deref() {
        Some("failed") => {}
        Some("sent" | "delivered" | "read" | "played") => return,
        other => return said.push(ReportedOutcome::unknown("status", other)),
    }
    let reason = match objects(status, "errors", said).first() {
        None => DeliveryFailure::Undelivered,
        Some(error) => match error.optional("code").map(Meaning::of) {
            Some(Meaning::Recipient(reason)) => reason,
            Some(Meaning::Busy) => DeliveryFailure::ChannelUnavailable,
            Some(Meaning::Other) => DeliveryFailure::ChannelRefused,
            Some(Meaning::Unclear) => DeliveryFailure::Undelivered,
            None => {
                said.push(ReportedOutcome::unknown("code", None));
                DeliveryFailure::Undelivered
            }
        },
    };
    said.push(ReportedOutcome::Failed(DeliveryReport { id, reason }));
}

#[cfg(test)]
mod tests {
    use super::super::sender::tests::meaning;
    use super::*;
    use http::StatusCode;
    use serde_json::Value;

    fn answer(status: u16, body: &Value) -> HttpResponse {
        let status = StatusCode::from_u16(status).unwrap();
        HttpResponse { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
    }

    /// Builds an error as Meta sends it, with the customer's number in its text.
    fn error(code: i64) -> Value {
        json!({ "error": { "message": format!("(#{code}) to 27831234567"), "type": "OAuthException", "code": code,
            "error_data": { "messaging_product": "whatsapp", "details": "+27831234567" }, "fbtrace_id": "A1" } })
    }

    fn said(status: u16, body: &Value) -> &'static str {
        meaning(outcome(&answer(status, body)))
    }

    #[test]
    fn each_documented_error_is_mapped() {
        for (status, code, meaning) in [
            (400, 131_026, "not_on_channel"),
            (400, 131_047, "outside_conversation_window"),
            (400, 131_050, "recipient_opted_out"),
            (400, 131_021, "invalid_recipient"),
            (429, 130_429, "again"),
            (400, 131_056, "again"),
            (400, 80_007, "again"),
            (400, 4, "again"),
            (503, 2, "again"),
            (500, 131_016, "again"),
            (500, 131_057, "again"),
            (400, 1, "unknown"),
            (500, 131_000, "unknown"),
            (401, 190, "channel_refused"),
            (403, 368, "channel_refused"),
            (400, 131_030, "channel_refused"),
            (400, 131_042, "channel_refused"),
            (400, 100, "channel_refused"),
            (400, 999_999, "channel_refused"),
            (429, 999_999, "again"),
            (500, 999_999, "unknown"),
        ] {
            assert_eq!(said(status, &error(code)), meaning, "{status} {code}");
        }
    }

    #[test]
    fn only_an_answer_with_the_messages_identifier_counts_as_sent() {
        let sent = json!({ "messaging_product": "whatsapp", "new": 1,
            "contacts": [{ "input": "+27831234567", "wa_id": "27831234567" }],
            "messages": [{ "id": "wamid.1", "message_status": "accepted" }] });
        assert_eq!(said(200, &sent), "sent");
        for body in [json!({}), json!({ "messages": [] }), json!({ "messages": [{}] }), json!("ok"), json!(null)] {
            assert_eq!(said(200, &body), "unknown", "{body}");
        }
        assert_eq!(said(302, &json!({})), "channel_refused", "a redirect is not followed");
        assert_eq!(said(502, &json!("<html>")), "unknown");
    }
}
