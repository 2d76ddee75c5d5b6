//! The pages' scripts agree with the domain: they have the same currencies and statuses. Only the modules in
//! `STATUS_TABLES` name a status, and only those in `CALLERS` call other systems.

use crate::ASSETS;
use domain::{Amount, Currency, Money, Status};

/// The modules whose table has an entry for each status: the constant's name, the file's name, and the file's text.
const STATUS_TABLES: [(&str, &str, &str); 2] = [
    ("FACTS", "shared/statuses.js", include_str!("../assets/shared/statuses.js")),
    ("SENTENCES", "agent/statuses.js", include_str!("../assets/agent/statuses.js")),
];

/// The modules that make calls: the client, the one that passes on its calls, and the sign-in at the identity provider.
const CALLERS: [&str; 3] = ["client/index.js", "shared/api.js", "shared/session.js"];

/// Returns the text of a file as it is served.
fn served(name: &str) -> &'static str {
    let asset = ASSETS.files.iter().find(|asset| asset.name == name);
    str::from_utf8(asset.unwrap_or_else(|| panic!("there is no {name}")).bytes).unwrap()
}

/// Returns the keys of a constant that is an object, one on each line with an indentation of two.
fn keys<'a>(source: &'a str, constant: &str) -> Vec<&'a str> {
    let (_, rest) = source.split_once(&format!("\nconst {constant} = ")).unwrap_or_default();
    let lines = rest.lines().skip(1).take_while(|line| line.starts_with("  "));
    lines.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(": {")).filter(|key| !key.starts_with(' ')).collect()
}

/// Returns the line of a currency in the pages' table, derived from an amount that the domain formats.
fn line(currency: Currency) -> String {
    let one = Money { amount: Amount::new(1).unwrap(), currency }.to_string();
    let written = one.split(|character: char| character.is_ascii_digit()).next().unwrap();
    let code = currency.code();
    let symbol = if written == format!("{code}\u{a0}") { String::new() } else { format!(", {written:?}") };
    format!("{code}: [{}{symbol}],\n", currency.decimals())
}

/// The pages format and parse amounts by the same rules as the messages to customers.
#[test]
fn the_currencies_of_the_pages_are_the_domains() {
    let in_force: String = Currency::all_in_force().map(line).collect();
    let former: String = Currency::all_former().map(line).collect();
    let module = format!("export const CURRENCIES = {{\n{in_force}}};\nexport const FORMER = {{\n{former}}};\n");
    assert_eq!(served("shared/currencies.js"), module);
}

#[test]
fn the_pages_know_every_status_in_the_order_of_a_requests_life() {
    let statuses = Status::ALL.map(Status::as_str);
    for (constant, file, source) in STATUS_TABLES {
        assert_eq!(keys(source, constant), statuses, "{constant} in functions/desk/assets/{file} has other statuses");
    }
}

/// A new status, or another colour or text for an existing one, changes those two modules alone.
#[test]
fn nothing_but_those_modules_names_a_status() {
    let others = ASSETS.files.iter().filter(|asset| STATUS_TABLES.iter().all(|(_, file, _)| *file != asset.name));
    for asset in others {
        let text = str::from_utf8(asset.bytes).unwrap();
        // A style sheet is served in one line, and its rules are what can be found again.
        let (part, end) = if asset.name.contains(".css") { ("rule", '}') } else { ("line", '\n') };
        for (number, line) in (1..).zip(text.split(end)) {
            let named = Status::ALL.into_iter().find(|status| names(line, status.as_str(), asset.name));
            assert_eq!(named, None, "{}, {part} {number}: {line}", asset.name);
        }
    }
}

/// Returns whether a line of a file names a status: in a selector of a style sheet, or as a string or key of a script.
fn names(line: &str, status: &str, file: &str) -> bool {
    let is_style_sheet = file.contains(".css");
    line.match_indices(status).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + status.len()..].chars().next();
        if is_style_sheet {
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        } else {
            let quoted = matches!(before, Some('"' | '\'' | '`')) && before == after;
            quoted || after == Some(':') && before.is_none_or(|before| matches!(before, ' ' | '{'))
        }
    })
}

/// Every call of the API is one of the client that is made from the API's description.
#[test]
fn nothing_but_the_client_calls_the_api() {
    let calling = ASSETS.files.iter().filter(|asset| str::from_utf8(asset.bytes).unwrap().contains("fetch("));
    let calling: Vec<_> = calling.map(|asset| asset.name).collect();
    assert_eq!(calling, CALLERS);
    // Of these, only the client knows an address of the API.
    let knowing = ASSETS.files.iter().filter(|asset| served(asset.name).contains("payment-requests/"));
    assert!(knowing.map(|asset| asset.name).eq(["client/index.js"]));
}

#[test]
fn a_status_is_found_where_it_is_named_and_nowhere_else() {
    for (line, file, found) in [
        (".card[data-status=\"sent\"]{}", "a.css", true),
        (".status-sent{--status:red}", "a.css", true),
        (".sentence{color:presented}", "a.css", false),
        ("if (request.status === \"sent\") {", "a.js", true),
        ("return `sent`;", "a.js", true),
        ("sent: \"Sent\",", "a.js", true),
        ("const words = {sent: 1, paid: 2};", "a.js", true),
        ("`${count(tally.sent)} sent`", "a.js", false),
        ("const { sent, paid } = tally;", "a.js", false),
    ] {
        assert_eq!(names(line, "sent", file), found, "{line}");
    }
}
