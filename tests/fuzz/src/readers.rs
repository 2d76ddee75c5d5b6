//! Everything that reads from other systems, with what has to hold for every input.

use crate::cloud::{Calls, Cloud};
use crate::log::{self, Log};
use crate::mutation::{Mutated, Seed};
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Doors;
use runtime::paystack_signature::{PAYSTACK_SIGNATURE, SecretKeys};
use runtime::stripe_signature::{STRIPE_SIGNATURE, SigningSecrets};
use runtime::webhook::Secrets;
use runtime::{ConfigError, Environment, Function, InvocationError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;

/// The request that all documents are about.
pub(crate) const REQUEST: &str = "a07ce246-e3c8-8497-86e5-265e1d9cc33e";

/// What no log may ever hold: the customer's phone number and name, the link's token, and a secret.
const SECRETS: [&str; 5] = ["2783123456", "A4Kf6uEsbJydvmwVZks6Xo", "Thandi", "whsec_", "sk_test_"];

const WEBHOOK_SECRET: &str = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";

/// The fields that are read of Paystack's answer about a transaction.
const OF_TRANSACTION: [&str; 12] = [
    "status",
    "data.id",
    "data.reference",
    "data.metadata",
    "data.domain",
    "data.status",
    "data.amount",
    "data.requested_amount",
    "data.currency",
    "data.channel",
    "data.paid_at",
    "data.created_at",
];

/// The fields of an event of the HTTP API that the functions read.
const OF_API_EVENT: [&str; 13] = [
    "rawPath",
    "rawQueryString",
    "cookies",
    "headers",
    "pathParameters",
    "body",
    "isBase64Encoded",
    "requestContext.routeKey",
    "requestContext.http.method",
    "requestContext.authorizer.jwt.claims.sub",
    "requestContext.authorizer.jwt.claims.name",
    "requestContext.authorizer.jwt.claims.workspace",
    "requestContext.authorizer.jwt.claims.role",
];

macro_rules! samples {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../events/samples/", $path, ".json")))),*]
    };
}

/// One reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Reader {
    /// Stripe's webhooks.
    Stripe,
    /// Paystack's webhooks.
    Paystack,
    /// Paystack's answers about a transaction, for which a webhook makes the function ask.
    PaystackAnswers,
    /// The sandbox provider's webhooks.
    Sandbox,
    /// Records of the table's stream, in `publish` and `expire`.
    Stream,
    /// Events of the bus, in `notify` and `refund`.
    Bus,
    /// Events of the bus, as the queue hands them to `webhooks`.
    Queue,
    /// Events of the HTTP API, in every function behind it.
    Api,
    /// Items of the table, in `query`.
    Items,
}

impl Reader {
    pub(crate) const ALL: [Self; 9] = [
        Self::Stripe,
        Self::Paystack,
        Self::PaystackAnswers,
        Self::Sandbox,
        Self::Stream,
        Self::Bus,
        Self::Queue,
        Self::Api,
        Self::Items,
    ];

    /// Returns the payment provider that the functions have.
    fn provider(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Paystack | Self::PaystackAnswers => "paystack",
            Self::Sandbox | Self::Stream | Self::Bus | Self::Queue | Self::Api | Self::Items => "sandbox",
        }
    }
}

/// What became of one input.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The HTTP status, `done` of a function that has none, or the kind of the error.
    result: String,
    calls: Calls,
    metrics: Vec<String>,
}

/// A seed, the function that gets it, and what becomes of it unchanged.
struct Case {
    seed: Seed,
    function: usize,
    expected: Outcome,
}

/// The bench of one reader: the functions, everything that they call, and the seeds.
pub(crate) struct Bench {
    reader: Reader,
    cloud: Cloud,
    functions: Vec<Box<dyn Function>>,
    cases: Vec<Case>,
    /// Requests for stored items: for the one itself, and for a list of it.
    requests: Vec<String>,
    item: Value,
    doors: Doors,
    stripe: SigningSecrets,
    paystack: SecretKeys,
    sandbox: Secrets,
}

