//! `/p/{token}`: shows the page behind a customer's link and records the click.
//!
//! A GET or HEAD changes nothing, because chat apps and scanners fetch links to draw previews. Only the form's POST is
//! a click. Whatever else is asked for at or below `/p` gets the page of an unknown link.

mod brand;
mod language;
mod page;

use adapters::{ConfiguredProvider, DynamoDbStore};
use brand::Brands;
use domain::ports::ProviderError;
use domain::use_cases::click::{Clicked, click, look};
use domain::{Doors, Limits, LinkToken, PaymentRequest, Status, Timestamp, event::link_url};
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use page::{ASSETS, Page, Visitor};
use percent_encoding::percent_decode_str;
use runtime::http_function::{body, path_parameter};
use runtime::telemetry::{Metric, chain, count};
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The name of the cookie that is set when a browser is redirected to the provider's checkout page. Its value is the
/// time of that redirect, in milliseconds since the Unix epoch. The page thereby distinguishes a customer who returns
/// from the checkout from one who opens the link in another browser.
const WENT_TO_CHECKOUT: &str = "to_checkout";

/// The punctuation that chat apps take for a part of the link when a text goes on behind it.
const PUNCTUATION: [char; 12] = ['/', '.', ',', ')', ']', '>', '"', '\'', '!', '?', ';', ':'];

struct LinkClick {
    store: DynamoDbStore,
    doors: Doors,
    provider: ConfiguredProvider,
    limits: Limits,
    public_base_url: String,
    brands: Brands,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let provider = ConfiguredProvider::new(environment)?;
    let limits = runtime::config::limits(environment)?;
    let public_base_url = runtime::config::public_base_url(environment)?;
    Ok(Box::new(HttpFunction(LinkClick {
        store: DynamoDbStore::new(environment)?.with_retention(limits.retention),
        doors: environment.doors(),
        limits,
        brands: Brands::new(environment, provider.checkout_origin(), &path_prefix(&public_base_url))?,
        public_base_url,
        provider,
    })))
}

impl HttpHandler for LinkClick {
    /// Answers with a page in every case, errors included: a customer never gets a problem document. Only the static
    /// files are answered otherwise.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if let Some(file) = asset(&request) {
            return Ok(file);
        }
        let visitor = visitor(request.headers());
        let answer = match (token(&request), request.method()) {
            (Some(token), &Method::GET | &Method::HEAD) => self.show(&token, visitor).await,
            // The form sends no fields, so the body is not read, only bounded: one that cannot be decoded does no harm.
            (Some(_), &Method::POST) if matches!(body(&request), Err(Problem::BodyTooLarge(_))) => {
                Ok(LinkAnswer::Page(page::too_large(visitor, self.brands.of(None))))
            }
            (Some(token), &Method::POST) => self.click(&token, visitor).await,
            _ => Ok(LinkAnswer::Page(page::unknown(visitor, self.brands.of(None)))),
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::error!(cause = chain(&error), "link page failed; the customer got the unavailable page");
            LinkAnswer::Page(page::unavailable(visitor, self.brands.of(None)))
        });
        Ok(match answer {
            LinkAnswer::Page(page) => answered(page, &request),
            LinkAnswer::SeeOther { location, cookie } => see_other(location, cookie),
        })
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

/// Returns the path of the public base URL, without a slash at its end.
fn path_prefix(public_base_url: &str) -> String {
    let base = public_base_url.parse::<Uri>().unwrap_or_default();
    base.path().trim_end_matches('/').to_owned()
}

enum LinkAnswer {
    Page(Page),
    SeeOther { location: HeaderValue, cookie: Option<HeaderValue> },
}

impl LinkClick {
    async fn show(&self, token: &LinkToken, visitor: Visitor) -> Result<LinkAnswer, domain::use_cases::UseCaseError> {
        // The page is as of a moment before the request was read (`PaymentRequest::status_at`).
        let now = self.doors.now();
        Ok(LinkAnswer::Page(match look(&self.store, token).await? {
            Some(request) => self.page(&request, now, visitor),
            None => page::unknown(visitor, self.brands.of(None)),
        }))
    }

