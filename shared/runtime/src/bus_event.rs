//! Events as EventBridge delivers them.

use crate::function::InvocationError;
use serde::{Deserialize, de::DeserializeOwned};

/// EventBridge's envelope, of which only the detail matters: the rules have looked at the rest
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>).
#[derive(Debug, Deserialize)]
pub struct BusEvent<T> {
    detail: T,
}

impl<T: DeserializeOwned> BusEvent<T> {
    /// The detail of an envelope.
    ///
    /// # Errors
    /// [`InvocationError::Event`]
    pub fn read(event: &str) -> Result<T, InvocationError> {
        Ok(serde_json::from_str::<Self>(event).map_err(InvocationError::Event)?.detail)
    }
}