type Make = fn(&Environment) -> Result<Box<dyn Function>, ConfigError>;

impl Bench {
    /// Builds the bench of a reader.
    pub(crate) async fn new(reader: Reader) -> Result<Self, Box<dyn Error>> {
        let modified: Value = serde_json::from_str(include_str!("../../../events/samples/publish/modified.json"))?;
        let item = modified["Records"][0]["dynamodb"]["NewImage"].clone();
        let cloud = Cloud::start(&item).await?;
        let environment = environment(&cloud.url, reader.provider());
        let makes: &[Make] = match reader {
            Reader::Stripe | Reader::Paystack | Reader::PaystackAnswers | Reader::Sandbox => {
                &[payment_webhook::function]
            }
            Reader::Stream => &[publish::function, expire::function],
            Reader::Bus => &[notify::function, refund::function],
            Reader::Queue => &[webhooks::function],
            Reader::Api => &[
                create::function,
                cancel::function,
                query::function,
                link_click::function,
                desk::function,
                payment_webhook::function,
                delivery_report::function,
                webhook_endpoints::function,
            ],
            Reader::Items => &[query::function],
        };
        let functions = makes.iter().map(|make| make(&environment)).collect::<Result<_, _>>()?;
        let paystack = SecretKeys::from_environment(&environment, "PAYSTACK_SECRET_KEY")?;
        let stripe = SigningSecrets::from_environment(&environment, "STRIPE_WEBHOOK_SECRET")?;
        let sandbox = Secrets::from_environment(&environment, "SANDBOX_WEBHOOK_SECRET")?;
        let requests = samples!["query/get", "query/list"].map(|(_, text)| text.to_owned()).to_vec();
        let doors = Doors::default();
        let answers: Vec<Value> = serde_json::from_str(include_str!("../corpus/paystack_answers.json"))?;
        cloud.set_transaction(answers[0]["answer"].to_string().into_bytes());
        let cases = Vec::new();
        let mut bench = Self { reader, cloud, functions, cases, requests, item, doors, stripe, paystack, sandbox };
        for (seed, function) in bench.seeds()? {
            let original = Mutated::original(&seed);
            let expected = bench.outcome(&original.bytes, function, Signed::Correctly).await.0;
            bench.cases.push(Case { seed, function, expected });
        }
        Ok(bench)
    }

