//! Builds the HTTP response that an HTTP API makes of a function's response (payload format 2.0).

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
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
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Builds the HTTP response that a function's answer describes. An answer without `statusCode` is the body of a 200, as
/// an HTTP API infers it
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
/// `multiValueHeaders` belongs to format 1.0, and is ignored.
///
/// # Errors
/// [`FunctionResponseError`] if it does not describe a valid one.
pub(super) fn response(answer: String) -> Result<Response, FunctionResponseError> {
    let value: Value = serde_json::from_str(&answer)?;
    if value.get("statusCode").is_none() {
        let body = match value {
            Value::String(text) => text,
            _ => answer,
        };
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }
    let answer = FunctionResponse::deserialize(value)?;
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded { Body::from(STANDARD.decode(body)?) } else { Body::from(body) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status_code).map_err(http::Error::from)?;
    let cookies = answer.cookies.unwrap_or_default().into_iter().map(|cookie| ("set-cookie".to_owned(), cookie));
    for (name, value) in answer.headers.unwrap_or_default().into_iter().chain(cookies) {
        let name: HeaderName = name.parse().map_err(http::Error::from)?;
        // The server decides how the body is transferred, not the function.
        if name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING || name == header::CONNECTION {
            continue;
        }
        response.headers_mut().append(name, HeaderValue::from_str(&value).map_err(http::Error::from)?);
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
            "headers": { "location": "/x", "x-twice": "1,2", "content-length": "99" },
            "multiValueHeaders": { "x-thrice": ["1", "2", "3"] },
            "cookies": ["a=1", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        let response = response(answer.to_string()).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["location"], "/x");
        assert_eq!(response.headers()["x-twice"], "1,2");
        assert!(!response.headers().contains_key("x-thrice"));
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(axum::body::to_bytes(response.into_body(), 9).await.unwrap(), "hi");
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_the_body_itself() {
        for (answer, body) in [
            (json!("text"), "text"),
            (json!({}), "{}"),
            (json!({ "message": "hi", "body": 1 }), r#"{"body":1,"message":"hi"}"#),
            (json!([1]), "[1]"),
            (json!(null), "null"),
        ] {
            let response = response(answer.to_string()).unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(axum::body::to_bytes(response.into_body(), 99).await.unwrap(), body);
        }
    }

    #[test]
    fn an_answer_that_is_not_a_response_is_an_error() {
        assert!(response("text".to_owned()).is_err());
        for answer in [
            json!({ "statusCode": 7 }),
            json!({ "statusCode": "ok" }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "\n" } }),
            json!({ "statusCode": 200, "body": "!", "isBase64Encoded": true }),
        ] {
            assert!(response(answer.to_string()).is_err(), "{answer}");
        }
    }
}
