//! The HTTP API in front of the functions: routing, token verification, CORS, and conversion of requests and responses.

mod event;
mod response;
mod route;

use super::template::Cors;
use super::tokens::Tokens;
use crate::listener::ClientAddress;
use crate::runner::Runner;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use route::Routes;
use runtime::problem::Problem;
use runtime::{ConfigError, Environment};
use serde_json::{Map, Value};
use stand_in_host::Identifiers as _;
use stand_in_host::web::{ProblemResponse, body};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower_http::cors::CorsLayer;

/// The largest body that an HTTP API accepts, in bytes.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// The longest path and query that a function can receive, in bytes. An HTTP API allows 10,240 bytes for the request
/// line and all headers together. This limit is that of the functions' HTTP types, less room for the scheme and host.
const ADDRESS_LIMIT: usize = 60_000;

/// The state shared by all requests.
struct Gateway {
    routes: Routes,
    tokens: Arc<Tokens>,
    runner: Runner,
    /// The host and port of the runner, whatever the client sends.
    authority: String,
}

/// Builds the router: the template's routes lead to their functions, and every other request gets a 404.
///
/// # Errors
/// [`ConfigError`] if `ALLOWED_ORIGINS` contains something that is not an origin, or if the template's CORS settings
/// are not valid header values.
pub(super) fn router(runner: &Runner, tokens: Arc<Tokens>) -> Result<Router, ConfigError> {
    let gateway = Gateway {
        routes: Routes::new(&runner.template.routes),
        tokens,
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
    gateway.answer(request, client).await.unwrap_or_else(IntoResponse::into_response)
}

impl Gateway {
    async fn answer(&self, request: Request, client: SocketAddr) -> Result<Response, ProblemResponse> {
        let (parts, body) = request.into_parts();
        if parts.uri.path().len() + parts.uri.query().map_or(0, str::len) > ADDRESS_LIMIT {
            return Err(refuse(body, ProblemResponse::invalid("address", "is too long")).await);
        }
        let Some(found) = self.routes.find(&parts.method, parts.uri.path()) else {
            return Err(refuse(body, Problem::NotFound.into()).await);
        };
        let claims = if found.route.authorized {
            match self.claims(&parts.headers) {
                Ok(claims) => Some(claims),
                Err(problem) => return Err(refuse(body, problem).await),
            }
        } else {
            None
        };
        let body = body::read(body, BODY_LIMIT).await?;
        let context = event::Context {
            authority: &self.authority,
            client: client.ip(),
            now: self.runner.host.doors.now(),
            request_id: self.runner.host.doors.uuid(),
        };
        let event = event::event(&parts, &body, &found, claims, &context);
        let function = &found.route.function;
        let answer = self.runner.functions.invoke(function, event).await.map_err(|error| failed(function, &error))?;
        response::response(&answer).map_err(|error| failed(function, &error))
    }

    /// Verifies the request's token and returns its claims.
    fn claims(&self, headers: &HeaderMap) -> Result<Map<String, Value>, ProblemResponse> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = header.and_then(|value| value.split_once(' ')).ok_or(Problem::Unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::Unauthenticated.into());
        }
        self.tokens.verify(token.trim())
    }
}

/// Builds the response to a request whose function returned no response, or an invalid one.
fn failed(function: &str, error: &dyn std::error::Error) -> ProblemResponse {
    ProblemResponse::unavailable(format!("{function}: {error}"))
}

/// Reads and discards the body of a rejected request, so that the client receives the response.
async fn refuse(body: Body, problem: ProblemResponse) -> ProblemResponse {
    // The request is rejected even if its body is too large or breaks off.
    drop(body::read(body, 0).await);
    problem
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
