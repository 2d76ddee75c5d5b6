//! Helpers shared by the tests of several modules.

use stand_in_host::{Doors, Identifiers as _};
use std::path::{Path, PathBuf};

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
