//! Caller identity: reads the claims that the gateway's JWT authorizer has verified.

use crate::environment::Environment;
use crate::json::Object;
use crate::problem::Problem;
use domain::{Agent, Caller, Identity, Role, Timestamp};
use lambda_http::Request;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The names of the claims that differ between identity providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    workspace: String,
    role: String,
    /// How the scopes of services begin, where tokens for programs have no claim with a role.
    service_scope_prefix: Option<String>,
}

impl ClaimNames {
    /// Reads the names from `WORKSPACE_CLAIM` (default `workspace`) and `ROLE_CLAIM` (default `role`), and the
    /// beginning of a service's scope from `SERVICE_SCOPE_PREFIX` (default: scopes are not read).
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let named = |name, default: &str| environment.get(name).unwrap_or(default).to_owned();
        Self {
            workspace: named("WORKSPACE_CLAIM", "workspace"),
            role: named("ROLE_CLAIM", "role"),
            service_scope_prefix: environment.get("SERVICE_SCOPE_PREFIX").map(ToOwned::to_owned),
        }
    }

    /// Returns the authenticated caller of a request. Only four claims are read, of a service three: a program needs no
    /// name. Whatever else is in the token, and of whatever type, changes nothing. A token without the claim of the
    /// role is a service's if a scope says so.
    ///
    /// # Errors
    /// [`Problem::Unauthenticated`] if the gateway verified no token; [`Problem::Forbidden`] if a claim is missing or
    /// holds an unknown value.
    pub fn caller(&self, request: &Request) -> Result<Caller, Problem> {
        let claims = request.extensions().get::<Claims>().ok_or(Problem::Unauthenticated)?;
        let Some(role) = claims.0.get(&self.role) else { return self.service_by_scope(claims) };
        let role = role.role().ok_or(Problem::Forbidden)?;
        let (workspace, id) = (claims.parsed(&self.workspace)?, claims.parsed("sub")?);
        let identity = match role {
            Role::Agent => Identity::Agent(Agent { id, name: claims.parsed("name")? }),
            Role::Supervisor => Identity::Supervisor(Agent { id, name: claims.parsed("name")? }),
            Role::Service => Identity::Service(id),
        };
        Ok(Caller { workspace, identity })
    }

    /// Returns the end of the caller's token: the claim `exp`, in seconds since the Unix epoch. A gateway passes it on
    /// as a text or as a number.
    ///
    /// # Errors
    /// [`Problem::Unauthenticated`] if the gateway verified no token; [`Problem::Forbidden`] if the claim is missing or
    /// is no time.
    pub fn token_ends_at(request: &Request) -> Result<Timestamp, Problem> {
        let claims = request.extensions().get::<Claims>().ok_or(Problem::Unauthenticated)?;
        let seconds = match claims.0.get("exp") {
            Some(Claim::Number(seconds)) => Some(*seconds),
            Some(Claim::Text(text)) => text.parse().ok(),
            Some(Claim::List(_)) | None => None,
        };
        let milliseconds = seconds.and_then(|seconds: i64| seconds.checked_mul(1000)).ok_or(Problem::Forbidden)?;
        Timestamp::from_milliseconds(milliseconds).map_err(|_| Problem::Forbidden)
    }

    /// Returns the service that a scope names: `<prefix><workspace>/service`.
    ///
    /// Cognito lets nobody put a role or a workspace into a token for a program as it does into a person's, and what
    /// such a token may hold is decided by the scopes that an administrator has given the client (decision 0033). The
    /// token has to be the program's own: in one that was issued for a person, `sub` is the person, not the client.
    fn service_by_scope(&self, claims: &Claims) -> Result<Caller, Problem> {
        let prefix = self.service_scope_prefix.as_deref().ok_or(Problem::Forbidden)?;
        let (id, client) = (claims.text("sub")?, claims.text("client_id")?);
        let named = |scope| str::strip_suffix(str::strip_prefix(scope, prefix)?, "/service");
        let mut workspaces = claims.text("scope")?.split(' ').filter_map(named);
        match (workspaces.next(), workspaces.next()) {
            (Some(workspace), None) if id == client => Ok(Caller {
                workspace: workspace.parse().map_err(|_| Problem::Forbidden)?,
                identity: Identity::Service(id.parse().map_err(|_| Problem::Forbidden)?),
            }),
            // A service acts in one workspace.
            _ => Err(Problem::Forbidden),
        }
    }
}

