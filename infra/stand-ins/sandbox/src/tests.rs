//! Tests of the running provider, through its routes.

use super::*;
use domain::Clock;
use reqwest::{RequestBuilder, Response};
use stand_in_host::{DurableStore, ShutdownHandle};
use std::sync::Mutex;
use std::time::Duration;

const RETURN_URL: &str = "https://pay.example.com/p/x";
const SECOND: Duration = Duration::from_secs(1);

/// A clock that a test sets.
#[derive(Clone)]
struct SetClock(Arc<Mutex<Timestamp>>);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A running provider, and its merchant.
struct Running {
    url: String,
    client: reqwest::Client,
    clock: SetClock,
    store: DurableStore,
    /// The types of the webhooks that the merchant has received.
    received: Arc<Mutex<Vec<String>>>,
    _handle: ShutdownHandle,
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl Running {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let clock = SetClock(Arc::new(Mutex::new("2026-01-05T10:00:00Z".parse().unwrap())));
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let merchant = post(async move |Json(webhook): Json<Value>| {
            kept.lock().unwrap().push(webhook["type"].as_str().unwrap().to_owned());
        });
        let (handle, shutdown) = ShutdownHandle::new();
        let host = Host {
            base_url: "http://127.0.0.1:1".to_owned(),
            own_url: serve(Router::new().route("/webhooks/sandbox", merchant)).await,
            functions_elsewhere: false,
            store: DurableStore::open(None).unwrap(),
            doors: Doors::new(clock.clone(), domain::SystemRandomness),
            client: stand_in_host::client(Duration::from_secs(10)).unwrap(),
            shutdown,
        };
        let given = variables.iter().fold(Environment::default(), |given, (name, value)| given.with(name, *value));
        let environment = SandboxStandIn.configure(&host, given).unwrap();
        let url = serve(SandboxStandIn.start(&host, &environment).await.unwrap()).await;
        let (client, store) = (host.client.clone(), host.store.clone());
        Self { url, client, clock, store, received, _handle: handle }
    }

    async fn create(&self, request: &str) -> (String, Timestamp) {
        let expires_at = self.clock.now().saturating_add(15 * 60 * SECOND);
        let order = json!({ "payment_request_id": request, "order_number": "10045", "amount": 25_000,
            "currency": "ZAR", "return_url": RETURN_URL, "expires_at": expires_at });
        let made = self.client.post(format!("{}/sandbox/checkouts", self.url)).json(&order).send().await.unwrap();
        let id = made.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        (format!("{}/sandbox/checkouts/{id}", self.url), expires_at)
    }

    async fn press(&self, checkout: &str, form: &str, fields: &[(&str, &str)]) -> Response {
        self.client.post(format!("{checkout}/{form}")).form(fields).send().await.unwrap()
    }

    async fn pay(&self, checkout: &str, outcome: &str) -> Response {
        self.press(checkout, "pay", &[("outcome", outcome)]).await
    }

    async fn state(&self, checkout: &str) -> Value {
        json(self.client.get(format!("{checkout}/state"))).await
    }

