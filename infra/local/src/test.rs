//! Helpers shared by the tests of several modules.

use crate::cloud::functions::Functions;
use crate::cloud::template::Template;
use crate::runner::Runner;
use dynoxide::Database;
use runtime::{Environment, Function};
use stand_in_host::{Doors, DurableStore, Host, Identifiers as _, ShutdownHandle};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A temporary directory that is removed when the value is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chat2pay-{}", Doors::default().uuid()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Builds a runner with its data in memory and with these functions, by name, instead of the deployed ones. It runs
/// until the handle is dropped.
pub(crate) fn runner(
    functions: impl IntoIterator<Item = (&'static str, Box<dyn Function>)>,
) -> (Runner, ShutdownHandle) {
    let (handle, shutdown) = ShutdownHandle::new();
    let runner = Runner {
        host: Host {
            base_url: "http://127.0.0.1:1".to_owned(),
            own_url: "http://127.0.0.1:1".to_owned(),
            functions_elsewhere: false,
            store: DurableStore::open(None).unwrap(),
            doors: Doors::default(),
            client: stand_in_host::client(Duration::from_secs(1)).unwrap(),
            shutdown: shutdown.clone(),
        },
        data_dir: None,
        template: Arc::new(Template::embedded().unwrap()),
        environment: Environment::default(),
        functions: Functions::of(functions, shutdown),
        database: Database::memory().unwrap(),
        database_url: "http://127.0.0.1:1".to_owned(),
    };
    (runner, handle)
}
