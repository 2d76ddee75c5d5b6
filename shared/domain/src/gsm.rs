//! The characters of text messages, and the number of parts that a text is sent in.
//!
//! A text that is entirely in GSM 03.38 takes 7 bits a character (a septet). Any other text takes 16 (UCS-2). A message
//! holds 140 bytes. Each part of a longer text uses 6 of them for the header that joins the parts. Every part is
//! charged. Sources: 3GPP TS 23.038, sections 6.2.1 and 6.2.1.1, for the characters; 3GPP TS 23.040, section
//! 9.2.3.24.1, for the header.

/// The basic character set, in the standard's order. Its 28th code, the escape, is left out: it is no character.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                     ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The extension table. Each of its characters is sent as an escape and one more septet.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The number of units that fit into a single message, and into each part of a longer text.
struct Capacity {
    message: usize,
    part: usize,
}

const SEPTETS: Capacity = Capacity { message: 160, part: 153 };
const UCS2_UNITS: Capacity = Capacity { message: 70, part: 67 };

/// Returns the number of septets of a character in GSM 03.38; `None` for a character outside it.
#[must_use]
pub fn septets(character: char) -> Option<usize> {
    if BASIC.contains(character) {
        Some(1)
    } else if EXTENSION.contains(character) {
        Some(2)
    } else {
        None
    }
}

/// Returns whether all characters of a text are in GSM 03.38.
#[must_use]
pub fn is_gsm(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// Returns the number of parts that a text is sent in.
#[must_use]
pub fn parts(text: &str) -> usize {
    let septets: Option<Vec<usize>> = text.chars().map(septets).collect();
    match septets {
        Some(sizes) => parts_of(&sizes, &SEPTETS),
        None => parts_of(&text.chars().map(char::len_utf16).collect::<Vec<_>>(), &UCS2_UNITS),
    }
}

/// Returns the number of parts that characters of these sizes need. No character is split: an escape stays with its
/// character, and the halves of a surrogate pair stay together.
fn parts_of(sizes: &[usize], capacity: &Capacity) -> usize {
    if sizes.iter().sum::<usize>() <= capacity.message {
        return 1;
    }
    let mut parts = 1;
    let mut used = 0;
    for size in sizes {
        if used + size > capacity.part {
            parts += 1;
            used = 0;
        }
        used += size;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_have_as_many_characters_as_in_the_standard() {
        let (mut basic, mut extension): (Vec<char>, Vec<char>) = (BASIC.chars().collect(), EXTENSION.chars().collect());
        assert_eq!((basic.len(), extension.len()), (127, 10));
        basic.append(&mut extension);
        basic.sort_unstable();
        basic.dedup();
        assert_eq!(basic.len(), 137, "a character occurs twice");
    }

    #[test]
    fn a_character_takes_one_septet_two_or_another_encoding() {
        for (text, size) in [("aZ0 @£$¥éÇ\n_Ω¿à", Some(1)), ("^{}\\[~]|€\u{c}", Some(2)), ("çáâ`\u{a0}₹₩\t“’…", None)]
        {
            for character in text.chars() {
                assert_eq!(septets(character), size, "{character:?}");
            }
        }
    }

    #[test]
    fn a_text_has_as_many_parts_as_its_encoding_requires() {
        for (text, count, expected) in [
            ("a", 0, 1),
            ("a", 160, 1),
            ("a", 161, 2),
            ("a", 306, 2),
            ("a", 307, 3),
            ("a", 1_530, 10),
            ("€", 80, 1),
            ("€", 81, 2),
            // 153 is odd: an escape and its character do not fit into the last septet of a part, so it stays unused.
            ("€", 152, 2),
            ("€", 153, 3),
            ("я", 70, 1),
            ("я", 71, 2),
            ("я", 134, 2),
            ("я", 135, 3),
            // 67 is odd, so a part holds 33 surrogate pairs.
            ("🎟", 35, 1),
            ("🎟", 36, 2),
            ("🎟", 66, 2),
            ("🎟", 67, 3),
        ] {
            assert_eq!(parts(&text.repeat(count)), expected, "{count} of {text}");
        }
        assert_eq!(
            parts(&format!("{}\u{a0}", "a".repeat(70))),
            2,
            "one character outside GSM changes the encoding of the whole text"
        );
    }
}
