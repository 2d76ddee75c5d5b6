//! The rows that benchmarks print: one JSON object a line, each about one thing in one table.

use serde_json::Value;
use std::time::Duration;

/// One row of a table. Its columns keep the order in which they were added.
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// Begins a row of this table, about this. Names of tables and columns are single words.
    #[must_use]
    pub fn new(table: &str, what: impl Into<String>) -> Self {
        Self(vec![("table".to_owned(), table.into()), ("row".to_owned(), what.into().into())])
    }

    /// Adds a column.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.0.push((column.to_owned(), value.into()));
        self
    }

    /// Adds a column with a number, without the decimals that say nothing.
    #[must_use]
    pub fn with_number(self, column: &str, number: f64) -> Self {
        let rounded = (number * 1_000.0).round() / 1_000.0;
        // JSON has one kind of number, but `2.0` reads as if the first decimal had been measured.
        let whole = format!("{rounded:.0}");
        if rounded.fract() == 0.0
            && let Ok(whole) = whole.parse::<i64>()
        {
            return self.with(column, whole);
        }
        self.with(column, rounded)
    }

    /// Adds the columns of times in milliseconds: the median and, from twenty measurements on, the 95th percentile.
    #[must_use]
    pub fn with_times(self, times: &[Duration]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let milliseconds = |at: usize| {
            let milliseconds = sorted[at].as_secs_f64() * 1_000.0;
            // Of a hundred milliseconds, the decimals say nothing.
            if milliseconds < 100.0 { (milliseconds * 10.0).round() / 10.0 } else { milliseconds.round() }
        };
        let row = self.with_number("median_ms", milliseconds(sorted.len() / 2));
        if sorted.len() < 20 {
            return row;
        }
        row.with_number("p95_ms", milliseconds(sorted.len() * 95 / 100))
    }

    /// Returns the row as one line.
    #[must_use]
    pub fn line(self) -> String {
        let columns = self.0.iter().map(|(column, value)| format!("{}: {value}", Value::from(column.as_str())));
        format!("{{{}}}", columns.collect::<Vec<_>>().join(", "))
    }
}
