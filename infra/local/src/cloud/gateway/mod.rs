//! The HTTP API in front of the functions: routing, token verification, rate limit, CORS, and conversion of requests
//! and responses.

mod error;
mod event;
mod response;
mod route;
mod throttle;

use super::template::Cors;
use super::tokens::Tokens;
use crate::listener::ClientAddress;
use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use error::GatewayError;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use route::Routes;
use runtime::problem::Problem;
use runtime::{ConfigError, Environment};
use serde_json::{Map, Value};
use stand_in_host::Identifiers as _;
use stand_in_host::web::body;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use throttle::Throttle;
use tower_http::cors::CorsLayer;

// The quotas of HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
/// The largest body that an HTTP API accepts, in bytes.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// The longest request line and header values together, in bytes.
const HEAD_LIMIT: usize = 10_240;
/// The longest time that an HTTP API waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest event of an invocation that is waited for, in bytes, and the largest answer to it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const INVOCATION_LIMIT: usize = 6 * 1024 * 1024;

/// The state shared by all requests.
struct Gateway {
    routes: Routes,
    tokens: Arc<Tokens>,
    throttle: Option<Throttle>,
    runner: Runner,
    /// The host and port of the runner, whatever the client sends.
    authority: String,
}

/// Builds the router: the template's routes lead to their functions, and every other request gets a 404.
///
/// # Errors
/// [`ConfigError`] if `ALLOWED_ORIGINS` contains something that is not an origin, if the rate limit is not one, or if
/// the template's CORS settings are not valid header values.
pub(super) fn router(runner: &Runner, tokens: Arc<Tokens>) -> Result<Router, ConfigError> {
    let gateway = Gateway {
        routes: Routes::new(&runner.template.routes),
        tokens,
        throttle: Throttle::from_environment(
            &runner.environment,
            &runner.template.limited_alone,
            runner.host.doors.now(),
        )?,
        authority: runner.host.base_url.trim_start_matches("http://").to_owned(),
        runner: runner.clone(),
    };
    let answering = Router::new().fallback(handle).with_state(Arc::new(gateway));
    let allowed_origins = runner.environment.get("ALLOWED_ORIGINS").unwrap_or_default();
    // Without an allowed origin, an HTTP API has no CORS configuration and no route for preflight requests.
    Ok(match cors_layer(&runner.template.cors, allowed_origins)? {
        Some(layer) => answering.layer(layer),
        None => answering,
    })
}

async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(ClientAddress(client)): ConnectInfo<ClientAddress>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    gateway.answer(parts, body, client).await.unwrap_or_else(IntoResponse::into_response)
}

