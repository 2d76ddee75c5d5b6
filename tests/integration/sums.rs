//! A report of closed hours and days is read from their sums, and equals the sum over the requests.

use adapters::dynamodb::stream::{records, request_of_image};
use adapters::{DynamoDbStore, SumsTable};
use domain::ports::{Inserted, Inserts as _, Keeping, Kept, KeptSums as _, Position};
use domain::sums::{AgentSums, Cell, MadeSums, Period};
use domain::use_cases::report::{Report, Sum, Tally, report};
use domain::use_cases::sums::Summing;
use domain::{
    Agent, Amount, Caller, Clock, Customer, Details, Doors, Identity, LinkToken, Metadata, Money, OperationId,
    PaymentRequest, PaymentRequestId, Phone, Sender, Status, Timestamp, WorkspaceId,
};
use dynoxide::{AttributeValue, Item};
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use sum_reports::{Options, sum_reports};
use tests::SetClock;
use tests::bus::Bus;
use tests::handlers::Handlers;
use tests::proxy::{Call, Fault, read_units, reads_and_writes, write_units};
use tests::stored::Stored;
use tests::stream::Stream;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// When the tests begin: in the middle of an hour, of a day and of a month.
const NOW: &str = "2026-01-20T12:34:56.789Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A table with its stream, and `publish` behind it, at a time that the test sets.
struct World {
    handlers: Arc<Handlers>,
    clock: SetClock,
    /// Calls the database without the proxy.
    direct: Environment,
    stream: Stream,
    bus: Bus,
    publish: Box<dyn Function>,
    /// The records that `publish` has not been handed yet.
    pending: Vec<Value>,
    /// The requests by their items' keys, as the stream says that they are stored. Unreadable ones are absent.
    requests: BTreeMap<String, PaymentRequest>,
}

impl World {
    async fn start() -> Self {
        let usual = Handlers::start().await;
        let clock = SetClock::default();
        clock.set(at(NOW));
        let handlers = usual.with_clock(clock.clone());
        let bus = Bus::start().await;
        let direct = handlers.environment().clone().with("AWS_ENDPOINT_URL_DYNAMODB", &handlers.database.url);
        Self {
            stream: Stream::at_its_start(&handlers),
            publish: bus.publisher(handlers.environment()),
            handlers,
            clock,
            direct,
            bus,
            pending: Vec::new(),
            requests: BTreeMap::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, time: Duration) {
        self.clock.set(self.now().saturating_add(time));
    }

    fn store(&self) -> DynamoDbStore {
        DynamoDbStore::new(&self.direct).unwrap()
    }

    fn sums(&self) -> SumsTable {
        SumsTable::new(&self.direct).unwrap()
    }

    /// Stores a request of a workspace that was created at this time and then went through these statuses.
    async fn add(&self, workspace: &str, agent: (&str, &str), created_at: Timestamp, money: (i64, &str)) -> String {
        let details = Details {
            order_number: "10045".parse().unwrap(),
            money: Money { amount: Amount::new(money.0).unwrap(), currency: money.1.parse().unwrap() },
            customer: Customer { phone: Phone::parse("+27831234567").unwrap(), name: None, email: None },
            description: None,
            conversation_id: None,
            metadata: Metadata::default(),
        };
        let doors = Doors::default();
        let agent = Agent { id: agent.0.parse().unwrap(), name: agent.1.parse().unwrap() };
        let request = PaymentRequest::new(
            PaymentRequestId::new(&doors).unwrap(),
            Sender::of_agent(workspace.parse().unwrap(), agent),
            details,
            LinkToken::random(&doors).unwrap(),
            created_at,
            Duration::from_mins(5),
            OperationId::random(&doors).unwrap(),
        );
        assert_eq!(self.store().insert(&request).await.unwrap(), Inserted::New);
        request.id.to_string()
    }

    /// Changes the item of a request as a write of ours does, or as a person's.
    fn change(&self, id: &str, change: impl FnOnce(&mut Item)) {
        let database = &self.handlers.database.database;
        let (table, key) = (local::dynamodb::TABLE_NAME, json!({ "pk": { "S": format!("REQ#{id}") } }));
        let get = json!({ "TableName": table, "Key": key });
        let mut item = database.get_item(serde_json::from_value(get).unwrap()).unwrap().item.unwrap();
        change(&mut item);
        let put = json!({ "TableName": table, "Item": item });
        database.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }

    /// Stores a copy of a request that was created at another time of the same month, and returns its id.
    fn copy(&self, id: &str, created_at: Timestamp) -> String {
        let copied = PaymentRequestId::new(&Doors::default()).unwrap().to_string();
        self.change(id, |item| {
            item.insert("pk".to_owned(), AttributeValue::S(format!("REQ#{copied}")));
            item.insert("created".to_owned(), AttributeValue::S(format!("{created_at}#{copied}")));
        });
        copied
    }

    fn set_status(&self, id: &str, status: &str) {
        let at = self.now().as_milliseconds().to_string();
        self.change(id, |item| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            item.insert("status".to_owned(), text(status));
            let entry = [("status", text(status)), ("actor", text("system")), ("at", AttributeValue::N(at))];
            let entry = entry.map(|(name, value)| (name.to_owned(), value));
            let Some(AttributeValue::L(history)) = item.get_mut("history") else { panic!("no history") };
            // What came before makes no difference to a report, but for a click.
            history.truncate(2);
            history.push(AttributeValue::M(entry.into_iter().collect()));
        });
    }