    async fn page(&self, checkout: &str) -> String {
        self.client.get(checkout).send().await.unwrap().text().await.unwrap()
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    async fn pending_webhooks(&self) -> i64 {
        let count =
            |transaction: &Transaction<'_>| transaction.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0));
        self.store.transaction(count).await.unwrap()
    }
}

async fn json(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

fn location(response: &Response) -> &str {
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn a_merchant_can_ask_for_the_state_of_a_checkout_and_changes_nothing_by_it() {
    let provider = Running::start(&[]).await;
    let paid_at = provider.clock.now();
    let with_payment = |status: &str, state: &Value| {
        let expected = json!({ "status": status, "payment_id": state["payment_id"], "paid_at": paid_at,
            "amount": 25_000, "currency": "ZAR" });
        assert_eq!(*state, expected);
        state["payment_id"].as_str().unwrap().to_owned()
    };

    let (unpaid, _) = provider.create("unpaid").await;
    for _ in 0..2 {
        assert_eq!(provider.state(&unpaid).await, json!({ "status": "open" }));
    }
    assert_eq!(json(provider.client.post(format!("{unpaid}/close"))).await, json!({ "status": "closed" }));
    assert_eq!(provider.state(&unpaid).await, json!({ "status": "closed" }));

    let (paid, _) = provider.create("paid").await;
    provider.pay(&paid, "declined").await;
    assert_eq!(provider.state(&paid).await, json!({ "status": "open" }), "another card may work");
    provider.pay(&paid, "succeeded").await;
    with_payment("paid", &provider.state(&paid).await);

    for (end, status) in [("succeeded", "paid"), ("failed", "failed")] {
        let (transfer, _) = provider.create(end).await;
        provider.pay(&transfer, "processing").await;
        let payment = with_payment("processing", &provider.state(&transfer).await);
        provider.press(&transfer, "settle", &[("outcome", end)]).await;
        assert_eq!(with_payment(status, &provider.state(&transfer).await), payment);
        let closed = json(provider.client.post(format!("{transfer}/close"))).await;
        assert_eq!(with_payment(status, &closed), payment);
    }

    let unknown = format!("{}/sandbox/checkouts/chk_unknown", provider.url);
    for call in [provider.client.get(format!("{unknown}/state")), provider.client.post(format!("{unknown}/close"))] {
        assert_eq!(call.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_customer_comes_back_by_one_address_after_giving_up_and_by_another_otherwise() {
    let provider = Running::start(&[]).await;
    let (back, done) = (format!("{RETURN_URL}?back"), format!("{RETURN_URL}?done"));
    let (checkout, _) = provider.create("a").await;
    let page = provider.page(&checkout).await;
    assert!(page.contains(&format!("<a href=\"{back}\">Cancel and go back</a>")), "{page}");
    for (form, outcome) in [("pay", "declined"), ("pay", "processing"), ("settle", "succeeded"), ("pay", "succeeded")] {
        let pressed = provider.press(&checkout, form, &[("outcome", outcome)]).await;
        assert_eq!(location(&pressed), done, "{form} {outcome}");
    }
    let page = provider.page(&checkout).await;
    assert!(page.contains(&format!("<a href=\"{done}\">Back to the shop</a>")), "{page}");

    let (closed, _) = provider.create("b").await;
    provider.client.post(format!("{closed}/close")).send().await.unwrap();
    let page = provider.page(&closed).await;
    assert!(page.contains(&format!("<a href=\"{back}\">Back to the shop</a>")), "{page}");
}

#[tokio::test]
async fn an_address_to_return_to_has_no_query_of_its_own() {
    let provider = Running::start(&[]).await;
    for return_url in ["https://pay.example.com/p/x?a", "https://pay.example.com/p/x#a", "ftp://pay.example.com", "x"] {
        let order = json!({ "payment_request_id": "a", "order_number": "1", "amount": 100, "currency": "ZAR",
            "return_url": return_url });
        let refused = provider.client.post(format!("{}/sandbox/checkouts", provider.url)).json(&order);
        assert_eq!(json(refused).await["errors"][0]["field"], "return_url", "{return_url}");
    }
}

#[tokio::test]
async fn a_checkout_that_closes_at_its_time_is_payable_until_then_and_never_closed_before() {
    let provider = Running::start(&[("SANDBOX_CLOSES", "at_its_time")]).await;
    let ((late, end), (in_time, _), (transfer, _)) =
        (provider.create("a").await, provider.create("b").await, provider.create("c").await);
    let close = || provider.client.post(format!("{late}/close")).send();
    assert_eq!(close().await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(provider.state(&late).await["status"], "open");
    provider.pay(&transfer, "processing").await;

    *provider.clock.0.lock().unwrap() = end.saturating_sub(Duration::from_millis(1));
    assert_eq!(provider.pay(&in_time, "succeeded").await.status(), StatusCode::SEE_OTHER);
    *provider.clock.0.lock().unwrap() = end;
    assert_eq!(provider.pay(&late, "succeeded").await.status(), StatusCode::GONE);
    assert_eq!(provider.state(&late).await, json!({ "status": "closed" }));
    assert!(provider.page(&late).await.contains("This checkout is closed"));
    assert_eq!(close().await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(provider.state(&in_time).await["status"], "paid");
    assert_eq!(provider.state(&transfer).await["status"], "processing", "its money is on its way");
}

#[tokio::test]
async fn a_checkout_that_never_closes_is_payable_for_ever() {
    let provider = Running::start(&[("SANDBOX_CLOSES", "never")]).await;
    let (checkout, end) = provider.create("a").await;
    let closed = provider.client.post(format!("{checkout}/close")).send().await.unwrap();
    assert_eq!(closed.status(), StatusCode::CONFLICT);
    *provider.clock.0.lock().unwrap() = end.saturating_add(30 * 24 * 60 * 60 * SECOND);
    assert_eq!(provider.state(&checkout).await, json!({ "status": "open" }));
    assert_eq!(provider.pay(&checkout, "succeeded").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(provider.state(&checkout).await["status"], "paid");
}

#[tokio::test]
async fn the_checkout_of_a_payment_request_is_found_and_never_created_by_the_search() {
    let provider = Running::start(&[]).await;
    let search = async |query: &str| {
        let response = provider.client.get(format!("{}/sandbox/checkouts?{query}", provider.url)).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    let none = (StatusCode::OK, json!({ "id": null }));
    assert_eq!((search("payment_request_id=a").await, search("payment_request_id=a").await), (none.clone(), none));
    let (checkout, _) = provider.create("a").await;
    let (_, found) = search("payment_request_id=a").await;
    assert!(checkout.ends_with(found["id"].as_str().unwrap()), "{found}");
    assert_eq!(search("order=a").await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_provider_that_says_nothing_still_takes_the_money() {
    let provider = Running::start(&[("SANDBOX_WEBHOOKS", "off")]).await;
    let (checkout, _) = provider.create("a").await;
    for outcome in ["declined", "processing"] {
        assert_eq!(location(&provider.pay(&checkout, outcome).await), format!("{RETURN_URL}?done"));
    }
    provider.press(&checkout, "settle", &[("outcome", "succeeded")]).await;
    assert_eq!(provider.state(&checkout).await["status"], "paid");
    assert_eq!((provider.received(), provider.pending_webhooks().await), (Vec::new(), 0));
}

#[tokio::test]
async fn the_webhooks_about_one_change_can_be_lost() {
    let provider = Running::start(&[]).await;
    let (checkout, _) = provider.create("a").await;
    let lost = [("outcome", "processing"), ("webhooks", "off")];
    assert_eq!(provider.press(&checkout, "pay", &lost).await.status(), StatusCode::SEE_OTHER);
    assert_eq!((provider.received(), provider.pending_webhooks().await), (Vec::new(), 0));
    assert_eq!(provider.state(&checkout).await["status"], "processing");
    provider.press(&checkout, "settle", &[("outcome", "succeeded"), ("webhooks", "on")]).await;
    assert_eq!(provider.received(), ["checkout.paid"]);
    let refused = provider.press(&checkout, "pay", &[("outcome", "succeeded"), ("webhooks", "perhaps")]).await;
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["field"], "webhooks");
}

#[test]
fn an_invalid_way_to_close_is_named() {
    for (value, expected) in
        [("", Closes::OnDemand), ("on_demand", Closes::OnDemand), ("at_its_time", Closes::AtItsTime)]
    {
        assert_eq!(sandbox_closes(&Environment::default().with("SANDBOX_CLOSES", value)).unwrap(), expected);
    }
    let error = sandbox_closes(&Environment::default().with("SANDBOX_CLOSES", "soon")).unwrap_err();
    assert!(error.to_string().contains("SANDBOX_CLOSES"), "{error}");
}
