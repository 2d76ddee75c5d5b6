//! Stripe.

use super::provider::{About, Currencies, EnumField, Headers, Page, Provider, RefundsEnd, Report, StandIn, Taken};
use adapters::ProviderName;
use domain::ports::Closes;
use domain::{Currency, Money};
use http::Method;
use serde_json::{Value, json};
use tests::stripe::{KEY, SECRET, signature};

const SECRET_OF_ANOTHER: &str = "whsec_of0another0account0of0stripe";

pub(super) struct Stripe;

/// Calls the interface as the merchant.
async fn call(stand_in: &StandIn, method: Method, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    stand_in.send(stand_in.request(method, &format!("/stripe{path}")).bearer_auth(KEY).form(form)).await
}

/// Returns a session with its payment and charge.
async fn session(stand_in: &StandIn, page: &Page) -> Value {
    let path = format!("/v1/checkout/sessions/{}?expand[]=payment_intent.latest_charge", page.handle);
    call(stand_in, Method::GET, &path, &[]).await.1
}

/// Asks for a session that is not ours.
async fn other_session(stand_in: &StandIn, currency: &str, units: &str) -> (u16, Value) {
    let order = [
        ("mode", "payment"),
        ("success_url", "https://shop.example.com"),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", currency),
        ("line_items[0][price_data][unit_amount]", units),
        ("line_items[0][price_data][product_data][name]", "Membership"),
    ];
    call(stand_in, Method::POST, "/v1/checkout/sessions", &order).await
}