    /// Gives a request a status that this version does not know.
    fn spoil(&self, id: &str) {
        self.change(id, |item| {
            item.insert("status".to_owned(), AttributeValue::S("disputed".to_owned()));
        });
    }

    fn delete(&self, id: &str) {
        let key = json!({ "pk": { "S": format!("REQ#{id}") } });
        let delete = json!({ "TableName": local::dynamodb::TABLE_NAME, "Key": key });
        self.handlers.database.database.delete_item(serde_json::from_value(delete).unwrap()).unwrap();
    }

    /// Hands all records that are pending to `publish`. Returns the sequence number from which they come again.
    async fn deliver(&mut self) -> Option<String> {
        self.take_records();
        let failed = self.hand_over(&self.pending).await;
        if failed.is_none() {
            self.pending.clear();
        }
        failed
    }

    /// Takes what is new in the stream, which returns a limited number of records at once.
    fn take_records(&mut self) {
        let mut new = self.stream.next(&self.handlers);
        loop {
            let more = self.stream.next(&self.handlers);
            if more.is_empty() {
                break;
            }
            new.extend(more);
        }
        let event = json!({ "Records": new });
        for (record, raw) in records(&event.to_string()).unwrap().unwrap().into_iter().zip(&new) {
            let key = raw["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
            match request_of_image(record.new_image) {
                Ok(Some(request)) => self.requests.insert(key, request),
                Ok(None) | Err(_) => self.requests.remove(&key),
            };
        }
        self.pending.extend(new);
    }

    async fn hand_over(&self, records: &[Value]) -> Option<String> {
        let answer = self.publish.invoke(&json!({ "Records": records }).to_string()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        Some(answer["batchItemFailures"].get(0)?["itemIdentifier"].as_str().unwrap().to_owned())
    }

    /// Returns the report of a workspace, made by the machine with this environment.
    async fn report_by(&self, environment: &Environment, workspace: &str, from: Timestamp, to: Timestamp) -> Report {
        let (store, sums) = (DynamoDbStore::new(environment).unwrap(), SumsTable::new(environment).unwrap());
        report(&store, &sums, &self.clock, self.now(), &supervisor(workspace), (from, to)).await.unwrap()
    }

    async fn report(&self, workspace: &str, from: Timestamp, to: Timestamp) -> Report {
        self.report_by(&self.direct, workspace, from, to).await
    }

    /// Returns the report as it was made before there were sums: of every request, newest first.
    fn sum_of_the_requests(&self, workspace: &str, from: Timestamp, to: Timestamp) -> Report {
        let is_there = |request: &&PaymentRequest| {
            request.workspace.as_str() == workspace && (from..to).contains(&request.created_at)
        };
        let mut requests: Vec<&PaymentRequest> = self.requests.values().filter(is_there).collect();
        requests.sort_by_key(|request| std::cmp::Reverse(Position::after(request)));
        sum_of(&requests, self.now(), from, to)
    }

    /// Asserts that a report equals the sum over the requests.
    async fn assert_exact(&mut self, workspace: &str, from: Timestamp, to: Timestamp) {
        self.take_records();
        let expected = self.sum_of_the_requests(workspace, from, to);
        let found = self.report(workspace, from, to).await;
        assert_eq!(found, expected, "{workspace} from {from} to {to} at {}", self.now());
    }

    /// Returns what is stored about the period of a workspace.
    async fn kept(&self, workspace: &str, period: Period) -> Kept {
        let workspace: WorkspaceId = workspace.parse().unwrap();
        self.sums().read_sums(&workspace, &[period]).await.unwrap().remove(&period).unwrap_or_default()
    }

    async fn has_sums(&self, period: Period) -> bool {
        self.kept("acme", period).await.sums.is_some()
    }
}

fn supervisor(workspace: &str) -> Caller {
    let agent = Agent { id: "sue".parse().unwrap(), name: "Sue".parse().unwrap() };
    Caller { workspace: workspace.parse().unwrap(), identity: Identity::Supervisor(agent) }
}

/// Returns the report on these requests, which are sorted newest first.
fn sum_of(requests: &[&PaymentRequest], now: Timestamp, from: Timestamp, to: Timestamp) -> Report {
    let add = |tally: &mut Tally, request: &PaymentRequest| {
        tally.sent += 1;
        let sum: &mut Sum = tally.statuses.entry(request.status_at(now)).or_default();
        sum.count += 1;
        let money = &request.details.money;
        *sum.value.entry(money.currency.code()).or_default() += money.amount.minor_units();
        tally.clicked += u64::from(request.history.iter().any(|entry| entry.status == Status::Clicked));
    };
    let (mut total, mut days, mut agents) = (Tally::default(), BTreeMap::new(), BTreeMap::new());
    let mut day = from.start_of_day();
    while from < to && day < to {
        days.insert(day, Tally::default());
        day = day.saturating_add(DAY);
    }
    for request in requests {
        add(&mut total, request);
        add(days.entry(request.created_at.start_of_day()).or_default(), request);
        let agent = agents.entry(request.agent.id.clone());
        add(&mut agent.or_insert_with(|| (request.agent.clone(), Tally::default())).1, request);
    }
    let mut agents: Vec<(Agent, Tally)> = agents.into_values().collect();
    agents.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.sent));
    Report { from, to, agents, days, total }
}

