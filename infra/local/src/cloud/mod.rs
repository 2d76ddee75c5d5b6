//! The emulated cloud: what AWS does around the functions, configured from the deployment template.

pub(crate) mod aws;
pub(crate) mod bus;
pub mod dynamodb;
pub(crate) mod functions;
mod gateway;
pub(crate) mod pattern;
pub(crate) mod queue;
mod schedule;
pub(crate) mod sockets;
mod stream;
pub(crate) mod template;
mod time;
pub(crate) mod tokens;

use crate::runner::Runner;
use axum::Router;
use runtime::ConfigError;
use stand_in_host::DurableStoreError;
use tokens::KeyError;

/// The reason why a part of the cloud could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The signing key for access tokens could not be opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The part's stored data cannot be read.
    #[error(transparent)]
    Store(#[from] DurableStoreError),
    /// A variable is missing or invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The routes of a running cloud.
pub(crate) struct Cloud {
    /// The services that the functions and the tests call, below `/local`.
    pub(crate) own_routes: Router,
    /// Everything else: the HTTP API in front of the functions.
    pub(crate) http_api: Router,
}

/// Starts every part of the cloud.
pub(crate) async fn start(runner: &Runner) -> Result<Cloud, CloudError> {
    let tokens = tokens::open(runner).await?;
    let (queue, queue_routes) = queue::start(runner).await?;
    let own_routes = Router::new().merge(tokens::router(&tokens)).merge(queue_routes);
    let own_routes = own_routes.merge(bus::start(runner, queue).await?).merge(dynamodb::start(runner));
    let own_routes = own_routes.merge(sockets::start(runner));
    stream::start(runner).await?;
    schedule::start(runner);
    Ok(Cloud { own_routes, http_api: gateway::router(runner, tokens)? })
}
