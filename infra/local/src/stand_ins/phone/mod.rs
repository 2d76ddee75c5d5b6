//! Stand-in for the integrator's chat and the customers' phones. It receives the channel's webhooks as the chat would,
//! and shows the texts.

mod page;

use adapters::ChannelName;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use runtime::problem::Problem;
use runtime::webhook::{Secrets, SignedWebhook};
use runtime::{BoxFuture, ConfigError, Environment};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stand_in_host::web::{ProblemResponse, body};
use stand_in_host::{Host, Identifiers as _, StandIn, StandInError};
use std::sync::Arc;

/// The channel's signing secret while the functions run under `cargo lambda watch`, unless `CHANNEL_WEBHOOK_SECRET` is
/// set. Both processes have to know it in advance. It protects nothing.
const DEVELOPMENT_CHANNEL_SECRET: &str = "whsec_bG9jYWwtY2hhbm5lbC1zZWNyZXQtZm9yLWRldg==";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS messages (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook_id TEXT NOT NULL UNIQUE,
        phone TEXT NOT NULL,
        text TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT;
";

/// The stand-in for the integrator's chat and the customers' phones, below `/local/phone`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhoneStandIn;

impl StandIn for PhoneStandIn {
    fn name(&self) -> &'static str {
        ChannelName::Webhook.as_str()
    }

    fn configure(&self, host: &Host, given: Environment) -> Result<Environment, ConfigError> {
        let secret = host.webhook_secret("CHANNEL_WEBHOOK_SECRET", DEVELOPMENT_CHANNEL_SECRET)?;
        Ok(given
            .or("CHANNEL_WEBHOOK_SECRET", secret)
            .with("CHANNEL", self.name())
            .with("CHANNEL_WEBHOOK_URL", format!("{}/local/phone", host.own_url)))
    }

    fn start<'a>(
        &'a self,
        host: &'a Host,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Router, StandInError>> {
        Box::pin(async move {
            host.store.create_tables(SCHEMA).await?;
            let phone = Phone {
                host: host.clone(),
                secrets: Secrets::from_environment(environment, "CHANNEL_WEBHOOK_SECRET")?,
                reports: host.function_url(environment, "CHANNEL_REPORTS_URL", "/delivery-reports/webhook"),
            };
            Ok(Router::new()
                .route("/local/pages/phone.js", get(page::script))
                .route("/local/phone", get(page::show).post(receive))
                .route("/local/phone/undelivered", post(undelivered))
                .route("/local/messages", get(list))
                .with_state(Arc::new(phone)))
        })
    }
}

/// The state of the running stand-in.
struct Phone {
    host: Host,
    secrets: Secrets,
    /// The URL for delivery reports about texts that could not be delivered.
    reports: String,
}

/// The channel's webhook, as far as the phone needs it. The other fields are for chats.
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

/// A received text.
#[derive(Debug, Serialize)]
struct Message {
    /// The identifier of the event that the text came with.
    #[serde(skip)]
    event_id: String,
    to: String,
    text: String,
    at: String,
}

/// The form that marks a text as undelivered.
#[derive(Deserialize)]
struct Undelivered {
    event_id: String,
}

/// The query that selects the phone whose texts to show.
#[derive(Debug, Deserialize)]
struct PhoneQuery {
    phone: Option<String>,
}

