//! The identity provider, which issues the tokens that the gateway verifies.

use crate::private_file;
use crate::runner::Runner;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use runtime::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stand_in_host::Doors;
use stand_in_host::web::{ProblemResponse, body};
use std::path::Path;
use std::sync::Arc;

/// The lifetime of a token, in seconds.
const LIFETIME: i64 = 3600;
/// The issuer is fixed, so that a token stays valid after a restart on another port.
const ISSUER: &str = "urn:chat2pay:local";
const AUDIENCE: &str = "chat2pay";

/// The reason why the signing key could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key could be generated. The cryptographic library uses its own source of randomness for it.
    #[error("the signing key cannot be generated")]
    Made,
    /// The file does not contain a key.
    #[error("the signing key in the data directory is invalid")]
    Read,
    /// The file cannot be read or written.
    #[error("the signing key cannot be read or stored: {0}")]
    File(#[from] std::io::Error),
    /// The blocking task was aborted.
    #[error("the task on the signing key was aborted: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Signs and verifies access tokens.
pub(super) struct Tokens {
    key: KeyPair,
    public: DecodingKey,
    validation: Validation,
    doors: Doors,
    workspace_claim: String,
    role_claim: String,
}

/// The person or service that a token is for. A claim that is absent here is absent in the token too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bearer {
    sub: Option<String>,
    name: Option<String>,
    role: Option<String>,
    workspace: Option<String>,
}

/// A token response in the form of OAuth 2.0.
#[derive(Debug, Serialize)]
struct AccessToken {
    #[serde(rename = "access_token")]
    text: String,
    token_type: &'static str,
    expires_in: i64,
}

impl Tokens {
    /// Opens the key in this file, or generates a new one and stores it in the file if there is one. It blocks.
    ///
    /// # Errors
    /// [`KeyError`] if the key cannot be read, generated or stored.
    fn new(file: Option<&Path>, environment: &Environment, doors: Doors) -> Result<Self, KeyError> {
        let key = match file {
            Some(file) if file.exists() => KeyPair::from_pkcs8(&std::fs::read(file)?).map_err(|_| KeyError::Read)?,
            Some(file) => {
                let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Made)?;
                keep(&key, file)?;
                key
            }
            None => KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Made)?,
        };
        let mut validation = Validation::new(Algorithm::RS256);
        // The library would compare these with its own clock, so `verify` compares them with the injected one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        Ok(Self {
            public: DecodingKey::from_rsa_der(key.public_key().as_ref()),
            key,
            validation,
            doors,
            workspace_claim: environment.get("WORKSPACE_CLAIM").unwrap_or("workspace").to_owned(),
            role_claim: environment.get("ROLE_CLAIM").unwrap_or("role").to_owned(),
        })
    }

    fn mint(&self, bearer: Bearer) -> Result<AccessToken, ProblemResponse> {
        let now = self.doors.now().as_milliseconds() / 1000;
        let mut claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + LIFETIME });
        for (name, value) in [
            ("sub", bearer.sub),
            ("name", bearer.name),
            (self.role_claim.as_str(), bearer.role),
            (self.workspace_claim.as_str(), bearer.workspace),
        ] {
            if let (Some(value), Some(claims)) = (value, claims.as_object_mut()) {
                claims.insert(name.to_owned(), value.into());
            }
        }
        Ok(AccessToken { text: self.sign(&claims)?, token_type: "Bearer", expires_in: LIFETIME })
    }

    /// Signs claims as a token (RFC 7515). The token library accepts no PKCS #8 key for signing, so the token is built
    /// here.
    fn sign(&self, claims: &Value) -> Result<String, ProblemResponse> {
        let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let mut signature = vec![0; self.key.public_modulus_len()];
        // The library requires a source of randomness, although this kind of signature does not use it.
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(ProblemResponse::unavailable)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Verifies a token, and returns its claims as text, as the HTTP API's authorizer passes them on. Returns `None` if
    /// this provider did not issue the token, or if it is not valid now.
    pub(super) fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &self.public, &self.validation).ok()?.claims;
        holds_at(self.doors.now().as_milliseconds() / 1000, &claims)
            .then(|| claims.into_iter().map(|(name, value)| (name, Value::String(as_text(value)))).collect())
    }
}

/// Returns whether a token is valid at `now`, in seconds since the Unix epoch.
fn holds_at(now: i64, claims: &Map<String, Value>) -> bool {
    let expires = claims.get("exp").and_then(Value::as_i64);
    let begins = claims.get("nbf").map(|claim| claim.as_i64().unwrap_or(i64::MAX));
    expires.is_some_and(|expires| expires >= now) && begins.is_none_or(|begins| begins <= now)
}

/// Formats a claim as text, as the HTTP API does.
fn as_text(claim: Value) -> String {
    match claim {
        Value::String(text) => text,
        Value::Array(elements) => {
            let elements: Vec<_> = elements.into_iter().map(as_text).collect();
            format!("[{}]", elements.join(" "))
        }
        other => other.to_string(),
    }
}

/// Writes the key to a file that only this user can read.
fn keep(key: &KeyPair, file: &Path) -> Result<(), KeyError> {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(key).map_err(|_| KeyError::Made)?;
    private_file::write(file, der.as_ref())?;
    Ok(())
}

