//! What the provider took and gave back is held against the table: each difference is reported once, and nothing else.

use adapters::{ConfiguredProvider, DynamoDbStore};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use domain::ports::{Reconciliations as _, SettlementList, Settlements as _, Window};
use domain::use_cases::pay::{ProviderEvent, record_provider_event};
use domain::use_cases::reconcile::Pass;
use domain::{Amount, Doors, Money, Payment, PaymentRequestId, SystemClock, SystemRandomness, Timestamp};
use http::Method;
use reconcile_window::{Notice, Options, Totals, reconcile_window};
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tests::handlers::Handlers;
use tests::log::Log;
use tests::proxy::Fault;
use tests::stripe::{KEY, SECRET};
use tests::system::{Answer, Directory, System, User, eventually, id, link, now, shifted};
use tests::{FixedClock, doors_at};

const HOUR: i64 = 60 * 60 * 1000;
/// A run at this time compares a window that contains the present and ended an hour ago. The runner's own first run has
/// compared the day before.
const LATER: i64 = 14 * HOUR;

/// A system whose provider's reports are all lost.
struct Deployment {
    system: System,
    store: DynamoDbStore,
    provider: ConfiguredProvider,
    name: &'static str,
}

impl Deployment {
    async fn start(name: &'static str) -> Self {
        let lost = tests::serve(Router::new().fallback(|| async { StatusCode::OK })).await;
        let webhooks =
            ["SANDBOX_WEBHOOK_URL", "STRIPE_WEBHOOK_URL", "PAYSTACK_WEBHOOK_URL"].map(|name| (name, lost.as_str()));
        let account =
            [("PAYMENT_PROVIDER", name), ("STRIPE_SECRET_KEY", KEY), ("PAYSTACK_SECRET_KEY", tests::paystack::KEY)];
        let system = System::start(&[&webhooks[..], &account].concat()).await;
        let environment = system.environment();
        let retention = runtime::config::retention(environment).unwrap();
        let store = DynamoDbStore::new(environment).unwrap().with_retention(retention);
        let provider = ConfiguredProvider::new(environment).unwrap();
        let own = Pass::Day.name(name);
        eventually("the runner's own first run", async || match store.place(&own).await.unwrap() {
            Some(place) if place.stage.as_str() == "done" => Ok(()),
            place => Err(format!("{place:?}")),
        })
        .await;
        Self { system, store, provider, name }
    }

    /// Runs the daily run.
    async fn reconcile(&self) {
        let environment = self.system.environment().clone().with_doors(doors_at(shifted(now(), LATER)));
        assert_eq!(reconcile::function(&environment).unwrap().invoke("{}").await.unwrap(), "null");
    }

