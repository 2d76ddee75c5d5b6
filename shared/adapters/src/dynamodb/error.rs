//! SDK errors, classified by what the caller can do about them.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use domain::ports::StoreError;
use std::error::Error;
use std::fmt::Debug;

/// Maps a failed call to whether a retry may succeed.
pub(crate) fn store_error<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: Debug + Send + Sync + 'static,
{
    match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            StoreError::Unavailable(error.into())
        }
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
        SdkError::ServiceError(context) => match context.err().code() {
            // A response without an error code did not come from DynamoDB itself.
            None
            | Some(
                "InternalServerError"
                | "LimitExceededException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ServiceUnavailable"
                | "ThrottlingException"
                | "TransactionConflictException",
            ) => StoreError::Unavailable(error.into()),
            Some(_) => StoreError::Refused(error.into()),
        },
        _ => StoreError::Refused(error.into()),
    }
}
