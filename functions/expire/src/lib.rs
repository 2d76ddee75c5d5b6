//! Expires payment requests, within about a second of their deadline.
//!
//! Two events invoke it: a scheduled rule once a minute, and the table's stream when time to live has removed a link.
//! Either alone is enough. Neither decides that a request has expired: the condition of the write does.

mod gates;
mod sweep;

use adapters::dynamodb::stream::{ItemKind, RecordError, StreamRecord, records, target_of_link};
use adapters::{ConfiguredProvider, DynamoDbStore};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::ports::ProviderError;
use domain::use_cases::UseCaseError;
use domain::use_cases::expire::{Found, Settled, expire_unclicked, settle_unpaid};
use domain::{Doors, Limits, PaymentRequest, PaymentRequestId};
use gates::Gates;
use runtime::telemetry::{Metric, chain, count, duration};
use runtime::{BoxFuture, ConfigError, Environment, Function, InvocationError};
use std::time::Duration;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Expire {
    store: DynamoDbStore,
    doors: Doors,
    provider: ConfiguredProvider,
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
    /// Settles the requests whose links were removed. The first failure ends the batch; the stream delivers it again
    /// from there.
    async fn settle_removed(&self, records: Vec<StreamRecord>) -> DynamoDbEventResponse {
        let (mut response, gates) = (DynamoDbEventResponse::default(), Gates::default());
        for record in records {
            let Some(id) = removed_link(&record) else { continue };
            if let Err(error) = self.settle(id, &gates).await {
                tracing::error!(%id, cause = chain(&error), "request not settled: the stream delivers it again");
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(record.sequence_number);
                response.batch_item_failures = vec![failure];
                return response;
            }
        }
        response
    }

    /// Settles one request if its deadline has passed, as soon as a permit is free. A request that cannot be read is
    /// left as it is: it would fail every run, and block the stream. The store has counted it.
    async fn settle(&self, id: PaymentRequestId, gates: &Gates) -> Result<(), UseCaseError> {
        match self.settle_readable(id, gates).await {
            Err(error) if error.is_unreadable_item() => {
                tracing::error!(%id, cause = chain(&error), "request not settled: its stored item cannot be read");
                Ok(())
            }
            settled => settled,
        }
    }

    async fn settle_readable(&self, id: PaymentRequestId, gates: &Gates) -> Result<(), UseCaseError> {
        let permit = gates.store.acquire_store_permit().await;
        let found = expire_unclicked(&self.store, &self.doors, id).await?;
        drop(permit);
        let settled = match found {
            Found::Settled(settled) => settled,
            Found::Unpaid(request) => self.settle_unpaid(*request, gates).await?,
        };
        log_outcome(id, settled);
        Ok(())
    }

    async fn settle_unpaid(&self, request: PaymentRequest, gates: &Gates) -> Result<Settled, UseCaseError> {
        let _permit = gates.provider.acquire_provider_permit().await;
        if gates.provider.circuit_is_open() && request.may_wait_for_provider(self.doors.now()) {
            return Ok(Settled::Postponed(ProviderError::Unavailable("it does not answer in this run".into())));
        }
        let settled = settle_unpaid(&self.store, &self.provider, &self.doors, &self.public_base_url, request).await?;
        gates.provider.record_outcome(&settled);
        Ok(settled)
    }
}

/// Returns the request of a link that time to live has removed; `None` for any other record. A removed request is no
/// link: its retention is over, so nothing is left to settle.
fn removed_link(record: &StreamRecord) -> Option<PaymentRequestId> {
    let target = match record.kind() {
        ItemKind::Link if record.removed_by_time_to_live => {
            target_of_link(record.old_image.clone()).map_err(RecordError::from)
        }
        ItemKind::Unreadable => Err(RecordError::Form),
        ItemKind::Request | ItemKind::Link | ItemKind::Difference | ItemKind::Other => return None,
    };
    target
        .inspect_err(|error| {
            count(Metric::RecordUnreadable);
            let sequence_number = &record.sequence_number;
            tracing::error!(%error, sequence_number, "stream record left out; the schedule settles its request");
        })
        .ok()
}

/// Logs the outcome of one request, and counts what an operator has to see.
fn log_outcome(id: PaymentRequestId, settled: Settled) {
    match settled {
        Settled::Expired(request) => {
            duration(Metric::ExpiryLag, request.updated_at().saturating_duration_since(request.deadline));
            tracing::info!(%id, status = %request.status, "request expired");
        }
        Settled::Paid(request) => {
            tracing::info!(%id, status = %request.status, "request paid at its deadline");
        }
        Settled::Processing(request) => {
            tracing::info!(%id, status = %request.status, "request processing at its deadline");
        }
        Settled::NotDue => {}
        Settled::Postponed(error) => {
            if matches!(error, ProviderError::Unreadable(_)) {
                count(Metric::ProviderValueUnknown);
            }
            tracing::warn!(%id, cause = chain(&error), "checkout not closed: the next run retries");
        }
        Settled::Mismatched(_) => {
            count(Metric::AmountMismatch);
            tracing::error!(%id, "request expired, although the provider reports a payment of another amount");
        }
        Settled::ExpiredUnconfirmed(_, error) => {
            count(Metric::ExpiredUnconfirmed);
            tracing::error!(%id, cause = chain(&error), "request expired without the provider's confirmation");
        }
    }
}
