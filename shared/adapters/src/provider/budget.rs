//! The time that calls to a provider may take.

use domain::ports::ProviderError;
use std::future::Future;
use std::time::Duration;

/// The timeout of one attempt. A provider responds in a second or two; after this the response is lost.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(3_500);

/// The time for all provider calls of one port call, reading the key included. A click also makes up to four DynamoDB
/// calls of five seconds at most, and must respond within the 29 seconds of its function's timeout.
const BUDGET: Duration = Duration::from_secs(8);

/// Runs all provider calls of one port call within [`BUDGET`].
///
/// # Errors
/// The work's own error; [`ProviderError::Unavailable`] when the budget is exceeded.
pub(super) async fn within_budget<T>(
    work: impl Future<Output = Result<T, ProviderError>> + Send,
) -> Result<T, ProviderError> {
    match tokio::time::timeout(BUDGET, work).await {
        Ok(result) => result,
        Err(elapsed) => Err(ProviderError::Unavailable(elapsed.into())),
    }
}
