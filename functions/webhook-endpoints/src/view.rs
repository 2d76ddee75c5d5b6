//! What the routes return.

use domain::Timestamp;
use domain::event::DetailType;
use domain::webhooks::{
    AttemptError, Delivery, DeliveryStatus, EndpointDescription, EndpointId, EndpointStatus, EventId, SigningSecret,
    WebhookEndpoint,
};
use runtime::webhook::secret_text;
use serde::Serialize;

/// An address that receives status webhooks.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookEndpoint"))]
pub(crate) struct EndpointView<'a> {
    /// Its identifier.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = r"^whe_[0-9A-Za-z]{16,22}$")))]
    id: &'a EndpointId,
    /// Its address, in the form in which it is called.
    url: &'a str,
    /// The kinds of events that it receives.
    events: &'a [DetailType],
    /// What it is for.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    description: Option<&'a EndpointDescription>,
    /// Whether it receives events. It is disabled after it has failed for five days.
    status: EndpointStatus,
    /// When it was registered.
    created_at: Timestamp,
}

impl<'a> EndpointView<'a> {
    pub(crate) fn new(endpoint: &'a WebhookEndpoint) -> Self {
        Self {
            id: &endpoint.id,
            url: endpoint.url.as_str(),
            events: endpoint.events.kinds(),
            description: endpoint.description.as_ref(),
            status: endpoint.status(),
            created_at: endpoint.created_at,
        }
    }
}

/// An address that receives status webhooks, with the secret that is shown this once.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookEndpointWithSecret"))]
pub(crate) struct NewEndpointView<'a> {
    #[serde(flatten)]
    endpoint: EndpointView<'a>,
    /// The secret that signs the webhooks: `whsec_` and the base64 of 32 bytes.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^whsec_[0-9A-Za-z+/]{43}=$")))]
    secret: String,
}

impl<'a> NewEndpointView<'a> {
    pub(crate) fn new(endpoint: &'a WebhookEndpoint, secret: &SigningSecret) -> Self {
        Self { endpoint: EndpointView::new(endpoint), secret: secret_text(secret.reveal()) }
    }
}

/// The addresses of a workspace, the newest first.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookEndpointList"))]
pub(crate) struct EndpointList<'a> {
    /// The addresses.
    pub(crate) items: Vec<EndpointView<'a>>,
}

/// An attempt to deliver an event.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookAttempt"))]
struct AttemptView {
    /// When it began, as the header `webhook-timestamp` of the attempt has it.
    at: Timestamp,
    /// The status that the endpoint answered with; null if it did not answer.
    response_status: Option<u16>,
    /// Why there was no answer, as a sentence that can be shown to a person.
    error: Option<&'static str>,
}

/// The delivery of an event to an endpoint.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookDelivery"))]
pub(crate) struct DeliveryView<'a> {
    /// The event's identifier, which is the `webhook-id` of every attempt.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    event_id: &'a EventId,
    /// The kind of the event.
    r#type: DetailType,
    /// What has become of it.
    status: DeliveryStatus,
    /// The latest attempts, the oldest first: at most 20.
    attempts: Vec<AttemptView>,
    /// When it is attempted next; null once it has ended. A time in the past means that it waits for an earlier event
    /// of the same payment request.
    next_attempt_at: Option<Timestamp>,
}

impl<'a> DeliveryView<'a> {
    pub(crate) fn new(delivery: &'a Delivery, endpoint: &WebhookEndpoint) -> Self {
        let attempts = delivery.attempts.iter().map(|attempt| AttemptView {
            at: attempt.at,
            response_status: attempt.response_status,
            error: attempt.error.map(AttemptError::sentence),
        });
        Self {
            event_id: &delivery.event.id,
            r#type: delivery.event.kind,
            status: delivery.status_at(endpoint),
            attempts: attempts.collect(),
            next_attempt_at: delivery.next_attempt_at.filter(|_| delivery.is_pending_at(endpoint)),
        }
    }
}

/// A page of an endpoint's log.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "WebhookDeliveryList"))]
pub(crate) struct DeliveryList<'a> {
    /// The deliveries, by the time of their events, the newest first.
    pub(crate) items: Vec<DeliveryView<'a>>,
    /// The `cursor` of the next page; null on the last page.
    pub(crate) next_cursor: Option<String>,
}
