//! The operations of the description, one for each route of the deployment template.

use super::parts::{Answers, Operation, path, query, snapshot};
use crate::system::order;
use adapters::{ChannelName, ProviderName};
use domain::{IdempotencyKey, PaymentRequestId};
use runtime::representation::Representation;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

/// An identifier, a token and a phone number, as they are in every example.
const ID: &str = "01990000-0000-7000-8000-000000000001";
const TOKEN: &str = "4ZrjxzUmPJr1kqZ1VqVQ71";
const PHONE: &str = "+27831234567";

/// What goes wrong with every call that needs a token.
const CALLERS: [&str; 3] = ["unauthenticated", "forbidden", "temporarily_unavailable"];

/// Returns all operations.
pub(super) fn all(generator: &mut SchemaGenerator) -> Vec<Operation> {
    // The schema is built here, because the examples of every problem refer to it.
    runtime::problem::schema(generator);
    let request = Value::from(generator.subschema_for::<Representation<'_>>());
    let id = Value::from(generator.subschema_for::<PaymentRequestId>());
    let id = path("id", "The payment request's identifier.", id, ID);
    [
        payment_requests(generator, &request, &id),
        lists(generator),
        webhook_endpoints(generator),
        one_webhook_endpoint(generator),
        webhook_deliveries(generator),
        live(generator),
        customers_pages(),
        other_pages(),
        providers(),
        desk(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Builds an operation; `name` is its identifier, and `rest` adds to what all operations have.
fn operation(
    method: &'static str,
    path: &'static str,
    (name, tag, audience): (&str, &str, &str),
    (summary, description): (&str, &str),
    rest: &Value,
    answers: Answers,
) -> Operation {
    let mut body = json!({
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "x-audience": audience,
        "responses": answers.finish(),
    });
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Operation { method, path, body }
}

/// Returns the description of a create's body.
fn new_request(generator: &mut SchemaGenerator) -> Value {
    let mut for_agent = order(PHONE);
    for_agent["agent"] = json!({ "id": "alice", "name": "Alice" });
    json!({
        "required": true,
        "content": { "application/json": {
            "schema": create::schema::body(generator),
            "examples": {
                "least": { "summary": "What has to be there", "value": {
                    "order_number": "10045", "amount": 25_000, "currency": "ZAR", "customer": { "phone": PHONE },
                } },
                "whole": { "summary": "Everything that a person may send", "value": order(PHONE) },
                "service": { "summary": "A service sends for an agent", "value": for_agent },
            },
        } },
    })
}

fn payment_requests(generator: &mut SchemaGenerator, request: &Value, id: &Value) -> Vec<Operation> {
    const TAG: &str = "Payment requests";
    let security = json!([{ "token": [] }]);
    let key = json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "The same key with the same body answers with the same request; with another body it is \
                        refused.",
        "schema": generator.subschema_for::<IdempotencyKey>(),
        "example": "5c1f1e0e-order-10045",
    });
    let body = new_request(generator);
    let links = json!({
        "read": { "operationId": "readPaymentRequest", "parameters": { "id": "$response.body#/id" } },
        "cancel": { "operationId": "cancelPaymentRequest", "parameters": { "id": "$response.body#/id" } },
    });
    let created = Answers::default().with(
        201,
        "The payment request.",
        "application/json",
        request.clone(),
        &[("created", snapshot("api/create")), ("replayed", snapshot("api/create-replayed"))],
        &["Location", "Idempotency-Replayed"],
    );
    let mut create = operation(
        "post",
        "/payment-requests",
        ("createPaymentRequest", TAG, "integrator"),
        (
            "Create a payment request and send its link",
            "For agents and supervisors, and for services that name the agent.",
        ),
        &json!({ "security": security, "parameters": [key], "requestBody": body }),
        created
            .problems(&["malformed_body", "body_too_large", "unsupported_media_type", "validation_failed"])
            .problems(&["idempotency_key_reused", "too_many_requests"])
            .problems(&CALLERS),
    );
    create.body["responses"]["201"]["links"] = links;
    let read = operation(
        "get",
        "/payment-requests/{id}",
        ("readPaymentRequest", TAG, "integrator"),
        ("Read a payment request", "An agent reads their own; supervisors and services read the workspace's."),
        &json!({ "security": security, "parameters": [id] }),
        Answers::default()
            .with(
                200,
                "The payment request.",
                "application/json",
                request.clone(),
                &[
                    ("sent", snapshot("api/read")),
                    ("clicked", snapshot("requests/clicked")),
                    ("paid", snapshot("requests/paid")),
                    ("expired", snapshot("requests/expired-not-clicked")),
                    ("refunded", snapshot("requests/refunded-after-cancellation")),
                ],
                &[],
            )
            .problems(&["malformed_body", "not_found"])
            .problems(&CALLERS),
    );
    let cancel = operation(
        "post",
        "/payment-requests/{id}/cancel",
        ("cancelPaymentRequest", TAG, "integrator"),
        ("Cancel a payment request", "Possible until the customer clicks. The body is empty, or an empty object."),
        &json!({
            "security": security,
            "parameters": [id],
            "requestBody": { "required": false, "content": { "application/json": {
                "schema": { "type": "object", "additionalProperties": false },
                "examples": { "empty": { "value": {} } },
            } } },
        }),
        Answers::default()
            .with(
                200,
                "The payment request.",
                "application/json",
                request.clone(),
                &[("canceled", snapshot("api/cancel")), ("by_supervisor", snapshot("api/cancel-by-supervisor"))],
                &[],
            )
            .problems(&["already_clicked", "already_canceled", "link_expired", "already_paid"])
            .problems(&["malformed_body", "body_too_large", "unsupported_media_type", "validation_failed"])
            .problems(&["not_found"])
            .problems(&CALLERS),
    );
    vec![create, read, cancel]
}

fn lists(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let security = json!([{ "token": [] }]);
    let parameters = |parameters: Vec<(&str, &str, schemars::Schema)>| -> Vec<Value> {
        parameters.iter().map(|(name, description, schema)| query(name, description, schema)).collect()
    };
    let filters = parameters(query::schema::list_parameters(generator));
    let list = Value::from(query::schema::list(generator));
    let next = json!({
        "next": { "operationId": "listPaymentRequests", "parameters": { "cursor": "$response.body#/next_cursor" } },
    });
    let mut listed = operation(
        "get",
        "/payment-requests",
        ("listPaymentRequests", "Payment requests", "integrator"),
        ("List payment requests", "Newest first. An agent gets only their own. An empty parameter counts as absent."),
        &json!({ "security": security, "parameters": filters }),
        Answers::default()
            .with(
                200,
                "A page of the list.",
                "application/json",
                list,
                &[("last_page", snapshot("api/list")), ("with_more", snapshot("api/list-with-more"))],
                &[],
            )
            .problems(&["malformed_body", "invalid_cursor", "validation_failed"])
            .problems(&CALLERS),
    );
    listed.body["responses"]["200"]["links"] = next;
    let period = parameters(query::schema::report_parameters(generator));
    let report = Value::from(query::schema::report(generator));
    let reported = operation(
        "get",
        "/reports/agents",
        ("reportAgents", "Reports", "integrator"),
        (
            "Report the totals of each agent",
            "For supervisors and services. By time of creation. An empty parameter counts as absent.",
        ),
        &json!({ "security": security, "parameters": period }),
        Answers::default()
            .with(
                200,
                "The report.",
                "application/json",
                report,
                &[
                    ("plain", snapshot("api/report")),
                    ("with_clicks", snapshot("api/report-with-clicks")),
                    ("with_days", snapshot("api/report-with-days")),
                ],
                &[],
            )
            .problems(&["malformed_body", "validation_failed"])
            .problems(&CALLERS),
    );
    vec![listed, reported]
}

/// Returns what an endpoint is registered from.
fn new_webhook_endpoint(generator: &mut SchemaGenerator) -> Value {
    json!({
        "required": true,
        "content": { "application/json": {
            "schema": webhook_endpoints::schema::new_endpoint(generator),
            "examples": {
                "least": { "summary": "All events", "value": { "url": "https://crm.example.com/payments" } },
                "whole": { "summary": "Some events", "value": {
                    "url": "https://crm.example.com/payments", "events": ["PaymentRequestStatusChanged"],
                    "description": "CRM",
                } },
            },
        } },
    })
}

/// The tag of the status webhooks.
const WEBHOOKS: &str = "Webhook endpoints";

/// What goes wrong with every call that has a body.
const BODIES: [&str; 4] = ["malformed_body", "body_too_large", "unsupported_media_type", "validation_failed"];

/// Returns an endpoint, with its secret where that is shown.
fn webhook_endpoint_example(secret: bool) -> Value {
    let mut endpoint = json!({
        "id": "whe_4ZrjxzUmPJr1kqZ1VqVQ71", "url": "https://crm.example.com/payments",
        "events": ["PaymentRequestStatusChanged"], "description": "CRM", "status": "enabled",
        "created_at": "2026-01-05T10:00:00.000Z",
    });
    if secret {
        endpoint["secret"] = json!("whsec_bm90IGEgc2VjcmV0LCBhbiBleGFtcGxlIG9mIG9uZSE=");
    }
    endpoint
}

fn webhook_endpoint_id() -> Value {
    path("id", "The endpoint's identifier.", json!({ "type": "string" }), "whe_4ZrjxzUmPJr1kqZ1VqVQ71")
}

fn webhook_endpoints(generator: &mut SchemaGenerator) -> Vec<Operation> {
    use webhook_endpoints::schema;
    let mut register = operation(
        "post",
        "/webhook-endpoints",
        ("registerWebhookEndpoint", WEBHOOKS, "supervisor"),
        ("Register a webhook endpoint", "For supervisors. The secret is shown this once."),
        &json!({ "security": [{ "token": [] }], "requestBody": new_webhook_endpoint(generator) }),
        Answers::default()
            .with(
                201,
                "The endpoint, with its secret.",
                "application/json",
                Value::from(schema::endpoint_with_secret(generator)),
                &[("registered", webhook_endpoint_example(true))],
                &["Location"],
            )
            .problems(&BODIES)
            .problems(&CALLERS),
    );
    register.body["responses"]["201"]["links"] = json!({
        "rotate": { "operationId": "rotateWebhookSecret", "parameters": { "id": "$response.body#/id" } },
        "deliveries": { "operationId": "listWebhookDeliveries", "parameters": { "id": "$response.body#/id" } },
        "remove": { "operationId": "removeWebhookEndpoint", "parameters": { "id": "$response.body#/id" } },
    });
    let list = operation(
        "get",
        "/webhook-endpoints",
        ("listWebhookEndpoints", WEBHOOKS, "supervisor"),
        ("List the webhook endpoints", "For supervisors. At most 20, the newest first."),
        &json!({ "security": [{ "token": [] }] }),
        Answers::default()
            .with(
                200,
                "The endpoints, without their secrets.",
                "application/json",
                Value::from(schema::endpoints(generator)),
                &[("one", json!({ "items": [webhook_endpoint_example(false)] }))],
                &[],
            )
            .problems(&["malformed_body", "validation_failed"])
            .problems(&CALLERS),
    );
    vec![register, list]
}

/// Returns the description of a body that is missing or an empty object.
fn empty_body() -> Value {
    json!({ "required": false, "content": { "application/json": {
        "schema": { "type": "object", "additionalProperties": false },
        "examples": { "empty": { "value": {} } },
    } } })
}

fn live(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let ticket = operation(
        "post",
        "/live/tickets",
        ("createLiveTicket", "Live updates", "integrator"),
        (
            "Get the address of a connection for live updates",
            "For agents and supervisors. Connect to the address with a WebSocket within 30 seconds: it is good for one \
             connection. Every change of a payment request that the caller may see arrives there as \
             `{ \"type\": \"changed\", \"request\": … }`. Send `{ \"type\": \"ping\" }` every five minutes. The \
             connection ends with the token, after two hours at most.",
        ),
        &json!({ "security": [{ "token": [] }], "requestBody": empty_body() }),
        Answers::default()
            .with(
                201,
                "The address.",
                "application/json",
                Value::from(::live::schema::ticket(generator)),
                &[(
                    "ticket",
                    json!({ "url": format!("wss://live.example.com/live?ticket={TOKEN}"), "expires_in": 30 }),
                )],
                &[],
            )
            .problems(&BODIES)
            .problems(&CALLERS),
    );
    vec![ticket]
}

fn one_webhook_endpoint(generator: &mut SchemaGenerator) -> Vec<Operation> {
    use webhook_endpoints::schema;
    let remove = operation(
        "delete",
        "/webhook-endpoints/{id}",
        ("removeWebhookEndpoint", WEBHOOKS, "supervisor"),
        ("Remove a webhook endpoint", "For supervisors. What is pending there is not sent any more."),
        &json!({ "security": [{ "token": [] }], "parameters": [webhook_endpoint_id()] }),
        Answers::default()
            .empty(204, "The endpoint is removed.", &[])
            .problems(&["malformed_body", "not_found"])
            .problems(&CALLERS),
    );
    let rotate = operation(
        "post",
        "/webhook-endpoints/{id}/rotate-secret",
        ("rotateWebhookSecret", WEBHOOKS, "supervisor"),
        (
            "Rotate the secret of a webhook endpoint",
            "For supervisors. For 24 hours both secrets sign. A secret can be replaced three times within that time. \
             The body is empty, or an empty object.",
        ),
        &json!({ "security": [{ "token": [] }], "parameters": [webhook_endpoint_id()], "requestBody": empty_body() }),
        Answers::default()
            .with(
                200,
                "The endpoint, with its new secret.",
                "application/json",
                Value::from(schema::endpoint_with_secret(generator)),
                &[("rotated", webhook_endpoint_example(true))],
                &[],
            )
            .problems(&BODIES)
            .problems(&["not_found", "too_many_requests"])
            .problems(&CALLERS),
    );
    vec![remove, rotate]
}

fn webhook_deliveries(generator: &mut SchemaGenerator) -> Vec<Operation> {
    use webhook_endpoints::schema;
    let delivery = json!({
        "event_id": format!("{ID}#2"), "type": "PaymentRequestStatusChanged", "status": "pending",
        "attempts": [{ "at": "2026-01-05T10:01:12.345Z", "response_status": 500, "error": null }],
        "next_attempt_at": "2026-01-05T10:01:17.345Z",
    });
    let mut parameters = vec![webhook_endpoint_id()];
    parameters.extend(
        schema::deliveries_parameters(generator)
            .iter()
            .map(|(name, description, schema)| query(name, description, schema)),
    );
    let mut deliveries = operation(
        "get",
        "/webhook-endpoints/{id}/deliveries",
        ("listWebhookDeliveries", WEBHOOKS, "supervisor"),
        (
            "List the deliveries to a webhook endpoint",
            "For supervisors. The events of 30 days, the newest first. An empty parameter counts as absent.",
        ),
        &json!({ "security": [{ "token": [] }], "parameters": parameters }),
        Answers::default()
            .with(
                200,
                "A page of the log.",
                "application/json",
                Value::from(schema::deliveries(generator)),
                &[("pending", json!({ "items": [delivery], "next_cursor": null }))],
                &[],
            )
            .problems(&["malformed_body", "invalid_cursor", "validation_failed", "not_found"])
            .problems(&CALLERS),
    );
    deliveries.body["responses"]["200"]["links"] = json!({
        "next": { "operationId": "listWebhookDeliveries", "parameters": {
            "id": "$request.path.id", "cursor": "$response.body#/next_cursor",
        } },
    });
    let replay = operation(
        "post",
        "/webhook-endpoints/{id}/replay",
        ("replayWebhooks", WEBHOOKS, "supervisor"),
        (
            "Replay one event, or all since a moment",
            "For supervisors. Whatever became of them, under the same identifiers. An endpoint that was disabled is \
             enabled.",
        ),
        &json!({ "security": [{ "token": [] }], "parameters": [webhook_endpoint_id()], "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": schema::replay(generator),
                "examples": {
                    "one": { "summary": "One event", "value": { "event_id": format!("{ID}#2") } },
                    "since": { "summary": "All since a moment", "value": { "since": "2026-01-05T10:00:00.000Z" } },
                },
            } },
        } }),
        Answers::default()
            .empty(202, "The replay is queued.", &[])
            .problems(&BODIES)
            .problems(&["not_found"])
            .problems(&CALLERS),
    );
    vec![deliveries, replay]
}

