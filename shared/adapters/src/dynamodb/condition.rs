//! The conditions and updates of writes, derived from the domain's transition table and from its facts.

use super::item::EntryItem;
use super::keys::look_shard;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ports::StoreError;
use domain::transition::{ATTEMPTS_END_AT, NextDue};
use domain::{
    Audience, Change, CheckoutId, Fact, Guard, OperationId, PaymentRequest, PaymentRequestId, Scope, Status, Timestamp,
    Transition,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The parts of one conditional write. Every name and value is added together with a clause that uses it.
#[derive(Default)]
struct Expression {
    names: BTreeMap<&'static str, &'static str>,
    values: BTreeMap<String, AttributeValue>,
}

impl Expression {
    /// Registers the placeholder of an attribute's name, such as `#status`, and returns it. Every name has one, because
    /// DynamoDB reserves several hundred words.
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

    /// Requires that the request exists. Without this condition, an update would create an item.
    fn exists(&mut self) -> String {
        format!("attribute_exists({})", self.name("#pk"))
    }

    /// Requires that the request lies within the scope. To the caller, a request outside the scope does not exist.
    fn within(&mut self, scope: &Scope) -> Option<String> {
        match scope {
            Scope::Everything => None,
            Scope::Audience(Audience::Workspace(workspace)) => {
                Some(format!("{} = {}", self.name("#workspace"), self.text("workspace", workspace.as_str())))
            }
            Scope::Audience(Audience::Agent(workspace, agent)) => {
                let workspace = self.within(&Scope::Audience(Audience::Workspace(workspace.clone())))?;
                let agent = self.text("agent_id", agent.as_str());
                self.name("#agent");
                Some(format!("{workspace} AND {}.{} = {agent}", "#agent", self.name("#id")))
            }
        }
    }

    /// Requires that this change was not applied before. So neither an SDK retry after a lost response nor a provider's
    /// repeated report of one failed attempt adds a second entry.
    fn not_made_before(&mut self, change: &Change) -> String {
        let operation = self.text("operation", change.operation.as_str());
        format!("NOT contains({}, {operation})", self.name("#operations"))
    }

    /// Requires that a payment has the request's currency and exactly its amount.
    fn pays_what_was_asked(&mut self, change: &Change) -> Option<String> {
        let (_, money) = change.command.payment()?;
        let amount = self.number("amount", money.amount.minor_units());
        let currency = self.text("currency", money.currency.code());
        Some(format!("{} = {amount} AND {} = {currency}", self.name("#amount"), self.name("#currency")))
    }

    /// Requires what one row of the table requires: its starting status and all of its guards.
    fn follows(&mut self, id: PaymentRequestId, row: &Transition, change: &Change) -> String {
        let mut clauses = vec![self.has_status(row.from)];
        for guard in row.when {
            clauses.push(match guard {
                Guard::BeforeDeadline => self.deadline(row.from, ">", "now", change.at),
                Guard::DeadlinePassed => self.deadline(row.from, "<=", "now", change.at),
                Guard::PaidInTime => self.deadline(row.from, ">=", "paid_at", change.paid_at().unwrap_or(change.at)),
                Guard::PaidLate => {
                    self.deadline(row.from, "<", "earliest", change.paid_not_before().unwrap_or(change.at))
                }
                Guard::NotFailed => match change.failure() {
                    Some(failure) => self.lacks("failure", &failure.text(), &failure.marks(id)),
                    None => self.never(),
                },
                Guard::NotSeenUnpaid => self.lacks("unpaid", &Fact::UnpaidAtDeadline.text(), &[]),
                Guard::ReplacesInFlight => match change.replacement() {
                    Some(reference) => self.replaces_in_flight(reference),
                    None => self.never(),
                },
                Guard::RoomForAttempt => {
                    let end = self.number("attempts_end_at", i64::from(ATTEMPTS_END_AT));
                    format!("{} < {end}", self.name("#version"))
                }
            });
        }
        format!("({})", clauses.join(" AND "))
    }

    /// Requires what no stored request fulfils: the guard does not hold for this change, as in the domain.
    fn never(&mut self) -> String {
        format!("NOT {}", self.exists())
    }

    /// Requires that the payment in flight has this reference. An item of release 0.1 does not say which payment it is.
    fn replaces_in_flight(&mut self, reference: &str) -> String {
        let (in_flight, name) = (self.name("#in_flight"), self.name("#reference"));
        let reference = self.text("reference", reference);
        format!("(attribute_not_exists({in_flight}) OR {in_flight}.{name} = {reference})")
    }

    /// Compares the deadline with a moment. It is the attribute `due_at` until the first look at the provider is
    /// scheduled; from then on `due_at` is the time of the look, and the deadline an attribute of its own. A `Sent`
    /// never has a look.
    fn deadline(&mut self, from: Status, comparison: &str, name: &str, moment: Timestamp) -> String {
        let moment = self.number(name, moment.as_milliseconds());
        let due_at = format!("{} {comparison} {moment}", self.name("#due_at"));
        if from == Status::Sent {
            return due_at;
        }
        let deadline = self.name("#deadline");
        format!("({deadline} {comparison} {moment} OR (attribute_not_exists({deadline}) AND {due_at}))")
    }

    /// Sets the time of the next look in the index, and moves the deadline out of its way.
    fn look(&mut self, id: PaymentRequestId, status: Status, at: Timestamp) -> [String; 3] {
        let (due_at, deadline, shard) = (self.name("#due_at"), self.name("#deadline"), self.name("#due_shard"));
        [
            format!("{deadline} = if_not_exists({deadline}, {due_at})"),
            format!("{due_at} = {}", self.number("look_at", at.as_milliseconds())),
            format!("{shard} = {}", self.number("shard", i64::from(look_shard(id, status)))),
        ]
    }

    /// Requires that the request has the same history, and is due at the same time, as this one.
    fn is_as_in(&mut self, seen: &PaymentRequest) -> String {
        let version = i64::try_from(seen.version()).unwrap_or(i64::MAX);
        let unchanged = format!("{} = {}", self.name("#version"), self.number("seen_version", version));
        let shard = self.name("#due_shard");
        // Without an entry in the index, the time of an earlier look says nothing.
        let Some(due_at) = seen.due_at else { return format!("{unchanged} AND attribute_not_exists({shard})") };
        let due_at = format!("{} = {}", self.name("#due_at"), self.number("seen_due_at", due_at.as_milliseconds()));
        format!("{unchanged} AND attribute_exists({shard}) AND {due_at}")
    }

    /// Requires that the request's last change was not later than `recorded_at`, so that the times of its history never
    /// go backwards. The attribute `updated_at` has the time of the last change. An item that release 0.1 wrote lacks
    /// it: a change of such an item fails once, and then requires the very version whose history it was returned.
    fn was_not_updated_later(&mut self, recorded_at: Timestamp, found: Option<&PaymentRequest>) -> String {
        let updated_at = self.name("#updated_at");
        let in_order = format!("{updated_at} <= {}", self.number("recorded_at", recorded_at.as_milliseconds()));
        let Some(version) = found.and_then(|found| i64::try_from(found.version()).ok()) else { return in_order };
        let unchanged = format!("{} = {}", self.name("#version"), self.number("found_version", version));
        format!("({in_order} OR (attribute_not_exists({updated_at}) AND {unchanged}))")
    }

    /// Requires that the request has one of these statuses.
    fn has_one_of(&mut self, statuses: &[Status]) -> String {
        let values: Vec<String> = statuses.iter().map(|status| self.status(*status)).collect();
        format!("{} IN ({})", self.name("#status"), values.join(", "))
    }

    fn has_status(&mut self, status: Status) -> String {
        let value = self.status(status);
        format!("{} = {value}", self.name("#status"))
    }

    /// Requires that neither a fact's text nor any of its marks is stored: release 0.1 wrote only the marks.
    fn lacks(&mut self, name: &str, text: &str, marks: &[OperationId]) -> String {
        let mut clauses = vec![format!("NOT contains({}, {})", self.name("#facts"), self.text(name, text))];
        for (index, mark) in marks.iter().enumerate() {
            let mark = self.text(&format!("{name}_mark_{index}"), mark.as_str());
            clauses.push(format!("NOT contains({}, {mark})", self.name("#operations")));
        }
        clauses.join(" AND ")
    }

    fn status(&mut self, status: Status) -> String {
        self.text(&format!("is_{status}"), status.as_str())
    }

    fn set(&mut self, name: &str, texts: impl IntoIterator<Item = String>) -> String {
        self.value(name, AttributeValue::Ss(texts.into_iter().collect()))
    }

    fn apply(self, update: UpdateItemFluentBuilder) -> UpdateItemFluentBuilder {
        let names = self.names.into_iter().map(|(name, attribute)| (name.to_owned(), attribute.to_owned()));
        update
            .set_expression_attribute_names(Some(names.collect()))
            .set_expression_attribute_values(Some(self.values.into_iter().collect()))
    }
}

fn texts(operations: &[OperationId]) -> impl Iterator<Item = String> {
    operations.iter().map(|operation| operation.as_str().to_owned())
}

/// Completes an update that applies `change` along any of `rows`, which all have the same outcome. The status, the
/// history, the deadline, the fact and the indexes are written together or not at all. `found` is the request as an
/// earlier attempt of the change was returned it, `None` at the first attempt.
pub(super) fn conditional_update(
    update: UpdateItemFluentBuilder,
    id: PaymentRequestId,
    change: &Change,
    rows: &[&Transition],
    found: Option<&PaymentRequest>,
    retention: Option<Duration>,
) -> Result<UpdateItemFluentBuilder, StoreError> {
    let mut write = Expression::default();
    let recorded_at = found.map_or(change.at, |found| change.recorded_at(found.updated_at()));

    let mut condition = vec![write.exists()];
    condition.extend(write.within(&change.scope));
    condition.push(write.not_made_before(change));
    condition.push(write.was_not_updated_later(recorded_at, found));
    condition.extend(write.pays_what_was_asked(change));
    let followed: Vec<String> = rows.iter().map(|row| write.follows(id, row, change)).collect();
    // DynamoDB rejects redundant parentheses, and a row brings its own.
    condition.push(match followed.as_slice() {
        [only] => only.clone(),
        several => format!("({})", several.join(" OR ")),
    });

    let Some(row) = rows.first() else {
        return Err(StoreError::Refused("the transition table has no row for this change".into()));
    };
    let entry = EntryItem::from(&change.entry(row, recorded_at));
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
        format!("{} = {}", write.name("#updated_at"), write.number("recorded_at", recorded_at.as_milliseconds())),
    ];
    let mut remove = Vec::new();

    let due = change.next_due(row, recorded_at);
    match due {
        NextDue::Unchanged => {}
        NextDue::Deadline(deadline) => {
            let deadline = write.number("deadline", deadline.as_milliseconds());
            set.push(format!("{} = {deadline}", write.name("#due_at")));
        }
        NextDue::Look(at) => set.extend(write.look(id, row.to, at)),
        NextDue::Never => remove.push(write.name("#due_shard")),
    }
    if let Some((payment, _)) = change.command.payment() {
        let payment =
            serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(payment).map_err(|e| StoreError::Corrupt(e.into()))?;
        let attribute = if row.to == Status::Processing { "#in_flight" } else { "#payment" };
        set.push(format!("{} = {}", write.name(attribute), write.value("payment", payment)));
    }
    // A terminal request is deleted after its retention. One whose money is in flight or due for a refund is never
    // deleted, nor is one whose provider still has to say how it ended.
    if row.to.is_settled() && !matches!(due, NextDue::Look(_)) {
        let Some(retention) = retention else {
            return Err(StoreError::Refused("a store without a retention cannot end a request".into()));
        };
        let ttl = write.number("ttl", recorded_at.saturating_add(retention).as_seconds_ceiling());
        set.push(format!("{} = {ttl}", write.name("#ttl")));
    } else if rows.iter().any(|row| !row.from.is_open()) || row.to.is_settled() {
        remove.push(write.name("#ttl"));
    }

    let mut operations = vec![change.operation.clone()];
    let mut add = Vec::new();
    if let Some(fact) = change.fact() {
        operations.extend(fact.marks_to_write(id).into_iter().filter(|mark| *mark != change.operation));
        add.push(format!("{} {}", write.name("#facts"), write.set("facts", fact.texts())));
    }
    add.push(format!("{} {}", write.name("#operations"), write.set("operations", texts(&operations))));

    let mut parts = vec![format!("SET {}", set.join(", ")), format!("ADD {}", add.join(", "))];
    if !remove.is_empty() {
        parts.push(format!("REMOVE {}", remove.join(", ")));
    }
    Ok(write.apply(update.update_expression(parts.join(" ")).condition_expression(condition.join(" AND "))))
}

