//! The embedded DynamoDB under this machine's fixed address, for functions that run elsewhere: its own port is another one
//! at each start.

use crate::problem::Problem;
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
) -> Result<Response, Problem> {
    let body = crate::body::read(body, BODY_LIMIT).await?;
    // Both are made anew for the call behind this one.
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let passed_on = async {
        let response = proxy.client.post(&proxy.url).headers(headers).body(body).send().await?;
        let status = response.status();
        let headers = response.headers().clone();
        Ok((status, headers, response.bytes().await?).into_response())
    };
    passed_on.await.map_err(|error: reqwest::Error| {
        tracing::error!(%error, "the embedded DynamoDB does not answer");
        Problem::Unavailable
    })
}