/// Pseudo-random numbers from a seed (xorshift), so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// Returns a range that begins and ends at any millisecond, at a half hour, or at a day's beginning elsewhere.
    fn range(&mut self, now: Timestamp, back: Duration) -> (Timestamp, Timestamp) {
        let mut moment = || {
            let before = u64::try_from(back.as_millis()).unwrap();
            let any = now.saturating_add(DAY).saturating_sub(Duration::from_millis(self.below(before)));
            let indian_midnight = any.start_of_day().saturating_sub(HOUR * 5 + MINUTE * 30);
            *self.of(&[
                any,
                any.start_of_hour(),
                any.start_of_hour().saturating_add(MINUTE * 30),
                any.start_of_day(),
                indian_midnight,
            ])
        };
        let (one, other) = (moment(), moment());
        (one.min(other), one.max(other))
    }
}

/// Returns by how many requests two reports may differ at most: the sum of the differences of their counts.
fn distance(one: &Report, other: &Report) -> u64 {
    let count = |report: &Report, status| report.total.statuses.get(&status).map_or(0, |sum| sum.count);
    Status::ALL.into_iter().map(|status| count(one, status).abs_diff(count(other, status))).sum()
}

const STATUSES: [&str; 8] = ["sent", "clicked", "processing", "paid", "canceled", "expired", "refund_due", "refunded"];

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_thousand_changes_and_records_late_repeated_and_reordered_a_report_is_the_sum_of_its_requests() {
    let mut world = World::start().await;
    let mut random = Random(0x5eed_0b5e_55ed);
    let agents = [("alice", "Alice"), ("alice", "Alice B."), ("bob", "Bob"), ("carol", "Carol"), ("bob", "Robert")];
    let moneys = [(25_000, "ZAR"), (700, "JPY"), (99_999_999, "ZAR"), (1, "KWD")];
    let mut requests: Vec<(String, &str)> = Vec::new();
    let mut delivered: Vec<Value> = Vec::new();
    let back = DAY * 5;
    for _ in 0..400 {
        let created_at = world.now().saturating_sub(Duration::from_secs(random.below(back.as_secs())));
        let workspace = *random.of(&["acme", "acme", "other"]);
        let id = world.add(workspace, *random.of(&agents), created_at, *random.of(&moneys)).await;
        requests.push((id, workspace));
    }
    world.deliver().await;
    for number in 0..10_000 {
        world.pass(Duration::from_secs(random.below(20)));
        let place = usize::try_from(random.below(requests.len() as u64)).unwrap();
        let (id, _) = requests[place].clone();
        match random.below(100) {
            0..6 => {
                let workspace = *random.of(&["acme", "other"]);
                let id = world.add(workspace, *random.of(&agents), world.now(), *random.of(&moneys)).await;
                requests.push((id, workspace));
            }
            6..8 => {
                world.delete(&id);
                requests.swap_remove(place);
            }
            8..9 => {
                let then = world.now().saturating_sub(Duration::from_secs(random.below(back.as_secs())));
                let id = world.add("acme", *random.of(&agents), then, *random.of(&moneys)).await;
                requests.push((id, "acme"));
            }
            // A status that this version does not know, until another change.
            9..10 => world.spoil(&id),
            10..20 => world.change(&id, |item| {
                let version = AttributeValue::N((random.below(9) + 1).to_string());
                item.insert("version".to_owned(), version);
            }),
            // When it is deleted, which is far away.
            20..22 => world.change(&id, |item| {
                item.insert("ttl".to_owned(), AttributeValue::N("1900000000".to_owned()));
            }),
            _ => world.set_status(&id, random.of::<&str>(&STATUSES)),
        }
        world.take_records();
        // Some of what is pending arrives, in any order, together with some that has arrived before.
        if random.below(12) == 0 {
            let mut batch = Vec::new();
            for _ in 0..=random.below(20) {
                if !world.pending.is_empty() {
                    let place = usize::try_from(random.below(world.pending.len() as u64)).unwrap();
                    batch.push(world.pending.swap_remove(place));
                }
                if random.below(5) == 0 && !delivered.is_empty() {
                    batch.push(random.of(&delivered).clone());
                }
            }
            assert_eq!(world.hand_over(&batch).await, None);
            delivered.extend(batch);
        }
        if number % 250 == 0 {
            let workspace = *random.of(&["acme", "other"]);
            let (from, to) = random.range(world.now(), DAY * 8);
            let expected = world.sum_of_the_requests(workspace, from, to);
            let found = world.report(workspace, from, to).await;
            let behind = 2 * world.pending.len() as u64;
            assert!(distance(&found, &expected) <= behind, "after {number}: {found:?}, {expected:?}");
        }
        if number % 1_000 == 999 {
            assert_eq!(world.deliver().await, None);
            for workspace in ["acme", "other", "nobody"] {
                let now = world.now();
                world.assert_exact(workspace, now.saturating_sub(DAY * 9), now.saturating_add(DAY)).await;
                let (from, to) = random.range(now, DAY * 8);
                world.assert_exact(workspace, from, to).await;
            }
        }
    }
    // Once nothing is written for a while, everything that can be kept is, and it is still right.
    for _ in 0..10 {
        world.pass(HOUR);
        for workspace in ["acme", "other"] {
            let (from, to) = random.range(world.now(), DAY * 8);
            world.assert_exact(workspace, from, to).await;
            world.assert_exact(workspace, from, to).await;
        }
    }
    assert!(world.bus.accepted().len() > 400, "what was inserted was published, too");
}