    /// Returns the seeds, each with the position of its function.
    fn seeds(&self) -> Result<Vec<(Seed, usize)>, serde_json::Error> {
        let webhooks = |text: &str, common: &[&str]| -> Result<Vec<(Seed, usize)>, serde_json::Error> {
            let corpus: Vec<Value> = serde_json::from_str(text)?;
            let seeds = corpus.iter().map(|entry| {
                let needed = entry["needed"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let needed: Vec<&str> = needed.chain(common.iter().copied()).collect();
                let kind = ["type", "event"].map(|name| entry["event"][name].as_str().unwrap_or_default()).concat();
                (Seed::new(kind, &entry["event"], &needed), 0)
            });
            Ok(seeds.collect())
        };
        let samples = |samples: &[(&str, &str)], needed: &[&str], function| -> Result<Vec<_>, serde_json::Error> {
            let seeds = samples
                .iter()
                .map(|(name, text)| Ok((Seed::new(*name, &serde_json::from_str(text)?, needed), function)));
            seeds.collect()
        };
        let mut seeds = Vec::new();
        match self.reader {
            Reader::Stripe => {
                let owner = "data.object.metadata.payment_request_id";
                seeds.extend(webhooks(include_str!("../corpus/stripe.json"), &["type", "livemode", owner])?);
            }
            Reader::Paystack => {
                seeds.extend(webhooks(include_str!("../corpus/paystack.json"), &["event", "data.domain"])?);
            }
            Reader::PaystackAnswers => {
                let answers: Vec<Value> = serde_json::from_str(include_str!("../corpus/paystack_answers.json"))?;
                let name = |entry: &Value| entry["name"].as_str().unwrap_or_default().to_owned();
                seeds
                    .extend(answers.iter().map(|entry| (Seed::new(name(entry), &entry["answer"], &OF_TRANSACTION), 0)));
            }
            Reader::Sandbox => {
                let common = ["type", "data.payment_request_id"];
                seeds.extend(webhooks(include_str!("../corpus/sandbox.json"), &common)?);
            }
            Reader::Stream => {
                let needed = [
                    "Records.*.eventName",
                    "Records.*.userIdentity",
                    "Records.*.dynamodb.Keys",
                    "Records.*.dynamodb.NewImage",
                    "Records.*.dynamodb.OldImage",
                    "Records.*.dynamodb.SequenceNumber",
                ];
                let published = samples![
                    "publish/inserted",
                    "publish/modified",
                    "publish/attempt-failed",
                    "publish/processing",
                    "publish/delivery-failed",
                ];
                seeds.extend(samples(&published, &needed, 0)?);
                seeds.extend(samples(&samples!["expire/link-removed"], &needed, 1)?);
            }
            Reader::Bus => {
                let sent = [
                    "event_id",
                    "id",
                    "version",
                    "status",
                    "occurred_at",
                    "workspace",
                    "agent",
                    "order_number",
                    "amount",
                    "currency",
                    "customer",
                    "conversation_id",
                    "metadata",
                    "link",
                ]
                .map(|name| format!("detail.{name}"));
                let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
                seeds.extend(samples(&samples!["notify/sent", "notify/canceled", "notify/paid"], &sent, 0)?);
                seeds.extend(samples(&samples!["refund/refund-due"], &["detail.id", "detail.occurred_at"], 1)?);
            }
            Reader::Queue => {
                let needed = ["detail-type", "source", "detail.event_id", "detail.occurred_at", "detail.workspace"];
                seeds.extend(samples(&samples!["notify/sent", "notify/canceled", "notify/paid"], &needed, 0)?);
            }
            Reader::Api => {
                for (function, of_function) in api_events().into_iter().enumerate() {
                    seeds.extend(samples(of_function, &OF_API_EVENT, function)?);
                }
            }
            Reader::Items => seeds.push((Seed::new("item", &self.item, &["*"]), 0)),
        }
        Ok(seeds)
    }

    /// Hands one mutated input to its function, and checks what has to hold. Returns the outcome in a word.
    pub(crate) async fn check(&self, random: &mut Random) -> Result<String, String> {
        let case = random.pick(&self.cases);
        let mutated = case.seed.mutated(random);
        let signed = match random.below(40) {
            0 if matches!(self.reader, Reader::Stripe | Reader::Paystack | Reader::Sandbox) => Signed::Wrongly,
            _ => Signed::Correctly,
        };
        let (outcome, log) = self.outcome(&mutated.bytes, case.function, signed).await;
        let wrong = |what: &str| Err(format!("{what}\n{}: {mutated}\n{outcome:?}\n{}", case.seed.name, log.text));
        // An item is what the table holds, and its key is what an operator needs to find it. So is a workspace.
        let lines = log.text.lines().filter(|line| !line.starts_with("workspace: "));
        let text = lines.collect::<Vec<_>>().join("\n");
        if let Some(secret) = SECRETS.iter().find(|secret| text.contains(*secret)) {
            return wrong(&format!("the log holds {secret}"));
        }
        if signed == Signed::Wrongly {
            let refused = outcome.result == "401" && outcome.calls == Calls::default();
            return if refused { Ok(outcome.result) } else { wrong("a forged webhook was not refused") };
        }
        if mutated.harmless && outcome != case.expected {
            return wrong(&format!("a field that is not needed changed the outcome from {:?}", case.expected));
        }
        match self.fault(&outcome, &mutated.bytes) {
            Some(fault) => wrong(fault),
            None => Ok(outcome.result),
        }
    }

    /// Returns what must not have happened, if it has.
    fn fault(&self, outcome: &Outcome, bytes: &[u8]) -> Option<&'static str> {
        let counted = |metric: &str| outcome.metrics.iter().any(|counted| counted == metric);
        let done = outcome.calls != Calls::default();
        let result = outcome.result.as_str();
        match self.reader {
            Reader::PaystackAnswers
                if outcome.calls.names.iter().any(|call| call == "UpdateItem") && !is_about_request(bytes) =>
            {
                Some("an answer about another request changed this one")
            }
            // An answer that cannot be read is not taken for anything: Paystack sends the webhook again.
            Reader::PaystackAnswers => match result {
                "200" | "503" => None,
                "400" if counted("WebhookUnreadable") => None,
                _ => Some("an answer of Paystack's made another answer than 200 or 503, or than 400 with a count"),
            },
            Reader::Stripe | Reader::Paystack | Reader::Sandbox => match result {
                "200" if done || !outcome.metrics.is_empty() => None,
                "200" if self.changes_nothing(bytes) => None,
                "200" => Some("a signed report was dropped without a count"),
                "400" | "413" if counted("WebhookUnreadable") => None,
                _ => Some("a signed webhook got another answer than 200, or than 400 or 413 with a count"),
            },
            // An event that cannot be read as one is tried again, and then kept for a person.
            // What is neither an event nor a task comes again, and an alarm tells of it.
            Reader::Queue if result == "failed" && counted("WebhookTaskFailed") => None,
            Reader::Stream | Reader::Bus | Reader::Queue => {
                (!["done", "event"].contains(&result)).then_some("the function failed on what it had read")
            }
            Reader::Api => (result != "event" && result >= "500").then_some("an event of the API got no answer"),
            Reader::Items => {
                let unreadable = outcome.metrics.iter().filter(|metric| *metric == "StoredItemUnreadable").count();
                let right = match result {
                    // Another agent's is not found, and a list shows what its filters ask for.
                    "200, a list of 0" | "200, a list of 1" | "404, a list of 0" | "404, a list of 1" => {
                        unreadable == 0
                    }
                    // A read by identifier answers 503: the request exists, so 404 would be wrong.
                    "503, a list of 0" => unreadable == 2,
                    "503, 503" => held(bytes).is_none(),
                    _ => false,
                };
                (!right).then_some("an item that cannot be read was not left out of the list, or not counted")
            }
        }
    }

