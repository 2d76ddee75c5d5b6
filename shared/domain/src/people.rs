//! The people and systems that act on requests, and the requests that each may see.

use crate::email::EmailAddress;
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
    /// The identifier of one company (tenant): 1 to 128 characters without `#`. That character separates the parts of
    /// index keys, so a workspace that contained it could read another's keys.
    WorkspaceId,
    1..=128_usize,
    |text| identifier(text) && !text.contains('#'),
    "is not a workspace"
);

text!(
    /// An agent's identifier at the identity provider (the `sub` claim): 1 to 255 characters.
    AgentId,
    1..=255_usize,
    identifier,
    "must be 1 to 255 characters, none of them a control character"
);

text!(
    /// An agent's display name: 1 to 200 characters.
    AgentName,
    1..=200_usize,
    identifier,
    "must be 1 to 200 characters, none of them a control character"
);

/// An agent, with their display name at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agent {
    /// The agent's identifier at the identity provider.
    pub id: AgentId,
    /// The agent's display name.
    pub name: AgentName,
}

/// The person who receives the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Customer {
    /// The number that messages are sent to.
    pub phone: Phone,
    /// The customer's name, if the agent gave one.
    pub name: Option<CustomerName>,
    /// The customer's e-mail address, if the agent gave one. Only a payment provider that wants one gets it: neither an
    /// event nor an answer carries it.
    #[serde(skip)]
    pub email: Option<EmailAddress>,
}

/// The rights of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees and changes their own requests.
    Agent,
    /// Sees and changes every request of the workspace.
    Supervisor,
    /// A program, not a person. It sees and changes every request of the workspace, and sends for an agent whom it
    /// names.
    Service,
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "agent" => Ok(Self::Agent),
            "supervisor" => Ok(Self::Supervisor),
            "service" => Ok(Self::Service),
            _ => Err(Invalid("is not a role")),
        }
    }
}

/// A caller with a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The caller's company.
    pub workspace: WorkspaceId,
    /// Who calls.
    pub identity: Identity,
}

/// Who a caller is, with what is known of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// See [`Role::Agent`].
    Agent(Agent),
    /// See [`Role::Supervisor`].
    Supervisor(Agent),
    /// See [`Role::Service`]. Its identifier at the identity provider; a program has no name.
    Service(AgentId),
}

impl Caller {
    /// Returns the requests that the caller may see and change.
    #[must_use]
    pub fn audience(&self) -> Audience {
        match &self.identity {
            Identity::Agent(agent) => Audience::Agent(self.workspace.clone(), agent.id.clone()),
            Identity::Supervisor(_) | Identity::Service(_) => Audience::Workspace(self.workspace.clone()),
        }
    }

    /// Returns the caller as the actor of a change.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.identity {
            Identity::Agent(agent) | Identity::Supervisor(agent) => Actor::Agent(agent.id.clone()),
            Identity::Service(id) => Actor::Service(id.clone()),
        }
    }
}

/// Who sends a payment request, and for which agent. A person sends for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The caller.
    pub caller: Caller,
    /// The agent whose request it is.
    pub agent: Agent,
}

impl Sender {
    /// Builds the sender of an agent's own request.
    #[must_use]
    pub fn of_agent(workspace: WorkspaceId, agent: Agent) -> Self {
        Self { caller: Caller { workspace, identity: Identity::Agent(agent.clone()) }, agent }
    }
}

/// The requests that a person may see. Every variant lies within one workspace, because nobody sees another's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Every request of one workspace.
    Workspace(WorkspaceId),
    /// The requests of one agent.
    Agent(WorkspaceId, AgentId),
}

impl Audience {
    /// Returns whether a request of this workspace and agent belongs to the audience.
    #[must_use]
    pub fn covers(&self, workspace: &WorkspaceId, agent: &AgentId) -> bool {
        match self {
            Self::Workspace(within) => within == workspace,
            Self::Agent(within, who) => within == workspace && who == agent,
        }
    }
}

/// The requests that a change can reach. For a request outside the scope, the caller gets the same answer as for one
/// that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every request: for changes by the customer, the provider and the system itself.
    Everything,
    /// The requests that a person may see.
    Audience(Audience),
}

impl Scope {
    /// Returns whether a request of this workspace and agent lies within the scope.
    #[must_use]
    pub fn covers(&self, workspace: &WorkspaceId, agent: &AgentId) -> bool {
        match self {
            Self::Everything => true,
            Self::Audience(audience) => audience.covers(workspace, agent),
        }
    }
}

/// The person or system that changed a request. Serialized as `{ "type", "id" }`; the id is null except for callers
/// with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ActorFields", into = "ActorFields")]
pub enum Actor {
    /// An agent or supervisor.
    Agent(AgentId),
    /// A program that acts for an agent.
    Service(AgentId),
    /// The holder of the link.
    Customer,
    /// The payment provider.
    Provider,
    /// chat2pay itself.
    System,
}

/// The kinds of [`Actor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActorType {
    /// An agent or supervisor.
    Agent,
    /// A program that acts for an agent.
    Service,
    /// The holder of the link.
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
    /// Returns the actor's kind, and the identifier if the actor has a token.
    #[must_use]
    pub fn parts(&self) -> (ActorType, Option<&AgentId>) {
        match self {
            Self::Agent(id) => (ActorType::Agent, Some(id)),
            Self::Service(id) => (ActorType::Service, Some(id)),
            Self::Customer => (ActorType::Customer, None),
            Self::Provider => (ActorType::Provider, None),
            Self::System => (ActorType::System, None),
        }
    }

    /// Builds an actor from its stored parts. An agent or a service without an identifier becomes the system.
    #[must_use]
    pub fn from_parts(kind: ActorType, id: Option<AgentId>) -> Self {
        match (kind, id) {
            (ActorType::Agent, Some(id)) => Self::Agent(id),
            (ActorType::Service, Some(id)) => Self::Service(id),
            (ActorType::Customer, _) => Self::Customer,
            (ActorType::Provider, _) => Self::Provider,
            (ActorType::Agent | ActorType::Service | ActorType::System, _) => Self::System,
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
    fn the_keys_of_workspaces_do_not_overlap() {
        assert!("acme".parse::<WorkspaceId>().is_ok());
        assert!("acme#alice".parse::<WorkspaceId>().is_err());
        assert!("".parse::<WorkspaceId>().is_err());
        assert!("a\0".parse::<WorkspaceId>().is_err());
    }

    #[test]
    fn a_scope_covers_only_its_own_requests() {
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
