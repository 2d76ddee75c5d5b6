//! Conditions and updates, derived from the domain's transition table.

use super::item::EntryItem;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::{Claim, StoreError};
use domain::transition::ATTEMPTS_END_AT;
use domain::{
    Change, Command, Guard, HistoryEntry, OperationId, PaymentRequestId, Reason, Scope, Status, Timestamp, Transition,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The parts of one conditional write: every name and value is used by a clause that says what it is for.
#[derive(Default)]
struct Expression {
    names: BTreeMap<&'static str, &'static str>,
    values: BTreeMap<String, AttributeValue>,
}

impl Expression {
    /// A placeholder for an attribute. All of them have one: DynamoDB reserves several hundred words.
    fn name(&mut self, placeholder: &'static str) -> &'static str {
        self.names.insert(placeholder, placeholder.trim_start_matches('#'));
        placeholder
    }

    fn value(&mut self, name: &str, value: AttributeValue) -> String {
        let placeholder = format!(":{name}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn text(&mut self, name: &str, text: &str) -> String {
        self.value(name, AttributeValue::S(text.to_owned()))
    }

    fn number(&mut self, name: &str, number: i64) -> String {
        self.value(name, AttributeValue::N(number.to_string()))
    }

    /// The request is there. Without it, an update would make an item out of nothing.
    fn exists(&mut self) -> String {
        format!("attribute_exists({})", self.name("#pk"))
    }

    /// The request is within the reach of whoever asks: another's is not there as far as they can tell.
    fn within(&mut self, scope: &Scope) -> Option<String> {
        match scope {
            Scope::Everything => None,
            Scope::Workspace(workspace) => {
                Some(format!("{} = {}", self.name("#workspace"), self.text("workspace", workspace.as_str())))
            }
            Scope::Agent(workspace, agent) => {
                let workspace = self.within(&Scope::Workspace(workspace.clone()))?;
                let agent = self.text("agent_id", agent.as_str());
                self.name("#agent");
                Some(format!("{workspace} AND {}.{} = {agent}", "#agent", self.name("#id")))
            }
        }
    }

    /// This very change was not made before. An SDK retry after a lost answer, a provider's second report of one failed
    /// attempt: neither adds a second entry.
    fn not_made_before(&mut self, change: &Change) -> String {
        let operation = self.text("operation", change.operation.as_str());
        format!("NOT contains({}, {operation})", self.name("#operations"))
    }

    /// The provider has not said yet that this payment failed.
    fn not_failed_before(&mut self, change: &Change) -> String {
        let failure = change.failure().unwrap_or_else(|| change.operation.clone());
        let failure = self.text("failure", failure.as_str());
        format!("NOT contains({}, {failure})", self.name("#operations"))
    }

    /// A payment is of what was asked for, to the last minor unit.
    fn pays_what_was_asked(&mut self, change: &Change) -> Option<String> {
        let (_, money) = change.command.payment()?;
        let amount = self.number("amount", money.amount.minor_units());
        let currency = self.text("currency", money.currency.code());
        Some(format!("{} = {amount} AND {} = {currency}", self.name("#amount"), self.name("#currency")))
    }

    /// One row of the table: the status it starts from and all of its guards.
    fn follows(&mut self, row: &Transition, change: &Change) -> String {
        let from = self.status(row.from);
        let mut clauses = vec![format!("{} = {from}", self.name("#status"))];
        for guard in row.when {
            clauses.push(match guard {
                Guard::BeforeDeadline => self.deadline(">", "now", change.at),
                Guard::DeadlinePassed => self.deadline("<=", "now", change.at),
                Guard::PaidInTime => self.deadline(">=", "paid_at", change.paid_at().unwrap_or(change.at)),
                Guard::PaidLate => self.deadline("<", "paid_at", change.paid_at().unwrap_or(change.at)),
                Guard::NotFailed => self.not_failed_before(change),
                Guard::RoomForAttempt => {
                    let end = self.number("attempts_end_at", i64::from(ATTEMPTS_END_AT));
                    format!("{} < {end}", self.name("#version"))
                }
            });
        }
        format!("({})", clauses.join(" AND "))
    }

    fn deadline(&mut self, comparison: &str, name: &str, moment: Timestamp) -> String {
        let moment = self.number(name, moment.as_milliseconds());
        format!("{} {comparison} {moment}", self.name("#due_at"))
    }

    /// What a claim leaves in the item: which message, and whose it is.
    fn marks(&mut self, claim: &Claim) -> String {
        let marks = [&claim.message, &claim.run].map(|mark| mark.as_str().to_owned());
        self.value("marks", AttributeValue::Ss(marks.into()))
    }

    fn status(&mut self, status: Status) -> String {
        self.text(&format!("is_{status}"), status.as_str())
    }

    fn apply(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let names = self.names.into_iter().map(|(name, attribute)| (name.to_owned(), attribute.to_owned()));
        update
            .set_expression_attribute_names(Some(names.collect()))
            .set_expression_attribute_values(Some(self.values.into_iter().collect()))
    }
}

/// Completes an update that makes `change` along any of `rows`, which all have the same outcome: the status, the history,
/// the deadline and the indexes move together or not at all.
pub(super) fn conditional_update(
    update: UpdateItemFluentBuilder,
    change: &Change,
    rows: &[&Transition],
    retention: Duration,
) -> Result<UpdateItemFluentBuilder, StoreError> {
    let mut write = Expression::default();

    let mut condition = vec![write.exists()];
    condition.extend(write.within(&change.scope));
    condition.push(write.not_made_before(change));
    condition.extend(write.pays_what_was_asked(change));
    let followed: Vec<String> = rows.iter().map(|row| write.follows(row, change)).collect();
    // DynamoDB refuses parentheses around parentheses, and a row brings its own.
    condition.push(match followed.as_slice() {
        [only] => only.clone(),
        several => format!("({})", several.join(" OR ")),
    });

    let Some(row) = rows.first() else {
        return Err(StoreError::Refused("a change that no row of the table makes".into()));
    };
    let entry = EntryItem::from(&entry(change, row));
    let entry =
        serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(entry).map_err(|e| StoreError::Corrupt(e.into()))?;
    let one_entry = write.value("entry", AttributeValue::L(vec![entry]));
    let one = write.number("one", 1);
    let to = write.status(row.to);
    let (status, version, history) = (write.name("#status"), write.name("#version"), write.name("#history"));
    let mut set = vec![
        format!("{status} = {to}"),
        format!("{version} = {version} + {one}"),
        format!("{history} = list_append({history}, {one_entry})"),
    ];
    let mut remove = Vec::new();

    if let Command::Click { checkout_limit } = &change.command {
        let deadline = write.number("deadline", change.at.saturating_add(*checkout_limit).as_milliseconds());
        set.push(format!("{} = {deadline}", write.name("#due_at")));
    }
    if let Command::Pay { payment, .. } = &change.command {
        let payment =
            serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(payment).map_err(|e| StoreError::Corrupt(e.into()))?;
        set.push(format!("{} = {}", write.name("#payment"), write.value("payment", payment)));
    }
    // What has ended, or waits for the provider alone, leaves the index of what is due.
    if !row.to.is_open() {
        remove.push(write.name("#due_shard"));
    }
    // What has come to rest is removed one day; money that is on its way or owed back never is.
    if row.to.is_settled() {
        let ttl = write.number("ttl", change.at.saturating_add(retention).as_seconds_ceiling());
        set.push(format!("{} = {ttl}", write.name("#ttl")));
    } else if rows.iter().any(|row| !row.from.is_open()) {
        remove.push(write.name("#ttl"));
    }

    let operation = write.value("operations", AttributeValue::Ss(vec![change.operation.as_str().to_owned()]));
    let mut parts = vec![format!("SET {}", set.join(", ")), format!("ADD {} {operation}", write.name("#operations"))];
    if !remove.is_empty() {
        parts.push(format!("REMOVE {}", remove.join(", ")));
    }
    Ok(write.apply(update.update_expression(parts.join(" ")).condition_expression(condition.join(" AND "))))
}

/// Completes an update that keeps a clicked request's checkout.
pub(super) fn checkout_update(update: UpdateItemFluentBuilder, checkout: &str) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let clicked = write.status(Status::Clicked);
    let condition = format!("{} AND {} = {clicked}", write.exists(), write.name("#status"));
    let set = format!("SET {} = {}", write.name("#checkout_id"), write.text("checkout", checkout));
    write.apply(update.update_expression(set).condition_expression(condition))
}

/// Completes an update that marks that a refund is being asked for (`ADD`), or takes the mark back (`DELETE`). Twice is once.
pub(super) fn refund_update(update: UpdateItemFluentBuilder, action: &str) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let due = write.status(Status::RefundDue);
    let condition = format!("{} AND {} = {due}", write.exists(), write.name("#status"));
    let mark = AttributeValue::Ss(vec![OperationId::of_asked_refund().as_str().to_owned()]);
    let mark = write.value("mark", mark);
    let expression = format!("{action} {} {mark}", write.name("#operations"));
    write.apply(update.update_expression(expression).condition_expression(condition))
}

/// Completes an update that takes on a message. Nobody else may have it, not even this run: an SDK retry after a lost answer
/// fails here and finds its own mark in the item.
pub(super) fn claim_update(update: UpdateItemFluentBuilder, claim: &Claim) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let (exists, operations) = (write.exists(), write.name("#operations"));
    let condition =
        format!("{exists} AND NOT contains({operations}, {})", write.text("message", claim.message.as_str()));
    let add = format!("ADD {operations} {}", write.marks(claim));
    write.apply(update.update_expression(add).condition_expression(condition))
}

/// Completes an update that gives a message back: this run's own claim, and no other's.
pub(super) fn release_update(update: UpdateItemFluentBuilder, claim: &Claim) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let (exists, operations) = (write.exists(), write.name("#operations"));
    let condition = format!("{exists} AND contains({operations}, {})", write.text("run", claim.run.as_str()));
    let delete = format!("DELETE {operations} {}", write.marks(claim));
    write.apply(update.update_expression(delete).condition_expression(condition))
}

/// The history entry that a change leaves behind.
fn entry(change: &Change, row: &Transition) -> HistoryEntry {
    let reason = match &change.command {
        Command::FailAttempt { reason } => reason.clone(),
        Command::FailDelivery { reason } => reason.reason(),
        _ => row.reason.and_then(Reason::fitted),
    };
    HistoryEntry { status: row.to, at: change.at, actor: change.actor.clone(), reason }
}

/// The key of a request's item, as a call takes it.
pub(super) fn key(id: PaymentRequestId) -> AttributeValue {
    AttributeValue::S(super::item::request_key(id))
}
