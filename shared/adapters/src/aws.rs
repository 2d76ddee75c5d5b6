//! The configuration that all AWS clients share.
//!
//! Lambda passes a function its region and credentials as environment variables
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), so they are read from there. The
//! configuration chain of `aws-config`, with its profiles, STS and IMDS, is left out: it would enlarge the package and
//! slow the cold start.

use crate::https::{Settings, connector};
use crate::trust::{Roots, Trust};
use aws_smithy_runtime_api::client::endpoint::{
    EndpointFuture, EndpointResolverParams, ResolveEndpoint, SharedEndpointResolver,
};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::endpoint::Endpoint;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use runtime::{ConfigError, Environment};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

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

/// The partitions other than `aws`, by the beginning of their regions' names
/// (<https://docs.aws.amazon.com/general/latest/gr/rande.html>). Their endpoints may have certificates of other
/// authorities.
const OTHER_PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

/// A service of AWS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The variable that every AWS SDK reads for an endpoint of this service
    /// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
    variable: &'static str,
    /// The first part of its endpoints' names
    /// (<https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>).
    prefix: &'static str,
}

pub(crate) const DYNAMODB: Service = Service { variable: "AWS_ENDPOINT_URL_DYNAMODB", prefix: "dynamodb" };
pub(crate) const EVENTBRIDGE: Service = Service { variable: "AWS_ENDPOINT_URL_EVENTBRIDGE", prefix: "events" };
pub(crate) const SECRETS_MANAGER: Service =
    Service { variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER", prefix: "secretsmanager" };
pub(crate) const SMS: Service = Service { variable: "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2", prefix: "sms-voice" };
/// Every API has endpoints of its own there, so that a client is given its API's.
pub(crate) const SOCKETS: Service =
    Service { variable: "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", prefix: "execute-api" };
pub(crate) const SQS: Service = Service { variable: "AWS_ENDPOINT_URL_SQS", prefix: "sqs" };

impl Service {
    /// Returns the endpoint that is configured: that of this service, or of all.
    ///
    /// # Errors
    /// It is not an address. A client would find out at its first call, and its error shows what it was to send.
    pub(crate) fn configured(self, environment: &Environment) -> Result<Option<&str>, ConfigError> {
        for name in [self.variable, "AWS_ENDPOINT_URL"] {
            let Some(text) = environment.get(name) else { continue };
            let is_address = text.parse::<Url>().is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
            let expected = "an address that begins with http:// or https://";
            return if is_address { Ok(Some(text)) } else { Err(Environment::invalid(name, expected)) };
        }
        Ok(None)
    }

    /// Returns what finds the endpoint without the SDK's rules, which read a list of all partitions first: that takes a
    /// sixth of a start. `None` in another partition than `aws`, where the SDK's rules find it.
    pub(crate) fn resolver(self, region: &str, configured: Option<&str>) -> Option<SharedEndpointResolver> {
        let url = match configured {
            Some(url) => url.to_owned(),
            None if is_other_partition(region) => return None,
            None => format!("https://{}.{region}.amazonaws.com", self.prefix),
        };
        Some(endpoint_resolver(url))
    }
}

/// Returns what finds this endpoint, whatever the region.
pub(crate) fn endpoint_resolver(url: String) -> SharedEndpointResolver {
    SharedEndpointResolver::new(Known(Endpoint::builder().url(url).build()))
}

/// Finds the one endpoint that a client calls.
#[derive(Debug)]
struct Known(Endpoint);

impl ResolveEndpoint for Known {
    fn resolve_endpoint<'a>(&'a self, _: &'a EndpointResolverParams) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

fn is_other_partition(region: &str) -> bool {
    OTHER_PARTITIONS.iter().any(|prefix| region.starts_with(prefix))
}

/// The HTTP clients of a function's SDK clients, which share them.
struct HttpClients {
    /// For AWS's own endpoints.
    own: SharedHttpClient,
    /// For configured endpoints.
    configured: SharedHttpClient,
}

/// Returns the HTTP client for AWS's own endpoints, or for one that is configured.
pub(crate) fn http_client(environment: &Environment, configured: bool) -> Result<SharedHttpClient, ConfigError> {
    let trust = Trust::of(environment)?;
    let region = environment.require("AWS_REGION")?;
    let clients = environment.shared(|| {
        let connector = |configured, kept| connector(&trust, settings(region, configured, kept));
        Ok(HttpClients {
            own: client_of(connector(false, usize::MAX)),
            configured: client_of(SharedHttpConnector::new(Bounded {
                connector: connector(true, CONNECTIONS_KEPT),
                permits: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            })),
        })
    })?;
    Ok(if configured { &clients.configured } else { &clients.own }.clone())
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
            // A task of its own, which ends with this future. A caller may leave some calls alone while it waits for
            // another one. If they kept their permits meanwhile, none would ever end.
            let mut call = JoinSet::new();
            call.spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire_owned().await.ok();
                connector.call(request).await
            });
            match call.join_next().await {
                Some(Ok(response)) => response,
                Some(Err(error)) => Err(ConnectorError::other(error.into(), None)),
                None => Err(ConnectorError::other("the call was never made".into(), None)),
            }
        })
    }
}

