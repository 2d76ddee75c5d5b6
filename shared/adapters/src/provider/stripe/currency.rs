//! The money that Stripe accepts, and the units in which it counts currencies.
//!
//! Stripe's amounts are whole numbers of a unit of its own, which is not always the minor unit of ISO 4217. The data is
//! from <https://docs.stripe.com/currencies> as of 2026-11: the presentment currencies of an account in the United
//! States or Europe, the sections on zero-decimal and three-decimal currencies and on special cases, and the minimum
//! and maximum amounts.
//!
//! A currency that no version of chat2pay has accepted (STD, MRO) is left out. The guilder XCG, which has replaced ANG,
//! is in the list of <https://woocommerce.com/document/payments/faq/available-currencies/>, whose payments Stripe
//! makes.

use crate::provider::money::NotChargeable;
use domain::{Amount, Currency, Money};

/// The unit in which Stripe counts a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unit {
    /// The number of decimals of Stripe's unit.
    decimals: u32,
    /// The number of units that amounts must be multiples of.
    step: i64,
}

#[rustfmt::skip]
const CURRENCIES: &[(Unit, &str)] = &[
    // Two decimals, as in ISO 4217. For HUF and TWD only payouts must be whole numbers, not charges.
    (Unit { decimals: 2, step: 1 },
     "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC \
      CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR \
      KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN \
      PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH USD \
      UYU UZS WST XCD XCG YER ZAR ZMW"),
    // Whole numbers. ISO 4217 gives MGA two decimals.
    (Unit { decimals: 0, step: 1 }, "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"),
    // Three decimals, of which the last must be 0.
    (Unit { decimals: 3, step: 10 }, "BHD JOD KWD OMR TND"),
    // Whole numbers that Stripe counts in hundredths, as before the currency lost its decimals.
    (Unit { decimals: 2, step: 100 }, "ISK UGX"),
];

/// The currencies that customers can no longer be charged in, because their countries have given them up. Their units
/// are needed for payments and refunds of older requests.
const FORMER: &[(Unit, &str)] = &[(Unit { decimals: 2, step: 1 }, "BGN")];

/// The minimum charge in each currency, in Stripe's unit. For an account that is paid out in another currency, that
/// currency's minimum applies, converted at the rate of the day. Stripe then rejects at the checkout an amount that
/// passes here.
#[rustfmt::skip]
const MINIMUMS: &[(i64, &str)] = &[
    (30, "GBP"),
    (50, "ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD USD ZAR"),
    (200, "AED MYR PLN RON"),
    (250, "DKK"),
    (300, "NOK SEK"),
    (400, "HKD"),
    (1_000, "MXN THB"),
    (1_500, "CZK"),
    (17_500, "HUF"),
];

/// The maximum charge, in Stripe's unit: eight digits. Cards accept more in some currencies, but the account decides
/// which payment methods a customer is offered.
const MAXIMUM: i64 = 99_999_999;

/// Returns the unit of a currency that customers can be charged in.
fn unit(currency: Currency) -> Option<Unit> {
    find(CURRENCIES, currency)
}

fn find<T: Copy>(table: &[(T, &str)], currency: Currency) -> Option<T> {
    let row = table.iter().find(|(_, codes)| codes.split(' ').any(|code| code == currency.code()));
    row.map(|(value, _)| *value)
}

/// Converts an amount to Stripe's unit.
///
/// # Errors
/// Stripe does not accept the amount.
pub(super) fn to_stripe(money: Money) -> Result<i64, NotChargeable> {
    let unit = unit(money.currency).ok_or(NotChargeable::Currency)?;
    let (decimals, minor_units) = (u32::from(money.currency.decimals()), money.amount.minor_units());
    let (up, down) = (power(unit.decimals, decimals), power(decimals, unit.decimals));
    let of_units = |units: i64| {
        let amount = Amount::new(units * down / up).ok()?;
        Some(Money { amount, currency: money.currency })
    };
    let minimum = find(MINIMUMS, money.currency).unwrap_or(unit.step);
    if minor_units * up < minimum * down
        && let Some(minimum) = of_units(minimum)
    {
        return Err(NotChargeable::BelowMinimum(minimum));
    }
    let maximum = MAXIMUM / unit.step * unit.step;
    if minor_units * up > maximum * down
        && let Some(maximum) = of_units(maximum)
    {
        return Err(NotChargeable::AboveMaximum(maximum));
    }
    // One of Stripe's units can be more than one minor unit, so the step is checked together with the conversion.
    if minor_units * up % (unit.step * down) != 0
        && let Some(step) = of_units(unit.step)
    {
        return Err(NotChargeable::Step(step));
    }
    Ok(minor_units * up / down)
}

/// Converts an amount in Stripe's unit to money; `None` if no request can have asked for it: an unknown currency, an
/// amount out of bounds, a fraction of the minor unit.
pub(super) fn from_stripe(units: i64, code: &str) -> Option<Money> {
    let (minor_units, currency) = minor_units(units, code)?;
    Some(Money { amount: Amount::new(minor_units).ok()?, currency })
}

/// Converts any amount in Stripe's unit to the minor unit; `None` for an unknown currency or a fraction.
pub(super) fn minor_units(units: i64, code: &str) -> Option<(i64, Currency)> {
    let currency: Currency = code.to_ascii_uppercase().parse().ok()?;
    let decimals = u32::from(currency.decimals());
    let stripe_decimals = unit(currency).or_else(|| find(FORMER, currency))?.decimals;
    let minor_units = units.checked_mul(power(decimals, stripe_decimals))?;
    let down = power(stripe_decimals, decimals);
    (minor_units % down == 0).then(|| (minor_units / down, currency))
}