    /// Returns whether a webhook says something about a request that changes nothing, as far as a parser that is not
    /// ours can read it.
    fn changes_nothing(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let has =
            |name: &str, values: &[&str]| values.iter().any(|value| text.contains(&format!("\"{name}\":\"{value}\"")));
        match self.reader {
            Reader::Stripe => {
                has("type", &["checkout.session.expired"])
                    || has("type", &["refund.created", "refund.updated"])
                        && has("status", &["pending", "requires_action", "failed"])
            }
            // Asked, Paystack says that the whole payment has gone back. A dispute changes no request.
            Reader::Paystack => {
                has("event", &["refund.pending", "refund.failed", "refund.needs-attention", "charge.dispute.create"])
            }
            _ => false,
        }
    }

    /// Hands these bytes to a function.
    async fn outcome(&self, bytes: &[u8], function: usize, signed: Signed) -> (Outcome, Log) {
        let events = match self.reader {
            Reader::Stripe | Reader::Paystack | Reader::Sandbox => vec![self.webhook(bytes, signed)],
            Reader::PaystackAnswers => {
                self.cloud.set_transaction(bytes.to_vec());
                let event = json!({ "event": "charge.success", "data": { "reference": format!("{REQUEST}-1") } });
                vec![self.webhook(event.to_string().as_bytes(), signed)]
            }
            Reader::Items => {
                self.cloud.store(held(bytes).unwrap_or_else(|| bytes.to_vec()));
                self.requests.clone()
            }
            Reader::Queue => {
                let message = json!({ "messageId": "m", "body": String::from_utf8_lossy(bytes) });
                vec![json!({ "Records": [message] }).to_string()]
            }
            Reader::Stream | Reader::Bus | Reader::Api => vec![String::from_utf8_lossy(bytes).into_owned()],
        };
        log::take();
        self.cloud.take_calls();
        let mut results = Vec::new();
        for event in events {
            results.push(self.result(&event, function).await);
        }
        let log = log::take();
        let (result, calls) = (results.join(", "), self.cloud.take_calls());
        (Outcome { result, calls, metrics: log.metrics.clone() }, log)
    }

