//! The context that every part of the runner is started with.

use crate::cloud::dynamodb::TABLE_NAME;
use crate::cloud::functions::Functions;
use crate::cloud::template::Template;
use dynoxide::Database;
use runtime::Environment;
use stand_in_host::Host;
use std::path::PathBuf;
use std::sync::Arc;

/// The running system, as its parts see it. Clones are the same system.
#[derive(Clone)]
pub(crate) struct Runner {
    /// What the stand-ins see of it, too: the store, the doors to time and randomness, the shutdown.
    pub(crate) host: Host,
    /// Where everything is kept; nothing outlives the process without it.
    pub(crate) data_dir: Option<PathBuf>,
    /// What a deployment would be made from.
    pub(crate) template: Arc<Template>,
    /// What the functions are handed.
    pub(crate) environment: Environment,
    /// The functions.
    pub(crate) functions: Functions,
    /// The embedded DynamoDB. Its calls block.
    pub(crate) database: Database,
    /// Where it answers over HTTP.
    pub(crate) database_url: String,
}

impl Runner {
    /// Returns the table's name.
    pub(crate) fn table_name(&self) -> &str {
        self.environment.get("TABLE_NAME").unwrap_or(TABLE_NAME)
    }
}