impl Gateway {
    async fn answer(&self, parts: Parts, body: Body, client: SocketAddr) -> Result<Response, GatewayError> {
        let path = route::decoded(parts.uri.path());
        let admitted = self.admit(&parts, &path);
        let (found, claims) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                // The body is read and discarded, so that the client receives the response; it may break off.
                drop(body::read(body, 0).await);
                return Err(error);
            }
        };
        let body = body::read(body, BODY_LIMIT).await.map_err(|problem| match problem.0 {
            Problem::BodyTooLarge(_) => GatewayError::BodyTooLarge,
            _ => GatewayError::BadRequest,
        })?;
        let context = event::Context {
            authority: &self.authority,
            client: client.ip(),
            now: self.runner.host.doors.now(),
            request_id: self.runner.host.doors.uuid(),
        };
        let event = event::event(&parts, &path, &body, &found, claims, &context);
        self.invoke(&found.route.function, event).await
    }

    /// Finds the request's route, and the claims of its token if the route needs one.
    fn admit(&self, parts: &Parts, path: &str) -> Result<(route::Match<'_>, Option<Map<String, Value>>), GatewayError> {
        // AWS documents the limit and not the answer; this status is what RFC 6585 has for it.
        if head_length(parts) > HEAD_LIMIT {
            return Err(GatewayError::HeadersTooLarge);
        }
        let found = self.routes.find(&parts.method, path).ok_or(GatewayError::NotFound)?;
        let now = self.runner.host.doors.now();
        if self.throttle.as_ref().is_some_and(|throttle| !throttle.admits(&found.route.key(), now)) {
            return Err(GatewayError::TooManyRequests);
        }
        let claims = found.route.authorized.then(|| self.claims(&parts.headers)).transpose()?;
        Ok((found, claims))
    }

    /// Verifies the request's token and returns its claims.
    fn claims(&self, headers: &HeaderMap) -> Result<Map<String, Value>, GatewayError> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = header.and_then(|value| value.split_once(' ')).ok_or(GatewayError::Unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(GatewayError::Unauthorized);
        }
        self.tokens.verify(token.trim()).ok_or(GatewayError::Unauthorized)
    }

    /// Invokes a function and converts its answer. The reason of a failure is logged here, because the response hides
    /// it.
    async fn invoke(&self, function: &str, event: String) -> Result<Response, GatewayError> {
        if event.len() > INVOCATION_LIMIT {
            return Err(GatewayError::BodyTooLarge);
        }
        let functions = &self.runner.functions;
        let turn = functions.turn().await;
        let invocation = functions.invoke_in_turn(function, event, turn);
        // A function that runs elsewhere may still have to be compiled.
        let answer = if functions.are_elsewhere() {
            Ok(invocation.await)
        } else {
            tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await
        };
        let failed =
            |error: &dyn std::error::Error| tracing::error!(function, %error, "invocation for the HTTP API failed");
        let answer = answer.map_err(|error| {
            failed(&error);
            GatewayError::Unavailable
        })?;
        let answer = answer.inspect_err(|error| failed(error))?;
        if answer.len() > INVOCATION_LIMIT {
            tracing::error!(function, bytes = answer.len(), "function answered with more than an invocation may");
            return Err(GatewayError::FunctionFailed);
        }
        Ok(response::response(answer).inspect_err(|error| failed(error))?)
    }
}

/// Returns the length of the request line and the header values, in bytes, as an HTTP API limits it.
fn head_length(parts: &Parts) -> usize {
    let line =
        parts.method.as_str().len() + parts.uri.path().len() + parts.uri.query().map_or(0, |query| query.len() + 1);
    line + parts.headers.values().map(HeaderValue::len).sum::<usize>()
}

/// Builds the CORS layer for pages of these comma-separated origins; `None` without an origin.
fn cors_layer(cors: &Cors, origins: &str) -> Result<Option<CorsLayer>, ConfigError> {
    let wrong =
        || Environment::invalid("ALLOWED_ORIGINS", "origins such as https://desk.example.com, separated by commas");
    let origins: Vec<HeaderValue> = origins
        .split(',')
        .map(str::trim)
        .filter(|origin| !origin.is_empty())
        .map(|origin| if is_origin(origin) { origin.parse().map_err(|_| wrong()) } else { Err(wrong()) })
        .collect::<Result<_, _>>()?;
    if origins.is_empty() {
        return Ok(None);
    }
    let names = |names: &[String]| -> Result<Vec<HeaderName>, ConfigError> {
        names.iter().map(|name| name.parse().map_err(|_| wrong())).collect()
    };
    let methods: Vec<Method> =
        cors.allow_methods.iter().map(|name| name.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(names(&cors.allow_headers)?)
        .expose_headers(names(&cors.expose_headers)?)
        .max_age(Duration::from_secs(cors.max_age));
    Ok(Some(layer))
}

/// Returns whether a text is a scheme and a host with nothing after them, as browsers send `Origin`.
fn is_origin(text: &str) -> bool {
    reqwest::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_is_accepted_as_an_allowed_origin() {
        let cors = Cors { allow_methods: vec!["GET".to_owned()], ..Cors::default() };
        assert!(cors_layer(&cors, "").unwrap().is_none());
        assert!(cors_layer(&cors, " https://a.example , http://localhost:3000").unwrap().is_some());
        for wrong in ["*", "a.example", "https://a.example/", "https://a.example/x", "ftp://a.example", "null"] {
            assert!(cors_layer(&cors, wrong).is_err(), "{wrong}");
        }
    }
}
