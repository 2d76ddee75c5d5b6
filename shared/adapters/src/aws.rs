//! The configuration that all AWS clients share.
//!
//! Lambda passes a function its region and credentials as environment variables
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), so they are read from there. The
//! configuration chain of `aws-config`, with its profiles, STS and IMDS, is left out: it would enlarge the package and
//! slow the cold start.

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use runtime::{ConfigError, Environment};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The timeout of a connection. Inside one region it takes milliseconds; a second without one is a failure.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The timeout of one attempt. DynamoDB and EventBridge respond in milliseconds; after this the response is lost.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The timeout of all attempts of one call together. The longest path, a click at the deadline, makes four such calls
/// and those to the provider. Together they stay below the function's own timeout, so that the customer always gets our
/// response. A write that began before a deadline may still be applied until it is over, and reads allow for that
/// ([`domain::limits::WRITE_GRACE`]).
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of attempts of one call, the first included, with exponential backoff and full jitter between them.
pub(crate) const ATTEMPTS: u32 = 4;
/// The first pause between two attempts. The SDK's default of a second is long for a customer who is looking at a
/// button.
pub(crate) const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// The connections that are kept for a configured endpoint. A process on one machine has a client for each function,
/// and may have few files open.
const CONNECTIONS_KEPT: usize = 4;
/// The calls that are in flight at once to a configured endpoint. On one machine every call takes two open files of the
/// process, and one function alone may have a hundred tasks.
const CALLS_AT_ONCE: usize = 8;

/// The roots of Amazon Trust Services (decision 0022).
const AMAZON_ROOTS: &str = include_str!("../certificates/amazon-trust-services.pem");

/// The partitions other than `aws`, by the beginning of their regions' names
/// (<https://docs.aws.amazon.com/general/latest/gr/rande.html>). Their endpoints may have certificates of other
/// authorities.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// Builds the HTTP client for AWS's own endpoints, with the proxies in the environment as in the SDK's own client.
pub(crate) fn http_client(region: &str) -> SharedHttpClient {
    let is_other_partition = OTHER_PARTITIONS.iter().any(|prefix| region.starts_with(prefix));
    client_of(move || {
        let proxies = ProxyConfig::from_env();
        // A proxy may open TLS with a certificate of its own.
        let trust = if is_other_partition || !proxies.is_disabled() { Trust::System } else { Trust::Amazon };
        (Connector::builder().proxy_config(proxies), trust)
    })
}

/// Builds the HTTP client for a configured endpoint, such as an emulator on this machine. It uses no proxies: those in
/// the environment are not meant for such endpoints.
pub(crate) fn direct_http_client(url: &str) -> SharedHttpClient {
    // Without TLS nothing is verified, so fewer certificates are parsed.
    let trust = if url.starts_with("http:") { Trust::Amazon } else { Trust::System };
    let client = client_of(move || (Connector::builder().pool_max_idle_per_host(CONNECTIONS_KEPT), trust));
    let permits = Arc::new(Semaphore::new(CALLS_AT_ONCE));
    http_client_fn(move |settings, components| {
        let connector = client.http_connector(settings, components);
        SharedHttpConnector::new(Bounded { connector, permits: Arc::clone(&permits) })
    })
}

/// A connector whose calls wait until one of a few permits is free.
#[derive(Debug)]
struct Bounded {
    connector: SharedHttpConnector,
    permits: Arc<Semaphore>,
}

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connector, permits) = (self.connector.clone(), Arc::clone(&self.permits));
        HttpConnectorFuture::new(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire_owned().await.ok();
            connector.call(request).await
        })
    }
}

/// Builds the HTTP client for calls that must not be made twice: each call has a connection of its own. A sandbox is
/// frozen between events. On a connection that died meanwhile, a call that never arrived cannot be distinguished from
/// one whose response was lost.
pub(crate) fn unpooled_http_client() -> SharedHttpClient {
    client_of(|| (Connector::builder().pool_max_idle_per_host(0), Trust::System))
}

/// The root certificates that a client trusts.
#[derive(Debug, Clone, Copy)]
enum Trust {
    /// [`AMAZON_ROOTS`].
    Amazon,
    /// All of the system's.
    System,
}

impl Trust {
    fn store(self) -> TrustStore {
        match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
            Self::System => TrustStore::default(),
        }
    }
}

/// Builds an HTTP client that makes its connector once, at its first call.
///
/// The SDK's own clients make one when they are configured, to validate it, and another one for their first call. Each
/// of them parses all of the system's certificates, which is most of what a function does before its first answer
/// (`tests/counts/run`).
fn client_of(connector: impl Fn() -> (ConnectorBuilder, Trust) + Send + Sync + 'static) -> SharedHttpClient {
    let once = OnceLock::new();
    http_client_fn(move |settings, _| {
        // The settings are the same at every call: each client has its own.
        let make = || {
            let (connector, trust) = connector();
            let connector = connector.connector_settings(settings.clone()).sleep_impl(TokioSleep::new());
            let connector = connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc));
            match TlsContext::builder().with_trust_store(trust.store()).build() {
                Ok(context) => SharedHttpConnector::new(connector.tls_context(context).build()),
                // The builder has no error of its own yet. The system's certificates are the SDK's default.
                Err(_) => SharedHttpConnector::new(connector.build()),
            }
        };
        once.get_or_init(make).clone()
    })
}

