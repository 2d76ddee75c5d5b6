//! For build scripts: puts a folder of static files into a binary, compressed once and for all.
//!
//! The files are served by `runtime::assets` under a version that is made of all their contents. So a browser may keep
//! them forever, and the files of a folder can name each other as they are named in it.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Hexadecimal digits of the version: 64 bits tell any two versions apart that ever were.
const VERSION_DIGITS: usize = 16;

/// The folder cannot be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// What the file is cannot be told from its name.
    #[error("{path} has an extension that is not known here", path = .0.display())]
    Kind(PathBuf),
    /// This is no build script.
    #[error("OUT_DIR is not set: {0}")]
    OutDir(#[from] env::VarError),
}

/// Writes `$OUT_DIR/assets.rs`, an expression of the type `runtime::assets::Assets` that holds the files of a folder (not
/// of folders in it). The build script runs again when one of them changes.
///
/// # Errors
/// The folder cannot be read, or the result not be written.
pub fn embed(folder: &Path) -> Result<(), EmbedError> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let folder = fs::canonicalize(folder).map_err(|cause| error(folder, cause))?;
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries.map_err(|cause| error(&folder, cause))?.iter().map(fs::DirEntry::path).collect();
    paths.retain(|path| path.is_file());
    paths.sort();

    let (mut digest, mut files) = (Sha256::new(), Vec::new());
    for path in paths {
        let bytes = fs::read(&path).map_err(|cause| error(&path, cause))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind = content_type(&path).ok_or_else(|| EmbedError::Kind(path.clone()))?;
        for part in [name.as_bytes(), &bytes] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let gzip = out.join(format!("{name}.gz"));
        let compressed = compress(&bytes).and_then(|compressed| fs::write(&gzip, compressed));
        compressed.map_err(|cause| error(&gzip, cause))?;
        let (path, gzip) = (path.to_string_lossy(), gzip.to_string_lossy());
        files.push(format!(
            "    runtime::assets::Asset {{ name: {name:?}, content_type: {kind:?}, bytes: include_bytes!({path:?}), \
             gzip: include_bytes!({gzip:?}) }},\n"
        ));
    }
    let mut version = String::new();
    for byte in digest.finalize().iter().take(VERSION_DIGITS / 2) {
        // Writing to a string does not fail.
        write!(version, "{byte:02x}").unwrap_or_default();
    }
    let target = out.join("assets.rs");
    let files = files.concat();
    let source = format!("runtime::assets::Assets {{ version: {version:?}, files: &[\n{files}] }}\n");
    fs::write(&target, source).map_err(|cause| error(&target, cause))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "cargo::rerun-if-changed={}", folder.display()).map_err(|cause| error(&folder, cause))
}

fn error(path: &Path, cause: io::Error) -> EmbedError {
    EmbedError::File { path: path.to_owned(), cause }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn content_type(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()? {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
