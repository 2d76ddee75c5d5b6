//! Expires payment requests within about a second of their deadline, and asks the provider about those that wait for
//! its word.
//!
//! Two events invoke it: a scheduled rule once a minute, and the table's stream when time to live has removed a link.
//! Either alone is enough. Neither decides that a request has expired: the condition of the write does.

mod circuit;
mod partition;
mod sweep;

use adapters::dynamodb::stream::{ItemKind, RecordError, StreamRecord, link_of_image, records, target_of_link};
use adapters::{ConfiguredProvider, DynamoDbStore};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use circuit::{Circuit, provider_answered};
use domain::ports::{Closes, Link, Links as _, PaymentProvider as _, ProviderError, Reads as _};
use domain::use_cases::UseCaseError;
use domain::use_cases::checkouts::keep_checkout;
use domain::use_cases::expire::{Found, Settled, Waiting, expire_unclicked};
use domain::use_cases::look::look;
use domain::{CheckoutAttempt, Doors, Limits, PaymentRequest, PaymentRequestId, Status};
use futures::StreamExt as _;
use futures::stream;
use runtime::telemetry::{Metric, chain, count, duration};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The number of requests that are settled at once: enough for a burst, few enough for the table and the provider.
const AT_ONCE: usize = 16;

/// A link that time to live has removed.
struct Removed {
    id: PaymentRequestId,
    link: Option<Link>,
    sequence_number: String,
}

/// What became of a request whose link was removed.
enum Expired {
    /// There is nothing left to do.
    Done,
    /// The provider has to be asked, about the request as it was read, if it was.
    Waits(Option<Box<PaymentRequest>>),
}

struct Expire {
    store: DynamoDbStore,
    doors: Doors,
    provider: ConfiguredProvider,
    circuit: Circuit,
    limits: Limits,
    lookahead: Duration,
    public_base_url: String,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    let lookahead = environment.parse_or(
        "EXPIRY_LOOKAHEAD_SECONDS",
        60,
        "a whole number of seconds from 0 to 600",
        |seconds: &u64| *seconds <= 600,
    )?;
    let limits = runtime::config::limits(environment)?;
    Ok(Box::new(Expire {
        store: DynamoDbStore::new(environment)?.with_retention(limits.retention),
        doors: environment.doors(),
        provider: ConfiguredProvider::new(environment)?,
        circuit: Circuit::default(),
        limits,
        lookahead: Duration::from_secs(lookahead),
        public_base_url: runtime::config::public_base_url(environment)?,
    }))
}

impl Function for Expire {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            // A scheduled event has no records.
            let records = records(event).map_err(|error| InvocationError::unreadable(&error))?;
            if let Some(records) = records {
                let response = self.settle_removed(records).await;
                return serde_json::to_string(&response).map_err(|error| InvocationError::answer(&error));
            }
            self.sweep().await.map_err(InvocationError::work)?;
            Ok("null".to_owned())
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.store.warm())
    }
}

