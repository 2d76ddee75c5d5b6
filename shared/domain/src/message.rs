//! What the customer receives in the chat.

use crate::event::PaymentRequestEvent;
use crate::status::Status;
use std::time::Duration;

/// The text that an event brings the customer; none for most.
#[must_use]
pub fn text(event: &PaymentRequestEvent) -> Option<String> {
    let (money, order) = (event.money(), &event.order_number);
    match (event.status, &event.link) {
        (Status::Sent, Some(link)) => {
            let limit = in_words(link.expires_at.saturating_duration_since(event.occurred_at));
            Some(format!("Please pay {money} for order {order}: {} The link expires in {limit}.", link.url))
        }
        // Word for word as the product's owner specified it.
        (Status::Canceled, _) => Some(format!("The {order} has been canceled by the Agent")),
        (Status::Paid, _) => Some(format!("Thank you. We received your payment of {money} for order {order}.")),
        _ => None,
    }
}

/// A time limit as a person says it: `5 minutes`, `1 minute 30 seconds`, `3 seconds`.
#[must_use]
pub fn in_words(limit: Duration) -> String {
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let (minutes, seconds) = (limit.as_secs() / 60, limit.as_secs() % 60);
    match (minutes, seconds) {
        (0, _) => counted(seconds, "second"),
        (_, 0) => counted(minutes, "minute"),
        _ => format!("{} {}", counted(minutes, "minute"), counted(seconds, "second")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn the_customer_reads_exactly_what_the_specification_says() {
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

    #[test]
    fn no_other_status_sends_the_customer_anything() {
        for status in [Status::Clicked, Status::Processing, Status::Expired, Status::RefundDue, Status::Refunded] {
            assert_eq!(text(&event_of(status)), None, "{status}");
        }
    }

    #[test]
    fn limits_are_said_as_people_say_them() {
        for (seconds, words) in
            [(300, "5 minutes"), (60, "1 minute"), (3, "3 seconds"), (1, "1 second"), (90, "1 minute 30 seconds")]
        {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
