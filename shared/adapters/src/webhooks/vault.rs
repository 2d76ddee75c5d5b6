//! The encryption of the endpoints' secrets: AES-256-GCM, bound to the workspace and the endpoint.

use crate::secrets::{SecretSource, SecretValue};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::{OpenedSecret, SecretVault, VaultError};
use domain::webhooks::{EndpointId, SealedSecret, SigningSecret};
use domain::{Doors, WorkspaceId};
use runtime::hmac::code;
use runtime::telemetry::{Metric, count};
use runtime::{ConfigError, Environment};
use std::sync::Arc;

/// The shortest text that a key is made of. Secrets Manager generates one for each stack.
const SHORTEST_KEY: usize = 32;

/// What a key is made for, so that the same text gives another key elsewhere.
const PURPOSE: &[u8] = b"chat2pay webhook endpoint secrets";

/// The version of the form in which a secret is stored: the base64 of the nonce, the ciphertext and the tag.
const FORM: &str = "v1:";

/// The encryption of the endpoints' secrets.
#[derive(Debug, Clone)]
pub struct EncryptedSecrets {
    keys: SecretSource<Keys>,
    doors: Doors,
}

/// The keys. The first encrypts, and each of them decrypts, so that a key can be replaced.
#[derive(Clone)]
struct Keys(Arc<[LessSafeKey]>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(redacted)")
    }
}

impl SecretValue for Keys {
    fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let wrong =
            || Environment::invalid(name, "a random text of at least 32 characters, several separated by spaces");
        let key = |text: &str| {
            // Extracts a key of the length that the cipher needs (HKDF-Extract, RFC 5869, section 2.2).
            let bytes = code(PURPOSE, &[text.as_bytes()]);
            let long = text.len() >= SHORTEST_KEY;
            long.then(|| UnboundKey::new(&AES_256_GCM, &bytes).ok()).flatten().map(LessSafeKey::new)
        };
        let keys = text.split_whitespace().map(|text| key(text).ok_or_else(wrong));
        let keys = keys.collect::<Result<Arc<[_]>, _>>()?;
        if keys.is_empty() { Err(wrong()) } else { Ok(Self(keys)) }
    }
}

impl Keys {
    /// Decrypts a secret with the first of the keys that can.
    fn open(
        &self,
        workspace: &WorkspaceId,
        endpoint: &EndpointId,
        (nonce, sealed): (&[u8], &[u8]),
    ) -> Option<OpenedSecret> {
        self.0.iter().enumerate().find_map(|(index, key)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut opened = sealed.to_vec();
            let secret = key.open_in_place(nonce, bound_to(workspace, endpoint), &mut opened).ok()?;
            Some(OpenedSecret { secret: SigningSecret::from_bytes(secret.to_vec()), is_outdated: index > 0 })
        })
    }
}

impl EncryptedSecrets {
    /// Builds the encryption with the keys in `WEBHOOK_ENCRYPTION_KEY`, or in the secret at
    /// `WEBHOOK_ENCRYPTION_KEY_ARN`.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: SecretSource::from_environment(environment, "WEBHOOK_ENCRYPTION_KEY")?,
            doors: environment.doors(),
        })
    }
}

/// Returns what a secret is bound to, so that it cannot be decrypted for another endpoint.
fn bound_to(workspace: &WorkspaceId, endpoint: &EndpointId) -> Aad<Vec<u8>> {
    // Neither a workspace nor an identifier contains a control character.
    Aad::from([workspace.as_str().as_bytes(), b"\0", endpoint.as_str().as_bytes()].concat())
}

