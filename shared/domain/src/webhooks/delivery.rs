//! The delivery of one event to one endpoint.

use super::endpoint::{EndpointId, WebhookEndpoint};
use super::schedule::{KEPT_AFTER_REPLAY, KEPT_FOR, LEASE, next_attempt};
use crate::doors::Randomness;
use crate::event::DetailType;
use crate::id::RunId;
use crate::invalid::Invalid;
use crate::people::WorkspaceId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The number of attempts that the log keeps of a delivery: two days of failures. The oldest are dropped first.
const ATTEMPTS_KEPT: usize = 20;

/// An event's identifier: `<id>#<version>`, or `difference#<digest>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(String);

impl EventId {
    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what the event is about, and its version; `None` for the version of an event that has none.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<u32>) {
        match self.0.rsplit_once('#') {
            Some((subject, version)) => match version.parse() {
                // The digest of a difference may consist of digits.
                Ok(version) if subject != "difference" => (subject, Some(version)),
                _ => (&self.0, None),
            },
            None => (&self.0, None),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for EventId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let right = text.len() <= 100
            && text.split_once('#').is_some_and(|(subject, rest)| {
                // A version has one form, so that an event has one identifier.
                let padded = subject != "difference" && rest.len() > 1 && rest.starts_with('0');
                let is_given = !subject.is_empty() && !rest.is_empty() && !padded;
                is_given && subject.bytes().chain(rest.bytes()).all(known)
            });
        if right { Ok(Self(text.to_owned())) } else { Err(Invalid("is not an event's identifier")) }
    }
}

impl TryFrom<String> for EventId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

/// An event of the bus, as it is delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Its identifier, the same at every attempt.
    pub id: EventId,
    /// Its kind.
    pub kind: DetailType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The company that it belongs to.
    pub workspace: WorkspaceId,
    /// The JSON text of the bus event's detail, byte for byte.
    pub detail: String,
}

/// Prints no detail, which is a customer's.
impl fmt::Debug for WebhookEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WebhookEvent").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeliveryStatus {
    /// It is still attempted.
    Pending,
    /// The endpoint has accepted it.
    Delivered,
    /// It is not attempted any more: 24 hours are over, or the endpoint was disabled.
    Failed,
}

impl FromStr for DeliveryStatus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "pending" => Ok(Self::Pending),
            "delivered" => Ok(Self::Delivered),
            "failed" => Ok(Self::Failed),
            _ => Err(Invalid("must be pending, delivered or failed")),
        }
    }
}

/// The reason why an attempt got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptError {
    /// There was no whole answer in time.
    TimedOut,
    /// The name has no address.
    NameNotFound,
    /// The name leads inside a network.
    Internal,
    /// No connection could be made, or it broke.
    NoConnection,
    /// A secure connection could not be made.
    NotSecure,
    /// The request could not be made, for a reason of ours.
    NotSent,
    /// A reason that a later release stored, and that this one does not know.
    #[serde(other)]
    Unknown,
}

impl AttemptError {
    /// Returns what happened, as a sentence that a person reads.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TimedOut => "The endpoint did not answer in time.",
            Self::NameNotFound => "The name in the endpoint's address could not be found.",
            Self::Internal => "The endpoint's address leads into a private network, so it was not called.",
            Self::NoConnection => "The endpoint could not be reached.",
            Self::NotSecure => "No secure connection could be made. Is the endpoint's certificate valid?",
            Self::NotSent => "The event could not be sent, for a reason on our side.",
            Self::Unknown => "The endpoint gave no answer.",
        }
    }
}

/// An attempt, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// When it began.
    pub at: Timestamp,
    /// The status of the answer; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptError>,
}

/// What became of a call to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// The status of the answer, or the reason why there is none.
    pub answer: Result<u16, AttemptError>,
    /// The wait that a 429 or 503 asked for.
    pub retry_after: Option<Duration>,
}

/// What a delivery has come to by an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint accepted it.
    Delivered,
    /// It is attempted again at this time.
    Retried(Timestamp),
    /// It is not attempted again.
    Abandoned,
}

/// A run's claim to the next attempt of a delivery, so that no other run makes it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The time until which other runs wait for it.
    pub until: Timestamp,
}

/// The delivery of one event to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event.
    pub event: WebhookEvent,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The status as it is stored. [`Delivery::status_at`] is what counts.
    pub status: DeliveryStatus,
    /// The attempts, the oldest first.
    pub attempts: Vec<AttemptRecord>,
    /// Counts what has become of the delivery. A message of the queue is about one turn, and nothing is written about
    /// another one.
    pub turn: u32,
    /// When the present round of attempts was opened: when the delivery was stored, or replayed.
    pub opened_at: Timestamp,
    /// The first attempt of the round.
    pub first_attempt_at: Option<Timestamp>,
    /// The failures of the round.
    pub failures: u32,
    /// The time before which it is not attempted; `None` once it has ended.
    pub next_attempt_at: Option<Timestamp>,
    /// The claim to the next attempt.
    pub claim: Option<Claim>,
    /// The time of the request for a replay of many that opened the round.
    pub replay: Option<Timestamp>,
}

