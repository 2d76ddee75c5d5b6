//! The table of the sums that reports are made of: one item for each closed hour and day of a workspace.
//!
//! It is apart from that of the payment requests, whose stream every write here would reach, and it holds nothing that
//! cannot be made again.

use crate::aws::{ATTEMPTS, INITIAL_BACKOFF, client_config};
use crate::dynamodb::{Batch, KEYS_AT_MOST, store_error};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, Config};
use domain::ports::{Keeping, Kept, KeptSums, StoreError};
use domain::sums::{AgentSums, Cell, MadeSums, Period, Sums};
use domain::{AgentId, Currency, Doors, Status, Timestamp, WorkspaceId};
use futures::future::try_join_all;
use runtime::{ConfigError, Environment};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::time::Duration;

/// How long an item is kept after its sums were made or dropped. Somebody who asks for them later makes them again.
const KEPT: Duration = Duration::from_hours(400 * 24);

/// The greatest length of the text of sums, in bytes. An item may have 400 KB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>), and whoever reads a day of
/// this size still reads less than its requests.
const TEXT_AT_MOST: usize = 300_000;

/// The form of the text. A text of another form is ignored, and the sums are made again.
const FORM: u32 = 1;

type Item = HashMap<String, AttributeValue>;

/// The table of sums.
#[derive(Debug, Clone)]
pub struct SumsTable {
    config: Config,
    /// Made at the first call. Most instances of `publish` and `query` never need it, and its making is a fifth of
    /// their start.
    client: OnceLock<Client>,
    table: String,
    doors: Doors,
}

impl SumsTable {
    /// Builds the table from the environment: `SUMS_TABLE_NAME` in `AWS_REGION`, with the endpoint
    /// `AWS_ENDPOINT_URL_DYNAMODB` if that is set.
    ///
    /// # Errors
    /// A variable is missing or invalid.
    pub fn new(environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            config: client_config!(aws_sdk_dynamodb, environment, DYNAMODB),
            client: OnceLock::new(),
            table: environment.require("SUMS_TABLE_NAME")?.to_owned(),
            doors: environment.doors(),
        })
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::from_conf(self.config.clone()))
    }

    /// Starts an update of a period's item, which is kept for another while.
    fn update(&self, workspace: &WorkspaceId, period: Period) -> UpdateItemFluentBuilder {
        let kept_until = self.doors.now().saturating_add(KEPT).as_seconds_ceiling();
        self.client()
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(workspace, period)))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", number(&kept_until))
    }

    /// Reads the items of some of the periods, at most as many as a batch may have.
    async fn batch(&self, workspace: &WorkspaceId, periods: &[Period]) -> Result<Vec<(Period, Kept)>, StoreError> {
        let batch = Batch {
            client: self.client(),
            table: &self.table,
            doors: &self.doors,
            attempts: ATTEMPTS,
            initial_backoff: INITIAL_BACKOFF,
        };
        let items = batch.read(periods.iter().map(|period| key(workspace, *period)).collect()).await?;
        Ok(items.iter().filter_map(|item| Some((item.get("period")?.as_s().ok()?.parse().ok()?, kept(item)))).collect())
    }
}

impl KeptSums for SumsTable {
    /// The reads are consistent. An old item would be no more wrong than an index that lags behind, but nobody could
    /// say for how long.
    async fn read_sums(
        &self,
        workspace: &WorkspaceId,
        periods: &[Period],
    ) -> Result<HashMap<Period, Kept>, StoreError> {
        let batches = periods.chunks(KEYS_AT_MOST).map(|periods| self.batch(workspace, periods));
        Ok(try_join_all(batches).await?.into_iter().flatten().collect())
    }

