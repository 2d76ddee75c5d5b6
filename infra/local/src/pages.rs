//! The page at the runner's own address, for a person: the way to the desk, the phone and the supervisor. What the
//! runner's other pages share with it is here too.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use runtime::problem::Problem;
use stand_in_host::web::{ProblemResponse, html};

const STYLE: &str = include_str!("../templates/pages.css");
/// What the runner's own pages may load, and where their forms may lead.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage;

/// The page and the style sheet that all of the runner's pages load.
pub(crate) fn router() -> Router {
    Router::new().route("/", get(show)).route("/local/pages/style.css", get(style))
}

/// `GET /`: shows the page to a person. The API has no such route, and programs are told so.
async fn show(headers: HeaderMap) -> Result<Response, ProblemResponse> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        Ok(html::page(StatusCode::OK, &StartPage, POLICY))
    } else {
        Err(Problem::NotFound.into())
    }
}

/// `GET /local/pages/style.css`
async fn style() -> impl IntoResponse {
    html::file("text/css; charset=utf-8", STYLE)
}
