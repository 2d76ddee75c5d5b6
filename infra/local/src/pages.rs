//! The runner's start page, which links to the desk, the phone and the supervisor page, and what all of the runner's
//! pages share.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use runtime::problem::Problem;
use stand_in_host::web::{ProblemResponse, html};

const STYLE: &str = include_str!("../templates/pages.css");
/// The content security policy of the runner's pages: what they may load, and where their forms may lead.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage;

/// Builds the routes of the start page and of the style sheet that all of the runner's pages load.
pub(crate) fn router() -> Router {
    Router::new().route("/", get(show)).route("/local/pages/style.css", get(style))
}

/// `GET /`: returns the start page to a browser. The API has no such route, so that other clients get a 404.
async fn show(headers: HeaderMap) -> Result<Response, ProblemResponse> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        Ok(html::page(StatusCode::OK, &StartPage, POLICY))
    } else {
        Err(Problem::NotFound.into())
    }
}

/// `GET /local/pages/style.css`: returns the shared style sheet.
async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
