//! WhatsApp by Meta's Cloud API
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages/>).

use super::answer::{ask, by_status, described, read};
use super::token::Token;
use crate::http_client::{Answer, HttpClient, address};
use crate::secrets::SecretSource;
use domain::DeliveryFailure;
use domain::ports::{ChannelError, Message};
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use serde_json::json;

/// The Graph API with the version that this was written for.
const API_URL: &str = "https://graph.facebook.com/v25.0";

/// Sends texts from the business's phone number `WHATSAPP_PHONE_NUMBER_ID`, with the token `WHATSAPP_ACCESS_TOKEN` or the one at
/// `WHATSAPP_ACCESS_TOKEN_ARN`, through `WHATSAPP_API_URL`.
#[derive(Debug, Clone)]
pub struct WhatsAppChannel {
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
struct Refusal {
    error: GraphError,
}

#[derive(Deserialize)]
struct GraphError {
    code: i64,
}

impl WhatsAppChannel {
    /// The channel that the environment names.
    ///
    /// # Errors
    /// A variable that is missing or wrong.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        let number = environment.require("WHATSAPP_PHONE_NUMBER_ID")?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Environment::invalid(
                "WHATSAPP_PHONE_NUMBER_ID",
                "the number's identifier at Meta, digits alone",
            ));
        }
        let api = address(environment.get("WHATSAPP_API_URL").unwrap_or(API_URL), "WHATSAPP_API_URL")?;
        Ok(Self {
            http: HttpClient::unpooled(),
            url: format!("{api}/{number}/messages"),
            tokens: SecretSource::from_environment(environment, "WHATSAPP_ACCESS_TOKEN")?,
        })
    }

    /// Sends a message once.
    pub(super) async fn send(&self, message: &Message<'_>) -> Result<(), ChannelError> {
        let body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.event.customer.phone,
            "type": "text",
            // Whoever draws the preview fetches the link, which is safe; the message arrives a little earlier without it.
            "text": { "preview_url": false, "body": message.text },
        });
        let answer =
            ask(&self.tokens, |token| self.http.post(&self.url).bearer_auth(token.reveal()).json(&body)).await?;
        outcome(&answer)
    }
}

fn outcome(answer: &Answer) -> Result<(), ChannelError> {
    if answer.status.is_success() && read::<Sent>(answer).is_some_and(|sent| !sent.messages.is_empty()) {
        return Ok(());
    }
    let code = read::<Refusal>(answer).map(|refusal| refusal.error.code);
    let refused = |reason| ChannelError::Refused { reason, cause: described(answer.status, code) };
    // https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
    Err(match code {
        // The recipient is the business's own number.
        Some(131_021) => refused(DeliveryFailure::InvalidRecipient),
        // Undeliverable: not on WhatsApp, without its present terms, or with too old an application.
        Some(131_026) => refused(DeliveryFailure::NotOnChannel),
        // More than 24 hours since the customer last wrote.
        Some(131_047) => refused(DeliveryFailure::OutsideConversationWindow),
        // The customer wants no more of these.
        Some(131_050) => refused(DeliveryFailure::RecipientOptedOut),
        // Not taken: for the rate limits of the application, of the account, of the number, and of the number to this
        // customer (the first four), or because something is down, overloaded or in maintenance.
        Some(4 | 80_007 | 130_429 | 131_056 | 2 | 131_016 | 131_057) => {
            ChannelError::Unavailable(described(answer.status, code))
        }
        // "Possible server error" and "unknown error": nobody says when.
        Some(1 | 131_000) => ChannelError::Unconfirmed(described(answer.status, code)),
        code => by_status(answer.status, code),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::meaning;
    use super::*;
    use http::{HeaderMap, StatusCode};
    use serde_json::Value;

    fn answer(status: u16, body: &Value) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
    }

    /// An error as Meta writes it, the customer's number in its words.
    fn error(code: i64) -> Value {
        json!({ "error": { "message": format!("(#{code}) to 27831234567"), "type": "OAuthException", "code": code,
            "error_data": { "messaging_product": "whatsapp", "details": "+27831234567" }, "fbtrace_id": "A1" } })
    }

    fn said(status: u16, body: &Value) -> &'static str {
        meaning(outcome(&answer(status, body)))
    }

    #[test]
    fn each_documented_error_has_its_meaning() {
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
    fn only_an_answer_with_the_messages_identifier_says_that_it_was_sent() {
        let sent = json!({ "messaging_product": "whatsapp", "contacts": [{ "input": "+27831234567", "wa_id": "27831234567" }],
            "messages": [{ "id": "wamid.1", "message_status": "accepted" }], "new": 1 });
        assert_eq!(said(200, &sent), "sent");
        for body in [json!({}), json!({ "messages": [] }), json!({ "messages": [{}] }), json!("ok"), json!(null)] {
            assert_eq!(said(200, &body), "unknown", "{body}");
        }
        assert_eq!(said(302, &json!({})), "channel_refused", "a redirect is not followed");
        assert_eq!(said(502, &json!("<html>")), "unknown");
    }
}
