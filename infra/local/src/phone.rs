//! The stand-in phone: it receives the customers' texts as the integrator's chat would, and shows them.

use crate::body;
use crate::refusal::Refusal;
use crate::store::Store;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::{HeaderMap, StatusCode};
use runtime::problem::Problem;
use runtime::webhook::Secrets;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The customers' phone.
pub(crate) struct Phone {
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
}

/// The channel's webhook. What it says beside the text is for chats.
#[derive(Deserialize)]
struct Delivery {
    r#type: String,
    data: Text,
}

#[derive(Deserialize)]
struct Text {
    to: String,
    text: String,
}

/// A text as the customer sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) at: String,
}

/// Whose texts to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Whose {
    phone: Option<String>,
}

/// `POST /local/phone`: the channel's webhook. One that came before is taken once.
pub(crate) async fn receive(
    State(phone): State<Arc<Phone>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let body = body::read(body, body::OWN_LIMIT).await?;
    let verified = phone.secrets.verify(&headers, &body, crate::time::moment());
    let id = verified.map_err(|_| Problem::Unauthenticated)?;
    let delivery: Delivery =
        serde_json::from_slice(&body).map_err(|_| Problem::MalformedBody("The body is not the channel's."))?;
    if delivery.r#type != "message.requested" {
        return Err(Refusal::invalid("type", "must be message.requested"));
    }
    phone
        .store
        .transaction(move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO messages (webhook_id, phone, text, at) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (webhook_id) DO NOTHING",
                )?
                .execute((id, delivery.data.to, delivery.data.text, crate::time::now()))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /local/messages?phone=`: the texts that one phone received, or all, oldest first.
pub(crate) async fn list(
    State(phone): State<Arc<Phone>>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Vec<Message>>, Refusal> {
    Ok(Json(phone.messages(number(whose)?).await?))
}

/// The number that is asked about; none for all of them.
pub(crate) fn number(whose: Result<Query<Whose>, QueryRejection>) -> Result<Option<String>, Refusal> {
    let Query(whose) = whose.map_err(|_| Refusal::invalid("phone", "must be given at most once"))?;
    Ok(whose.phone.filter(|number| !number.trim().is_empty()).map(|number| with_plus(&number)))
}

impl Phone {
    /// The texts that a number received, or all, oldest first.
    pub(crate) async fn messages(&self, number: Option<String>) -> Result<Vec<Message>, Refusal> {
        let messages = self.store.transaction(move |transaction| {
            transaction
                .prepare_cached(
                    "SELECT phone, text, at FROM messages WHERE ?1 IS NULL OR phone = ?1 ORDER BY sequence",
                )?
                .query_map([number], |row| Ok(Message { to: row.get(0)?, text: row.get(1)?, at: row.get(2)? }))?
                .collect()
        });
        Ok(messages.await?)
    }
}

/// A plus that nobody percent-encoded arrives as a space.
fn with_plus(number: &str) -> String {
    match number.strip_prefix(' ') {
        Some(digits) => format!("+{}", digits.trim()),
        None => number.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_that_became_a_space_is_still_a_plus() {
        assert_eq!(with_plus(" 27831234567"), "+27831234567");
        assert_eq!(with_plus("+27831234567"), "+27831234567");
    }
}
