//! `GET /payment-requests`, `GET /payment-requests/{id}` and `GET /reports/agents`: lists payment requests, shows one,
//! and reports each agent's totals.

mod cursor;
mod report;
#[cfg(feature = "schema")]
pub mod schema;

use adapters::{DynamoDbStore, SumsTable};
use domain::use_cases::UseCaseError;
use domain::use_cases::list::{Filter, Search, get, list};
use domain::use_cases::report::{ReportError, report as make_report};
use domain::use_cases::sums::Progress;
use domain::{Caller, Doors, Identity, Invalid, Limits, OrderNumber, Phone, SearchText, Timestamp};
use http::{Response, StatusCode};
use report::ReportQuery;
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::{json, route_key};
use runtime::representation::{Representation, representation};
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request, RequestExt as _};
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The key of the report's route.
const REPORT_ROUTE: &str = "GET /reports/agents";
/// The default number of items on a page of a list.
const LIMIT: usize = 25;
/// The largest number of items that `limit` may request.
const LIMIT_AT_MOST: usize = 100;

/// A page of a list.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "PaymentRequestList"))]
struct List<'a> {
    /// The payment requests, newest first.
    items: Vec<Representation<'a>>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

struct Query {
    store: DynamoDbStore,
    sums: SumsTable,
    doors: Doors,
    limits: Limits,
    claims: ClaimNames,
    public_base_url: String,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(Query {
        store: DynamoDbStore::new(environment)?,
        sums: SumsTable::new(environment)?,
        doors: environment.doors(),
        limits: runtime::config::limits(environment)?,
        claims: ClaimNames::new(environment),
        public_base_url: runtime::config::public_base_url(environment)?,
    })))
}

impl HttpHandler for Query {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        // The one moment of this request: what is filtered, counted and shown is as of it. It is read before the store
        // is, so that a status that is shown as final was so when it was read.
        let now = self.doors.now();
        let id = request.path_parameters_ref().and_then(|parameters| parameters.first("id")).map(str::to_owned);
        match id {
            Some(id) => self.one(&caller, &id, now).await,
            None if route_key(&request) == REPORT_ROUTE => self.report(&caller, &request, now).await,
            None => self.many(&caller, &request, now).await,
        }
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

impl Query {
    async fn one(&self, caller: &Caller, id: &str, now: Timestamp) -> Result<Response<Body>, Problem> {
        let id = id.parse().map_err(|_| Problem::NotFound)?;
        let request = get(&self.store, caller, id).await?.ok_or(Problem::NotFound)?;
        Ok(json(StatusCode::OK, &representation(&request, now, &self.public_base_url)))
    }

    async fn report(&self, caller: &Caller, request: &Request, now: Timestamp) -> Result<Response<Body>, Problem> {
        if matches!(caller.identity, Identity::Agent(_)) {
            return Err(Problem::Forbidden);
        }
        let ReportQuery { from, to, include } = report::query(request, now)?;
        match make_report(&self.store, &self.sums, &self.doors, now, caller, (from, to)).await {
            Ok(report) => Ok(json(StatusCode::OK, &report::view(&report, include))),
            Err(ReportError::NotReady(Progress { made, left })) => {
                tracing::info!(made, left, "report not ready: hours or days are still to be summed");
                Err(Problem::ReportNotReady)
            }
            Err(ReportError::Store(error)) => Err(UseCaseError::from(error).into()),
        }
    }

    async fn many(&self, caller: &Caller, request: &Request, now: Timestamp) -> Result<Response<Body>, Problem> {
        let search = search(request)?;
        let page = list(&self.store, now, &self.limits, caller, &search).await?;
        let items = page.items.iter().map(|request| representation(request, now, &self.public_base_url));
        let list = List { items: items.collect(), next_cursor: page.next.map(cursor::write) };
        Ok(json(StatusCode::OK, &list))
    }
}

/// Reads the parameters of a list.
///
/// # Errors
/// A 422 problem that names every invalid parameter; [`Problem::InvalidCursor`] if the cursor alone is invalid.
fn search(request: &Request) -> Result<Search, Problem> {
    let mut fields = Fields::of_query(request)?;
    let cursor = fields.optional("cursor", |value| Ok(value.as_str().map(str::to_owned))).flatten();
    let wrong_limit = format!("must be a whole number from 1 to {LIMIT_AT_MOST}");
    let limit = optional(&mut fields, "limit", &wrong_limit, |text| {
        text.parse().ok().filter(|limit| (1..=LIMIT_AT_MOST).contains(limit))
    });
    let search = Search {
        agent: fields.optional("agent", parsed),
        from: with_plus(&mut fields, "from", str::parse),
        to: with_plus(&mut fields, "to", str::parse),
        filter: Filter {
            status: fields.optional("status", parsed),
            text: fields.optional("q", |value| text(&value, SearchText::read)).flatten(),
            // The order number and the phone are parsed by the wider rules for stored requests, so that a request can
            // still be found after the rules for new ones become stricter.
            order_number: fields.optional("order_number", |value| text(&value, OrderNumber::from_record)),
            phone: with_plus(&mut fields, "phone", Phone::from_record),
            conversation_id: fields.optional("conversation_id", parsed),
        },
        after: None,
        limit: limit.unwrap_or(LIMIT),
    };
    if let (Some(from), Some(to)) = (search.from, search.to)
        && from > to
    {
        fields.refuse("to", "must not be before the start");
    }
    let search = fields.finish(Some(search))?;
    let after = cursor.map(|text| cursor::read(&text)).transpose()?;
    Ok(Search { after, ..search })
}

/// Reads an optional parameter with `read`. If `read` returns none, rejects the parameter with `message`.
fn optional<T>(fields: &mut Fields, name: &str, message: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let value = fields.optional(name, |value| Ok(value.as_str().and_then(read)));
    if matches!(value, Some(None)) {
        fields.refuse(name, message);
    }
    value.flatten()
}

/// Reads an optional parameter whose value may contain a plus sign, such as a phone number. An unencoded plus sign in a
/// URL arrives as a space. If that is why the value is invalid, the error message says so.
fn with_plus<T>(fields: &mut Fields, name: &str, read: impl Fn(&str) -> Result<T, Invalid>) -> Option<T> {
    let given = fields.optional(name, |value| Ok(value.as_str().unwrap_or_default().to_owned()))?;
    let error = match read(&given) {
        Ok(value) => return Some(value),
        Err(error) => error.message(),
    };
    if given.contains(' ') && read(&given.replacen(' ', "+", 1)).is_ok() {
        fields.refuse(name, format!("{error}; its plus sign was received as a space"));
    } else {
        fields.refuse(name, error);
    }
    None
}

#[allow(clippy::needless_pass_by_value, reason = "fields are handed over to whoever reads them")]
fn parsed<T: FromStr<Err = Invalid>>(value: Value) -> Result<T, Invalid> {
    text(&value, str::parse)
}

/// Parses a parameter's text with `read`. The values of query parameters are always texts.
fn text<T>(value: &Value, read: impl Fn(&str) -> Result<T, Invalid>) -> Result<T, Invalid> {
    read(value.as_str().unwrap_or_default())
}
