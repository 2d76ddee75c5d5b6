//! The walls around the domain and between its modules.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn own_sources() -> Vec<(PathBuf, String)> {
    let found = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(found.len() > 30, "the sources are found");
    found
}

/// Asserts that no line of any source breaks a rule, and names those that do.
fn assert_no_line(breaks: impl Fn(&str) -> bool, rule: &str) {
    for (path, text) in own_sources() {
        for (number, line) in (1..).zip(text.lines()) {
            assert!(!breaks(line), "{}:{number}: {rule}: {line}", path.display());
        }
    }
}

/// A name from the crate's root says nothing about where it belongs, and hides which modules depend on each other.
#[test]
fn no_module_imports_from_the_crates_root() {
    let from_the_root = |line: &str| {
        let mut paths = line.split("crate::").skip(1);
        // `crate::money::Amount` begins with a module, `crate::Amount` and `crate::{Amount, …}` do not.
        paths.any(|rest| !rest.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    assert!(from_the_root("use crate::{Amount, Money};") && from_the_root("let amount = crate::Amount::new(1);"));
    assert!(!from_the_root("use crate::money::{Amount, Money};") && !from_the_root("pub(crate) fn at()"));
    assert_no_line(from_the_root, "name the module instead of the crate's root");
}

/// Whoever runs the use cases hands in what is particular to it, such as when it runs a function again.
#[test]
fn nothing_knows_who_runs_it() {
    const OTHERS: [&str; 6] = ["lambda", "aws", "amazon", "dynamo", "eventbridge", "tokio"];
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let dependencies = manifest.split_once("[dependencies]").unwrap().1.to_lowercase();
    for other in OTHERS.into_iter().chain(["http", "hyper"]) {
        assert!(!dependencies.contains(other), "a dependency of the domain: {other}");
    }
    let word = |line: &str, other: &str| {
        line.to_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.starts_with(other))
    };
    for other in OTHERS {
        assert_no_line(|line| word(line, other), "the domain knows no such thing");
    }
}