/// Opens the key in the data directory, or generates one for this run.
pub(super) async fn open(runner: &Runner) -> Result<Arc<Tokens>, KeyError> {
    let file = runner.data_dir.as_ref().map(|directory| directory.join("signing-key"));
    let (environment, doors) = (runner.environment.clone(), runner.host.doors.clone());
    let opened = tokio::task::spawn_blocking(move || Tokens::new(file.as_deref(), &environment, doors));
    Ok(Arc::new(opened.await??))
}

pub(super) fn router(tokens: &Arc<Tokens>) -> Router {
    Router::new().route("/local/token", post(issue)).with_state(Arc::clone(tokens))
}

/// `POST /local/token`: issues a token for the person or service in the body.
async fn issue(State(tokens): State<Arc<Tokens>>, body: Body) -> Result<Json<AccessToken>, ProblemResponse> {
    tokens.mint(body::json(body).await?).map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use stand_in_host::doors::{Clock, NoRandomness, Randomness};
    use std::sync::atomic::{AtomicI64, Ordering};

    /// The time in seconds since the Unix epoch.
    #[derive(Clone)]
    struct SettableClock(Arc<AtomicI64>);

    impl Clock for SettableClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_milliseconds(self.0.load(Ordering::Relaxed) * 1000).unwrap()
        }
    }

    struct NoneNeeded;

    impl Randomness for NoneNeeded {
        fn fill(&self, _: &mut [u8]) -> Result<(), NoRandomness> {
            Err(NoRandomness)
        }
    }

    fn tokens() -> Tokens {
        tokens_at(Doors::default())
    }

    fn tokens_at(doors: Doors) -> Tokens {
        Tokens::new(None, &Environment::default().with("WORKSPACE_CLAIM", "custom:company"), doors).unwrap()
    }

    fn claims(changed: &[(&str, Value)]) -> Value {
        let now = Doors::default().now().as_milliseconds() / 1000;
        let mut claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "nbf": now - 1, "exp": now + 60 });
        for (name, value) in changed {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_minted_token_contains_only_the_requested_claims() {
        let tokens = tokens();
        let bearer = Bearer { sub: Some("alice".to_owned()), workspace: Some("acme".to_owned()), ..Bearer::default() };
        let claims = tokens.verify(&tokens.mint(bearer).unwrap().text).unwrap();
        assert_eq!(claims.get("sub"), Some(&json!("alice")));
        assert_eq!(claims.get("custom:company"), Some(&json!("acme")));
        assert!(claims.get("exp").is_some_and(Value::is_string));
        assert!(!claims.contains_key("name") && !claims.contains_key("role"));
    }

    #[test]
    fn only_a_current_token_of_our_issuer_and_audience_is_valid() {
        let tokens = tokens();
        let now = Doors::default().now().as_milliseconds() / 1000;
        assert!(tokens.verify(&tokens.sign(&claims(&[])).unwrap()).is_some());
        for changed in [
            ("iss", json!("someone else")),
            ("aud", json!("something else")),
            ("exp", json!(now - 1)),
            ("nbf", json!(now + 60)),
            ("exp", Value::Null),
            ("exp", json!("soon")),
        ] {
            assert!(
                tokens.verify(&tokens.sign(&claims(std::slice::from_ref(&changed))).unwrap()).is_none(),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn a_token_is_valid_until_its_last_second_by_the_given_clock() {
        for (later, holds) in [(0, true), (LIFETIME, true), (LIFETIME + 1, false), (-1, false)] {
            let clock = SettableClock(Arc::new(AtomicI64::new(1_767_607_200)));
            let tokens = tokens_at(Doors::new(clock.clone(), NoneNeeded));
            let token = tokens.mint(Bearer::default()).unwrap().text;
            clock.0.fetch_add(later, Ordering::Relaxed);
            assert_eq!(tokens.verify(&token).is_some(), holds, "{later}");
        }
    }

    #[test]
    fn a_changed_token_is_invalid() {
        let (ours, theirs) = (tokens(), tokens());
        let token = ours.sign(&claims(&[])).unwrap();
        assert!(theirs.verify(&token).is_none());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let other = URL_SAFE_NO_PAD.encode(claims(&[("sub", json!("mallory"))]).to_string());
        for forged in [
            String::new(),
            "x".to_owned(),
            "a.b.c".to_owned(),
            format!("{none}.{payload}."),
            format!("{hmac}.{payload}.{signature}"),
            format!("{}.{other}.{signature}", signed.split_once('.').unwrap().0),
            format!("{signed}.{}", "A".repeat(signature.len())),
        ] {
            assert!(ours.verify(&forged).is_none(), "{forged}");
        }
    }

    #[test]
    fn the_key_survives_a_restart_and_is_private() {
        let directory = crate::test::Directory::new();
        let file = directory.path().join("signing-key");
        let token =
            Tokens::new(Some(&file), &Environment::default(), Doors::default()).unwrap().sign(&claims(&[])).unwrap();
        assert!(Tokens::new(Some(&file), &Environment::default(), Doors::default()).unwrap().verify(&token).is_some());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn claims_have_the_format_of_the_http_api() {
        assert_eq!(as_text(json!(["a", 1, true])), "[a 1 true]");
        assert_eq!(as_text(json!(null)), "null");
    }
}
