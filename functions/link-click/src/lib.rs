//! `/p/{token}`: shows the page behind a customer's link and records the click.
//!
//! A GET or HEAD changes nothing, because chat apps and scanners fetch links to draw previews. Only the form's POST is
//! a click. Whatever else is asked for at or below `/p` gets the page of an unknown link.

mod brand;
mod circuit;
mod language;
mod page;

use adapters::{ConfiguredProvider, DynamoDbStore};
use brand::Brands;
use circuit::Circuit;
use domain::event::{done_url, link_url};
use domain::ports::{Cause, Links as _, ProviderError};
use domain::use_cases::UseCaseError;
use domain::use_cases::check::{Checked, check};
use domain::use_cases::click::{Clicked, click, look};
use domain::use_cases::expire::Settled;
use domain::{CheckoutAttempt, Doors, Limits, LinkToken, PaymentRequest, Status, Timestamp};
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use page::{ASSETS, Arrival, Page, Visitor};
use percent_encoding::percent_decode_str;
use runtime::http_function::{body, path_parameter};
use runtime::telemetry::{Metric, chain, count};
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};
use std::time::Duration;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The time after which a customer is answered, whatever hangs: shorter than the function's timeout in
/// `infra/template.yaml`. Every step of a click and of a check is idempotent, so one that was cut short is made again
/// by the next press.
const ANSWERS_WITHIN: Duration = Duration::from_secs(27);

/// The end of the path of a check.
const CHECK: &str = "/check";

/// The punctuation that chat apps take for a part of the link when a text goes on behind it.
const PUNCTUATION: [char; 12] = ['/', '.', ',', ')', ']', '>', '"', '\'', '!', '?', ';', ':'];

/// How long a press waits before each look for the payment page that another press is asking for.
const WAITS_FOR_ANOTHER_PRESS: Duration = Duration::from_millis(500);

/// How often a press looks for that page. A storm of presses holds as many instances for a second.
const LOOKS_FOR_ANOTHER_PRESS: usize = 2;

struct LinkClick {
    store: DynamoDbStore,
    doors: Doors,
    provider: Circuit<ConfiguredProvider>,
    limits: Limits,
    public_base_url: String,
    brands: Brands,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let provider = ConfiguredProvider::new(environment)?.for_presses();
    let limits = runtime::config::limits(environment)?;
    let public_base_url = runtime::config::public_base_url(environment)?;
    Ok(Box::new(HttpFunction(LinkClick {
        store: DynamoDbStore::new(environment)?.with_retention(limits.retention),
        doors: environment.doors(),
        limits,
        brands: Brands::new(environment, provider.checkout_origin(), &path_prefix(&public_base_url))?,
        public_base_url,
        provider: Circuit::new(provider),
    })))
}

