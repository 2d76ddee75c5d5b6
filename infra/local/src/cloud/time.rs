//! Times in the forms that AWS writes them.

use domain::Timestamp;

/// Formats a time as EventBridge does: RFC 3339 in UTC with whole seconds.
pub(super) fn to_the_second(moment: Timestamp) -> String {
    let mut text = moment.to_string();
    text.truncate("2026-01-05T10:00:00".len());
    text.push('Z');
    text
}

/// Formats a time as in web server logs, in UTC: `05/Jan/2026:10:00:00 +0000`.
pub(super) fn as_in_a_log(moment: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(moment.as_milliseconds())
        .map(|moment| moment.strftime("%d/%b/%Y:%H:%M:%S %z").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_truncated_and_not_rounded() {
        assert_eq!(to_the_second("2026-01-05T10:00:59.999Z".parse().unwrap()), "2026-01-05T10:00:59Z");
    }

    #[test]
    fn a_logs_time_is_in_utc() {
        assert_eq!(as_in_a_log("2026-01-05T10:00:59.999Z".parse().unwrap()), "05/Jan/2026:10:00:59 +0000");
    }
}