    async fn click(&self, token: &LinkToken, visitor: Visitor) -> Result<LinkAnswer, domain::use_cases::UseCaseError> {
        let clicked = click(&self.store, &self.provider, &self.doors, &self.limits, &self.public_base_url, token);
        Ok(match clicked.await? {
            Clicked::Checkout { url } => self.see_other(&url, Some(token), visitor),
            Clicked::Settled(request) => self.settled(&request, visitor),
            Clicked::ProviderFailed(request, error) => {
                if matches!(error, ProviderError::Unreadable(_)) {
                    count(Metric::ProviderValueUnknown);
                }
                tracing::error!(id = %request.id, cause = chain(&error), "the provider created no checkout");
                let brand = self.brands.of(Some(&request.workspace));
                LinkAnswer::Page(page::provider_unavailable(&request, self.doors.now(), visitor, brand))
            }
            Clicked::Busy(request) => {
                let brand = self.brands.of(Some(&request.workspace));
                LinkAnswer::Page(page::provider_unavailable(&request, self.doors.now(), visitor, brand))
            }
            Clicked::NotFound => LinkAnswer::Page(page::unknown(visitor, self.brands.of(None))),
        })
    }

    fn page(&self, request: &PaymentRequest, now: Timestamp, visitor: Visitor) -> Page {
        page::of_request(request, now, visitor, self.brands.of(Some(&request.workspace)))
    }

    /// Answers a click on a request that is no longer payable. If the payment is processing or complete, redirects to
    /// the link's page, which shows its progress. Otherwise shows the page of the terminal status.
    fn settled(&self, request: &PaymentRequest, visitor: Visitor) -> LinkAnswer {
        match request.status {
            Status::Processing | Status::Paid => {
                self.see_other(&link_url(request, &self.public_base_url), None, visitor)
            }
            // The use case returns no `Sent` here, the one status that depends on the time.
            _ => LinkAnswer::Page(self.page(request, self.doors.now(), visitor)),
        }
    }

    /// Redirects to `url`. If `url` is the checkout page of a token, `to_checkout_of`, also sets that link's
    /// [`WENT_TO_CHECKOUT`] cookie. If `url` is not valid in a header, logs that and answers with the unavailable page.
    fn see_other(&self, url: &str, to_checkout_of: Option<&LinkToken>, visitor: Visitor) -> LinkAnswer {
        let cookie = to_checkout_of.map(|token| self.cookie(token)).transpose();
        let (Ok(location), Ok(cookie)) = (HeaderValue::from_str(url), cookie) else {
            tracing::error!("redirect failed: its URL is not valid in a header");
            return LinkAnswer::Page(page::unavailable(visitor, self.brands.of(None)));
        };
        LinkAnswer::SeeOther { location, cookie }
    }

    /// Builds the [`WENT_TO_CHECKOUT`] cookie. It is limited to the path of this link, and its lifetime is that of a
    /// checkout page.
    ///
    /// # Errors
    /// The cookie's text is not valid in a header.
    fn cookie(&self, token: &LinkToken) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let secure = self.public_base_url.parse::<Uri>().unwrap_or_default().scheme_str() == Some("https");
        let mut cookie = HeaderValue::try_from(format!(
            "{WENT_TO_CHECKOUT}={}; Path={}/p/{}; Max-Age={}; HttpOnly; SameSite=Lax{}",
            self.doors.now().as_milliseconds(),
            path_prefix(&self.public_base_url),
            token.reveal(),
            self.limits.checkout.as_secs(),
            if secure { "; Secure" } else { "" }
        ))?;
        cookie.set_sensitive(true);
        Ok(cookie)
    }
}

