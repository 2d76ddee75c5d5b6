//! The cost of every path of a payment request, in what AWS charges for: measured counts, their upper bounds, and
//! dollars.

mod bounds;
mod meter;
mod prices;

pub use bounds::{BOUNDS, DOLLARS_OF_A_PAID_LIFE, DOLLARS_OF_LOOKS};
pub use prices::{Prices, Region};

use std::iter::Sum;
use std::ops::{Add, Mul};

/// What AWS charges for, and how often it is used. All of these are counts of one run, or sums and multiples of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// The requests to the HTTP API.
    pub api_requests: f64,
    /// The calls to DynamoDB.
    pub calls: f64,
    /// The units that these calls read, as DynamoDB reports them for the tables and their indexes.
    pub read_units: f64,
    /// The units that these calls write.
    pub write_units: f64,
    /// The events that are put on the bus.
    pub events: f64,
    /// The requests to the queue of webhooks, whoever makes them.
    pub queue_requests: f64,
    /// The invocations of functions, those behind the stream, the bus and the queue included.
    pub invocations: f64,
    /// The messages over `WebSocket`s, in both directions, of at most 32 KB.
    pub messages: f64,
}

impl Cost {
    /// Builds a cost from its counts, in the order of [`Self::counts`].
    #[must_use]
    pub const fn of(counts: [f64; 8]) -> Self {
        let [api_requests, calls, read_units, write_units, events, queue_requests, invocations, messages] = counts;
        Self { api_requests, calls, read_units, write_units, events, queue_requests, invocations, messages }
    }

    /// Returns every count with its name.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, f64); 8] {
        [
            ("api_requests", self.api_requests),
            ("dynamodb_calls", self.calls),
            ("read_units", self.read_units),
            ("write_units", self.write_units),
            ("events", self.events),
            ("queue_requests", self.queue_requests),
            ("invocations", self.invocations),
            ("messages", self.messages),
        ]
    }

    /// Returns the names of the counts that are greater than those of `bound`.
    #[must_use]
    pub fn above(&self, bound: &Self) -> Vec<&'static str> {
        let both = self.counts().into_iter().zip(bound.counts());
        both.filter(|((_, count), (_, most))| count > most).map(|((name, _), _)| name).collect()
    }

    /// Returns the dollars of a million times this, without Lambda.
    #[must_use]
    pub fn dollars_without_lambda(&self, region: &Region) -> f64 {
        self.api_requests * region.api_request
            + self.read_units * region.read_unit
            + self.write_units * region.write_unit
            + self.events * region.event
            + self.queue_requests * region.queue_request
            + self.messages * region.socket_message
    }

    /// Returns the dollars of the invocations of a million times this, without those of their duration.
    #[must_use]
    pub fn dollars_of_invocations(&self, region: &Region) -> f64 {
        self.invocations * region.invocation
    }

    /// Returns the dollars of a million times this if every invocation lasted for ten milliseconds. They are an example
    /// and part of no sum: a time cannot be held by a test.
    #[must_use]
    pub fn dollars_of_ten_milliseconds(&self, region: &Region) -> f64 {
        self.invocations * 0.01 * memory_in_gigabytes() * region.gigabyte_second
    }

    /// Returns the dollars of a million times this, with those of the invocations.
    #[must_use]
    pub fn dollars(&self, region: &Region) -> f64 {
        self.dollars_without_lambda(region) + self.dollars_of_invocations(region)
    }

    fn with(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let mut counts = [0.0; 8];
        for (count, ((_, one), (_, two))) in counts.iter_mut().zip(self.counts().into_iter().zip(other.counts())) {
            *count = combine(one, two);
        }
        Self::of(counts)
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, |one, two| one + two)
    }
}