/// The tag of the customer's pages.
const CUSTOMERS: &str = "Customer's pages";

/// Returns what the operations without a token have in common.
fn public(parameters: &Value) -> Value {
    json!({ "security": [], "parameters": parameters })
}

fn customers_pages() -> Vec<Operation> {
    let about = |name| (name, CUSTOMERS, "customer");
    let token =
        || path("token", "The link's token. Punctuation behind it is ignored.", json!({ "type": "string" }), TOKEN);
    let parameters = json!([token()]);
    let arrival = json!([
        token(),
        {
            "name": "back", "in": "query", "schema": { "type": "string" }, "allowEmptyValue": true,
            "description": "The customer comes back from the provider without having paid.",
        },
        {
            "name": "done", "in": "query", "schema": { "type": "string" }, "allowEmptyValue": true,
            "description": "The customer comes back from the provider and has paid, as they think.",
        },
    ]);
    let shown = || {
        Answers::default()
            .page(200, "The page of a request that can be paid, or is paid.", &[])
            .empty(304, "The browser has this page already.", &[])
            .page(404, "The page of an unknown link.", &[])
            .page(410, "The page of a request that has ended.", &[])
            .page(503, "The page that asks the customer to try again.", &["Retry-After"])
            .problems(&["malformed_body"])
    };
    let mut seen = shown();
    seen = seen.without_bodies();
    let pressed = Answers::default()
        .page(200, "The page of a request whose time to pay is over, until its end is written.", &[])
        .empty(303, "Where the customer goes on.", &["Location"])
        .page(404, "The page of an unknown link.", &[])
        .page(410, "The page of a request that has ended.", &[])
        .page(413, "The page for a body that is too large.", &[])
        .page(502, "The page for a refusal by the provider that will not change.", &[])
        .page(503, "The page that asks the customer to try again.", &["Retry-After"])
        .problems(&["malformed_body"]);
    let checked = Answers::default()
        .empty(303, "Back to the page.", &["Location"])
        .page(404, "The page of an unknown link.", &[])
        .page(413, "The page for a body that is too large.", &[])
        .page(503, "The page that asks the customer to try again.", &["Retry-After"])
        .problems(&["malformed_body"]);
    vec![
        operation(
            "get",
            "/p/{token}",
            about("showPage"),
            ("Show the customer's page", "It changes nothing: chat apps fetch links to draw previews."),
            &public(&arrival),
            shown(),
        ),
        operation(
            "head",
            "/p/{token}",
            about("showPageHead"),
            ("Show the headers of the customer's page", "It changes nothing."),
            &public(&arrival),
            seen,
        ),
        operation(
            "post",
            "/p/{token}",
            about("press"),
            ("Go on to the payment page", "The form's button. Pressing it is the click."),
            &public(&parameters),
            pressed,
        ),
        operation(
            "post",
            "/p/{token}/check",
            about("check"),
            ("Ask the provider whether the customer has paid", "It leads back to the page, which shows what is known."),
            &public(&parameters),
            checked,
        ),
    ]
}

