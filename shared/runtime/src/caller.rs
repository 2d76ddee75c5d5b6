//! Who is calling, from the claims that the gateway's JWT authorizer has verified.

use crate::environment::Environment;
use crate::problem::Problem;
use domain::{Agent, Caller, Role};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};

/// The names of the claims that are not the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    workspace: String,
    role: String,
}

impl ClaimNames {
    /// `WORKSPACE_CLAIM` (`workspace`) and `ROLE_CLAIM` (`role`).
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let named = |name, default: &str| environment.get(name).unwrap_or(default).to_owned();
        Self { workspace: named("WORKSPACE_CLAIM", "workspace"), role: named("ROLE_CLAIM", "role") }
    }

    /// Whoever made this request.
    ///
    /// # Errors
    /// [`Problem::Unauthenticated`] if the gateway verified nobody; [`Problem::Forbidden`] if a claim is missing or
    /// says something unknown.
    pub fn caller(&self, request: &Request) -> Result<Caller, Problem> {
        let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else {
            return Err(Problem::Unauthenticated);
        };
        let jwt = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
        let claims = &jwt.ok_or(Problem::Unauthenticated)?.claims;
        let claim = |name: &str| claims.get(name).map(String::as_str).ok_or(Problem::Forbidden);
        Ok(Caller {
            workspace: claim(&self.workspace)?.parse().map_err(|_| Problem::Forbidden)?,
            agent: Agent {
                id: claim("sub")?.parse().map_err(|_| Problem::Forbidden)?,
                name: claim("name")?.parse().map_err(|_| Problem::Forbidden)?,
            },
            role: role(claim(&self.role)?).ok_or(Problem::Forbidden)?,
        })
    }
}

/// The role in a claim. A claim that holds several groups, as Cognito's does, arrives from an HTTP API as one text such
/// as `[agent supervisor]`; whoever is in both is a supervisor.
fn role(claim: &str) -> Option<Role> {
    let listed = claim.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let Some(listed) = listed else { return claim.parse().ok() };
    let mut roles = listed.split([' ', ',']).filter_map(|text| text.parse().ok());
    roles.clone().find(|role| *role == Role::Supervisor).or_else(|| roles.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_word_or_among_the_groups_of_a_list() {
        for (claim, expected) in [
            ("agent", Some(Role::Agent)),
            ("supervisor", Some(Role::Supervisor)),
            ("[agent]", Some(Role::Agent)),
            ("[agent supervisor]", Some(Role::Supervisor)),
            ("[other, agent]", Some(Role::Agent)),
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
}
