//! Embeds a folder of static files into a binary, for build scripts. Style sheets and scripts are minified, every file
//! is compressed, and the version in the files' URLs changes with their contents.
//!
//! `runtime::assets` serves the files under a version that is the digest of all contents. A browser may therefore cache
//! them forever, and files can refer to each other by their relative paths.

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

/// The number of hexadecimal digits of the version: 64 bits are enough to distinguish all versions ever published.
const VERSION_DIGITS: usize = 16;

/// The reason why a folder could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}", path = path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// The file's extension has no known content type.
    #[error("{0} has an extension without a known content type")]
    Kind(String),
    /// A style sheet or a script is not UTF-8.
    #[error("{0} is not UTF-8")]
    Text(String),
    /// A script contains something that the line-by-line minifier does not support.
    #[error("{name}, line {line}: {reason}")]
    Script {
        /// The script's name in the folder.
        name: String,
        /// The line number, starting at 1.
        line: usize,
        /// The unsupported construct.
        reason: &'static str,
    },
    /// The folder has no file with this name.
    #[error("the folder has no file {0}")]
    Missing(String),
    /// `OUT_DIR` is not set, because the code does not run in a build script.
    #[error("OUT_DIR is not set: {0}")]
    OutDir(#[from] env::VarError),
}

/// The files of a folder and its subfolders, by their paths relative to it, such as `a.js` and `b/c.css`.
#[derive(Debug)]
pub struct Folder {
    /// What Cargo watches: the folder, and each file from elsewhere.
    sources: Vec<PathBuf>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// Reads a folder and its subfolders.
    ///
    /// # Errors
    /// [`EmbedError::File`] if a file or folder cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let path = fs::canonicalize(&path).map_err(|cause| error(path.as_ref(), cause))?;
        let mut files = BTreeMap::new();
        collect(&path, "", &mut files)?;
        Ok(Self { sources: vec![path], files })
    }

    /// Adds a file from outside of the folder under this name.
    ///
    /// # Errors
    /// [`EmbedError::File`] if the file cannot be read.
    pub fn with_file(mut self, name: &str, path: impl AsRef<Path>) -> Result<Self, EmbedError> {
        let path = fs::canonicalize(&path).map_err(|cause| error(path.as_ref(), cause))?;
        let content = fs::read(&path).map_err(|cause| error(&path, cause))?;
        self.sources.push(path);
        Ok(self.with(name, content))
    }

    /// Adds a file that the build script has generated, or replaces the file of that name.
    #[must_use]
    pub fn with(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), content.into());
        self
    }

    /// Replaces a style sheet with a JavaScript module, for a script that constructs the sheet: `a.css` becomes
    /// `a.css.js`, whose default export is the sheet's text.
    ///
    /// # Errors
    /// [`EmbedError::Missing`] if the folder has no such file, [`EmbedError::Text`] if it is not UTF-8.
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

    /// Writes `$OUT_DIR/assets.rs`, an expression of type `runtime::assets::Assets` that contains the files. Style
    /// sheets and scripts are minified. Cargo runs the build script again when something in the folder changes, or a
    /// file that was added from elsewhere.
    ///
    /// # Errors
    /// [`EmbedError`] if a file has an unknown extension or cannot be minified, or if the output cannot be written.
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
            // Writing to a string cannot fail.
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
        for path in &self.sources {
            writeln!(stdout, "cargo::rerun-if-changed={}", path.display()).map_err(|cause| error(path, cause))?;
        }
        Ok(())
    }
}

/// Adds the files of a folder and its subfolders to `files`, with `prefix` before each name.
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
    fn a_style_sheet_becomes_a_module_with_its_text() {
        let files = BTreeMap::from([("a/b.css".to_owned(), b"a::before { content: \"\\201C\"; }\n".to_vec())]);
        let folder = Folder { sources: Vec::new(), files }.with_module_of("a/b.css").unwrap();
        let names: Vec<_> = folder.files.keys().collect();
        assert_eq!(names, ["a/b.css.js"]);
        let module = str::from_utf8(&folder.files["a/b.css.js"]).unwrap();
        assert_eq!(module, "export default \"a::before{content:\\\"\\\\201C\\\"}\";\n");
        let nothing = Folder { sources: Vec::new(), files: BTreeMap::new() };
        assert!(matches!(nothing.with_module_of("a.css"), Err(EmbedError::Missing(_))));
    }

    #[test]
    fn a_file_from_elsewhere_has_the_name_it_is_given_and_is_watched() {
        let folder = Folder::read("src").unwrap().with_file("manifest/a.js", "Cargo.toml").unwrap();
        assert_eq!(folder.files["manifest/a.js"], fs::read("Cargo.toml").unwrap());
        assert_eq!(folder.sources, ["src", "Cargo.toml"].map(|path| fs::canonicalize(path).unwrap()));
        let missing = Folder::read("src").unwrap().with_file("a.js", "missing.js");
        assert!(matches!(missing, Err(EmbedError::File { .. })));
    }
}
