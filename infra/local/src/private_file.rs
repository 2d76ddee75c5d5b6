//! Files that only this user can read.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Writes a new file for this user alone. It gets its name only once it is complete, so that an interrupted start
/// leaves no file with a part of its content.
pub(crate) fn write(file: &Path, content: &[u8]) -> io::Result<()> {
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
    written.write_all(content)?;
    written.sync_all()?;
    std::fs::rename(&part, file)
}
