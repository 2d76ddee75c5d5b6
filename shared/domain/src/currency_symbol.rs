//! The symbols that people recognise without thinking.

use iso_currency::Currency;

/// The symbol that stands before an amount in English text, where one is unmistakable.
///
/// After the `en` locale of the Unicode CLDR, which writes the code itself (`KWD 25.000`) for every currency not listed
/// here; with the rand added, whose `R` the customer's messages are specified with.
pub(crate) fn symbol(currency: Currency) -> Option<&'static str> {
    Some(match currency {
        Currency::AUD => "A$",
        Currency::BRL => "R$",
        Currency::CAD => "CA$",
        Currency::CNY => "CN¥",
        Currency::EUR => "€",
        Currency::GBP => "£",
        Currency::HKD => "HK$",
        Currency::ILS => "₪",
        Currency::INR => "₹",
        Currency::JPY => "¥",
        Currency::KRW => "₩",
        Currency::MXN => "MX$",
        Currency::NZD => "NZ$",
        Currency::PHP => "₱",
        Currency::TWD => "NT$",
        Currency::USD => "$",
        Currency::VND => "₫",
        Currency::ZAR => "R",
        _ => return None,
    })
}
