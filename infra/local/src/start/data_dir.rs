//! The directory that keeps everything across restarts.

use super::StartError;
use std::fs::{DirBuilder, File, TryLockError};
use std::path::Path;

/// Creates the directory and claims it until the file is dropped: two runners in one would deliver everything twice.
pub(super) fn claim(directory: &Path) -> Result<File, StartError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    // Phone numbers and a signing key are kept in it.
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
