//! Builders and fakes for the tests of this crate.

use crate::checkout_attempt::CheckoutAttempt;
use crate::doors::{Doors, SystemRandomness};
use crate::fact::Fact;
use crate::id::{CheckoutId, OperationId, PaymentRequestId};
use crate::limits::CALL_INTERVAL;
use crate::money::{Amount, Money};
use crate::payment_request::{Details, Payment, PaymentRequest};
use crate::people::{Agent, Customer, Sender};
use crate::phone::Phone;
use crate::ports::{
    Changed, Changes, Checkout, CheckoutState, Closes, Facts, Link, Links, Looks, PaymentProvider, ProviderError,
    Reads, Refunding, StoreError,
};
use crate::status::Status;
use crate::text::Metadata;
use crate::time::{Clock, Timestamp};
use crate::token::LinkToken;
use crate::transition::{Change, Command, NextDue};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds).unwrap()
}

/// A clock that always returns the same time.
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Builds doors whose clock always returns this time, in milliseconds.
pub(crate) fn doors_at(milliseconds: i64) -> Doors {
    Doors::new(FixedClock(at(milliseconds)), SystemRandomness)
}

/// Returns the output of a future over fakes, which never wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a fake answers at once"),
    }
}

pub(crate) fn money(amount: i64, currency: &str) -> Money {
    Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
}

/// Builds a request for R250.00 in this stored status, created at 0, with this deadline in milliseconds.
pub(crate) fn request(status: Status, deadline: i64) -> PaymentRequest {
    let details = Details {
        order_number: "10045".parse().unwrap(),
        money: money(25_000, "ZAR"),
        customer: Customer {
            phone: Phone::parse("+27831234567").unwrap(),
            name: Some("Thandi".parse().unwrap()),
            email: None,
        },
        description: None,
        conversation_id: None,
        metadata: Metadata::default(),
    };
    let agent = Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() };
    let sender = Sender::of_agent("acme".parse().unwrap(), agent);
    let mut request = PaymentRequest::new(
        PaymentRequestId::new(&Doors::default()).unwrap(),
        sender,
        details,
        LinkToken::random(&Doors::default()).unwrap(),
        at(0),
        Duration::from_millis(u64::try_from(deadline).unwrap()),
        OperationId::of_message("created"),
    );
    request.status = status;
    request.due_at = status.is_open().then_some(request.deadline);
    request
}

/// Applies a change to a request as a store does, and returns whether the table allows it.
pub(crate) fn apply(request: &mut PaymentRequest, change: &Change) -> bool {
    let Some(row) = change.transition(request) else { return false };
    let recorded_at = change.recorded_at(request.updated_at());
    match &change.command {
        Command::Process { payment, .. } => request.in_flight = Some(payment.clone()),
        Command::Pay { payment, .. } => request.payment = Some(payment.clone()),
        _ => {}
    }
    match change.next_due(row, recorded_at) {
        NextDue::Unchanged => {}
        NextDue::Deadline(deadline) => (request.deadline, request.due_at) = (deadline, Some(deadline)),
        NextDue::Look(at) => request.due_at = Some(at),
        NextDue::Never => request.due_at = None,
    }
    request.history.push(change.entry(row, recorded_at));
    request.status = row.to;
    request.operations.insert(change.operation.clone());
    request.facts.extend(change.fact());
    true
}

/// A store of one request in memory, with writes of others that get in between.
pub(crate) struct FakeStore {
    pub(crate) request: Mutex<PaymentRequest>,
    checkout: Mutex<Option<Checkout>>,
    called_at: Mutex<Option<Timestamp>>,
    attempts: Mutex<CheckoutAttempt>,
    /// What is applied right before each of the next writes; `None` for nothing.
    in_between: Mutex<VecDeque<Option<Change>>>,
    writes: Mutex<usize>,
}

impl FakeStore {
    pub(crate) fn of(request: PaymentRequest) -> Self {
        Self {
            request: Mutex::new(request),
            checkout: Mutex::default(),
            called_at: Mutex::default(),
            attempts: Mutex::new(CheckoutAttempt::FIRST),
            in_between: Mutex::default(),
            writes: Mutex::default(),
        }
    }

    /// Applies `change` right before the write that comes after `writes` others.
    pub(crate) fn apply_before_write(&self, writes: usize, change: Change) {
        let mut in_between: VecDeque<_> = (0..writes).map(|_| None).collect();
        in_between.push_back(Some(change));
        *self.in_between.lock().unwrap() = in_between;
    }

    /// Applies every change that was to come before a write, and returns the request as it ends.
    pub(crate) fn end(&self) -> PaymentRequest {
        let mut request = self.request.lock().unwrap();
        for change in self.in_between.lock().unwrap().drain(..).flatten() {
            apply(&mut request, &change);
        }
        request.clone()
    }

    /// Returns the number of writes so far.
    pub(crate) fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }

    fn write(&self, write: impl FnOnce(&mut PaymentRequest) -> bool) -> Changed {
        *self.writes.lock().unwrap() += 1;
        let mut request = self.request.lock().unwrap();
        if let Some(Some(change)) = self.in_between.lock().unwrap().pop_front() {
            apply(&mut request, &change);
        }
        let applied = write(&mut request);
        let request = Box::new(request.clone());
        if applied { Changed::Applied(request) } else { Changed::Unchanged(request) }
    }
}

