//! `/desk`: the pages of agents and supervisors, and the element that chat desks embed.
//!
//! Everything served here is static and the same for everybody. The pages' scripts fetch all data from the API, with
//! the user's token.

mod sign_in;
#[cfg(test)]
mod tests;

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use runtime::assets::Assets;
use runtime::http_function::path_parameter;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request, RequestExt as _};
use sign_in::{SignIn, origin};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The files in `assets`, and those that the build script adds.
pub const ASSETS: Assets = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The frame of the agent's page and of the supervisor's. The page's script fills it in.
#[derive(Template)]
#[template(path = "page.html")]
struct FramePage<'a> {
    title: &'a str,
    /// The folder of the page's style sheet and script.
    folder: &'a str,
    /// The name of both files, without an extension.
    name: &'a str,
    version: &'a str,
    sign_in: &'a str,
}

/// The page to which the identity provider redirects after a sign-in.
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

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let sign_in = SignIn::new(environment)?;
    let live = environment.get("LIVE_URL").map(|url| origin(url, "LIVE_URL")).transpose()?;
    let headers = page_headers(&sign_in, live)?;
    // Neither serializing nor rendering can fail: all values are texts.
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

/// Builds the headers of every page. A page may load only our own files, connect only to the API, its live updates and
/// the identity provider, and not be framed. Scripts may not write HTML from text (Trusted Types).
///
/// # Errors
/// The identity provider's address is not valid in a header.
fn page_headers(sign_in: &SignIn, live: Option<String>) -> Result<HeaderMap, ConfigError> {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        sign_in.origins()?.into_iter().chain(live).collect::<Vec<_>>().join(" ")
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|_| Environment::invalid("SIGN_IN_ISSUER", "an address such as https://sign-in.example.com"))?;
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        // A page contains the version of its files, so browsers have to revalidate it every time.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // The sign-in window closes itself at the end, which browsers allow only while this page is its opener.
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
        // Only the end of the path is compared, because the API may put a stage's name before it.
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

/// Redirects from the stable URL that chat desks embed to the current version of the element's script.
fn element() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let location = format!("/desk/assets/{}/agent/element.js", ASSETS.version);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // The conversion cannot fail: the version consists of hexadecimal digits.
    response.headers_mut().extend(HeaderValue::from_str(&location).ok().map(|location| (LOCATION, location)));
    response
}
