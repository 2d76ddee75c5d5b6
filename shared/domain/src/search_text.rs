//! What a person types to find a request.

use crate::invalid::Invalid;
use crate::payment_request::Details;
use crate::phone::WrittenPhone;
use crate::text::CustomerName;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::CanonicalCombiningClass;
use std::fmt;

/// The greatest length of a text, in characters: that of the longest name.
const AT_MOST: usize = 200;

/// A text that finds a request by its order number, by the customer's phone number in any form, or by a part of the
/// customer's name. Upper and lower case are the same, and so are letters with and without accents.
///
/// `Debug` does not show it: it may be a phone number.
#[derive(Clone, PartialEq, Eq)]
pub struct SearchText {
    folded: String,
    phone: Option<WrittenPhone>,
}

impl SearchText {
    /// Reads what was typed. Returns `None` if that is nothing, which finds every request.
    ///
    /// # Errors
    /// The text is longer than any name.
    pub fn read(text: &str) -> Result<Option<Self>, Invalid> {
        if text.chars().count() > AT_MOST {
            return Err(Invalid("must be at most 200 characters"));
        }
        let folded = folded(text);
        Ok((!folded.is_empty()).then(|| Self { folded, phone: WrittenPhone::of(text) }))
    }

    /// Returns whether the text finds a request with these details.
    #[must_use]
    pub fn finds(&self, details: &Details) -> bool {
        folded(details.order_number.as_str()) == self.folded
            || self.phone.as_ref().is_some_and(|phone| phone.is_form_of(&details.customer.phone))
            || details
                .customer
                .name
                .as_ref()
                .is_some_and(|name| folded(CustomerName::as_str(name)).contains(&self.folded))
    }
}

impl fmt::Debug for SearchText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SearchText(…)")
    }
}

/// Returns a text as it is compared: decomposed (Unicode Standard Annex 15, form NFKD), without combining marks, in
/// lower case, and with one space in place of several.
fn folded(text: &str) -> String {
    let classes = CodePointMapData::<CanonicalCombiningClass>::new();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(text.chars());
    let base = decomposed.filter(|character| classes.get(*character) == CanonicalCombiningClass::NotReordered);
    let lower: String = base.flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::Phone;
    use crate::status::Status;
    use crate::test_support::request;
    use crate::text::OrderNumber;

    fn finds(text: &str, order_number: &str, phone: &str, name: Option<&str>) -> bool {
        let mut details = request(Status::Sent, 1_000).details;
        details.order_number = order_number.parse::<OrderNumber>().unwrap();
        details.customer.phone = Phone::from_record(phone).unwrap();
        details.customer.name = name.map(|name| name.parse().unwrap());
        SearchText::read(text).unwrap().unwrap().finds(&details)
    }

    #[test]
    fn an_order_number_a_phone_number_in_any_form_and_a_part_of_a_name_find_a_request() {
        let thandi = |text: &str| finds(text, "A-10045", "+27831234567", Some("Thandi Nkosi-José"));
        for text in
            ["A-10045", "a-10045", " A-10045 ", "+27831234567", "083 123 4567", "thandi", "NKOSI", "jose", "di  nk"]
        {
            assert!(thandi(text), "{text}");
        }
        for text in ["10045", "A-1004", "A-100456", "083 123 4568", "Thandy", "Nkosi Thandi", "1234"] {
            assert!(!thandi(text), "{text}");
        }
    }

    #[test]
    fn names_of_every_script_are_found() {
        for (text, name) in
            [("محمد", "مُحَمَّد علي"), ("Ελένη", "ΕΛΈΝΗ"), ("ｔｈａｎｄｉ", "Thandi"), ("李", "李小龙"), ("Šárka", "sarka")]
        {
            assert!(finds(text, "1", "+27831234567", Some(name)), "{text}");
        }
        assert!(!finds("Thandi", "1", "+27831234567", None));
    }

    #[test]
    fn a_text_without_a_letter_or_digit_finds_everything_and_one_longer_than_a_name_is_rejected() {
        for text in ["", "  ", "\u{301}"] {
            assert_eq!(SearchText::read(text).unwrap(), None, "{text:?}");
        }
        assert!(SearchText::read(&"a".repeat(200)).unwrap().is_some());
        assert!(SearchText::read(&"a".repeat(201)).is_err());
    }

    #[test]
    fn debug_shows_no_phone_number() {
        assert_eq!(format!("{:?}", SearchText::read("+27831234567").unwrap().unwrap()), "SearchText(…)");
    }
}
