//! Amounts of money, always whole numbers of a currency's minor unit.

use crate::currency::Currency;
use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number of minor units (cents, yen, fils) from 1 to 99,999,999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

impl Amount {
    pub(crate) const RANGE: std::ops::RangeInclusive<i64> = 1..=99_999_999;

    /// Accepts a number of minor units from 1 to 99,999,999.
    ///
    /// # Errors
    /// The number is below 1 or above 99,999,999.
    pub fn new(minor_units: i64) -> Result<Self, Invalid> {
        if Self::RANGE.contains(&minor_units) {
            Ok(Self(minor_units))
        } else {
            Err(Invalid("must be a whole number of the currency's minor unit from 1 to 99999999"))
        }
    }

    /// Returns the number of minor units.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = Invalid;

    fn try_from(minor_units: i64) -> Result<Self, Invalid> {
        Self::new(minor_units)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// An amount with its currency. `Display` writes it as a customer reads it: `R250.00`, `¥25,000`, `KWD 25.000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount, in minor units.
    pub amount: Amount,
    /// The amount's currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.currency.symbol() {
            Some(symbol) => formatter.write_str(symbol)?,
            // A no-break space, so that the code and the amount stay on one line.
            None => write!(formatter, "{}\u{a0}", self.currency.code())?,
        }
        let decimals = self.currency.decimals();
        let scale = 10_i64.pow(u32::from(decimals));
        let whole = (self.amount.0 / scale).to_string();
        for (index, digit) in whole.char_indices() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        if decimals > 0 {
            let width = usize::from(decimals);
            write!(formatter, ".{:0width$}", self.amount.0 % scale)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(amount: i64, currency: &str) -> String {
        Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }.to_string()
    }

    #[test]
    fn an_amount_has_the_number_of_decimals_of_its_currency() {
        assert_eq!(written(25_000, "ZAR"), "R250.00");
        assert_eq!(written(25_000, "JPY"), "¥25,000");
        assert_eq!(written(25_000, "KWD"), "KWD\u{a0}25.000");
        assert_eq!(written(1, "USD"), "$0.01");
        assert_eq!(written(99_999_999, "EUR"), "€999,999.99");
        assert_eq!(written(5, "KWD"), "KWD\u{a0}0.005");
        assert_eq!(written(250, "BGN"), "BGN\u{a0}2.50");
        assert_eq!(written(123_456, "CLF"), "CLF\u{a0}12.3456");
    }

    #[test]
    fn an_amount_lies_within_its_limits() {
        assert!(Amount::new(0).is_err());
        assert!(Amount::new(-1).is_err());
        assert!(Amount::new(100_000_000).is_err());
        assert!(Amount::new(1).is_ok() && Amount::new(99_999_999).is_ok());
    }
}