/// Returns the static file that a request is for, if it names one of this version.
fn asset(request: &Request) -> Option<Response<Body>> {
    let (version, file) = (path_parameter(request, "version").ok()?, path_parameter(request, "file").ok()?);
    ASSETS.answer(request, &version, &file).ok()
}

/// Reads the link's token from the path, without the punctuation that a chat app added to it.
fn token(request: &Request) -> Option<LinkToken> {
    // A path with a slash behind the token has the route of everything below `/p`.
    let text = path_parameter(request, "token").or_else(|_| path_parameter(request, "proxy")).ok()?;
    // The gateway has decoded the path once. A chat app may have encoded the punctuation once more.
    let text = percent_decode_str(&text).decode_utf8().ok()?;
    text.trim_end_matches(PUNCTUATION).parse().ok()
}

/// Reads the visitor's language and [`WENT_TO_CHECKOUT`] cookie. An unreadable cookie counts as missing.
fn visitor(headers: &HeaderMap) -> Visitor {
    let mut cookies = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    Visitor { texts: language::chosen(headers), went_to_checkout: cookies.find_map(time_of_redirect) }
}

/// Reads the time in one cookie if it is [`WENT_TO_CHECKOUT`]. A cookie is bytes, not text: other applications of the
/// domain may set anything (RFC 6265, section 5.4), and the first that can be read as ours counts.
fn time_of_redirect(cookie: &[u8]) -> Option<Timestamp> {
    let (name, value) = std::str::from_utf8(cookie).ok()?.split_once('=')?;
    let value = value.trim();
    // Some intermediaries put a value into quotes, which the standard allows.
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let milliseconds = value.parse().ok().filter(|_| name.trim() == WENT_TO_CHECKOUT)?;
    Timestamp::from_milliseconds(milliseconds).ok()
}

/// Builds the headers common to pages and redirects: no caching, no indexing, and no referrer, which would reveal the
/// link's token to other sites.
fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    ])
}

/// Builds the response for a page: 304 without a body if the browser already has this version of it. The response to a
/// HEAD is that to the GET: the gateway sends its length and leaves out the body itself (RFC 9110, section 9.3.2).
fn answered(page: Page, request: &Request) -> Response<Body> {
    let mut headers = headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(page.language));
    headers.insert(VARY, HeaderValue::from_static("accept-language, cookie"));
    headers.insert(CONTENT_SECURITY_POLICY, page.policy);
    if page.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let tag = page.version.filter(|_| reading).map(|version| format!("W/\"{version}\""));
    // `If-None-Match` applies only if the response would otherwise be a success (RFC 9110, section 13.2.1).
    let known = page.status.is_success() && tag.as_deref().is_some_and(|tag| knows(request.headers(), tag));
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.insert(ETAG, tag);
    }
    if known {
        headers.remove(CONTENT_TYPE);
    }
    let mut response = Response::new(if known { Body::Empty } else { Body::Text(page.html) });
    *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { page.status };
    *response.headers_mut() = headers;
    response
}

/// Returns whether `If-None-Match` names this entity tag or, by `*`, any page, so that the browser already has the page
/// (RFC 9110, section 13.1.2). Tags are compared weakly: whether one of them is marked as weak makes no difference
/// (section 8.8.3.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    // A header that is not text as a whole may still name the tag, so only its bytes are compared.
    let values = headers.get_all(IF_NONE_MATCH).iter().map(HeaderValue::as_bytes);
    // Splitting at commas is safe: no part of a tag that contains one is quoted on both sides, as every tag of ours is.
    values.flat_map(|value| value.split(|byte| *byte == b',')).any(|known| {
        let known = std::str::from_utf8(known).unwrap_or_default().trim();
        known == "*" || opaque(known) == opaque(tag)
    })
}

fn see_other(location: HeaderValue, cookie: Option<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    *response.headers_mut() = headers();
    response.headers_mut().insert(LOCATION, location);
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
