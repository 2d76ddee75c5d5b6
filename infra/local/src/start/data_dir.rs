//! The data directory, which keeps all data across restarts.

use super::StartError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
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

/// Returns the secret in this file. If there is none, stores `fresh` there, for this user alone, and returns it. A file
/// is either whole or not there.
pub(super) fn kept_secret(file: &Path, fresh: String) -> io::Result<String> {
    match std::fs::read_to_string(file) {
        Ok(kept) => return Ok(kept),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let part = file.with_extension("part");
    // A crash may have left it.
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&part)?;
    written.write_all(fresh.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&part, file)?;
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::Directory;

    #[test]
    fn a_secret_is_stored_once_whole_and_for_this_user_alone() {
        let directory = Directory::new();
        let file = directory.path().join("key");
        // What a crash may have left.
        std::fs::write(file.with_extension("part"), "ha").unwrap();
        assert_eq!(kept_secret(&file, "half".to_owned()).unwrap(), "half");
        assert_eq!(kept_secret(&file, "other".to_owned()).unwrap(), "half");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(kept_secret(directory.path(), "x".to_owned()).is_err(), "a directory is no secret");
    }
}