/// Builds the configuration of one service's client. A macro, because every SDK crate has its own type for the same
/// settings.
macro_rules! client_config {
    ($sdk:ident, $environment:expr, $endpoint:literal) => {{
        use $sdk::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig};
        let environment: &runtime::Environment = $environment;
        let (access_key_id, secret_access_key, session_token) = $crate::aws::credentials(environment)?;
        let mut config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(environment.require("AWS_REGION")?.to_owned()))
            .credentials_provider(Credentials::new(
                access_key_id,
                secret_access_key,
                session_token,
                None,
                "Environment",
            ))
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts($crate::aws::ATTEMPTS)
                    .with_initial_backoff($crate::aws::INITIAL_BACKOFF),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout($crate::aws::CONNECT_TIMEOUT)
                    .operation_attempt_timeout($crate::aws::ATTEMPT_TIMEOUT)
                    .operation_timeout($crate::aws::OPERATION_TIMEOUT)
                    .build(),
            );
        // The variables that every AWS SDK reads: the endpoint of one service, or of all
        // (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
        config = match environment.get($endpoint).or_else(|| environment.get("AWS_ENDPOINT_URL")) {
            Some(url) => config.endpoint_url(url).http_client($crate::aws::direct_http_client(url)),
            None => config.http_client($crate::aws::http_client(environment.require("AWS_REGION")?)),
        };
        config.build()
    }};
}
pub(crate) use client_config;

/// Reads the access key, its secret, and the session token of temporary credentials.
pub(crate) fn credentials(environment: &Environment) -> Result<(&str, &str, Option<String>), ConfigError> {
    Ok((
        environment.require("AWS_ACCESS_KEY_ID")?,
        environment.require("AWS_SECRET_ACCESS_KEY")?,
        environment.get("AWS_SESSION_TOKEN").map(str::to_owned),
    ))
}

/// The meaning of a failed call for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no response in time, the service throttled the call, or the service failed. A later retry may succeed.
    Unavailable,
    /// The service rejected the call or its caller: a wrong name or ARN, a missing permission. A retry succeeds only
    /// after the deployment's configuration has been changed.
    Misconfigured,
}

/// The codes of temporary errors, both of those that all services share
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html>) and of the services' own. Some of
/// them have HTTP status 400, so the status cannot distinguish them.
const TEMPORARY: [&str; 8] = [
    "InternalException",
    "InternalFailure",
    "InternalServiceError",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

impl Failure {
    /// Classifies the error of a call.
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Self::Unavailable,
            SdkError::ServiceError(context) => {
                let failed = context.raw().status().is_server_error();
                // A response without an error code did not come from the service itself.
                let temporary = context.err().code().is_none_or(|code| TEMPORARY.contains(&code));
                if failed || temporary { Self::Unavailable } else { Self::Misconfigured }
            }
            // No request could be built from the configuration, so the call was never made.
            _ => Self::Misconfigured,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    fn answered(status: u16, code: Option<&str>) -> SdkError<ErrorMetadata, HttpResponse> {
        let mut error = ErrorMetadata::builder();
        if let Some(code) = code {
            error = error.code(code);
        }
        let response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        SdkError::service_error(error.build(), response)
    }

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
        let certificates = AMAZON_ROOTS.split("-----BEGIN CERTIFICATE-----").skip(1).map(|certificate| {
            let (text, _) = certificate.split_once("-----END CERTIFICATE-----").unwrap();
            STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap()
        });
        let certificates: Vec<Vec<u8>> = certificates.collect();
        assert_eq!(certificates.len(), published.len());
        for (certificate, hash) in certificates.iter().zip(published) {
            let mut sequences = (0..certificate.len()).filter_map(|start| sequence(&certificate[start..]));
            assert!(sequences.any(|element| hex::encode(Sha256::digest(element)) == hash), "{hash}");
        }
    }

    #[test]
    fn transient_errors_are_distinguished_from_misconfiguration() {
        for (status, code) in [
            (400, "ThrottlingException"),
            (400, "Throttling"),
            (500, "InternalServiceError"),
            (500, "InternalFailure"),
            (503, "ServiceUnavailable"),
            (500, "SomethingNew"),
        ] {
            assert_eq!(Failure::of(&answered(status, Some(code))), Failure::Unavailable, "{status} {code}");
        }
        for (status, code) in [
            (400, "ResourceNotFoundException"),
            (400, "AccessDeniedException"),
            (400, "DecryptionFailure"),
            (400, "InvalidRequestException"),
            (400, "ValidationException"),
            (403, "UnrecognizedClientException"),
        ] {
            assert_eq!(Failure::of(&answered(status, Some(code))), Failure::Misconfigured, "{status} {code}");
        }
        assert_eq!(Failure::of(&answered(403, None)), Failure::Unavailable, "a proxy's answer");
        let timeout: SdkError<ErrorMetadata, HttpResponse> = SdkError::timeout_error("late");
        assert_eq!(Failure::of(&timeout), Failure::Unavailable);
        let never_sent: SdkError<ErrorMetadata, HttpResponse> = SdkError::construction_failure("no region");
        assert_eq!(Failure::of(&never_sent), Failure::Misconfigured);
    }
}