/// Completes an update that schedules the next look at a request, and keeps its checkout with it.
pub(super) fn look_update(
    update: UpdateItemFluentBuilder,
    seen: &PaymentRequest,
    next: Timestamp,
    checkout: Option<&CheckoutId>,
) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let condition = format!("{} AND {}", write.exists(), write.is_as_in(seen));
    let mut set = Vec::from(write.look(seen.id, seen.status, next));
    if let Some(CheckoutId(checkout)) = checkout.filter(|checkout| seen.checkout.as_ref() != Some(*checkout)) {
        set.push(format!("{} = {}", write.name("#checkout_id"), write.text("checkout", checkout)));
    }
    let set = format!("SET {} REMOVE {}", set.join(", "), write.name("#ttl"));
    write.apply(update.update_expression(set).condition_expression(condition))
}

/// Completes an update that ends the looks at a request, which is deleted after its retention from then on.
pub(super) fn end_of_looks_update(
    update: UpdateItemFluentBuilder,
    seen: &PaymentRequest,
    retention: Duration,
) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let condition = format!("{} AND {}", write.exists(), write.is_as_in(seen));
    let ttl = write.number("ttl", seen.updated_at().saturating_add(retention).as_seconds_ceiling());
    let end = format!("SET {} = {ttl} REMOVE {}", write.name("#ttl"), write.name("#due_shard"));
    write.apply(update.update_expression(end).condition_expression(condition))
}