/// An agent's hour with two requests that are paid.
async fn paid_hour(world: &World) -> (Period, Vec<String>) {
    let hour = Period::hour_of(at("2026-01-19T10:00:00Z"));
    let mut ids = Vec::new();
    for minutes in [1, 59] {
        let created_at = hour.start().saturating_add(MINUTE * minutes);
        ids.push(world.add("acme", ("alice", "Alice"), created_at, (25_000, "ZAR")).await);
    }
    for id in &ids {
        world.set_status(id, "paid");
    }
    (hour, ids)
}

/// Returns that hour after the time in which an insertion keeps its sums from being kept.
async fn settled(world: &mut World) -> (Period, Vec<String>) {
    let (hour, ids) = paid_hour(world).await;
    world.deliver().await;
    world.pass(MINUTE * 5);
    (hour, ids)
}

#[tokio::test]
async fn sums_are_kept_and_read_in_place_of_their_requests() {
    let mut world = World::start().await;
    let (hour, _) = settled(&mut world).await;
    let day = Period::day_of(hour.start());
    world.assert_exact("acme", day.start(), day.end()).await;
    assert!(world.has_sums(day).await);
    world.handlers.proxy.take_calls();
    let read = async |from, to| {
        world.report_by(world.handlers.environment(), "acme", from, to).await;
        world.handlers.proxy.take_calls()
    };
    let calls = read(day.start(), day.end()).await;
    assert_eq!((reads_and_writes(&calls), read_units(&calls)), ((1, 0), 1.0), "{calls:?}");
    // A range that cuts an hour adds that hour's requests: a key's half a unit for the index, and one for each request.
    let (from, to) = (hour.start().saturating_add(MINUTE * 30), hour.end().saturating_add(HOUR));
    read(from, to).await;
    let calls = read(from, to).await;
    assert_eq!((reads_and_writes(&calls), read_units(&calls)), ((3, 0), 2.5), "{calls:?}");
}

#[tokio::test]
async fn an_hour_is_read_request_by_request_until_it_is_closed() {
    let mut world = World::start().await;
    let hour = Period::hour_of(world.now());
    let id = world.add("acme", ("alice", "Alice"), world.now(), (25_000, "ZAR")).await;
    for (minutes, is_kept) in [(0, false), (34, false), (35, true)] {
        world.clock.set(hour.end().saturating_add(MINUTE * minutes));
        world.assert_exact("acme", hour.start(), hour.end()).await;
        assert_eq!(world.has_sums(hour).await, is_kept, "{minutes} minutes after its end");
        world.set_status(&id, if is_kept { "paid" } else { "clicked" });
        world.deliver().await;
    }
    assert!(!world.has_sums(hour).await, "a late change drops it");
    world.assert_exact("acme", hour.start(), hour.end()).await;
}

