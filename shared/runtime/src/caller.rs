//! Who is calling, from the claims that the gateway's JWT authorizer has verified.

use crate::environment::{ConfigError, Environment};
use crate::problem::Problem;
use domain::{Agent, Caller};
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
    ///
    /// # Errors
    /// None today; the signature is that of every setting.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        let named = |name, default: &str| environment.get(name).unwrap_or(default).to_owned();
        Ok(Self { workspace: named("WORKSPACE_CLAIM", "workspace"), role: named("ROLE_CLAIM", "role") })
    }

    /// Whoever made this request.
    ///
    /// # Errors
    /// [`Problem::Unauthenticated`] if the gateway verified nobody; [`Problem::Forbidden`] if a claim is missing or says
    /// something unknown.
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
            role: claim(&self.role)?.parse().map_err(|_| Problem::Forbidden)?,
        })
    }
}
