//! Paystack.

use super::provider::{About, Currencies, EnumField, Headers, Page, Provider, RefundsEnd, Report, StandIn, Taken};
use adapters::ProviderName;
use domain::ports::Closes;
use domain::{Currency, Money};
use http::Method;
use runtime::Environment;
use runtime::paystack_signature::{PAYSTACK_SIGNATURE, SecretKeys};
use serde_json::{Value, json};

const KEY: &str = "sk_test_the0conformance0suite0of0paystack";
const KEY_OF_ANOTHER: &str = "sk_test_another0account0of0paystack";

pub(super) struct Paystack;

/// Calls the interface as the merchant.
async fn call(stand_in: &StandIn, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = stand_in.request(method, &format!("/paystack{path}")).bearer_auth(KEY);
    stand_in.send(if body.is_null() { request } else { request.json(&body) }).await
}

/// Asks for a transaction that is not ours.
async fn other_transaction(stand_in: &StandIn, currency: &str, units: i64) -> (u16, Value) {
    let order = json!({ "email": "member@example.com", "amount": units, "currency": currency });
    call(stand_in, Method::POST, "/transaction/initialize", order).await
}

/// Returns the transaction that a webhook or an answer is about.
fn transaction(object: &mut Value) -> &mut Value {
    if object["data"].is_object() { &mut object["data"] } else { object }
}

impl Provider for Paystack {
    const NAME: ProviderName = ProviderName::Paystack;
    const CLOSES: Closes = Closes::Never;
    const API: &'static str = "/paystack";
    const RECOGNIZES_REPEATED_CALLS: bool = false;
    const CHECKS_ADDRESSES: bool = true;
    const CURRENCIES: Currencies = Currencies::These(&["GHS", "KES", "NGN", "USD", "XOF", "ZAR"]);
    const REPORTS: &'static [Report] = &[Report::Paid, Report::RefundAccepted, Report::Refunded, Report::RefundFailed];
    const REFUNDS_TAKE_TIME: bool = true;
    const REFUNDS_IN_PARTS: bool = true;
    const REPORTS_ARE_BELIEVED: bool = false;
    const ENUMS: &'static [EnumField] = &[
        EnumField { call: "GET /transaction/verify/", path: "data.status", about: About::Payment },
        EnumField { call: "GET /transaction/verify/", path: "data.status", about: About::Transfer },
        EnumField { call: "GET /transaction/verify/", path: "data.channel", about: About::Payment },
        EnumField { call: "GET /transaction/verify/", path: "data.channel", about: About::Transfer },
        EnumField { call: "POST /refund", path: "data.status", about: About::Refund },
        EnumField { call: "GET /refund", path: "data.*.status", about: About::Refund },
        EnumField { call: "GET /transaction", path: "data.*.status", about: About::Lists },
    ];
    const REPORTED_ENUMS: &'static [(Report, &'static str)] =
        &[(Report::Paid, "event"), (Report::Paid, "data.domain"), (Report::Refunded, "event")];

    fn runner(webhooks: &str) -> Vec<(&'static str, String)> {
        vec![("PAYSTACK_SECRET_KEY", KEY.to_owned()), ("PAYSTACK_WEBHOOK_URL", webhooks.to_owned())]
    }

    fn functions(api: &str, base: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PAYSTACK_API_URL", api.to_owned()),
            ("PAYSTACK_CHECKOUT_ORIGIN", base.to_owned()),
            ("PAYSTACK_SECRET_KEY", KEY.to_owned()),
            ("PAYSTACK_LIVEMODE", "false".to_owned()),
            ("PAYSTACK_FALLBACK_EMAIL", "payments@example.com".to_owned()),
        ]
    }

    fn sign(body: &str, is_own: bool) -> Headers {
        let environment = Environment::default().with("KEY", if is_own { KEY } else { KEY_OF_ANOTHER });
        let keys = SecretKeys::from_environment(&environment, "KEY").unwrap();
        vec![(PAYSTACK_SIGNATURE.to_owned(), keys.sign(body.as_bytes()))]
    }

    fn report(body: &Value) -> Option<Report> {
        Some(match body["event"].as_str()? {
            "charge.success" => Report::Paid,
            "refund.pending" => Report::RefundAccepted,
            "refund.processed" => Report::Refunded,
            "refund.failed" => Report::RefundFailed,
            _ => return None,
        })
    }

    fn of_other_mode(mut body: Value) -> Option<Value> {
        body["data"]["domain"] = json!("live");
        Some(body)
    }

    fn of_nobody(mut body: Value) -> Value {
        body["data"]["reference"] = json!("T685312322670591");
        body["data"]["metadata"] = json!({});
        body
    }

    fn with_other_amount(mut object: Value) -> Value {
        let transaction = transaction(&mut object);
        for amount in ["amount", "requested_amount"] {
            transaction[amount] = json!(transaction[amount].as_i64().unwrap_or_default() - 1);
        }
        object
    }

    fn with_other_currency(mut object: Value) -> Value {
        transaction(&mut object)["currency"] = json!("USD");
        object
    }

    fn page(answer: &Value) -> Option<Page> {
        let data = &answer["data"];
        Some(Page {
            url: data["authorization_url"].as_str()?.to_owned(),
            handle: data["reference"].as_str()?.to_owned(),
        })
    }

    fn refusal() -> (u16, Value) {
        let message = "Insufficient balance to fulfill this refund. Please top up.";
        (400, json!({ "status": false, "message": message, "type": "api_error", "code": "insufficient_balance" }))
    }

    async fn taken(stand_in: &StandIn, page: &Page) -> Taken {
        let (_, answer) =
            call(stand_in, Method::GET, &format!("/transaction/verify/{}", page.handle), Value::Null).await;
        let transaction = &answer["data"];
        if ["abandoned", "ongoing", "failed"].contains(&transaction["status"].as_str().unwrap()) {
            return Taken::default();
        }
        let path = format!("/refund?perPage=100&transaction={}", transaction["id"]);
        let (_, refunds) = call(stand_in, Method::GET, &path, Value::Null).await;
        let refunds = refunds["data"].as_array().unwrap().iter().filter(|refund| refund["status"] != "failed");
        Taken {
            charged: transaction["amount"].as_i64().unwrap(),
            returned: refunds.clone().map(|refund| refund["amount"].as_i64().unwrap()).sum(),
            refunds: refunds.count(),
        }
    }

    async fn refuses(stand_in: &StandIn, currency: Currency) -> bool {
        other_transaction(stand_in, currency.code(), 200_000).await.0 == 400
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
        let refund = json!({ "transaction": page.handle, "amount": money.amount });
        assert_eq!(call(stand_in, Method::POST, "/refund", refund).await.0, 200);
    }

    async fn dispute(stand_in: &StandIn, page: &Page) {
        assert_eq!(stand_in.press(&page.url, "dispute", "opened").await, 303);
    }

    async fn pay_another_system(stand_in: &StandIn) {
        let (_, answer) = other_transaction(stand_in, "ZAR", 9_900).await;
        let url = answer["data"]["authorization_url"].as_str().unwrap();
        assert_eq!(stand_in.press(url, "pay", "succeeded").await, 303);
    }

    async fn pay_out(stand_in: &StandIn) {
        assert_eq!(stand_in.send(stand_in.request(Method::POST, "/paystack/settlements")).await.0, 204);
    }
}

conforms!(Paystack);
