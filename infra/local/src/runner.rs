//! The context that every part of the runner is started with.

use crate::cloud::dynamodb::TABLE_NAME;
use crate::cloud::functions::Functions;
use crate::cloud::template::Template;
use dynoxide::Database;
use runtime::Environment;
use stand_in_host::Host;
use std::path::PathBuf;
use std::sync::Arc;

/// The shared context of the running system. Clones refer to the same system.
#[derive(Clone)]
pub(crate) struct Runner {
    /// The part of the context that the stand-ins share: the store, the access to time and randomness, the shutdown.
    pub(crate) host: Host,
    /// The directory of all stored data. Without it, all data is in memory.
    pub(crate) data_dir: Option<PathBuf>,
    /// The deployment template.
    pub(crate) template: Arc<Template>,
    /// The functions' environment.
    pub(crate) environment: Environment,
    /// The functions, for invocation.
    pub(crate) functions: Functions,
    /// The embedded DynamoDB. Its calls block the thread.
    pub(crate) database: Database,
    /// The embedded DynamoDB's HTTP URL.
    pub(crate) database_url: String,
}

impl Runner {
    /// Returns the table's name: `TABLE_NAME`, or its default.
    pub(crate) fn table_name(&self) -> &str {
        self.environment.get("TABLE_NAME").unwrap_or(TABLE_NAME)
    }
}
