//! Programs as callers: a token with the role `service` sends for an agent whom it names, and may do in its workspace
//! what a supervisor may.

use http::Method;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use tests::handlers::Handlers;
use tests::system::{Answer, System, User, id, order, phone};

/// Returns a service of a workspace. Its token has no name.
async fn service<'a>(system: &'a System, workspace: &str) -> User<'a> {
    let claims = json!({ "sub": "crm-bot", "role": "service", "workspace": workspace });
    system.bearer(&system.token(&claims).await, workspace)
}

fn order_for(agent: &Value) -> Value {
    let mut order = order(&phone());
    order["agent"] = agent.clone();
    order
}

#[tokio::test]
async fn a_service_sends_for_the_agent_whom_it_names_and_the_history_says_both() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let bot = service(&system, &alice.workspace).await;
    let answer = bot.create(&order_for(&json!({ "id": "alice", "name": "Alice" }))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let request = answer.json();
    assert_eq!(request["agent"], json!({ "id": "alice", "name": "Alice" }));
    assert_eq!(request["history"][0]["actor"], json!({ "type": "service", "id": "crm-bot" }));
    assert_eq!(alice.read(id(&request)).await, request, "it is the agent's own request");
    let events = system.wait_for_events(id(&request), 1).await;
    assert_eq!(events[0]["detail"]["actor"], json!({ "type": "service", "id": "crm-bot" }));
    crate::events::assert_valid("PaymentRequestStatusChanged", &events[0]["detail"]);

    let canceled = bot.cancel(id(&request)).await;
    assert_eq!((canceled.status, &canceled.json()["status"]), (200, &json!("canceled")));
    assert_eq!(canceled.json()["history"][1]["actor"], json!({ "type": "service", "id": "crm-bot" }));
    for event in system.wait_for_events(id(&request), 2).await {
        crate::events::assert_valid("PaymentRequestStatusChanged", &event["detail"]);
    }
}

#[tokio::test]
async fn a_service_reads_reports_and_cancels_in_its_workspace_and_in_no_other() {
    let system = System::shared(&[]).await;
    let (alice, other) = (system.alice().await, system.alice().await);
    let bot = service(&system, &alice.workspace).await;
    let (own, foreign) = (alice.sent().await, other.sent().await);
    assert_eq!(bot.read(id(&own)).await, own);
    let (listed, _) = bot.listed(&[("agent", "alice")]).await;
    assert_eq!(listed, [id(&own)]);
    let report = Answer::of(bot.request(Method::GET, "/reports/agents")).await;
    assert_eq!((report.status, &report.json()["total"]["sent"]), (200, &json!(1)));
    assert_eq!(bot.get(id(&foreign)).await.status, 404);
    assert_eq!(bot.cancel(id(&foreign)).await.json()["code"], "not_found");
    assert_eq!(bot.cancel(id(&own)).await.status, 200);
}

#[tokio::test]
async fn a_service_has_to_name_an_agent_and_a_person_may_not() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let bot = service(&system, &alice.workspace).await;
    for (agent, named) in [
        (Value::Null, &["agent"][..]),
        (json!("alice"), &["agent"]),
        (json!({}), &["agent.id", "agent.name"]),
        (json!({ "id": "alice" }), &["agent.name"]),
        (json!({ "id": "", "name": "Alice" }), &["agent.id"]),
        (json!({ "id": "alice", "name": 7 }), &["agent.name"]),
        (json!({ "id": "alice", "name": "A\u{7}" }), &["agent.name"]),
        (json!({ "id": "alice", "name": "Alice", "role": "supervisor" }), &["agent.role"]),
        (json!({ "id": "a".repeat(256), "name": "a".repeat(201) }), &["agent.id", "agent.name"]),
    ] {
        let refused = bot.create(&order_for(&agent)).await;
        assert_eq!(refused.status, 422, "{agent}");
        let problem = refused.json();
        let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(fields, named.iter().collect::<Vec<_>>(), "{agent}: {problem}");
    }
    let refused = bot.create(&order(&phone())).await.json();
    assert_eq!((&refused["code"], &refused["errors"][0]["field"]), (&json!("validation_failed"), &json!("agent")));
    for role in ["agent", "supervisor"] {
        let person = system.user(&alice.workspace, "alice", role).await;
        let refused = person.create(&order_for(&json!({ "id": "alice", "name": "Alice" }))).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["field"]), (422, &json!("agent")), "{role}");
    }
    assert_eq!(bot.listed(&[]).await.0, [""; 0]);
}

#[tokio::test]
async fn a_key_of_a_service_is_for_one_agent_and_one_body() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let bot = service(&system, &alice.workspace).await;
    let order = order_for(&json!({ "id": "alice", "name": "Alice" }));
    let first = bot.create_with_key(&order, "key-1").await;
    let again = bot.create_with_key(&order, "key-1").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
    assert_eq!(again.json(), first.json());
    for other in [json!({ "id": "bob", "name": "Bob" }), json!({ "id": "alice", "name": "Alicia" })] {
        let mut order = order.clone();
        order["agent"] = other;
        let refused = bot.create_with_key(&order, "key-1").await;
        assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("idempotency_key_reused")));
    }
}

