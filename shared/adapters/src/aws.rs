//! What every AWS client is set up with.
//!
//! Lambda hands a function its region and credentials as environment variables
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), so they are read from there and the
//! configuration chain of `aws-config`, with its profiles, STS and IMDS, is left out of the package and of the cold
//! start.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use runtime::{ConfigError, Environment};
use std::time::Duration;

/// A connection inside one region takes milliseconds; a second without one is a failure.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One try. DynamoDB and EventBridge answer in milliseconds; past this the answer is lost.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// All tries of one call together. The longest path, a click, makes three such calls and one to the provider: together
/// they stay below the function's own timeout, so that the customer always gets our answer.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of one call, the first included, with exponential backoff and full jitter between them.
pub(crate) const ATTEMPTS: u32 = 4;
/// The first pause between two tries. The SDK's own second is long for a customer who is looking at a button.
pub(crate) const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// The client for an endpoint of our own choosing, such as an emulator on this machine: the same as the SDK's, but
/// without the proxies that a developer's shell may name for the rest of the world.
pub(crate) fn direct_http_client() -> SharedHttpClient {
    let provider = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(provider).build_https()
}

/// The client for calls that must not be made twice: each has a connection of its own. A sandbox is frozen between
/// events, and on a connection that died meanwhile, a call that never arrived looks like one whose answer was lost.
pub(crate) fn unpooled_http_client() -> SharedHttpClient {
    let provider = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().pool_max_idle_per_host(0).tls_provider(provider).build_https()
}

/// Builds the configuration of one service's client: every SDK crate has a type of its own for the same settings.
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
        // The names that every AWS SDK knows: one service's endpoint, or that of all of them
        // (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
        if let Some(url) = environment.get($endpoint).or_else(|| environment.get("AWS_ENDPOINT_URL")) {
            config = config.endpoint_url(url).http_client($crate::aws::direct_http_client());
        }
        config.build()
    }};
}
pub(crate) use client_config;

/// The access key, its secret, and the session token that temporary credentials come with.
pub(crate) fn credentials(environment: &Environment) -> Result<(&str, &str, Option<String>), ConfigError> {
    Ok((
        environment.require("AWS_ACCESS_KEY_ID")?,
        environment.require("AWS_SECRET_ACCESS_KEY")?,
        environment.get("AWS_SESSION_TOKEN").map(str::to_owned),
    ))
}

/// What a call that failed means for whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no answer in time, the service throttled the call, or it failed itself. The same call may succeed
    /// later.
    Unavailable,
    /// The service rejected what was asked or who asked: a wrong name or ARN, a missing permission. The same call
    /// succeeds only once the deployment is configured otherwise.
    Misconfigured,
}

/// The errors that pass by themselves, of those that the services have in common
/// (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html>) and of their own. Their HTTP status
/// is 400 in part, so it does not tell.
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
    /// Sorts an error of a call.
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Self::Unavailable,
            SdkError::ServiceError(context) => {
                let failed = context.raw().status().is_server_error();
                // An answer that names no error did not come from the service itself.
                let temporary = context.err().code().is_none_or(|code| TEMPORARY.contains(&code));
                if failed || temporary { Self::Unavailable } else { Self::Misconfigured }
            }
            // The call could not even be made: of what was configured, no request can be built.
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
    fn what_passes_by_itself_is_told_from_what_somebody_has_to_configure() {
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
