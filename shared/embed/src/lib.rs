//! For build scripts: puts a folder of static files into a binary, small, compressed, and under a name that changes
//! with them.
//!
//! The files are served by `runtime::assets` under a version that is made of all their contents. So a browser may keep
//! them forever, and the files of a folder can name each other as they are named in it.

mod small;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
pub use small::style_sheet;
use std::collections::BTreeMap;
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
        /// The file's path.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// What the file is cannot be told from its name.
    #[error("{0} has an extension that is not known here")]
    Kind(String),
    /// A style sheet or a script is no text.
    #[error("{0} is not UTF-8")]
    Text(String),
    /// A script is written so that it cannot be made small line by line.
    #[error("{name}, line {line}: {reason}")]
    Script {
        /// The script's name in the folder.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// What stands in the way.
        reason: &'static str,
    },
    /// There is no such file in the folder.
    #[error("there is no {0}")]
    Missing(String),
    /// This is no build script.
    #[error("OUT_DIR is not set: {0}")]
    OutDir(#[from] env::VarError),
}

/// The files of a folder and of the folders in it, by their names in it: `a.js`, `b/c.css`.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Reads a folder, with the folders in it.
    ///
    /// # Errors
    /// A file or folder cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let path = fs::canonicalize(&path).map_err(|cause| error(path.as_ref(), cause))?;
        let mut files = BTreeMap::new();
        collect(&path, "", &mut files)?;
        Ok(Self { path, files })
    }

    /// Adds a file that the build script has made.
    #[must_use]
    pub fn with(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), content.into());
        self
    }

    /// Puts a module into the place of a style sheet, for a script that constructs the sheet: `a.css` becomes
    /// `a.css.js`, whose default export is its text.
    ///
    /// # Errors
    /// There is no such file, or it is no text.
    pub fn with_module_of(mut self, name: &str) -> Result<Self, EmbedError> {
        let source = self.files.remove(name).ok_or_else(|| EmbedError::Missing(name.to_owned()))?;
        let css = style_sheet(&text(name, source)?);
        let mut literal = String::new();
        for character in css.chars() {
            match character {
                '"' | '\\' => literal.extend(['\\', character]),
                '\n' => literal.push_str("\\n"),
                _ => literal.push(character),
            }
        }
        Ok(self.with(&format!("{name}.js"), format!("export default \"{literal}\";\n")))
    }

    /// Writes `$OUT_DIR/assets.rs`, an expression of the type `runtime::assets::Assets` that holds the files. Style
    /// sheets and scripts are made small. The build script runs again when something in the folder changes.
    ///
    /// # Errors
    /// A file is of an unknown kind or cannot be made small, or the result cannot be written.
    pub fn write(self) -> Result<(), EmbedError> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let (mut digest, mut entries) = (Sha256::new(), String::new());
        for (name, content) in self.files {
            let kind = content_type(&name).ok_or_else(|| EmbedError::Kind(name.clone()))?;
            let bytes = made_small(&name, content)?;
            for part in [name.as_bytes(), &bytes] {
                digest.update(part.len().to_be_bytes());
                digest.update(part);
            }
            let path = out.join("assets").join(&name);
            let gzip = out.join("assets").join(format!("{name}.gz"));
            let folder = path.parent().unwrap_or(&out);
            fs::create_dir_all(folder).map_err(|cause| error(folder, cause))?;
            fs::write(&path, &bytes).map_err(|cause| error(&path, cause))?;
            let compressed = compress(&bytes).and_then(|compressed| fs::write(&gzip, compressed));
            compressed.map_err(|cause| error(&gzip, cause))?;
            let (path, gzip) = (path.to_string_lossy(), gzip.to_string_lossy());
            // Writing to a string does not fail.
            writeln!(
                entries,
                "    runtime::assets::Asset {{ name: {name:?}, content_type: {kind:?}, \
                 bytes: include_bytes!({path:?}), gzip: include_bytes!({gzip:?}) }},"
            )
            .unwrap_or_default();
        }
        let mut version = String::new();
        for byte in digest.finalize().iter().take(VERSION_DIGITS / 2) {
            write!(version, "{byte:02x}").unwrap_or_default();
        }
        let target = out.join("assets.rs");
        let source = format!("runtime::assets::Assets {{ version: {version:?}, files: &[\n{entries}] }}\n");
        fs::write(&target, source).map_err(|cause| error(&target, cause))?;
        let mut stdout = io::stdout();
        writeln!(stdout, "cargo::rerun-if-changed={}", self.path.display()).map_err(|cause| error(&self.path, cause))
    }
}

/// Adds the files of a folder, whose names begin with `prefix`.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<(), EmbedError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.map_err(|cause| error(folder, cause))? {
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read(&path).map_err(|cause| error(&path, cause))?);
        }
    }
    Ok(())
}

fn made_small(name: &str, content: Vec<u8>) -> Result<Vec<u8>, EmbedError> {
    match extension(name) {
        "css" => Ok(style_sheet(&text(name, content)?).into_bytes()),
        "js" => match small::script(&text(name, content)?) {
            Ok(script) => Ok(script.into_bytes()),
            Err((line, reason)) => Err(EmbedError::Script { name: name.to_owned(), line, reason }),
        },
        _ => Ok(content),
    }
}

fn text(name: &str, content: Vec<u8>) -> Result<String, EmbedError> {
    String::from_utf8(content).map_err(|_| EmbedError::Text(name.to_owned()))
}

fn error(path: &Path, cause: io::Error) -> EmbedError {
    EmbedError::File { path: path.to_owned(), cause }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match extension(name) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_sheet_becomes_a_module_of_its_text() {
        let files = BTreeMap::from([("a/b.css".to_owned(), b"a::before { content: \"\\201C\"; }\n".to_vec())]);
        let folder = Folder { path: PathBuf::new(), files }.with_module_of("a/b.css").unwrap();
        let names: Vec<_> = folder.files.keys().collect();
        assert_eq!(names, ["a/b.css.js"]);
        let module = str::from_utf8(&folder.files["a/b.css.js"]).unwrap();
        assert_eq!(module, "export default \"a::before{content:\\\"\\\\201C\\\"}\";\n");
        let nothing = Folder { path: PathBuf::new(), files: BTreeMap::new() };
        assert!(matches!(nothing.with_module_of("a.css"), Err(EmbedError::Missing(_))));
    }
}
