//! `POST /payment-requests`: an agent sends a payment request.

#[cfg(feature = "schema")]
pub mod schema;

use adapters::{DynamoDbStore, ProviderName};
use domain::use_cases::create::{Created, create};
use domain::{
    Agent, AllowedCountries, Amount, Caller, CreationLimit, Currency, Customer, Details, Doors, IdempotencyKey,
    Identity, Invalid, Limits, Metadata, Money, PaymentRequest, Phone, Sender, Timestamp,
};
use http::header::LOCATION;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::json;
use runtime::representation::representation;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Why a person may not name an agent.
const SERVICES_ALONE: &str = "can be named by a service alone: a person sends for themselves";

struct Create {
    store: DynamoDbStore,
    doors: Doors,
    provider: ProviderName,
    limits: Limits,
    creation_limit: CreationLimit,
    countries: AllowedCountries,
    claims: ClaimNames,
    public_base_url: String,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(Create {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        provider: ProviderName::from_environment(environment)?,
        limits: runtime::config::limits(environment)?,
        creation_limit: runtime::config::creation_limit(environment)?,
        countries: runtime::config::allowed_countries(environment)?,
        claims: ClaimNames::new(environment),
        public_base_url: runtime::config::public_base_url(environment)?,
    })))
}

impl HttpHandler for Create {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        let (sender, details, key) = self.read(&request, caller)?;
        let key = key.as_ref();
        // A replayed request is shown as of a moment before it was read (`PaymentRequest::status_at`).
        let now = self.doors.now();
        let created = create(&self.store, &self.doors, &self.limits, self.creation_limit, sender, details, key).await?;
        match created {
            Created::New(request) => self.answer(&request, now, false),
            Created::Replayed(request) => self.answer(&request, now, true),
            Created::KeyReused => Err(Problem::IdempotencyKeyReused),
            Created::LimitReached { retry_after } => Err(Problem::TooManyRequests(retry_after)),
        }
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

impl Create {
    /// Builds the 201 response, with `Idempotency-Replayed: true` if an earlier call with the same key created the
    /// request.
    fn answer(&self, request: &PaymentRequest, now: Timestamp, replayed: bool) -> Result<Response<Body>, Problem> {
        let body = representation(request, now, &self.public_base_url);
        let mut response = json(StatusCode::CREATED, &body);
        let location = HeaderValue::from_str(&format!("/payment-requests/{}", request.id))
            .map_err(|error| Problem::TemporarilyUnavailable(error.into()))?;
        response.headers_mut().insert(LOCATION, location);
        if replayed {
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// Reads the body and the idempotency key. A service names in the body for which agent it sends; a person sends for
    /// themselves, and may name nobody.
    ///
    /// # Errors
    /// A 422 problem that names every invalid field of the body, and the key if it is invalid.
    fn read(&self, request: &Request, caller: Caller) -> Result<(Sender, Details, Option<IdempotencyKey>), Problem> {
        let mut fields = Fields::of_body(request)?;
        let key = match request.headers().get(IDEMPOTENCY_KEY).map(HeaderValue::to_str) {
            None => Some(None),
            // A header that is not text is not a key. It is parsed as an empty key, which gives the same error message.
            Some(text) => match text.unwrap_or_default().parse() {
                Ok(key) => Some(Some(key)),
                Err(error) => {
                    fields.refuse(IDEMPOTENCY_KEY, Invalid::message(&error));
                    None
                }
            },
        };
        let agent = match &caller.identity {
            Identity::Agent(agent) | Identity::Supervisor(agent) => {
                fields.refuse_if_given("agent", SERVICES_ALONE);
                Some(agent.clone())
            }
            Identity::Service(_) => fields.object("agent", |agent| {
                let (id, name) = (agent.required("id", text), agent.required("name", text));
                Some(Agent { id: id?, name: name? })
            }),
        };
        let order_number = fields.required("order_number", text);
        let amount = fields.required("amount", amount);
        let currency = fields.required("currency", |value| Currency::in_force(value.as_str().unwrap_or_default()));
        let money = amount.zip(currency).map(|(amount, currency)| Money { amount, currency });
        // Amounts that the provider rejects are rejected now, so that the customer does not get a link that cannot be
        // paid.
        if let Some(Err(refusal)) = money.map(|money| self.provider.check(money)) {
            fields.refuse(refusal.field, refusal.message);
        }
        let customer = fields.object("customer", |customer| {
            let phone = self.phone(customer);
            let name = customer.optional("name", optional_text);
            let email = customer.optional("email", optional_text);
            Some(Customer { phone: phone?, name: name.flatten(), email: email.flatten() })
        });
        let description = fields.optional("description", optional_text).flatten();
        let conversation_id = fields.optional("conversation_id", optional_text).flatten();
        let metadata = fields.optional("metadata", metadata).unwrap_or_default();
        let details = (|| {
            Some(Details {
                order_number: order_number?,
                money: money?,
                customer: customer?,
                description,
                conversation_id,
                metadata,
            })
        })();
        let sender = agent.map(|agent| Sender { caller, agent });
        fields.finish((|| Some((sender?, details?, key?)))())
    }

    /// Reads the customer's phone number. If an invalid number has an unambiguous valid form, the error message names
    /// it.
    fn phone(&self, customer: &mut Fields) -> Option<Phone> {
        let text = customer.required("phone", |value| Ok(value.as_str().unwrap_or_default().to_owned()))?;
        let phone = Phone::parse(&text).map_err(|invalid| customer.refuse("phone", invalid.message())).ok()?;
        if !self.countries.allow(&phone) {
            customer.refuse("phone", "must be of a country that payment requests may be sent to");
            return None;
        }
        Some(phone)
    }
}

/// Parses a text field. A value that is not text is rejected with the field's own message, which says what it must be.
#[allow(clippy::needless_pass_by_value, reason = "fields are handed over to whoever reads them")]
fn text<T: FromStr<Err = Invalid>>(value: Value) -> Result<T, Invalid> {
    // A NUL stands for a value that is not text, because no field accepts one.
    value.as_str().unwrap_or("\0").parse()
}

/// Parses an optional text field. An empty text counts as missing, because forms send empty fields that way.
fn optional_text<T: FromStr<Err = Invalid>>(value: Value) -> Result<Option<T>, Invalid> {
    if value.as_str() == Some("") { Ok(None) } else { text(value).map(Some) }
}

/// Parses an amount, which must be written as an integer. `250.0` and `2.5e2` are rejected, because money is never a
/// float.
#[allow(clippy::needless_pass_by_value, reason = "fields are handed over to whoever reads them")]
fn amount(value: Value) -> Result<Amount, Invalid> {
    Amount::new(value.as_i64().unwrap_or(0))
}

/// Parses the metadata, an object whose values are texts. Any other value becomes one that [`Metadata::new`] rejects.
fn metadata(value: Value) -> Result<Metadata, Invalid> {
    let text = |value| match value {
        Value::String(text) => text,
        // A NUL stands for a value that is not text, because metadata accepts none.
        _ => "\0".to_owned(),
    };
    let Value::Object(pairs) = value else {
        return Metadata::new(BTreeMap::from([(String::new(), String::new())]));
    };
    Metadata::new(pairs.into_iter().map(|(key, value)| (key, text(value))).collect())
}