#[tokio::test]
async fn a_life_within_its_time_limits_costs_no_call_for_sums_and_a_late_change_one_unit_for_each_period() {
    let mut world = World::start().await;
    world.clock.set(at("2026-01-20T12:59:59.999Z"));
    let (id, token) = world.handlers.sent().await;
    world.clock.set(at("2026-01-20T13:04:59.998Z"));
    assert_eq!(world.handlers.click(&token).await.status, 303);
    world.pass(MINUTE * 15);
    assert_eq!(world.handlers.pay(&id, world.now().saturating_sub(MINUTE)).await.status, 200);
    world.handlers.proxy.take_calls();
    assert_eq!(world.deliver().await, None);
    assert_eq!(world.handlers.proxy.take_calls(), []);
    // Another attempt and a fact change nothing that a report shows.
    world.pass(DAY * 2);
    world.change(&id, |item| {
        item.insert("version".to_owned(), AttributeValue::N("9".to_owned()));
    });
    assert_eq!(world.deliver().await, None);
    assert_eq!(world.handlers.proxy.take_calls(), []);
    // A batch of many changes drops the hour and the day once each.
    for status in ["refund_due", "refunded", "refund_due"] {
        world.set_status(&id, status);
    }
    assert_eq!(world.deliver().await, None);
    let calls = world.handlers.proxy.take_calls();
    assert_eq!((reads_and_writes(&calls), write_units(&calls)), ((0, 2), 2.0), "{calls:?}");
    let is_of_sums = |call: &Call| call.table == local::dynamodb::SUMS_TABLE_NAME;
    assert!(calls.iter().all(is_of_sums));
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_that_were_dropped_while_they_were_made_are_not_kept() {
    for lost in [false, true] {
        let mut world = World::start().await;
        let (hour, ids) = settled(&mut world).await;
        let environment = world.handlers.environment().clone();
        // With a lost answer, the sums are kept at first, and the repetition of the write meets the drop.
        let held = world.handlers.proxy.hold_write_after(usize::from(lost));
        if lost {
            world.handlers.proxy.fail_next_writes(&[Fault::AnswerLost]);
        }
        let publish = world.bus.publisher(&world.direct);
        let reporting = world.report_by(&environment, "acme", hour.start(), hour.end());
        let dropping = async {
            held.arrived().await;
            world.set_status(&ids[0], "refund_due");
            let records = Stream::at_its_start(&world.handlers).next(&world.handlers);
            let last = records.last().unwrap();
            publish.invoke(&json!({ "Records": [last] }).to_string()).await.unwrap();
            held.release();
        };
        tokio::join!(reporting, dropping);
        assert!(!world.has_sums(hour).await, "lost answer: {lost}");
        world.assert_exact("acme", hour.start(), hour.end()).await;
        world.deliver().await;
        world.assert_exact("acme", hour.start(), hour.end()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_the_same_sums_the_later_one_does_no_harm() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    let held = world.handlers.proxy.hold_write_after(0);
    let environment = world.handlers.environment().clone();
    let slow = world.report_by(&environment, "acme", hour.start(), hour.end());
    let quick = async {
        held.arrived().await;
        world.set_status(&ids[0], "refund_due");
        let found = world.report("acme", hour.start(), hour.end()).await;
        held.release();
        found
    };
    let (old, new) = tokio::join!(slow, quick);
    assert_ne!(old, new);
    // Whichever was kept last: the record of the change drops it.
    world.deliver().await;
    world.assert_exact("acme", hour.start(), hour.end()).await;
    assert!(world.has_sums(hour).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_made_between_the_drops_of_its_hour_and_of_itself_is_right() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    let day = Period::day_of(hour.start());
    world.assert_exact("acme", day.start(), day.end()).await;
    // Somebody reads a part of the day, so that its hours are kept.
    world.assert_exact("acme", day.start(), day.end().saturating_sub(HOUR)).await;
    world.set_status(&ids[0], "refund_due");
    // The second of the two drops is held.
    let held = world.handlers.proxy.hold_write_after(1);
    world.take_records();
    let records = std::mem::take(&mut world.pending);
    let dropping = world.hand_over(&records);
    let reporting = async {
        held.arrived().await;
        // Somebody has lost the day's sums, and makes them of the hours.
        let workspace: WorkspaceId = "acme".parse().unwrap();
        world.sums().drop_sums(&workspace, day, false).await.unwrap();
        let expected = world.sum_of_the_requests("acme", day.start(), day.end());
        assert_eq!(world.report("acme", day.start(), day.end()).await, expected);
        held.release();
    };
    let (failed, ()) = tokio::join!(dropping, reporting);
    assert_eq!(failed, None);
    world.assert_exact("acme", day.start(), day.end()).await;
}

#[tokio::test]
async fn a_drop_that_fails_comes_again_and_events_before_it_are_published() {
    for passing in [0, 1] {
        let mut world = World::start().await;
        let (hour, ids) = settled(&mut world).await;
        let day = Period::day_of(hour.start());
        world.assert_exact("acme", day.start(), day.end()).await;
        world.bus = Bus::start().await;
        world.publish = world.bus.publisher(world.handlers.environment());
        let (fresh, token) = world.handlers.sent().await;
        assert_eq!(world.handlers.click(&token).await.status, 303);
        world.set_status(&ids[0], "refund_due");
        // Every attempt of one call fails: that of the hour, or that of the day.
        let faults = [vec![Fault::None; passing], vec![Fault::RequestLost; 4]].concat();
        world.handlers.proxy.fail_next_writes(&faults);
        let failed = world.deliver().await.expect("a failed drop");
        assert_eq!(world.handlers.proxy.faults_left(), 0);
        let last = world.pending.last().unwrap();
        assert_eq!(last["dynamodb"]["SequenceNumber"], failed.as_str());
        let published = world.bus.accepted();
        assert!(!published.is_empty() && published.iter().all(|entry| entry["Detail"]["id"] == fresh.as_str()));
        assert_eq!(world.deliver().await, None);
        world.assert_exact("acme", day.start(), day.end()).await;
    }
}

#[tokio::test]
async fn a_drop_that_is_refused_holds_no_event_up() {
    let mut world = World::start().await;
    let (_, ids) = settled(&mut world).await;
    let before = world.bus.accepted().len();
    world.publish = world.bus.publisher(&world.handlers.environment().clone().with("SUMS_TABLE_NAME", "none"));
    world.set_status(&ids[0], "refund_due");
    let (fresh, _) = world.handlers.sent().await;
    assert_eq!(world.deliver().await, None);
    let published = world.bus.accepted().split_off(before);
    let of = |id: &str| published.iter().filter(|entry| entry["Detail"]["id"] == id).count();
    assert_eq!((of(&ids[0]) > 0, of(&fresh)), (true, 1), "{published:?}");
}

#[tokio::test]
async fn sums_with_a_request_that_cannot_be_read_are_not_kept() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    let day = Period::day_of(hour.start());
    world.assert_exact("acme", day.start(), day.end()).await;
    world.assert_exact("acme", hour.start(), hour.end()).await;
    for is_kept in [false, true] {
        if is_kept {
            world.set_status(&ids[0], "paid");
        } else {
            world.spoil(&ids[0]);
        }
        world.deliver().await;
        world.report("acme", hour.start(), hour.end()).await;
        let report = world.report("acme", day.start(), day.end()).await;
        assert_eq!(report.total.sent, 1 + u64::from(is_kept));
        assert_eq!([world.has_sums(hour).await, world.has_sums(day).await], [is_kept; 2]);
    }
}

#[tokio::test]
async fn sums_are_not_used_any_more_once_a_request_may_be_deleted() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    let day = Period::day_of(hour.start());
    let ends = world.now().saturating_add(DAY).start_of_hour();
    world.change(&ids[0], |item| {
        item.insert("ttl".to_owned(), AttributeValue::N((ends.as_milliseconds() / 1_000).to_string()));
    });
    world.deliver().await;
    world.assert_exact("acme", day.start(), day.end()).await;
    assert_eq!(world.kept("acme", day).await.valid_until, Some(ends));
    world.clock.set(ends);
    // It stays stored for a while, in no report, and what is left can be kept.
    assert_eq!(world.report("acme", day.start(), day.end()).await.total.sent, 1);
    assert_eq!(world.kept("acme", day).await.valid_until, None, "the sums were made again");
    assert!(world.has_sums(day).await);
    // The time to live removes it, which `publish` is not told.
    world.delete(&ids[0]);
    world.assert_exact("acme", day.start(), day.end()).await;
}

#[tokio::test]
async fn the_sums_of_a_request_whose_deadline_is_still_to_come_are_good_until_then() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    // A longer time limit was in force when it was sent.
    let deadline = world.now().saturating_add(HOUR);
    world.change(&ids[0], |item| {
        item.insert("status".to_owned(), AttributeValue::S("sent".to_owned()));
        item.insert("due_at".to_owned(), AttributeValue::N(deadline.as_milliseconds().to_string()));
    });
    world.deliver().await;
    for _ in 0..3 {
        world.assert_exact("acme", hour.start(), hour.end()).await;
        assert!(world.has_sums(hour).await);
        world.pass(HOUR);
    }
}

#[tokio::test]
async fn for_a_while_after_an_insertion_into_a_closed_hour_its_sums_are_not_kept() {
    let mut world = World::start().await;
    let (hour, _) = paid_hour(&world).await;
    let day = Period::day_of(hour.start());
    world.deliver().await;
    for (minutes, is_kept) in [(0, false), (4, false), (1, true)] {
        world.pass(MINUTE * minutes);
        world.assert_exact("acme", hour.start(), hour.end()).await;
        world.assert_exact("acme", day.start(), day.end()).await;
        assert_eq!([world.has_sums(hour).await, world.has_sums(day).await], [is_kept; 2], "{minutes}");
    }
}

#[tokio::test]
async fn sums_of_another_form_are_made_again() {
    let mut world = World::start().await;
    let (hour, _) = settled(&mut world).await;
    world.assert_exact("acme", hour.start(), hour.end()).await;
    let update = world.handlers.database_client().update_item().table_name(local::dynamodb::SUMS_TABLE_NAME);
    let text = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let update = update.key("workspace", text("acme".to_owned())).key("period", text(hour.to_string()));
    let update = update.update_expression("SET sums = :sums");
    let other = r#"{"form":2,"agents":{}}"#.to_owned();
    update.expression_attribute_values(":sums", text(other)).send().await.unwrap();
    assert!(!world.has_sums(hour).await);
    world.assert_exact("acme", hour.start(), hour.end()).await;
    assert!(world.has_sums(hour).await);
}

/// A clock that is a second later each time that somebody looks.
struct Ticking(Arc<AtomicI64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(self.0.fetch_add(1_000, Ordering::SeqCst)).unwrap()
    }
}