/// Builds an HTTP client for calls that must not be made twice: each call has a connection of its own. A sandbox is
/// frozen between events. On a connection that died meanwhile, a call that never arrived cannot be distinguished from
/// one whose response was lost.
pub(crate) fn unpooled_http_client(
    environment: &Environment,
    configured: bool,
) -> Result<SharedHttpClient, ConfigError> {
    let region = environment.require("AWS_REGION")?;
    Ok(client_of(connector(&Trust::of(environment)?, settings(region, configured, 0))))
}

/// Returns how AWS is called. A configured endpoint, such as an emulator on this machine, may have a certificate of any
/// authority, and the proxies in the environment are not meant for it.
fn settings(region: &str, configured: bool, kept: usize) -> Settings {
    Settings {
        roots: if configured || is_other_partition(region) { Roots::System } else { Roots::Amazon },
        connect_timeout: CONNECT_TIMEOUT,
        kept,
        proxies: !configured,
        resolver: None,
        reports_distrust: true,
    }
}

/// Returns the HTTP client of a connector. It has its own timeout for connections, which is that of every SDK client.
fn client_of(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}

/// Builds the configuration of one service's client. A macro, because every SDK crate has its own type for the same
/// settings.
macro_rules! client_config {
    ($sdk:ident, $environment:expr, $service:ident) => {{
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
        let endpoint = $crate::aws::$service.configured(environment)?;
        config = config.http_client($crate::aws::http_client(environment, endpoint.is_some())?);
        config.set_endpoint_resolver($crate::aws::$service.resolver(environment.require("AWS_REGION")?, endpoint));
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

    fn answered(status: u16, code: Option<&str>) -> SdkError<ErrorMetadata, HttpResponse> {
        let mut error = ErrorMetadata::builder();
        if let Some(code) = code {
            error = error.code(code);
        }
        let response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        SdkError::service_error(error.build(), response)
    }

    #[test]
    fn amazons_roots_alone_verify_awss_own_endpoints_in_its_first_partition() {
        for (region, configured, roots) in [
            ("eu-west-1", false, Roots::Amazon),
            ("us-east-1", false, Roots::Amazon),
            ("cn-north-1", false, Roots::System),
            ("us-gov-west-1", false, Roots::System),
            ("eu-west-1", true, Roots::System),
        ] {
            assert_eq!(settings(region, configured, 0).roots, roots, "{region}");
        }
    }

    /// Asserts that a service's endpoint in each region of the partition `aws` is the one that the SDK's rules find.
    macro_rules! assert_the_sdks_endpoints {
        ($sdk:ident, $service:expr) => {{
            use $sdk::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
            for region in ["af-south-1", "ap-southeast-7", "eu-west-1", "il-central-1", "mx-central-1", "us-east-1"] {
                let params = Params::builder().region(region).build().unwrap();
                let sdks = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
                assert_eq!(resolved($service, region, None).await.unwrap(), sdks.url(), "{region}");
            }
            for region in ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eu-isoe-west-1", "eusc-de-east-1"] {
                assert!($service.resolver(region, None).is_none(), "{region}");
            }
        }};
    }

    async fn resolved(service: Service, region: &str, configured: Option<&str>) -> Option<String> {
        let resolver = service.resolver(region, configured)?;
        let endpoint = resolver.resolve_endpoint(&EndpointResolverParams::new(())).await.unwrap();
        Some(endpoint.url().to_owned())
    }

    #[tokio::test]
    async fn endpoints_are_those_of_the_sdks_rules() {
        assert_the_sdks_endpoints!(aws_sdk_dynamodb, DYNAMODB);
        assert_the_sdks_endpoints!(aws_sdk_eventbridge, EVENTBRIDGE);
        assert_the_sdks_endpoints!(aws_sdk_secretsmanager, SECRETS_MANAGER);
        assert_the_sdks_endpoints!(aws_sdk_pinpointsmsvoicev2, SMS);
        assert_the_sdks_endpoints!(aws_sdk_sqs, SQS);
    }

    #[tokio::test]
    async fn a_configured_endpoint_is_called_in_every_partition() {
        let environment =
            Environment::default().with("AWS_ENDPOINT_URL", "http://all").with("AWS_ENDPOINT_URL_SQS", "http://sqs");
        for region in ["eu-west-1", "cn-north-1"] {
            for (service, url) in [(SQS, "http://sqs"), (DYNAMODB, "http://all")] {
                let configured = service.configured(&environment).unwrap();
                assert_eq!(resolved(service, region, configured).await.unwrap(), url);
            }
        }
    }

    #[test]
    fn an_endpoint_that_is_no_address_stops_the_function() {
        for text in ["127.0.0.1:8000", "htps://127.0.0.1:8000", "http//127.0.0.1", "/dynamodb"] {
            let environment = Environment::default().with("AWS_ENDPOINT_URL_SQS", text);
            let error = SQS.configured(&environment).unwrap_err().to_string();
            assert!(error.contains("AWS_ENDPOINT_URL_SQS") && !error.contains(text), "{error}");
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