impl SecretVault for EncryptedSecrets {
    async fn seal(
        &self,
        workspace: &WorkspaceId,
        endpoint: &EndpointId,
        secret: &SigningSecret,
    ) -> Result<SealedSecret, VaultError> {
        let keys = self.keys.current().await.map_err(|error| VaultError(error.into()))?;
        let key = keys.0.first().ok_or_else(|| VaultError("there is no key".into()))?;
        // Of 2^32 random nonces of 96 bits under one key, two are equal with a probability of 2^-33 (NIST SP 800-38D,
        // section 8.3). Each secret takes one.
        let mut nonce = [0; NONCE_LEN];
        self.doors.fill(&mut nonce).map_err(|error| VaultError(error.into()))?;
        let mut sealed = secret.reveal().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(workspace, endpoint), &mut sealed)
            .map_err(|_| VaultError("the encryption failed".into()))?;
        Ok(SealedSecret(format!("{FORM}{}", STANDARD.encode([nonce.as_slice(), &sealed].concat()))))
    }

    async fn open(
        &self,
        workspace: &WorkspaceId,
        endpoint: &EndpointId,
        sealed: &SealedSecret,
    ) -> Result<OpenedSecret, VaultError> {
        let malformed = || VaultError("the stored form is unknown".into());
        let encoded = sealed.0.strip_prefix(FORM).ok_or_else(malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
        let parts = bytes.split_at_checked(NONCE_LEN).ok_or_else(malformed)?;
        let keys = self.keys.current().await.map_err(|error| VaultError(error.into()))?;
        if let Some(opened) = keys.open(workspace, endpoint, parts) {
            return Ok(opened);
        }
        // A key may have been added since they were read.
        let keys = self.keys.after_mismatch().await.map_err(|error| VaultError(error.into()))?;
        if let Some(opened) = keys.open(workspace, endpoint, parts) {
            return Ok(opened);
        }
        count(Metric::WebhookItemUnreadable);
        tracing::error!(%workspace, %endpoint, "webhook secret unusable: no key decrypts it");
        Err(VaultError("no key decrypts it".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Mutex;
    use std::time::Duration;

    const KEY: &str = "WEBHOOK_ENCRYPTION_KEY";

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    fn vault(keys: &str) -> EncryptedSecrets {
        EncryptedSecrets::new(&Environment::default().with(KEY, keys)).unwrap()
    }

    #[tokio::test]
    async fn a_secret_is_stored_encrypted_and_decrypted_by_any_of_the_keys() {
        let (workspace, other): (WorkspaceId, WorkspaceId) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let doors = Doors::default();
        let (id, secret) = (EndpointId::random(&doors).unwrap(), SigningSecret::random(&doors).unwrap());
        let sealed = vault(&key(1)).seal(&workspace, &id, &secret).await.unwrap();
        assert!(!sealed.0.contains(&STANDARD.encode(secret.reveal())), "{sealed:?}");
        assert_ne!(sealed, vault(&key(1)).seal(&workspace, &id, &secret).await.unwrap(), "each has its own nonce");
        let opened = |is_outdated| OpenedSecret { secret: secret.clone(), is_outdated };
        assert_eq!(vault(&key(1)).open(&workspace, &id, &sealed).await.unwrap(), opened(false));
        let rotated = vault(&format!("{} {}", key(2), key(1)));
        assert_eq!(rotated.open(&workspace, &id, &sealed).await.unwrap(), opened(true));

        let other_id = EndpointId::random(&doors).unwrap();
        assert!(rotated.open(&other, &id, &sealed).await.is_err(), "another workspace's");
        assert!(rotated.open(&workspace, &other_id, &sealed).await.is_err(), "another endpoint's");
        assert!(vault(&key(2)).open(&workspace, &id, &sealed).await.is_err(), "another key");
        for changed in ["", "v1:", "v1:AAAA", "v2:x", &sealed.0.replace("v1:", ""), &sealed.0[..sealed.0.len() - 8]] {
            let error = rotated.open(&workspace, &id, &SealedSecret(changed.to_owned())).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains(&sealed.0[10..30]), "{error:?}");
        }
    }

    /// A sandbox keeps the keys for five minutes. Another one encrypts with a new key meanwhile.
    #[tokio::test]
    async fn a_secret_that_no_kept_key_decrypts_has_the_keys_read_again() {
        let text = Arc::new(Mutex::new(key(1)));
        let answer = {
            let text = Arc::clone(&text);
            move || std::future::ready(json!({ "SecretString": *text.lock().unwrap() }).to_string())
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let environment = Environment::default()
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{}", listener.local_addr().unwrap()))
            .with("WEBHOOK_ENCRYPTION_KEY_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:test");
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
        let (workspace, doors): (WorkspaceId, _) = ("acme".parse().unwrap(), Doors::default());
        let (id, secret) = (EndpointId::random(&doors).unwrap(), SigningSecret::random(&doors).unwrap());
        let managed = EncryptedSecrets::new(&environment).unwrap();
        let first = managed.seal(&workspace, &id, &secret).await.unwrap();
        *text.lock().unwrap() = format!("{} {}", key(2), key(1));
        let second = vault(&key(2)).seal(&workspace, &id, &secret).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
        let opened = |is_outdated| OpenedSecret { secret: secret.clone(), is_outdated };
        assert_eq!(managed.open(&workspace, &id, &first).await.unwrap(), opened(false), "as the kept keys say");
        assert_eq!(managed.open(&workspace, &id, &second).await.unwrap(), opened(false));
        assert_eq!(managed.open(&workspace, &id, &first).await.unwrap(), opened(true));
    }

    #[test]
    fn a_key_that_is_too_short_stops_the_function_at_its_start() {
        for text in ["", " ", "secret", "AAAA", &key(1)[13..], &format!("{} AAAA", key(1))] {
            let error = EncryptedSecrets::new(&Environment::default().with(KEY, text)).unwrap_err().to_string();
            assert!(error.contains(KEY) && (text.len() < 5 || !error.contains(text)), "{error}");
        }
        assert!(!format!("{:?}", vault(&key(0x42))).contains("Qk"));
    }
}
