//! The money that Paystack accepts, and the units in which it counts currencies.
//!
//! Paystack counts every currency in hundredths, also XOF, which has no decimals. The data is from
//! <https://paystack.com/docs/api/#supported-currency> as of 2026-11, with the minimum charges. The maximum is in
//! <https://docs-v2.paystack.com/api/errors/transaction>. An account takes the currencies of its country alone;
//! Paystack rejects another one at the checkout.

use crate::provider::money::NotChargeable;
use domain::{Amount, Currency, Money};

/// The minimum charge in each currency, in hundredths.
const MINIMUMS: &[(i64, &str)] = &[(10, "GHS"), (300, "KES"), (5_000, "NGN"), (200, "USD"), (100, "XOF"), (100, "ZAR")];

/// The maximum charge in every currency, in hundredths: ten million. Payment methods have lower limits of their own.
const MAXIMUM: i64 = 1_000_000_000;

/// The number of decimals of Paystack's unit.
const DECIMALS: u8 = 2;

/// Returns the minimum charge of a currency in hundredths; `None` if Paystack does not accept the currency.
fn minimum(currency: Currency) -> Option<i64> {
    MINIMUMS.iter().find(|(_, code)| *code == currency.code()).map(|(minimum, _)| *minimum)
}

/// Returns the number of hundredths in the minor unit of a currency. Of the table's currencies, none has more than two
/// decimals.
fn hundredths_in_minor_unit(currency: Currency) -> i64 {
    10_i64.pow(u32::from(DECIMALS.saturating_sub(currency.decimals())))
}

/// Converts an amount to hundredths.
///
/// # Errors
/// Paystack does not accept the amount.
pub(super) fn to_paystack(money: Money) -> Result<i64, NotChargeable> {
    let minimum = minimum(money.currency).ok_or(NotChargeable::Currency)?;
    let units = money.amount.minor_units() * hundredths_in_minor_unit(money.currency);
    let limit = |units| from_units(units, money.currency).ok_or(NotChargeable::Currency);
    if units < minimum {
        return Err(NotChargeable::BelowMinimum(limit(minimum)?));
    }
    if units > MAXIMUM {
        return Err(NotChargeable::AboveMaximum(limit(MAXIMUM)?));
    }
    Ok(units)
}

/// Converts an amount in hundredths to money; `None` if no request can have asked for it: an unknown currency, an
/// amount out of bounds, a fraction of the minor unit.
pub(super) fn from_paystack(units: i64, code: &str) -> Option<Money> {
    from_units(units, currency(code)?)
}

/// Converts any amount in hundredths to the minor unit; `None` for an unknown currency or a fraction.
pub(super) fn minor_units(units: i64, code: &str) -> Option<(i64, Currency)> {
    let currency = currency(code)?;
    Some((whole(units, currency)?, currency))
}

/// Returns one of the table's currencies. Paystack writes codes in capitals.
fn currency(code: &str) -> Option<Currency> {
    let currency: Currency = code.parse().ok()?;
    minimum(currency).map(|_| currency)
}

fn from_units(units: i64, currency: Currency) -> Option<Money> {
    Some(Money { amount: Amount::new(whole(units, currency)?).ok()?, currency })
}

fn whole(units: i64, currency: Currency) -> Option<i64> {
    let unit = hundredths_in_minor_unit(currency);
    (units % unit == 0).then_some(units / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
    }

    /// The expected values follow from Paystack's rule: the amount, times one hundred.
    #[test]
    fn each_currency_is_converted_to_hundredths() {
        for (minor_units, currency, units) in [
            (25_000, "ZAR", 25_000), // R250.00
            (10_000, "NGN", 10_000), // ₦100.00
            (300, "KES", 300),       // KSh3.00
            (150, "GHS", 150),       // GH₵1.50
            (1_000, "USD", 1_000),   // $10.00
            (5, "XOF", 500),         // 5 F CFA
        ] {
            let money = money(minor_units, currency);
            assert_eq!(to_paystack(money), Ok(units), "{money}");
            assert_eq!(from_paystack(units, currency), Some(money), "{money}");
        }
    }

    #[test]
    fn an_amount_that_paystack_cannot_charge_is_rejected_with_the_limit() {
        for (given, refusal) in [
            (money(99, "ZAR"), NotChargeable::BelowMinimum(money(100, "ZAR"))),
            (money(4_999, "NGN"), NotChargeable::BelowMinimum(money(5_000, "NGN"))),
            (money(299, "KES"), NotChargeable::BelowMinimum(money(300, "KES"))),
            (money(9, "GHS"), NotChargeable::BelowMinimum(money(10, "GHS"))),
            (money(199, "USD"), NotChargeable::BelowMinimum(money(200, "USD"))),
            (money(10_000_001, "XOF"), NotChargeable::AboveMaximum(money(10_000_000, "XOF"))),
            (money(1_000, "EUR"), NotChargeable::Currency),
            (money(1_000, "JPY"), NotChargeable::Currency),
            (money(1_000, "KWD"), NotChargeable::Currency),
        ] {
            assert_eq!(to_paystack(given), Err(refusal), "{given}");
        }
        assert_eq!(to_paystack(money(99_999_999, "NGN")), Ok(99_999_999));
        assert_eq!(to_paystack(money(1, "XOF")), Ok(100));
    }

    #[test]
    fn an_amount_that_cannot_have_been_requested_is_invalid() {
        for (units, code) in [
            (0, "ZAR"),
            (-1, "ZAR"),
            (100_000_000, "ZAR"),
            (501, "XOF"),
            (500, "EUR"),
            (500, "zar"),
            (500, ""),
            (i64::MAX, "XOF"),
            (i64::MIN, "NGN"),
        ] {
            assert_eq!(from_paystack(units, code), None, "{units} {code}");
        }
        assert_eq!(minor_units(0, "NGN"), Some((0, "NGN".parse().unwrap())), "a fee may be nothing");
    }

    #[test]
    fn every_minimum_of_the_table_can_be_charged() {
        for (minimum, code) in MINIMUMS {
            let money = from_paystack(*minimum, code).unwrap();
            assert_eq!(to_paystack(money), Ok(*minimum), "{money}");
            assert!(money.currency.decimals() <= DECIMALS, "{code}");
        }
    }

    proptest! {
        /// Nothing is rounded: an amount that is converted to hundredths converts back to the same amount.
        #[test]
        fn money_that_paystack_accepts_converts_back_unchanged(
            amount in 1_i64..=99_999_999,
            code in proptest::sample::select(MINIMUMS.iter().map(|(_, code)| *code).collect::<Vec<_>>()),
        ) {
            let money = money(amount, code);
            if let Ok(units) = to_paystack(money) {
                prop_assert!((1..=MAXIMUM).contains(&units));
                prop_assert_eq!(from_paystack(units, code), Some(money));
            }
        }
    }
}
