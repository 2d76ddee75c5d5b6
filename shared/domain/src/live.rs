//! Live updates: the ticket that opens a connection, and the connections that watch an audience.

use crate::doors::{NoRandomness, Randomness};
use crate::invalid::Invalid;
use crate::people::{AgentId, Audience};
use crate::text::text;
use crate::time::Timestamp;
use crate::token::LinkToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a ticket is valid.
pub const TICKET_LIFETIME: Duration = Duration::from_secs(30);

/// How long a gateway keeps a connection (specification, section 6).
pub const CONNECTION_LIFETIME: Duration = Duration::from_hours(2);

/// How long a new connection may still be unknown to the gateway that is opening it. Until then, a message that cannot
/// be posted does not mean that the client has gone.
pub const OPENING: Duration = Duration::from_secs(30);

/// The connections that one person may have at once: a tab each, in every browser.
pub const CONNECTIONS_OF_A_PERSON: usize = 50;
/// The connections that the supervisors of one workspace may have at once, all of them together. Every change is sent
/// to each.
pub const CONNECTIONS_OF_SUPERVISORS: usize = 1_000;

/// A ticket: 128 random bits, valid for one connection within [`TICKET_LIFETIME`]. It stands in an address, where the
/// caller's token must not. Its holder may watch, so `Debug` redacts it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(LinkToken);

impl Ticket {
    /// Generates a random ticket.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        Ok(Self(LinkToken::random(randomness)?))
    }

    /// Returns the ticket's text, for the address of its connection only.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.reveal()
    }

    /// Returns the SHA-256 of the ticket, in base58. It is stored instead of the ticket.
    #[must_use]
    pub fn digest(&self) -> String {
        bs58::encode(Sha256::digest(self.reveal())).into_string()
    }
}

impl FromStr for Ticket {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| Invalid("is not a ticket"))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ticket(redacted)")
    }
}

text!(
    /// A connection's identifier, as the gateway gives it: 1 to 128 visible ASCII characters.
    ConnectionId,
    1..=128_usize,
    |text| text.bytes().all(|byte| byte.is_ascii_graphic()),
    "is not a connection"
);

/// What a ticket grants: a connection that watches an audience until the caller's token ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The requests that the caller may see.
    pub audience: Audience,
    /// The caller.
    pub person: AgentId,
    /// The end of the caller's token.
    pub token_ends_at: Timestamp,
    /// The end of the ticket itself.
    pub ticket_ends_at: Timestamp,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// The connection.
    pub connection: ConnectionId,
    /// The requests whose changes it is notified of.
    pub audience: Audience,
    /// Whose connection it is.
    pub person: AgentId,
    /// When it was opened.
    pub connected_at: Timestamp,
    /// Its end: that of the caller's token, or of the gateway's patience.
    pub ends_at: Timestamp,
}

impl Watcher {
    /// Builds the watcher of a connection that is opened with this grant.
    #[must_use]
    pub fn new(connection: ConnectionId, grant: Grant, now: Timestamp) -> Self {
        let ends_at = grant.token_ends_at.min(now.saturating_add(CONNECTION_LIFETIME));
        Self { connection, audience: grant.audience, person: grant.person, connected_at: now, ends_at }
    }

    /// Returns whether the connection must not be notified any more.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.ends_at
    }

    /// Returns whether the gateway may still be opening the connection.
    #[must_use]
    pub fn is_opening(&self, now: Timestamp) -> bool {
        now.saturating_duration_since(self.connected_at) < OPENING
    }
}

/// Returns the limit that one more connection of a person would pass; `None` if there is room. `open` are the
/// connections of the person's audience.
#[must_use]
pub fn passed_limit<'a>(open: impl Iterator<Item = &'a Watcher> + Clone, person: &AgentId) -> Option<usize> {
    let own = open.clone().filter(|watcher| watcher.person == *person).count();
    let all = open.count();
    [(own, CONNECTIONS_OF_A_PERSON), (all, CONNECTIONS_OF_SUPERVISORS)]
        .into_iter()
        .find_map(|(count, limit)| (count >= limit).then_some(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::SystemRandomness;

    #[test]
    fn a_ticket_is_stored_and_logged_without_its_text() {
        let ticket = Ticket::random(&SystemRandomness).unwrap();
        assert!(ticket.reveal().parse::<Ticket>().unwrap() == ticket);
        assert_eq!(format!("{ticket:?}"), "Ticket(redacted)");
        assert!(!ticket.digest().contains(&ticket.reveal()));
        assert_ne!(ticket.digest(), Ticket::random(&SystemRandomness).unwrap().digest());
        assert!("".parse::<Ticket>().is_err());
    }

    #[test]
    fn a_connection_ends_with_the_token_or_after_two_hours() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let ended = |token: Duration| {
            let grant = Grant {
                audience: Audience::Workspace("acme".parse().unwrap()),
                person: "sam".parse().unwrap(),
                token_ends_at: now.saturating_add(token),
                ticket_ends_at: now,
            };
            Watcher::new("a=".parse().unwrap(), grant, now).ends_at
        };
        assert_eq!(ended(Duration::from_mins(5)), now.saturating_add(Duration::from_mins(5)));
        assert_eq!(ended(Duration::from_hours(5)), now.saturating_add(CONNECTION_LIFETIME));
    }
}
