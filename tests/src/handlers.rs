//! The deployed handlers, one call at a time, over an embedded DynamoDB that a [`Proxy`] stands in front of.

use crate::provider::Provider;
use crate::proxy::Proxy;
use adapters::{ConfiguredProvider, DynamoDbStore, ProviderName};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::{Due, DueIndex as _, Reads as _};
use domain::{Clock as _, PaymentRequest, SystemClock, Timestamp};
use local::dynamodb::Embedded;
use runtime::webhook::Secrets;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SECRET: &str = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";

/// An HTTP answer of a handler.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Value,
    /// Its body: JSON where it is JSON, otherwise text.
    pub body: Value,
}

impl Answer {
    /// The problem's code, if it is one.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Every handler with what it needs.
pub struct Handlers {
    /// What the handlers take for DynamoDB.
    pub proxy: Proxy,
    /// What they take for the payment provider.
    pub provider: Provider,
    /// The database itself.
    pub database: Embedded,
    create: Box<dyn Function>,
    cancel: Box<dyn Function>,
    click: Box<dyn Function>,
    webhook: Box<dyn Function>,
    query: Box<dyn Function>,
    expire: Box<dyn Function>,
    refund: Box<dyn Function>,
    environment: Environment,
    secrets: Secrets,
    reports: AtomicUsize,
}

impl Handlers {
    /// The handlers with the time limits of a deployment.
    pub async fn start() -> Arc<Self> {
        Self::with_limits(300, 900).await
    }

    /// The handlers with these time limits, in seconds.
    pub async fn with_limits(link: u64, checkout: u64) -> Arc<Self> {
        Self::with_variables(link, checkout, &[]).await
    }