/// What the delivery of an event has to know of the other deliveries of its payment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySummary {
    /// The event.
    pub event: EventId,
    /// The status as it is stored.
    pub status: DeliveryStatus,
    /// As of the delivery.
    pub turn: u32,
    /// As of the delivery.
    pub opened_at: Timestamp,
    /// The time before which it is not attempted; `None` once it has ended.
    pub next_attempt_at: Option<Timestamp>,
    /// The end of the claim to the next attempt.
    pub claimed_until: Option<Timestamp>,
}

impl DeliverySummary {
    /// Returns whether it is still attempted at `endpoint`.
    #[must_use]
    pub fn is_pending_at(&self, endpoint: &WebhookEndpoint) -> bool {
        status_at(self.status, self.opened_at, endpoint) == DeliveryStatus::Pending
    }

    /// Returns the time before which no attempt may begin: that of the schedule, or the end of another run's claim.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.next_attempt_at.max(self.claimed_until)
    }
}

/// Returns the status of a delivery at `endpoint`. What was pending when an endpoint was disabled has failed, without a
/// write to each. While it is disabled, nothing is pending, whatever the clocks of two machines said.
fn status_at(stored: DeliveryStatus, opened_at: Timestamp, endpoint: &WebhookEndpoint) -> DeliveryStatus {
    let ended = endpoint.disabled_at.is_some() || endpoint.ended_at.is_some_and(|at| opened_at <= at);
    if stored == DeliveryStatus::Pending && ended { DeliveryStatus::Failed } else { stored }
}

impl Delivery {
    /// Builds the delivery of an event that has not been attempted.
    #[must_use]
    pub fn new(endpoint: EndpointId, event: WebhookEvent, now: Timestamp) -> Self {
        Self {
            endpoint,
            event,
            created_at: now,
            status: DeliveryStatus::Pending,
            attempts: Vec::new(),
            turn: 0,
            opened_at: now,
            first_attempt_at: None,
            failures: 0,
            next_attempt_at: Some(now),
            claim: None,
            replay: None,
        }
    }

    /// Builds the delivery of an event that happened while the endpoint was disabled. It is in the log and can be
    /// replayed, and is not attempted before.
    #[must_use]
    pub fn missed(endpoint: EndpointId, event: WebhookEvent, now: Timestamp) -> Self {
        Self { status: DeliveryStatus::Failed, next_attempt_at: None, ..Self::new(endpoint, event, now) }
    }

    /// Returns the time until which it is kept: 30 days, and at least 2 days after it was replayed.
    #[must_use]
    pub fn kept_until(&self) -> Timestamp {
        self.created_at.saturating_add(KEPT_FOR).max(self.opened_at.saturating_add(KEPT_AFTER_REPLAY))
    }

