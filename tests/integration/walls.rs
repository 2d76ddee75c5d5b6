//! The boundaries between and within the shared crates that the compiler does not enforce.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// Returns every line of a shared crate's sources, with the name of its file.
fn lines(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name).join("src");
    let files = sources(&folder).into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(&folder).unwrap().display().to_string();
        text.lines().map(|line| (format!("{name}/{file}"), line.trim().to_owned())).collect::<Vec<_>>()
    });
    files.flatten().collect()
}

#[test]
fn no_module_imports_from_the_root_of_its_own_crate() {
    for name in ["adapters", "runtime"] {
        for (file, line) in lines(name) {
            let from_root = line.trim_start_matches("pub ").strip_prefix("use crate::");
            let item = from_root.and_then(|rest| rest.chars().next());
            let of_module = item.is_none_or(char::is_lowercase);
            assert!(of_module, "{file}: {line}: import from the defining module, not from the crate's root");
        }
    }
}

#[test]
fn the_adapters_build_no_http_answers() {
    for (file, line) in lines("adapters") {
        let answers = ["runtime::problem::Problem", "Problem}", "http_function", "lambda_http"];
        assert!(
            !answers.iter().any(|word| line.contains(word)),
            "{file}: {line}: HTTP answers belong to the functions"
        );
    }
}
