//! Currencies: those that a new request can use, and those that a stored request may have.

mod table;

use crate::invalid::Invalid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use table::{Entry, FORMER, IN_FORCE};

/// A currency of ISO 4217.
///
/// Parsing ([`FromStr`], `Deserialize`) accepts former currencies too, so that stored requests stay readable when a
/// country gives its currency up. [`Currency::in_force`] decides which currencies a new request can use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency(&'static Entry);

impl Currency {
    /// Returns the currency with this code if a new request can use it.
    ///
    /// # Errors
    /// The code is unknown, the currency is no longer in force, or nobody pays in it (precious metals, funds).
    pub fn in_force(code: &str) -> Result<Self, Invalid> {
        let currency: Self = code.parse()?;
        if find(IN_FORCE, code).is_some() {
            Ok(currency)
        } else {
            Err(Invalid("must be a currency in circulation, such as ZAR; this one is no longer accepted"))
        }
    }

    /// Returns the three-letter code of ISO 4217.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code
    }

    /// Returns the number of decimals of its amounts: 0 for JPY, 2 for ZAR, 3 for KWD (ISO 4217 exponent).
    #[must_use]
    pub fn decimals(self) -> u8 {
        self.0.decimals
    }

    /// Returns the symbol that is written before an amount in English text; `None` if no symbol is unambiguous.
    #[must_use]
    pub fn symbol(self) -> Option<&'static str> {
        self.0.symbol
    }

    /// Returns every currency that a new request can use, sorted by code.
    pub fn all_in_force() -> impl Iterator<Item = Self> {
        IN_FORCE.iter().map(Self)
    }

    /// Returns every currency that is parsed but no longer accepted, sorted by code.
    pub fn all_former() -> impl Iterator<Item = Self> {
        FORMER.iter().map(Self)
    }
}

fn find(table: &'static [Entry], code: &str) -> Option<&'static Entry> {
    let index = table.binary_search_by(|entry| entry.code.cmp(code)).ok()?;
    table.get(index)
}

impl FromStr for Currency {
    type Err = Invalid;

    fn from_str(code: &str) -> Result<Self, Invalid> {
        let entry = find(IN_FORCE, code).or_else(|| find(FORMER, code));
        entry.map(Self).ok_or(Invalid("must be an ISO 4217 currency code in capital letters, such as ZAR"))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_nothing_can_be_priced_in_is_not_a_currency() {
        for code in ["", "zar", "ZA", "ZARR", "XAU", "XXX", "XTS", "ABC", "Z\u{410}R"] {
            assert!(code.parse::<Currency>().is_err(), "{code}");
            assert!(Currency::in_force(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_former_currency_is_parsed_and_rejected_for_new_requests() {
        for currency in Currency::all_former() {
            assert_eq!(currency.code().parse(), Ok(currency));
            let stored = serde_json::to_string(&currency).unwrap();
            assert_eq!(serde_json::from_str::<Currency>(&stored).unwrap(), currency);
            let refusal = Currency::in_force(currency.code()).unwrap_err();
            assert!(refusal.message().contains("no longer accepted"), "{currency}: {}", refusal.message());
        }
        for (code, decimals) in [("BGN", 2), ("HRK", 2), ("SLL", 2), ("ZWL", 2), ("UYI", 0), ("CLF", 4)] {
            assert_eq!(code.parse::<Currency>().map(Currency::decimals), Ok(decimals), "{code}");
        }
    }

    #[test]
    fn every_current_currency_is_parsed_and_accepted_for_new_requests() {
        for currency in Currency::all_in_force() {
            assert_eq!(Currency::in_force(currency.code()), Ok(currency));
            assert_eq!(currency.code().parse(), Ok(currency));
        }
    }

    #[test]
    fn every_table_is_sorted_and_no_code_occurs_twice() {
        for table in [IN_FORCE, FORMER] {
            assert!(table.is_sorted_by(|one, next| one.code < next.code), "{table:?}");
        }
        for entry in FORMER {
            assert_eq!(find(IN_FORCE, entry.code), None);
        }
    }
}