impl Changes for FakeStore {
    async fn change(&self, _: PaymentRequestId, change: &Change) -> Result<Changed, StoreError> {
        Ok(self.write(|request| request.operations.contains(&change.operation) || apply(request, change)))
    }
}

impl Facts for FakeStore {
    async fn record_fact(&self, _: PaymentRequestId, fact: &Fact) -> Result<Changed, StoreError> {
        Ok(self.write(|request| {
            let allowed = fact.required_statuses().is_none_or(|statuses| statuses.contains(&request.status));
            if allowed {
                request.facts.insert(fact.clone());
                request.operations.extend(fact.marks_to_write(request.id));
            }
            allowed
        }))
    }

    async fn retract_fact(&self, _: PaymentRequestId, fact: &Fact) -> Result<Changed, StoreError> {
        Ok(self.write(|request| request.facts.remove(fact)))
    }
}

impl Looks for FakeStore {
    async fn schedule_look(
        &self,
        seen: &PaymentRequest,
        next: Timestamp,
        checkout: Option<&CheckoutId>,
    ) -> Result<Changed, StoreError> {
        Ok(self.write(|request| {
            let is_as_seen = (request.version(), request.due_at) == (seen.version(), seen.due_at);
            if is_as_seen {
                request.due_at = Some(next);
                request.checkout = checkout.cloned().or(request.checkout.take());
            }
            is_as_seen
        }))
    }

    async fn end_looks(&self, seen: &PaymentRequest) -> Result<Changed, StoreError> {
        Ok(self.write(|request| {
            let is_as_seen = (request.version(), request.due_at) == (seen.version(), seen.due_at);
            if is_as_seen {
                request.due_at = None;
            }
            is_as_seen
        }))
    }
}

impl Links for FakeStore {
    async fn insert_link(&self, _: &LinkToken, _: PaymentRequestId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn keep_link(&self, _: &LinkToken, _: PaymentRequestId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn find_link(&self, _: &LinkToken) -> Result<Option<Link>, StoreError> {
        let (id, checkout) = (self.request.lock().unwrap().id, self.checkout.lock().unwrap().clone());
        let (checkout, checkout_url) = checkout.map(|checkout| (checkout.id, checkout.url)).unzip();
        Ok(Some(Link { id, checkout, checkout_url, attempts: *self.attempts.lock().unwrap() }))
    }

    async fn set_checkout(
        &self,
        _: &LinkToken,
        checkout: &Checkout,
        attempt: CheckoutAttempt,
    ) -> Result<(), StoreError> {
        *self.writes.lock().unwrap() += 1;
        let mut known = self.checkout.lock().unwrap();
        if known.is_none() || *self.attempts.lock().unwrap() <= attempt {
            *known = Some(checkout.clone());
        }
        Ok(())
    }

    async fn begin_attempt(&self, token: &LinkToken, now: Timestamp) -> Result<Option<CheckoutAttempt>, StoreError> {
        if self.checkout.lock().unwrap().is_some() || !self.take_call(token, now).await? {
            return Ok(None);
        }
        let mut attempts = self.attempts.lock().unwrap();
        *attempts = attempts.saturating_next();
        Ok(Some(*attempts))
    }

    async fn take_call(&self, _: &LinkToken, now: Timestamp) -> Result<bool, StoreError> {
        let mut called_at = self.called_at.lock().unwrap();
        let is_free = called_at.is_none_or(|called_at| now >= called_at.saturating_add(CALL_INTERVAL));
        if is_free {
            *called_at = Some(now);
        }
        Ok(is_free)
    }
}

impl Reads for FakeStore {
    async fn get(&self, _: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        Ok(Some(self.request.lock().unwrap().clone()))
    }
}

/// A provider that creates and closes every checkout.
pub(crate) struct FakeProvider;

impl PaymentProvider for FakeProvider {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn closes(&self) -> Closes {
        Closes::OnDemand
    }

    fn repeats_pages(&self) -> bool {
        true
    }

    async fn create_checkout(
        &self,
        request: &PaymentRequest,
        _: &str,
        _: CheckoutAttempt,
    ) -> Result<Checkout, ProviderError> {
        Ok(Checkout { id: CheckoutId(format!("cs_{}", request.id)), url: "https://provider.example/pay".to_owned() })
    }

    async fn find_checkout(
        &self,
        request: &PaymentRequest,
        link: &str,
        attempts: CheckoutAttempt,
        known: Option<CheckoutId>,
    ) -> Result<Option<CheckoutId>, ProviderError> {
        match known {
            Some(known) => Ok(Some(known)),
            None => self.create_checkout(request, link, attempts).await.map(|created| Some(created.id)),
        }
    }

    async fn check_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        Ok(CheckoutState::Open)
    }

    async fn close_checkout(&self, _: &CheckoutId) -> Result<CheckoutState, ProviderError> {
        Ok(CheckoutState::Closed)
    }

    async fn refund(&self, _: &PaymentRequest, _: &Payment) -> Result<Refunding, ProviderError> {
        Ok(Refunding::Done)
    }
}
