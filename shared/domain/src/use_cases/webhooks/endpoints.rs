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

/// The number of deliveries that a filtered page looks at. A page with fewer than its limit still has a next one.
const LOOKED_AT: usize = 1_000;
/// The number of deliveries that it reads at once.
const LOOKED_AT_AT_ONCE: usize = 100;

/// What a supervisor says of a new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Its address.
    pub url: EndpointUrl,
    /// The events that it receives.
    pub events: Subscription,
    /// What it is for.
    pub description: Option<EndpointDescription>,
}

/// Registers an endpoint. Returns it with its secret, which is shown this once; `None` if the workspace has as many as
/// it may. Registrations in the same moment may exceed the limit.
///
/// # Errors
/// The store, the vault or the source of randomness failed.
pub async fn register(
    store: &impl WebhookEndpoints,
    vault: &impl SecretVault,
    doors: &(impl Clock + Randomness),
    workspace: &WorkspaceId,
    new: NewEndpoint,
) -> Result<Option<(WebhookEndpoint, SigningSecret)>, UseCaseError> {
    if store.endpoints(workspace).await?.len() >= ENDPOINTS_AT_MOST {
        return Ok(None);
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
    };
    store.insert_endpoint(&endpoint).await?;
    Ok(Some((endpoint, secret)))
}

/// Replaces an endpoint's secret. Returns the endpoint with the new one; `None` if the workspace has no such endpoint.
///
/// # Errors
/// The store, the vault or the source of randomness failed.
pub async fn rotate(
    store: &impl WebhookEndpoints,
    vault: &impl SecretVault,
    doors: &(impl Clock + Randomness),
    workspace: &WorkspaceId,
    id: &EndpointId,
) -> Result<Option<(WebhookEndpoint, SigningSecret)>, UseCaseError> {
    loop {
        let Some(seen) = store.find_endpoint(workspace, id).await? else { return Ok(None) };
        let secret = SigningSecret::random(doors)?;
        let sealed = vault.seal(workspace, id, &secret).await?;
        let secrets = seen.rotated(sealed, doors.now());
        // Somebody else may have rotated it meanwhile. Of those, each tries again at most once per success of another.
        if store.replace_secrets(&seen, &secrets).await? {
            return Ok(Some((WebhookEndpoint { secrets, ..seen }, secret)));
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
    workspace: &WorkspaceId,
    id: &EndpointId,
    status: Option<DeliveryStatus>,
    after: Option<DeliveryPlace>,
    limit: usize,
) -> Result<Option<LogPage>, UseCaseError> {
    let Some(endpoint) = store.find_endpoint(workspace, id).await? else { return Ok(None) };
    let (mut found, mut place, mut looked_at) = (Vec::new(), after, 0);
    // One more than the page has room for shows whether there is a next page.
    let wanted = if status.is_some() { LOOKED_AT_AT_ONCE } else { limit.saturating_add(1) };
    loop {
        let page = store.newest_deliveries(id, place.as_ref(), wanted).await?;
        looked_at += page.deliveries.len();
        for delivery in page.deliveries {
            if found.len() == limit {
                return Ok(Some(LogPage { endpoint, deliveries: found, next: place }));
            }
            place = Some(DeliveryPlace::of(&delivery));
            if status.is_none_or(|status| delivery.status_at(&endpoint) == status) {
                found.push(delivery);
            }
        }
        if page.next.is_none() || looked_at >= LOOKED_AT {
            return Ok(Some(LogPage { endpoint, deliveries: found, next: page.next }));
        }
        place = page.next;
    }
}
