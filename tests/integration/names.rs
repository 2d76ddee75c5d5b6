//! Payment providers and channels are listed in places that the compiler does not check. Each list has to be complete.

use adapters::{ChannelName, ProviderName};
use std::collections::BTreeSet;
use std::path::Path;

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// Returns the first line that starts with `begins`, after the text `after` in a file.
fn line(file: &str, after: &str, begins: &str) -> String {
    let text = text(file);
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("{file} has no {after:?}"));
    let found = rest.lines().find(|line| line.starts_with(begins));
    found.unwrap_or_else(|| panic!("{file} has no line {begins:?} after {after:?}")).to_owned()
}

/// Returns the words of a line between the last `opening` character and `closing`.
fn list(line: &str, opening: char, closing: char) -> BTreeSet<String> {
    let (_, rest) = line.rsplit_once(opening).unwrap();
    let (words, _) = rest.split_once(closing).unwrap();
    words.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

/// Returns the words of a line that are in code style. The first cell of a table row is skipped, because it names the
/// row.
fn in_code_style(line: &str) -> BTreeSet<String> {
    let cells = line.trim_start_matches("| ").split_once(" |").map_or(line, |(_, cells)| cells);
    cells.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the first word in code style of every line of a file that starts with `begins`.
fn firsts(file: &str, begins: &str) -> BTreeSet<String> {
    let text = text(file);
    let lines = text.lines().filter_map(|line| line.strip_prefix(begins));
    lines.filter_map(|rest| rest.split('`').next()).map(str::to_owned).collect()
}

fn providers() -> BTreeSet<String> {
    ProviderName::ALL.iter().map(ToString::to_string).collect()
}

fn channels() -> BTreeSet<String> {
    ChannelName::ALL.iter().map(ToString::to_string).collect()
}

#[test]
fn the_template_allows_every_provider_and_every_channel() {
    for (parameter, names) in [("  PaymentProvider:", providers()), ("  Channel:", channels())] {
        let allowed = line("infra/template.yaml", &format!("\n{parameter}\n"), "    AllowedValues: [");
        assert_eq!(list(&allowed, '[', ']'), names, "AllowedValues of {parameter} in infra/template.yaml");
    }
}

#[test]
fn the_table_of_variables_names_every_provider_and_every_channel() {
    for (variable, names) in [("PAYMENT_PROVIDER", providers()), ("CHANNEL", channels())] {
        let row = line("README.md", "", &format!("| `{variable}` |"));
        assert_eq!(in_code_style(&row), names, "the row {variable} in README.md");
    }
}

#[test]
fn the_adapters_table_names_every_provider_and_every_channel() {
    for (row, names) in [("payment providers", providers()), ("channels", channels())] {
        let found = in_code_style(&line("shared/adapters/README.md", "", &format!("| {row} |")));
        let missing: Vec<_> = names.difference(&found).collect();
        assert!(missing.is_empty(), "the row {row} in shared/adapters/README.md does not name {missing:?}");
    }
}

#[test]
fn each_channel_is_described_in_the_manuals() {
    for (file, begins) in [
        ("functions/notify/README.md", "| `"),
        ("functions/delivery-report/README.md", "| `"),
        ("infra/manual/channels.md", "## "),
    ] {
        let missing: Vec<_> = channels().difference(&firsts(file, begins)).cloned().collect();
        assert!(missing.is_empty(), "{file} does not name {missing:?}");
    }
}

#[test]
fn each_provider_passes_the_suite_of_all_providers() {
    let suite = text("tests/integration/conformance/mod.rs");
    for name in providers() {
        assert!(suite.lines().any(|line| line == format!("mod {name};")), "the conformance suite does not name {name}");
        let provider = text(&format!("tests/integration/conformance/{name}.rs"));
        assert!(provider.contains("conforms!("), "conformance/{name}.rs runs no rule");
    }
}

#[test]
fn each_provider_has_a_local_stand_in_and_an_end_to_end_test() {
    for name in providers() {
        let manual = text("infra/local/README.md");
        assert!(manual.contains(&format!("/{name}/")), "infra/local/README.md does not name {name}");
        let suite = text("tests/e2e/provider.py");
        assert!(suite.contains(&format!(" = \"{name}\", ")), "tests/e2e/provider.py has no class for {name}");
    }
    let settings = text("tests/e2e/settings.py");
    let (_, choices) = settings.split_once("\"--provider\", choices=").unwrap();
    let (choices, _) = choices.split_once(')').unwrap();
    assert_eq!(
        list(&format!("{choices})"), '(', ')'),
        providers(),
        "the choices of --provider in tests/e2e/settings.py"
    );
}
