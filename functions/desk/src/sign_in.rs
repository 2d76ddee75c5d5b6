//! The configuration of the sign-in of the desk's users.

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use runtime::{ConfigError, Environment};
use serde::Serialize;

/// The method of sign-in. The pages contain it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SignIn {
    /// A list of test users whose tokens `/local/token` issues. It does not exist in a deployment.
    Local,
    /// OAuth 2.0 with an authorization code and PKCE (RFC 6749, RFC 7636), at an `OpenID` provider.
    #[serde(rename = "oauth")]
    OAuth {
        /// The provider, whose `/.well-known/openid-configuration` names its endpoints.
        issuer: String,
        /// The desk's identifier at the provider, as a public client, which has no secret.
        client_id: String,
        /// The scopes that the desk requests.
        scope: String,
        /// The token that the desk sends to the API.
        token: Token,
        /// The origin of the provider's endpoints, if it is not the issuer's own.
        #[serde(skip)]
        endpoints: Option<String>,
    },
}

/// A kind of token that the provider issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Token {
    /// The access token.
    AccessToken,
    /// The ID token, for providers whose access token does not name the user's workspace.
    IdToken,
}

impl SignIn {
    /// Reads `SIGN_IN` (`oauth` or `local`). For `oauth`, also reads `SIGN_IN_ISSUER`, `SIGN_IN_CLIENT_ID`,
    /// `SIGN_IN_SCOPE` (default `openid profile`), `SIGN_IN_TOKEN` (`access_token`, the default, or `id_token`) and
    /// `SIGN_IN_ENDPOINTS` (an origin, optional).
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub(crate) fn new(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.require("SIGN_IN")? {
            "local" => Ok(Self::Local),
            "oauth" => Ok(Self::OAuth {
                issuer: runtime::config::url(environment, "SIGN_IN_ISSUER")?,
                client_id: environment.require("SIGN_IN_CLIENT_ID")?.to_owned(),
                scope: environment.get("SIGN_IN_SCOPE").unwrap_or("openid profile").to_owned(),
                token: match environment.get("SIGN_IN_TOKEN") {
                    None | Some("access_token") => Token::AccessToken,
                    Some("id_token") => Token::IdToken,
                    Some(_) => return Err(Environment::invalid("SIGN_IN_TOKEN", "access_token or id_token")),
                },
                endpoints: match environment.get("SIGN_IN_ENDPOINTS") {
                    None => None,
                    Some(_) => {
                        Some(origin(&runtime::config::url(environment, "SIGN_IN_ENDPOINTS")?, "SIGN_IN_ENDPOINTS")?)
                    }
                },
            }),
            _ => Err(Environment::invalid("SIGN_IN", "oauth or local")),
        }
    }

    /// Returns the origins, other than their own, to which the pages connect for a sign-in.
    ///
    /// # Errors
    /// The issuer's URL has no origin that can stand in a Content-Security-Policy.
    pub(crate) fn origins(&self) -> Result<Vec<String>, ConfigError> {
        match self {
            Self::Local => Ok(Vec::new()),
            Self::OAuth { issuer, endpoints, .. } => {
                let mut origins = vec![origin(issuer, "SIGN_IN_ISSUER")?];
                origins.extend(
                    endpoints.iter().filter(|endpoints| **endpoints != origins[0]).cloned().collect::<Vec<_>>(),
                );
                Ok(origins)
            }
        }
    }
}

/// Returns the origin of a URL, the value of the variable `name`.
///
/// # Errors
/// The URL has no origin, or one that cannot stand in a Content-Security-Policy.
pub(crate) fn origin(url: &str, name: &str) -> Result<String, ConfigError> {
    let wrong = || Environment::invalid(name, "an address such as https://sign-in.example.com");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (scheme, authority) = (uri.scheme().map(Scheme::as_str), uri.authority().map(Authority::as_str));
    let (Some(scheme), Some(authority)) = (scheme, authority) else { return Err(wrong()) };
    let origin = format!("{scheme}://{authority}");
    // The origin goes into the Content-Security-Policy, where these characters would begin another directive or source.
    let fits = HeaderValue::from_str(&origin).is_ok() && !origin.contains([';', ',', '@', '\'', '*', ' ']);
    if fits { Ok(origin) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> Environment {
        Environment::default()
            .with("SIGN_IN", "oauth")
            .with("SIGN_IN_ISSUER", "https://id.example.com/realms/acme")
            .with("SIGN_IN_CLIENT_ID", "desk")
    }

    #[test]
    fn the_pages_get_only_the_settings_that_they_need() {
        let serialized = |environment: &Environment| serde_json::to_value(SignIn::new(environment).unwrap()).unwrap();
        assert_eq!(
            serialized(&Environment::default().with("SIGN_IN", "local")),
            serde_json::json!({ "type": "local" })
        );
        assert_eq!(
            serialized(&oauth().with("SIGN_IN_ENDPOINTS", "https://login.example.com")),
            serde_json::json!({
                "type": "oauth",
                "issuer": "https://id.example.com/realms/acme",
                "client_id": "desk",
                "scope": "openid profile",
                "token": "access_token",
            })
        );
    }

    #[test]
    fn tokens_are_requested_from_the_issuer_and_its_endpoints() {
        let origins = |environment: &Environment| SignIn::new(environment).unwrap().origins().unwrap();
        assert_eq!(origins(&Environment::default().with("SIGN_IN", "local")), Vec::<String>::new());
        assert_eq!(origins(&oauth()), ["https://id.example.com"]);
        assert_eq!(
            origins(&oauth().with("SIGN_IN_ENDPOINTS", "https://login.example.com/")),
            ["https://id.example.com", "https://login.example.com"]
        );
        assert_eq!(origins(&oauth().with("SIGN_IN_ENDPOINTS", "https://id.example.com")), ["https://id.example.com"]);
    }

    #[test]
    fn a_missing_or_invalid_setting_is_named() {
        for (environment, name) in [
            (Environment::default(), "SIGN_IN"),
            (Environment::default().with("SIGN_IN", "password"), "SIGN_IN"),
            (oauth().with("SIGN_IN_ISSUER", ""), "SIGN_IN_ISSUER"),
            (oauth().with("SIGN_IN_ISSUER", "id.example.com"), "SIGN_IN_ISSUER"),
            (oauth().with("SIGN_IN_CLIENT_ID", ""), "SIGN_IN_CLIENT_ID"),
            (oauth().with("SIGN_IN_TOKEN", "refresh_token"), "SIGN_IN_TOKEN"),
            (oauth().with("SIGN_IN_ENDPOINTS", "https://a.example;script-src"), "SIGN_IN_ENDPOINTS"),
        ] {
            let error = SignIn::new(&environment).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let issuer =
            SignIn::new(&oauth().with("SIGN_IN_ISSUER", "https://a;b.example")).and_then(|sign_in| sign_in.origins());
        assert!(issuer.unwrap_err().to_string().contains("SIGN_IN_ISSUER"));
    }
}