    /// The handlers with these time limits, in seconds, and these variables beside or in place of the usual ones.
    pub async fn with_variables(link: u64, checkout: u64, variables: &[(&str, String)]) -> Arc<Self> {
        crate::log();
        let database = Embedded::start(None).await.unwrap();
        let (proxy, provider) = (Proxy::start(&database.url).await, Provider::start().await);
        let usual = Environment::default()
            .with("TABLE_NAME", local::dynamodb::TABLE_NAME)
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
            .with("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url)
            .with("PUBLIC_BASE_URL", "https://pay.example.com")
            .with("LINK_TTL_SECONDS", link.to_string())
            .with("CHECKOUT_TTL_SECONDS", checkout.to_string())
            // A run of the schedule ends what is due, and does not wait for what will be.
            .with("EXPIRY_LOOKAHEAD_SECONDS", "0")
            .with("PAYMENT_PROVIDER", ProviderName::Sandbox.as_str())
            .with("SANDBOX_PROVIDER_URL", &provider.url)
            .with("SANDBOX_WEBHOOK_SECRET", SECRET);
        let environment =
            variables.iter().fold(usual, |environment, (name, value)| environment.with(name, value.as_str()));
        Arc::new(Self {
            create: create::function(&environment).unwrap(),
            cancel: cancel::function(&environment).unwrap(),
            click: link_click::function(&environment).unwrap(),
            webhook: payment_webhook::function(&environment).unwrap(),
            query: query::function(&environment).unwrap(),
            expire: expire::function(&environment).unwrap(),
            refund: refund::function(&environment).unwrap(),
            secrets: Secrets::from_environment(&environment, "SANDBOX_WEBHOOK_SECRET").unwrap(),
            reports: AtomicUsize::new(0),
            environment,
            proxy,
            provider,
            database,
        })
    }

    /// Alice creates a request over R250.00.
    pub async fn create(&self, key: Option<&str>) -> Answer {
        self.create_with(key, 25_000, "ZAR").await
    }

    /// Alice creates a request over so much.
    pub async fn create_over(&self, amount: i64, currency: &str) -> Answer {
        self.create_with(None, amount, currency).await
    }

    async fn create_with(&self, key: Option<&str>, amount: i64, currency: &str) -> Answer {
        let body = json!({ "order_number": "10045", "amount": amount, "currency": currency,
            "customer": { "phone": "+27831234567", "name": "Thandi" }, "description": "2 x tickets",
            "conversation_id": "c-981", "metadata": { "crm": "77" } });
        let mut headers = json!({ "content-type": "application/json" });
        if let Some(key) = key {
            headers["idempotency-key"] = key.into();
        }
        self.http(&*self.create, "POST", "/payment-requests", json!({}), headers, &body.to_string(), Some("agent"))
            .await
    }

    /// A new request: its identifier and the token of its link.
    pub async fn sent(&self) -> (String, String) {
        let answer = self.create(None).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        let url = answer.body["link"]["url"].as_str().unwrap();
        (answer.body["id"].as_str().unwrap().to_owned(), url.rsplit('/').next().unwrap().to_owned())
    }

    /// A new request whose customer has clicked.
    pub async fn clicked(&self) -> (String, String) {
        let (id, token) = self.sent().await;
        assert_eq!(self.click(&token).await.status, 303);
        (id, token)
    }

    /// Alice cancels.
    pub async fn cancel(&self, id: &str) -> Answer {
        let path = format!("/payment-requests/{id}/cancel");
        self.http(&*self.cancel, "POST", &path, json!({ "id": id }), json!({}), "", Some("agent")).await
    }

    /// Alice reads one request.
    pub async fn get(&self, id: &str) -> Answer {
        let path = format!("/payment-requests/{id}");
        self.http(&*self.query, "GET", &path, json!({ "id": id }), json!({}), "", Some("agent")).await
    }

    /// The customer presses the button.
    pub async fn click(&self, token: &str) -> Answer {
        let headers = json!({ "content-type": "application/x-www-form-urlencoded" });
        self.http(&*self.click, "POST", &format!("/p/{token}"), json!({ "token": token }), headers, "", None).await
    }

    /// The customer opens the link.
    pub async fn open(&self, token: &str) -> Answer {
        self.http(&*self.click, "GET", &format!("/p/{token}"), json!({ "token": token }), json!({}), "", None).await
    }

    /// The provider reports a payment of R250.00.
    pub async fn pay(&self, id: &str, paid_at: Timestamp) -> Answer {
        self.report("checkout.paid", &paid(id, paid_at), None).await
    }

    /// The provider reports that the customer has paid R250.00 which are on their way.
    pub async fn process(&self, id: &str, paid_at: Timestamp) -> Answer {
        self.report("checkout.processing", &paid(id, paid_at), None).await
    }

    /// The provider reports that money which was on its way will not come.
    pub async fn fail_payment(&self, id: &str) -> Answer {
        let data = json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id,
            "payment_id": format!("pay_{id}"), "amount": 25_000, "currency": "ZAR" });
        self.report("checkout.async_payment_failed", &data, None).await
    }

