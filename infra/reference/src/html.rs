//! Texts as HTML: escaped, with the little Markdown that the descriptions use, and JSON in colour.

use askama::filters::HtmlSafe;
use serde_json::Value;
use std::fmt::{self, Display};

/// Text that is HTML already: everything from a description in it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Display for Html {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

impl Html {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            other => into.push(other),
        }
    }
}

/// Returns the text before the first empty line.
pub(crate) fn first_paragraph(text: &str) -> &str {
    text.split_once("\n\n").map_or(text, |(first, _)| first)
}

/// Renders a line: code spans, references to types, and addresses.
pub(crate) fn inline(text: &str) -> Html {
    let mut html = String::new();
    // References to types come from the code's own documentation.
    let text = text.replace("[`", "`").replace("`]", "`");
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str("<code>");
            escape(part, &mut html);
            html.push_str("</code>");
        } else {
            plain(part, &mut html);
        }
    }
    Html(html)
}

/// Renders text without code spans. An address becomes a link.
fn plain(text: &str, html: &mut String) {
    let Some(start) = text.find("https://") else { return escape(text, html) };
    let (before, rest) = text.split_at(start);
    let end = rest.find(|character: char| character.is_whitespace() || ")>,".contains(character)).unwrap_or(rest.len());
    let address = rest[..end].trim_end_matches('.');
    escape(before, html);
    html.push_str("<a href=\"");
    escape(address, html);
    html.push_str("\">");
    escape(address, html);
    html.push_str("</a>");
    plain(&rest[address.len()..], html);
}

/// Renders paragraphs and lists.
pub(crate) fn markdown(text: &str) -> Html {
    let mut html = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let (open, close) = if block.starts_with("- ") { ("<ul>", "</ul>") } else { ("<p>", "</p>") };
        html.push_str(open);
        if open == "<ul>" {
            for item in block.split("\n- ") {
                html.push_str("<li>");
                html.push_str(&inline(item.trim_start_matches("- ")).0);
                html.push_str("</li>");
            }
        } else {
            html.push_str(&inline(block).0);
        }
        html.push_str(close);
    }
    Html(html)
}

/// Renders JSON with indentation and in colour.
pub(crate) fn json(value: &Value) -> Html {
    let mut html = String::new();
    write_json(value, 0, &mut html);
    Html(html)
}

fn span(class: &str, text: &str, html: &mut String) {
    html.push_str("<span class=\"");
    html.push_str(class);
    html.push_str("\">");
    escape(text, html);
    html.push_str("</span>");
}

fn new_line(depth: usize, html: &mut String) {
    html.push('\n');
    html.extend(std::iter::repeat_n("  ", depth));
}

fn write_json(value: &Value, depth: usize, html: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            html.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    html.push(',');
                }
                new_line(depth + 1, html);
                span("key", &Value::from(name.as_str()).to_string(), html);
                html.push_str(": ");
                write_json(member, depth + 1, html);
            }
            new_line(depth, html);
            html.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            html.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    html.push(',');
                }
                new_line(depth + 1, html);
                write_json(item, depth + 1, html);
            }
            new_line(depth, html);
            html.push(']');
        }
        Value::String(_) => span("string", &value.to_string(), html),
        Value::Object(_) | Value::Array(_) => html.push_str(&value.to_string()),
        other => span("value", &other.to_string(), html),
    }
}

/// Returns a name for an anchor: lower case, and a hyphen for whatever is no letter or digit.
pub(crate) fn anchor(name: &str) -> String {
    let mut anchor = String::new();
    for character in name.chars() {
        let kept = character.is_ascii_alphanumeric();
        if kept && character.is_ascii_uppercase() && anchor.ends_with(|last: char| last.is_ascii_lowercase()) {
            anchor.push('-');
        }
        if kept {
            anchor.push(character.to_ascii_lowercase());
        } else if !anchor.is_empty() && !anchor.ends_with('-') {
            anchor.push('-');
        }
    }
    anchor.trim_end_matches('-').to_owned()
}

/// Returns a name as words: `expired-not-paid` is "expired not paid".
pub(crate) fn words(name: &str) -> String {
    name.replace(['-', '_'], " ")
}

/// Renders a sentence as the rest of one that has begun: its first letter is small.
pub(crate) fn lead(text: &str) -> Html {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase()).into_iter();
    inline(&first.chain(characters).collect::<String>())
}