/// Each agent has a limit, whoever sends for them.
#[tokio::test]
async fn what_a_service_sends_counts_for_the_agent() {
    let system = System::start(&[("AGENT_REQUESTS_PER_MINUTE", "2")]).await;
    let alice = system.alice().await;
    let bot = service(&system, &alice.workspace).await;
    let for_alice = json!({ "id": "alice", "name": "Alice" });
    alice.sent().await;
    assert_eq!(bot.create(&order_for(&for_alice)).await.status, 201);
    let limited = bot.create(&order_for(&for_alice)).await;
    assert_eq!((limited.status, &limited.json()["code"]), (429, &json!("too_many_requests")));
    assert_eq!(bot.create(&order_for(&json!({ "id": "bob", "name": "Bob" }))).await.status, 201);
    system.stop().await;
}

/// The claims of a token that a Cognito user pool issues for client credentials, as the HTTP API hands them on: there
/// is neither a workspace nor a role nor an audience, only what the client may have (decision 0033).
fn of_client(scope: &str) -> Value {
    json!({ "sub": "5example6client7id8", "client_id": "5example6client7id8", "token_use": "access", "scope": scope,
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_aB3dE5fG7", "version": "2", "jti": "a1b2c3d4",
        "auth_time": "1767607200", "iat": "1767607200", "exp": "1767610800" })
}

/// Calls a function with a sample event whose token has these claims. Returns the status and the body.
async fn call(function: &dyn Function, sample: &str, claims: &Value, id: &str, body: &Value) -> (u64, Value) {
    let mut event: Value = serde_json::from_str(sample).unwrap();
    event["requestContext"]["authorizer"]["jwt"]["claims"] = claims.clone();
    event["pathParameters"] = json!({ "id": id });
    event["body"] = if body.is_null() { Value::Null } else { body.to_string().into() };
    let answer: Value = serde_json::from_str(&function.invoke(&event.to_string()).await.unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
}

const CREATE: &str = include_str!("../../events/samples/create/created.json");
const READ: &str = include_str!("../../events/samples/query/get.json");
const CANCEL: &str = include_str!("../../events/samples/cancel/canceled.json");

/// The variables of a deployment with the stack's own user pool and a client for programs.
fn user_pool(handlers: &Handlers) -> Environment {
    let claims = [("WORKSPACE_CLAIM", "custom:workspace"), ("ROLE_CLAIM", "cognito:groups")];
    let all = claims.into_iter().chain([("SERVICE_SCOPE_PREFIX", "chat2pay/")]);
    all.fold(handlers.environment().clone(), |environment, (name, value)| environment.with(name, value))
}

#[tokio::test]
async fn a_client_of_the_user_pool_is_a_service_in_the_workspace_of_its_scope() {
    let handlers = Handlers::start().await;
    let environment = user_pool(&handlers);
    let (create, query, cancel) = (
        create::function(&environment).unwrap(),
        query::function(&environment).unwrap(),
        cancel::function(&environment).unwrap(),
    );
    let (bot, stranger) = (of_client("chat2pay/acme/service"), of_client("chat2pay/globex/service"));
    let order = order_for(&json!({ "id": "alice", "name": "Alice" }));
    let (status, request) = call(&*create, CREATE, &bot, "", &order).await;
    assert_eq!((status, &request["workspace"]), (201, &json!("acme")), "{request}");
    let service = json!({ "type": "service", "id": "5example6client7id8" });
    assert_eq!((&request["agent"]["id"], &request["history"][0]["actor"]), (&json!("alice"), &service));

    assert_eq!(call(&*query, READ, &bot, id(&request), &Value::Null).await, (200, request.clone()));
    assert_eq!(call(&*query, READ, &stranger, id(&request), &Value::Null).await.0, 404);
    // The same agent, as a person in the same pool.
    let alice = json!({ "sub": "alice", "name": "Alice", "custom:workspace": "acme", "cognito:groups": "[agent]",
        "aud": "4example5desk6client7", "token_use": "id" });
    assert_eq!(call(&*query, READ, &alice, id(&request), &Value::Null).await, (200, request.clone()));
    assert_eq!(call(&*cancel, CANCEL, &stranger, id(&request), &Value::Null).await.0, 404);
    let (status, canceled) = call(&*cancel, CANCEL, &bot, id(&request), &Value::Null).await;
    assert_eq!((status, &canceled["history"][1]["actor"]), (200, &service), "{canceled}");
}

#[tokio::test]
async fn a_client_without_the_scope_of_exactly_one_workspace_is_forbidden_and_calls_nobody() {
    let handlers = Handlers::start().await;
    let create = create::function(&user_pool(&handlers)).unwrap();
    let without = create::function(handlers.environment()).unwrap();
    let order = order_for(&json!({ "id": "alice", "name": "Alice" }));
    let of_one = of_client("chat2pay/acme/service");
    let mut of_a_person = of_one.clone();
    of_a_person["sub"] = json!("alice");
    let of_two = of_client("chat2pay/acme/service chat2pay/globex/service");
    for (function, claims) in [
        (&create, &of_client("chat2pay/acme/read")),
        (&create, &of_client("")),
        (&create, &of_two),
        (&create, &of_a_person),
        // Without the variable, no scope is read.
        (&without, &of_one),
    ] {
        let (status, problem) = call(&**function, CREATE, claims, "", &order).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{claims}");
    }
    assert_eq!(handlers.proxy.take_calls().len(), 0);
}
