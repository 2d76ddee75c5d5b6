//! Measures how long reports, lists and changes take as the store fills, and create and cancel against the same calls
//! with the SDK alone. Everything is on the embedded DynamoDB, over HTTP, with the real SDK.
//!
//! `cargo bench --profile counts -p tests --bench stores`

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::sums::Period;
use domain::{Clock as _, Doors, LinkToken, PaymentRequestId, SystemClock, Timestamp};
use futures::future::join_all;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::handlers::{HandlerAnswer, Handlers};
use tests::ledger::Row;
use tests::proxy::{Call, read_units};
use tests::stored::Stored;

/// The numbers of stored requests at which reports are measured.
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// The time over which these requests are spread. With today, it is a report's longest range.
const SPREAD: Duration = Duration::from_hours(91 * 24);
const DAY: Duration = Duration::from_hours(24);

/// How long a report may take: the function's timeout in the template.
const TIMEOUT: Duration = Duration::from_secs(25);

/// After this long, a measurement is not repeated any more.
const PATIENCE: Duration = Duration::from_secs(10);
const RUNS_AT_MOST: usize = 50;

/// The requests that are created and canceled in one round, by how many clients, and in how many rounds.
const CHANGED: usize = 1_000;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;

type Item = HashMap<String, AttributeValue>;

#[tokio::main]
async fn main() {
    tests::log_to_standard_error();
    throughput().await;
    let bench = Bench::start().await;
    let mut stored = Stored::new().await;
    let mut count = 0;
    for size in SIZES {
        let began = Instant::now();
        bench.fill(&mut stored, size - count).await;
        count = size;
        eprintln!("{size} requests are stored; the last of them took {:?}", began.elapsed());
        bench.reports(size).await;
        if [SIZES[0], SIZES[SIZES.len() - 1]].contains(&size) {
            bench.lists(size).await;
            bench.changes(size).await;
        }
    }
}

/// The handlers over one store: once as they are, for times, and once behind the proxy, for counts.
struct Bench {
    timed: Arc<Handlers>,
    counted: Arc<Handlers>,
    today: Timestamp,
}

impl Bench {
    async fn start() -> Self {
        let counted = Handlers::with_variables(300, 900, &[("AGENT_REQUESTS_PER_MINUTE", "0".to_owned())]).await;
        Self { timed: counted.unobserved(), counted, today: SystemClock.now().start_of_day() }
    }

    /// Stores this many more requests, at equal distances over all days.
    async fn fill(&self, stored: &mut Stored, count: usize) {
        stored.add(&self.counted.database.database, count, self.today.saturating_sub(SPREAD), self.today);
        // The first call of each would also open its connection.
        self.timed.warm("query").await;
        self.counted.warm("query").await;
    }

    async fn reports(&self, size: usize) {
        let (from, tomorrow) = (self.today.saturating_sub(SPREAD), self.today.saturating_add(DAY));
        let whole = format!("/reports/agents?from={from}&to={tomorrow}&include=clicks,days");
        let usual = "/reports/agents?include=clicks,days".to_owned();
        self.first_report("report, 92 days, for the first time", size, &whole).await;
        for (name, address) in [("report, 92 days", whole), ("report, 7 days", usual)] {
            self.measure(name, size, async |handlers| handlers.read(&address, "supervisor").await).await;
        }
    }

    /// Measures a report of which no sums are kept, once: all answers until the first that has it, together.
    async fn first_report(&self, name: &str, size: usize, address: &str) {
        let mut took = Duration::ZERO;
        for handlers in [&self.timed, &self.counted] {
            self.remove_sums();
            self.counted.proxy.take_calls();
            let began = Instant::now();
            loop {
                let answer = handlers.read(address, "supervisor").await;
                assert!([200, 503].contains(&answer.status), "{name}: {answer:?}");
                if answer.status == 200 {
                    break;
                }
            }
            if Arc::ptr_eq(handlers, &self.timed) {
                took = began.elapsed();
            }
        }
        let calls = self.counted.proxy.take_calls();
        let row = Row::new("stores", name).with("stored", size).with("runs", 1).with_times(&[took]);
        println!("{}", of_calls(row, &calls).line());
    }

