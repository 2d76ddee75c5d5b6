//! `/desk`: the pages of agents and supervisors, and the element that chat desks embed.
//!
//! Everything here is static and the same for everybody; what a page shows it asks the API for, with its user's token.

mod sign_in;
#[cfg(test)]
mod tests;

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use runtime::assets::Assets;
use runtime::http_function::path_parameter;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request, RequestExt as _};
use sign_in::SignIn;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// What is in `assets`.
pub const ASSETS: Assets = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The frame of the agent's and of the supervisor's page, which their script fills.
#[derive(Template)]
#[template(path = "page.html")]
struct FramePage<'a> {
    title: &'a str,
    /// The folder of its style sheet and its script, and what both are called there.
    folder: &'a str,
    name: &'a str,
    version: &'a str,
    sign_in: &'a str,
}

/// Where the identity provider sends people back to.
#[derive(Template)]
#[template(path = "signed-in.html")]
struct SignedInPage<'a> {
    version: &'a str,
}

struct Desk {
    agent: String,
    supervisor: String,
    signed_in: String,
    headers: HeaderMap,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let sign_in = SignIn::new(environment)?;
    let headers = page_headers(&sign_in)?;
    // Texts alone, which JSON can hold and a template can write.
    let sign_in = serde_json::to_string(&sign_in).unwrap_or_default();
    let (version, sign_in) = (ASSETS.version, sign_in.as_str());
    let frame = |title, folder, name| FramePage { title, folder, name, version, sign_in }.render().unwrap_or_default();
    Ok(Box::new(HttpFunction(Desk {
        agent: frame("Desk", "agent", "desk"),
        supervisor: frame("Supervisor", "supervisor", "supervisor"),
        signed_in: SignedInPage { version }.render().unwrap_or_default(),
        headers,
    })))
}

/// What every page goes out with: it runs and loads nothing but our own files, speaks to nobody but the API and the
/// identity provider, and nobody frames it. Scripts that would write HTML from text are refused (Trusted Types).
fn page_headers(sign_in: &SignIn) -> Result<HeaderMap, ConfigError> {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        sign_in.origins()?.join(" ")
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|_| Environment::invalid("SIGN_IN_ISSUER", "an address such as https://sign-in.example.com"))?;
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        // A page names the version of its files, so it is asked for anew each time.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // The window for signing in closes itself in the end, which it may only while this page stays its opener.
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin-allow-popups")),
        (CONTENT_SECURITY_POLICY, policy),
    ]))
}

impl HttpHandler for Desk {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if let Ok(file) = path_parameter(&request, "file") {
            let name = format!("{}/{file}", path_parameter(&request, "folder")?);
            return ASSETS.answer(&request, &path_parameter(&request, "version")?, &name);
        }
        // The end, whatever stage the API puts before it.
        match request.raw_http_path().rsplit_once("/desk").map(|(_, rest)| rest) {
            Some("") => Ok(self.page(&self.agent)),
            Some("/supervisor") => Ok(self.page(&self.supervisor)),
            Some("/signed-in") => Ok(self.page(&self.signed_in)),
            Some("/element.js") => Ok(element()),
            _ => Err(Problem::NotFound),
        }
    }
}

impl Desk {
    fn page(&self, html: &str) -> Response<Body> {
        let mut response = Response::new(Body::Text(html.to_owned()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// The address that chat desks embed stays the same; it leads to the present version of the file.
fn element() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let location = format!("/desk/assets/{}/agent/element.js", ASSETS.version);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // The version is hexadecimal digits.
    response.headers_mut().extend(HeaderValue::from_str(&location).ok().map(|location| (LOCATION, location)));
    response
}