    /// The SDK repeats a write whose answer was lost. The condition then still holds, because the write leaves the
    /// number of drops as it is; unless the sums were dropped in between, which the repeat must not undo.
    async fn keep_sums(
        &self,
        workspace: &WorkspaceId,
        period: Period,
        read: &Kept,
        made: &MadeSums,
    ) -> Result<Keeping, StoreError> {
        let text = write(&made.sums)?;
        if text.len() > TEXT_AT_MOST {
            return Ok(Keeping::TooLarge);
        }
        let update = self.update(workspace, period).expression_attribute_values(":sums", AttributeValue::S(text));
        let update = match read.drops {
            None => update.condition_expression("attribute_not_exists(drops)"),
            Some(drops) => {
                update.condition_expression("drops = :drops").expression_attribute_values(":drops", number(&drops))
            }
        };
        let update = match made.valid_until {
            None => update.update_expression("SET sums = :sums, #ttl = :ttl REMOVE valid_until"),
            Some(until) => update
                .update_expression("SET sums = :sums, #ttl = :ttl, valid_until = :until")
                .expression_attribute_values(":until", number(&until.as_milliseconds())),
        };
        match update.send().await {
            Ok(_) => Ok(Keeping::Kept),
            Err(SdkError::ServiceError(context))
                if matches!(context.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(Keeping::Dropped)
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn drop_sums(&self, workspace: &WorkspaceId, period: Period, inserted: bool) -> Result<(), StoreError> {
        let update = self.update(workspace, period).expression_attribute_values(":one", number(&1));
        let update = if inserted {
            update
                .update_expression("ADD drops :one SET #ttl = :ttl, inserted_at = :now REMOVE sums, valid_until")
                .expression_attribute_values(":now", number(&self.doors.now().as_milliseconds()))
        } else {
            update.update_expression("ADD drops :one SET #ttl = :ttl REMOVE sums, valid_until")
        };
        update.send().await.map_err(store_error)?;
        Ok(())
    }
}

fn key(workspace: &WorkspaceId, period: Period) -> Item {
    let text = |text: String| AttributeValue::S(text);
    HashMap::from([
        ("workspace".to_owned(), text(workspace.to_string())),
        ("period".to_owned(), text(period.to_string())),
    ])
}

fn number(number: &impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Reads an item. What this version cannot read of it is as if it were not there, so that the sums are made again.
fn kept(item: &Item) -> Kept {
    let text = |name: &str| item.get(name).and_then(|value| value.as_n().ok());
    let time = |name: &str| Timestamp::from_milliseconds(text(name)?.parse().ok()?).ok();
    let until = item.get("valid_until").map(|_| time("valid_until"));
    let sums = item.get("sums").and_then(|value| value.as_s().ok()).and_then(|text| read(text));
    Kept {
        drops: text("drops").and_then(|drops| drops.parse().ok()),
        inserted_at: time("inserted_at"),
        // Sums whose end cannot be read may have ended.
        sums: sums.filter(|_| until != Some(None)),
        valid_until: until.flatten(),
    }
}

/// The number of requests, and their total value in the currency's minor unit.
type CellText = (u64, i64);

/// An agent's id and name, the number of clicked requests, and the rest by currency and status.
type AgentText<Currency> = (AgentId, String, u64, Vec<(Currency, BTreeMap<Status, CellText>)>);

/// The text of sums. Lists in place of objects, because fifty agents of 92 days are read at once.
#[derive(Serialize, Deserialize)]
struct Text<Currency> {
    form: u32,
    agents: Vec<AgentText<Currency>>,
}

fn write(sums: &Sums) -> Result<String, StoreError> {
    let cells = |cells: &BTreeMap<Status, Cell>| {
        cells.iter().map(|(status, Cell { count, value })| (*status, (*count, *value))).collect()
    };
    let agents = sums.agents.iter().map(|(id, agent)| {
        let by_currency = agent.cells.iter().map(|(currency, of)| (*currency, cells(of)));
        (id.clone(), agent.name.to_string(), agent.clicked, by_currency.collect())
    });
    let text = Text { form: FORM, agents: agents.collect() };
    serde_json::to_string(&text).map_err(|error| StoreError::Refused(error.into()))
}

/// Reads sums; `None` if the text has another form, or names a status or a currency that this version does not know.
fn read(text: &str) -> Option<Sums> {
    let text: Text<Currency> = serde_json::from_str(text).ok().filter(|text: &Text<Currency>| text.form == FORM)?;
    let mut sums = Sums::default();
    for (id, name, clicked, by_currency) in text.agents {
        let mut agent = AgentSums { clicked, ..AgentSums::new(name.parse().ok()?) };
        for (currency, cells) in by_currency {
            let cells = cells.into_iter().map(|(status, (count, value))| (status, Cell { count, value }));
            agent.cells.insert(currency.code(), cells.collect());
        }
        sums.agents.insert(id, agent);
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Sums {
        let mut agent = AgentSums { clicked: 2, ..AgentSums::new("Alice \"A\"".parse().unwrap()) };
        let cell = |count, value| Cell { count, value };
        agent.cells.insert("JPY", BTreeMap::from([(Status::RefundDue, cell(1, 700))]));
        agent.cells.insert("ZAR", BTreeMap::from([(Status::Paid, cell(7, 175_000)), (Status::Sent, cell(0, 0))]));
        Sums { agents: BTreeMap::from([("alice".parse().unwrap(), agent)]) }
    }

    #[test]
    fn what_is_written_is_read() {
        for sums in [Sums::default(), sums()] {
            assert_eq!(read(&write(&sums).unwrap()), Some(sums));
        }
    }

    #[test]
    fn sums_of_another_form_are_as_if_they_were_not_there() {
        let text = write(&sums()).unwrap();
        for (from, to) in [
            ("\"form\":1", "\"form\":2"),
            ("paid", "disputed"),
            ("ZAR", "???"),
            ("175000", "1.5"),
            ("alice", ""),
            ("}", ""),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(read(&text.replace(from, to)), None, "{to}");
        }
        let item = |name: &str, value| {
            let mut item = HashMap::from([
                ("drops".to_owned(), number(&3)),
                ("sums".to_owned(), AttributeValue::S(write(&sums()).unwrap())),
                ("valid_until".to_owned(), number(&9)),
            ]);
            item.insert(name.to_owned(), value);
            kept(&item)
        };
        assert_eq!(item("drops", number(&4)).sums, Some(sums()));
        for (name, value) in [("sums", number(&1)), ("valid_until", AttributeValue::S("later".to_owned()))] {
            let kept = item(name, value);
            assert_eq!((kept.sums, kept.drops), (None, Some(3)), "the drops are still counted: {name}");
        }
    }
}
