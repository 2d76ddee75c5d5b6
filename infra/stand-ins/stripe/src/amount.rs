//! The amounts that Stripe accepts (<https://docs.stripe.com/currencies>, read in November 2026), as far as the
//! stand-in needs them. This table was written independently of the adapter's own, which it tests.

use super::error::ApiError;

/// The largest amount: eight digits.
const LARGEST: i64 = 99_999_999;

const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Currencies without decimals that Stripe nevertheless expects in hundredths.
const WHOLE: [&str; 2] = ["isk", "ugx"];
/// The other currencies that customers can be charged in, with two decimals. Those that their countries have given up
/// are left out, such as Bulgaria's since 2026.
const TWO_DECIMAL: &str = "\
    aed afn all amd aoa ars aud awg azn bam bbd bdt bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve \
    czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt \
    lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr \
    pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd szl thb tjs top try ttd twd tzs uah usd uyu uzs wst \
    xcd xcg yer zar zmw";

/// The smallest amount for each currency, in Stripe's unit of the currency. Where Stripe names none, an amount is at
/// least one unit.
const SMALLEST: [(&str, i64); 31] = [
    ("usd", 50),
    ("aed", 200),
    ("ars", 50),
    ("aud", 50),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("cop", 50),
    ("czk", 1500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("idr", 50),
    ("ils", 50),
    ("inr", 50),
    ("jpy", 50),
    ("krw", 50),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("php", 50),
    ("pln", 200),
    ("ron", 200),
    ("rub", 50),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1000),
    ("zar", 50),
];

/// Returns whether customers can be charged in a currency.
fn is_charged(currency: &str) -> bool {
    [&ZERO_DECIMAL[..], &THREE_DECIMAL, &WHOLE].iter().any(|group| group.contains(&currency))
        || TWO_DECIMAL.split_ascii_whitespace().any(|other| other == currency)
}

/// Returns an error for an amount that Stripe does not charge.
pub(super) fn check(amount: i64, currency: &str) -> Result<(), ApiError> {
    const PARAMETER: &str = "line_items[0][price_data][unit_amount]";
    if !is_charged(currency) {
        return Err(ApiError::invalid("line_items[0][price_data][currency]", format!("Invalid currency: {currency}.")));
    }
    if amount > LARGEST {
        let message = format!("The Checkout Session's total amount must be no more than {LARGEST}.");
        return Err(ApiError::parameter("amount_too_large", PARAMETER, message));
    }
    let smallest = SMALLEST.iter().find(|(of, _)| *of == currency).map_or(1, |(_, smallest)| *smallest);
    if amount < smallest {
        let least = display(smallest, currency);
        let message = format!("The Checkout Session's total amount due must add up to at least {least}.");
        return Err(ApiError::parameter("amount_too_small", PARAMETER, message));
    }
    let step = match currency {
        _ if THREE_DECIMAL.contains(&currency) => 10,
        _ if WHOLE.contains(&currency) => 100,
        _ => 1,
    };
    if amount % step != 0 {
        let message = format!("Invalid amount: a sum in {currency} has to be a multiple of {step}.");
        return Err(ApiError::parameter("parameter_invalid_integer", PARAMETER, message));
    }
    Ok(())
}

/// Formats an amount for a person, such as `250.00 ZAR`.
pub(super) fn display(amount: i64, currency: &str) -> String {
    let decimals = match currency {
        _ if ZERO_DECIMAL.contains(&currency) => 0,
        _ if THREE_DECIMAL.contains(&currency) => 3,
        _ => 2,
    };
    let currency = currency.to_ascii_uppercase();
    if decimals == 0 {
        return format!("{amount} {currency}");
    }
    let unit = 10_i64.pow(decimals);
    let width = usize::try_from(decimals).unwrap_or_default();
    format!("{}.{:0width$} {currency}", amount / unit, amount % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(amount: i64, currency: &str) -> Option<String> {
        check(amount, currency).err().map(|error| {
            let error = &error.body()["error"];
            error["code"].as_str().or_else(|| error["param"].as_str()).unwrap().to_owned()
        })
    }

    #[test]
    fn an_amount_is_charged_within_its_currencys_bounds_and_steps() {
        for (amount, currency) in
            [(50, "usd"), (50, "zar"), (1, "kes"), (99_999_999, "zar"), (100, "isk"), (1_230, "kwd"), (10, "kwd")]
        {
            assert_eq!(code(amount, currency), None, "{amount} {currency}");
        }
        for (amount, currency, refusal) in [
            (49, "usd", "amount_too_small"),
            (0, "zar", "amount_too_small"),
            (-1, "zar", "amount_too_small"),
            (100_000_000, "zar", "amount_too_large"),
            (150, "isk", "parameter_invalid_integer"),
            (1_234, "kwd", "parameter_invalid_integer"),
            (1, "zar", "amount_too_small"),
            (49, "zar", "amount_too_small"),
            (1_000, "bgn", "line_items[0][price_data][currency]"),
            (1_000, "xxx", "line_items[0][price_data][currency]"),
            (1_000, "ZAR", "line_items[0][price_data][currency]"),
            (1_000, "", "line_items[0][price_data][currency]"),
        ] {
            assert_eq!(code(amount, currency).as_deref(), Some(refusal), "{amount} {currency}");
        }
    }

    #[test]
    fn an_amount_is_shown_with_its_currencys_decimals() {
        for (amount, currency, text) in [
            (25_005, "zar", "250.05 ZAR"),
            (500, "jpy", "500 JPY"),
            (1_230, "kwd", "1.230 KWD"),
            (500, "ugx", "5.00 UGX"),
        ] {
            assert_eq!(display(amount, currency), text);
        }
    }
}