    /// Returns when the endpoint accepted it; `None` if it has not.
    #[must_use]
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.attempts.last().filter(|_| self.status == DeliveryStatus::Delivered).map(|attempt| attempt.at)
    }

    /// Returns the status at `endpoint`. What was pending when it was disabled has failed.
    #[must_use]
    pub fn status_at(&self, endpoint: &WebhookEndpoint) -> DeliveryStatus {
        status_at(self.status, self.opened_at, endpoint)
    }

    /// Returns whether it is still attempted at `endpoint`.
    #[must_use]
    pub fn is_pending_at(&self, endpoint: &WebhookEndpoint) -> bool {
        self.status_at(endpoint) == DeliveryStatus::Pending
    }

    /// Returns the time before which no attempt may begin: that of the schedule, or the end of another run's claim.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        let claimed_until = self.claim.as_ref().map(|claim| claim.until);
        self.next_attempt_at.max(claimed_until)
    }

    /// Returns the delivery with its next attempt claimed by a run.
    #[must_use]
    pub fn claimed(&self, run: RunId, now: Timestamp) -> Self {
        Self { claim: Some(Claim { run, until: now.saturating_add(LEASE) }), ..self.clone() }
    }

    /// Returns the delivery after an attempt that began at `at` and ended at `now`, and what it has come to.
    #[must_use]
    pub fn attempted(
        &self,
        response: Response,
        at: Timestamp,
        now: Timestamp,
        randomness: &impl Randomness,
    ) -> (Self, Outcome) {
        let (response_status, error) = match response.answer {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error)),
        };
        let first_attempt_at = self.first_attempt_at.unwrap_or(at);
        let failures = self.failures.saturating_add(1);
        let outcome = match response.answer {
            Ok(200..=299) => Outcome::Delivered,
            _ => match next_attempt(randomness, first_attempt_at, failures, now, response.retry_after) {
                Some(next) => Outcome::Retried(next),
                None => Outcome::Abandoned,
            },
        };
        let (status, next_attempt_at, failures) = match outcome {
            Outcome::Delivered => (DeliveryStatus::Delivered, None, self.failures),
            Outcome::Retried(next) => (DeliveryStatus::Pending, Some(next), failures),
            Outcome::Abandoned => (DeliveryStatus::Failed, None, failures),
        };
        let mut attempts = self.attempts.clone();
        attempts.push(AttemptRecord { at, response_status, error });
        let too_many = attempts.len().saturating_sub(ATTEMPTS_KEPT);
        attempts.drain(..too_many);
        let first_attempt_at = Some(first_attempt_at);
        let changed = Self { status, attempts, first_attempt_at, failures, next_attempt_at, ..self.at_next_turn() };
        (changed, outcome)
    }

    /// Returns the delivery ended, without an attempt.
    #[must_use]
    pub fn ended(&self) -> Self {
        Self { status: DeliveryStatus::Failed, next_attempt_at: None, ..self.at_next_turn() }
    }

    /// Returns the delivery with a new round of attempts, which begins at `now`. `replay` is the time of the request
    /// for a replay of many. A run that attempts it at this moment keeps its claim, so that the new round waits for its
    /// end, and its outcome is not written: the round was opened whatever that will be.
    #[must_use]
    pub fn reopened(&self, endpoint: &WebhookEndpoint, now: Timestamp, replay: Option<Timestamp>) -> Self {
        // A round that was opened before the endpoint was disabled would have ended with it.
        let after = endpoint.ended_at.map(|ended_at| ended_at.saturating_add(Duration::from_millis(1)));
        Self {
            status: DeliveryStatus::Pending,
            opened_at: after.map_or(now, |after| after.max(now)),
            first_attempt_at: None,
            failures: 0,
            next_attempt_at: Some(now),
            claim: self.claim.clone(),
            replay: replay.or(self.replay),
            ..self.at_next_turn()
        }
    }

    fn at_next_turn(&self) -> Self {
        Self { turn: self.turn.saturating_add(1), claim: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::SystemRandomness;

    fn delivery(now: Timestamp) -> Delivery {
        let event = WebhookEvent {
            id: "0199-a#1".parse().unwrap(),
            kind: DetailType::PaymentRequestStatusChanged,
            occurred_at: now,
            workspace: "acme".parse().unwrap(),
            detail: "{}".to_owned(),
        };
        Delivery::new(EndpointId::random(&SystemRandomness).unwrap(), event, now)
    }

    #[test]
    fn a_replay_of_an_old_webhook_delivery_keeps_it_until_its_round_is_over() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let new = delivery(now);
        assert_eq!(new.kept_until(), now.saturating_add(KEPT_FOR));
        let late = now.saturating_add(KEPT_FOR).saturating_sub(Duration::from_secs(1));
        let opened = Delivery { opened_at: late, ..new };
        assert_eq!(opened.kept_until(), late.saturating_add(KEPT_AFTER_REPLAY));
    }

    #[test]
    fn a_webhook_answer_of_410_is_a_failure_like_any_other() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let gone = Response { answer: Ok(410), retry_after: None };
        let (changed, outcome) = delivery(now).attempted(gone, now, now, &SystemRandomness);
        assert!(matches!(outcome, Outcome::Retried(_)), "{outcome:?}");
        assert_eq!(changed.status, DeliveryStatus::Pending);
    }

    #[test]
    fn the_webhook_log_of_a_later_release_can_be_read() {
        let later = serde_json::from_str::<AttemptError>("\"too_hot\"").unwrap();
        assert_eq!(later, AttemptError::Unknown);
    }

    #[test]
    fn an_events_identifier_has_a_subject_and_a_version() {
        let parts = |text: &str| {
            let id: EventId = text.parse().unwrap();
            let (subject, version) = id.parts();
            (subject.to_owned(), version)
        };
        assert_eq!(parts("0199-ab#12"), ("0199-ab".to_owned(), Some(12)));
        assert_eq!(parts("difference#9f3c"), ("difference#9f3c".to_owned(), None));
        assert_eq!(parts("difference#1234"), ("difference#1234".to_owned(), None));
        assert_eq!(parts("difference#0234"), ("difference#0234".to_owned(), None));
        for text in ["", "#", "a#", "#1", "0199", "a#1#2", "+27831234567#1", "a b#1", "Thandi#\n", "0199#01"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
