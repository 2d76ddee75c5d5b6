//! Functions behind the HTTP API, and helpers to read requests and build responses.

use crate::api_event::{self, NoRequest, UndecodableBody};
use crate::content_coding::{compressed, takes_gzip};
use crate::function::{BoxFuture, Function, InvocationError};
use crate::problem::Problem;
use crate::telemetry::chain;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use serde::Serialize;
use std::future::Future;

/// The default limit of a request body, in bytes. A longer body is rejected without being parsed.
pub const BODY_AT_MOST: usize = 16 * 1024;

/// Handles the HTTP requests of one function.
pub trait HttpHandler: Send + Sync + 'static {
    /// Handles one request and returns its response.
    ///
    /// # Errors
    /// The [`Problem`] to return to the caller. The adapter, not the handler, logs its cause, so that it is logged
    /// once.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Response<Body>, Problem>> + Send;

    /// Makes one cheap call to open connections in advance, so that the first request does not wait for them.
    fn warm(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Adapts an [`HttpHandler`] to a [`Function`]. Every event of the API gets an HTTP response.
#[derive(Debug)]
pub struct HttpFunction<H>(pub H);

impl<H: HttpHandler> Function for HttpFunction<H> {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let response = match api_event::read(event) {
                Ok(request) => answer(&self.0, request).await,
                Err(NoRequest::Refused(problem)) => refused(problem),
                Err(NoRequest::NotOfTheApi(error)) => return Err(error),
            };
            serde_json::to_string(&in_payload_format_2(response)).map_err(|error| InvocationError::answer(&error))
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.warm())
    }
}

/// Returns a response as the API takes it, in the payload format 2.0. `lambda_http` would read each body again and
/// decode it by its content type, with the tables of every character encoding. Bodies here are texts in UTF-8, or
/// bytes.
fn in_payload_format_2(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (mut parts, body) = response.into_parts();
    let mut event = ApiGatewayV2httpResponse::default();
    event.status_code = parts.status.as_u16().into();
    // The API takes cookies in a field of their own.
    let cookies = parts.headers.get_all(SET_COOKIE).iter();
    event.cookies = cookies.filter_map(|cookie| cookie.to_str().ok()).map(str::to_owned).collect();
    parts.headers.remove(SET_COOKIE);
    event.headers = parts.headers;
    event.is_base64_encoded = matches!(body, Body::Binary(_));
    event.body = Some(body).filter(|body| !matches!(body, Body::Empty));
    event
}

/// Builds the response to an event of which no request can be built.
fn refused(problem: Problem) -> Response<Body> {
    let mut response = problem.into_response();
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::info!(status = response.status().as_u16(), "answered: the event holds no request");
    response
}

async fn answer(handler: &impl HttpHandler, request: Request) -> Response<Body> {
    // Log the route instead of the path: a path can contain a customer's token.
    let route = route_key(&request).to_owned();
    let takes_gzip = takes_gzip(&request);
    let mut response = match handler.handle(request).await {
        Ok(response) => response,
        Err(problem) => {
            if let Problem::TemporarilyUnavailable(cause) = &problem {
                tracing::error!(route, cause = chain(cause.as_ref()), "request failed");
            }
            problem.into_response()
        }
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::info!(route, status = response.status().as_u16(), "answered");
    compressed(response, takes_gzip)
}

/// Returns the key of the route that the gateway matched, such as `GET /reports/agents`. Without a gateway it is empty.
#[must_use]
pub fn route_key(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or_default(),
        _ => "",
    }
}

/// Builds a JSON response with `Cache-Control: no-store`, because it describes the state at one moment.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Serialization cannot fail: responses contain only strings, numbers and maps with string keys.
    let mut response = Response::new(Body::Text(serde_json::to_string(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns the body's bytes, decoded if the gateway encoded them in base64. At most [`BODY_AT_MOST`] bytes are
/// accepted.
///
/// # Errors
/// [`Problem::BodyTooLarge`] if the body exceeds the limit; [`Problem::UnsupportedContentCoding`] if it is compressed;
/// [`Problem::MalformedBody`] if it is not the base64 that the gateway says it is.
pub fn body(request: &Request) -> Result<&[u8], Problem> {
    body_of_at_most(request, BODY_AT_MOST)
}

/// Returns the body's bytes, decoded like those of [`body`], for a route with its own `limit` in bytes.
///
/// # Errors
/// As those of [`body`].
pub fn body_of_at_most(request: &Request, limit: usize) -> Result<&[u8], Problem> {
    if request.extensions().get::<UndecodableBody>().is_some() {
        return Err(Problem::MalformedBody("The body cannot be decoded."));
    }
    let bytes = request.body().as_ref();
    if bytes.len() > limit {
        return Err(Problem::BodyTooLarge(limit));
    }
    if !bytes.is_empty() && is_coded(request.headers()) {
        return Err(Problem::UnsupportedContentCoding);
    }
    Ok(bytes)
}

/// Returns whether a body has a content coding (RFC 9110, section 8.4). Neither the gateway nor `lambda_http` undoes
/// one. A webhook with one is rejected like every other body: no sender that we know compresses its webhooks, and none
/// says whether it would sign them before or after that.
fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

/// Returns a path parameter. The gateway sets all parameters of a matched route, so that a missing one means that no
/// route matched.
///
/// # Errors
/// [`Problem::NotFound`] if the parameter is missing.
pub fn path_parameter(request: &Request, name: &str) -> Result<String, Problem> {
    request
        .path_parameters_ref()
        .and_then(|parameters| parameters.first(name))
        .map(str::to_owned)
        .ok_or(Problem::NotFound)
}
