//! The deployed handlers, called one event at a time, over an embedded DynamoDB behind a [`Proxy`].

use crate::openapi::conformance;
use crate::provider::Provider;
use crate::proxy::Proxy;
use adapters::{ConfiguredProvider, DynamoDbStore, ProviderName};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::{Due, DueIndex as _, DuePeriod, Reads as _};
use domain::{Clock as _, Doors, PaymentRequest, SystemClock, SystemRandomness, Timestamp};
use futures::future::join_all;
use http::HeaderMap;
use local::dynamodb::Embedded;
use runtime::webhook::Secrets;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";

/// The HTTP answer of a handler.
#[derive(Debug, Clone)]
pub struct HandlerAnswer {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Value,
    /// The body: parsed if it is JSON, otherwise a string.
    pub body: Value,
    /// How long the handler took, for benchmarks. No test may assert it.
    pub took: Duration,
}

impl HandlerAnswer {
    /// Returns the problem's code, if the answer is a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// All handlers, with the database and the payment provider that they use.
pub struct Handlers {
    /// The proxy that the handlers use as DynamoDB.
    pub proxy: Arc<Proxy>,
    /// The stand-in that the handlers use as payment provider.
    pub provider: Arc<Provider>,
    /// The database behind the proxy.
    pub database: Arc<Embedded>,
    create: Box<dyn Function>,
    cancel: Box<dyn Function>,
    click: Box<dyn Function>,
    webhook: Box<dyn Function>,
    query: Box<dyn Function>,
    expire: Box<dyn Function>,
    refund: Box<dyn Function>,
    environment: Environment,
    secrets: Secrets,
    counters: Arc<Counters>,
    checks_answers: bool,
}

/// Numbers that all machines over one database share.
#[derive(Default)]
struct Counters {
    reports: AtomicUsize,
    requests: AtomicUsize,
}

impl Handlers {
    /// Starts the handlers with the time limits of a deployment.
    pub async fn start() -> Arc<Self> {
        Self::with_limits(300, 900).await
    }

    /// Starts the handlers with these time limits, in seconds.
    pub async fn with_limits(link: u64, checkout: u64) -> Arc<Self> {
        Self::with_variables(link, checkout, &[]).await
    }

    /// Starts the handlers with these time limits, in seconds. `variables` add to the usual environment or override it.
    pub async fn with_variables(link: u64, checkout: u64, variables: &[(&str, String)]) -> Arc<Self> {
        crate::log();
        let database = Embedded::start(None).await.unwrap();
        let (proxy, provider) = (Proxy::start(&database.url).await, Provider::start().await);
        let usual = Environment::default()
            .with("TABLE_NAME", local::dynamodb::TABLE_NAME)
            .with("SUMS_TABLE_NAME", local::dynamodb::SUMS_TABLE_NAME)
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url)
            .with("PUBLIC_BASE_URL", "https://pay.example.com")
            .with("LINK_TTL_SECONDS", link.to_string())
            .with("CHECKOUT_TTL_SECONDS", checkout.to_string())
            // As in a deployment, the agent's latest requests are counted, but no test reaches the limit by accident.
            .with("AGENT_REQUESTS_PER_MINUTE", "1000")
            // A scheduled run ends what is due now and does not wait for later deadlines.
            .with("EXPIRY_LOOKAHEAD_SECONDS", "0")
            .with("PAYMENT_PROVIDER", ProviderName::Sandbox.as_str())
            .with("SANDBOX_PROVIDER_URL", &provider.url)
            .with("SANDBOX_WEBHOOK_SECRET", SECRET);
        let environment =
            variables.iter().fold(usual, |environment, (name, value)| environment.with(name, value.as_str()));
        let (proxy, provider, database) = (Arc::new(proxy), Arc::new(provider), Arc::new(database));
        Arc::new(Self::over(environment, proxy, provider, database, Arc::default()))
    }

