//! Bundles of JavaScript modules: one file in place of a module and all that it imports, so that a page loads in one
//! request what would take many, one round trip after the other.
//!
//! Each module becomes a function that returns its exports, in an order in which everything is there before it is
//! imported. Modules are read line by line. They are written by one formatter, so the forms of imports and exports are
//! few; any other form is an error, and so is a circle of imports.

use std::collections::BTreeMap;

/// Why modules cannot be bundled: the module, and the reason.
pub(crate) type Refusal = (String, String);

/// Returns the bundle of a module with everything that it imports. What it imports when it is needed, by
/// `import("./a.js")`, is part of the bundle unless it is one of `separate`: those stay files of their own.
///
/// # Errors
/// A module is missing, is part of a circle, or has an import or export of an unknown form.
pub(crate) fn bundle(modules: &BTreeMap<String, String>, entry: &str, separate: &[&str]) -> Result<String, Refusal> {
    let mut bundling = Bundling { modules, separate, added: BTreeMap::new(), open: Vec::new(), text: String::new() };
    let Added { number, exports } = bundling.add(entry)?;
    let mut bundle = bundling.text;
    let named: Vec<_> = exports.iter().filter(|name| *name != DEFAULT).map(String::as_str).collect();
    if !named.is_empty() {
        bundle.push_str(&format!("export const {{ {} }} = $m{number};\n", named.join(", ")));
    }
    if named.len() < exports.len() {
        bundle.push_str(&format!("export default $m{number}.{DEFAULT};\n"));
    }
    Ok(bundle)
}

/// The name of a default export.
const DEFAULT: &str = "default";
/// How a module's function returns its default export, which is a constant of that name there.
const DEFAULT_RETURNED: &str = "default: $default";

/// A module in the bundle.
#[derive(Clone)]
struct Added {
    /// Its exports are the constant `$m` with this number.
    number: usize,
    exports: Vec<String>,
}

struct Bundling<'a> {
    modules: &'a BTreeMap<String, String>,
    separate: &'a [&'a str],
    /// The modules that are in the bundle, by their names.
    added: BTreeMap<String, Added>,
    /// The modules that are being added, each imported by the one before it.
    open: Vec<String>,
    text: String,
}

impl Bundling<'_> {
    /// Adds a module after everything that it imports, unless it is there already.
    fn add(&mut self, name: &str) -> Result<Added, Refusal> {
        if let Some(added) = self.added.get(name) {
            return Ok(added.clone());
        }
        let refusal = |reason: String| (name.to_owned(), reason);
        if self.open.iter().any(|open| open == name) {
            return Err(refusal(format!("it imports itself through {}", self.open.join(", "))));
        }
        let source = self.modules.get(name).ok_or_else(|| refusal("there is no such module".to_owned()))?;
        self.open.push(name.to_owned());
        let (mut body, mut exports) = (String::new(), Vec::new());
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("import ") || line == "import {" {
                let mut statement = line.to_owned();
                while !statement.ends_with(';') {
                    statement.push_str(lines.next().ok_or_else(|| refusal("an import does not end".to_owned()))?);
                }
                let (names, from) = imported(&statement).ok_or_else(|| refusal(unknown(&statement)))?;
                let number = self.add(&resolved(name, from))?.number;
                if let Some(names) = names {
                    body.push_str(&format!("const {names} = $m{number};\n"));
                }
                continue;
            }
            let line = match line.strip_prefix("export ") {
                None => line.to_owned(),
                Some(declaration) => {
                    let (exported, declaration) = exported(declaration).ok_or_else(|| refusal(unknown(line)))?;
                    exports.push(exported);
                    declaration
                }
            };
            body.push_str(&self.with_later_imports(name, &line)?);
            body.push('\n');
        }
        self.open.pop();
        let number = self.added.len();
        let returned = exports.iter().map(|name| if name == DEFAULT { DEFAULT_RETURNED } else { name.as_str() });
        let returned = returned.collect::<Vec<_>>().join(", ");
        self.text.push_str(&format!("const $m{number} = (() => {{\n{body}return {{ {returned} }};\n}})();\n"));
        let added = Added { number, exports };
        self.added.insert(name.to_owned(), added.clone());
        Ok(added)
    }

    /// Returns a line in which the imports of modules that are part of the bundle lead to them.
    fn with_later_imports(&mut self, name: &str, line: &str) -> Result<String, Refusal> {
        const BEFORE: &str = " import(\"";
        let Some((before, rest)) = line.split_once(BEFORE) else { return Ok(line.to_owned()) };
        let (from, after) = rest.split_once("\")").ok_or_else(|| (name.to_owned(), unknown(line)))?;
        let module = resolved(name, from);
        if self.separate.contains(&module.as_str()) {
            return Ok(line.to_owned());
        }
        let number = self.add(&module)?.number;
        Ok(format!("{before} Promise.resolve($m{number}){after}"))
    }
}

fn unknown(line: &str) -> String {
    format!("this form is not supported: {line}")
}

