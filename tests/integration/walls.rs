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

/// Returns the names of a package's dependencies, as they are without its tests.
fn dependencies(package: &str) -> Vec<String> {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<String> = tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "domain"), "{tree}");
    names
}

/// The description of the HTTP API is made by the tests (decision 0029).
#[test]
fn nothing_of_the_description_is_in_a_binary() {
    for package in ["create", "query", "cancel", "local"] {
        let found = dependencies(package).into_iter().find(|name| name.starts_with("schemars"));
        assert_eq!(found, None, "{package} depends on it");
    }
}

/// Each of these builds its tables or compiles its patterns when it is first used: with `phonenumber`, that was 620 of
/// the 641 million instructions of `create`'s first answer. `tests/counts/run` counts all of them, and needs an
/// optimised build. This test is what every run can afford.
#[test]
fn create_depends_on_nothing_that_builds_its_tables_at_the_first_request() {
    let dependencies = dependencies(create::NAME);
    assert!(dependencies.iter().any(|name| name == "regex-lite"), "{dependencies:?}");
    for slow in ["phonenumber", "rlibphonenumber", "regex", "fancy-regex"] {
        assert!(!dependencies.iter().any(|name| name == slow), "create depends on {slow}: count its instructions");
    }
}