    /// Builds the handlers of a machine whose clock always shows this time, over the same database and provider.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Arc<Self> {
        self.with_clock(crate::FixedClock(now))
    }

    /// Builds the handlers of a machine with this clock, over the same database and provider.
    #[must_use]
    pub fn with_clock(&self, clock: impl domain::Clock + 'static) -> Arc<Self> {
        Arc::new(self.machine(self.environment.clone().with_doors(Doors::new(clock, SystemRandomness))))
    }

    /// Builds the handlers of a machine for measuring times: it calls the database without the proxy, and its answers
    /// are not held against the description.
    #[must_use]
    pub fn unobserved(&self) -> Arc<Self> {
        let environment = self.environment.clone().with("AWS_ENDPOINT_URL_DYNAMODB", &self.database.url);
        Arc::new(Self { checks_answers: false, ..self.machine(environment) })
    }

    /// Builds the handlers of a machine with this environment, over the same database and provider.
    fn machine(&self, environment: Environment) -> Self {
        let (proxy, provider, database) = (self.proxy.clone(), self.provider.clone(), self.database.clone());
        Self::over(environment, proxy, provider, database, self.counters.clone())
    }

    fn over(
        environment: Environment,
        proxy: Arc<Proxy>,
        provider: Arc<Provider>,
        database: Arc<Embedded>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            create: create::function(&environment).unwrap(),
            cancel: cancel::function(&environment).unwrap(),
            click: link_click::function(&environment).unwrap(),
            webhook: payment_webhook::function(&environment).unwrap(),
            query: query::function(&environment).unwrap(),
            expire: expire::function(&environment).unwrap(),
            refund: refund::function(&environment).unwrap(),
            secrets: Secrets::from_environment(&environment, "SANDBOX_WEBHOOK_SECRET").unwrap(),
            counters,
            checks_answers: true,
            environment,
            proxy,
            provider,
            database,
        }
    }

    /// Creates a request over R250.00 as agent Alice.
    pub async fn create(&self, key: Option<&str>) -> HandlerAnswer {
        self.create_with(key, 25_000, "ZAR").await
    }

    /// Creates a request over this amount as agent Alice.
    pub async fn create_over(&self, amount: i64, currency: &str) -> HandlerAnswer {
        self.create_with(None, amount, currency).await
    }

    async fn create_with(&self, key: Option<&str>, amount: i64, currency: &str) -> HandlerAnswer {
        let customer = json!({ "phone": "+27831234567", "name": "Thandi" });
        self.create_order(key, amount, currency, &customer).await
    }

    /// Creates a request over R250.00 for this customer as agent Alice.
    pub async fn create_for(&self, customer: &Value) -> HandlerAnswer {
        self.create_order(None, 25_000, "ZAR", customer).await
    }

    async fn create_order(&self, key: Option<&str>, amount: i64, currency: &str, customer: &Value) -> HandlerAnswer {
        let body = json!({ "order_number": "10045", "amount": amount, "currency": currency, "customer": customer,
            "description": "2 x tickets", "conversation_id": "c-981", "metadata": { "crm": "77" } });
        let mut headers = json!({ "content-type": "application/json" });
        if let Some(key) = key {
            headers["idempotency-key"] = key.into();
        }
        self.http(&*self.create, "POST", "/payment-requests", json!({}), headers, &body.to_string(), Some("agent"))
            .await
    }

    /// Creates a request and returns its identifier and the token of its link.
    pub async fn sent(&self) -> (String, String) {
        let answer = self.create(None).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        let url = answer.body["link"]["url"].as_str().unwrap();
        (answer.body["id"].as_str().unwrap().to_owned(), url.rsplit('/').next().unwrap().to_owned())
    }

    /// Creates a request, clicks its link, and returns its identifier and the token of its link.
    pub async fn clicked(&self) -> (String, String) {
        let (id, token) = self.sent().await;
        assert_eq!(self.click(&token).await.status, 303);
        (id, token)
    }

    /// Cancels a request as agent Alice.
    pub async fn cancel(&self, id: &str) -> HandlerAnswer {
        let path = format!("/payment-requests/{id}/cancel");
        self.http(&*self.cancel, "POST", &path, json!({ "id": id }), json!({}), "", Some("agent")).await
    }

    /// Reads one request as agent Alice.
    pub async fn get(&self, id: &str) -> HandlerAnswer {
        let path = format!("/payment-requests/{id}");
        self.http(&*self.query, "GET", &path, json!({ "id": id }), json!({}), "", Some("agent")).await
    }

    /// Presses the button on the customer's page.
    pub async fn click(&self, token: &str) -> HandlerAnswer {
        let headers = json!({ "content-type": "application/x-www-form-urlencoded" });
        self.http(&*self.click, "POST", &format!("/p/{token}"), json!({ "token": token }), headers, "", None).await
    }

    /// Opens the link as the customer.
    pub async fn open(&self, token: &str) -> HandlerAnswer {
        self.http(&*self.click, "GET", &format!("/p/{token}"), json!({ "token": token }), json!({}), "", None).await
    }

    /// Opens the link's page with this query.
    pub async fn open_with(&self, token: &str, query: &str) -> HandlerAnswer {
        let path = format!("/p/{token}?{query}");
        self.http(&*self.click, "GET", &path, json!({ "token": token }), json!({}), "", None).await
    }

    /// Asks whether the customer has paid, as the page does that they come back to.
    pub async fn check(&self, token: &str) -> HandlerAnswer {
        let path = format!("/p/{token}/check");
        self.http(&*self.click, "POST", &path, json!({ "token": token }), json!({}), "", None).await
    }

    /// Reports a payment of R250.00 as the provider.
    pub async fn pay(&self, id: &str, paid_at: Timestamp) -> HandlerAnswer {
        self.report("checkout.paid", &paid(id, paid_at), None).await
    }

    /// Reports as the provider that the customer has paid R250.00 and that the money is still in flight.
    pub async fn process(&self, id: &str, paid_at: Timestamp) -> HandlerAnswer {
        self.report("checkout.processing", &paid(id, paid_at), None).await
    }

    /// Reports as the provider that money in flight will not arrive.
    pub async fn fail_payment(&self, id: &str) -> HandlerAnswer {
        let data = json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id,
            "payment_id": format!("pay_{id}"), "amount": 25_000, "currency": "ZAR" });
        self.report("checkout.async_payment_failed", &data, None).await
    }

    /// Reports as the provider that an attempt has failed, in a webhook with this identifier.
    pub async fn fail_attempt(&self, id: &str, webhook_id: &str) -> HandlerAnswer {
        let data = json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id, "amount": 25_000,
            "currency": "ZAR", "reason": "card_declined" });
        self.report("checkout.payment_failed", &data, Some(webhook_id)).await
    }

    /// Sends this body as Stripe, with this signature or with none.
    pub async fn stripe_webhook(&self, signature: Option<&str>, body: &str) -> HandlerAnswer {
        let mut headers = json!({ "content-type": "application/json; charset=utf-8" });
        if let Some(signature) = signature {
            headers["stripe-signature"] = signature.into();
        }
        self.webhook(ProviderName::Stripe, headers, body).await
    }

    /// Sends this body as Paystack, with this signature or with none.
    pub async fn paystack_webhook(&self, signature: Option<&str>, body: &str) -> HandlerAnswer {
        let mut headers = json!({ "content-type": "application/json" });
        if let Some(signature) = signature {
            headers["x-paystack-signature"] = signature.into();
        }
        self.webhook(ProviderName::Paystack, headers, body).await
    }

    async fn report(&self, kind: &str, data: &Value, webhook_id: Option<&str>) -> HandlerAnswer {
        let now = self.environment.doors().now();
        let body = json!({ "type": kind, "timestamp": now, "data": data }).to_string();
        let counted = format!("msg_{}", self.counters.reports.fetch_add(1, Ordering::Relaxed));
        let signed = self.secrets.sign(webhook_id.unwrap_or(&counted), body.as_bytes(), now).unwrap();
        let mut headers = json!({ "content-type": "application/json" });
        for (name, value) in &signed {
            headers[name.as_str()] = value.to_str().unwrap().into();
        }
        self.webhook(ProviderName::Sandbox, headers, &body).await
    }

    /// Sends a webhook to the address of its provider.
    pub async fn webhook(&self, provider: ProviderName, headers: Value, body: &str) -> HandlerAnswer {
        let (path, parameters) = (format!("/webhooks/{provider}"), json!({ "provider": provider.as_str() }));
        self.http(&*self.webhook, "POST", &path, parameters, headers, body, None).await
    }

    /// Hands `expire` the stream record of a link that the time to live removed. Returns the failed items of the batch.
    pub async fn link_removed(&self, id: &str) -> Value {
        self.expire(&link_removed(id)).await
    }

    /// Hands an event to `expire` and returns its answer.
    pub async fn expire(&self, event: &Value) -> Value {
        serde_json::from_str(&self.expire.invoke(&event.to_string()).await.unwrap()).unwrap()
    }

    /// Runs `expire` as the schedule does.
    pub async fn expire_what_is_due(&self) {
        self.expire(&json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} })).await;
    }

    /// Lists the workspace's requests as a user with this role.
    pub async fn list(&self, role: &str) -> HandlerAnswer {
        self.read("/payment-requests", role).await
    }

    /// Reads a list or a report, at this address with its query, as a user with this role.
    pub async fn read(&self, address: &str, role: &str) -> HandlerAnswer {
        self.http(&*self.query, "GET", address, json!({}), json!({}), "", Some(role)).await
    }

    /// Lists the workspace's requests with this query as a user with this role.
    pub async fn list_page(&self, role: &str, query: &str) -> HandlerAnswer {
        let path = format!("/payment-requests?{query}");
        self.http(&*self.query, "GET", &path, json!({}), json!({}), "", Some(role)).await
    }

    /// Reads the workspace's report as a supervisor.
    pub async fn report_on_agents(&self) -> HandlerAnswer {
        self.http(&*self.query, "GET", "/reports/agents", json!({}), json!({}), "", Some("supervisor")).await
    }

    /// Opens a function's connections, as its init phase does.
    pub async fn warm(&self, name: &str) {
        let function = match name {
            "create" => &self.create,
            "cancel" => &self.cancel,
            "link-click" => &self.click,
            "payment-webhook" => &self.webhook,
            "query" => &self.query,
            "expire" => &self.expire,
            "refund" => &self.refund,
            other => panic!("no function {other}"),
        };
        function.warm().await;
    }

    /// Hands `refund` the last event of a request, which says that a refund is due.
    ///
    /// # Errors
    /// Returns the handler's failure; the bus would deliver the event again.
    pub async fn refund_due(&self, id: &str) -> Result<String, runtime::InvocationError> {
        let request = self.stored(id).await;
        let event = domain::PaymentRequestEvent::of_history(&request, request.version() - 1, "https://pay.example.com");
        let detail = event.last().unwrap();
        self.refund.invoke(&json!({ "source": "chat2pay", "detail": detail }).to_string()).await
    }

    /// Builds the payment provider's client with the functions' own settings.
    #[must_use]
    pub fn payment_provider(&self) -> ConfiguredProvider {
        ConfiguredProvider::new(&self.environment).unwrap()
    }

    /// Builds the function `notify` with these channel settings.
    #[must_use]
    pub fn notify(&self, settings: &[(&str, &str)]) -> Box<dyn Function> {
        let environment = settings.iter().fold(self.environment.clone(), |all, (name, value)| all.with(name, *value));
        notify::function(&environment).unwrap()
    }

    /// Builds the function `delivery-report` with these channel settings.
    #[must_use]
    pub fn delivery_reports(&self, settings: &[(&str, &str)]) -> Box<dyn Function> {
        let environment = settings.iter().fold(self.environment.clone(), |all, (name, value)| all.with(name, *value));
        delivery_report::function(&environment).unwrap()
    }

    /// Sends a delivery report to this channel's address.
    pub async fn report_delivery(
        &self,
        function: &dyn Function,
        name: &str,
        headers: Value,
        body: &str,
    ) -> HandlerAnswer {
        let (path, parameters) = (format!("/delivery-reports/{name}"), json!({ "channel": name }));
        self.http(function, "POST", &path, parameters, headers, body, None).await
    }

    /// Sends Meta's verification request to this channel's address.
    pub async fn request_verification(
        &self,
        function: &dyn Function,
        name: &str,
        query: &[(&str, &str)],
    ) -> HandlerAnswer {
        let path = format!("/delivery-reports/{name}?{}", serde_urlencoded::to_string(query).unwrap());
        self.http(function, "GET", &path, json!({ "channel": name }), json!({}), "", None).await
    }

    /// Returns the kind and detail of each event of a request, oldest first.
    pub async fn events(&self, id: &str) -> Vec<(&'static str, Value)> {
        let request = self.stored(id).await;
        let events = domain::PaymentRequestEvent::of_history(&request, 0, "https://pay.example.com");
        events.map(|event| (event.detail_type().as_str(), serde_json::to_value(event).unwrap())).collect()
    }

    /// Returns the number of HTTP requests to all machines since the last time this was called.
    #[allow(clippy::must_use_candidate, reason = "some callers only reset it")]
    pub fn take_requests(&self) -> usize {
        self.counters.requests.swap(0, Ordering::Relaxed)
    }

    /// Builds a store that bypasses the proxy.
    #[must_use]
    pub fn store(&self) -> DynamoDbStore {
        self.store_in(&self.environment.clone().with("AWS_ENDPOINT_URL_DYNAMODB", &self.database.url))
    }

    /// Builds a store that uses the proxy, and so meets its faults, as the functions do.
    #[must_use]
    pub fn faulty_store(&self) -> DynamoDbStore {
        self.store_in(&self.environment)
    }

    fn store_in(&self, environment: &Environment) -> DynamoDbStore {
        let retention = runtime::config::retention(&self.environment).unwrap();
        DynamoDbStore::new(environment).unwrap().with_retention(retention)
    }

    /// Returns the environment variables of the functions.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns the requests whose deadline has passed.
    pub async fn due(&self) -> Vec<Due> {
        let (store, latest) = (self.store(), SystemClock.now());
        let period = DuePeriod { earliest: latest.saturating_sub(Duration::MAX), latest };
        let pages = join_all(store.partitions().map(|partition| store.due(partition, period, None))).await;
        pages.into_iter().flat_map(Result::unwrap).collect()
    }

    /// Returns the request as it is stored.
    pub async fn stored(&self, id: &str) -> PaymentRequest {
        self.store().get(id.parse().unwrap()).await.unwrap().unwrap()
    }

    /// Returns when the request's item expires, in seconds since the Unix epoch.
    pub async fn time_to_live(&self, id: &str) -> Option<i64> {
        Some(self.item(&format!("REQ#{id}")).await.get("ttl")?.as_n().unwrap().parse().unwrap())
    }

    /// Returns when the link's item expires, in seconds since the Unix epoch.
    pub async fn link_time_to_live(&self, token: &str) -> i64 {
        self.item(&format!("LINK#{token}")).await["ttl"].as_n().unwrap().parse().unwrap()
    }

    /// Removes the item of a link, as the time to live does.
    pub async fn remove_link(&self, token: &str) {
        self.delete_item(&format!("LINK#{token}")).await;
    }

    /// Deletes the item with this key.
    pub async fn delete_item(&self, key: &str) {
        let delete = self.database_client().delete_item().table_name(local::dynamodb::TABLE_NAME);
        delete.key("pk", AttributeValue::S(key.to_owned())).send().await.unwrap();
    }

    /// Moves a request's deadline this far into the past.
    pub async fn let_pass(&self, id: &str, since_the_deadline: Duration) {
        let deadline = SystemClock.now().saturating_sub(since_the_deadline).as_milliseconds().to_string();
        let update = self.database_client().update_item().table_name(local::dynamodb::TABLE_NAME);
        let update = update.key("pk", AttributeValue::S(format!("REQ#{id}")));
        let update = update.update_expression("SET due_at = :deadline");
        update.expression_attribute_values(":deadline", AttributeValue::N(deadline)).send().await.unwrap();
    }

    /// Returns whether the link's item holds its payment page.
    pub async fn link_has_checkout(&self, token: &str) -> bool {
        let link = self.item(&format!("LINK#{token}")).await;
        link.contains_key("checkout_id") && link.contains_key("checkout_url")
    }

    /// Returns the size of the request's item in bytes, by DynamoDB's rules
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
    pub async fn item_size(&self, id: &str) -> usize {
        self.item(&format!("REQ#{id}")).await.iter().map(|(name, value)| name.len() + value_size(value)).sum()
    }

    /// Returns the attributes of the item with this key.
    pub async fn item(&self, key: &str) -> HashMap<String, AttributeValue> {
        let get = self.database_client().get_item().table_name(local::dynamodb::TABLE_NAME).consistent_read(true);
        get.key("pk", AttributeValue::S(key.to_owned())).send().await.unwrap().item.unwrap()
    }

    /// Stores an item as it is.
    pub async fn put_item(&self, item: HashMap<String, AttributeValue>) {
        let put = self.database_client().put_item().table_name(local::dynamodb::TABLE_NAME);
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Builds a client that talks to the database directly.
    #[must_use]
    pub fn database_client(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
            .region(aws_sdk_dynamodb::config::Region::new("us-east-1"))
            .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&self.database.url)
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one HTTP request")]
    async fn http(
        &self,
        function: &dyn Function,
        method: &str,
        path: &str,
        parameters: Value,
        headers: Value,
        body: &str,
        role: Option<&str>,
    ) -> HandlerAnswer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let claims = |role| json!({ "sub": "alice", "name": "Alice", "role": role, "workspace": "acme" });
        let authorizer = role.map(claims).map(|claims| json!({ "jwt": { "claims": claims, "scopes": null } }));
        let event = json!({ "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path,
            "rawQueryString": query, "headers": headers, "pathParameters": parameters,
            "requestContext": { "accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "a",
                "requestId": "r", "routeKey": format!("{method} {path}"), "stage": "$default",
                "time": "05/Jan/2026:10:00:00 +0000", "timeEpoch": 1, "authorizer": authorizer,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                    "userAgent": "" } },
            "body": STANDARD.encode(body), "isBase64Encoded": true });
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let event = event.to_string();
        let began = Instant::now();
        let response = function.invoke(&event).await.unwrap();
        let took = began.elapsed();
        let response: Value = serde_json::from_str(&response).unwrap();
        let text = response["body"].as_str().unwrap_or_default();
        let answer = HandlerAnswer {
            status: u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap(),
            headers: response["headers"].clone(),
            body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            took,
        };
        if !self.checks_answers {
            return answer;
        }
        let headers: HashMap<String, String> = serde_json::from_value(answer.headers.clone()).unwrap();
        let (method, headers) = (method.parse().unwrap(), HeaderMap::try_from(&headers).unwrap());
        // No gateway is in front: a test may call a function with a path that a gateway has no route for.
        if conformance::has_operation(&method, path) {
            conformance::assert(&method, path, answer.status, &headers, text.as_bytes());
        }
        answer
    }
}