/// Returns ten to the power of `decimals` minus `others`, at least 1.
const fn power(decimals: u32, others: u32) -> i64 {
    10_i64.pow(decimals.saturating_sub(others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
    }

    /// Returns every currency code of the table.
    fn codes() -> Vec<&'static str> {
        CURRENCIES.iter().flat_map(|(_, codes)| codes.split(' ')).collect()
    }

    /// The expected values are worked out by hand from the examples in Stripe's documentation.
    #[test]
    fn each_kind_of_currency_is_converted_to_stripes_unit() {
        for (minor_units, currency, units) in [
            (1_000, "USD", 1_000),   // $10.00
            (25_000, "ZAR", 25_000), // R250.00
            (500, "JPY", 500),       // ¥500
            (5_120, "KWD", 5_120),   // KWD 5.120
            (5, "ISK", 500),         // ISK 5
            (5, "UGX", 500),         // UGX 5
            (70_000, "MGA", 700),    // MGA 700.00
            (17_545, "HUF", 17_545), // HUF 175.45
            (80_045, "TWD", 80_045), // TWD 800.45
        ] {
            let money = money(minor_units, currency);
            assert_eq!(to_stripe(money), Ok(units), "{money}");
            assert_eq!(from_stripe(units, &currency.to_lowercase()), Some(money), "{money}");
        }
    }

    #[test]
    fn money_in_a_withdrawn_currency_is_read_and_no_longer_charged() {
        let leva = money(25_000, "BGN");
        assert_eq!(to_stripe(leva), Err(NotChargeable::Currency));
        assert_eq!(from_stripe(25_000, "bgn"), Some(leva));
    }

    #[test]
    fn an_amount_that_stripe_cannot_charge_is_rejected_with_the_limit() {
        for (given, refusal) in [
            (money(1, "ZAR"), NotChargeable::BelowMinimum(money(50, "ZAR"))),
            (money(1_000, "IRR"), NotChargeable::Currency),
            (money(1_000, "CLF"), NotChargeable::Currency),
            (money(49, "USD"), NotChargeable::BelowMinimum(money(50, "USD"))),
            (money(29, "GBP"), NotChargeable::BelowMinimum(money(30, "GBP"))),
            (money(49, "JPY"), NotChargeable::BelowMinimum(money(50, "JPY"))),
            (money(17_499, "HUF"), NotChargeable::BelowMinimum(money(17_500, "HUF"))),
            (money(9, "KWD"), NotChargeable::BelowMinimum(money(10, "KWD"))),
            (money(99, "MGA"), NotChargeable::BelowMinimum(money(100, "MGA"))),
            (money(5_124, "KWD"), NotChargeable::Step(money(10, "KWD"))),
            (money(70_020, "MGA"), NotChargeable::Step(money(100, "MGA"))),
            (money(1_000_000, "ISK"), NotChargeable::AboveMaximum(money(999_999, "ISK"))),
            (money(99_999_999, "BHD"), NotChargeable::AboveMaximum(money(99_999_990, "BHD"))),
        ] {
            assert_eq!(to_stripe(given), Err(refusal), "{given}");
        }
        assert_eq!(to_stripe(money(99_999_999, "USD")), Ok(99_999_999));
        assert_eq!(to_stripe(money(999_999, "ISK")), Ok(99_999_900));
    }

    #[test]
    fn an_amount_that_cannot_have_been_requested_is_invalid() {
        for (units, code) in
            [(0, "usd"), (-1, "usd"), (100_000_000, "usd"), (501, "isk"), (1, "irr"), (1, "xx"), (i64::MAX, "mga")]
        {
            assert_eq!(from_stripe(units, code), None, "{units} {code}");
        }
    }

    #[test]
    fn every_currency_of_the_table_exists_once_and_its_minimum_can_be_charged() {
        let mut codes = codes();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count, "a currency occurs twice");
        for code in &codes {
            assert!(code.parse::<Currency>().is_ok(), "{code}");
        }
        for (minimum, codes) in MINIMUMS {
            for code in codes.split(' ') {
                let money = from_stripe(*minimum, code).unwrap();
                assert_eq!(to_stripe(money), Ok(*minimum), "{money}");
            }
        }
    }

    proptest! {
        /// Nothing is rounded: an amount that is converted to Stripe's unit converts back to the same amount.
        #[test]
        fn money_that_stripe_accepts_converts_back_unchanged(
            amount in 1_i64..=99_999_999,
            code in proptest::sample::select(codes()),
        ) {
            let money = money(amount, code);
            if let Ok(units) = to_stripe(money) {
                prop_assert!((1..=MAXIMUM).contains(&units));
                prop_assert_eq!(units % unit(money.currency).unwrap().step, 0);
                prop_assert_eq!(from_stripe(units, code), Some(money));
            }
        }

        /// A rejection names an amount that Stripe accepts, except for the step, which may lie below the minimum.
        #[test]
        fn a_rejection_names_the_accepted_amounts(
            amount in 1_i64..=99_999_999,
            code in proptest::sample::select(codes()),
        ) {
            match to_stripe(money(amount, code)) {
                Err(NotChargeable::BelowMinimum(other) | NotChargeable::AboveMaximum(other)) => {
                    prop_assert!(to_stripe(other).is_ok());
                }
                Err(NotChargeable::Step(step)) => prop_assert!(amount % step.amount.minor_units() != 0),
                Err(NotChargeable::Currency) => prop_assert!(false, "{code} is in the table"),
                Ok(_) => {}
            }
        }
    }
}
