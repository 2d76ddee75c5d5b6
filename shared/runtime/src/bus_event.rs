//! Events as EventBridge delivers them.

use crate::function::InvocationError;
use serde::{Deserialize, de::DeserializeOwned};

/// EventBridge's envelope. Only `detail` is read, because the rules have already matched the other fields
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>).
#[derive(Debug, Deserialize)]
pub struct BusEvent<T> {
    detail: T,
}

impl<T: DeserializeOwned> BusEvent<T> {
    /// Deserializes an envelope and returns its detail.
    ///
    /// # Errors
    /// [`InvocationError::Event`] if the envelope or its detail cannot be deserialized.
    pub fn read(event: &str) -> Result<T, InvocationError> {
        Ok(serde_json::from_str::<Self>(event).map_err(InvocationError::Event)?.detail)
    }
}
