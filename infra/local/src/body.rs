//! Reading a request's body without ever holding more of it than is wanted.

use crate::problem::Problem;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

/// How much of a body that is too large is still read, in bytes. A client that is answered while it sends may never see
/// the answer.
const DRAINED: usize = 64 * 1024 * 1024;

/// The most that the runner's own routes take, in bytes.
pub(crate) const OWN_LIMIT: usize = 64 * 1024;

/// The whole body.
///
/// # Errors
/// [`Problem::BodyTooLarge`] beyond `limit` bytes, [`Problem::MalformedBody`] if it breaks off.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Problem::MalformedBody)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else if seen > DRAINED {
            break;
        }
    }
    if seen > limit { Err(Problem::BodyTooLarge) } else { Ok(kept.freeze()) }
}

/// The body as JSON of a certain form, whatever its content type says: the runner's own routes are for people with curl.
///
/// # Errors
/// As [`read`] does; [`Problem::MalformedBody`] for what is not JSON and [`Problem::Invalid`] for what has another form.
pub(crate) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    let bytes = read(body, OWN_LIMIT).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        if error.is_data() {
            Problem::Invalid("The body does not hold the fields that this route takes.")
        } else {
            Problem::MalformedBody
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_kept_and_one_beyond_refused() {
        assert_eq!(read(Body::from("1234"), 4).await, Ok(Bytes::from("1234")));
        assert_eq!(read(Body::from("12345"), 4).await, Err(Problem::BodyTooLarge));
    }

    #[tokio::test]
    async fn what_is_not_json_differs_from_what_has_another_form() {
        assert_eq!(json::<Vec<u8>>(Body::from("[1")).await, Err(Problem::MalformedBody));
        assert!(matches!(json::<Vec<u8>>(Body::from("{}")).await, Err(Problem::Invalid(_))));
        assert_eq!(json::<Vec<u8>>(Body::from("[1]")).await, Ok(vec![1]));
    }
}
