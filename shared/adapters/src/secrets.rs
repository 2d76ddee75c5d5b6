//! Secrets: from a variable on one machine, from Secrets Manager in a deployment.

use crate::aws::{Failure, client_config};
use aws_sdk_secretsmanager::Client;
use domain::ports::Cause;
use runtime::telemetry::chain;
use runtime::webhook::{Secrets, SignatureError};
use runtime::webhook_error::WebhookError;
use runtime::{ConfigError, Environment};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The time for which a secret is cached. A rotation reaches every sandbox within this time.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// The least time between two reads of a secret that is rejected. Without this bound, the sender of forged webhooks
/// could cause a call to Secrets Manager for each of them.
const REREAD_AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The error for a secret that is not available.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not respond in time, throttled the call or failed. A later retry may succeed.
    #[error("Secrets Manager is unavailable, so {name}_ARN cannot be read")]
    Unavailable {
        /// The name of the secret's variable; with `_ARN` appended, the variable of its ARN.
        name: String,
        /// The cause.
        #[source]
        cause: Cause,
    },
    /// Secrets Manager rejected the call. The secret does not exist, is scheduled for deletion, or the function may not
    /// read or decrypt it. An operator must change the ARN, the secret or the permission.
    #[error("{name}_ARN is misconfigured: the secret does not exist, or this function is not allowed to read it")]
    Misconfigured {
        /// The variable, as above.
        name: String,
        /// Secrets Manager's response.
        #[source]
        cause: Cause,
    },
    /// The secret's value does not have the form of this kind of secret.
    #[error("the secret's value cannot be used: {0}")]
    Invalid(#[from] ConfigError),
}

impl From<SecretError> for WebhookError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error.into())
    }
}

/// A secret that can be parsed from text. Its `Debug` is redacted.
pub trait SecretValue: Clone + Debug + Send + Sync {
    /// Parses a deployment's secret. `name` says where the text came from, for the error.
    ///
    /// # Errors
    /// The text does not have the secret's form. The error never contains the text.
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError>;

    /// Reads the secret from a variable. This may be less strict, because variables are used for trials on one machine.
    ///
    /// # Errors
    /// The variable is missing, or does not have the secret's form.
    fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::parse(environment.require(name)?, name)
    }
}

impl SecretValue for Secrets {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        Self::parse(text, name)
    }

    fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        Self::from_environment(environment, name)
    }
}

/// The source of one secret.
#[derive(Debug, Clone)]
pub enum SecretSource<T> {
    /// The secret is fixed for the life of the process.
    Fixed(T),
    /// The secret is in Secrets Manager.
    Managed(Arc<Managed<T>>),
}

/// A secret in Secrets Manager. It is read when it is first needed, and cached.
#[derive(Debug)]
pub struct Managed<T> {
    client: Client,
    arn: String,
    name: String,
    kept: Mutex<Option<Kept<T>>>,
}

#[derive(Debug, Clone)]
struct Kept<T> {
    read_at: Instant,
    secret: T,
}

