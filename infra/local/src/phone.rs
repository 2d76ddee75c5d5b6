//! The stand-in phone: it receives the customers' texts as the integrator's chat would, and shows them.

use crate::body;
use crate::refusal::Refusal;
use crate::store::Store;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Redirect;
use http::{HeaderMap, StatusCode};
use reqwest::Client;
use runtime::problem::Problem;
use runtime::webhook::{Secrets, SignedWebhook};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The customers' phone, and the chat that brings it their texts.
pub(crate) struct Phone {
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) client: Client,
    /// Where the chat reports what it could not deliver.
    pub(crate) reports: String,
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
    /// The event that brought it.
    #[serde(skip)]
    pub(crate) event_id: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) at: String,
}

/// Which text did not arrive after all.
#[derive(Deserialize)]
struct Undelivered {
    event_id: String,
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
    let webhook = SignedWebhook::read(&headers, &body, crate::time::moment()).map_err(|_| Problem::Unauthenticated)?;
    phone.secrets.verify(&webhook).map_err(|_| Problem::Unauthenticated)?;
    let id = webhook.id().to_owned();
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

/// `POST /local/phone/undelivered`: a text that the chat has taken did not reach the phone after all. It is not there any more,
/// and the chat reports it.
pub(crate) async fn undelivered(State(phone): State<Arc<Phone>>, body: Body) -> Result<Redirect, Refusal> {
    let body = body::read(body, body::OWN_LIMIT).await?;
    let form: Undelivered =
        serde_urlencoded::from_bytes(&body).map_err(|_| Refusal::invalid("event_id", "must be a text's"))?;
    let event_id = form.event_id.clone();
    let to = phone.store.transaction(move |transaction| {
        let mut messages = transaction.prepare_cached("SELECT phone FROM messages WHERE webhook_id = ?1")?;
        messages.query_row([event_id], |row| row.get::<_, String>(0)).optional()
    });
    let to = to.await?.ok_or(Problem::NotFound)?;
    phone.report(&form.event_id).await?;
    let event_id = form.event_id;
    phone
        .store
        .transaction(move |transaction| {
            transaction.prepare_cached("DELETE FROM messages WHERE webhook_id = ?1")?.execute([event_id])
        })
        .await?;
    Ok(Redirect::to(&format!("/local/phone?phone=%2B{}", to.trim_start_matches('+'))))
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
                    "SELECT webhook_id, phone, text, at FROM messages WHERE ?1 IS NULL OR phone = ?1 ORDER BY sequence",
                )?
                .query_map([number], |row| {
                    Ok(Message { event_id: row.get(0)?, to: row.get(1)?, text: row.get(2)?, at: row.get(3)? })
                })?
                .collect()
        });
        Ok(messages.await?)
    }

    /// Reports, as the integrator's chat would, that a text did not arrive.
    async fn report(&self, event_id: &str) -> Result<(), Refusal> {
        let (id, _) = event_id.split_once('#').unwrap_or((event_id, ""));
        let data = json!({ "event_id": event_id, "payment_request_id": id });
        let body = json!({ "type": "message.failed", "timestamp": crate::time::now(), "data": data }).to_string();
        let webhook_id = format!("report_{}", Uuid::new_v4().simple());
        let headers = self.secrets.sign(&webhook_id, body.as_bytes(), crate::time::moment());
        let call = self.client.post(&self.reports).headers(headers.map_err(Refusal::unavailable)?);
        let answer = call.header("content-type", "application/json").body(body).send().await;
        answer.and_then(reqwest::Response::error_for_status).map_err(Refusal::unavailable)?;
        Ok(())
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