/// The claims of a token that the gateway has verified, by name. Claims of a type that no claim of ours has are left
/// out.
#[derive(Debug, Clone)]
pub(crate) struct Claims(BTreeMap<String, Claim>);

/// The value of a claim.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Claim {
    Text(String),
    List(Vec<Value>),
    /// Seconds, such as those of `exp`.
    Number(i64),
}

/// Prints no content: a claim can be a name or an address.
impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claim(redacted)")
    }
}

impl Claims {
    /// Reads the claims in an event.
    pub(crate) fn new(claims: &Object<'_>) -> Self {
        let known =
            claims.iter().filter_map(|(name, raw)| Some((name.to_owned(), serde_json::from_str(raw.get()).ok()?)));
        Self(known.collect())
    }

    /// Parses a claim that is a text.
    fn parsed<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        self.text(name)?.parse().map_err(|_| Problem::Forbidden)
    }

    /// Returns a claim that is a text.
    fn text(&self, name: &str) -> Result<&str, Problem> {
        match self.0.get(name) {
            Some(Claim::Text(text)) => Ok(text),
            Some(Claim::List(_) | Claim::Number(_)) | None => Err(Problem::Forbidden),
        }
    }
}

impl Claim {
    fn role(&self) -> Option<Role> {
        match self {
            Self::Text(text) => role(text),
            Self::Number(_) => None,
            Self::List(elements) => highest(elements.iter().filter_map(|element| element.as_str()?.parse().ok())),
        }
    }
}

/// Returns the role of a caller in several groups: a supervisor may do all that an agent may. Nobody is both a person
/// and a service.
fn highest(mut roles: impl Iterator<Item = Role> + Clone) -> Option<Role> {
    let is = |wanted| roles.clone().any(|role| role == wanted);
    match (is(Role::Service), is(Role::Supervisor)) {
        (true, _) => roles.all(|role| role == Role::Service).then_some(Role::Service),
        (false, true) => Some(Role::Supervisor),
        (false, false) => roles.next(),
    }
}

/// Parses the role in a claim that is a text: one word, or a list of groups.
///
/// An HTTP API hands on a list of groups, such as Cognito's, as one text, `[agent supervisor]`, and does not say where
/// an element ends. So `[night shift supervisor trainees]` can be four groups or one, and a name with a space in it
/// must never count as two. A list whose elements are separated by spaces therefore gives a role only if nothing in it
/// can be part of a longer name: every element is one of the words, or Cognito's own group of a federated user. To
/// belong to any other group as well is possible where the claim is a list that says where its elements end: a JSON
/// list, or a text with commas. Cognito allows no space in a group's name, but the claim's name does not prove that it
/// comes from Cognito.
fn role(claim: &str) -> Option<Role> {
    let listed = claim.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(listed) = listed else { return claim.parse().ok() };
    if listed.contains(',') {
        let elements = listed.split(',').map(|element| element.strip_prefix(' ').unwrap_or(element));
        return highest(elements.filter_map(|element| element.parse().ok()));
    }
    let elements = listed.split(' ').filter(|element| !is_federated_group(element));
    let roles = elements.map(str::parse).collect::<Result<Vec<_>, _>>().ok()?;
    highest(roles.into_iter())
}