impl<T: SecretValue> SecretSource<T> {
    /// Builds the source of the secret in the variable `name`, or in the Secrets Manager secret whose ARN is in the
    /// variable `name` with `_ARN` appended.
    ///
    /// # Errors
    /// Neither variable is set, or one is invalid.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        match environment.get(&format!("{name}_ARN")) {
            Some(arn) if environment.get(name).is_none() => Ok(Self::Managed(Arc::new(Managed {
                client: Client::from_conf(client_config!(aws_sdk_secretsmanager, environment, SECRETS_MANAGER)),
                arn: arn.to_owned(),
                name: name.to_owned(),
                kept: Mutex::new(None),
            }))),
            None if environment.get(name).is_none() => {
                Err(ConfigError::Missing { name: format!("{name} (or {name}_ARN)") })
            }
            _ => Ok(Self::Fixed(T::from_environment(environment, name)?)),
        }
    }

    /// Returns the secret, from a cache of at most five minutes.
    ///
    /// # Errors
    /// The secret was never read before, and cannot be read now.
    pub async fn current(&self) -> Result<T, SecretError> {
        match self {
            Self::Fixed(secret) => Ok(secret.clone()),
            Self::Managed(managed) => managed.no_older_than(KEPT_FOR).await,
        }
    }

    /// Verifies a webhook with the cached secret. If that fails, reads the secret again, because it may have been
    /// rotated, and verifies with the new one.
    ///
    /// # Errors
    /// [`WebhookError::Signature`] from `verify`, [`WebhookError::Secret`] as for [`Self::current`].
    pub async fn verify<R: Send>(
        &self,
        verify: impl Fn(&T) -> Result<R, SignatureError> + Send,
    ) -> Result<R, WebhookError> {
        match verify(&self.current().await?) {
            Err(SignatureError::Mismatch) => Ok(verify(&self.after_mismatch().await?)?),
            verified => Ok(verified?),
        }
    }

    /// Makes a call with the cached secret. If the secret is rejected, reads it again, and repeats the call once with
    /// the new one.
    ///
    /// # Errors
    /// Those of [`Self::current`] and those of the call.
    pub async fn call<R, E, F>(
        &self,
        call: impl Fn(T) -> F,
        is_unauthorized: impl Fn(&Result<R, E>) -> bool,
    ) -> Result<R, E>
    where
        T: PartialEq,
        E: From<SecretError>,
        F: Future<Output = Result<R, E>>,
    {
        let secret = self.current().await?;
        let result = call(secret.clone()).await;
        if !is_unauthorized(&result) {
            return result;
        }
        let newer = self.after_mismatch().await?;
        if newer == secret { result } else { call(newer).await }
    }

    /// Returns the secret after the cached one was rejected: it may have been rotated since it was read.
    ///
    /// # Errors
    /// As for [`Self::current`].
    pub(crate) async fn after_mismatch(&self) -> Result<T, SecretError> {
        match self {
            Self::Fixed(secret) => Ok(secret.clone()),
            Self::Managed(managed) => managed.no_older_than(REREAD_AT_MOST_EVERY).await,
        }
    }
}

impl<T: SecretValue> Managed<T> {
    async fn no_older_than(&self, age: Duration) -> Result<T, SecretError> {
        // The lock is held across the read on purpose: of many concurrent calls, one reads.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.read_at.elapsed() < age) {
            return Ok(kept.secret.clone());
        }
        let error = match self.read().await {
            Ok(secret) => {
                *kept = Some(Kept { read_at: Instant::now(), secret: secret.clone() });
                return Ok(secret);
            }
            Err(error) => error,
        };
        let Some(kept) = kept.as_mut() else { return Err(error) };
        // The cached secret is most likely still valid. The next attempt waits as long as after a successful read.
        tracing::error!(
            error = chain(&error),
            secret = self.name,
            "secret not refreshed: the cached value stays in use"
        );
        kept.read_at = Instant::now();
        Ok(kept.secret.clone())
    }

    async fn read(&self) -> Result<T, SecretError> {
        let value = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let value = value.map_err(|error| {
            let name = self.name.clone();
            match Failure::of(&error) {
                Failure::Unavailable => SecretError::Unavailable { name, cause: error.into() },
                Failure::Misconfigured => SecretError::Misconfigured { name, cause: error.into() },
            }
        })?;
        let text = value.secret_string().unwrap_or_default();
        Ok(T::parse(text, &self.name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use serde_json::{Value, json};

    /// Reads a secret from a fake Secrets Manager with this response.
    async fn read(status: u16, body: Value) -> Result<Secrets, SecretError> {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = move || std::future::ready((status, body.to_string()));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let environment = Environment::default()
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{}", listener.local_addr().unwrap()))
            .with("TEST_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:test");
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        SecretSource::from_environment(&environment, "TEST_SECRET").unwrap().current().await
    }

    #[tokio::test]
    async fn a_wrong_arn_an_outage_and_an_invalid_value_are_distinguished() {
        for code in ["ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure"] {
            let error = read(400, json!({ "__type": code, "message": "no" })).await.unwrap_err();
            assert!(matches!(&error, SecretError::Misconfigured { name, .. } if name == "TEST_SECRET"), "{error:?}");
            let line = chain(&error);
            assert!(line.contains("TEST_SECRET_ARN is misconfigured") && line.contains(code), "{line}");
        }
        let error = read(500, json!({ "__type": "InternalServiceError", "message": "no" })).await.unwrap_err();
        assert!(matches!(error, SecretError::Unavailable { .. }), "{error:?}");
        let error = read(200, json!({ "SecretString": "my-own-secret" })).await.unwrap_err();
        assert!(matches!(error, SecretError::Invalid(_)), "{error:?}");
        assert!(!format!("{error:?}").contains("my-own-secret"), "{error:?}");
    }
}