impl Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        self.with(self, |one, _| one * times)
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// The measured cost of every path, by its name in [`BOUNDS`].
pub struct Costs(Vec<(&'static str, Cost)>);

impl Costs {
    /// Measures every path once, with the real handlers over an embedded DynamoDB.
    pub async fn measure() -> Self {
        Self(Box::pin(meter::measure()).await)
    }

    /// Returns all of them, in the order in which they were measured.
    #[must_use]
    pub fn all(&self) -> &[(&'static str, Cost)] {
        &self.0
    }

    /// Returns the cost of the path with this name.
    ///
    /// # Panics
    /// Panics if no path has that name.
    #[must_use]
    pub fn of(&self, path: &str) -> Cost {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.unwrap_or_else(|| panic!("the path {path:?} was not measured")).1
    }

    /// Returns the cost of an ordinary life: created, looked at, clicked, paid, and the customer comes back.
    #[must_use]
    pub fn paid_life(&self) -> Cost {
        let parts = ["create, with Idempotency-Key", "page of the link", "click", "pay", "page of a paid request"];
        parts.map(|part| self.of(part)).into_iter().sum()
    }
}

/// A page that somebody keeps open, and what it asks in an hour.
pub struct OpenPage {
    /// What is open.
    pub name: &'static str,
    /// How many milliseconds are between two questions.
    pub every: f64,
    /// The paths of each question.
    pub paths: &'static [&'static str],
    /// How many minutes of an hour it has a `WebSocket`.
    pub connected_minutes: f64,
}

impl OpenPage {
    /// Returns every page, with the pauses that its script has.
    #[must_use]
    pub fn all() -> [Self; 4] {
        let (live, agent, list) = (
            include_str!("../../../functions/desk/assets/shared/live.js"),
            include_str!("../../../functions/desk/assets/agent/requests.js"),
            include_str!("../../../functions/desk/assets/supervisor/list.js"),
        );
        let supervisor = &["report, of a day with 100 requests", "list of a supervisor, 25 of the workspace"];
        let page = |name, every, paths| Self { name, every, paths, connected_minutes: 0.0 };
        [
            Self {
                name: "any page, with live updates",
                every: constant(live, "PING"),
                paths: &["live updates: a ping"],
                connected_minutes: 60.0,
            },
            page(
                "without: the desk, while one of 20 requests can change and none does",
                constant(agent, "RARELY"),
                &["list of an agent, 20"],
            ),
            page("without: the supervisor's page, while something changes", constant(list, "SOON"), supervisor),
            page("without: the supervisor's page, while nothing changes", constant(list, "SLOWEST"), supervisor),
        ]
    }

    /// Returns how often the page asks in an hour.
    #[must_use]
    pub fn questions(&self) -> f64 {
        3_600_000.0 / self.every
    }

    /// Returns the dollars of a million hours.
    #[must_use]
    pub fn dollars(&self, costs: &Costs, region: &Region) -> f64 {
        self.hour(costs).dollars(region) + self.connected_minutes * region.socket_minute
    }

    /// Returns the cost of an hour, without that of the connection.
    #[must_use]
    pub fn hour(&self, costs: &Costs) -> Cost {
        self.paths.iter().map(|path| costs.of(path)).sum::<Cost>() * self.questions()
    }
}

/// Returns the memory of the functions, which is in the template.
fn memory_in_gigabytes() -> f64 {
    let template = include_str!("../../../infra/template.yaml");
    let memory = template.split("\n    MemorySize: ").nth(1).and_then(|rest| rest.lines().next());
    memory.unwrap().parse::<f64>().unwrap() / 1_024.0
}

/// Returns the value of a numeric constant of a script.
fn constant(script: &str, name: &str) -> f64 {
    let value = script.split(&format!("\nconst {name} = ")).nth(1).and_then(|rest| rest.split(';').next());
    let value = value.unwrap_or_else(|| panic!("the script has no constant {name}")).replace('_', "");
    value.split(" * ").map(|factor| factor.parse::<f64>().unwrap()).product()
}