    /// The provider reports that an attempt has failed, under this webhook's identifier.
    pub async fn fail_attempt(&self, id: &str, webhook_id: &str) -> Answer {
        let data = json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id, "amount": 25_000,
            "currency": "ZAR", "reason": "card_declined" });
        self.report("checkout.payment_failed", &data, Some(webhook_id)).await
    }

    /// Stripe sends this body, signed like this or not at all.
    pub async fn stripe_webhook(&self, signature: Option<&str>, body: &str) -> Answer {
        let mut headers = json!({ "content-type": "application/json; charset=utf-8" });
        if let Some(signature) = signature {
            headers["stripe-signature"] = signature.into();
        }
        self.webhook(ProviderName::Stripe, headers, body).await
    }

    async fn report(&self, kind: &str, data: &Value, webhook_id: Option<&str>) -> Answer {
        let now = SystemClock.now();
        let body = json!({ "type": kind, "timestamp": now, "data": data }).to_string();
        let counted = format!("msg_{}", self.reports.fetch_add(1, Ordering::Relaxed));
        let signed = self.secrets.sign(webhook_id.unwrap_or(&counted), body.as_bytes(), now).unwrap();
        let mut headers = json!({ "content-type": "application/json" });
        for (name, value) in &signed {
            headers[name.as_str()] = value.to_str().unwrap().into();
        }
        self.webhook(ProviderName::Sandbox, headers, &body).await
    }

    /// A provider sends a webhook to its address.
    async fn webhook(&self, provider: ProviderName, headers: Value, body: &str) -> Answer {
        let (path, parameters) = (format!("/webhooks/{provider}"), json!({ "provider": provider.as_str() }));
        self.http(&*self.webhook, "POST", &path, parameters, headers, body, None).await
    }

    /// The time to live removes the link of a request, and the stream says so. Answers what failed of the batch.
    pub async fn link_removed(&self, id: &str) -> Value {
        self.expire(&link_removed(id)).await
    }

    /// Hands an event to `expire`.
    pub async fn expire(&self, event: &Value) -> Value {
        serde_json::from_str(&self.expire.invoke(&event.to_string()).await.unwrap()).unwrap()
    }

    /// The schedule comes round.
    pub async fn expire_what_is_due(&self) {
        self.expire(&json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} })).await;
    }

    /// Somebody of this role lists the workspace's requests.
    pub async fn list(&self, role: &str) -> Answer {
        self.http(&*self.query, "GET", "/payment-requests", json!({}), json!({}), "", Some(role)).await
    }

    /// Opens a function's connections, as its init does.
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

    /// The bus says that a refund is due.
    ///
    /// # Errors
    /// The handler failed, so the bus would deliver again.
    pub async fn refund_due(&self, id: &str) -> Result<String, runtime::InvocationError> {
        let request = self.stored(id).await;
        let event = domain::PaymentRequestEvent::of_history(&request, request.version() - 1, "https://pay.example.com");
        let detail = event.last().unwrap();
        self.refund.invoke(&json!({ "source": "chat2pay", "detail": detail }).to_string()).await
    }

    /// The payment provider as the functions call it.
    #[must_use]
    pub fn payment_provider(&self) -> ConfiguredProvider {
        ConfiguredProvider::new(&self.environment).unwrap()
    }

    /// The function that tells customers, with these settings of its channel.
    #[must_use]
    pub fn notify(&self, settings: &[(&str, &str)]) -> Box<dyn Function> {
        let environment = settings.iter().fold(self.environment.clone(), |all, (name, value)| all.with(name, *value));
        notify::function(&environment).unwrap()
    }

    /// The function that hears from channels, with these settings of its channel.
    #[must_use]
    pub fn delivery_reports(&self, settings: &[(&str, &str)]) -> Box<dyn Function> {
        let environment = settings.iter().fold(self.environment.clone(), |all, (name, value)| all.with(name, *value));
        delivery_report::function(&environment).unwrap()
    }

    /// A channel sends a report to the address of this name.
    pub async fn report_delivery(&self, function: &dyn Function, name: &str, headers: Value, body: &str) -> Answer {
        let (path, parameters) = (format!("/delivery-reports/{name}"), json!({ "channel": name }));
        self.http(function, "POST", &path, parameters, headers, body, None).await
    }

    /// Meta asks whose the address of this name is.
    pub async fn ask_whose(&self, function: &dyn Function, name: &str, query: &[(&str, &str)]) -> Answer {
        let path = format!("/delivery-reports/{name}?{}", serde_urlencoded::to_string(query).unwrap());
        self.http(function, "GET", &path, json!({ "channel": name }), json!({}), "", None).await
    }

    /// What is announced of a request, oldest first: each event's kind and its detail.
    pub async fn events(&self, id: &str) -> Vec<(&'static str, Value)> {
        let request = self.stored(id).await;
        let events = domain::PaymentRequestEvent::of_history(&request, 0, "https://pay.example.com");
        events.map(|event| (event.detail_type().as_str(), serde_json::to_value(event).unwrap())).collect()
    }

    /// A store that talks to the database without the proxy.
    #[must_use]
    pub fn store(&self) -> DynamoDbStore {
        self.store_in(&self.environment.clone().with("AWS_ENDPOINT_URL_DYNAMODB", &self.database.url))
    }

    /// A store that talks to the database as the functions do, faults of the proxy included.
    #[must_use]
    pub fn faulty_store(&self) -> DynamoDbStore {
        self.store_in(&self.environment)
    }

    fn store_in(&self, environment: &Environment) -> DynamoDbStore {
        let retention = runtime::config::retention(&self.environment).unwrap();
        DynamoDbStore::new(environment).unwrap().with_retention(retention)
    }

    /// The variables that the functions were made with.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What is due by now.
    pub async fn due(&self) -> Vec<Due> {
        self.store().due(SystemClock.now()).await.unwrap()
    }

    /// The request as it is stored.
    pub async fn stored(&self, id: &str) -> PaymentRequest {
        self.store().get(id.parse().unwrap()).await.unwrap().unwrap()
    }

    /// When the request's item is removed, in seconds since the Unix epoch.
    pub async fn time_to_live(&self, id: &str) -> Option<i64> {
        Some(self.item(&format!("REQ#{id}")).await.get("ttl")?.as_n().unwrap().parse().unwrap())
    }

    /// When the item of a link is removed, in seconds since the Unix epoch.
    pub async fn link_time_to_live(&self, token: &str) -> i64 {
        self.item(&format!("LINK#{token}")).await["ttl"].as_n().unwrap().parse().unwrap()
    }

    /// Removes the item of a link, as the time to live does.
    pub async fn remove_link(&self, token: &str) {
        let delete = self.database_client().delete_item().table_name(local::dynamodb::TABLE_NAME);
        delete.key("pk", AttributeValue::S(format!("LINK#{token}"))).send().await.unwrap();
    }

    /// Makes a request's deadline one that passed so long ago.
    pub async fn let_pass(&self, id: &str, since_the_deadline: Duration) {
        let deadline = SystemClock.now().saturating_sub(since_the_deadline).as_milliseconds().to_string();
        let update = self.database_client().update_item().table_name(local::dynamodb::TABLE_NAME);
        let update = update.key("pk", AttributeValue::S(format!("REQ#{id}")));
        let update = update.update_expression("SET due_at = :deadline");
        update.expression_attribute_values(":deadline", AttributeValue::N(deadline)).send().await.unwrap();
    }

    /// How many bytes the request's item has, as DynamoDB counts them
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).
    pub async fn item_size(&self, id: &str) -> usize {
        self.item(&format!("REQ#{id}")).await.iter().map(|(name, value)| name.len() + value_size(value)).sum()
    }

    /// The item with this key, attribute by attribute.
    pub async fn item(&self, key: &str) -> HashMap<String, AttributeValue> {
        let get = self.database_client().get_item().table_name(local::dynamodb::TABLE_NAME).consistent_read(true);
        get.key("pk", AttributeValue::S(key.to_owned())).send().await.unwrap().item.unwrap()
    }

    /// A client of the database itself.
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
    ) -> Answer {
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
        let response: Value = serde_json::from_str(&function.invoke(&event.to_string()).await.unwrap()).unwrap();
        let text = response["body"].as_str().unwrap_or_default();
        Answer {
            status: u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap(),
            headers: response["headers"].clone(),
            body: serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        }
    }
}

