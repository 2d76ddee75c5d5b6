//! The sandbox provider, with pages that close in each of the three ways.

use super::provider::{About, Currencies, EnumField, Headers, Page, Provider, RefundsEnd, Report, StandIn, Taken};
use adapters::ProviderName;
use domain::ports::Closes;
use domain::{Clock as _, Currency, Money, SystemClock};
use http::Method;
use runtime::Environment;
use runtime::webhook::Secrets;
use serde_json::{Value, json};
use std::marker::PhantomData;

const SECRET: &str = "whsec_dGhlIHNhbmRib3ggb2YgdGhlIGNvbmZvcm1hbmNlIHN1aXRl";
const SECRET_OF_ANOTHER: &str = "whsec_YW5vdGhlciBzYW5kYm94LCB3aXRoIGEga2V5IG9mIGl0cyBvd24=";

/// A way in which the sandbox's pages close.
pub(super) trait Mode: Sync + 'static {
    const CLOSES: Closes;
    /// The value of `SANDBOX_CLOSES`.
    const WORD: &'static str;
}

/// See [`Closes::OnDemand`].
pub(super) struct OnDemand;
/// See [`Closes::AtItsTime`].
pub(super) struct AtItsTime;
/// See [`Closes::Never`].
pub(super) struct Never;

impl Mode for OnDemand {
    const CLOSES: Closes = Closes::OnDemand;
    const WORD: &'static str = "on_demand";
}

impl Mode for AtItsTime {
    const CLOSES: Closes = Closes::AtItsTime;
    const WORD: &'static str = "at_its_time";
}

impl Mode for Never {
    const CLOSES: Closes = Closes::Never;
    const WORD: &'static str = "never";
}

pub(super) struct Sandbox<M>(PhantomData<M>);