    /// Removes all sums. What is stored by `fill` reaches no stream.
    fn remove_sums(&self) {
        let database = &self.counted.database.database;
        let mut moment = self.today.saturating_sub(SPREAD);
        while moment < self.today.saturating_add(DAY) {
            for period in [Period::day_of(moment), Period::hour_of(moment)] {
                let key = json!({ "workspace": { "S": "acme" }, "period": { "S": period.to_string() } });
                let delete = json!({ "TableName": local::dynamodb::SUMS_TABLE_NAME, "Key": key });
                database.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
            }
            moment = moment.saturating_add(Duration::from_hours(1));
        }
    }

    async fn lists(&self, size: usize) {
        let list = "/payment-requests?limit=25".to_owned();
        // What the rows below create today is no part of the search.
        let search = |query: &str| format!("{list}&to={}{query}", self.today);
        let newest = self.timed.read(&search(""), "supervisor").await.body;
        let phone = newest["items"][0]["customer"]["phone"].as_str().unwrap().replace('+', "%2B");
        for (name, role, address) in [
            ("list of an agent, 25", "agent", &list),
            ("list of a supervisor, 25", "supervisor", &list),
            ("search by phone, one found", "supervisor", &search(&format!("&phone={phone}"))),
            ("search by phone, none found", "supervisor", &search("&phone=%2B27820000000")),
            ("search by order number, none found", "supervisor", &search("&order_number=none")),
        ] {
            self.measure(name, size, async |handlers| handlers.read(address, role).await).await;
        }
    }

    async fn changes(&self, size: usize) {
        self.measure("create", size, async |handlers| handlers.create(None).await).await;
        self.measure("cancel", size, async |handlers| {
            let (id, _) = handlers.sent().await;
            handlers.proxy.take_calls();
            handlers.cancel(&id).await
        })
        .await;
    }

    /// Measures one call many times, counts what it reads once, and prints both.
    async fn measure(&self, name: &str, size: usize, call: impl AsyncFn(&Handlers) -> HandlerAnswer) {
        let row = Row::new("stores", name).with("stored", size);
        let began = Instant::now();
        let mut times = Vec::new();
        while times.len() < RUNS_AT_MOST && (times.is_empty() || began.elapsed() < PATIENCE) {
            let Ok(answer) = tokio::time::timeout(TIMEOUT, call(&self.timed)).await else { break };
            assert!(answer.status < 300, "{name}: {answer:?}");
            times.push(answer.took);
        }
        self.counted.proxy.take_calls();
        // The proxy makes it slower. What answers in time is counted to its end all the same.
        let limit = if times.is_empty() { TIMEOUT } else { Duration::MAX };
        drop(tokio::time::timeout(limit, call(&self.counted)).await);
        let calls = self.counted.proxy.take_calls();
        let row = match times.as_slice() {
            [] => row.with("runs", 1).with("median_ms", format!("no answer within {} s", TIMEOUT.as_secs())),
            times => row.with("runs", times.len()).with_times(times),
        };
        println!("{}", of_calls(row, &calls).line());
    }
}

fn of_calls(row: Row, calls: &[Call]) -> Row {
    row.with("dynamodb_calls", calls.len())
        .with_number("read_units", read_units(calls))
        .with_number("write_units", tests::proxy::write_units(calls))
}

/// Measures how many requests are created and canceled in a second, through the handlers and with the SDK alone, in
/// turns on one store.
async fn throughput() {
    let handlers = Handlers::with_variables(300, 900, &[("AGENT_REQUESTS_PER_MINUTE", "0".to_owned())]).await;
    let ways = [
        ("through the handlers", Arc::new(Way::Handlers(handlers.unobserved()))),
        ("with the SDK alone", Arc::new(Way::Sdk(Sdk::new(&handlers).await))),
    ];
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for ((_, way), rates) in ways.iter().zip(&mut rates) {
            let began = Instant::now();
            let clients = (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(way).create_and_cancel(CHANGED / CLIENTS)));
            join_all(clients).await.into_iter().for_each(Result::unwrap);
            let changed = u32::try_from(CHANGED / CLIENTS * CLIENTS).unwrap();
            // The first round also opens the connections.
            if round > 0 {
                rates.push(f64::from(changed) / began.elapsed().as_secs_f64());
            }
        }
    }
    for ((name, _), mut rates) in ways.into_iter().zip(rates) {
        rates.sort_by(f64::total_cmp);
        let row =
            Row::new("throughput", format!("create and cancel, {name}")).with("clients", CLIENTS).with("runs", ROUNDS);
        let row = row.with_number("median_per_second", rates[ROUNDS / 2].round());
        let row = row
            .with_number("least_per_second", rates[0].round())
            .with_number("most_per_second", rates[ROUNDS - 1].round());
        println!("{}", row.with("dynamodb_calls", 3).line());
    }
}

