//! Identifiers. Each kind has a type of its own, so that the compiler rejects one in place of another.

use crate::doors::{NoRandomness, Randomness};
use crate::invalid::Invalid;
use crate::people::WorkspaceId;
use crate::time::Clock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A payment request's identifier, a UUID (RFC 9562).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentRequestId(Uuid);

impl PaymentRequestId {
    /// Generates an identifier of version 7, which sorts by time of creation.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn new(doors: &(impl Clock + Randomness)) -> Result<Self, NoRandomness> {
        let mut random = [0; 10];
        doors.fill(&mut random)?;
        let milliseconds = u64::try_from(doors.now().as_milliseconds()).unwrap_or(0);
        Ok(Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()))
    }

    /// Returns the identifier that belongs to a workspace's idempotency key, of version 8: 122 bits of a SHA-256.
    ///
    /// The same key always gives the same identifier. So an idempotent create is one conditional put and needs no
    /// record of keys.
    #[must_use]
    pub fn from_key(workspace: &WorkspaceId, key: &IdempotencyKey) -> Self {
        let digest = Sha256::new()
            .chain_update(b"chat2pay payment request\0")
            .chain_update(workspace.as_str())
            // A workspace has no control characters, so no other pair of workspace and key gives the same bytes.
            .chain_update(b"\0")
            .chain_update(&key.0)
            .finalize();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest) {
            *to = from;
        }
        Self(Uuid::new_v8(bytes))
    }

    /// Builds the identifier from its sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the identifier's sixteen bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for PaymentRequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

/// Parses the canonical form alone: hyphenated, in lower case.
impl FromStr for PaymentRequestId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const WRONG: Invalid = Invalid("is not a payment request's identifier");
        let id = Self(Uuid::try_parse(text).map_err(|_| WRONG)?);
        if id.to_string() == text { Ok(id) } else { Err(WRONG) }
    }
}

/// The key that a client gives to one create, so that a retry creates no second request: 1 to 255 printable ASCII
/// characters.
///
/// Only ASCII is accepted, because other bytes are decoded before they reach a function, which could make two different
/// keys equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    pub(crate) const LENGTH: std::ops::RangeInclusive<usize> = 1..=255;
}

impl FromStr for IdempotencyKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if Self::LENGTH.contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid("must be 1 to 255 plain printable characters"))
        }
    }
}

/// The digest of a create's fields. It distinguishes a retry from another request under the same idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the digest of these fields, in this order. Each field is preceded by its length, so that no two
    /// different lists give the same bytes.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for field in fields {
            digest.update((field.len() as u64).to_be_bytes());
            digest.update(field);
        }
        Self(shortened::<16>(digest))
    }
}

/// The identifier of one logical change, the same for every retry of it.
///
/// A client retries a write whose response was lost; the retry then fails its own condition. If the returned item holds
/// this identifier, the first write was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(String);

impl OperationId {
    /// Generates an identifier of 72 random bits: it only has to be unique within one request's history.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        Ok(Self(random::<9>(randomness)?))
    }

    /// Returns the identifier of the change that an external message asks for. The same message gives the same
    /// identifier, however often it is delivered.
    #[must_use]
    pub fn of_message(message_id: &str) -> Self {
        Self(digest(message_id))
    }

    /// Returns the identifier of the change that records this payment's failure.
    #[must_use]
    pub fn of_failed_payment(provider: &str, reference: &str) -> Self {
        Self::of_message(&format!("{provider}:{reference}:failed"))
    }

    /// Returns the identifier of the change that records that an event's message did not reach the customer.
    #[must_use]
    pub fn of_undelivered_message(event_id: &str) -> Self {
        Self::of_message(event_id)
    }

    /// Builds the identifier from its stored text.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identifier of one run of a function. A run recognizes its own write by it when the response was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Generates an identifier of 48 random bits: it only has to differ from those of the few other runs on one event.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        Ok(Self(random::<6>(randomness)?))
    }

    /// Builds the identifier from its stored text.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn random<const BYTES: usize>(randomness: &impl Randomness) -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    randomness.fill(&mut bytes)?;
    Ok(bs58::encode(bytes).into_string())
}

/// Returns the first 72 bits of a text's SHA-256 in base58: 12 or 13 characters.
pub(crate) fn digest(text: &str) -> String {
    shortened::<9>(Sha256::new().chain_update(text))
}

fn shortened<const BYTES: usize>(digest: Sha256) -> String {
    bs58::encode(digest.finalize().iter().copied().take(BYTES).collect::<Vec<_>>()).into_string()
}

/// A checkout's identifier at the payment provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckoutId(pub String);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::{Doors, SystemRandomness};

    fn key(text: &str) -> IdempotencyKey {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_identifies_one_request_of_its_workspace() {
        let (acme, other): (WorkspaceId, WorkspaceId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let id = PaymentRequestId::from_key(&acme, &key("k-1"));
        assert_eq!(id, PaymentRequestId::from_key(&acme, &key("k-1")));
        assert_ne!(id, PaymentRequestId::from_key(&acme, &key("k-2")));
        assert_ne!(id, PaymentRequestId::from_key(&other, &key("k-1")));
        assert_eq!(id.to_string().as_bytes()[14], b'8', "the version of RFC 9562 is 8");
    }

    #[test]
    fn keys_are_printable_ascii_of_1_to_255_characters() {
        assert!("".parse::<IdempotencyKey>().is_err());
        assert!("a\nb".parse::<IdempotencyKey>().is_err());
        assert!("schlüssel".parse::<IdempotencyKey>().is_err());
        assert!("k".repeat(256).parse::<IdempotencyKey>().is_err());
        assert!("k".repeat(255).parse::<IdempotencyKey>().is_ok());
    }

    #[test]
    fn only_the_canonical_form_of_an_identifier_is_parsed() {
        let id = PaymentRequestId::new(&Doors::default()).unwrap().to_string();
        assert!(id.parse::<PaymentRequestId>().is_ok());
        for other in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}"), "x".into()]
        {
            assert!(other.parse::<PaymentRequestId>().is_err(), "{other}");
        }
    }

    #[test]
    fn adjacent_fields_are_hashed_separately() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_ne!(Fingerprint::of(["a"]), Fingerprint::of(["a", ""]));
    }

    #[test]
    fn the_same_message_makes_the_same_operation() {
        assert_eq!(OperationId::of_message("m-1"), OperationId::of_message("m-1"));
        assert_ne!(OperationId::of_message("m-1"), OperationId::of_message("m-2"));
        assert_ne!(OperationId::random(&SystemRandomness).unwrap(), OperationId::random(&SystemRandomness).unwrap());
    }
}