/// What the stream says when the time to live has removed the link of a request.
#[must_use]
pub fn link_removed(id: &str) -> Value {
    json!({ "Records": [{ "eventID": "1", "eventName": "REMOVE", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "userIdentity": { "type": "Service", "principalId": "dynamodb.amazonaws.com" },
        "dynamodb": { "ApproximateCreationDateTime": 1.0, "SequenceNumber": "100", "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES", "Keys": { "pk": { "S": "LINK#x" } },
            "OldImage": { "pk": { "S": "LINK#x" }, "request_id": { "S": id }, "ttl": { "N": "1" } } } }] })
}

/// What the provider reports of a payment of R250.00.
fn paid(id: &str, paid_at: Timestamp) -> Value {
    json!({ "checkout_id": format!("cs_{id}"), "payment_request_id": id, "payment_id": format!("pay_{id}"),
        "amount": 25_000, "currency": "ZAR", "paid_at": paid_at })
}

/// The bytes of a value: a number has one for every two digits and one more, a list or map three and one for each
/// element.
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

/// Holds a history against the transition table: no gap, no step that the table does not have.
///
/// # Panics
/// If there is one.
pub fn assert_possible(request: &PaymentRequest) {
    let statuses: Vec<domain::Status> = request.history.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses.first(), Some(&domain::Status::Sent), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&request.status), "{statuses:?}");
    for pair in statuses.windows(2) {
        let exists = domain::TRANSITIONS.iter().any(|row| row.from == pair[0] && row.to == pair[1]);
        assert!(exists, "no row of the table leads from {} to {}: {statuses:?}", pair[0], pair[1]);
    }
}
