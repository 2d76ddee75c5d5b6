//! `/webhook-endpoints`: a supervisor registers the addresses that receive status webhooks, reads what was delivered,
//! and asks for it again.

mod body;
mod cursor;
#[cfg(feature = "schema")]
pub mod schema;
mod view;

use adapters::webhooks::{self, EncryptedSecrets, TaskQueue, WebhooksTable};
use body::{Replay, deliveries, new_endpoint, replay};
use domain::ports::WebhookEndpoints as _;
use domain::use_cases::webhooks::endpoints::{NotRegistered, NotRotated, log, register, rotate};
use domain::use_cases::webhooks::replay::{Replayed, replay_event, replay_since};
use domain::webhooks::{ENDPOINTS_AT_MOST, EndpointId, Reach};
use domain::{Doors, Identity, WorkspaceId};
use http::header::{CACHE_CONTROL, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::{body as body_bytes, json, path_parameter, route_key};
use runtime::{Body, ConfigError, Environment, FieldError, Function, HttpFunction, HttpHandler, Problem, Request};
use view::{DeliveryList, DeliveryView, EndpointList, EndpointView, NewEndpointView};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Endpoints {
    table: WebhooksTable,
    queue: TaskQueue,
    vault: EncryptedSecrets,
    reach: Reach,
    doors: Doors,
    claims: ClaimNames,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(Endpoints {
        table: WebhooksTable::new(environment)?,
        queue: TaskQueue::new(environment)?,
        vault: EncryptedSecrets::new(environment)?,
        reach: webhooks::reach(environment)?,
        doors: environment.doors(),
        claims: ClaimNames::new(environment),
    })))
}

impl HttpHandler for Endpoints {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        // Agents and services have no business here.
        let Identity::Supervisor(_) = caller.identity else { return Err(Problem::Forbidden) };
        let workspace = &caller.workspace;
        let id = || path_parameter(&request, "id")?.parse::<EndpointId>().map_err(|_| Problem::NotFound);
        match route_key(&request) {
            "POST /webhook-endpoints" => self.register(workspace, &request).await,
            "GET /webhook-endpoints" => {
                Fields::of_query(&request)?.finish(Some(()))?;
                self.list(workspace).await
            }
            "DELETE /webhook-endpoints/{id}" => self.remove(workspace, &id()?).await,
            "POST /webhook-endpoints/{id}/rotate-secret" => {
                let id = id()?;
                // The URL says everything, so the body must be missing or an empty object.
                if !body_bytes(&request)?.is_empty() {
                    Fields::of_body(&request)?.finish(Some(()))?;
                }
                self.rotate(workspace, &id).await
            }
            "GET /webhook-endpoints/{id}/deliveries" => self.deliveries(workspace, &id()?, &request).await,
            "POST /webhook-endpoints/{id}/replay" => self.replay(workspace, &id()?, &request).await,
            _ => Err(Problem::NotFound),
        }
    }

    async fn warm(&self) {
        self.table.warm().await;
    }
}

impl Endpoints {
    async fn register(&self, workspace: &WorkspaceId, request: &Request) -> Result<Response<Body>, Problem> {
        let new = new_endpoint(request, self.reach)?;
        let registered = register(&self.table, &self.vault, &self.doors, workspace, new).await?;
        let (endpoint, secret) = registered.map_err(|reason| not_registered(&reason))?;
        let mut response = json(StatusCode::CREATED, &NewEndpointView::new(&endpoint, &secret));
        let location = HeaderValue::from_str(&format!("/webhook-endpoints/{}", endpoint.id))
            .map_err(|error| Problem::TemporarilyUnavailable(error.into()))?;
        response.headers_mut().insert(LOCATION, location);
        Ok(response)
    }

    async fn list(&self, workspace: &WorkspaceId) -> Result<Response<Body>, Problem> {
        let mut endpoints = self.table.endpoints(workspace).await.map_err(unavailable)?.endpoints;
        endpoints.sort_by(|one, other| other.created_at.cmp(&one.created_at).then_with(|| one.id.cmp(&other.id)));
        let items = endpoints.iter().map(EndpointView::new).collect();
        Ok(json(StatusCode::OK, &EndpointList { items }))
    }

    async fn remove(&self, workspace: &WorkspaceId, id: &EndpointId) -> Result<Response<Body>, Problem> {
        if self.table.remove_endpoint(workspace, id).await.map_err(unavailable)? {
            Ok(empty(StatusCode::NO_CONTENT))
        } else {
            Err(Problem::NotFound)
        }
    }

    async fn rotate(&self, workspace: &WorkspaceId, id: &EndpointId) -> Result<Response<Body>, Problem> {
        let rotated = rotate(&self.table, &self.vault, &self.doors, workspace, id).await?;
        let (endpoint, secret) = rotated.map_err(|reason| match reason {
            NotRotated::NoEndpoint => Problem::NotFound,
            NotRotated::TooOften(wait) => Problem::RotatedTooOften(wait),
        })?;
        Ok(json(StatusCode::OK, &NewEndpointView::new(&endpoint, &secret)))
    }

    async fn deliveries(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let search = deliveries(request)?;
        let page = log(&self.table, &self.doors, workspace, id, search.status, search.after, search.limit).await?;
        let page = page.ok_or(Problem::NotFound)?;
        let items = page.deliveries.iter().map(|delivery| DeliveryView::new(delivery, &page.endpoint)).collect();
        Ok(json(StatusCode::OK, &DeliveryList { items, next_cursor: page.next.as_ref().map(cursor::write) }))
    }

    async fn replay(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        match replay(request, self.doors.now())? {
            Replay::Event(event) => {
                match replay_event(&self.table, &self.queue, &self.doors, workspace, id, &event).await? {
                    Replayed::Queued => Ok(empty(StatusCode::ACCEPTED)),
                    Replayed::NoEndpoint => Err(Problem::NotFound),
                    Replayed::NoEvent => Err(invalid("event_id", "is not in the log of this endpoint")),
                }
            }
            Replay::Since(since) => {
                if replay_since(&self.table, &self.queue, &self.doors, workspace, id, since).await? {
                    Ok(empty(StatusCode::ACCEPTED))
                } else {
                    Err(Problem::NotFound)
                }
            }
        }
    }
}

fn unavailable(error: domain::ports::StoreError) -> Problem {
    Problem::TemporarilyUnavailable(error.into())
}

fn invalid(field: &str, message: &str) -> Problem {
    Problem::ValidationFailed(vec![FieldError::new(field, message)])
}

fn not_registered(reason: &NotRegistered) -> Problem {
    let message = match reason {
        NotRegistered::TooMany => {
            format!("cannot be added: a workspace has at most {ENDPOINTS_AT_MOST} webhook endpoints")
        }
        NotRegistered::SameUrl(id) => format!("is already that of the webhook endpoint {id}"),
    };
    invalid("url", &message)
}

/// Builds a response without a body.
fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