fn other_pages() -> Vec<Operation> {
    let about = |name| (name, CUSTOMERS, "customer");
    let whatever = Answers::default()
        .page(404, "The page of an unknown link.", &[])
        .page(200, "The page of a link with punctuation behind it.", &[])
        .empty(303, "Where a press or a check of such a link leads.", &["Location"])
        .empty(304, "The browser has this page already.", &[])
        .page(410, "The page of a request that has ended.", &[])
        .page(413, "The page for a body that is too large.", &[])
        .page(502, "The page for a refusal by the provider.", &[])
        .page(503, "The page that asks the customer to try again.", &["Retry-After"])
        .problems(&["malformed_body"]);
    vec![
        operation(
            "get",
            "/p/assets/{version}/{file}",
            about("pageFile"),
            ("A script of the customer's page", "It may be kept for a year: its address changes with it."),
            &public(&json!([
                path("version", "The version of the files.", json!({ "type": "string" }), "0123456789abcdef"),
                path("file", "The file's name.", json!({ "type": "string" }), "page.js"),
            ])),
            Answers::default()
                .with(200, "The file.", "text/javascript", json!({ "type": "string" }), &[("script", json!("…"))], &[])
                .page(404, "The page of an unknown link.", &[])
                .page(503, "The page that asks the customer to try again.", &["Retry-After"])
                .problems(&["malformed_body"]),
        ),
        operation(
            "any",
            "/p",
            about("noLink"),
            ("The page of an unknown link", "For every method."),
            &public(&json!([])),
            Answers::default().page(404, "The page of an unknown link.", &[]).problems(&["malformed_body"]),
        ),
        operation(
            "any",
            "/p/{proxy+}",
            about("brokenLink"),
            (
                "The page of an unknown link, or of a link with punctuation behind it",
                "For every method and path at or below `/p` that has no operation of its own.",
            ),
            &public(&json!([path("proxy", "The rest of the path.", json!({ "type": "string" }), "4Zrj/")])),
            whatever,
        ),
    ]
}