/// `POST /local/phone`: receives the channel's webhook. A repeated webhook is accepted and stored once.
async fn receive(
    State(phone): State<Arc<Phone>>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, ProblemResponse> {
    let body = body::read(body, body::OWN_LIMIT).await?;
    let doors = phone.host.doors.clone();
    let webhook = SignedWebhook::read(&headers, &body, doors.now()).map_err(|_| Problem::Unauthenticated)?;
    phone.secrets.verify(&webhook).map_err(|_| Problem::Unauthenticated)?;
    let id = webhook.id().to_owned();
    let delivery: Delivery = serde_json::from_slice(&body)
        .map_err(|_| Problem::MalformedBody("The body is not a message of the channel."))?;
    if delivery.r#type != "message.requested" {
        return Err(ProblemResponse::invalid("type", "must be message.requested"));
    }
    let insert = move |transaction: &rusqlite::Transaction<'_>| {
        transaction
            .prepare_cached(
                "INSERT INTO messages (webhook_id, phone, text, at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (webhook_id) DO NOTHING",
            )?
            .execute((id, delivery.data.to, delivery.data.text, doors.now().to_string()))
    };
    phone.host.store.transaction(insert).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /local/phone/undelivered`: removes a text that the chat had accepted and could not deliver, and reports the
/// failure as the chat would.
async fn undelivered(State(phone): State<Arc<Phone>>, body: Body) -> Result<Redirect, ProblemResponse> {
    let body = body::read(body, body::OWN_LIMIT).await?;
    let form: Undelivered = serde_urlencoded::from_bytes(&body)
        .map_err(|_| ProblemResponse::invalid("event_id", "must be the identifier of a text"))?;
    let event_id = form.event_id.clone();
    let to = phone.host.store.transaction(move |transaction| {
        let mut messages = transaction.prepare_cached("SELECT phone FROM messages WHERE webhook_id = ?1")?;
        messages.query_row([event_id], |row| row.get::<_, String>(0)).optional()
    });
    let to = to.await?.ok_or(Problem::NotFound)?;
    phone.report(&form.event_id).await?;
    let delete = move |transaction: &rusqlite::Transaction<'_>| {
        transaction.prepare_cached("DELETE FROM messages WHERE webhook_id = ?1")?.execute([form.event_id])
    };
    phone.host.store.transaction(delete).await?;
    Ok(Redirect::to(&format!("/local/phone?phone=%2B{}", to.trim_start_matches('+'))))
}

/// `GET /local/messages?phone=`: lists the texts of one number, or of all, oldest first.
async fn list(
    State(phone): State<Arc<Phone>>,
    query: Result<Query<PhoneQuery>, QueryRejection>,
) -> Result<Json<Vec<Message>>, ProblemResponse> {
    Ok(Json(phone.messages(number(query)?).await?))
}

/// Parses the queried number; `None` means all numbers.
fn number(query: Result<Query<PhoneQuery>, QueryRejection>) -> Result<Option<String>, ProblemResponse> {
    let Query(query) = query.map_err(|_| ProblemResponse::invalid("phone", "must be given at most once"))?;
    Ok(query.phone.filter(|number| !number.trim().is_empty()).map(|number| with_plus(&number)))
}

impl Phone {
    /// Returns the texts of one number, or of all, oldest first.
    async fn messages(&self, number: Option<String>) -> Result<Vec<Message>, ProblemResponse> {
        let messages = self.host.store.transaction(move |transaction| {
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

    /// Sends a delivery report, as the integrator's chat would, that a text was not delivered.
    async fn report(&self, event_id: &str) -> Result<(), ProblemResponse> {
        let (payment_request_id, _) = event_id.split_once('#').unwrap_or((event_id, ""));
        let now = self.host.doors.now();
        let data = json!({ "event_id": event_id, "payment_request_id": payment_request_id });
        let body = json!({ "type": "message.failed", "timestamp": now, "data": data }).to_string();
        let webhook_id = self.host.doors.identifier("report_");
        let headers = self.secrets.sign(&webhook_id, body.as_bytes(), now).map_err(ProblemResponse::unavailable)?;
        let call = self.host.client.post(&self.reports).headers(headers).header("content-type", "application/json");
        let answer = call.body(body).send().await;
        answer.and_then(reqwest::Response::error_for_status).map_err(ProblemResponse::unavailable)?;
        Ok(())
    }
}

/// Restores a plus sign that was not percent-encoded and therefore arrived as a space.
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
