//! Embeds the script, the style sheet and the texts. The texts become Rust values of the type `Texts`, so that the
//! compiler reports a text that is missing or superfluous.

use serde_json::{Map, Value};
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The file of the default language, for browsers that accept none of the languages available.
const DEFAULT_LANGUAGE: &str = "texts/en.json";

fn main() -> Result<(), Box<dyn Error>> {
    embed::Folder::read("assets")?.write()?;
    style(Path::new("templates/page.css"))?;
    texts(Path::new("texts"))
}

/// Writes `$OUT_DIR/page.css`, the style sheet in the minified form that the pages contain.
fn style(path: &Path) -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", path.display())?;
    let small = embed::style_sheet(&fs::read_to_string(path).map_err(|error| named(path, &error))?);
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("page.css"), small)?;
    Ok(())
}

/// Writes `$OUT_DIR/texts.rs`, a slice of the type `Texts` with one value for each file of a folder, the default first.
fn texts(folder: &Path) -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", folder.display())?;
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort_by_key(|path| (path != Path::new(DEFAULT_LANGUAGE), path.clone()));
    let languages = paths.iter().map(|path| {
        let texts = serde_json::from_str(&fs::read_to_string(path)?);
        texts.map_err(Into::into).and_then(|texts| value("Texts", &texts)).map_err(|error| named(path, error.as_ref()))
    });
    let languages = languages.collect::<Result<Vec<_>, Box<dyn Error>>>()?.join(",\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("texts.rs"), format!("&[\n{languages}\n]\n"))?;
    Ok(())
}

/// Adds the file's path to an error.
fn named(path: &Path, error: &dyn Error) -> Box<dyn Error> {
    format!("{}: {error}", path.display()).into()
}

/// Returns the Rust source of a value of the type `name` with these texts as its fields. A nested object becomes a
/// `Words`, the texts of one state.
fn value(name: &str, texts: &Map<String, Value>) -> Result<String, Box<dyn Error>> {
    let fields = texts.iter().map(|(field, text)| match text {
        Value::String(text) => Ok(format!("{field}: {text:?}")),
        Value::Object(words) => Ok(format!("{field}: {}", value("Words", words)?)),
        other => Err(format!("{field} is not a text: {other}").into()),
    });
    Ok(format!("{name} {{ {} }}", fields.collect::<Result<Vec<_>, Box<dyn Error>>>()?.join(", ")))
}
