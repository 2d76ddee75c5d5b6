//! Status webhooks: the endpoints that integrators register, and the deliveries of events to them.

mod address;
mod delivery;
mod endpoint;
mod schedule;

pub use address::{Reach, is_internal};
pub use delivery::{
    AttemptError, AttemptRecord, Claim, Delivery, DeliveryStatus, DeliverySummary, EventId, Outcome, Response,
    WebhookEvent,
};
pub use endpoint::{
    ENDPOINTS_AT_MOST, EndpointDescription, EndpointId, EndpointStatus, EndpointUrl, SealedSecret, SigningSecret,
    StoredSecret, Subscription, WebhookEndpoint,
};
pub use schedule::{
    FAILING_AT_MOST, KEPT_AFTER_REPLAY, KEPT_FOR, LATE, LEASE, LONGEST_DELAY, OVERDUE, ROTATION, next_attempt,
    probe_pause,
};
