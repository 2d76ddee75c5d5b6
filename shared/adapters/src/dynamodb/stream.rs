//! Items in the records of the table's stream.

use super::keys::request_of_key;
use super::read::{self, Unreadable};
use domain::{PaymentRequest, PaymentRequestId};
use serde_dynamo::{AttributeValue, Item};

/// Returns whether a record's keys belong to a payment request.
#[must_use]
pub fn is_request(keys: &Item) -> bool {
    matches!(keys.get("pk"), Some(AttributeValue::S(key)) if request_of_key(key).is_some())
}

/// Reads the payment request in an image; `None` for an empty image, which a record has if no item existed.
///
/// # Errors
/// [`Unreadable`]
pub fn request_of_image(image: Item) -> Result<Option<PaymentRequest>, Unreadable> {
    if image.is_empty() { Ok(None) } else { read::payment_request(image.into_inner()).map(Some) }
}

/// Reads the request that the link in an image led to.
///
/// # Errors
/// [`Unreadable`]
pub fn target_of_link(image: Item) -> Result<PaymentRequestId, Unreadable> {
    read::target_of_link(image.into_inner())
}
