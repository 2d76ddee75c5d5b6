//! Events as EventBridge delivers them.
//!
//! Only an envelope's `detail` is read, because the rules have already matched the other fields
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>), and of the detail only what
//! the function needs. During a deployment or after a roll back, events come from another version, which may know more
//! fields, actors and reasons.

use crate::function::InvocationError;
use crate::json::{Document, Object, Unreadable};
use domain::webhooks::WebhookEvent;
use domain::{Actor, AgentId, Metadata, PaymentRequestEvent, PaymentRequestId, Timestamp, WorkspaceId};

/// The part of an event by which a consumer finds the request, and how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// The request's identifier.
    pub id: PaymentRequestId,
    /// The time of the change.
    pub occurred_at: Timestamp,
}

/// Reads the part of an event by which a consumer finds the request.
///
/// # Errors
/// [`InvocationError::Event`] if one of its fields cannot be read.
pub fn notice(event: &str) -> Result<Notice, InvocationError> {
    of_detail(event, |detail| Ok(Notice { id: detail.required("id")?, occurred_at: detail.required("occurred_at")? }))
}

/// The part of an event by which a consumer finds the request, and those who may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The request's identifier.
    pub id: PaymentRequestId,
    /// The workspace that the request belongs to.
    pub workspace: WorkspaceId,
    /// The agent who sent the request.
    pub agent: AgentId,
}

/// Reads the part of an event by which a consumer finds the request, and those who may see it.
///
/// # Errors
/// [`InvocationError::Event`] if one of its fields cannot be read.
pub fn subject(event: &str) -> Result<Subject, InvocationError> {
    of_detail(event, |detail| {
        let agent = detail.object("agent").ok_or_else(|| Unreadable::new("its agent is not an object"))?;
        let (id, workspace) = (detail.required("id")?, detail.required("workspace")?);
        Ok(Subject { id, workspace, agent: agent.required("id")? })
    })
}

/// Reads a whole event, for a consumer that sends its content. Who made the change, why, and from which status is not
/// needed for that: an actor that this version does not know counts as the system, and an unknown reason or earlier
/// status as none.
///
/// # Errors
/// [`InvocationError::Event`] if a needed field cannot be read.
pub fn payment_request_event(event: &str) -> Result<PaymentRequestEvent, InvocationError> {
    of_detail(event, |detail| {
        let (id, version): (PaymentRequestId, usize) = (detail.required("id")?, detail.required("version")?);
        // It identifies the message at the channel and in the log, so that it may be nothing else.
        let event_id = format!("{id}#{version}");
        if detail.required::<String>("event_id")? != event_id {
            return Err(Unreadable::new("its event_id is not made of its id and its version"));
        }
        Ok(PaymentRequestEvent {
            event_id,
            id,
            version,
            status: detail.required("status")?,
            previous_status: detail.optional("previous_status"),
            occurred_at: detail.required("occurred_at")?,
            actor: detail.optional("actor").unwrap_or(Actor::System),
            reason: detail.optional("reason"),
            workspace: detail.required("workspace")?,
            agent: detail.required("agent")?,
            order_number: detail.required("order_number")?,
            amount: detail.required("amount")?,
            currency: detail.required("currency")?,
            customer: detail.required("customer")?,
            conversation_id: detail.optional("conversation_id"),
            metadata: detail.optional("metadata").unwrap_or_else(Metadata::default),
            link: detail.optional("link"),
        })
    })
}

/// Reads an event as it is delivered to the endpoints of its workspace; `None` if it belongs to none, as a difference
/// about an unknown payment does. The detail is handed on byte for byte: a field that this version does not know
/// reaches the endpoints too.
///
/// # Errors
/// A needed field cannot be read.
pub fn webhook_event(envelope: &Object<'_>) -> Result<Option<WebhookEvent>, Unreadable> {
    let kind = envelope.required("detail-type")?;
    let raw = envelope.raw("detail").ok_or_else(|| Unreadable::new("its detail is missing"))?;
    let detail = Object::of(raw).ok_or_else(|| Unreadable::new("its detail is not an object"))?;
    let Some(workspace) = detail.raw("workspace").map(|_| detail.required("workspace")).transpose()? else {
        return Ok(None);
    };
    Ok(Some(WebhookEvent {
        id: detail.required("event_id")?,
        kind,
        occurred_at: detail.required("occurred_at")?,
        workspace,
        detail: raw.get().to_owned(),
    }))
}

