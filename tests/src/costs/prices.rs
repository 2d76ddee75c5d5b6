//! AWS's prices, from `tests/benches/prices.json`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The prices of some regions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The month for which they hold, as `yyyy-mm`.
    pub as_of: String,
    /// What the numbers are.
    pub unit: String,
    /// The page of each price.
    pub sources: BTreeMap<String, String>,
    /// The prices, by region.
    pub regions: BTreeMap<String, Region>,
}

/// The prices of one region, in dollars per million.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// A request to an HTTP API, of at most 512 KB.
    pub api_request: f64,
    /// A read request unit of DynamoDB, on demand.
    pub read_unit: f64,
    /// A write request unit of DynamoDB, on demand.
    pub write_unit: f64,
    /// A custom event of EventBridge, of at most 64 KB.
    pub event: f64,
    /// A request to a standard queue of SQS, of at most 64 KB.
    pub queue_request: f64,
    /// A message over a `WebSocket`, of at most 32 KB.
    pub socket_message: f64,
    /// A minute of an open `WebSocket`.
    pub socket_minute: f64,
    /// An invocation of Lambda.
    pub invocation: f64,
    /// A gigabyte-second of Lambda on arm64.
    pub gigabyte_second: f64,
}

impl Prices {
    /// Reads the file.
    #[must_use]
    pub fn read() -> Self {
        serde_json::from_str(include_str!("../../benches/prices.json")).unwrap()
    }

    /// Returns the prices of the region that the figures are for.
    #[must_use]
    pub fn usual(&self) -> &Region {
        &self.regions["us-east-1"]
    }
}
