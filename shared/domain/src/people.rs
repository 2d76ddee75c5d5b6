//! People and systems that act, and what each may see.

use crate::invalid::Invalid;
use crate::phone::Phone;
use crate::text::{CustomerName, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

fn identifier(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

text!(
    /// One company (tenant): 1 to 128 characters, none of them `#`, which separates the parts of index keys. A
    /// workspace that held one could reach into another's keys.
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
    /// The identifier that the identity provider has for them.
    pub id: AgentId,
    /// Their name for people to read.
    pub name: AgentName,
}

/// The person whom a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The number that messages go to.
    pub phone: Phone,
    /// Their name, if the agent gave one.
    pub name: Option<CustomerName>,
}

/// The rights of someone signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and changes their own requests.
    Agent,
    /// Sees and changes every request of the workspace.
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
    /// Their identifier and name.
    pub agent: Agent,
    /// Their rights.
    pub role: Role,
}

impl Caller {
    /// Returns whose requests they may see and change.
    #[must_use]
    pub fn audience(&self) -> Audience {
        match self.role {
            Role::Agent => Audience::Agent(self.workspace.clone(), self.agent.id.clone()),
            Role::Supervisor => Audience::Workspace(self.workspace.clone()),
        }
    }
}

/// The requests that a person may see. Nobody sees across workspaces, so no variant reaches further than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Every request of one workspace.
    Workspace(WorkspaceId),
    /// The requests of one agent.
    Agent(WorkspaceId, AgentId),
}

impl Audience {
    /// Returns whether a request of this workspace and agent is among them.
    #[must_use]
    pub fn covers(&self, workspace: &WorkspaceId, agent: &AgentId) -> bool {
        match self {
            Self::Workspace(within) => within == workspace,
            Self::Agent(within, who) => within == workspace && who == agent,
        }
    }
}

/// The requests that a change reaches. One outside it does not exist as far as whoever makes the change can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every request: for what the customer, the provider and the system itself do.
    Everything,
    /// The requests that a person may see.
    Audience(Audience),
}

impl Scope {
    /// Returns whether a request of this workspace and agent lies within.
    #[must_use]
    pub fn covers(&self, workspace: &WorkspaceId, agent: &AgentId) -> bool {
        match self {
            Self::Everything => true,
            Self::Audience(audience) => audience.covers(workspace, agent),
        }
    }
}

/// Whoever changed a request. Written as `{ "type", "id" }`, the id null for all but people signed in.
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
    /// Returns the actor's kind, and the identifier of someone signed in.
    #[must_use]
    pub fn parts(&self) -> (ActorType, Option<&AgentId>) {
        match self {
            Self::Agent(id) => (ActorType::Agent, Some(id)),
            Self::Customer => (ActorType::Customer, None),
            Self::Provider => (ActorType::Provider, None),
            Self::System => (ActorType::System, None),
        }
    }

    /// Returns the actor of these parts; an agent without an identifier is the system.
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
        let of_alice = Audience::Agent(acme.clone(), alice.clone());
        let of_acme = Audience::Workspace(acme.clone());
        for (workspace, agent, covered_by_alice, covered_by_acme) in [
            (&acme, &alice, true, true),
            (&acme, &bob, false, true),
            (&other, &alice, false, false),
            (&other, &bob, false, false),
        ] {
            for (audience, covered) in [(&of_alice, covered_by_alice), (&of_acme, covered_by_acme)] {
                assert_eq!(audience.covers(workspace, agent), covered, "{audience:?}: {agent} of {workspace}");
                assert_eq!(Scope::Audience(audience.clone()).covers(workspace, agent), covered);
            }
            assert!(Scope::Everything.covers(workspace, agent));
        }
    }
}
