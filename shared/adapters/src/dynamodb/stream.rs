//! Items in the records of the table's stream.

use super::item::{LinkItem, RequestItem};
use super::keys::request_of_key;
use domain::{PaymentRequest, PaymentRequestId};
use serde_dynamo::{AttributeValue, Item, from_item};

/// The error for an image that is not a payment request or link. Its text names attributes, never their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// An attribute is missing or has another type.
    #[error("the image is not a payment request or link: an attribute is missing or has another type")]
    Form,
    /// An attribute has an invalid value.
    #[error("the image contains a value that is invalid for a payment request")]
    Value,
}

/// Returns whether a record's keys belong to a payment request.
#[must_use]
pub fn is_request(keys: &Item) -> bool {
    matches!(keys.get("pk"), Some(AttributeValue::S(key)) if request_of_key(key).is_some())
}

/// Parses the payment request in an image; `None` for an empty image, which a record has if no item existed.
///
/// # Errors
/// [`ImageError`]
pub fn request_of_image(image: Item) -> Result<Option<PaymentRequest>, ImageError> {
    if image.is_empty() {
        return Ok(None);
    }
    let item: RequestItem = from_item(image).map_err(|_| ImageError::Form)?;
    item.try_into().map(Some).map_err(|_| ImageError::Value)
}

/// Returns the request that the link in an image led to.
///
/// # Errors
/// [`ImageError`]
pub fn target_of_link(image: Item) -> Result<PaymentRequestId, ImageError> {
    from_item::<_, LinkItem>(image).map(|link| link.request_id).map_err(|_| ImageError::Form)
}
