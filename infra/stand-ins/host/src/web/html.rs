//! Responses to browsers: pages, and the files that they load.

use super::ProblemResponse;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

/// Builds the response with a page that may not be cached or indexed. `policy` is its content security policy: what it
/// may load, and where its forms may lead.
pub fn page(status: StatusCode, page: &impl Template, policy: &str) -> Response {
    match page.render() {
        Ok(html) => rendered(status, html, policy),
        Err(error) => ProblemResponse::unavailable(error).into_response(),
    }
}

/// Builds the response with a page that is rendered already, as [`page`] does.
#[must_use]
pub fn rendered(status: StatusCode, html: String, policy: &str) -> Response {
    let mut response = (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

/// Builds the response with a file of a page. Browsers revalidate it each time, because a rebuilt runner may serve
/// another one.
#[must_use]
pub fn file(content_type: &'static str, text: impl IntoResponse) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text)
}
