//! The pages' texts in every language, one file each in `texts`, and the choice of the language.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// The texts in every language, the default language first. The build script generates them from the files in `texts`,
/// so a text that is missing in one of the files fails the build.
const LANGUAGES: &[Texts] = include!(concat!(env!("OUT_DIR"), "/texts.rs"));

/// The texts of all pages in one language.
#[derive(Debug)]
pub(crate) struct Texts {
    /// The language's tag (RFC 5646).
    pub(crate) language: &'static str,
    /// The direction of the script, `ltr` or `rtl`.
    pub(crate) direction: &'static str,
    pub(crate) preview_title: &'static str,
    pub(crate) preview_text: &'static str,
    request_from: &'static str,
    pub(crate) order: &'static str,
    pub(crate) description: &'static str,
    pub(crate) time_left: &'static str,
    until: &'static str,
    pub(crate) paid_to: &'static str,
    pub(crate) paid_at: &'static str,
    pub(crate) reference: &'static str,
    pub(crate) continue_to_payment: &'static str,
    pub(crate) go_on_to_payment: &'static str,
    pub(crate) back_to_payment: &'static str,
    pub(crate) try_again: &'static str,
    pub(crate) payment_note: &'static str,
    pub(crate) questions: &'static str,
    pub(crate) five_minutes_left: &'static str,
    pub(crate) one_minute_left: &'static str,
    pub(crate) half_a_minute_left: &'static str,
    pub(crate) offline: &'static str,
    pub(crate) check_now: &'static str,
    pub(crate) paid_since: &'static str,
    pub(crate) confirmation_late: &'static str,
    pub(crate) not_yet_paid: Words,
    pub(crate) confirming: Words,
    pub(crate) card_declined: Words,
    pub(crate) attempt_failed: Words,
    pub(crate) overdue: Words,
    pub(crate) time_over: Words,
    pub(crate) processing: Words,
    pub(crate) paid: Words,
    pub(crate) canceled: Words,
    pub(crate) not_clicked: Words,
    pub(crate) not_paid: Words,
    pub(crate) unconfirmed: Words,
    pub(crate) payment_failed: Words,
    pub(crate) refund_due: Words,
    pub(crate) refunded: Words,
    pub(crate) provider_unavailable: Words,
    pub(crate) provider_refused: Words,
    pub(crate) busy: Words,
    pub(crate) unavailable: Words,
    pub(crate) unknown: Words,
    pub(crate) too_large: Words,
}

/// The texts of one state: its title, and what it means for the customer.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

impl Texts {
    /// Returns the texts before and after the name of the workspace that requests the payment.
    pub(crate) fn request_from(&self) -> (&'static str, &'static str) {
        around(self.request_from)
    }

    /// Returns the texts before and after the time of the deadline.
    pub(crate) fn until(&self) -> (&'static str, &'static str) {
        around(self.until)
    }
}

/// Splits a text at its one `{}`. Without one, everything is before it.
fn around(text: &'static str) -> (&'static str, &'static str) {
    text.split_once("{}").unwrap_or((text, ""))
}

/// Returns the texts in the language that `Accept-Language` prefers among those available, or else in the default
/// language (RFC 9110, section 12.5.4, with the lookup of RFC 4647, section 3.4).
pub(crate) fn chosen(headers: &HeaderMap) -> &'static Texts {
    let values = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut ranges: Vec<_> = values.flat_map(|value| value.split(',')).filter_map(range).collect();
    // The sort is stable: of languages with equal weights, the first one listed wins.
    ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let refused = |texts: &Texts| ranges.iter().any(|(range, weight)| *weight <= 0.0 && covers(range, texts));
    let mut wanted = ranges.iter().filter(|(_, weight)| *weight > 0.0);
    let found = wanted.find_map(|(range, _)| match *range {
        "*" => LANGUAGES.iter().find(|texts| !refused(texts)),
        _ => LANGUAGES.iter().find(|texts| covers(range, texts)),
    });
    found.unwrap_or(const { &LANGUAGES[0] })
}

/// Parses a language range and its weight, from 0 to 1. Returns none if the text is not valid.
fn range(text: &str) -> Option<(&str, f32)> {
    let (range, weight) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight = weight.trim().strip_prefix(['q', 'Q'])?.trim().strip_prefix('=')?.trim().parse::<f32>().ok()?;
    (0.0..=1.0).contains(&weight).then(|| (range.trim(), weight))
}

/// Returns whether a range, such as `fr-CA`, matches the texts' language. Only the primary subtag, `fr`, counts.
fn covers(range: &str, texts: &Texts) -> bool {
    range.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case(texts.language))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept_language: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, accept_language.parse().unwrap());
        chosen(&headers).language
    }

    #[test]
    fn the_most_preferred_available_language_is_chosen() {
        for (accept_language, language) in [
            ("fr", "fr"),
            ("FR-ca", "fr"),
            ("ar-EG,ar;q=0.9,en;q=0.8", "ar"),
            ("de, fr;q=0.3, en;q=0.5", "en"),
            ("fr;q=0.5,ar;q=0.5", "fr"),
            ("en;q=0.1,\tfr ; q=0.2", "fr"),
            ("de,*;q=0.5", "en"),
            ("*", "en"),
            ("en;q=0,*", "ar"),
            ("en;q=0,ar;q=0.000,*;q=0.1", "fr"),
            ("zh-Hant-TW,fr-Latn-FR;q=0.001", "fr"),
        ] {
            assert_eq!(asked(accept_language), language, "{accept_language}");
        }
    }

    #[test]
    fn an_unavailable_language_or_an_invalid_header_falls_back_to_english() {
        assert_eq!(chosen(&HeaderMap::new()).language, "en");
        for accept_language in
            ["", ",,;", "de", "fra", "en;q=0", "fr;q=2", "fr;q=NaN", "fr;q=-1", "fr;level=1", "*;q=0", "fr_FR"]
        {
            assert_eq!(asked(accept_language), "en", "{accept_language}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, http::HeaderValue::from_bytes(b"fr\xff").unwrap());
        assert_eq!(chosen(&headers).language, "en");
    }

    #[test]
    fn every_text_is_not_empty_and_has_at_most_one_placeholder() {
        assert_eq!(LANGUAGES.iter().map(|texts| texts.language).collect::<Vec<_>>(), ["en", "ar", "fr"]);
        for texts in LANGUAGES {
            assert!(matches!(texts.direction, "ltr" | "rtl"));
            assert!(!format!("{texts:?}").contains("\"\""), "{}: a text is empty", texts.language);
            for text in [texts.request_from, texts.until] {
                assert_eq!(text.matches("{}").count(), 1, "{}: {text}", texts.language);
            }
        }
    }
}
