//! What the answers of all providers have in common.

use domain::ports::ProviderError;
use runtime::json::Object;
use serde::de::DeserializeOwned;

/// The error for an object of a provider's that has the documented form, but contradicts the request or itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidResponse(pub(super) &'static str);

impl From<InvalidResponse> for ProviderError {
    fn from(error: InvalidResponse) -> Self {
        Self::Unreadable(error.into())
    }
}

/// A value of one of a provider's enumerations, to which it adds values without a new version of its API
/// (<https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backwards-compatible>; the description of
/// Paystack's leaves them open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open<T> {
    Known(T),
    /// A value that this version does not know, or none at all. It counts as "not yet".
    Unknown,
}

impl<T: DeserializeOwned> Open<T> {
    /// Reads a field.
    pub(super) fn of_field(object: &Object<'_>, name: &str) -> Self {
        object.optional(name).map_or(Self::Unknown, Self::Known)
    }
}