/// A way to create a request and to cancel it, with two puts and an update.
enum Way {
    Handlers(Arc<Handlers>),
    Sdk(Sdk),
}

impl Way {
    async fn create_and_cancel(self: Arc<Self>, times: usize) {
        for _ in 0..times {
            match &*self {
                Self::Handlers(handlers) => {
                    let created = handlers.create(None).await;
                    let canceled = handlers.cancel(created.body["id"].as_str().unwrap()).await;
                    assert_eq!((created.status, canceled.status), (201, 200));
                }
                Self::Sdk(sdk) => sdk.create_and_cancel().await,
            }
        }
    }
}

/// The SDK's client alone, with the items that the handlers write.
struct Sdk {
    client: aws_sdk_dynamodb::Client,
    link: Item,
    request: Item,
    /// The history entry of a cancellation.
    entry: AttributeValue,
}

impl Sdk {
    /// Takes the items from a request that the handlers create and cancel.
    async fn new(handlers: &Handlers) -> Self {
        let (id, token) = handlers.sent().await;
        let (link, request) =
            (handlers.item(&format!("LINK#{token}")).await, handlers.item(&format!("REQ#{id}")).await);
        assert_eq!(handlers.cancel(&id).await.status, 200);
        let canceled = handlers.item(&format!("REQ#{id}")).await;
        let entry = canceled["history"].as_l().unwrap().last().unwrap().clone();
        Self { client: handlers.database_client(), link, request, entry }
    }

    async fn create_and_cancel(&self) {
        let doors = Doors::default();
        let (id, token) = (PaymentRequestId::new(&doors).unwrap(), LinkToken::random(&doors).unwrap().reveal());
        let now = doors.now();
        let key = AttributeValue::S(format!("REQ#{id}"));
        let operation = token[..8].to_owned();
        let mut link = self.link.clone();
        link.insert("pk".to_owned(), AttributeValue::S(format!("LINK#{token}")));
        link.insert("request_id".to_owned(), AttributeValue::S(id.to_string()));
        let mut request = self.request.clone();
        request.insert("pk".to_owned(), key.clone());
        request.insert("token".to_owned(), AttributeValue::S(token));
        request.insert("created".to_owned(), AttributeValue::S(format!("{now}#{id}")));
        for item in [link, request] {
            let put = self.client.put_item().table_name(local::dynamodb::TABLE_NAME).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)");
            put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await
                .unwrap();
        }
        let number = |number: i64| AttributeValue::N(number.to_string());
        let update = self.client.update_item().table_name(local::dynamodb::TABLE_NAME).key("pk", key);
        let update = update
            .update_expression(
                "SET #status = :canceled, #version = :two, history = list_append(history, :entries), \
                 updated_at = :now, #ttl = :ttl ADD operations :operations REMOVE due_shard",
            )
            .condition_expression("#status = :sent AND due_at > :now AND updated_at <= :now")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":canceled", AttributeValue::S("canceled".to_owned()))
            .expression_attribute_values(":sent", AttributeValue::S("sent".to_owned()))
            .expression_attribute_values(":two", number(2))
            .expression_attribute_values(":entries", AttributeValue::L(vec![self.entry.clone()]))
            .expression_attribute_values(":now", number(now.as_milliseconds()))
            .expression_attribute_values(":ttl", number(now.as_milliseconds() / 1_000 + 31_536_000))
            .expression_attribute_values(":operations", AttributeValue::Ss(vec![operation]))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        update.send().await.unwrap();
    }
}
