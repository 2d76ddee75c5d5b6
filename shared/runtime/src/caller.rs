//! Caller identity: reads the claims that the gateway's JWT authorizer has verified.

use crate::environment::Environment;
use crate::problem::Problem;
use domain::{Agent, Caller, Role};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt as _};

/// The names of the claims that differ between identity providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    workspace: String,
    role: String,
}

impl ClaimNames {
    /// Reads the names from `WORKSPACE_CLAIM` (default `workspace`) and `ROLE_CLAIM` (default `role`).
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        let named = |name, default: &str| environment.get(name).unwrap_or(default).to_owned();
        Self { workspace: named("WORKSPACE_CLAIM", "workspace"), role: named("ROLE_CLAIM", "role") }
    }

    /// Returns the authenticated caller of a request.
    ///
    /// # Errors
    /// [`Problem::Unauthenticated`] if the gateway verified no token; [`Problem::Forbidden`] if a claim is missing or
    /// holds an unknown value.
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

/// Parses the role in a claim. An HTTP API passes a claim with several groups, such as Cognito's, as one string like
/// `[agent supervisor]`. A caller in both groups is a supervisor.
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
    fn a_role_is_a_single_word_or_an_element_of_a_list() {
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
