//! The embedded DynamoDB under this machine's fixed address, for functions that run elsewhere: its own port is another one
//! at each start.

use crate::refusal::Refusal;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use std::sync::Arc;

/// The most that DynamoDB takes, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Where calls are passed on to.
pub(crate) struct DatabaseProxy {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
}

/// `POST /local/aws/dynamodb/`
pub(crate) async fn call(
    State(proxy): State<Arc<DatabaseProxy>>,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = crate::body::read(body, BODY_LIMIT).await?;
    // Both are made anew for the call behind this one.
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let call = proxy.client.post(&proxy.url).headers(headers).body(body);
    let response = call.send().await.map_err(Refusal::unavailable)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Refusal::unavailable)?;
    Ok((status, headers, body).into_response())
}