#[tokio::test]
async fn a_report_that_takes_too_long_is_answered_503_and_the_next_one_goes_on() {
    let mut world = World::start().await;
    settled(&mut world).await;
    let ticking = Ticking(Arc::new(AtomicI64::new(world.now().as_milliseconds())));
    let slow = world.handlers.with_clock(ticking);
    let address = "/reports/agents?from=2026-01-18T01:00:00Z&to=2026-01-19T23:00:00Z";
    let (mut made, mut answers) = (0, 0);
    let last = loop {
        world.handlers.proxy.take_calls();
        let answer = slow.read(address, "supervisor").await;
        let calls = world.handlers.proxy.take_calls();
        let kept = calls.iter().filter(|call| call.is_write()).count();
        made += kept;
        if answer.status == 200 {
            break answer;
        }
        assert_eq!((answer.status, answer.code()), (503, "temporarily_unavailable"), "{answer:?}");
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(kept > 0, "each report goes on from where the one before it stopped");
        answers += 1;
    };
    assert!(answers > 2, "{answers}");
    assert_eq!(made, 46, "each hour is made once");
    assert_eq!(last.body["total"]["sent"], 2);
}

#[tokio::test]
async fn a_first_report_over_large_days_keeps_what_it_began_when_its_time_is_over() {
    let world = World::start().await;
    let (first, days) = (at("2026-01-05"), 3);
    let last = first.saturating_add(DAY * days);
    Stored::new().await.add(&world.handlers.database.database, 3_150, first, last);
    let (workspace, store, kept) = ("acme".parse().unwrap(), world.store(), world.sums());
    let periods: Vec<Period> = (0..days).map(|day| Period::day_of(first.saturating_add(DAY * day))).collect();
    let summing = Summing { lists: &store, kept: &kept, workspace: &workspace, now: world.now() };
    let (mut rounds, mut before) = (0, usize::MAX);
    loop {
        let steps = AtomicI64::new(10);
        let summed = summing.sums(&periods, &|| steps.fetch_sub(1, Ordering::SeqCst) > 0).await.unwrap();
        if summed.progress.left == 0 {
            break;
        }
        rounds += 1;
        let mut missing = 0;
        for hour in periods.iter().flat_map(|day| day.hours()) {
            missing += usize::from(!world.has_sums(hour).await);
        }
        assert!(missing < before, "round {rounds} made nothing that is kept: {missing} hours are missing");
        before = missing;
    }
    assert!(rounds > 5, "{rounds}");
    let report = world.report("acme", first, last).await;
    assert_eq!(report.total.sent, 3_150);
    for day in periods {
        assert!(world.has_sums(day).await, "{day}");
    }
}

