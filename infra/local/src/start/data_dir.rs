//! The data directory, which keeps all data across restarts.

use super::StartError;
use std::fs::{DirBuilder, File, TryLockError};
use std::path::Path;

/// Creates the directory and locks it until the returned file is dropped. Two runners in one directory would deliver
/// everything twice.
pub(super) fn claim(directory: &Path) -> Result<File, StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    // Only this user may read it: it contains phone numbers and a signing key.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(StartError::DataDir)?;
    let lock = File::create(directory.join("lock")).map_err(StartError::DataDir)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::DataDirInUse),
        Err(TryLockError::Error(error)) => Err(StartError::DataDir(error)),
    }
}
