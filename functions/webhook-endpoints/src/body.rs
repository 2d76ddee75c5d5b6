//! What a supervisor sends: a new endpoint, the parameters of the log, and what is to be replayed.

use crate::cursor;
use domain::event::DetailType;
use domain::ports::DeliveryPlace;
use domain::use_cases::webhooks::endpoints::NewEndpoint;
use domain::webhooks::{DeliveryStatus, EndpointDescription, EndpointUrl, EventId, Reach, Subscription};
use domain::{Invalid, Timestamp};
use runtime::fields::Fields;
use runtime::{Problem, Request};
use serde_json::Value;

/// The default number of items on a page of the log.
pub(crate) const LIMIT: usize = 25;
/// The largest number of items that `limit` may request.
pub(crate) const LIMIT_AT_MOST: usize = 100;

/// Reads a new endpoint.
///
/// # Errors
/// A problem that names every invalid field.
pub(crate) fn new_endpoint(request: &Request, reach: Reach) -> Result<NewEndpoint, Problem> {
    let mut fields = Fields::of_body(request)?;
    // A NUL stands for a value that is not text, because no field accepts one.
    let url = fields.required("url", |value| EndpointUrl::parse(value.as_str().unwrap_or("\0"), reach));
    let events = events(&mut fields);
    let description = fields.optional("description", |value| match value.as_str() {
        // Forms send empty fields that way.
        Some("") => Ok(None),
        text => text.unwrap_or("\0").parse::<EndpointDescription>().map(Some),
    });
    let description = description.flatten();
    fields.finish((|| Some(NewEndpoint { url: url?, events: events?, description }))())
}

/// Reads the kinds of events. An unknown one is refused with the known ones.
fn events(fields: &mut Fields) -> Option<Subscription> {
    let Some(value) = fields.optional("events", Ok) else { return Some(Subscription::All) };
    let names = value.as_array().map(|names| names.iter().map(|name| name.as_str()?.parse().ok()));
    let Some(kinds) = names.and_then(Iterator::collect::<Option<Vec<DetailType>>>) else {
        let known = DetailType::ALL.map(DetailType::as_str).join(", ");
        fields.refuse("events", format!("must be a list of these words: {known}"));
        return None;
    };
    Subscription::only(kinds).map_err(|error| fields.refuse("events", error.message())).ok()
}

/// The parameters of the log.
pub(crate) struct Search {
    pub(crate) status: Option<DeliveryStatus>,
    pub(crate) after: Option<DeliveryPlace>,
    pub(crate) limit: usize,
}

/// Reads the parameters of the log.
///
/// # Errors
/// A 422 problem that names every invalid parameter; [`Problem::InvalidCursor`] if the cursor alone is invalid.
pub(crate) fn deliveries(request: &Request) -> Result<Search, Problem> {
    let mut fields = Fields::of_query(request)?;
    let cursor = fields.optional("cursor", |value| Ok(value.as_str().map(str::to_owned))).flatten();
    let status = fields.optional("status", |value| value.as_str().unwrap_or_default().parse());
    let limit = fields.optional("limit", |value| {
        Ok(value.as_str().and_then(|text| text.parse().ok()).filter(|limit| (1..=LIMIT_AT_MOST).contains(limit)))
    });
    if matches!(limit, Some(None)) {
        fields.refuse("limit", format!("must be a whole number from 1 to {LIMIT_AT_MOST}"));
    }
    let search = Search { status, after: None, limit: limit.flatten().unwrap_or(LIMIT) };
    let search = fields.finish(Some(search))?;
    let after = cursor.map(|text| cursor::read(&text)).transpose()?;
    Ok(Search { after, ..search })
}

/// What is to be replayed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// One event.
    Event(EventId),
    /// Every event since this moment.
    Since(Timestamp),
}

/// Reads what is to be replayed.
///
/// # Errors
/// A problem that names every invalid field.
pub(crate) fn replay(request: &Request, now: Timestamp) -> Result<Replay, Problem> {
    let mut fields = Fields::of_body(request)?;
    let given = |value: Value| Ok::<_, Invalid>(value.as_str().unwrap_or_default().to_owned());
    let (event, since) = (fields.optional("event_id", given), fields.optional("since", given));
    let replay = match (event, since) {
        (Some(event), None) => {
            let event: Result<EventId, _> = event.parse();
            event.map(Replay::Event).map_err(|error| fields.refuse("event_id", error.message())).ok()
        }
        (None, Some(since)) => match since.parse::<Timestamp>() {
            Ok(since) if since <= now => Some(Replay::Since(since)),
            Ok(_) => {
                fields.refuse("since", "must not be in the future");
                None
            }
            Err(error) => {
                fields.refuse("since", error.message());
                None
            }
        },
        (Some(_), Some(_)) => {
            fields.refuse("since", "must not be given together with an event");
            None
        }
        (None, None) => {
            fields.refuse("event_id", "must be given, or the time since which all events are sent again");
            None
        }
    };
    fields.finish(replay)
}