#[tokio::test]
async fn the_report_of_92_days_by_50_agents_takes_less_than_500_read_units() {
    let mut world = World::start().await;
    let sums = world.sums();
    let workspace: WorkspaceId = "acme".parse().unwrap();
    let last = Period::day_of(at("2026-01-19"));
    let mut made = MadeSums::default();
    for number in 0_u128..50 {
        // A million requests in 92 days are 217 a day of each agent.
        let mut agent = AgentSums { clicked: 150, ..AgentSums::new(format!("Agent Number {number}").parse().unwrap()) };
        let cells = Status::ALL.map(|status| (status, Cell { count: 27, value: 2_700_000 }));
        agent.cells.insert("ZAR", cells.into_iter().collect());
        let id = uuid::Uuid::from_u128(number << 64 | 0xfedc_ba98_7654_3210_u128).to_string();
        made.sums.agents.insert(id.parse().unwrap(), agent);
    }
    for days in 0..92 {
        let day = Period::day_of(last.start().saturating_sub(DAY * days));
        let kept = sums.keep_sums(&workspace, day, &Kept::default(), &made).await.unwrap();
        assert_eq!(kept, Keeping::Kept);
    }
    world.deliver().await;
    world.handlers.proxy.take_calls();
    let (from, to) = (last.end().saturating_sub(DAY * 92), last.end());
    let address = format!("/reports/agents?from={from}&to={to}&include=clicks,days");
    let answer = world.handlers.read(&address, "supervisor").await;
    assert_eq!(answer.body["total"]["sent"], 92 * 50 * 8 * 27, "{answer:?}");
    let calls = world.handlers.proxy.take_calls();
    assert_eq!(reads_and_writes(&calls), (1, 0), "{calls:?}");
    assert!(read_units(&calls) < 500.0, "{calls:?}");
}

