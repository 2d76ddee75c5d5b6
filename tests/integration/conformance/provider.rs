//! What a payment provider brings along to be held against the rules: its stand-in, its deployment's variables, and the
//! form of its objects. The rules know nothing else of it.

use adapters::ProviderName;
use domain::ports::Closes;
use domain::{Currency, Money};
use http::Method;
use serde_json::Value;

/// The header lines of a webhook.
pub(super) type Headers = Vec<(String, String)>;

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// An attempt to pay has failed, and the customer may try again.
    Declined,
    /// The customer has done their part, and the money is in flight.
    InFlight,
    /// The money has arrived.
    Paid,
    /// Money that was in flight will not arrive.
    PaymentFailed,
    /// The provider has accepted a refund.
    RefundAccepted,
    /// The refunded money has gone back.
    Refunded,
    /// A refund that was accepted has failed.
    RefundFailed,
}

/// How the refunds of a payment end, which a test sets before they are requested, or while they wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefundsEnd {
    /// They are accepted, and wait.
    Wait,
    /// They succeed.
    Succeed,
    /// They fail.
    Fail,
}

/// The currencies that a provider takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Currencies {
    /// Every currency.
    All,
    /// At least this many.
    AtLeast(usize),
    /// These.
    These(&'static [&'static str]),
}

/// A field of the provider's answers with a closed list of known values.
#[derive(Debug, Clone, Copy)]
pub(super) struct EnumField {
    /// The calls whose answers have it, by the beginning of method and path.
    pub(super) call: &'static str,
    /// The way to it in an answer: names separated by dots; `*` stands for each element of a list.
    pub(super) path: &'static str,
    /// What is asked for by these calls.
    pub(super) about: About,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A payment by card, after it was made.
    Payment,
    /// A payment by a method that takes time, while it is in flight.
    Transfer,
    /// A refund.
    Refund,
    /// A list of payments.
    Lists,
}

/// A payment page, as its provider's answer announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The address at which the customer pays.
    pub(super) url: String,
    /// The provider's identifier of what stands behind it, by which [`Provider::taken`] finds it.
    pub(super) handle: String,
}

/// The money of one page at the provider, in the minor unit of its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The amount that the customer was charged, arrived or in flight.
    pub(super) charged: i64,
    /// The amount that has gone back, or is on its way.
    pub(super) returned: i64,
    /// The number of refunds that have not failed.
    pub(super) refunds: usize,
}

impl Taken {
    /// Returns what the merchant keeps.
    pub(super) fn kept(self) -> i64 {
        self.charged - self.returned
    }
}

/// The stand-in, as its provider's implementation calls it: directly, without the faults.
pub(super) struct StandIn {
    /// The address of the local runner, without a slash at its end.
    pub(super) base: String,
    /// A client that follows no redirects.
    pub(super) client: reqwest::Client,
}

impl StandIn {
    /// Calls a path, in the merchant's or in the customer's name. Returns the status and the JSON of the answer.
    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Builds a call of a path.
    pub(super) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Submits a form below a page with this outcome. Returns the status.
    pub(super) async fn press(&self, page: &str, form: &str, outcome: &str) -> u16 {
        let press = self.client.post(format!("{page}/{form}")).form(&[("outcome", outcome)]);
        press.send().await.unwrap().status().as_u16()
    }
}

/// A payment provider under test.
///
/// Its stand-in runs in the local runner, which stands for the provider, its customers and their banks: a page has the
/// forms `/pay` (`succeeded`, `declined`, `processing`) and `/settle` (`succeeded`, `failed`).
pub(super) trait Provider: Sync + 'static {
    /// The name in `PAYMENT_PROVIDER`.
    const NAME: ProviderName;
    /// How its pages close.
    const CLOSES: Closes;
    /// The path of its interface, below the runner's address.
    const API: &'static str;
    /// Whether it recognizes a repeated call, and returns the same page. Otherwise a request may have several pages,
    /// and one payment counts.
    const RECOGNIZES_REPEATED_CALLS: bool;
    /// Whether the adapter knows where the provider's pages are, and leads customers nowhere else.
    const CHECKS_ADDRESSES: bool;
    /// The currencies that it takes.
    const CURRENCIES: Currencies;
    /// The reports that it sends. What it does not report is found by asking.
    const REPORTS: &'static [Report];
    /// Whether a refund takes time, and may fail after it was accepted. Otherwise the answer to the request is the end.
    const REFUNDS_TAKE_TIME: bool;
    /// Whether a person can refund a part of a payment, and chat2pay the rest.
    const REFUNDS_IN_PARTS: bool;
    /// Whether its webhooks are believed. Otherwise they are only a hint to ask.
    const REPORTS_ARE_BELIEVED: bool;
    /// Every field of its answers with a list of known values.
    const ENUMS: &'static [EnumField];
    /// Every field of its reports with a list of known values: the report, and the way to the field.
    const REPORTED_ENUMS: &'static [(Report, &'static str)];

    /// Returns the variables of the runner. Webhooks go to this address.
    fn runner(webhooks: &str) -> Vec<(&'static str, String)>;

    /// Returns the variables of the functions. The provider's interface is at `api`, its pages below `base`.
    fn functions(api: &str, base: &str) -> Vec<(&'static str, String)>;

    /// Signs a body as the provider does now, with its key or with that of another account.
    fn sign(body: &str, is_own: bool) -> Headers;

    /// Returns what a webhook reports; `None` for anything else.
    fn report(body: &Value) -> Option<Report>;

    /// Turns a webhook into one of the other mode, live instead of test; `None` if the provider has no modes.
    fn of_other_mode(body: Value) -> Option<Value>;

    /// Removes from a webhook what says that it is about a request of ours.
    fn of_nobody(body: Value) -> Value;

    /// Changes the amount of a payment, in a webhook and in an answer about it, by one unit.
    fn with_other_amount(object: Value) -> Value;

    /// Changes the currency of a payment, in a webhook and in an answer about it, to another one that exists.
    fn with_other_currency(object: Value) -> Value;

    /// Returns the page that an answer announces.
    fn page(answer: &Value) -> Option<Page>;

    /// Returns the status and the body with which the provider refuses a call, and would refuse it again.
    fn refusal() -> (u16, Value);

    /// Returns what the provider took on a page, over a currency with two decimals.
    async fn taken(stand_in: &StandIn, page: &Page) -> Taken;

    /// Asks the provider directly for a page over 2 000 units of a currency. Returns whether it refuses the currency.
    async fn refuses(stand_in: &StandIn, currency: Currency) -> bool;

    /// Sets how the refunds of a page's payment end. It is not called if refunds take no time.
    async fn end_refunds(stand_in: &StandIn, page: &Page, end: RefundsEnd);

    /// Refunds this much of a page's payment as a person does.
    async fn refund_by_hand(stand_in: &StandIn, id: &str, page: &Page, money: Money);

    /// Disputes a page's payment, as the customer does at their bank.
    async fn dispute(stand_in: &StandIn, page: &Page);

    /// Takes money that is not ours, for another system in the same account.
    async fn pay_another_system(stand_in: &StandIn);

    /// Pays out all that has arrived, in place of the clock.
    async fn pay_out(stand_in: &StandIn);
}
