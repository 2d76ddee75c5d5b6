//! The texts that the customer receives in the chat.

use crate::event::PaymentRequestEvent;
use crate::gsm::is_gsm;
use crate::money::Money;
use crate::status::Status;
use std::time::Duration;

/// Returns the text that the customer receives for an event; `None` for most events.
///
/// The text is made of GSM 03.38 characters alone, so that it is sent in one part, unless the order number contains
/// others.
#[must_use]
pub fn text(event: &PaymentRequestEvent) -> Option<String> {
    let (money, order) = (in_gsm(event.money()), &event.order_number);
    match (event.status, &event.link) {
        (Status::Sent, Some(link)) => {
            let limit = in_words(link.expires_at.saturating_duration_since(event.occurred_at));
            Some(format!("Please pay {money} for order {order}: {} The link expires in {limit}.", link.url))
        }
        // The product owner specified this wording.
        (Status::Canceled, _) => Some(format!("The {order} has been canceled by the Agent")),
        (Status::Paid, _) => Some(format!("Thank you. We received your payment of {money} for order {order}.")),
        _ => None,
    }
}

/// Formats an amount as pages do, but in GSM 03.38 characters: with a plain space instead of a no-break space, and with
/// the ISO code instead of a symbol outside GSM 03.38.
fn in_gsm(money: Money) -> String {
    let written = money.to_string().replace('\u{a0}', " ");
    if is_gsm(&written) {
        return written;
    }
    let number = written.trim_start_matches(|character: char| !character.is_ascii_digit());
    format!("{} {number}", money.currency)
}

/// Formats a time limit in words, in one or two units, such as `5 minutes`, `1 minute 30 seconds` or `24 hours`.
/// Minutes are used up to two hours (`90 minutes`), hours up to two days, then days.
///
/// The remainder below the second unit is left out: a link that lasts slightly longer than its text says does no harm.
#[must_use]
pub fn in_words(limit: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const TWO_HOURS: u64 = 2 * HOUR;
    const TWO_DAYS: u64 = 2 * DAY;
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let seconds = limit.as_secs();
    let (unit, name, smaller_unit, smaller_name) = match seconds {
        0..MINUTE => return counted(seconds, "second"),
        MINUTE..TWO_HOURS => (MINUTE, "minute", 1, "second"),
        TWO_HOURS..TWO_DAYS => (HOUR, "hour", MINUTE, "minute"),
        _ => (DAY, "day", HOUR, "hour"),
    };
    match seconds % unit / smaller_unit {
        0 => counted(seconds / unit, name),
        rest => format!("{} {}", counted(seconds / unit, name), counted(rest, smaller_name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::currency::Currency;
    use crate::gsm::parts;
    use crate::money::Amount;
    use crate::payment_request::HistoryEntry;
    use crate::people::Actor;
    use crate::test_support::{at, request};

    fn event_of(status: Status) -> PaymentRequestEvent {
        let mut request = request(Status::Sent, 300_000);
        if status != Status::Sent {
            request.history.push(HistoryEntry { status, at: at(1), actor: Actor::System, reason: None });
        }
        PaymentRequestEvent::of_history(&request, request.version() - 1, "https://pay.example.com").next().unwrap()
    }

    #[test]
    fn each_text_is_exactly_the_specified_one() {
        let sent = text(&event_of(Status::Sent)).unwrap();
        let link = event_of(Status::Sent).link.unwrap().url.len();
        assert!(sent.starts_with("Please pay R250.00 for order 10045: https://pay.example.com/p/"), "{sent}");
        assert!(sent.ends_with(" The link expires in 5 minutes."), "{sent}");
        assert_eq!(link, "https://pay.example.com/p/".len() + 22);
        assert_eq!(text(&event_of(Status::Canceled)).unwrap(), "The 10045 has been canceled by the Agent");
        assert_eq!(
            text(&event_of(Status::Paid)).unwrap(),
            "Thank you. We received your payment of R250.00 for order 10045."
        );
    }

    /// Returns every currency that a request can have, new or stored.
    fn currencies() -> impl Iterator<Item = Currency> {
        Currency::all_in_force().chain(Currency::all_former())
    }

    fn texts_of(currency: Currency, order_number: &str) -> [String; 3] {
        [Status::Sent, Status::Canceled, Status::Paid].map(|status| {
            let mut event = event_of(status);
            event.order_number = order_number.parse().unwrap();
            event.amount = Amount::new(99_999_999).unwrap();
            event.currency = currency;
            text(&event).unwrap()
        })
    }

    #[test]
    fn a_text_is_one_part_in_every_currency() {
        assert!(currencies().count() > 150);
        for text in currencies().flat_map(|currency| texts_of(currency, "10045")) {
            assert!(is_gsm(&text), "{text:?}");
            assert_eq!(parts(&text), 1, "{text}");
        }
    }

    #[test]
    fn an_amount_is_formatted_as_on_the_pages_within_the_gsm_alphabet() {
        for (currency, amount) in [
            ("ZAR", "R999,999.99"),
            ("EUR", "€999,999.99"),
            ("GBP", "£999,999.99"),
            ("JPY", "¥99,999,999"),
            ("CNY", "CN¥999,999.99"),
            ("BRL", "R$999,999.99"),
            ("KES", "KES 999,999.99"),
            ("KWD", "KWD 99,999.999"),
            ("INR", "INR 999,999.99"),
            ("KRW", "KRW 99,999,999"),
            ("PHP", "PHP 999,999.99"),
            ("VND", "VND 99,999,999"),
            ("ILS", "ILS 999,999.99"),
        ] {
            let [sent, _, paid] = texts_of(currency.parse().unwrap(), "10045");
            assert!(sent.starts_with(&format!("Please pay {amount} for order")), "{sent}");
            assert!(paid.contains(&format!(" payment of {amount} for order")), "{paid}");
        }
    }

    #[test]
    fn only_the_order_number_can_add_characters_outside_gsm() {
        for order_number in ["10045", "A[1]~{2}", "Ñandú 7 £€", "№7", "🎟 7", "第\u{3000}7", "100\u{a0}45", "a`b"]
        {
            for text in currencies().flat_map(|currency| texts_of(currency, order_number)) {
                assert!(is_gsm(&text.replace(order_number, "")), "{text:?}");
                assert_eq!(is_gsm(&text), is_gsm(order_number), "{text:?}");
            }
        }
    }

    #[test]
    fn no_other_status_sends_the_customer_a_text() {
        for status in [Status::Clicked, Status::Processing, Status::Expired, Status::RefundDue, Status::Refunded] {
            assert_eq!(text(&event_of(status)), None, "{status}");
        }
    }

    #[test]
    fn time_limits_are_worded_in_natural_units() {
        for (seconds, words) in [
            (300, "5 minutes"),
            (60, "1 minute"),
            (3, "3 seconds"),
            (1, "1 second"),
            (90, "1 minute 30 seconds"),
            (0, "0 seconds"),
            (59, "59 seconds"),
            (61, "1 minute 1 second"),
            (3_599, "59 minutes 59 seconds"),
            (3_600, "60 minutes"),
            (3_660, "61 minutes"),
            (5_400, "90 minutes"),
            (7_199, "119 minutes 59 seconds"),
            (7_200, "2 hours"),
            (7_201, "2 hours"),
            (9_000, "2 hours 30 minutes"),
            (86_399, "23 hours 59 minutes"),
            (86_400, "24 hours"),
            (129_600, "36 hours"),
            (172_799, "47 hours 59 minutes"),
            (172_800, "2 days"),
            (176_400, "2 days 1 hour"),
            (604_800, "7 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
