//! Points in time, to the millisecond, in UTC.

use crate::invalid::Invalid;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time from the year 1 to 9999-12-30, to the millisecond.
///
/// Its text is RFC 3339 in UTC with exactly three decimals, so texts sort in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00Z and 9999-12-30T22:00:00.000Z in milliseconds since the Unix epoch. The range ends there because
/// jiff, which formats the times, reserves room for every offset.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_200_000;

impl Timestamp {
    /// The earliest point in time that can be represented.
    pub const EARLIEST: Self = Self(*RANGE.start());

    /// Builds a timestamp from milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The result is outside of the years 1 to 9999.
    pub fn from_milliseconds(milliseconds: i64) -> Result<Self, Invalid> {
        if RANGE.contains(&milliseconds) {
            Ok(Self(milliseconds))
        } else {
            Err(Invalid("must lie between the years 1 and 9999"))
        }
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_milliseconds(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded up, so that a time to live never ends early.
    #[must_use]
    pub const fn as_seconds_ceiling(self) -> i64 {
        self.0.div_euclid(1000) + if self.0.rem_euclid(1000) > 0 { 1 } else { 0 }
    }

    /// Adds a duration; the result is at most the end of the supported range.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(milliseconds).min(*RANGE.end()))
    }

    /// Subtracts a duration; the result is at least the start of the year 1.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(milliseconds).max(*RANGE.start()))
    }

    /// Returns the duration since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the month in UTC, as `yyyy-mm`.
    #[must_use]
    pub fn month(self) -> String {
        self.to_string().chars().take(7).collect()
    }

    /// Returns the last millisecond of the previous month, in UTC.
    #[must_use]
    pub fn end_of_last_month(self) -> Self {
        let start = format!("{}-01", self.month()).parse().unwrap_or(self);
        start.saturating_sub(Duration::from_millis(1))
    }

    /// Returns the first moment of the hour, in UTC.
    #[must_use]
    pub fn start_of_hour(self) -> Self {
        const HOUR: i64 = 60 * 60 * 1000;
        Self(self.0.div_euclid(HOUR) * HOUR)
    }

    /// Returns midnight UTC at the start of the day.
    #[must_use]
    pub fn start_of_day(self) -> Self {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        Self(self.0.div_euclid(DAY) * DAY)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        formatter.write_str(&DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&moment))
    }
}

/// Parses an RFC 3339 time with any offset and any number of decimals, truncated to the millisecond. Also parses a date
/// alone, as its midnight UTC.
impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const WRONG: Invalid = Invalid("must be a date such as 2026-01-31 or a time such as 2026-01-31T10:00:00.000Z");
        // jiff accepts more than RFC 3339 (ISO weeks, names of zones). This interface promises only a date of ten
        // characters, or a time with `T` as the eleventh.
        let bytes = text.as_bytes();
        let plain = bytes.len() <= 40
            && bytes
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b':' | b'.' | b'+' | b'T' | b'Z' | b't' | b'z'));
        let date = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
        if !plain || !date {
            return Err(WRONG);
        }
        let moment = if bytes.len() == 10 {
            format!("{text}T00:00:00Z").parse::<jiff::Timestamp>()
        } else if matches!(bytes.get(10), Some(b'T' | b't')) && has_offset_within_a_day(text) {
            text.parse::<jiff::Timestamp>()
        } else {
            return Err(WRONG);
        };
        // Truncated, not rounded: a payment within the last millisecond before a deadline is in time.
        let moment = moment.map_err(|_| WRONG)?;
        Self::from_milliseconds(moment.as_nanosecond().div_euclid(1_000_000).try_into().map_err(|_| WRONG)?)
    }
}

/// Returns whether the hours of a time's offset are below 24, as RFC 3339 requires. jiff accepts up to 25.
fn has_offset_within_a_day(time: &str) -> bool {
    let (_, offset) = time.rsplit_once(['+', '-']).unwrap_or_default();
    let is_offset = time.len() - offset.len() > "2026-01-31T".len();
    !is_offset || offset.get(..2).is_some_and(|hours| hours < "24")
}

impl TryFrom<String> for Timestamp {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

/// The source of the current time. A trait, so that tests can set the time: deadlines are exact.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond().clamp(*RANGE.start(), *RANGE.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_three_decimals() {
        for (given, written) in [
            ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00.000Z"),
            ("2026-01-05T12:00:00.5+02:00", "2026-01-05T10:00:00.500Z"),
            ("2026-01-05T10:00:00.123999Z", "2026-01-05T10:00:00.123Z"),
            ("2026-01-05", "2026-01-05T00:00:00.000Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn an_offset_is_less_than_a_day() {
        for sign in ['+', '-'] {
            for (hours, minutes) in (0..100).flat_map(|hours| (0..100).map(move |minutes| (hours, minutes))) {
                let text = format!("2026-01-05T10:00:00{sign}{hours:02}:{minutes:02}");
                assert_eq!(text.parse::<Timestamp>().is_ok(), hours < 24 && minutes < 60, "{text}");
            }
        }
    }

    #[test]
    fn a_text_that_is_not_a_time_is_rejected() {
        for text in [
            "",
            "now",
            "2026",
            "2026-13-01",
            "2026-01-05 10:00:00Z",
            "2026-01-05T10:00:00",
            "2026-W01-1",
            "-000001-01-01",
            "+12026-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_representable_time_can_be_formatted() {
        assert_eq!(Timestamp(*RANGE.start()).to_string(), "0001-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(*RANGE.end()).to_string(), "9999-12-30T22:00:00.000Z");
        assert!("9999-12-31".parse::<Timestamp>().is_err());
    }

    #[test]
    fn hours_days_and_months_are_in_utc() {
        let late: Timestamp = "2026-01-05T23:59:59.999Z".parse().unwrap();
        assert_eq!(late.month(), "2026-01");
        assert_eq!(late.end_of_last_month().to_string(), "2025-12-31T23:59:59.999Z");
        assert_eq!(late.end_of_last_month().end_of_last_month().to_string(), "2025-11-30T23:59:59.999Z");
        assert_eq!(late.start_of_day().to_string(), "2026-01-05T00:00:00.000Z");
        assert_eq!(late.start_of_hour().to_string(), "2026-01-05T23:00:00.000Z");
    }

    #[test]
    fn seconds_round_up_so_that_nothing_ends_early() {
        assert_eq!(Timestamp(1_001).as_seconds_ceiling(), 2);
        assert_eq!(Timestamp(1_000).as_seconds_ceiling(), 1);
    }
}
