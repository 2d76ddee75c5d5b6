//! The data directory, which keeps all data across restarts.

use super::StartError;
use crate::private_file;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
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

/// Returns the secret in this file. Without one, stores `fresh` as the secret, readable by this user alone, and returns
/// it.
pub(super) fn kept_secret(file: &Path, fresh: String) -> io::Result<String> {
    match std::fs::read_to_string(file) {
        Ok(kept) => return Ok(kept),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    private_file::write(file, fresh.as_bytes())?;
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
