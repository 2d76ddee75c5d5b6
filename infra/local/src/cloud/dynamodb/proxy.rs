//! A proxy to the embedded DynamoDB under the runner's fixed address, for functions that run elsewhere: the database's
//! own port changes at each start.

use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, header};
use stand_in_host::web::{ProblemResponse, body};

/// The largest request body that DynamoDB accepts, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

pub(super) fn router(runner: &Runner) -> Router {
    Router::new()
        .route("/local/aws/dynamodb", post(call))
        .route("/local/aws/dynamodb/", post(call))
        .with_state(runner.clone())
}

/// `POST /local/aws/dynamodb/`: forwards a call to the database.
async fn call(State(runner): State<Runner>, mut headers: HeaderMap, body: Body) -> Result<Response, ProblemResponse> {
    let body = body::read(body, BODY_LIMIT).await?;
    // Both headers are set again for the forwarded call.
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let call = runner.host.client.post(&runner.database_url).headers(headers).body(body);
    let response = call.send().await.map_err(ProblemResponse::unavailable)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(ProblemResponse::unavailable)?;
    Ok((status, headers, body).into_response())
}
