//! Where webhook secrets come from: a variable on one machine, Secrets Manager in a deployment.

use crate::aws::client_config;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a secret that was read is used: a rotation reaches every sandbox within this time.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// How soon after a read a signature that does not hold is worth another one. Without this bound, whoever sends forged
/// webhooks would make us call Secrets Manager for each of them.
const REREAD_AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The secrets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not hand them out.
    #[error("the secret could not be read: {0}")]
    Unavailable(String),
    /// What it handed out is no secret for webhooks.
    #[error("the secret's value cannot be used: {0}")]
    Wrong(#[from] ConfigError),
}

/// The source of one set of webhook secrets.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// They are given once and for all.
    Fixed(Secrets),
    /// They are in Secrets Manager.
    Managed(Arc<Managed>),
}

/// Secrets in Secrets Manager, read when they are needed and kept for a while.
#[derive(Debug)]
pub struct Managed {
    client: Client,
    arn: String,
    name: String,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    read_at: Instant,
    secrets: Secrets,
}

impl SecretSource {
    /// The secrets in the variable `name`, or in the Secrets Manager secret whose ARN is in `name` with `_ARN` at its end.
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
            _ => Ok(Self::Fixed(Secrets::from_environment(environment, name)?)),
        }
    }

    /// The secrets, at most five minutes old.
    ///
    /// # Errors
    /// They were never read before, and cannot be read now.
    pub async fn current(&self) -> Result<Secrets, SecretError> {
        match self {
            Self::Fixed(secrets) => Ok(secrets.clone()),
            Self::Managed(managed) => managed.no_older_than(KEPT_FOR).await,
        }
    }

    /// The secrets after a signature did not hold: they may have been rotated since they were read.
    ///
    /// # Errors
    /// As for [`Self::current`].
    pub async fn after_mismatch(&self) -> Result<Secrets, SecretError> {
        match self {
            Self::Fixed(secrets) => Ok(secrets.clone()),
            Self::Managed(managed) => managed.no_older_than(REREAD_AT_MOST_EVERY).await,
        }
    }
}

impl Managed {
    async fn no_older_than(&self, age: Duration) -> Result<Secrets, SecretError> {
        // Held across the read on purpose: of many calls that need it, one reads.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.read_at.elapsed() < age) {
            return Ok(kept.secrets.clone());
        }
        let error = match self.read().await {
            Ok(secrets) => {
                *kept = Some(Kept { read_at: Instant::now(), secrets: secrets.clone() });
                return Ok(secrets);
            }
            Err(error) => error,
        };
        let Some(kept) = kept.as_mut() else { return Err(error) };
        // What held five minutes ago most likely still holds; the next try waits as long as after a read that worked.
        tracing::error!(%error, secret = self.name, "the secret could not be read again; the last one is used");
        kept.read_at = Instant::now();
        Ok(kept.secrets.clone())
    }

    async fn read(&self) -> Result<Secrets, SecretError> {
        let value = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let value = value.map_err(|error| SecretError::Unavailable(DisplayErrorContext(&error).to_string()))?;
        let text = value.secret_string().unwrap_or_default();
        Ok(Secrets::parse(text, &self.name)?)
    }
}