fn providers() -> Vec<Operation> {
    const TAG: &str = "Provider and channel";
    let names = |names: Vec<String>| json!({ "type": "string", "enum": names });
    let provider = names(ProviderName::ALL.iter().map(ToString::to_string).collect());
    let channel = names(ChannelName::ALL.iter().map(ToString::to_string).collect());
    let channel = path("channel", "The configured channel. Any other is answered with 404.", channel, "webhook");
    let body = |example: Value| {
        json!({ "required": true, "content": { "application/json": {
            "schema": { "type": "object" },
            "examples": { "report": { "value": example } },
        } } })
    };
    let stored = || {
        Answers::default()
            .with(
                200,
                "It is stored, or there is nothing to store.",
                "application/json",
                json!({ "type": "object", "maxProperties": 0 }),
                &[("stored", json!({}))],
                &[],
            )
            .problems(&["malformed_body", "unauthenticated", "not_found", "body_too_large"])
            .problems(&["unsupported_media_type", "validation_failed", "temporarily_unavailable"])
    };
    let parameter = |name: &str| {
        json!({
            "name": name, "in": "query", "schema": { "type": "string" }, "allowEmptyValue": true,
            "description": "As Meta's documentation of webhooks describes it.",
        })
    };
    vec![
        operation(
            "post",
            "/webhooks/{provider}",
            ("paymentWebhook", TAG, "provider"),
            (
                "Report a payment",
                "For the payment provider alone, which signs the body in its own way: the headers and the body are as \
                 its documentation describes them. The sandbox's are in `schemas/sandbox-webhook.schema.json`, signed \
                 as Standard Webhooks specifies.",
            ),
            &json!({
                "security": [],
                "parameters": [
                    path("provider", "The configured provider. Any other is answered with 404.", provider, "sandbox"),
                ],
                "requestBody": body(snapshot("webhooks/sandbox-paid")["body"].clone()),
            }),
            stored(),
        ),
        operation(
            "post",
            "/delivery-reports/{channel}",
            ("deliveryReport", TAG, "channel"),
            (
                "Report what became of a message",
                "For the message channel alone, which signs the body in its own way. An integrator's own chat sends \
                 `schemas/message.failed.schema.json`, signed as Standard Webhooks specifies.",
            ),
            &json!({
                "security": [],
                "parameters": [channel],
                "requestBody": body(snapshot("webhooks/message-failed")),
            }),
            stored(),
        ),
        operation(
            "get",
            "/delivery-reports/{channel}",
            ("verifyDeliveryReports", TAG, "channel"),
            ("Answer Meta's challenge", "For Meta alone, which asks it when the webhook's address is set."),
            &json!({
                "security": [],
                "parameters": [
                    channel, parameter("hub.mode"), parameter("hub.verify_token"), parameter("hub.challenge"),
                ],
            }),
            Answers::default()
                .with(
                    200,
                    "The challenge.",
                    "text/plain",
                    json!({ "type": "string" }),
                    &[("challenge", json!("1158201444"))],
                    &[],
                )
                .problems(&["malformed_body", "forbidden", "not_found", "temporarily_unavailable"]),
        ),
    ]
}

