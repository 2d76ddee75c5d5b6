//! Mutations of JSON documents, by their structure and by their bytes.

use crate::random::Random;
use serde_json::Value;
use std::fmt;

/// A JSON document that can hold what no [`Value`] can: names given twice, and values that are not JSON at all.
#[derive(Clone)]
enum Node {
    Object(Vec<(Vec<u8>, Node)>),
    List(Vec<Node>),
    Raw(Vec<u8>),
}

/// The names and positions that lead to a value.
type Path = Vec<String>;

/// A mutated document.
pub(crate) struct Mutated {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Whether only fields that the reader does not need were touched. Its outcome must then be that of the original.
    pub(crate) harmless: bool,
    /// What was done.
    steps: Vec<String>,
}

impl Mutated {
    /// Returns a document as it is.
    pub(crate) fn original(seed: &Seed) -> Self {
        Self { bytes: seed.root.bytes(), harmless: true, steps: Vec::new() }
    }
}

impl fmt::Display for Mutated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", String::from_utf8_lossy(&self.bytes), self.steps.join("; "))
    }
}

/// A document to mutate, and the fields that its reader needs: paths with dots, where `*` stands for any name or
/// position. Everything at or below such a path is needed.
pub(crate) struct Seed {
    /// The document's name, for people.
    pub(crate) name: String,
    root: Node,
    needed: Vec<Path>,
}

/// Values that readers stumble over. Each is valid JSON, or at least ends where it has to.
const SPOILERS: [&[u8]; 30] = [
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e999",
    b"2.5e2",
    b"123456789012345678901234567890123456789012345678901234567890",
    b"-0.0000000000000000000000000000000000000000000000000001e-999",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\"\"",
    b"\" \"",
    b"\"null\"",
    b"\"on_hold\"",
    b"\"fianc\\u00e9e \\ud83d\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\u0000\"",
    b"\"\xff\xfe\"",
    b"\"\xc3\x28\xe2\x82\"",
    b"\"\xed\xa0\xbd\"",
    "\"\u{202e}\u{feff}ß🎟\"".as_bytes(),
    b"\"+27831234567\"",
    b"\"A4Kf6uEsbJydvmwVZks6Xo\"",
    b"\"9999-12-31T23:59:60Z\"",
    b"[]",
    b"{}",
    b"[[[[[[[[null]]]]]]]]",
    b"{\"a\":1,\"a\":{\"a\":2,\"a\":\"\\ud83d\"}}",
    b"[\"a\",7,null,{}]",
    b"{\"S\":\"text\",\"N\":\"1\"}",
];

/// Names that no reader knows.
const NAMES: [&[u8]; 6] = [b"new_field", b"\\ud83d", b"", b"__proto__", b"\xff", b"\\u0000"];

impl Seed {
    /// Builds the seed of a document.
    pub(crate) fn new(name: impl Into<String>, document: &Value, needed: &[&str]) -> Self {
        let path = |path: &&str| path.split('.').map(str::to_owned).collect();
        Self { name: name.into(), root: Node::new(document), needed: needed.iter().map(path).collect() }
    }

    /// Mutates the document one to three times.
    pub(crate) fn mutated(&self, random: &mut Random) -> Mutated {
        let mut root = self.root.clone();
        let (mut harmless, mut steps) = (true, Vec::new());
        for _ in 0..=random.below(3) {
            let (path, step) = root.change(random);
            harmless &= !self.is_needed(&path);
            steps.push(format!("{step} {}", path.join(".")));
        }
        let mut bytes = root.bytes();
        if random.once_in(8) {
            harmless = false;
            steps.push(spoil(&mut bytes, random));
        }
        Mutated { bytes, harmless, steps }
    }

    /// Returns whether a change at this path can be a change of a needed field.
    fn is_needed(&self, path: &Path) -> bool {
        let alike = |(needed, found): (&String, &String)| needed == "*" || needed == found;
        self.needed.iter().any(|needed| needed.iter().zip(path).all(alike))
    }
}

