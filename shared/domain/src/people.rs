//! Who acts, for whom, and what each may see.

use crate::text::text;
use crate::{CustomerName, Invalid, Phone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

fn identifier(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

text!(
    /// One company (tenant): 1 to 128 characters, none of them `#`, which separates the parts of index keys. A workspace
    /// that held one could reach into another's keys.
    WorkspaceId,
    1..=128_usize,
    |text| identifier(text) && !text.contains('#'),
    "is not a workspace"
);

text!(
    /// An agent, as the identity provider names them (the `sub` claim): 1 to 255 characters.
    AgentId,
    1..=255_usize,
    identifier,
    "is not an agent"
);

text!(
    /// An agent's name for people to read: 1 to 200 characters.
    AgentName,
    1..=200_usize,
    identifier,
    "is not a name"
);

/// An agent with the name they had at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub id: AgentId,
    /// What they are called.
    pub name: AgentName,
}

/// Whom a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// Where the messages go.
    pub phone: Phone,
    /// What they are called, if the agent said so.
    pub name: Option<CustomerName>,
}

/// What someone signed in may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Their own requests.
    Agent,
    /// Every request of the workspace.
    Supervisor,
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "agent" => Ok(Self::Agent),
            "supervisor" => Ok(Self::Supervisor),
            _ => Err(Invalid("is not a role")),
        }
    }
}

/// Someone signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Their company.
    pub workspace: WorkspaceId,
    /// Who they are.
    pub agent: Agent,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// Which requests they may see and change.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self.role {
            Role::Agent => Scope::Agent(self.workspace.clone(), self.agent.id.clone()),
            Role::Supervisor => Scope::Workspace(self.workspace.clone()),
        }
    }
}

/// The requests that an action reaches. One outside it does not exist as far as the action can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every request: what the system itself does.
    Everything,
    /// One workspace's.
    Workspace(WorkspaceId),
    /// One agent's.
    Agent(WorkspaceId, AgentId),
}

impl Scope {
    /// Whether a request of this workspace and agent lies within.
    #[must_use]
    pub fn covers(&self, workspace: &WorkspaceId, agent: &AgentId) -> bool {
        match self {
            Self::Everything => true,
            Self::Workspace(within) => within == workspace,
            Self::Agent(within, who) => within == workspace && who == agent,
        }
    }
}

/// Who changed a request. Written as `{ "type", "id" }`, the id null for all but people signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ActorFields", into = "ActorFields")]
pub enum Actor {
    /// An agent or supervisor.
    Agent(AgentId),
    /// Whoever holds the link.
    Customer,
    /// The payment provider.
    Provider,
    /// chat2pay itself.
    System,
}

/// The kinds of [`Actor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorType {
    /// An agent or supervisor.
    Agent,
    /// Whoever holds the link.
    Customer,
    /// The payment provider.
    Provider,
    /// chat2pay itself.
    System,
}

#[derive(Serialize, Deserialize)]
struct ActorFields {
    r#type: ActorType,
    id: Option<AgentId>,
}

impl Actor {
    /// Its kind, and who it was if that was someone signed in.
    #[must_use]
    pub fn parts(&self) -> (ActorType, Option<&AgentId>) {
        match self {
            Self::Agent(id) => (ActorType::Agent, Some(id)),
            Self::Customer => (ActorType::Customer, None),
            Self::Provider => (ActorType::Provider, None),
            Self::System => (ActorType::System, None),
        }
    }

    /// The actor of these parts; an agent without an identifier is the system.
    #[must_use]
    pub fn from_parts(kind: ActorType, id: Option<AgentId>) -> Self {
        match (kind, id) {
            (ActorType::Agent, Some(id)) => Self::Agent(id),
            (ActorType::Customer, _) => Self::Customer,
            (ActorType::Provider, _) => Self::Provider,
            (ActorType::Agent | ActorType::System, _) => Self::System,
        }
    }
}

impl From<ActorFields> for Actor {
    fn from(fields: ActorFields) -> Self {
        Self::from_parts(fields.r#type, fields.id)
    }
}

impl From<Actor> for ActorFields {
    fn from(actor: Actor) -> Self {
        let (kind, id) = actor.parts();
        Self { r#type: kind, id: id.cloned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_cannot_reach_into_another_ones_keys() {
        assert!("acme".parse::<WorkspaceId>().is_ok());
        assert!("acme#alice".parse::<WorkspaceId>().is_err());
        assert!("".parse::<WorkspaceId>().is_err());
        assert!("a\0".parse::<WorkspaceId>().is_err());
    }

    #[test]
    fn a_scope_covers_its_own_requests_alone() {
        let (acme, other): (WorkspaceId, WorkspaceId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let (alice, bob): (AgentId, AgentId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        assert!(Scope::Agent(acme.clone(), alice.clone()).covers(&acme, &alice));
        assert!(!Scope::Agent(acme.clone(), alice.clone()).covers(&acme, &bob));
        assert!(!Scope::Agent(acme.clone(), alice.clone()).covers(&other, &alice));
        assert!(Scope::Workspace(acme.clone()).covers(&acme, &bob));
        assert!(!Scope::Workspace(acme).covers(&other, &bob));
        assert!(Scope::Everything.covers(&other, &bob));
    }
}
