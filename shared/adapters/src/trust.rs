//! Trust: the root certificates that a function's clients accept, without parsing more of them than are needed
//! (decision 0034).

use runtime::{ConfigError, Environment};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The variable of an operator with roots of their own.
pub(crate) const TRUSTED_CERTIFICATES: &str = "TRUSTED_CERTIFICATES";

/// The roots of Amazon Trust Services (decision 0022).
const AMAZON_ROOTS: &[u8] = include_bytes!("../certificates/amazon-trust-services.pem");

/// The protocols that are offered, the preferred one first.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// The roots that verify an endpoint, unless [`TRUSTED_CERTIFICATES`] names others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    /// [`AMAZON_ROOTS`].
    Amazon,
    /// Those that Mozilla trusts, as they were when this version was built. They are part of the program, and nothing
    /// of them is parsed.
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
            Self::Amazon => parsed(CertificateDer::pem_slice_iter(AMAZON_ROOTS).filter_map(Result::ok)),
            Self::Public => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
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

/// Returns the certificates of a PEM file; `None` if one of them cannot be decoded, or none can be a root.
fn from_file(path: &str) -> Option<RootCertStore> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).ok()?.collect();
    let store = parsed(certificates.ok()?);
    (!store.is_empty()).then_some(store)
}

/// Returns the certificates that can be roots. A system's bundle may hold some that cannot.
fn parsed(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    store
}

fn config(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(|protocol| protocol.as_bytes().to_vec()).to_vec();
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// Returns the first DER element of `bytes`, a SEQUENCE with a length of one to three bytes.
    fn sequence(bytes: &[u8]) -> Option<&[u8]> {
        let (head, length) = match *bytes {
            [0x30, length @ 0..=0x7f, ..] => (2, usize::from(length)),
            [0x30, 0x81, length, ..] => (3, usize::from(length)),
            [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            _ => return None,
        };
        bytes.get(..head + length)
    }

    #[test]
    fn the_roots_are_the_five_that_amazon_trust_services_recommends() {
        // The SHA-256 hashes of the subjects' public keys, from https://www.amazontrust.com/repository/.
        let published = [
            "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
            "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
            "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
            "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
            "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
        ];
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(AMAZON_ROOTS).map(Result::unwrap).collect();
        assert_eq!(certificates.len(), published.len());
        for (certificate, hash) in certificates.iter().zip(published) {
            let mut sequences = (0..certificate.len()).filter_map(|start| sequence(&certificate[start..]));
            assert!(sequences.any(|element| hex::encode(Sha256::digest(element)) == hash), "{hash}");
        }
        assert_eq!(Roots::Amazon.store().len(), published.len());
    }

    /// A provider may have a certificate of Amazon's, too.
    #[test]
    fn amazons_roots_are_public() {
        let public = Roots::Public.store().roots;
        assert!(public.len() > 100, "{}", public.len());
        for root in Roots::Amazon.store().roots {
            let there = public.iter().any(|public| public.subject_public_key_info == root.subject_public_key_info);
            assert!(there, "{root:?}");
        }
    }

    #[test]
    fn a_file_that_holds_no_certificate_stops_the_start() {
        let no_file = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates/none.pem");
        let no_certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for path in [no_file, no_certificate] {
            let error = Trust::of(&Environment::default().with(TRUSTED_CERTIFICATES, path)).unwrap_err();
            let named = "the environment variable TRUSTED_CERTIFICATES is invalid: it must be the path of a PEM file";
            assert!(error.to_string().starts_with(named), "{error}");
            assert!(!error.to_string().contains(path), "{error}");
        }
    }

    #[test]
    fn the_operators_roots_replace_all_others() {
        let amazon = concat!(env!("CARGO_MANIFEST_DIR"), "/certificates/amazon-trust-services.pem");
        let trust = Trust::of(&Environment::default().with(TRUSTED_CERTIFICATES, amazon)).unwrap();
        let configs = [Roots::Amazon, Roots::Public, Roots::System].map(|roots| trust.config(roots));
        assert!(configs.iter().all(|config| Arc::ptr_eq(config, &configs[0])));
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
