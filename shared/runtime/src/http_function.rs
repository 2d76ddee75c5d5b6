//! Functions behind the HTTP API.

use crate::function::{BoxFuture, Function, InvocationError};
use crate::problem::Problem;
use crate::telemetry::chain;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, Context, LambdaEvent, Request, RequestExt as _, Service as _, service_fn};
use serde::Serialize;
use std::convert::Infallible;
use std::future::Future;

/// No body that is longer than this is looked at.
pub const BODY_AT_MOST: usize = 16 * 1024;

/// Answers HTTP requests.
pub trait HttpHandler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// The problem that the caller is told; its cause is logged here, once.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Response<Body>, Problem>> + Send;

    /// One cheap call that opens the connections the first request would otherwise wait for.
    fn warm(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// An [`HttpHandler`] as a [`Function`], through the very adapter that `lambda_http::run` uses.
#[derive(Debug)]
pub struct HttpFunction<H>(pub H);

impl<H: HttpHandler> Function for HttpFunction<H> {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let request: LambdaRequest = serde_json::from_str(event).map_err(InvocationError::Event)?;
            let mut adapter =
                Adapter::from(service_fn(|request| async { Ok::<_, Infallible>(answer(&self.0, request).await) }));
            let response = adapter.call(LambdaEvent::new(request, Context::default())).await;
            let response = response.unwrap_or_else(|never| match never {});
            serde_json::to_string(&response).map_err(InvocationError::Answer)
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.warm())
    }
}

async fn answer(handler: &impl HttpHandler, request: Request) -> Response<Body> {
    // The route and not the path: a path can hold a customer's token.
    let route = route_key(&request).to_owned();
    let mut response = match handler.handle(request).await {
        Ok(response) => response,
        Err(problem) => {
            if let Problem::TemporarilyUnavailable(cause) = &problem {
                tracing::error!(route, cause = chain(cause.as_ref()), "the request failed");
            }
            problem.into_response()
        }
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::info!(route, status = response.status().as_u16(), "answered");
    response
}

/// Returns the key of the route that the gateway found for the request, such as `GET /reports/agents`; empty without a
/// gateway.
#[must_use]
pub fn route_key(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// A JSON response that nobody may keep: it speaks of one moment.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Everything that is answered is made of texts, numbers and maps with text keys, all of which JSON can hold.
    let mut response = Response::new(Body::Text(serde_json::to_string(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The body's bytes, whichever way the gateway has encoded them.
///
/// # Errors
/// [`Problem::BodyTooLarge`]
pub fn body(request: &Request) -> Result<&[u8], Problem> {
    body_of_at_most(request, BODY_AT_MOST)
}

/// The body's bytes where more of them are taken than elsewhere.
///
/// # Errors
/// [`Problem::BodyTooLarge`]
pub fn body_of_at_most(request: &Request, limit: usize) -> Result<&[u8], Problem> {
    let bytes = request.body().as_ref();
    if bytes.len() > limit { Err(Problem::BodyTooLarge(limit)) } else { Ok(bytes) }
}

/// A parameter of the path; a route has all of its parameters, so a missing one is a path that leads nowhere.
///
/// # Errors
/// [`Problem::NotFound`]
pub fn path_parameter(request: &Request, name: &str) -> Result<String, Problem> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .map(str::to_owned)
        .ok_or(Problem::NotFound)
}
