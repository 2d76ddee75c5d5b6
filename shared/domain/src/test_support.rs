//! Builders and fakes for the tests of this crate.

use crate::doors::Doors;
use crate::id::{OperationId, PaymentRequestId};
use crate::money::{Amount, Money};
use crate::payment_request::{Details, PaymentRequest};
use crate::people::{Agent, Caller, Customer, Role};
use crate::phone::Phone;
use crate::status::Status;
use crate::text::Metadata;
use crate::time::{Clock, Timestamp};
use crate::token::LinkToken;
use std::time::Duration;

pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds).unwrap()
}

/// A clock that always returns the same time.
pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn money(amount: i64, currency: &str) -> Money {
    Money { amount: Amount::new(amount).unwrap(), currency: currency.parse().unwrap() }
}

/// Builds a request for R250.00 in this stored status, created at 0, with this deadline in milliseconds.
pub(crate) fn request(status: Status, deadline: i64) -> PaymentRequest {
    let details = Details {
        order_number: "10045".parse().unwrap(),
        money: money(25_000, "ZAR"),
        customer: Customer { phone: Phone::parse("+27831234567").unwrap(), name: Some("Thandi".parse().unwrap()) },
        description: None,
        conversation_id: None,
        metadata: Metadata::default(),
    };
    let sender = Caller {
        workspace: "acme".parse().unwrap(),
        agent: Agent { id: "alice".parse().unwrap(), name: "Alice".parse().unwrap() },
        role: Role::Agent,
    };
    let mut request = PaymentRequest::new(
        PaymentRequestId::new(&Doors::default()).unwrap(),
        sender,
        details,
        LinkToken::random(&Doors::default()).unwrap(),
        at(0),
        Duration::from_millis(u64::try_from(deadline).unwrap()),
        OperationId::of_message("created"),
    );
    request.status = status;
    request
}