impl Expire {
    /// Settles the requests whose links were removed. The stream delivers the batch again from its first failure on.
    ///
    /// A request that still waits for its provider gets its link back, to be removed again after its next look: so the
    /// stream alone settles it in the end, also if the schedule never runs.
    async fn settle_removed(&self, records: Vec<StreamRecord>) -> DynamoDbEventResponse {
        let removed: Vec<_> = records.into_iter().filter_map(removed_link).collect();
        // Most were never clicked. A provider that hangs must not hold those up.
        let expiring = removed.iter().enumerate().map(|(place, removed)| {
            let id = removed.id;
            // Of a further checkout only the link knew, so that it has to be kept whatever becomes of the request.
            let has_checkout = removed.link.as_ref().is_some_and(|link| link.attempts > CheckoutAttempt::FIRST);
            async move { (place, if has_checkout { Ok(Expired::Waits(None)) } else { self.expire_removed(id).await }) }
        });
        let mut expiring = stream::iter(expiring.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let (mut looking, mut failed) = (Vec::new(), BTreeMap::new());
        while let Some((place, expired)) = expiring.next().await {
            match expired {
                Ok(Expired::Done) => {}
                Ok(Expired::Waits(request)) => {
                    let (id, link) = (removed[place].id, removed[place].link.clone());
                    looking.push(async move {
                        let looked = match request {
                            Some(request) => self.look_and_keep(request).await,
                            None => self.settle_and_keep(id, link).await,
                        };
                        (place, looked)
                    });
                }
                Err(error) => drop(failed.insert(place, error)),
            }
        }
        let mut looking = stream::iter(looking).buffer_unordered(AT_ONCE);
        while let Some((place, looked)) = looking.next().await {
            failed.extend(looked.err().map(|error| (place, error)));
        }
        for (place, error) in &failed {
            let id = removed[*place].id;
            tracing::error!(%id, cause = chain(error), "request not settled: the stream delivers it again");
        }
        let mut response = DynamoDbEventResponse::default();
        let first = failed.keys().next().map(|place| removed[*place].sequence_number.clone());
        response.batch_item_failures = first.into_iter().map(failure).collect();
        response
    }

    /// Expires a request whose link was removed, if nobody has clicked it.
    async fn expire_removed(&self, id: PaymentRequestId) -> Result<Expired, UseCaseError> {
        match unless_unreadable(id, expire_unclicked(&self.store, &self.doors, id).await)? {
            Some(Found::Waits(request)) => Ok(Expired::Waits(Some(request))),
            Some(Found::Settled(settled)) => {
                log_outcome(id, &settled);
                Ok(Expired::Done)
            }
            None => Ok(Expired::Done),
        }
    }

    async fn settle_and_keep(&self, id: PaymentRequestId, link: Option<Link>) -> Result<(), UseCaseError> {
        if let Some(link) = link.filter(|link| link.attempts > CheckoutAttempt::FIRST) {
            match self.keep_checkout_of(id, link).await {
                // It is found again, and counted, right below.
                Err(error) if error.is_unreadable_item() => {}
                kept => kept?,
            }
        }
        match unless_unreadable(id, self.settle(id).await)? {
            Some(settled) => self.keep_link(id, &settled).await,
            None => Ok(()),
        }
    }

    async fn look_and_keep(&self, request: Box<PaymentRequest>) -> Result<(), UseCaseError> {
        let id = request.id;
        let Some(settled) = unless_unreadable(id, self.look(request).await)? else { return Ok(()) };
        log_outcome(id, &settled);
        self.keep_link(id, &settled).await
    }

    /// Gives a request that still waits for its provider its link back.
    async fn keep_link(&self, id: PaymentRequestId, settled: &Settled) -> Result<(), UseCaseError> {
        let Some(request) = settled.request().filter(|request| request.waits_for_provider(self.doors.now())) else {
            return Ok(());
        };
        let kept_until = request.next_look(self.doors.now());
        Ok(self.store.keep_link(&request.token, id, kept_until).await?)
    }

    async fn keep_checkout_of(&self, id: PaymentRequestId, link: Link) -> Result<(), UseCaseError> {
        let Some(request) = self.store.get(id).await? else { return Ok(()) };
        if !request.waits_for_provider(self.doors.now()) {
            return Ok(());
        }
        keep_checkout(&self.store, &self.provider, &self.public_base_url, &request, Some(link)).await
    }

    /// Settles one request if something is due for it, and logs the outcome.
    async fn settle(&self, id: PaymentRequestId) -> Result<Settled, UseCaseError> {
        let settled = match expire_unclicked(&self.store, &self.doors, id).await? {
            Found::Settled(settled) => settled,
            Found::Waits(request) => self.look(request).await?,
        };
        log_outcome(id, &settled);
        Ok(settled)
    }

    /// Asks the provider about a request that waits for it.
    async fn look(&self, request: Box<PaymentRequest>) -> Result<Settled, UseCaseError> {
        let (status, waited) = (request.status, self.waited(&request));
        let may_wait = status != Status::Clicked || request.may_wait_for_provider(self.doors.now());
        let settled = if self.circuit.is_open() && may_wait {
            // The link may be deleted before the next look.
            keep_checkout(&self.store, &self.provider, &self.public_base_url, &request, None).await?;
            let error = ProviderError::Unavailable("it has not answered for some time".into());
            Settled::Postponed(request, error)
        } else {
            // A look is large, and most requests that are due have none.
            let look = look(&self.store, &self.provider, &self.doors, &self.public_base_url, *request);
            let settled = Box::pin(look).await?;
            self.circuit.record(provider_answered(&settled));
            settled
        };
        if let Some(metric) = self.age_metric(status, &settled) {
            duration(metric, waited);
        }
        Ok(settled)
    }

    /// Returns for how long a request has waited for its provider.
    fn waited(&self, request: &PaymentRequest) -> Duration {
        let since = if request.status == Status::Clicked { request.deadline } else { request.updated_at() };
        self.doors.now().saturating_duration_since(since)
    }

    /// Returns the metric of how long a request that had this status has waited; `None` if that is as it should be.
    /// Each is looked at every six hours at least, so the greatest value of seven hours is the age of the oldest.
    fn age_metric(&self, status: Status, settled: &Settled) -> Option<Metric> {
        match (status, settled) {
            (Status::Expired, Settled::Waiting(_, Waiting::OpenPage)) if self.provider.closes() == Closes::Never => {
                None
            }
            (Status::Processing, _) | (Status::Expired, Settled::Waiting(_, Waiting::Money)) => {
                Some(Metric::ProcessingAge)
            }
            (Status::Clicked, _) => Some(Metric::OverdueAge),
            (Status::Expired, _) => Some(Metric::UnconfirmedAge),
            // A refund is due, of late money or of a second payment.
            _ => Some(Metric::RefundWait),
        }
    }
}

/// Returns none in place of a result about a request that cannot be read. That is no failure: it would fail every run,
/// and block the stream. Its write is made all the same if it only has to expire. The store has counted it.
fn unless_unreadable<T>(id: PaymentRequestId, result: Result<T, UseCaseError>) -> Result<Option<T>, UseCaseError> {
    match result {
        Err(error) if error.is_unreadable_item() => {
            tracing::error!(%id, cause = chain(&error), "request not settled: its stored item cannot be read");
            Ok(None)
        }
        result => result.map(Some),
    }
}

fn failure(sequence_number: String) -> DynamoDbBatchItemFailure {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = Some(sequence_number);
    failure
}

/// Returns the link that time to live has removed; `None` for any other record. A removed request is no link: its
/// retention is over, so nothing is left to settle.
fn removed_link(record: StreamRecord) -> Option<Removed> {
    let target = match record.kind() {
        ItemKind::Link if record.removed_by_time_to_live => {
            target_of_link(record.old_image.clone()).map_err(RecordError::from)
        }
        ItemKind::Unreadable => Err(RecordError::Form),
        ItemKind::Request | ItemKind::Link | ItemKind::Difference | ItemKind::Other => return None,
    };
    let sequence_number = record.sequence_number;
    match target {
        Ok(id) => Some(Removed { id, link: link_of_image(record.old_image).ok(), sequence_number }),
        Err(error) => {
            count(Metric::RecordUnreadable);
            tracing::error!(%error, sequence_number, "stream record left out; the schedule settles its request");
            None
        }
    }
}

/// Logs the outcome of one request, and counts what an operator has to see.
fn log_outcome(id: PaymentRequestId, settled: &Settled) {
    match settled {
        Settled::Expired(request) => {
            duration(Metric::ExpiryLag, request.updated_at().saturating_duration_since(request.deadline));
            tracing::info!(%id, status = %request.status, "request expired");
        }
        Settled::Changed(request) => {
            tracing::info!(%id, status = %request.status, "request changed: the provider was asked");
        }
        Settled::SentBack(_) => tracing::info!(%id, "second payments have gone back"),
        Settled::Confirmed(_) => tracing::info!(%id, "expiry confirmed by the provider"),
        Settled::NotDue => {}
        Settled::Waiting(_, waiting) => log_waiting(id, *waiting),
        Settled::Postponed(_, error) => {
            count_if_unreadable(error);
            tracing::warn!(%id, cause = chain(error), "request not settled: the provider is asked again");
        }
        Settled::Mismatched(_) => {
            count(Metric::AmountMismatch);
            tracing::error!(%id, "payment not recorded: the provider reports another amount than was asked for");
        }
        Settled::ExpiredUnconfirmed(_, error) => {
            count_if_unreadable(error);
            count(Metric::ExpiredUnconfirmed);
            tracing::error!(%id, cause = chain(error), "request expired without the provider's confirmation");
        }
    }
}

fn log_waiting(id: PaymentRequestId, waiting: Waiting) {
    match waiting {
        Waiting::Money => tracing::info!(%id, "money still in flight: the provider is asked again"),
        Waiting::OpenPage => tracing::info!(%id, "payment page still open: the provider is asked again"),
        Waiting::Refund => tracing::info!(%id, "refund still under way: the provider is asked again"),
        Waiting::RefundFunds => {
            count(Metric::RefundFailed);
            tracing::error!(
                %id,
                "refund waits for a person: for money in the provider's account, or for where to send it"
            );
        }
        Waiting::RefundStatusUnknown => {
            count(Metric::ProviderValueUnknown);
            tracing::error!(%id, "refund has an unknown status: the provider is asked again");
        }
    }
}

/// Counts an answer of the provider that this version does not know.
fn count_if_unreadable(error: &ProviderError) {
    if matches!(error, ProviderError::Unreadable(_)) {
        count(Metric::ProviderValueUnknown);
    }
}
