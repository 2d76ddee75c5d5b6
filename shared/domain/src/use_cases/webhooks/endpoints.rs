//! A supervisor registers endpoints, rotates their secrets, and reads their deliveries.

use crate::doors::Randomness;
use crate::people::WorkspaceId;
use crate::ports::{Deliveries, DeliveryPlace, SecretVault, WebhookEndpoints};
use crate::time::Clock;
use crate::use_cases::UseCaseError;
use crate::webhooks::{
    Delivery, DeliveryStatus, ENDPOINTS_AT_MOST, EndpointDescription, EndpointId, EndpointUrl, SigningSecret,
    StoredSecret, Subscription, WebhookEndpoint,
};
use std::time::Duration;

/// The number of deliveries that are scanned for a page. A page with fewer than its limit still has a next one.
const SCANNED_AT_MOST: usize = 1_000;
/// The number of deliveries that a filtered page scans at once.
const SCANNED_AT_ONCE: usize = 100;

/// The settings of a new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Its address.
    pub url: EndpointUrl,
    /// The events that it receives.
    pub events: Subscription,
    /// What it is for.
    pub description: Option<EndpointDescription>,
}

/// The reason why an endpoint is not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRegistered {
    /// The workspace has as many as it may.
    TooMany,
    /// This endpoint of the workspace has the address already. A second one would receive each event twice, such as
    /// after a repeated request whose first answer was lost.
    SameUrl(EndpointId),
}

/// Registers an endpoint. Returns it with its secret, which is shown this once. Registrations in the same moment may
/// exceed the limit, or have the same address.
///
/// # Errors
/// The store, the vault or the source of randomness failed.
pub async fn register(
    store: &impl WebhookEndpoints,
    vault: &impl SecretVault,
    doors: &(impl Clock + Randomness),
    workspace: &WorkspaceId,
    new: NewEndpoint,
) -> Result<Result<(WebhookEndpoint, SigningSecret), NotRegistered>, UseCaseError> {
    let registered = store.endpoints(workspace).await?;
    if let Some(same) = registered.endpoints.iter().find(|endpoint| endpoint.url == new.url) {
        return Ok(Err(NotRegistered::SameUrl(same.id.clone())));
    }
    if registered.endpoints.len() + registered.unreadable >= ENDPOINTS_AT_MOST {
        return Ok(Err(NotRegistered::TooMany));
    }
    let (id, secret) = (EndpointId::random(doors)?, SigningSecret::random(doors)?);
    let sealed = vault.seal(workspace, &id, &secret).await?;
    let endpoint = WebhookEndpoint {
        workspace: workspace.clone(),
        id,
        url: new.url,
        events: new.events,
        description: new.description,
        created_at: doors.now(),
        secrets: vec![StoredSecret { sealed, retires_at: None }],
        failing_since: None,
        disabled_at: None,
        ended_at: None,
        slow_until: None,
    };
    store.insert_endpoint(&endpoint).await?;
    Ok(Ok((endpoint, secret)))
}

/// The reason why a secret is not replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRotated {
    /// The workspace has no such endpoint.
    NoEndpoint,
    /// It was replaced too often within a day. The next time is after this time.
    TooOften(Duration),
}

/// Replaces an endpoint's secret. Returns the endpoint with the new one.
///
/// # Errors
/// The store, the vault or the source of randomness failed.
pub async fn rotate(
    store: &impl WebhookEndpoints,
    vault: &impl SecretVault,
    doors: &(impl Clock + Randomness),
    workspace: &WorkspaceId,
    id: &EndpointId,
) -> Result<Result<(WebhookEndpoint, SigningSecret), NotRotated>, UseCaseError> {
    loop {
        let Some(seen) = store.find_endpoint(workspace, id).await? else { return Ok(Err(NotRotated::NoEndpoint)) };
        let secret = SigningSecret::random(doors)?;
        let sealed = vault.seal(workspace, id, &secret).await?;
        let secrets = match seen.rotated(sealed, doors.now()) {
            Ok(secrets) => secrets,
            Err(wait) => return Ok(Err(NotRotated::TooOften(wait))),
        };
        // Somebody else may have changed them meanwhile. Then one of both succeeds, and the other tries again.
        if store.replace_secrets(&seen, &secrets).await? {
            return Ok(Ok((WebhookEndpoint { secrets, ..seen }, secret)));
        }
    }
}

/// A page of an endpoint's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The endpoint, as of which the statuses are.
    pub endpoint: WebhookEndpoint,
    /// The deliveries, the newest first.
    pub deliveries: Vec<Delivery>,
    /// The place after which the next page begins; `None` on the last page.
    pub next: Option<DeliveryPlace>,
}

/// Returns a page of an endpoint's log; `None` if the workspace has no such endpoint.
///
/// # Errors
/// The store failed.
pub async fn log(
    store: &(impl WebhookEndpoints + Deliveries),
    clock: &impl Clock,
    workspace: &WorkspaceId,
    id: &EndpointId,
    status: Option<DeliveryStatus>,
    after: Option<DeliveryPlace>,
    limit: usize,
) -> Result<Option<LogPage>, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(workspace, id).await? else { return Ok(None) };
    let now = clock.now();
    let (mut found, mut place, mut scanned) = (Vec::new(), after, 0);
    // One more than the page has room for shows whether there is a next page.
    let wanted = if status.is_some() { SCANNED_AT_ONCE } else { limit.saturating_add(1) };
    loop {
        let page = store.newest_deliveries(id, place.as_ref(), wanted).await?;
        scanned += wanted;
        for delivery in page.deliveries {
            if found.len() == limit {
                return Ok(Some(LogPage { endpoint, deliveries: found, next: place }));
            }
            place = Some(DeliveryPlace::of(&delivery));
            // The time to live removes an item up to some days late.
            if delivery.kept_until() > now && status.is_none_or(|status| delivery.status_at(&endpoint) == status) {
                found.push(delivery);
            }
        }
        if page.next.is_none() || scanned >= SCANNED_AT_MOST {
            return Ok(Some(LogPage { endpoint, deliveries: found, next: page.next }));
        }
        place = page.next;
    }
}
