//! Generates the pages' tables of phone numbers from the domain's, so that pages and API judge alike.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The domain's automaton: rows of ten successors, by digit, and a verdict, as `numbering_plan.rs` reads them.
const PLANS: &[u8] = include_bytes!("../../../shared/domain/phones/numbering_plans.bin");
const NATIONAL_PREFIXES: &str = include_str!("../../../shared/domain/phones/national_prefixes.tsv");
const COUNTRIES: &str = include_str!("../../../shared/domain/phones/countries.tsv");

/// The international prefix of most countries, which their entries leave out.
const USUAL_INTERNATIONAL_PREFIX: &str = "00";
/// The digits of a reference: one for each value.
const ALPHABET: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns the source of `agent/phones.js`.
pub(crate) fn module() -> String {
    let mut source = format!(
        "export const VALID = \"{}\";\nexport const VIABLE = \"{}\";\n",
        // The upper bits of a verdict are the region whose valid number it is; the lowest says whether it is viable.
        Automaton::of(|verdict| verdict >> 1 != 0).text(),
        Automaton::of(|verdict| verdict & 1 == 1).text(),
    );
    source.push_str("export const NATIONAL_PREFIXES = {\n");
    source.extend(lines(NATIONAL_PREFIXES).filter_map(national_prefix));
    source.push_str("};\nexport const COUNTRIES = {\n");
    source.extend(lines(COUNTRIES).filter_map(country));
    source.push_str("};\n");
    source
}

/// Returns the fields of each line of a table.
fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Returns the entry of a calling code: the lengths of its national numbers, the pattern of its national prefixes and,
/// if there is one, their replacement.
fn national_prefix(fields: Vec<&str>) -> Option<String> {
    let [code, lengths, pattern, replacement] = <[&str; 4]>::try_from(fields).ok()?;
    let replacement = in_script(replacement).map_or_else(String::new, |text| format!(",{text}"));
    Some(format!("{code}:[[{lengths}],{pattern:?}{replacement}],\n"))
}

/// Returns the entry of a country: its calling code and, where they are not the usual ones, the pattern of its
/// international prefixes, and those of its national prefixes with their replacement.
fn country(fields: Vec<&str>) -> Option<String> {
    let mut fields = fields.into_iter();
    let (country, code, international) = (fields.next()?, fields.next()?, fields.next()?);
    let own = fields.next().map(|pattern| {
        let replacement = fields.next().and_then(in_script);
        format!(",{pattern:?}{}", replacement.map_or_else(String::new, |text| format!(",{text}")))
    });
    let international = match (international, &own) {
        (USUAL_INTERNATIONAL_PREFIX, None) => String::new(),
        (pattern, _) => format!(",{pattern:?}"),
    };
    Some(format!("{country}:[\"{code}\"{international}{}],\n", own.unwrap_or_default()))
}

/// Returns a replacement as a string of a script, which writes a group as `$1`; `None` for an empty one.
fn in_script(replacement: &str) -> Option<String> {
    (!replacement.is_empty()).then(|| format!("{:?}", replacement.replace(['{', '}'], "")))
}

/// A state: its successors by digit, and whether a number may end in it. State 0 is the dead one.
type State = ([usize; 10], bool);

/// The smallest automaton that accepts what the domain's accepts by one property of its verdicts.
struct Automaton {
    states: Vec<State>,
    initial: usize,
}

impl Automaton {
    fn of(accepts: impl Fn(u16) -> bool) -> Self {
        let mut making = Making { accepts, numbers: HashMap::new(), made: HashMap::from([(0, 0)]) };
        making.numbers.insert(([0; 10], false), 0);
        let initial = making.state(1);
        let mut states = vec![([0; 10], false); making.numbers.len()];
        for (state, number) in making.numbers {
            states[number] = state;
        }
        Self { states, initial }
    }

    /// Returns the automaton as text. A state is `!` if a number may end in it, then its successors by digit: `.` for
    /// the dead one, a digit for the successor before it that many times more, two letters for one that was written
    /// before, `*` or `+` for one that follows here. Those with `+` are referred to, by their number among them.
    fn text(&self) -> String {
        let mut uses = vec![0; self.states.len()];
        for (successors, _) in &self.states {
            for group in successors.chunk_by(|one, next| one == next) {
                uses[group[0]] += 1;
            }
        }
        let mut writing = Writing { automaton: self, uses, written: HashMap::new(), text: String::new() };
        writing.state(self.initial);
        writing.text
    }
}

struct Making<F> {
    accepts: F,
    numbers: HashMap<State, usize>,
    /// The number of the state that each row becomes.
    made: HashMap<u16, usize>,
}

impl<F: Fn(u16) -> bool> Making<F> {
    fn state(&mut self, row: u16) -> usize {
        if let Some(number) = self.made.get(&row) {
            return *number;
        }
        let cells = PLANS.chunks_exact(2).skip(11 * usize::from(row));
        let mut cells = cells.map(|cell| u16::from_le_bytes([cell[0], cell[1]]));
        let successors: Vec<u16> = cells.by_ref().take(10).collect();
        let ends = cells.next().is_some_and(|verdict| (self.accepts)(verdict));
        let mut state = ([0; 10], ends);
        for (place, successor) in state.0.iter_mut().zip(successors) {
            *place = self.state(successor);
        }
        let next = self.numbers.len();
        let number = *self.numbers.entry(state).or_insert(next);
        self.made.insert(row, number);
        number
    }
}

struct Writing<'a> {
    automaton: &'a Automaton,
    uses: Vec<usize>,
    /// The numbers that states are referred to by.
    written: HashMap<usize, usize>,
    text: String,
}

impl Writing<'_> {
    fn state(&mut self, number: usize) {
        let (successors, ends) = self.automaton.states[number];
        if ends {
            self.text.push('!');
        }
        for group in successors.chunk_by(|one, next| one == next) {
            match (group[0], self.written.get(&group[0])) {
                (0, _) => self.text.push('.'),
                (_, Some(reference)) => {
                    let letters = [reference / ALPHABET.len(), reference % ALPHABET.len()];
                    self.text.extend(letters.map(|letter| char::from(ALPHABET[letter])));
                }
                (successor, None) => {
                    let is_shared = self.uses[successor] > 1;
                    self.text.push(if is_shared { '+' } else { '*' });
                    self.state(successor);
                    if is_shared {
                        self.written.insert(successor, self.written.len());
                    }
                }
            }
            if group.len() > 1 {
                // Writing to a string cannot fail.
                write!(self.text, "{}", group.len() - 1).unwrap_or_default();
            }
        }
    }
}