impl Provider for Stripe {
    const NAME: ProviderName = ProviderName::Stripe;
    const CLOSES: Closes = Closes::OnDemand;
    const API: &'static str = "/stripe";
    const RECOGNIZES_REPEATED_CALLS: bool = true;
    const CHECKS_ADDRESSES: bool = true;
    const CURRENCIES: Currencies = Currencies::AtLeast(131);
    const REPORTS: &'static [Report] = &[
        Report::Declined,
        Report::InFlight,
        Report::Paid,
        Report::PaymentFailed,
        Report::RefundAccepted,
        Report::Refunded,
        Report::RefundFailed,
    ];
    const REFUNDS_TAKE_TIME: bool = true;
    const REFUNDS_IN_PARTS: bool = true;
    const REPORTS_ARE_BELIEVED: bool = true;
    const ENUMS: &'static [EnumField] = &[
        EnumField { call: "GET /v1/checkout/sessions/", path: "status", about: About::Payment },
        EnumField { call: "GET /v1/checkout/sessions/", path: "payment_status", about: About::Payment },
        EnumField { call: "GET /v1/checkout/sessions/", path: "payment_intent.status", about: About::Transfer },
        EnumField { call: "POST /v1/refunds", path: "status", about: About::Refund },
        EnumField { call: "GET /v1/refunds/", path: "status", about: About::Refund },
        EnumField { call: "GET /v1/charges", path: "data.*.status", about: About::Lists },
    ];
    const REPORTED_ENUMS: &'static [(Report, &'static str)] = &[
        (Report::Paid, "type"),
        (Report::Paid, "data.object.payment_status"),
        (Report::InFlight, "data.object.payment_status"),
        (Report::Refunded, "data.object.status"),
    ];

    fn runner(webhooks: &str) -> Vec<(&'static str, String)> {
        vec![
            ("STRIPE_SECRET_KEY", KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("STRIPE_WEBHOOK_URL", webhooks.to_owned()),
        ]
    }

    fn functions(api: &str, base: &str) -> Vec<(&'static str, String)> {
        vec![
            ("STRIPE_API_URL", api.to_owned()),
            ("STRIPE_CHECKOUT_ORIGIN", base.to_owned()),
            ("STRIPE_SECRET_KEY", KEY.to_owned()),
            ("STRIPE_WEBHOOK_SECRET", SECRET.to_owned()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
        ]
    }

    fn sign(body: &str, is_own: bool) -> Headers {
        let secret = if is_own { SECRET } else { SECRET_OF_ANOTHER };
        vec![("stripe-signature".to_owned(), signature(secret, body))]
    }

    fn report(body: &Value) -> Option<Report> {
        let object = &body["data"]["object"];
        Some(match body["type"].as_str()? {
            "payment_intent.payment_failed" => Report::Declined,
            "checkout.session.completed" if object["payment_status"] == "paid" => Report::Paid,
            "checkout.session.completed" => Report::InFlight,
            "checkout.session.async_payment_succeeded" => Report::Paid,
            "checkout.session.async_payment_failed" => Report::PaymentFailed,
            "charge.refunded" => Report::RefundAccepted,
            "refund.updated" if object["status"] == "succeeded" => Report::Refunded,
            "refund.failed" => Report::RefundFailed,
            _ => return None,
        })
    }

    fn of_other_mode(mut body: Value) -> Option<Value> {
        body["livemode"] = json!(true);
        Some(body)
    }

    fn of_nobody(mut body: Value) -> Value {
        body["data"]["object"]["metadata"] = json!({});
        body
    }

    fn with_other_amount(mut object: Value) -> Value {
        let session = if object["data"].is_object() { &mut object["data"]["object"] } else { &mut object };
        session["amount_total"] = json!(session["amount_total"].as_i64().unwrap_or_default() - 1);
        object
    }

    fn with_other_currency(mut object: Value) -> Value {
        let session = if object["data"].is_object() { &mut object["data"]["object"] } else { &mut object };
        session["currency"] = json!("usd");
        object
    }

    fn page(answer: &Value) -> Option<Page> {
        Some(Page { url: answer["url"].as_str()?.to_owned(), handle: answer["id"].as_str()?.to_owned() })
            .filter(|_| answer["object"] == "checkout.session")
    }

    fn refusal() -> (u16, Value) {
        (400, json!({ "error": { "type": "invalid_request_error", "code": "charge_disputed", "message": "" } }))
    }

    async fn taken(stand_in: &StandIn, page: &Page) -> Taken {
        let session = session(stand_in, page).await;
        let charge = &session["payment_intent"]["latest_charge"];
        if !["succeeded", "pending"].contains(&charge["status"].as_str().unwrap_or_default()) {
            return Taken::default();
        }
        let path =
            format!("/v1/refunds?limit=100&payment_intent={}", session["payment_intent"]["id"].as_str().unwrap());
        let (_, refunds) = call(stand_in, Method::GET, &path, &[]).await;
        let refunds = refunds["data"].as_array().unwrap().iter();
        Taken {
            charged: charge["amount"].as_i64().unwrap(),
            returned: charge["amount_refunded"].as_i64().unwrap(),
            refunds: refunds.filter(|refund| refund["status"] != "failed").count(),
        }
    }

    async fn refuses(stand_in: &StandIn, currency: Currency) -> bool {
        other_session(stand_in, &currency.code().to_lowercase(), "200000").await.0 == 400
    }

    async fn end_refunds(stand_in: &StandIn, page: &Page, end: RefundsEnd) {
        let outcome = match end {
            RefundsEnd::Wait => "waiting",
            RefundsEnd::Succeed => "succeeded",
            RefundsEnd::Fail => "failed",
        };
        assert_eq!(stand_in.press(&page.url, "refunds", outcome).await, 303);
    }

    async fn refund_by_hand(stand_in: &StandIn, _: &str, page: &Page, money: Money) {
        let intent = session(stand_in, page).await["payment_intent"]["id"].as_str().unwrap().to_owned();
        let amount = money.amount.minor_units().to_string();
        let refund = [("payment_intent", intent.as_str()), ("amount", &amount)];
        assert_eq!(call(stand_in, Method::POST, "/v1/refunds", &refund).await.0, 200);
    }

    async fn dispute(stand_in: &StandIn, page: &Page) {
        assert_eq!(stand_in.press(&page.url, "dispute", "opened").await, 303);
    }

    async fn pay_another_system(stand_in: &StandIn) {
        let (_, session) = other_session(stand_in, "zar", "9900").await;
        assert_eq!(stand_in.press(session["url"].as_str().unwrap(), "pay", "succeeded").await, 303);
    }

    async fn pay_out(stand_in: &StandIn) {
        assert_eq!(stand_in.send(stand_in.request(Method::POST, "/stripe/payouts")).await.0, 204);
    }
}

conforms!(Stripe);
