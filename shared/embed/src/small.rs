//! Minification of style sheets and scripts by removing comments and white space. Nothing is renamed or reordered, so
//! that minification cannot change the meaning of the source.

/// Minifies a style sheet: removes comments and insignificant white space.
///
/// White space is removed beside `{`, `}`, `;`, `,` and `>`, after `:` and `(`, and before `)`. Elsewhere it can be
/// significant (`a :hover`, `1px + 2px`, `and (…)`) and becomes one space.
#[must_use]
pub fn style_sheet(source: &str) -> String {
    let mut small = String::with_capacity(source.len());
    let (mut rest, mut space) = (source, false);
    while let Some(character) = rest.chars().next() {
        if character.is_ascii_whitespace() {
            space = true;
            rest = &rest[1..];
            continue;
        }
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
            // A comment between two words separates them. An empty comment stays in its place, because nothing else
            // separates them without a meaning of its own.
            let glued = !space
                && !small.ends_with(open)
                && !rest.starts_with(|next: char| next.is_ascii_whitespace() || close(next));
            if glued {
                small.push_str("/**/");
            }
            continue;
        }
        if space && !small.is_empty() && !small.ends_with(open) && !close(character) {
            small.push(' ');
        }
        space = false;
        if character == '}' && small.ends_with(';') && !small.ends_with("\\;") {
            small.pop();
        }
        let word = match character {
            '"' | '\'' => quoted(rest, character),
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => character.len_utf8(),
        };
        small.push_str(unquoted(&rest[..word]).filter(|_| small.ends_with('=')).unwrap_or(&rest[..word]));
        rest = &rest[word..];
    }
    small
}

/// Returns the content of a quoted string if it can be written as an identifier, which an attribute selector accepts as
/// its value (<https://www.w3.org/TR/selectors-4/#attribute-selectors>).
fn unquoted(string: &str) -> Option<&str> {
    let word = string.strip_prefix('"')?.strip_suffix('"')?;
    let identifier = word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    identifier.then_some(word)
}

/// Returns whether white space after this character is insignificant.
fn open(character: char) -> bool {
    matches!(character, '{' | '}' | ';' | ',' | '>' | ':' | '(')
}

/// Returns whether white space before this character is insignificant.
fn close(character: char) -> bool {
    matches!(character, '{' | '}' | ';' | ',' | '>' | ')')
}

/// Returns the length in bytes of the quoted string at the start of `text`, including both quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// Minifies a script: removes indentation, and comments that occupy whole lines. Every other line stays unchanged under
/// its line number, so that an error message names the line of the source.
///
/// # Errors
/// The line number, starting at 1, and the reason, if the script cannot be processed line by line: a template or string
/// continues on the next line, or a comment begins or ends on a line with code.
pub(crate) fn script(source: &str) -> Result<String, (usize, &'static str)> {
    let mut small = String::with_capacity(source.len());
    let mut in_comment = false;
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim();
        let begins = !in_comment && line.starts_with("/*");
        if in_comment || begins {
            let searched = if begins { &line[2..] } else { line };
            match searched.split_once("*/") {
                None => in_comment = true,
                Some((_, "")) => in_comment = false,
                Some(_) => return Err((number, "code and a comment are on the same line")),
            }
        } else if !line.starts_with("//") {
            if line.matches('`').count() % 2 != 0 {
                return Err((number, "a template literal spans more than one line"));
            }
            if line.ends_with('\\') {
                return Err((number, "a string spans more than one line"));
            }
            if line.rsplit_once("/*").is_some_and(|(_, comment)| !comment.contains("*/")) {
                return Err((number, "a comment begins after code on the same line"));
            }
            small.push_str(line);
        }
        small.push('\n');
    }
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_sheet_loses_its_comments_and_spaces() {
        for (source, small) in [
            ("", ""),
            ("[role=\"timer\"], [a=\"1\"] {\n  b: \"c\";\n}", "[role=timer],[a=\"1\"]{b:\"c\"}"),
            ("  \n", ""),
            ("/* Words. */\n", ""),
            (
                ":root {\n  --a: light-dark(#fff, #000);\n}\n\n/* Words. */\na,\nb > c {\n  color: var( --a );\n  \
                 margin: 0 auto;\n}\n",
                ":root{--a:light-dark(#fff,#000)}a,b>c{color:var(--a);margin:0 auto}",
            ),
            ("@media (min-width: 1rem) and (x) {\n  a { b: c }\n}", "@media (min-width:1rem) and (x){a{b:c}}"),
            ("a { width: calc(100vw - 2rem); inset: -1px; }", "a{width:calc(100vw - 2rem);inset:-1px}"),
            ("a :hover, a:hover, a ::before {}", "a :hover,a:hover,a ::before{}"),
            (":is( .a, .b ) .c {}", ":is(.a,.b) .c{}"),
            ("a { color: red !important; }", "a{color:red !important}"),
            ("a { grid: \"a  b\" auto 'c  d' / 1fr; }", "a{grid:\"a  b\" auto 'c  d' / 1fr}"),
            ("a { content: \"/* \\\" ; } */\"; }", "a{content:\"/* \\\" ; } */\"}"),
            ("a { content: \"↑\" / \"\"; }", "a{content:\"↑\" / \"\"}"),
            (".a\\:b , .c\\ d { e: f }", ".a\\:b,.c\\ d{e:f}"),
            ("a/* b */c { d: e/* f */ g; }", "a/**/c{d:e g}"),
            (".a/* b */.c {}", ".a/**/.c{}"),
            ("a {/* b */c: d;/* e */}", "a{c:d}"),
            ("a { b: c; } /* not closed", "a{b:c}"),
            ("a { b: \"not closed", "a{b:\"not closed"),
        ] {
            assert_eq!(style_sheet(source), small, "{source}");
            assert_eq!(style_sheet(small), small, "{source}, twice");
        }
    }

    #[test]
    fn a_script_loses_its_comments_and_keeps_its_lines() {
        let source = "// Words.\n\n/**\n * Says `a`.\n * @param {string} a\n */\nexport function f(a) {\n  // More.\n  \
                      return `// ${a}`; // and here\n}\n/* One line. */\n";
        let small = "\n\n\n\n\n\nexport function f(a) {\n\nreturn `// ${a}`; // and here\n}\n\n";
        assert_eq!(script(source).unwrap(), small);
        assert_eq!(script(small).unwrap(), small);
    }

    #[test]
    fn an_ambiguous_line_is_rejected_by_its_number() {
        for (source, line) in [
            ("a;\nb = `c\n// d\n`;\n", 2),
            ("a = \"b\\\n// c\";\n", 1),
            ("a; /* b\n// c */\n", 1),
            ("/* a */ b;\n", 1),
            ("/*\na\n*/ b;\n", 3),
        ] {
            assert_eq!(script(source).unwrap_err().0, line, "{source}");
        }
        assert!(script("a(/* b */ c, `d`, `e`);\n").is_ok());
    }
}
