//! Builds the HTTP response that an HTTP API makes of a function's response (payload format 2.0).

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The reason why a function's response is not a valid HTTP response.
#[derive(Debug, thiserror::Error)]
pub(super) enum FunctionResponseError {
    #[error("it is not the response of an HTTP API: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its body is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("its status or one of its headers is invalid: {0}")]
    Http(#[from] http::Error),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Builds the HTTP response that a function's response describes.
///
/// # Errors
/// [`FunctionResponseError`] if it does not describe a valid one.
pub(super) fn response(answer: &str) -> Result<Response, FunctionResponseError> {
    let answer: FunctionResponse = serde_json::from_str(answer)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { Body::from(STANDARD.decode(body)?) } else { Body::from(body) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code).map_err(http::Error::from)?;

    let several = answer.multi_value_headers.unwrap_or_default();
    let single = answer.headers.unwrap_or_default().into_iter();
    // If a header is given in both forms, `multiValueHeaders` takes precedence over `headers`.
    let single = single.filter(|(name, _)| !several.contains_key(name)).map(|(name, value)| (name, vec![value]));
    let cookies = answer.cookies.unwrap_or_default().into_iter().map(|cookie| ("set-cookie".to_owned(), vec![cookie]));
    for (name, values) in several.clone().into_iter().chain(single).chain(cookies) {
        let name: HeaderName = name.parse().map_err(http::Error::from)?;
        // The server decides how the body is transferred, not the function.
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING || name == header::CONNECTION {
            continue;
        }
        for value in values {
            response.headers_mut().append(name.clone(), HeaderValue::from_str(&value).map_err(http::Error::from)?);
        }
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn an_answer_becomes_the_response_it_describes() {
        let answer = json!({
            "statusCode": 201,
            "headers": { "location": "/x", "x-twice": "1", "content-length": "99" },
            "multiValueHeaders": { "x-twice": ["1", "2"] },
            "cookies": ["a=1", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        let response = response(&answer.to_string()).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["location"], "/x");
        assert_eq!(response.headers().get_all("x-twice").iter().count(), 2);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(axum::body::to_bytes(response.into_body(), 9).await.unwrap(), "hi");
    }

    #[test]
    fn an_answer_that_is_not_a_response_is_an_error() {
        for answer in [
            json!("text"),
            json!({}),
            json!({ "statusCode": 7 }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "\n" } }),
            json!({ "statusCode": 200, "body": "!", "isBase64Encoded": true }),
        ] {
            assert!(response(&answer.to_string()).is_err(), "{answer}");
        }
    }
}
