//! Other readings of a number that is not accepted, so that its rejection can name the form to write.

use super::{Phone, numbering_plan};
use crate::text::is_printable;

/// The greatest length of a text to read: no number is longer, separators included.
const LONGEST: usize = 64;

/// Returns the only valid number that a text can mean; `None` if there is none. The text may have spaces and other
/// decoration, `00` or nothing in place of the plus, a national prefix, or a form that its country has abolished.
pub(super) fn other_form(text: &str) -> Option<Phone> {
    let (plus, digits) = digits(text)?;
    let digits = match (plus, digits.strip_prefix("00")) {
        (_, Some(rest)) => rest,
        (false, None) if may_lack_a_country(&digits) => return None,
        (_, None) => &digits,
    };
    let form = of_digits(digits)?;
    // libphonenumber may read its own result in yet another way, so check that it leaves the result unchanged.
    Phone::from_record(&format!("+{form}")).ok().filter(|_| numbering_plan::is_valid(&form))
}

/// Returns the digits of the number that these digits, beginning with a calling code, are a form of.
pub(super) fn of_digits(digits: &str) -> Option<String> {
    numbering_plan::e164(digits).or_else(|| renumbered(digits))
}

/// Returns whether the text has a plus, and its digits; `None` if it is not written like a phone number.
pub(super) fn digits(text: &str) -> Option<(bool, String)> {
    if text.len() > 4 * LONGEST {
        return None;
    }
    let mut visible = String::new();
    visible.extend(text.chars().filter(|character| is_printable(*character)));
    let number = visible.trim();
    // The scheme of a link to a phone number (RFC 3966).
    let number = number.strip_prefix("tel:").unwrap_or(number);
    let without_plus = number.strip_prefix(['+', '\u{ff0b}']);
    let mut digits = String::new();
    for character in without_plus.unwrap_or(number).chars().filter(|character| !separates_digits(*character)) {
        digits.push(digit(character)?);
    }
    (digits.len() <= LONGEST).then_some((without_plus.is_some(), digits))
}

/// Returns whether this character is commonly written between the digits of a number.
fn separates_digits(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '-' | '.' | '/' | '(' | ')' | '[' | ']')
        || matches!(character, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0d}'..='\u{ff0f}')
}

/// Returns the ASCII form of a decimal digit, for the scripts that keyboards type numbers in.
fn digit(character: char) -> Option<char> {
    // ASCII, Arabic-Indic, its eastern variant, Devanagari, fullwidth.
    let zero = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    let value = zero.into_iter().find_map(|zero| u32::from(character).checked_sub(u32::from(zero)).filter(|v| *v < 10));
    char::from_digit(value?, 10)
}

/// Returns whether digits without a plus may be a national number, whose country is unknown: digits with a trunk zero,
/// or ten digits that are valid in North America, whose country code is left out more often than any other.
fn may_lack_a_country(digits: &str) -> bool {
    digits.starts_with('0') || numbering_plan::is_valid(&format!("1{digits}"))
}

/// Returns the current form of a mobile number in an abolished form that libphonenumber no longer reads; `None` for any
/// other number. Address books and chat services still hold both forms.
///
/// - Mexico: a 1 before the ten digits, until 3 August 2019 (ITU Operational Bulletin 1151).
/// - Brazil: eight digits after the area code, to which a 9 was added in front, everywhere since 6 November 2016
///   (Anatel, Resolution 553 of 14 December 2010).
fn renumbered(digits: &str) -> Option<String> {
    let national = |code: &str, length: usize| digits.strip_prefix(code).filter(|rest| rest.len() == length);
    if let Some(number) = national("521", 10) {
        return Some(format!("52{number}"));
    }
    let (area, number) = national("55", 10)?.split_at_checked(2)?;
    number.starts_with(['6', '7', '8', '9']).then(|| format!("55{area}9{number}"))
}