    /// Hands one event to a function, and returns what it answers, in a word.
    async fn result(&self, event: &str, function: usize) -> String {
        match self.functions[function].invoke(event).await {
            Ok(answer) => {
                let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| json!("no JSON"));
                match (&answer["statusCode"], &answer["batchItemFailures"]) {
                    (Value::Number(status), _) => match shown(&answer) {
                        Some(items) if self.reader == Reader::Items => format!("a list of {items}"),
                        _ => status.to_string(),
                    },
                    (_, Value::Array(failures)) if failures.is_empty() => "done".to_owned(),
                    (_, Value::Array(_)) if self.reader == Reader::Queue => "failed".to_owned(),
                    _ if answer.is_null() => "done".to_owned(),
                    _ => format!("malformed answer: {answer}"),
                }
            }
            Err(InvocationError::Event(_)) => "event".to_owned(),
            Err(error) => format!("error: {error}"),
        }
    }

    /// Builds the API's event of a webhook with this body.
    fn webhook(&self, body: &[u8], signed: Signed) -> String {
        let now = self.doors.now();
        let signed_body = if signed == Signed::Correctly { body } else { b"another body" };
        let provider = self.reader.provider();
        let mut headers = match provider {
            "stripe" => json!({ STRIPE_SIGNATURE: self.stripe.sign(signed_body, now) }),
            "paystack" => json!({ PAYSTACK_SIGNATURE: self.paystack.sign(signed_body) }),
            _ => {
                let headers = self.sandbox.sign("msg_1", signed_body, now).unwrap_or_default();
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
                json!(headers.collect::<BTreeMap<_, _>>())
            }
        };
        headers["content-type"] = json!("application/json");
        json!({
            "version": "2.0", "rawPath": format!("/webhooks/{provider}"), "rawQueryString": "", "headers": headers,
            "requestContext": { "routeKey": "POST /webhooks/{provider}", "http": { "method": "POST" } },
            "pathParameters": { "provider": provider }, "body": STANDARD.encode(body), "isBase64Encoded": true,
        })
        .to_string()
    }
}

/// Returns the events of the HTTP API for each function, in the order of the functions.
fn api_events() -> [&'static [(&'static str, &'static str)]; 8] {
    [
        &samples!["create/created", "create/idempotent", "create/invalid"],
        &samples!["cancel/canceled", "cancel/unknown"],
        &samples!["query/get", "query/list", "query/list-of-customer", "query/report", "query/bad-cursor"],
        &samples!["link-click/get", "link-click/head", "link-click/post", "link-click/post-base64"],
        &samples!["desk/agent", "desk/element", "desk/old-version"],
        &samples!["payment-webhook/unsigned", "payment-webhook/unknown-provider"],
        &samples!["delivery-report/unsigned", "delivery-report/verification"],
        &samples![
            "webhook-endpoints/registered",
            "webhook-endpoints/inside-a-network",
            "webhook-endpoints/list",
            "webhook-endpoints/deliveries-of-unknown",
            "webhook-endpoints/replay-without-a-moment",
            "webhook-endpoints/rotate-unknown",
            "webhook-endpoints/remove-unknown",
        ],
    ]
}

/// Returns how many requests a list shows; `None` for another answer.
fn shown(answer: &Value) -> Option<usize> {
    let body: Value = serde_json::from_str(answer["body"].as_str()?).ok()?;
    Some(body["items"].as_array().filter(|_| answer["statusCode"] == 200)?.len())
}