/// Returns the pattern that takes an import's names from a module's exports, and the module's relative path. Without
/// names, the module is imported for what it does.
fn imported(statement: &str) -> Option<(Option<String>, &str)> {
    let rest = statement.strip_prefix("import ")?.strip_suffix("\";")?;
    if let Some(from) = rest.strip_prefix('"') {
        return Some((None, from));
    }
    let (names, from) = rest.split_once(" from \"")?;
    if let Some(names) = names.strip_prefix('{').and_then(|names| names.strip_suffix('}')) {
        let names = names.split(',').map(|name| name.trim().replace(" as ", ": ")).filter(|name| !name.is_empty());
        return Some((Some(format!("{{ {} }}", names.collect::<Vec<_>>().join(", "))), from));
    }
    let is_name = names.chars().all(|character| character.is_alphanumeric() || character == '_');
    is_name.then(|| (Some(format!("{{ default: {names} }}")), from))
}

/// Returns what an exported declaration adds to a module's exports, and the declaration alone.
fn exported(declaration: &str) -> Option<(String, String)> {
    if let Some(value) = declaration.strip_prefix("default ") {
        return Some((DEFAULT.to_owned(), format!("const $default = {value}")));
    }
    let kinds = ["const ", "function ", "async function ", "class "];
    let rest = kinds.iter().find_map(|kind| declaration.strip_prefix(kind))?;
    let end = rest.find(|character: char| !character.is_alphanumeric() && !matches!(character, '_' | '$'));
    let name = rest.get(..end.unwrap_or(rest.len())).filter(|name| !name.is_empty())?;
    Some((name.to_owned(), declaration.to_owned()))
}

/// Returns the name of a module that another one imports by a relative path.
fn resolved(importing: &str, path: &str) -> String {
    let mut parts: Vec<_> = importing.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(modules: &[(&str, &str)]) -> BTreeMap<String, String> {
        modules.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
    }

    #[test]
    fn a_bundle_has_each_module_once_after_what_it_imports() {
        let modules = modules(&[
            (
                "a/page.js",
                "import { one, two as other } from \"../b/one.js\";\nimport style from \"./a.css.js\";\n\n\
                 one(other, style);\n",
            ),
            (
                "b/one.js",
                "import \"./two.js\";\nimport {\n  three,\n} from \"./two.js\";\nexport const one = three;\n\
                 export async function two() {\n  return import(\"../a/late.js\");\n}\n",
            ),
            ("b/two.js", "export class Two {\n}\nexport function three() {\n}\n"),
            ("a/a.css.js", "export default \"a{}\";\n"),
            ("a/late.js", "import { three } from \"../b/two.js\";\nexport const late = three;\n"),
            ("a/unused.js", "export const unused = 1;\n"),
        ]);
        let whole = "\
            const $m0 = (() => {\nclass Two {\n}\nfunction three() {\n}\nreturn { Two, three };\n})();\n\
            const $m1 = (() => {\nconst { three } = $m0;\nconst late = three;\nreturn { late };\n})();\n\
            const $m2 = (() => {\nconst { three } = $m0;\nconst one = three;\nasync function two() {\n  \
            return Promise.resolve($m1);\n}\nreturn { one, two };\n})();\n\
            const $m3 = (() => {\nconst $default = \"a{}\";\nreturn { default: $default };\n})();\n\
            const $m4 = (() => {\nconst { one, two: other } = $m2;\nconst { default: style } = $m3;\n\n\
            one(other, style);\nreturn {  };\n})();\n";
        assert_eq!(bundle(&modules, "a/page.js", &[]).unwrap(), whole);
        let apart = bundle(&modules, "a/page.js", &["a/late.js"]).unwrap();
        assert!(apart.contains("return import(\"../a/late.js\");") && !apart.contains("const late"), "{apart}");
        let exporting = bundle(&modules, "b/one.js", &["a/late.js"]).unwrap();
        assert!(exporting.ends_with("export const { one, two } = $m1;\n"), "{exporting}");
        let exporting = bundle(&modules, "a/a.css.js", &[]).unwrap();
        assert!(exporting.ends_with("export default $m0.default;\n"), "{exporting}");
    }

    #[test]
    fn what_cannot_be_bundled_is_refused() {
        for (source, reason) in [
            ("import { a } from \"./a.js\";\n", "it imports itself through a.js, b.js"),
            ("import { c } from \"./c.js\";\n", "there is no such module"),
            ("import * as c from \"./d.js\";\n", "this form is not supported"),
            ("export { b };\n", "this form is not supported"),
            ("export let b = 1;\n", "this form is not supported"),
            ("import {\n", "an import does not end"),
        ] {
            let modules = modules(&[("a.js", "import \"./b.js\";\n"), ("b.js", source), ("d.js", "")]);
            let (_, refused) = bundle(&modules, "a.js", &[]).unwrap_err();
            assert!(refused.starts_with(reason), "{refused}");
        }
    }
}
