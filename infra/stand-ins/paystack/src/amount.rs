//! The amounts that Paystack accepts, in hundredths of every currency. This table was written independently of the
//! adapter's own, which it tests.

use super::error::ApiError;

/// The smallest amount for each currency (<https://paystack.com/docs/api/#supported-currency>).
const SMALLEST: [(&str, i64); 6] =
    [("GHS", 10), ("KES", 300), ("NGN", 5_000), ("USD", 200), ("XOF", 100), ("ZAR", 100)];

/// The largest amount, 10 million of every currency (<https://docs-v2.paystack.com/api/errors/transaction>).
const LARGEST: i64 = 1_000_000_000;

/// Paystack's fee: 1.5 % as for a local card in Nigeria (<https://paystack.com/faqs>). The stand-in takes it in every
/// currency.
const FEE_PER_MILLE: i64 = 15;

/// Returns an error for an amount that Paystack does not charge.
pub(super) fn check(amount: i64, currency: &str) -> Result<(), ApiError> {
    let smallest = SMALLEST.iter().find(|(of, _)| *of == currency).map(|(_, smallest)| *smallest);
    let smallest = smallest.ok_or_else(ApiError::currency)?;
    if amount < 1 {
        return Err(ApiError::amount("Invalid Amount Sent"));
    }
    if amount < smallest {
        return Err(ApiError::amount(format!("Amount cannot be less than {}", display(smallest, currency))));
    }
    if amount > LARGEST {
        return Err(ApiError::amount(format!("Amount cannot be more than {}", display(LARGEST, currency))));
    }
    // It has no decimals, and is sent in hundredths all the same.
    if currency == "XOF" && amount % 100 != 0 {
        return Err(ApiError::amount("Amount in XOF has to be a multiple of 100"));
    }
    Ok(())
}

/// Returns the fee for an amount.
pub(super) fn fee(amount: i64) -> i64 {
    amount * FEE_PER_MILLE / 1000
}

/// Formats an amount for a person, such as `250.00 ZAR`.
pub(super) fn display(amount: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", amount / 100, amount % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(amount: i64, currency: &str) -> Option<String> {
        check(amount, currency).err().map(|error| error.body()["code"].as_str().unwrap().to_owned())
    }

    #[test]
    fn an_amount_is_charged_within_its_currencys_bounds_and_steps() {
        for (amount, currency) in [
            (10, "GHS"),
            (300, "KES"),
            (5_000, "NGN"),
            (200, "USD"),
            (100, "XOF"),
            (12_300, "XOF"),
            (100, "ZAR"),
            (1_000_000_000, "ZAR"),
        ] {
            assert_eq!(code(amount, currency), None, "{amount} {currency}");
        }
        for (amount, currency, refusal) in [
            (9, "GHS", "invalid_amount"),
            (299, "KES", "invalid_amount"),
            (4_999, "NGN", "invalid_amount"),
            (199, "USD", "invalid_amount"),
            (150, "XOF", "invalid_amount"),
            (99, "ZAR", "invalid_amount"),
            (0, "ZAR", "invalid_amount"),
            (-1, "ZAR", "invalid_amount"),
            (1_000_000_001, "ZAR", "invalid_amount"),
            (10_000, "EUR", "unsupported_currency"),
            (10_000, "zar", "unsupported_currency"),
            (10_000, "", "unsupported_currency"),
        ] {
            assert_eq!(code(amount, currency).as_deref(), Some(refusal), "{amount} {currency}");
        }
    }

    #[test]
    fn an_amount_is_shown_in_its_currencys_unit() {
        assert_eq!(display(25_005, "ZAR"), "250.05 ZAR");
        assert_eq!(display(10, "GHS"), "0.10 GHS");
        assert_eq!(fee(25_000), 375);
    }
}
