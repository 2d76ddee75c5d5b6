//! Embeds the static files, with the tables that are made of the domain's.

#[path = "../../shared/domain/src/currency/table.rs"]
mod currency_table;

use currency_table::{Entry, FORMER, IN_FORCE};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let currencies = format!("{}{}", table("CURRENCIES", IN_FORCE), table("FORMER", FORMER));
    let folder = embed::Folder::read("assets")?.with("shared/currencies.js", currencies);
    // A constructed sheet is what another site's Content-Security-Policy does not forbid.
    Ok(folder.with_module_of("agent/element.css")?.write()?)
}

/// Returns a constant of a module: each currency's decimals and, where there is one, the symbol before its amounts.
fn table(name: &str, entries: &[Entry]) -> String {
    let lines: String = entries.iter().map(line).collect();
    format!("export const {name} = {{\n{lines}}};\n")
}

fn line(Entry { code, decimals, symbol }: &Entry) -> String {
    let symbol = symbol.map_or_else(String::new, |symbol| format!(", {symbol:?}"));
    format!("{code}: [{decimals}{symbol}],\n")
}