impl Node {
    fn new(value: &Value) -> Self {
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let name = Value::from(name.as_str()).to_string();
                    (name.as_bytes()[1..name.len() - 1].to_vec(), Self::new(value))
                });
                Self::Object(fields.collect())
            }
            Value::Array(elements) => Self::List(elements.iter().map(Self::new).collect()),
            scalar => Self::Raw(scalar.to_string().into_bytes()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Object(fields) => {
                bytes.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    bytes.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
                    bytes.extend_from_slice(name);
                    bytes.extend_from_slice(b"\":");
                    value.write(bytes);
                }
                bytes.push(b'}');
            }
            Self::List(elements) => {
                bytes.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        bytes.push(b',');
                    }
                    element.write(bytes);
                }
                bytes.push(b']');
            }
            Self::Raw(raw) => bytes.extend_from_slice(raw),
        }
    }

    /// Changes one place, and returns where and how.
    fn change(&mut self, random: &mut Random) -> (Path, &'static str) {
        match self {
            Self::Object(fields) if !fields.is_empty() && !random.once_in(6) => {
                let at = random.below(fields.len());
                let name = String::from_utf8_lossy(&fields[at].0).into_owned();
                let inner = matches!(fields[at].1, Self::Object(_) | Self::List(_));
                if inner && !random.once_in(5) {
                    let (mut path, step) = fields[at].1.change(random);
                    path.insert(0, name);
                    return (path, step);
                }
                let step = match random.below(6) {
                    0 => {
                        fields.remove(at);
                        "removed"
                    }
                    1 => {
                        let twin = (fields[at].0.clone(), Self::spoiler(random));
                        fields.insert(random.below(fields.len() + 1), twin);
                        "given twice"
                    }
                    2 => {
                        let moved = fields.remove(at);
                        fields.insert(random.below(fields.len() + 1), moved);
                        "moved"
                    }
                    3 => {
                        fields[at].1.damage(random);
                        "damaged"
                    }
                    _ => {
                        fields[at].1 = Self::spoiler(random);
                        "replaced"
                    }
                };
                (vec![name], step)
            }
            Self::Object(fields) => {
                let name = random.pick(&NAMES).to_vec();
                let path = vec![String::from_utf8_lossy(&name).into_owned()];
                fields.insert(random.below(fields.len() + 1), (name, Self::spoiler(random)));
                (path, "added")
            }
            Self::List(elements) if !elements.is_empty() => {
                let at = random.below(elements.len());
                if matches!(elements[at], Self::Object(_) | Self::List(_)) && !random.once_in(5) {
                    let (mut path, step) = elements[at].change(random);
                    path.insert(0, at.to_string());
                    return (path, step);
                }
                let step = match random.below(3) {
                    0 => {
                        elements.remove(at);
                        "removed"
                    }
                    1 => {
                        elements.insert(at, Self::spoiler(random));
                        "inserted"
                    }
                    _ => {
                        elements[at] = Self::spoiler(random);
                        "replaced"
                    }
                };
                (vec![at.to_string()], step)
            }
            Self::List(elements) => {
                elements.push(Self::spoiler(random));
                (vec!["0".to_owned()], "inserted")
            }
            Self::Raw(_) => {
                self.damage(random);
                (Vec::new(), "damaged")
            }
        }
    }

    /// Changes the inside of a text, so that it stays one. Any other value is replaced.
    fn damage(&mut self, random: &mut Random) {
        match self {
            Self::Raw(raw) if raw.len() > 2 && raw[0] == b'"' && !raw.contains(&b'\\') => {
                let at = 1 + random.below(raw.len() - 2);
                match random.below(3) {
                    0 => drop(raw.remove(at)),
                    1 => raw.insert(at, *random.pick(b"0159aZ_-. +#%")),
                    _ => raw[at] = *random.pick(b"0159aZ_-. +#%"),
                }
            }
            _ => *self = Self::spoiler(random),
        }
    }

    fn spoiler(random: &mut Random) -> Self {
        if random.once_in(200) {
            let depth = 1 + random.below(3_000);
            return Self::Raw([b"[".repeat(depth), b"]".repeat(depth)].concat());
        }
        Self::Raw(random.pick(&SPOILERS).to_vec())
    }
}

/// Changes bytes anywhere in a document.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len().max(1));
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at.min(bytes.len()), random.byte()),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 => bytes.splice(..0, *b"\xef\xbb\xbf").for_each(drop),
        _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
    format!("bytes changed at {at}")
}
