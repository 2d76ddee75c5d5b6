//! Where secrets come from: a variable on one machine, Secrets Manager in a deployment.

use crate::WebhookError;
use crate::aws::client_config;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use runtime::webhook::{Secrets, SignatureError};
use runtime::{ConfigError, Environment};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a secret that was read is used: a rotation reaches every sandbox within this time.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// How soon after a read a secret that does not hold is worth another one. Without this bound, whoever sends forged
/// webhooks would make us call Secrets Manager for each of them.
const REREAD_AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The secrets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not hand them out.
    #[error("the secret could not be read: {0}")]
    Unavailable(String),
    /// What it handed out is not the kind of secret that it should be.
    #[error("the secret's value cannot be used: {0}")]
    Wrong(#[from] ConfigError),
}

/// A secret that can be read from text. Its `Debug` shows nothing of it.
pub trait SecretValue: Clone + Debug + PartialEq + Send + Sync {
    /// Reads a deployment's secret, which came from where `name` says.
    ///
    /// # Errors
    /// Not of the secret's form. The error never holds the text.
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError>;

    /// Reads the secret in a variable, which may be less strict: somebody is trying something out.
    ///
    /// # Errors
    /// Missing, or not of the secret's form.
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
    /// It is given once and for all.
    Fixed(T),
    /// It is in Secrets Manager.
    Managed(Arc<Managed<T>>),
}

/// A secret in Secrets Manager, read when it is needed and kept for a while.
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
    /// The secret in the variable `name`, or in the Secrets Manager secret whose ARN is in `name` with `_ARN` at its end.
    ///
    /// # Errors
    /// Neither variable is set, or one is wrong.
    pub fn from_environment(environment: &Environment, name: &str) -> Result<Self, ConfigError> {
        match environment.get(&format!("{name}_ARN")) {
            Some(arn) if environment.get(name).is_none() => Ok(Self::Managed(Arc::new(Managed {
                client: Client::from_conf(client_config!(
                    aws_sdk_secretsmanager,
                    environment,
                    "AWS_ENDPOINT_URL_SECRETS_MANAGER"
                )),
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

    /// The secret, at most five minutes old.
    ///
    /// # Errors
    /// It was never read before, and cannot be read now.
    pub async fn current(&self) -> Result<T, SecretError> {
        match self {
            Self::Fixed(secret) => Ok(secret.clone()),
            Self::Managed(managed) => managed.no_older_than(KEPT_FOR).await,
        }
    }

    /// Verifies a webhook with the secret in use and, if it was signed with another one, with what may have replaced it.
    ///
    /// # Errors
    /// [`WebhookError::Signature`] as `verify` finds it, [`WebhookError::Secret`] as for [`Self::current`].
    pub async fn verify<R: Send>(
        &self,
        verify: impl Fn(&T) -> Result<R, SignatureError> + Send,
    ) -> Result<R, WebhookError> {
        match verify(&self.current().await?) {
            Err(SignatureError::Mismatch) => Ok(verify(&self.after_mismatch().await?)?),
            verified => Ok(verified?),
        }
    }

    /// The secret after the one in use did not hold: it may have been rotated since it was read.
    ///
    /// # Errors
    /// As for [`Self::current`].
    pub async fn after_mismatch(&self) -> Result<T, SecretError> {
        match self {
            Self::Fixed(secret) => Ok(secret.clone()),
            Self::Managed(managed) => managed.no_older_than(REREAD_AT_MOST_EVERY).await,
        }
    }
}

impl<T: SecretValue> Managed<T> {
    async fn no_older_than(&self, age: Duration) -> Result<T, SecretError> {
        // Held across the read on purpose: of many calls that need it, one reads.
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
        // What held five minutes ago most likely still holds; the next try waits as long as after a read that worked.
        tracing::error!(%error, secret = self.name, "the secret could not be read again; the last one is used");
        kept.read_at = Instant::now();
        Ok(kept.secret.clone())
    }

    async fn read(&self) -> Result<T, SecretError> {
        let value = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let value = value.map_err(|error| SecretError::Unavailable(DisplayErrorContext(&error).to_string()))?;
        let text = value.secret_string().unwrap_or_default();
        Ok(T::parse(text, &self.name)?)
    }
}