/// Returns whether a group is the one in which Cognito puts every user of an identity provider. Its name is the user
/// pool's identifier, an underscore, and the provider's name, as in `eu-west-1_aB3dE5fG7_Google`
/// (<https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-user-groups.html>). No word of a
/// longer name has this form.
fn is_federated_group(element: &str) -> bool {
    let mut parts = element.splitn(3, '_');
    let (Some(region), Some(pool), Some(provider)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let region: Vec<_> = region.split('-').collect();
    let [area, middle @ .., number] = region.as_slice() else { return false };
    area.len() == 2
        && !middle.is_empty()
        && [&[*area], middle].concat().iter().all(|part| part.bytes().all(|byte| byte.is_ascii_lowercase()))
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && pool.len() >= 9
        && pool.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !provider.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;
    use lambda_http::Body;

    #[test]
    fn a_role_is_a_single_word_or_an_element_of_a_list() {
        for (claim, expected) in [
            ("agent", Some(Role::Agent)),
            ("supervisor", Some(Role::Supervisor)),
            ("service", Some(Role::Service)),
            ("[service]", Some(Role::Service)),
            ("[service agent]", None),
            ("[other, supervisor, service]", None),
            ("[agent]", Some(Role::Agent)),
            ("[agent supervisor]", Some(Role::Supervisor)),
            ("[supervisor agent]", Some(Role::Supervisor)),
            ("[other, agent]", Some(Role::Agent)),
            ("[other,supervisor,agent]", Some(Role::Supervisor)),
            ("[eu-west-1_aB3dE5fG7_Google agent]", Some(Role::Agent)),
            ("[agent us-gov-west-1_aB3dE5fG7_My_Company supervisor]", Some(Role::Supervisor)),
            ("[]", None),
            ("[other]", None),
            ("", None),
            ("admin", None),
            ("agent supervisor", None),
            ("Agent", None),
        ] {
            assert_eq!(role(claim), expected, "{claim}");
        }
    }

    #[test]
    fn a_group_whose_name_has_a_space_never_counts_as_two() {
        for name in [
            "night shift supervisor trainees",
            "supervisor trainees",
            "night supervisor",
            "the agent",
            "agent  supervisor",
            " supervisor",
            "supervisor ",
            "agents supervisor",
            "supervisor [retired]",
            "eu-west-1 supervisor",
            "eu-west-1_short_Google supervisor",
            "my_team_agents supervisor",
        ] {
            assert_eq!(role(name), None, "{name}");
            assert_eq!(role(&format!("[{name}]")), None, "[{name}]");
            assert_eq!(role(&format!("[other, {name}]")), None, "[other, {name}]");
            assert_eq!(role(&format!("[[{name}]]")), None, "[[{name}]]");
        }
    }

    /// Returns the caller of a request with these claims.
    fn caller(claims: &str) -> Result<Caller, Problem> {
        caller_with(&Environment::default(), claims)
    }

    fn caller_with(environment: &Environment, claims: &str) -> Result<Caller, Problem> {
        let document = Document::new(claims.as_bytes());
        let mut request = Request::new(Body::Empty);
        request.extensions_mut().insert(Claims::new(&document.object().unwrap()));
        ClaimNames::new(environment).caller(&request)
    }

    const FOUR: &str = r#""sub": "alice", "name": "Alice", "workspace": "acme", "role": "agent""#;

    #[test]
    fn four_claims_are_read_and_no_other_can_spoil_them() {
        let expected = caller(&format!("{{{FOUR}}}")).unwrap();
        assert!(matches!(&expected.identity, Identity::Agent(agent) if agent.id.as_str() == "alice"), "{expected:?}");
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        for other in ["1767607200", "1e999", "true", "null", r#"["a", 1]"#, r#"{"a": {"b": []}}"#, r#""\ud83d""#, &deep]
        {
            for name in ["exp", "email_verified", "aud", "cognito:groups", "scope"] {
                let claims = format!("{{{FOUR}, \"{name}\": {other}}}");
                assert_eq!(caller(&claims).unwrap(), expected, "{name} {other}");
            }
        }
    }

    #[test]
    fn a_claim_of_ours_of_another_type_is_forbidden() {
        for name in ["sub", "name", "workspace", "role"] {
            for other in ["7", "true", "null", "[]", r#"[["agent"]]"#, r#"{"agent": "agent"}"#, r#""""#] {
                let claims = format!("{{{FOUR}, \"{name}\": {other}}}");
                assert!(matches!(caller(&claims), Err(Problem::Forbidden)), "{name} {other}");
            }
        }
        assert!(matches!(caller("{}"), Err(Problem::Forbidden)));
        let request = Request::new(Body::Empty);
        let answer = ClaimNames::new(&Environment::default()).caller(&request);
        assert!(matches!(answer, Err(Problem::Unauthenticated)));
    }

    #[test]
    fn a_list_gives_a_role_by_an_element_that_is_exactly_one_of_the_words() {
        for (groups, expected) in [
            (r#"["agent"]"#, Some(Role::Agent)),
            (r#"["night shift", "agent", 7, null]"#, Some(Role::Agent)),
            (r#"["agent", "supervisor"]"#, Some(Role::Supervisor)),
            (r#"["night shift supervisor trainees"]"#, None),
            (r#"["agent supervisor", "Supervisor", "supervisor "]"#, None),
            ("[]", None),
        ] {
            let found = caller(&format!("{{{FOUR}, \"role\": {groups}}}"));
            let role = found.ok().map(|caller| match caller.identity {
                Identity::Agent(_) => Role::Agent,
                Identity::Supervisor(_) => Role::Supervisor,
                Identity::Service(_) => Role::Service,
            });
            assert_eq!(role, expected, "{groups}");
        }
    }

    #[test]
    fn a_service_needs_no_name_and_a_person_does() {
        let of = |role: &str| caller(&format!(r#"{{"sub": "crm-bot", "workspace": "acme", "role": "{role}"}}"#));
        assert!(
            matches!(of("service"), Ok(Caller { identity: Identity::Service(id), .. }) if id.as_str() == "crm-bot")
        );
        for role in ["agent", "supervisor"] {
            assert!(matches!(of(role), Err(Problem::Forbidden)), "{role}");
        }
    }

    /// The variables of a deployment with the stack's own user pool.
    fn user_pool() -> Environment {
        Environment::default()
            .with("WORKSPACE_CLAIM", "custom:workspace")
            .with("ROLE_CLAIM", "cognito:groups")
            .with("SERVICE_SCOPE_PREFIX", "chat2pay/")
    }

    /// The claims of the token that a Cognito user pool issues for client credentials, as the HTTP API hands them on.
    fn of_client(scope: &str) -> String {
        format!(
            r#"{{"sub": "5example6client7id8", "client_id": "5example6client7id8", "token_use": "access",
            "scope": "{scope}", "version": "2", "auth_time": "1767607200", "iat": "1767607200", "exp": "1767610800",
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3dE5fG7", "jti": "a1b2c3d4"}}"#
        )
    }

    #[test]
    fn a_scope_makes_a_program_a_service_in_the_workspace_that_it_names() {
        for (scope, workspace) in [
            ("chat2pay/acme/service", "acme"),
            ("other/read chat2pay/acme/service", "acme"),
            ("chat2pay/acme/read chat2pay/acme/service", "acme"),
            ("chat2pay/acme/eu/service", "acme/eu"),
            ("chat2pay/service/service", "service"),
        ] {
            let caller = caller_with(&user_pool(), &of_client(scope)).unwrap();
            assert_eq!(caller.workspace.as_str(), workspace, "{scope}");
            assert_eq!(caller.identity, Identity::Service("5example6client7id8".parse().unwrap()), "{scope}");
        }
    }

    #[test]
    fn no_other_scope_gives_a_role() {
        let two = "chat2pay/acme/service chat2pay/globex/service";
        for scope in [
            "",
            "openid profile",
            "chat2pay/acme",
            "chat2pay/acme/",
            "chat2pay/acme/supervisor",
            "chat2pay/acme/services",
            "chat2pay//service",
            "chat2pay/service",
            "xchat2pay/acme/service",
            "Chat2pay/acme/service",
            "[chat2pay/acme/service]",
            "chat2pay/ac#me/service",
            two,
        ] {
            assert!(matches!(caller_with(&user_pool(), &of_client(scope)), Err(Problem::Forbidden)), "{scope}");
        }
        // Scopes are not read unless the deployment says how they begin.
        let claims = of_client("chat2pay/acme/service");
        assert!(matches!(caller(&claims), Err(Problem::Forbidden)));
    }

    #[test]
    fn a_scope_in_the_token_of_a_person_changes_nothing() {
        let scope = r#""scope": "chat2pay/globex/service""#;
        let forbidden = |claims: &str| {
            let answer = caller_with(&user_pool(), &format!("{{{claims}}}"));
            assert!(matches!(answer, Err(Problem::Forbidden)), "{claims}");
        };
        // An access token of somebody in no group: its `sub` is not the client.
        forbidden(&format!(r#""sub": "alice", "client_id": "5example", {scope}"#));
        forbidden(&format!(r#""sub": "alice", {scope}"#));
        forbidden(&format!(r#""sub": ["5example"], "client_id": ["5example"], {scope}"#));
        // With the claim of the role, whatever it holds, no scope is looked at.
        let of_both = r#""sub": "5example", "client_id": "5example""#;
        forbidden(&format!(r#"{of_both}, "cognito:groups": "[other]", {scope}"#));
        let person = r#""name": "Alice", "custom:workspace": "acme", "cognito:groups": "[agent]""#;
        let caller = caller_with(&user_pool(), &format!("{{{of_both}, {person}, {scope}}}")).unwrap();
        assert_eq!(
            (caller.workspace.as_str(), caller.audience()),
            ("acme", { domain::Audience::Agent("acme".parse().unwrap(), "5example".parse().unwrap()) })
        );
    }
}
