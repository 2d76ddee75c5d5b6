//! The runner's start page, which links to the desk, the phone, the supervisor page and the reference, and what all of
//! the runner's pages share. The reference is the crate of that name.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use reference::{File, Setting};
use runtime::problem::Problem;
use stand_in_host::web::{ProblemResponse, html};
use std::sync::{Arc, OnceLock};

const STYLE: &str = include_str!("../templates/pages.css");
/// The content security policy of the runner's pages: what they may load, and where their forms may lead.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage;

/// The reference's files, made when somebody first asks for one.
struct Reference {
    base_url: String,
    files: OnceLock<Vec<File>>,
}

/// Builds the routes of the start page, of the style sheet that all of the runner's pages load, and of the reference.
/// `base_url` is the address that the reference's commands call.
pub(crate) fn router(base_url: &str) -> Router {
    let reference = Reference { base_url: base_url.to_owned(), files: OnceLock::new() };
    let reference = Router::new()
        .route("/docs", get(reference_page))
        .route("/docs/", get(reference_page))
        .route("/docs/{file}", get(reference_file))
        .with_state(Arc::new(reference));
    Router::new().route("/", get(show)).route("/local/pages/style.css", get(style)).merge(reference)
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

/// `GET /docs`: returns the reference of the HTTP API, the events and the webhooks.
async fn reference_page(State(reference): State<Arc<Reference>>) -> Result<Response, ProblemResponse> {
    reference_file(State(reference), Path("index.html".to_owned())).await
}

/// `GET /docs/{file}`: returns a file of the reference.
async fn reference_file(
    State(reference): State<Arc<Reference>>,
    Path(name): Path<String>,
) -> Result<Response, ProblemResponse> {
    let file = reference.files()?.iter().find(|file| file.name == name).ok_or(Problem::NotFound)?;
    if file.content_type.starts_with("text/html") {
        Ok(html::rendered(StatusCode::OK, file.text.clone(), POLICY))
    } else {
        Ok(html::file(file.content_type, file.text.clone()).into_response())
    }
}

impl Reference {
    fn files(&self) -> Result<&[File], ProblemResponse> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let setting =
            Setting { base_url: self.base_url.clone(), folder: "/docs/".to_owned(), home: Some("/".to_owned()) };
        let files = reference::files(&setting).map_err(ProblemResponse::unavailable)?;
        Ok(self.files.get_or_init(|| files))
    }
}
