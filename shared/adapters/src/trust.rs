//! Trust: the root certificates that a function's clients accept, without parsing more of them than are needed
//! (decision 0034).

use runtime::{ConfigError, Environment};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};
use webpki_roots::TLS_SERVER_ROOTS;

/// The variable of an operator with roots of their own.
pub(crate) const TRUSTED_CERTIFICATES: &str = "TRUSTED_CERTIFICATES";

/// How the names end of the five roots that Amazon Trust Services recommends for a trust store of one's own
/// (<https://www.amazontrust.com/repository/>). They are among Mozilla's.
const AMAZON_ROOTS: [&str; 5] = [
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
];

/// The roots that verify an endpoint, unless [`TRUSTED_CERTIFICATES`] names others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    /// [`AMAZON_ROOTS`].
    Amazon,
    /// Those that Mozilla trusted when this version was built. They are part of the program, and nothing of them is
    /// parsed.
    Public,
    /// Those of the system. To read and parse them takes several times what everything else of a start takes.
    System,
}

/// What the clients of one function trust. It is shared by all of them, so that no certificate is parsed twice.
#[derive(Debug)]
pub(crate) struct Trust {
    /// The configuration with the operator's own roots. They hold for every endpoint.
    own: Option<Arc<ClientConfig>>,
    amazon: OnceLock<Arc<ClientConfig>>,
    public: OnceLock<Arc<ClientConfig>>,
    system: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Returns what the clients from this environment trust: with `TRUSTED_CERTIFICATES`, a PEM file, the certificates
    /// in it and no others.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub(crate) fn of(environment: &Environment) -> Result<Arc<Self>, ConfigError> {
        environment.shared(|| {
            let own = environment.get("TRUSTED_CERTIFICATES").map(|path| {
                let expected = "the path of a PEM file with the root certificates to trust";
                from_file(path).ok_or_else(|| Environment::invalid(TRUSTED_CERTIFICATES, expected))
            });
            Ok(Self {
                own: own.transpose()?.map(config),
                amazon: OnceLock::new(),
                public: OnceLock::new(),
                system: OnceLock::new(),
            })
        })
    }

    /// Returns the configuration of TLS that accepts these roots, or the operator's own.
    pub(crate) fn config(&self, roots: Roots) -> Arc<ClientConfig> {
        let there = match roots {
            _ if let Some(own) = &self.own => return own.clone(),
            Roots::Amazon => &self.amazon,
            Roots::Public => &self.public,
            Roots::System => &self.system,
        };
        there.get_or_init(|| config(roots.store())).clone()
    }
}

impl Roots {
    fn store(self) -> RootCertStore {
        match self {
            Self::Amazon => {
                let is_amazons = |subject: &[u8]| AMAZON_ROOTS.iter().any(|name| subject.ends_with(name.as_bytes()));
                TLS_SERVER_ROOTS.iter().filter(|root| is_amazons(&root.subject)).cloned().collect()
            }
            Self::Public => TLS_SERVER_ROOTS.iter().cloned().collect(),
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                let store = parsed(found.certs);
                if store.is_empty() {
                    tracing::warn!(errors = found.errors.len(), "no root certificates found on the system");
                }
                store
            }
        }
    }
}

/// Reads the certificates of a PEM file. Returns `None` unless there is at least one, and each can be a root.
fn from_file(path: &str) -> Option<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).ok()? {
        store.add(certificate.ok()?).ok()?;
    }
    (!store.is_empty()).then_some(store)
}

/// Returns the certificates that can be roots. A system's bundle may hold some that cannot.
fn parsed(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    store
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::TrustAnchor;
    use sha2::{Digest as _, Sha256};
    use std::collections::BTreeSet;

    #[test]
    fn amazons_roots_are_the_five_that_amazon_trust_services_recommends() {
        // The SHA-256 hashes of the subjects' public keys, from https://www.amazontrust.com/repository/.
        let published = [
            "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
            "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
            "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
            "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
            "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
        ];
        let hashes: BTreeSet<String> = Roots::Amazon.store().roots.iter().map(|root| hash(root)).collect();
        assert_eq!(hashes, published.map(str::to_owned).into());
        assert!(Roots::Public.store().len() > 100);
    }

    /// Returns the hash of a root's public key, a SEQUENCE whose tag and length the root leaves out.
    fn hash(root: &TrustAnchor<'_>) -> String {
        let key = &root.subject_public_key_info;
        let length = u16::try_from(key.len()).unwrap().to_be_bytes();
        let head: &[u8] = match length {
            [0, short @ ..0x80] => &[0x30, short],
            [0, middle] => &[0x30, 0x81, middle],
            [high, low] => &[0x30, 0x82, high, low],
        };
        hex::encode(Sha256::new().chain_update(head).chain_update(key).finalize())
    }

    #[test]
    fn a_file_that_holds_no_certificate_stops_the_start() {
        let no_file = concat!(env!("CARGO_MANIFEST_DIR"), "/none.pem");
        let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for path in [no_file, no_certificate] {
            let error = Trust::of(&Environment::default().with(TRUSTED_CERTIFICATES, path)).unwrap_err();
            let named = "the environment variable TRUSTED_CERTIFICATES is invalid: it must be the path of a PEM file";
            assert!(error.to_string().starts_with(named), "{error}");
            assert!(!error.to_string().contains(path), "{error}");
        }
    }

    #[test]
    fn one_environment_has_one_trust() {
        let environment = Environment::default();
        let trust = Trust::of(&environment).unwrap();
        assert!(Arc::ptr_eq(&trust, &Trust::of(&environment.clone()).unwrap()));
        assert!(Arc::ptr_eq(&trust.config(Roots::Public), &trust.config(Roots::Public)));
        assert!(!Arc::ptr_eq(&trust, &Trust::of(&environment.with("TABLE_NAME", "other")).unwrap()));
    }
}
