//! Reading of request bodies with bounded memory.

use super::ProblemResponse;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::problem::Problem;
use serde::de::DeserializeOwned;

/// How much of a body that is too large is still read and discarded, in bytes: a client that gets its response while it
/// is still sending may never see the response.
const DRAINED: usize = 64 * 1024 * 1024;

/// The largest body that the runner's own routes accept, in bytes.
pub const OWN_LIMIT: usize = 64 * 1024;

/// Reads the whole body.
///
/// # Errors
/// [`Problem::BodyTooLarge`] if the body is larger than `limit` bytes, [`Problem::MalformedBody`] if it breaks off.
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, ProblemResponse> {
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Problem::MalformedBody("The body is incomplete."))?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else if seen > DRAINED {
            break;
        }
    }
    if seen > limit { Err(Problem::BodyTooLarge(limit).into()) } else { Ok(kept.freeze()) }
}

/// Reads the body as a JSON value of type `T`. The content type is ignored, because people call the runner's own routes
/// with curl.
///
/// # Errors
/// The errors of [`read`], and a problem if the body is not JSON or not a `T`.
pub async fn json<T: DeserializeOwned>(body: Body) -> Result<T, ProblemResponse> {
    let bytes = read(body, OWN_LIMIT).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        if error.is_data() {
            ProblemResponse::invalid("body", "must contain the fields that this route expects")
        } else {
            Problem::MalformedBody("The body is not JSON.").into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_accepted_and_a_larger_one_rejected() {
        assert_eq!(read(Body::from("1234"), 4).await.unwrap(), "1234");
        assert_eq!(read(Body::from("12345"), 4).await.unwrap_err().0.code(), "body_too_large");
    }

    #[tokio::test]
    async fn malformed_json_is_distinguished_from_json_of_another_form() {
        assert_eq!(json::<Vec<u8>>(Body::from("[1")).await.unwrap_err().0.code(), "malformed_body");
        assert_eq!(json::<Vec<u8>>(Body::from("{}")).await.unwrap_err().0.code(), "validation_failed");
        assert_eq!(json::<Vec<u8>>(Body::from("[1]")).await.unwrap(), [1]);
    }
}