/// Completes an update that records a fact. If the fact excludes others, none of them may be stored, not even the fact
/// itself: an SDK retry after a lost response fails here and finds its own fact in the item.
pub(super) fn record_update(
    update: UpdateItemFluentBuilder,
    id: PaymentRequestId,
    fact: &Fact,
) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let mut condition = vec![write.exists()];
    condition.extend(fact.required_statuses().map(|statuses| write.has_one_of(statuses)));
    if let Some(exclusive) = fact.exclusive_text() {
        condition.push(write.lacks("exclusive", &exclusive, fact.exclusive_mark(id).as_slice()));
    }
    let mut add = vec![format!("{} {}", write.name("#facts"), write.set("facts", fact.texts()))];
    let marks = fact.marks_to_write(id);
    if !marks.is_empty() {
        add.push(format!("{} {}", write.name("#operations"), write.set("marks", texts(&marks))));
    }
    let add = format!("ADD {}", add.join(", "));
    write.apply(update.update_expression(add).condition_expression(condition.join(" AND ")))
}

/// Completes an update that retracts a fact. If the fact excludes others, this very fact must be stored: otherwise the
/// text that they share belongs to another one.
pub(super) fn retract_update(
    update: UpdateItemFluentBuilder,
    id: PaymentRequestId,
    fact: &Fact,
) -> UpdateItemFluentBuilder {
    let mut write = Expression::default();
    let mut condition = vec![write.exists()];
    condition.extend(fact.required_statuses().map(|statuses| write.has_one_of(statuses)));
    if fact.exclusive_text().is_some() {
        condition.push(format!("contains({}, {})", write.name("#facts"), write.text("fact", &fact.text())));
    }
    let mut delete = vec![format!("{} {}", write.name("#facts"), write.set("facts", fact.texts()))];
    let marks = fact.marks(id);
    if !marks.is_empty() {
        delete.push(format!("{} {}", write.name("#operations"), write.set("marks", texts(&marks))));
    }
    let delete = format!("DELETE {}", delete.join(", "));
    write.apply(update.update_expression(delete).condition_expression(condition.join(" AND ")))
}