fn desk() -> Vec<Operation> {
    const TAG: &str = "Desk's pages";
    let about = |name| (name, TAG, "browser");
    let public = json!({ "security": [] });
    let page = || Answers::default().page(200, "The page.", &[]).problems(&["malformed_body"]);
    let text = json!({ "type": "string" });
    let mut files = Answers::default()
        .with(200, "The file.", "text/javascript", text.clone(), &[("script", json!("…"))], &[])
        .problems(&["malformed_body", "not_found"]);
    for media_type in ["text/css", "image/svg+xml"] {
        files = files.or(200, media_type, &text);
    }
    vec![
        operation("get", "/desk", about("desk"), ("The agent's page", "A static page."), &public, page()),
        operation(
            "get",
            "/desk/supervisor",
            about("supervisor"),
            ("The supervisor's page", "A static page."),
            &public,
            page(),
        ),
        operation(
            "get",
            "/desk/signed-in",
            about("signedIn"),
            ("The page that ends a sign-in", "The identity provider leads to it."),
            &public,
            page(),
        ),
        operation(
            "get",
            "/desk/element.js",
            about("element"),
            ("The element that chat desks embed", "It leads to the current version of the script."),
            &public,
            Answers::default().empty(302, "The script.", &["Location"]).problems(&["malformed_body"]),
        ),
        operation(
            "get",
            "/desk/assets/{version}/{folder}/{file}",
            about("deskFile"),
            ("A script or style sheet of the desk", "It may be kept for a year: its address changes with it."),
            &json!({
                "security": [],
                "parameters": [
                    path("version", "The version of the files.", text.clone(), "0123456789abcdef"),
                    path("folder", "The folder's name.", text.clone(), "agent"),
                    path("file", "The file's name.", text.clone(), "element.js"),
                ],
            }),
            files,
        ),
    ]
}
