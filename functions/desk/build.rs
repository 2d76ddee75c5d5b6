//! Embeds the static files, together with the client of the API, and with the tables of currencies and phone numbers
//! generated from the domain's.

#[path = "../../shared/domain/src/currency/table.rs"]
mod currency_table;
#[path = "build/phones.rs"]
mod phones;

use currency_table::{Entry, FORMER, IN_FORCE};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let currencies = format!("{}{}", table("CURRENCIES", IN_FORCE), table("FORMER", FORMER));
    let folder = embed::Folder::read("assets")?.with("shared/currencies.js", currencies);
    let folder = folder.with("agent/phones.js", phones::module());
    let folder = folder.with_file("client/index.js", "../../events/client/index.js")?;
    // The element's style sheet becomes a script module, from which the element constructs the sheet: unlike a `style`
    // element, a constructed sheet is allowed by any Content-Security-Policy of the embedding site.
    Ok(folder.with_module_of("agent/element.css")?.write()?)
}

/// Returns the source of a module's constant. It holds each currency's decimals and, if it has one, its symbol.
fn table(name: &str, entries: &[Entry]) -> String {
    let lines: String = entries.iter().map(line).collect();
    format!("export const {name} = {{\n{lines}}};\n")
}

fn line(Entry { code, decimals, symbol }: &Entry) -> String {
    let symbol = symbol.map_or_else(String::new, |symbol| format!(", {symbol:?}"));
    format!("{code}: [{decimals}{symbol}],\n")
}