#[tokio::test]
async fn sums_larger_than_an_item_may_be_are_not_kept() {
    let world = World::start().await;
    let workspace: WorkspaceId = "acme".parse().unwrap();
    let mut made = MadeSums::default();
    for number in 0..1_500 {
        let agent = AgentSums::new("n".repeat(200).parse().unwrap());
        made.sums.agents.insert(format!("agent-{number}").parse().unwrap(), agent);
    }
    let day = Period::day_of(at("2026-01-19"));
    let kept = world.sums().keep_sums(&workspace, day, &Kept::default(), &made).await.unwrap();
    assert_eq!((kept, world.has_sums(day).await), (Keeping::TooLarge, false));
}

#[tokio::test]
async fn a_day_with_more_requests_than_one_read_returns_is_made_of_its_hours_and_a_late_change_reads_one_hour_again() {
    let mut world = World::start().await;
    let day = Period::day_of(at("2026-01-19"));
    let first = world.add("acme", ("alice", "Alice"), day.start(), (25_000, "ZAR")).await;
    world.set_status(&first, "paid");
    let mut last = first.clone();
    for number in 1..1_200 {
        last = world.copy(&first, day.start().saturating_add(Duration::from_secs(72 * number)));
    }
    let kept = async |world: &World| {
        let mut kept = 0;
        for hour in day.hours() {
            kept += usize::from(world.has_sums(hour).await);
        }
        (kept, world.has_sums(day).await)
    };
    world.deliver().await;
    world.pass(MINUTE * 5);
    world.assert_exact("acme", day.start(), day.end()).await;
    assert_eq!(kept(&world).await, (24, true));
    world.set_status(&last, "refund_due");
    world.deliver().await;
    assert_eq!(kept(&world).await, (23, false));
    world.handlers.proxy.take_calls();
    world.report_by(world.handlers.environment(), "acme", day.start(), day.end()).await;
    let calls = world.handlers.proxy.take_calls();
    // The day, its 24 hours, and one hour's 50 requests.
    assert!(read_units(&calls) < 1.0 + 24.0 + 52.0, "{calls:?}");
    assert_eq!((reads_and_writes(&calls).1, kept(&world).await), (2, (24, true)), "{calls:?}");
    world.assert_exact("acme", day.start(), day.end()).await;
}

#[tokio::test]
async fn the_command_makes_the_sums_of_past_days_once_unless_it_is_to_make_them_again() {
    let mut world = World::start().await;
    let (hour, ids) = settled(&mut world).await;
    let day = Period::day_of(hour.start());
    let from = day.start().saturating_sub(DAY * 2);
    let mut options =
        Options { workspace: "acme".parse().unwrap(), from, to: world.now().saturating_add(DAY), again: false };
    let run = async |options: &Options| {
        let mut made = 0;
        let days = sum_reports(&world.direct, options, &mut |_, progress| made += progress.made).await.unwrap();
        (days, made)
    };
    assert_eq!(run(&options).await, (3, 3), "today is not over");
    assert_eq!(run(&options).await, (3, 0));
    // A record of the stream was lost.
    world.set_status(&ids[0], "refund_due");
    options.again = true;
    assert_eq!(run(&options).await, (3, 3));
    world.assert_exact("acme", from, world.now()).await;
}