/// Returns a mutated item as the table can hold one: under its own key, and with a type for each value. `None` if it is
/// not even JSON; then it stands for a table that is out of order.
fn held(bytes: &[u8]) -> Option<Vec<u8>> {
    // The table holds texts of Unicode alone, and numbers as texts.
    let text = String::from_utf8_lossy(bytes).replace("\\ud83d", "\\ufffd").replace("\\udc00\\ud800", "\\ufffd");
    let text = text.replace("1e999", "{\"N\":\"1E+999\"}");
    let Ok(Value::Object(mut item)) = serde_json::from_str(&text) else { return None };
    item.insert("pk".to_owned(), json!({ "S": format!("REQ#{REQUEST}") }));
    serde_json::to_vec(&typed_fields(&item, 0)).ok()
}

/// The depth to which the table nests values.
const NESTED_AT_MOST: usize = 32;

/// Returns an attribute's value, with a type if it has none.
fn typed(value: &Value, depth: usize) -> Value {
    if depth > NESTED_AT_MOST {
        return json!({ "NULL": true });
    }
    let list = |elements: &[Value]| {
        let elements: Vec<_> = elements.iter().map(|element| typed(element, depth + 1)).collect();
        json!({ "L": elements })
    };
    let Value::Object(fields) = value else {
        return match value {
            Value::Array(elements) => list(elements),
            Value::Null => json!({ "NULL": true }),
            Value::Bool(_) => json!({ "BOOL": value }),
            Value::Number(number) => json!({ "N": number.to_string() }),
            _ => json!({ "S": value }),
        };
    };
    match fields.iter().next().filter(|_| fields.len() == 1).map(|(kind, inner)| (kind.as_str(), inner)) {
        Some(("S" | "N", Value::String(_)) | ("BOOL" | "NULL", Value::Bool(_))) => value.clone(),
        Some(("SS" | "NS", Value::Array(texts))) if texts.iter().all(Value::is_string) => value.clone(),
        Some(("L", Value::Array(elements))) => list(elements),
        Some(("M", Value::Object(inner))) => json!({ "M": typed_fields(inner, depth + 1) }),
        _ => json!({ "M": typed_fields(fields, depth + 1) }),
    }
}

fn typed_fields(fields: &Map<String, Value>, depth: usize) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.clone(), typed(value, depth))).collect()
}

/// How a webhook is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Correctly,
    Wrongly,
}

/// Returns whether an answer of Paystack's says twice, in its reference and its metadata, that it is about the request.
fn is_about_request(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains(&format!("\"{REQUEST}-1\"")) && text.matches(REQUEST).count() > 1
}

fn environment(cloud: &str, provider: &str) -> Environment {
    [
        ("TABLE_NAME", "chat2pay"),
        ("SUMS_TABLE_NAME", "chat2pay-sums"),
        ("EVENT_BUS_NAME", "chat2pay"),
        ("WEBHOOKS_TABLE_NAME", "chat2pay-webhooks"),
        ("WEBHOOK_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/111122223333/chat2pay-webhooks"),
        ("WEBHOOK_ENCRYPTION_KEY", "a-test-key-that-is-longer-than-32-characters"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", cloud),
        ("PUBLIC_BASE_URL", "https://pay.example.com"),
        ("EXPIRY_LOOKAHEAD_SECONDS", "0"),
        ("PAYMENT_PROVIDER", provider),
        ("SANDBOX_PROVIDER_URL", cloud),
        ("SANDBOX_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("STRIPE_API_URL", cloud),
        ("STRIPE_SECRET_KEY", "rk_test_1234567890"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_0000000000000000000000000000test"),
        ("STRIPE_LIVEMODE", "false"),
        ("PAYSTACK_API_URL", cloud),
        ("PAYSTACK_SECRET_KEY", "sk_test_0000000000000000000000000000000000000000"),
        ("PAYSTACK_LIVEMODE", "false"),
        ("PAYSTACK_FALLBACK_EMAIL", "payments@example.com"),
        ("CHANNEL", "webhook"),
        ("CHANNEL_WEBHOOK_URL", cloud),
        ("CHANNEL_WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("SIGN_IN", "local"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect()
}