    /// Compares the present hour by hand. Returns the kinds of the differences by request, the totals, and the export.
    async fn by_hand(&self, dry_run: bool) -> (BTreeMap<String, &'static str>, Totals, String) {
        let environment = self.system.environment().clone().with_doors(doors_at(shifted(now(), LATER)));
        let window = Window { from: shifted(now(), -HOUR), to: shifted(now(), HOUR) };
        let directory = Directory::new();
        let csv = directory.path().join("payments.csv");
        let mut kinds = BTreeMap::new();
        let mut notify = |notice: Notice<'_>| {
            if let Notice::Difference(difference, _) = notice {
                kinds.insert(difference.id.to_string(), difference.kind.as_str());
            }
        };
        let options = Options { window, csv: Some(csv.clone()), dry_run };
        let totals = reconcile_window(&environment, &options, &mut notify).await.unwrap();
        (kinds, totals, std::fs::read_to_string(csv).unwrap())
    }

    /// Opens a request's checkout as the customer, and returns its address.
    async fn checkout(&self, request: &Value) -> String {
        let answer = self.system.press(link(request)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Pays a new request at the provider, and returns the request and the address of its checkout.
    async fn paid_there(&self, alice: &User<'_>) -> (Value, String) {
        let request = alice.sent().await;
        let checkout = self.checkout(&request).await;
        assert_eq!(self.system.settle(&checkout, "succeeded").await.status, 303);
        (request, checkout)
    }

    /// Returns the provider's payment of a request.
    async fn payment_of(&self, request: &Value) -> Payment {
        let window = Window { from: shifted(now(), -HOUR), to: shifted(now(), HOUR) };
        let page = self.provider.settlements(SettlementList::Payments, window, None).await.unwrap();
        let payment = page.payments.into_iter().find(|payment| payment.id.to_string() == id(request)).unwrap();
        Payment { provider: self.name.to_owned(), reference: payment.reference, paid_at: payment.paid_at }
    }

    /// Records a payment here, as the provider's report does.
    async fn record(&self, request: &Value, payment: Payment) {
        let id = id(request).parse().unwrap();
        let money = Money { amount: Amount::new(25_000).unwrap(), currency: "ZAR".parse().unwrap() };
        record_provider_event(&self.store, &SystemClock, ProviderEvent::Paid { id, payment, money }).await.unwrap();
    }

    /// Pays a new request at the provider and records it here. Returns the request, its checkout and the reference.
    async fn paid(&self, alice: &User<'_>) -> (Value, String, String) {
        let (request, checkout) = self.paid_there(alice).await;
        let payment = self.payment_of(&request).await;
        let reference = payment.reference.clone();
        self.record(&request, payment).await;
        assert_eq!(alice.read(id(&request)).await["status"], "paid");
        (request, checkout, reference)
    }

    /// Refunds a payment at the provider, as a person does.
    async fn refund(&self, request: &Value, reference: &str, amount: i64) {
        let answer = if self.name == "stripe" {
            let form = [("payment_intent", reference.to_owned()), ("amount", amount.to_string())];
            let refund = self.system.request(Method::POST, "/stripe/v1/refunds").bearer_auth(KEY).form(&form);
            Answer::of(refund).await
        } else if self.name == "paystack" {
            let refund = self.paystack("/refund", &json!({ "transaction": reference, "amount": amount }));
            Answer::of(refund).await
        } else {
            let body = json!({ "payment_request_id": id(request), "payment_id": reference, "amount": amount,
                "currency": "ZAR" });
            Answer::of(self.system.request(Method::POST, "/sandbox/refunds").json(&body)).await
        };
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Builds a call to Paystack's API.
    fn paystack(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let call = self.system.request(Method::POST, &format!("/paystack{path}"));
        call.bearer_auth(tests::paystack::KEY).json(body)
    }

    /// Disputes a payment, as the customer does at their bank.
    async fn dispute(&self, checkout: &str, reference: &str) {
        let answer = if self.name == "sandbox" {
            Answer::of(self.system.request(Method::POST, &format!("/sandbox/payments/{reference}/dispute"))).await
        } else {
            let dispute = self.system.request(Method::POST, &format!("{checkout}/dispute"));
            Answer::of(dispute.form(&[("outcome", "opened")])).await
        };
        assert!([200, 303].contains(&answer.status), "{answer:?}");
    }

    /// Takes money that is not ours: another system uses the same account.
    async fn pay_another_system(&self) {
        let checkout = if self.name == "stripe" {
            let form = [
                ("mode", "payment"),
                ("success_url", "https://shop.example.com"),
                ("line_items[0][quantity]", "1"),
                ("line_items[0][price_data][currency]", "zar"),
                ("line_items[0][price_data][unit_amount]", "9900"),
                ("line_items[0][price_data][product_data][name]", "Membership"),
            ];
            let session = self.system.request(Method::POST, "/stripe/v1/checkout/sessions").bearer_auth(KEY);
            Answer::of(session.form(&form)).await
        } else if self.name == "paystack" {
            let order = json!({ "email": "thandi@example.com", "amount": 9_900, "currency": "ZAR" });
            Answer::of(self.paystack("/transaction/initialize", &order)).await
        } else {
            let body = json!({ "payment_request_id": "membership-1", "order_number": "1", "description": null,
                "amount": 9_900, "currency": "ZAR", "return_url": "https://shop.example.com",
                "expires_at": now() });
            Answer::of(self.system.request(Method::POST, "/sandbox/checkouts").json(&body)).await
        };
        let checkout = checkout.json();
        let url = checkout["url"].as_str().or_else(|| checkout["data"]["authorization_url"].as_str()).unwrap();
        assert_eq!(self.system.settle(url, "succeeded").await.status, 303);
    }

    /// Sets attributes of a request's item by hand.
    async fn set(&self, request: &Value, name: &str, value: AttributeValue) {
        let update = client(self.system.environment()).update_item().table_name(local::dynamodb::TABLE_NAME);
        let update = update.key("pk", AttributeValue::S(format!("REQ#{}", id(request))));
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.unwrap();
    }

    /// Returns the differences on the bus, by request.
    async fn published(&self) -> BTreeMap<String, Vec<Value>> {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in self.system.events().await {
            if event["detail-type"] == "ReconciliationDifferenceFound" {
                assert_eq!(event["source"], "chat2pay");
                crate::events::assert_valid("ReconciliationDifferenceFound", &event["detail"]);
                let id = event["detail"]["id"].as_str().unwrap().to_owned();
                found.entry(id).or_default().push(event["detail"].clone());
            }
        }
        found
    }
}

pub(crate) fn client(environment: &Environment) -> aws_sdk_dynamodb::Client {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(environment.get("AWS_ENDPOINT_URL_DYNAMODB").unwrap());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

async fn each_difference_is_published_once(name: &'static str) {
    let deployment = Deployment::start(name).await;
    let alice = deployment.system.alice().await;
    let status = |status: &str| AttributeValue::S(status.to_owned());
    let mut planted: BTreeMap<String, &str> = BTreeMap::new();
    let mut plant = |request: &Value, kind: &'static str| {
        planted.insert(id(request).to_owned(), kind);
    };

    // What is no difference.
    deployment.paid(&alice).await;
    deployment.pay_another_system().await;
    let in_flight = alice.sent().await;
    deployment.system.settle(&deployment.checkout(&in_flight).await, "processing").await;
    let declined = alice.sent().await;
    deployment.system.settle(&deployment.checkout(&declined).await, "declined").await;
    for ended in ["refund_due", "refunded"] {
        let (request, _, reference) = deployment.paid(&alice).await;
        deployment.refund(&request, &reference, 25_000).await;
        deployment.set(&request, "status", status(ended)).await;
    }
    let (late, _) = deployment.paid_there(&alice).await;
    let reference = deployment.payment_of(&late).await.reference;
    deployment.refund(&late, &reference, 25_000).await;

    // What is one.
    let (unreported, _) = deployment.paid_there(&alice).await;
    plant(&unreported, "not_recorded");
    let (missing, _, _) = deployment.paid(&alice).await;
    let delete = client(deployment.system.environment()).delete_item().table_name(local::dynamodb::TABLE_NAME);
    delete.key("pk", AttributeValue::S(format!("REQ#{}", id(&missing)))).send().await.unwrap();
    plant(&missing, "not_recorded");
    let ghost = alice.sent().await;
    let payment = Payment { provider: name.to_owned(), reference: "pi_ghost".to_owned(), paid_at: now() };
    deployment.record(&ghost, payment).await;
    plant(&ghost, "not_at_provider");
    let (other_amount, _, _) = deployment.paid(&alice).await;
    deployment.set(&other_amount, "amount", AttributeValue::N("24999".to_owned())).await;
    plant(&other_amount, "amount_differs");
    let (other_currency, _, _) = deployment.paid(&alice).await;
    deployment.set(&other_currency, "currency", AttributeValue::S("USD".to_owned())).await;
    plant(&other_currency, "amount_differs");
    let (by_person, _, reference) = deployment.paid(&alice).await;
    deployment.refund(&by_person, &reference, 1_000).await;
    plant(&by_person, "refunded_by_person");
    let (unrefunded, _, _) = deployment.paid(&alice).await;
    deployment.set(&unrefunded, "status", status("refunded")).await;
    plant(&unrefunded, "not_refunded");
    let (disputed, checkout, reference) = deployment.paid(&alice).await;
    deployment.dispute(&checkout, &reference).await;
    plant(&disputed, "disputed");

    // By hand, without storing anything.
    let payouts = [("stripe", "/stripe/payouts"), ("paystack", "/paystack/settlements")];
    if let Some((_, path)) = payouts.iter().find(|(own, _)| *own == name) {
        let paid_out = Answer::of(deployment.system.request(Method::POST, path)).await;
        assert_eq!(paid_out.status, 204, "{paid_out:?}");
    }
    let (kinds, totals, export) = deployment.by_hand(true).await;
    assert_eq!(kinds, planted);
    assert_eq!((totals.differences, totals.new), (planted.len(), 0));
    let rows: Vec<&str> = export.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 1 + 11, "a row for each settled payment of ours: {rows:#?}");
    let row: Vec<&str> = rows.iter().find(|row| row.contains(id(&by_person))).unwrap().split(',').collect();
    assert_eq!((row[0], row[2], row[3], row[4]), (name, id(&by_person), alice.workspace.as_str(), "10045"));
    assert_eq!((&row[6..10], row[11]), (&["250.00", "ZAR", "10.00", "false"][..], "ZAR"));
    let (fee, payout) = match name {
        "stripe" => ("7.55", "po_"),
        "paystack" => ("3.75", ""),
        _ => ("7.25", "po_"),
    };
    assert!(row[10] == fee && !row[12].is_empty() && row[12].starts_with(payout), "{row:?}");

    deployment.reconcile().await;
    let published = eventually("the differences", async || {
        let published = deployment.published().await;
        if published.len() >= planted.len() { Ok(published) } else { Err(format!("{published:#?}")) }
    })
    .await;
    let kinds = published.iter().map(|(id, found)| {
        let [one] = found.as_slice() else { panic!("one difference of each: {found:#?}") };
        (id.clone(), one["kind"].as_str().unwrap())
    });
    assert_eq!(kinds.collect::<BTreeMap<_, _>>(), planted);
    let found = |request: &Value| published[id(request)][0].clone();
    assert_eq!(found(&missing)["status"], Value::Null);
    assert_eq!(found(&missing)["requested"], Value::Null);
    assert_eq!(found(&unreported)["status"], "clicked");
    assert_eq!(found(&unreported)["workspace"], alice.workspace);
    assert_eq!(found(&ghost)["paid"], Value::Null);
    assert_eq!(found(&other_amount)["requested"], json!({ "amount": 24_999, "currency": "ZAR" }));
    assert_eq!(found(&other_amount)["paid"], json!({ "amount": 25_000, "currency": "ZAR" }));
    assert_eq!(found(&by_person)["refunded"], json!({ "amount": 1_000, "currency": "ZAR" }));

    // The same window again, from its beginning: nothing is new.
    for pass in [Pass::Day, Pass::Late] {
        let delete = client(deployment.system.environment()).delete_item().table_name(local::dynamodb::TABLE_NAME);
        let key = format!("RECONCILIATION#{}", pass.name(name));
        delete.key("pk", AttributeValue::S(key)).send().await.unwrap();
    }
    deployment.reconcile().await;
    let (again, totals, _) = deployment.by_hand(false).await;
    assert_eq!((again, totals.new), (planted, 0));
    let control = alice.sent().await;
    deployment.system.wait_for_events(id(&control), 1).await;
    assert_eq!(deployment.published().await, published, "the stream is in order, and brings nothing new");
    deployment.system.stop().await;
}

#[tokio::test]
async fn each_difference_to_the_sandbox_is_published_once_and_nothing_else() {
    each_difference_is_published_once("sandbox").await;
}

#[tokio::test]
async fn each_difference_to_stripe_is_published_once_and_nothing_else() {
    each_difference_is_published_once("stripe").await;
}

#[tokio::test]
async fn each_difference_to_paystack_is_published_once_and_nothing_else() {
    each_difference_is_published_once("paystack").await;
}

/// A page of Stripe's lists: a status and a body for each call of a path, the next one first.
type Prepared = Arc<Mutex<BTreeMap<&'static str, VecDeque<(u16, Value)>>>>;

/// A Stripe that returns prepared pages. A list without one is empty, and there are no single payments.
#[derive(Clone, Default)]
struct Pages {
    prepared: Prepared,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Pages {
    fn say(&self, path: &'static str, status: u16, body: Value) {
        self.prepared.lock().unwrap().entry(path).or_default().push_back((status, body));
    }

    fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

async fn page(State(pages): State<Pages>, uri: Uri) -> (StatusCode, String) {
    pages.calls.lock().unwrap().push(uri.to_string());
    let prepared = pages.prepared.lock().unwrap().get_mut(uri.path()).and_then(VecDeque::pop_front);
    let (status, body) = prepared.unwrap_or_else(|| {
        if uri.path().starts_with("/v1/payment_intents/") {
            (404, json!({ "error": { "type": "invalid_request_error", "code": "resource_missing" } }))
        } else {
            (200, json!({ "object": "list", "has_more": false, "data": [] }))
        }
    });
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

/// Builds a charge over R250.00 for a request that is not stored.
fn charge(number: u32, created: Timestamp) -> Value {
    let id = PaymentRequestId::new(&Doors::default()).unwrap();
    json!({ "id": format!("ch_{number}"), "object": "charge", "amount": 25_000, "amount_refunded": 0,
        "created": created.as_milliseconds() / 1000, "currency": "zar", "disputed": false, "status": "succeeded",
        "metadata": { "payment_request_id": id }, "payment_intent": format!("pi_{number}"),
        "balance_transaction": null })
}

fn list(elements: &[Value], has_more: bool) -> Value {
    json!({ "object": "list", "has_more": has_more, "data": elements })
}

/// The function over Stripe's prepared pages, and a log that shows its metrics.
struct Prepare {
    pages: Pages,
    handlers: Arc<Handlers>,
    function: Box<dyn Function>,
    log: Log,
}

impl Prepare {
    async fn start() -> Self {
        let pages = Pages::default();
        let url = tests::serve(Router::new().fallback(page).with_state(pages.clone())).await;
        let stripe = [
            ("PAYMENT_PROVIDER", "stripe".to_owned()),
            ("STRIPE_API_URL", url),
            ("STRIPE_SECRET_KEY", KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
        ];
        let handlers = Handlers::with_variables(300, 900, &stripe).await;
        let doors = Doors::new(FixedClock(shifted(now(), LATER)), SystemRandomness);
        let function = reconcile::function(&handlers.environment().clone().with_doors(doors)).unwrap();
        Self { pages, handlers, function, log: Log::default() }
    }

    /// Runs the daily run, and returns whether it succeeded.
    async fn run(&self) -> bool {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(self.log.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        self.function.invoke("{}").await.is_ok()
    }

    /// Returns how often the log shows this metric since the last call, and clears it.
    fn counted(&self, metric: &str) -> usize {
        self.log.take().lines().filter(|line| line.contains(&format!("metric=\"{metric}\""))).count()
    }

    /// Returns the references of the stored differences.
    async fn stored(&self) -> Vec<String> {
        let scan = self.handlers.database_client().scan().table_name(local::dynamodb::TABLE_NAME);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        let differences = items.iter().filter(|item| item["pk"].as_s().unwrap().starts_with("DIFFERENCE#"));
        let mut references: Vec<String> =
            differences.map(|item| item["difference"].as_m().unwrap()["reference"].as_s().unwrap().clone()).collect();
        references.sort();
        references
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_read_stops_the_run_with_its_place_kept_and_the_next_run_goes_on() {
    let good = |number| charge(number, now());
    let without = |field: &str| {
        let mut broken = charge(2, now());
        broken.as_object_mut().unwrap().remove(field);
        list(&[broken], false)
    };
    let mut unreadable = vec![
        json!({ "object": "nonsense" }),
        json!({ "object": "list", "data": "none" }),
        json!({ "object": "list", "data": [] }),
        list(&[json!("a charge")], false),
        list(&[json!({ "object": "charge" })], false),
        list(&[], true),
    ];
    unreadable.extend(["amount", "amount_refunded", "created", "currency", "disputed", "payment_intent"].map(without));
    for broken in unreadable {
        let run = Prepare::start().await;
        run.pages.say("/v1/charges", 200, list(&[good(1)], true));
        run.pages.say("/v1/charges", 200, broken.clone());
        assert!(run.run().await, "{broken}: a retry would meet the same page");
        assert_eq!(run.counted("ReconciliationStopped"), 1, "{broken}");
        assert_eq!(run.stored().await, ["pi_1"], "{broken}");
        let place = run.handlers.store().place("stripe").await.unwrap().unwrap();
        assert_eq!((place.stage.as_str(), place.cursor.as_deref()), ("payments", Some("ch_1")), "{broken}");

        run.pages.take_calls();
        run.pages.say("/v1/charges", 200, list(&[good(2)], false));
        assert!(run.run().await);
        assert_eq!(run.stored().await, ["pi_1", "pi_2"], "{broken}");
        let calls = run.pages.take_calls();
        assert!(calls[0].contains("starting_after=ch_1"), "it goes on from its place: {calls:?}");
        assert_eq!(run.handlers.store().place("stripe").await.unwrap().unwrap().stage.as_str(), "done");
    }
}

#[tokio::test]
async fn a_run_that_fails_at_any_call_is_repeated_and_neither_misses_nor_repeats() {
    let run = Prepare::start().await;
    let (first, second) = ([charge(1, now()), charge(2, now())], [charge(3, now())]);
    run.pages.say("/v1/charges", 200, list(&first, true));
    run.pages.say("/v1/charges", 500, json!({}));
    run.pages.say("/v1/charges", 429, json!({}));
    run.pages.say("/v1/charges", 500, json!({}));
    run.pages.say("/v1/charges", 503, json!({}));
    run.pages.say("/v1/charges", 200, list(&second, false));
    assert!(!run.run().await, "Lambda repeats the run");
    assert_eq!(run.counted("ReconciliationStopped"), 1);
    assert_eq!(run.stored().await, ["pi_1", "pi_2"]);
    assert!(run.run().await);
    assert_eq!(run.stored().await, ["pi_1", "pi_2", "pi_3"]);

    // Lost answers of the table: the difference and the place are written once.
    let run = Prepare::start().await;
    run.pages.say("/v1/charges", 200, list(&first, false));
    run.handlers.proxy.fail_next_writes(&[Fault::AnswerLost, Fault::RequestLost, Fault::AnswerLost]);
    assert!(run.run().await);
    assert_eq!(run.stored().await, ["pi_1", "pi_2"]);
}

#[tokio::test]
async fn an_unknown_value_counts_as_not_yet_and_money_of_others_is_left_out() {
    let run = Prepare::start().await;
    let mut unknown = charge(1, now());
    unknown["status"] = json!("on_hold");
    let mut others = charge(2, now());
    others["metadata"] = json!({ "order": "77" });
    let strange =
        json!({ "id": "ch_3", "object": "charge", "metadata": { "payment_request_id": 7 }, "amount": "free" });
    run.pages.say("/v1/charges", 200, list(&[unknown, others, strange], false));
    let dispute = json!({ "id": "du_1", "object": "dispute", "charge": null });
    run.pages.say("/v1/disputes", 200, list(&[dispute], false));
    assert!(run.run().await);
    assert_eq!(run.counted("ProviderValueUnknown"), 1);
    assert_eq!(run.stored().await, [""; 0]);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_not_missing() {
    let run = Prepare::start().await;
    let (id, _) = run.handlers.sent().await;
    let mut item = run.handlers.item(&format!("REQ#{id}")).await;
    item.insert("status".to_owned(), AttributeValue::S("lost".to_owned()));
    run.handlers.put_item(item).await;
    let mut charge = charge(1, now());
    charge["metadata"]["payment_request_id"] = json!(id);
    run.pages.say("/v1/charges", 200, list(&[charge], false));
    assert!(run.run().await);
    assert_eq!(run.stored().await, [""; 0]);
    assert!(run.counted("StoredItemUnreadable") > 0);
}