impl HttpHandler for LinkClick {
    /// Answers with a page in every case, errors included: a customer never gets a problem document. Only the static
    /// files are answered otherwise.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if let Some(file) = asset(&request) {
            return Ok(file);
        }
        let visitor = visitor(&request);
        let answer = match tokio::time::timeout(ANSWERS_WITHIN, self.answer(&request, visitor)).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(elapsed) => Err(Cause::from(elapsed)),
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::error!(cause = chain(error.as_ref()), "link page failed; the customer got the unavailable page");
            LinkAnswer::Page(page::unavailable(visitor, self.brands.of(None)))
        });
        Ok(match answer {
            LinkAnswer::Page(page) => answered(page, &request),
            LinkAnswer::SeeOther(location) => see_other(location),
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
    SeeOther(HeaderValue),
}

impl LinkClick {
    async fn answer(&self, request: &Request, visitor: Visitor) -> Result<LinkAnswer, UseCaseError> {
        Ok(match (token(request), request.method()) {
            (Some(token), &Method::GET | &Method::HEAD) => self.show(&token, visitor).await?,
            // The forms send no fields, so the body is not read, only bounded: one that cannot be decoded does no harm.
            (Some(_), &Method::POST) if matches!(body(request), Err(Problem::BodyTooLarge(_))) => {
                LinkAnswer::Page(page::too_large(visitor, self.brands.of(None)))
            }
            (Some(token), &Method::POST) if request.uri().path().ends_with(CHECK) => {
                self.check(&token, visitor).await?
            }
            (Some(token), &Method::POST) => self.click(&token, visitor).await?,
            _ => LinkAnswer::Page(page::unknown(visitor, self.brands.of(None))),
        })
    }

    async fn show(&self, token: &LinkToken, visitor: Visitor) -> Result<LinkAnswer, UseCaseError> {
        // The page is as of a moment before the request was read (`PaymentRequest::status_at`).
        let now = self.doors.now();
        Ok(LinkAnswer::Page(match look(&self.store, token).await? {
            Some(request) => self.page(&request, now, visitor),
            None => page::unknown(visitor, self.brands.of(None)),
        }))
    }

    async fn click(&self, token: &LinkToken, visitor: Visitor) -> Result<LinkAnswer, UseCaseError> {
        let mut clicked = self.press(token).await?;
        // Another press may be calling the provider: the first half of a double click, for example.
        let may_succeed = match &clicked {
            Clicked::Busy(_) => true,
            Clicked::ProviderFailed(_, ProviderError::Unavailable(_), attempt) => *attempt != CheckoutAttempt::FIRST,
            _ => false,
        };
        if may_succeed && self.another_press_succeeds(token).await? {
            clicked = self.press(token).await?;
        }
        Ok(match clicked {
            Clicked::Checkout { url } => self.see_other(&url, visitor),
            Clicked::Settled(request) => self.settled(&request, visitor),
            Clicked::Asked(request, settled) => {
                log_settled(&request, &settled);
                self.settled(&request, visitor)
            }
            Clicked::ProviderFailed(request, error, _) => {
                log_failure(&request, &error);
                let (now, brand) = (self.doors.now(), self.brands.of(Some(&request.workspace)));
                LinkAnswer::Page(match error {
                    ProviderError::Refused(_) | ProviderError::AmountNotAccepted(_) => {
                        page::provider_refused(&request, now, visitor, brand)
                    }
                    ProviderError::Unavailable(_) | ProviderError::Unreadable(_) => {
                        page::provider_unavailable(&request, now, visitor, brand)
                    }
                })
            }
            Clicked::Busy(request) => {
                let brand = self.brands.of(Some(&request.workspace));
                LinkAnswer::Page(page::busy(&request, self.doors.now(), visitor, brand))
            }
            Clicked::NotFound => LinkAnswer::Page(page::unknown(visitor, self.brands.of(None))),
        })
    }

    /// Waits for a moment until another press has the payment page's address, and returns whether it has.
    async fn another_press_succeeds(&self, token: &LinkToken) -> Result<bool, UseCaseError> {
        for _ in 0..LOOKS_FOR_ANOTHER_PRESS {
            tokio::time::sleep(WAITS_FOR_ANOTHER_PRESS).await;
            if self.store.find_link(token).await?.is_some_and(|link| link.checkout_url.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn press(&self, token: &LinkToken) -> Result<Clicked, UseCaseError> {
        let clicked = click(&self.store, &self.provider, &self.doors, &self.limits, &self.public_base_url, token);
        Box::pin(clicked).await
    }

    /// Asks the provider about the payment, and leads back to the page, whatever the provider says: the page shows what
    /// is known.
    async fn check(&self, token: &LinkToken, visitor: Visitor) -> Result<LinkAnswer, UseCaseError> {
        let checked = check(&self.store, &self.provider, &self.doors, &self.public_base_url, token);
        let request = match Box::pin(checked).await? {
            Checked::Asked(request) => {
                tracing::info!(id = %request.id, status = %request.status, "payment checked at the provider");
                request
            }
            Checked::Known(request) => request,
            Checked::Mismatched(request) => {
                log_mismatch(&request);
                request
            }
            Checked::ProviderFailed(request, error) => {
                log_failure(&request, &error);
                request
            }
            Checked::NotFound => return Ok(LinkAnswer::Page(page::unknown(visitor, self.brands.of(None)))),
        };
        Ok(self.see_other(&done_url(&link_url(&request, &self.public_base_url)), visitor))
    }

    fn page(&self, request: &PaymentRequest, now: Timestamp, visitor: Visitor) -> Page {
        page::of_request(request, now, visitor, self.brands.of(Some(&request.workspace)))
    }

    /// Answers a click on a request that is no longer payable. If the payment is processing or complete, redirects to
    /// the link's page, which shows its progress. Otherwise shows the page of the terminal status.
    fn settled(&self, request: &PaymentRequest, visitor: Visitor) -> LinkAnswer {
        match request.status {
            Status::Processing | Status::Paid => self.see_other(&link_url(request, &self.public_base_url), visitor),
            // The use case returns no `Sent` here, the one status that depends on the time.
            _ => LinkAnswer::Page(self.page(request, self.doors.now(), visitor)),
        }
    }

    /// Redirects to `url`. If `url` is not valid in a header, logs that and answers with the unavailable page.
    fn see_other(&self, url: &str, visitor: Visitor) -> LinkAnswer {
        if let Ok(location) = HeaderValue::from_str(url) {
            return LinkAnswer::SeeOther(location);
        }
        tracing::error!("redirect failed: its URL is not valid in a header");
        LinkAnswer::Page(page::unavailable(visitor, self.brands.of(None)))
    }
}

/// Logs a call that the provider did not complete, and counts the failures that an operator has to know.
fn log_failure(request: &PaymentRequest, error: &ProviderError) {
    let (id, cause) = (&request.id, chain(error));
    match error {
        ProviderError::Unavailable(_) => tracing::warn!(%id, cause, "the payment provider is unavailable"),
        ProviderError::Unreadable(_) => {
            count(Metric::ProviderValueUnknown);
            tracing::error!(%id, cause, "the payment provider's answer cannot be read; it counts as not yet");
        }
        ProviderError::Refused(_) | ProviderError::AmountNotAccepted(_) => {
            count(Metric::ProviderRefused);
            tracing::error!(%id, cause, "the payment provider rejected a call, and would reject it again");
        }
    }
}

/// Logs and counts a payment of another amount or currency than was asked for.
fn log_mismatch(request: &PaymentRequest) {
    count(Metric::AmountMismatch);
    tracing::error!(
        id = %request.id,
        status = %request.status,
        "payment not recorded: its amount or currency is not what was asked for"
    );
}

/// Logs what came of asking the provider about a request whose time to pay was over, and counts what an operator has to
/// see.
fn log_settled(request: &PaymentRequest, settled: &Settled) {
    let (id, status) = (&request.id, &request.status);
    match settled {
        Settled::Postponed(_, error) => log_failure(request, error),
        Settled::Mismatched(_) => log_mismatch(request),
        Settled::ExpiredUnconfirmed(_, error) => {
            count(Metric::ExpiredUnconfirmed);
            tracing::error!(%id, cause = chain(error), "request expired without the provider's confirmation");
        }
        Settled::Expired(_)
        | Settled::Changed(_)
        | Settled::Confirmed(_)
        | Settled::SentBack(_)
        | Settled::Waiting(..)
        | Settled::NotDue => {
            tracing::info!(%id, %status, "provider asked: somebody pressed after the deadline");
        }
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

/// Reads the visitor's language, and from where they come.
fn visitor(request: &Request) -> Visitor {
    let arrival = Arrival::of_query(request.uri().query().unwrap_or_default());
    Visitor { texts: language::chosen(request.headers()), arrival }
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
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    headers.insert(CONTENT_SECURITY_POLICY, page.policy);
    if let Some(seconds) = page.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
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

fn see_other(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    *response.headers_mut() = headers();
    response.headers_mut().insert(LOCATION, location);
    response
}