fn of_detail<T>(event: &str, read: impl FnOnce(&Object<'_>) -> Result<T, Unreadable>) -> Result<T, InvocationError> {
    let document = Document::new(event.as_bytes());
    let detail = document.object().map(|envelope| envelope.object("detail"));
    let detail = detail.and_then(|detail| detail.ok_or_else(|| Unreadable::new("its detail is not an object")));
    detail.and_then(|detail| read(&detail)).map_err(|error| InvocationError::unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SENT: &str = include_str!("../../../events/samples/notify/sent.json");

    fn sent() -> Value {
        serde_json::from_str(SENT).unwrap()
    }

    #[test]
    fn an_event_of_another_version_is_read_as_far_as_it_is_needed() {
        let expected = payment_request_event(SENT).unwrap();
        assert_eq!(serde_json::to_value(&expected).unwrap(), sent()["detail"], "nothing is lost of a known event");
        for (field, value) in [
            ("previous_status", json!("on_hold")),
            ("reason", json!({ "code": 7 })),
            ("actor", json!({ "type": "robot", "id": "r2" })),
            ("priority", json!([[["high"]]])),
        ] {
            let mut event = sent();
            event["detail"][field] = value;
            event["version"] = json!(1);
            let read = payment_request_event(&event.to_string()).unwrap();
            let (actor, reason, previous_status) = (expected.actor.clone(), None, None);
            let read = PaymentRequestEvent { actor, reason, previous_status, ..read };
            assert_eq!(
                read,
                PaymentRequestEvent { reason: None, previous_status: None, ..expected.clone() },
                "{field}"
            );
        }
    }

    #[test]
    fn an_event_is_delivered_byte_for_byte_and_one_without_a_workspace_to_nobody() {
        let read = webhook_event(&Document::new(SENT.as_bytes()).object().unwrap()).unwrap().unwrap();
        assert!(SENT.contains(&read.detail), "{}", read.detail);
        assert_eq!(read.id.as_str(), sent()["detail"]["event_id"]);
        let with = |workspace: Value| {
            let mut event = sent();
            event["detail"]["workspace"] = workspace;
            webhook_event(&Document::new(event.to_string().as_bytes()).object().unwrap())
        };
        assert_eq!(with(Value::Null).unwrap(), None);
        for wrong in [json!(7), json!("+27#831234567")] {
            let error = with(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("2783"), "{error:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_without_its_content() {
        let with = |field: &str, value: Value| {
            let mut event = sent();
            event["detail"][field] = value;
            event.to_string()
        };
        let detail_as_text = json!({ "detail": sent()["detail"].to_string() }).to_string();
        for event in [
            detail_as_text.as_str(),
            r#"{"detail": "+27831234567"}"#,
            r#"{"detail": ["+27831234567"]}"#,
            r#"{"detail": null}"#,
            "{}",
            "null",
            "\"+27831234567\"",
            &with("customer", json!("+27831234567")),
            &with("event_id", json!("+27831234567")),
            &with("status", json!("+27831234567")),
            &with("order_number", json!(27_831_234_567_i64)),
        ] {
            let error = payment_request_event(event).unwrap_err();
            assert!(matches!(error, InvocationError::Event(_)), "{event}: {error}");
            assert!(!format!("{error} {error:?}").contains("2783"), "{event}: {error:?}");
        }
        let notice = notice(&with("customer", json!(7))).unwrap();
        assert_eq!(notice.id.to_string(), sent()["detail"]["id"].as_str().unwrap(), "only two fields are needed");
    }
}
