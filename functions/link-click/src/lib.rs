//! `/p/{token}`: the page behind a customer's link, and the click.
//!
//! A GET or HEAD changes nothing, because chat apps and scanners fetch links to draw previews. The form's POST is the
//! click.

mod page;

use adapters::{ConfiguredProvider, DynamoDbStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::use_cases::click::{Clicked, click, look};
use domain::{Clock, Limits, LinkToken, PaymentRequest, Status, SystemClock, event::link_url};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use page::Page;
use runtime::http_function::{body, path_parameter};
use runtime::telemetry::chain;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};
use sha2::{Digest as _, Sha256};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct LinkClick {
    store: DynamoDbStore,
    provider: ConfiguredProvider,
    limits: Limits,
    public_base_url: String,
    headers: HeaderMap,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let provider = ConfiguredProvider::new(environment)?;
    Ok(Box::new(HttpFunction(LinkClick {
        store: DynamoDbStore::new(environment)?,
        limits: runtime::config::limits(environment)?,
        public_base_url: runtime::config::public_base_url(environment)?,
        headers: page_headers(&provider)?,
        provider,
    })))
}

/// What every page goes out with: nobody keeps it, indexes it, frames it or learns its address, and it loads nothing.
fn page_headers(provider: &ConfiguredProvider) -> Result<HeaderMap, ConfigError> {
    let style = STANDARD.encode(Sha256::digest(page::STYLE));
    // Browsers hold the address that a form's answer redirects to against `form-action` as well
    // (https://www.w3.org/TR/CSP3/#directive-form-action), so the provider's origin has to be in it.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        provider.checkout_origin()
    );
    let policy = HeaderValue::from_str(&policy)
        .map_err(|_| Environment::invalid("PUBLIC_BASE_URL", "an address such as https://pay.example.com"))?;
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
        (CONTENT_SECURITY_POLICY, policy),
    ]))
}

impl HttpHandler for LinkClick {
    /// A customer gets a page whatever happens, never a problem document.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let token = path_parameter(&request, "token").ok().and_then(|text| text.parse::<LinkToken>().ok());
        let Some(token) = token else { return Ok(self.page(page::unknown(), request.method())) };
        let answer = match *request.method() {
            Method::GET | Method::HEAD => self.show(&token).await,
            Method::POST if body(&request).is_err() => Ok(Answer::Page(page::too_large())),
            Method::POST => self.click(&token).await,
            _ => return Ok(not_allowed()),
        };
        Ok(match answer {
            Ok(Answer::Page(page)) => self.page(page, request.method()),
            Ok(Answer::SeeOther(url)) => self.see_other(&url),
            Err(error) => {
                tracing::error!(cause = chain(&error), "the page failed");
                self.page(page::unavailable(), request.method())
            }
        })
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

enum Answer {
    Page(Page),
    SeeOther(String),
}

impl LinkClick {
    async fn show(&self, token: &LinkToken) -> Result<Answer, domain::use_cases::UseCaseError> {
        Ok(Answer::Page(match look(&self.store, token).await? {
            Some(request) => page::of_request(&request, SystemClock.now()),
            None => page::unknown(),
        }))
    }

    async fn click(&self, token: &LinkToken) -> Result<Answer, domain::use_cases::UseCaseError> {
        let clicked = click(&self.store, &self.provider, &SystemClock, &self.limits, &self.public_base_url, token);
        Ok(match clicked.await? {
            Clicked::Checkout { url } => Answer::SeeOther(url),
            Clicked::Settled(request) => self.settled(&request),
            Clicked::ProviderFailed(request, error) => {
                tracing::error!(id = %request.id, cause = chain(&error), "the provider made no checkout");
                Answer::Page(page::provider_unavailable(&request, SystemClock.now()))
            }
            Clicked::NotFound => Answer::Page(page::unknown()),
        })
    }

    /// Once the customer has paid, the button leads to the page that says how far that is; after any other end, to the one
    /// that says so.
    fn settled(&self, request: &PaymentRequest) -> Answer {
        match request.status {
            Status::Processing | Status::Paid => Answer::SeeOther(link_url(request, &self.public_base_url)),
            _ => Answer::Page(page::of_request(request, SystemClock.now())),
        }
    }

    fn page(&self, page: Page, method: &Method) -> Response<Body> {
        // The answer to a HEAD has the headers of the GET and no body (RFC 9110, section 9.3.2).
        let body = if *method == Method::HEAD { Body::Empty } else { Body::Text(page.html) };
        let mut response = Response::new(body);
        *response.status_mut() = page.status;
        *response.headers_mut() = self.headers.clone();
        if page.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn see_other(&self, url: &str) -> Response<Body> {
        let Ok(location) = HeaderValue::from_str(url) else {
            tracing::error!("an address to send the customer to is not one");
            return self.page(page::unavailable(), &Method::POST);
        };
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::SEE_OTHER;
        *response.headers_mut() = self.headers.clone();
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

fn not_allowed() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}