impl<M: Mode> Provider for Sandbox<M> {
    const NAME: ProviderName = ProviderName::Sandbox;
    const CLOSES: Closes = M::CLOSES;
    const API: &'static str = "/sandbox";
    const RECOGNIZES_REPEATED_CALLS: bool = true;
    const CHECKS_ADDRESSES: bool = false;
    const CURRENCIES: Currencies = Currencies::All;
    const REPORTS: &'static [Report] = &[Report::Declined, Report::InFlight, Report::Paid, Report::PaymentFailed];
    const REFUNDS_TAKE_TIME: bool = false;
    const REFUNDS_IN_PARTS: bool = false;
    const REPORTS_ARE_BELIEVED: bool = true;
    const ENUMS: &'static [EnumField] = &[
        EnumField { call: "GET /checkouts/", path: "status", about: About::Payment },
        EnumField { call: "POST /checkouts/", path: "status", about: About::Payment },
        EnumField { call: "GET /checkouts/", path: "status", about: About::Transfer },
        EnumField { call: "POST /checkouts/", path: "status", about: About::Transfer },
        EnumField { call: "POST /refunds", path: "status", about: About::Refund },
        EnumField { call: "GET /payments", path: "payments.*.status", about: About::Lists },
    ];
    const REPORTED_ENUMS: &'static [(Report, &'static str)] = &[(Report::Paid, "type"), (Report::InFlight, "type")];

    fn runner(webhooks: &str) -> Vec<(&'static str, String)> {
        vec![
            ("SANDBOX_CLOSES", M::WORD.to_owned()),
            ("SANDBOX_WEBHOOK_SECRET", SECRET.to_owned()),
            ("SANDBOX_WEBHOOK_URL", webhooks.to_owned()),
        ]
    }

    fn functions(api: &str, _: &str) -> Vec<(&'static str, String)> {
        vec![
            ("SANDBOX_CLOSES", M::WORD.to_owned()),
            ("SANDBOX_WEBHOOK_SECRET", SECRET.to_owned()),
            ("SANDBOX_PROVIDER_URL", api.to_owned()),
        ]
    }

    fn sign(body: &str, is_own: bool) -> Headers {
        let environment = Environment::default().with("SECRET", if is_own { SECRET } else { SECRET_OF_ANOTHER });
        let secrets = Secrets::from_environment(&environment, "SECRET").unwrap();
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        let signed = secrets.sign(&id, body.as_bytes(), SystemClock.now()).unwrap();
        signed.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned())).collect()
    }

    fn report(body: &Value) -> Option<Report> {
        Some(match body["type"].as_str()? {
            "checkout.payment_failed" => Report::Declined,
            "checkout.processing" => Report::InFlight,
            "checkout.paid" => Report::Paid,
            "checkout.async_payment_failed" => Report::PaymentFailed,
            _ => return None,
        })
    }

    fn of_other_mode(_: Value) -> Option<Value> {
        None
    }

    fn of_nobody(mut body: Value) -> Value {
        body["data"]["payment_request_id"] = json!("membership-1");
        body
    }

    fn with_other_amount(mut object: Value) -> Value {
        let payment = if object["data"].is_object() { &mut object["data"] } else { &mut object };
        payment["amount"] = json!(payment["amount"].as_i64().unwrap_or_default() - 1);
        object
    }

    fn with_other_currency(mut object: Value) -> Value {
        let payment = if object["data"].is_object() { &mut object["data"] } else { &mut object };
        payment["currency"] = json!("USD");
        object
    }

    fn page(answer: &Value) -> Option<Page> {
        Some(Page { url: answer["url"].as_str()?.to_owned(), handle: answer["id"].as_str()?.to_owned() })
    }

    fn refusal() -> (u16, Value) {
        (409, json!({ "code": "not_refundable" }))
    }

    async fn taken(stand_in: &StandIn, page: &Page) -> Taken {
        let state = format!("/sandbox/checkouts/{}/state", page.handle);
        let (_, state) = stand_in.send(stand_in.request(Method::GET, &state)).await;
        if !["paid", "processing"].contains(&state["status"].as_str().unwrap()) {
            return Taken::default();
        }
        let payment = format!("/sandbox/payments/{}", state["payment_id"].as_str().unwrap());
        let (_, payment) = stand_in.send(stand_in.request(Method::GET, &payment)).await;
        let returned = payment["amount_refunded"].as_i64().unwrap();
        Taken { charged: payment["amount"].as_i64().unwrap(), returned, refunds: usize::from(returned > 0) }
    }

    async fn refuses(_: &StandIn, _: Currency) -> bool {
        false
    }

    async fn end_refunds(_: &StandIn, _: &Page, _: RefundsEnd) {}

    async fn refund_by_hand(stand_in: &StandIn, id: &str, page: &Page, money: Money) {
        let state = format!("/sandbox/checkouts/{}/state", page.handle);
        let (_, state) = stand_in.send(stand_in.request(Method::GET, &state)).await;
        let refund = json!({ "payment_request_id": id, "payment_id": state["payment_id"], "amount": money.amount,
            "currency": money.currency });
        let refund = stand_in.request(Method::POST, "/sandbox/refunds").json(&refund);
        assert_eq!(stand_in.send(refund).await.0, 200);
    }

    async fn dispute(stand_in: &StandIn, page: &Page) {
        let state = format!("/sandbox/checkouts/{}/state", page.handle);
        let (_, state) = stand_in.send(stand_in.request(Method::GET, &state)).await;
        let dispute = format!("/sandbox/payments/{}/dispute", state["payment_id"].as_str().unwrap());
        assert_eq!(stand_in.send(stand_in.request(Method::POST, &dispute)).await.0, 200);
    }

    async fn pay_another_system(stand_in: &StandIn) {
        let order = json!({ "payment_request_id": format!("membership-{}", uuid::Uuid::new_v4()), "order_number": "1",
            "description": null, "amount": 9_900, "currency": "ZAR", "return_url": "https://shop.example.com",
            "expires_at": SystemClock.now().saturating_add(std::time::Duration::from_mins(15)) });
        let (_, created) = stand_in.send(stand_in.request(Method::POST, "/sandbox/checkouts").json(&order)).await;
        assert_eq!(stand_in.press(created["url"].as_str().unwrap(), "pay", "succeeded").await, 303);
    }

    /// Every payment has its payout from the beginning.
    async fn pay_out(_: &StandIn) {}
}

conforms!(Sandbox<OnDemand>);

// Pages of the other kinds differ in nothing else.
mod closing_at_its_time {
    use super::{AtItsTime, Sandbox};

    conforms!(Sandbox<AtItsTime>, pages);
}

mod never_closing {
    use super::{Never, Sandbox};

    conforms!(Sandbox<Never>, pages);
}
