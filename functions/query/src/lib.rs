//! `GET /payment-requests`, `GET /payment-requests/{id}` and `GET /reports/agents`: what was sent, and where it stands.

mod cursor;
mod report;

use adapters::DynamoDbStore;
use domain::use_cases::list::{Filter, get, list};
use domain::use_cases::report::report as make_report;
use domain::{Caller, Clock, Invalid, Limits, Role, SystemClock};
use http::{Response, StatusCode};
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::json;
use runtime::representation::{Representation, representation};
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request, RequestExt as _};
use serde::Serialize;
use serde_json::Value;
use std::str::FromStr;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// How the path of the report ends, whatever stage the API puts before it.
const REPORT: &str = "/reports/agents";
const LIMIT: usize = 25;
const LIMIT_AT_MOST: usize = 100;

#[derive(Serialize)]
struct List<'a> {
    items: Vec<Representation<'a>>,
    next_cursor: Option<String>,
}

struct Query {
    store: DynamoDbStore,
    limits: Limits,
    claims: ClaimNames,
    public_base_url: String,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(Query {
        store: DynamoDbStore::new(environment)?,
        limits: runtime::config::limits(environment)?,
        claims: ClaimNames::new(environment),
        public_base_url: runtime::config::public_base_url(environment)?,
    })))
}

impl HttpHandler for Query {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        let id = request.path_parameters_ref().and_then(|parameters| parameters.first("id")).map(str::to_owned);
        match id {
            Some(id) => self.one(&caller, &id).await,
            None if request.raw_http_path().ends_with(REPORT) => self.report(&caller, &request).await,
            None => self.many(&caller, &request).await,
        }
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

impl Query {
    async fn one(&self, caller: &Caller, id: &str) -> Result<Response<Body>, Problem> {
        let id = id.parse().map_err(|_| Problem::NotFound)?;
        let request = get(&self.store, caller, id).await?.ok_or(Problem::NotFound)?;
        Ok(json(StatusCode::OK, &representation(&request, SystemClock.now(), &self.public_base_url)))
    }

    async fn report(&self, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
        if caller.role != Role::Supervisor {
            return Err(Problem::Forbidden);
        }
        let (from, to) = report::range(request)?;
        let report = make_report(&self.store, &SystemClock, caller, from, to).await?;
        Ok(json(StatusCode::OK, &report::view(&report)))
    }

    async fn many(&self, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
        let filter = filter(request)?;
        let page = list(&self.store, &SystemClock, &self.limits, caller, &filter).await?;
        let now = SystemClock.now();
        let items = page.items.iter().map(|request| representation(request, now, &self.public_base_url));
        let list = List { items: items.collect(), next_cursor: page.next.map(cursor::write) };
        Ok(json(StatusCode::OK, &list))
    }
}

fn filter(request: &Request) -> Result<Filter, Problem> {
    let mut fields = Fields::of_query(request)?;
    let mut cursor = None;
    fields.optional("cursor", |value| {
        cursor = value.as_str().map(str::to_owned);
        Ok(())
    });
    let filter = Filter {
        agent: fields.optional("agent", parsed),
        status: fields.optional("status", parsed),
        from: fields.optional("from", parsed),
        to: fields.optional("to", parsed),
        after: None,
        limit: LIMIT,
    };
    let mut limit = Some(LIMIT);
    fields.optional("limit", |value| {
        limit = value.as_str().and_then(|text| text.parse().ok()).filter(|limit| (1..=LIMIT_AT_MOST).contains(limit));
        Ok(())
    });
    if limit.is_none() {
        fields.refuse("limit", format!("must be a whole number from 1 to {LIMIT_AT_MOST}"));
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        fields.refuse("to", "must not be before from");
    }
    let filter = fields.finish(limit.map(|limit| Filter { limit, ..filter }))?;
    let after = cursor.map(|text| cursor::read(&text)).transpose()?;
    Ok(Filter { after, ..filter })
}

#[allow(clippy::needless_pass_by_value, reason = "fields are handed over to whoever reads them")]
fn parsed<T: FromStr<Err = Invalid>>(value: Value) -> Result<T, Invalid> {
    value.as_str().unwrap_or_default().parse()
}