/// Builds the stream record for a link that the time to live removed.
#[must_use]
pub fn link_removed(id: &str) -> Value {
    json!({ "Records": [{ "eventID": "1", "eventName": "REMOVE", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "userIdentity": { "type": "Service", "principalId": "dynamodb.amazonaws.com" },
        "dynamodb": { "ApproximateCreationDateTime": 1.0, "SequenceNumber": "100", "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES", "Keys": { "pk": { "S": "LINK#x" } },
            "OldImage": { "pk": { "S": "LINK#x" }, "request_id": { "S": id }, "ttl": { "N": "1" } } } }] })
}

/// Builds the provider's report of a payment of R250.00.
fn paid(id: &str, paid_at: Timestamp) -> Value {
    json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id, "payment_id": format!("pay_{id}"),
        "amount": 25_000, "currency": "ZAR", "paid_at": paid_at })
}

/// Returns the size of a value in bytes. A number takes one byte for every two digits plus one; a list or map takes
/// three plus one for each element.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(values) => {
            3 + values.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// Checks a history against the transition table: no gap, and no transition that the table lacks.
///
/// # Panics
/// Panics if the history has a gap or an unknown transition.
pub fn assert_possible(request: &PaymentRequest) {
    let statuses: Vec<domain::Status> = request.history.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses.first(), Some(&domain::Status::Sent), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&request.status), "{statuses:?}");
    for pair in statuses.windows(2) {
        let exists = domain::TRANSITIONS.iter().any(|row| row.from == pair[0] && row.to == pair[1]);
        assert!(exists, "the transition table has no row from {} to {}: {statuses:?}", pair[0], pair[1]);
    }
}
