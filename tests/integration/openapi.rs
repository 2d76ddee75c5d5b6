//! The description of the HTTP API, `events/openapi.json`: it is what the code says, it has every route of the
//! template, its examples are valid, and what fits it is accepted. That every answer is as described is checked where
//! the tests read answers ([`tests::openapi::conformance`]).

use crate::bad_input::PLACES;
use domain::{ConversationId, OrderNumber};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::str::FromStr;
use tests::openapi::conformance::{check, compiled, validate};
use tests::openapi::{ANY_METHOD, FILE, assert_committed, description, resolved};
use tests::system::{System, order, phone};

/// Returns every operation with its route's key, as the template writes it.
fn operations() -> Vec<(String, Value)> {
    let description = description();
    let items = description["paths"].as_object().unwrap().iter();
    let named = items.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (format!("{} {path}", method.to_ascii_uppercase()), operation.clone()))
    });
    let any = description[ANY_METHOD].as_object().unwrap().iter();
    named.chain(any.map(|(path, operation)| (format!("ANY {path}"), operation.clone()))).collect()
}

/// Returns the schema of a create's body.
fn new_request() -> Value {
    description()["components"]["schemas"]["NewPaymentRequest"].clone()
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

#[test]
fn the_committed_description_is_what_the_code_says() {
    assert_committed(FILE, &description());
}

#[test]
fn the_description_has_the_routes_of_the_template_and_their_authorizers() {
    let described: BTreeSet<String> = operations().into_iter().map(|(route, _)| route).collect();
    let routes: BTreeSet<String> = local::routes().unwrap().into_iter().collect();
    assert_eq!(described, routes);
    let protected = operations().into_iter().filter(|(_, operation)| {
        let security = operation["security"].as_array().unwrap();
        assert!(security.is_empty() || *security == [json!({ "token": [] })], "{operation}");
        !security.is_empty()
    });
    let protected: BTreeSet<String> = protected.map(|(route, _)| route).collect();
    assert_eq!(protected, local::authorized_routes().unwrap().into_iter().collect());
}

#[test]
fn the_parameters_of_a_path_are_those_in_it() {
    for (route, operation) in operations() {
        let (_, path) = route.split_once(' ').unwrap();
        let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let named: BTreeSet<&str> = named.map(|name| name.trim_end_matches('+')).collect();
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let described = parameters.iter().filter(|parameter| parameter["in"] == "path");
        let described: BTreeSet<&str> = described.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(described, named, "{route}");
    }
}

#[test]
fn every_operation_has_examples_and_each_is_valid() {
    let description = description();
    for (route, operation) in operations() {
        let mut shown = 0;
        let mut hold = |place: &str, content: &Value| {
            for (media_type, content) in content.as_object().into_iter().flatten() {
                for (name, example) in content["examples"].as_object().into_iter().flatten() {
                    let name = format!("{route} {place} {media_type} {name}");
                    let example = resolved(&description, example);
                    validate(&name, &content["schema"], &example["value"]).unwrap();
                    shown += 1;
                }
            }
        };
        if let Some(body) = operation.get("requestBody") {
            hold("request", &body["content"]);
            assert!(body["content"]["application/json"]["examples"].is_object(), "{route}");
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            hold(status, &resolved(&description, response)["content"]);
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                let name = format!("{route} {}", parameter["name"]);
                validate(&name, &parameter["schema"], example).unwrap();
            }
        }
        // The answers to a HEAD have no bodies: only the gateway's own is shown.
        assert!(shown > 1 || route.starts_with("HEAD "), "{route} has no example");
        assert!(responses.keys().any(|status| status.starts_with(['2', '3', '4'])), "{route}");
    }
}

#[test]
fn every_problem_code_has_an_example() {
    let description = description();
    let mut shown = BTreeSet::new();
    for (_, operation) in operations() {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let examples = &response["content"]["application/problem+json"]["examples"];
            for (code, example) in examples.as_object().into_iter().flatten() {
                let example = resolved(&description, example);
                assert_eq!(example["value"]["code"], **code);
                assert_eq!(example["value"]["status"].to_string(), *status);
                shown.insert(code.clone());
            }
        }
    }
    assert_eq!(shown, crate::contract::PROBLEMS.map(str::to_owned).into());
}

fn answered(content_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap())])
}

#[test]
fn an_answer_that_is_not_described_is_noticed() {
    let get = |path: &str, status, content_type: &str, body: &Value| {
        check(&Method::GET, path, status, &answered(content_type), body.to_string().as_bytes())
    };
    let examples = operations();
    let (_, read) = examples.iter().find(|(route, _)| route == "GET /payment-requests/{id}").unwrap();
    let good = &read["responses"]["200"]["content"]["application/json"]["examples"]["sent"]["value"];
    let description = description();
    let problem = &description["components"]["examples"]["not_found"]["value"];
    let with = |name: &str, value: Value| {
        let mut other = good.clone();
        other[name] = value;
        other
    };
    assert_eq!(get("/payment-requests/x", 200, "application/json", good), Ok(()));
    assert_eq!(get("/payment-requests/x", 404, "application/problem+json", problem), Ok(()));
    let gateway = json!({ "message": "Not Found" });
    assert_eq!(get("/payment-requests/x/y/z", 404, "application/json", &gateway), Ok(()));
    assert_eq!(get("/payment-requests/x", 431, "application/json", &gateway), Ok(()));
    assert_eq!(get("/payment-requests/x", 404, "application/json", &gateway), Ok(()));
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("workspace");
    let mut conflict = problem.clone();
    conflict["code"] = "already_paid".into();
    for (status, content_type, body) in [
        (200, "application/json", &with("new_member", json!(1))),
        (200, "application/json", &with("amount", json!("1"))),
        (200, "application/json", &with("status", json!("lost"))),
        (200, "application/json", &with("created_at", json!("2026-01-05T10:00:00Z"))),
        (200, "application/json", &missing),
        (200, "text/html", good),
        (202, "application/json", good),
        (404, "application/problem+json", &conflict),
        (409, "application/problem+json", problem),
        (404, "application/json", problem),
        (404, "application/problem+json", &gateway),
        (418, "application/json", good),
    ] {
        assert!(get("/payment-requests/x", status, content_type, body).is_err(), "{status} {content_type}: {body}");
    }
    assert!(get("/payment-requests/x/y/z", 200, "application/json", &gateway).is_err());
    let headers = answered("application/json");
    let created = check(&Method::POST, "/payment-requests", 201, &headers, good.to_string().as_bytes());
    assert!(created.unwrap_err().contains("Location"));
}

#[tokio::test]
async fn a_field_that_has_to_be_there_is_missed() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let schema = new_request();
    let least = json!({
        "order_number": "1", "amount": 1, "currency": "ZAR", "customer": { "phone": phone() },
    });
    let required: BTreeSet<&str> =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(required, least.as_object().unwrap().keys().map(String::as_str).collect());
    assert_eq!(alice.create(&least).await.status, 201);
    for name in required {
        let mut body = least.clone();
        body.as_object_mut().unwrap().remove(name);
        let answer = alice.create(&body).await;
        assert_eq!(answer.bad_fields(), [name]);
        assert!(validate("NewPaymentRequest", &schema, &body).is_err(), "{name}");
    }
    let mut body = least.clone();
    body["customer"] = json!({});
    assert_eq!(alice.create(&body).await.bad_fields(), ["customer.phone"]);
    assert!(validate("NewPaymentRequest", &schema, &body).is_err());
}

/// Returns the shortest and the longest text that a schema allows, with a character of each kind.
fn bounds(schema: &Value) -> Vec<String> {
    let (least, most) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64().unwrap());
    let of = |length: u64| ["x", "€", "🎟"].iter().cycle().take(usize::try_from(length).unwrap()).copied().collect();
    vec![of(least), of(most)]
}

#[tokio::test]
async fn what_fits_the_bounds_is_accepted_and_what_exceeds_them_is_not() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let description = description();
    let schemas = &description["components"]["schemas"];
    let schema = |name: &str| &schemas[name];
    let mut bodies = Vec::new();
    let with = |path: &str, value: Value| {
        let mut body = order(&phone());
        *body.pointer_mut(path).unwrap() = value;
        (path.to_owned(), body)
    };
    for (path, name) in [
        ("/order_number", "NewOrderNumber"),
        ("/description", "NewDescription"),
        ("/conversation_id", "NewConversationId"),
        ("/customer/name", "NewCustomerName"),
    ] {
        for text in bounds(schema(name)) {
            bodies.push((with(path, json!(text)), true));
            bodies.push((with(path, json!(format!("{text}{}", "x".repeat(300)))), false));
        }
        if schema(name)["type"].is_array() {
            bodies.push((with(path, Value::Null), true));
        }
    }
    let amount = schema("Amount");
    for (bound, beyond) in [(&amount["minimum"], -1), (&amount["maximum"], 1)] {
        bodies.push((with("/amount", bound.clone()), true));
        bodies.push((with("/amount", json!(bound.as_i64().unwrap() + beyond)), false));
    }
    let metadata = schema("NewMetadata");
    let most = metadata["maxProperties"].as_u64().unwrap();
    let long = "x".repeat(usize::try_from(metadata["additionalProperties"]["maxLength"].as_u64().unwrap()).unwrap());
    let pairs = |count: u64| -> Value { (0..count).map(|index| (index.to_string(), json!("v"))).collect() };
    bodies.push((with("/metadata", pairs(most)), true));
    bodies.push((with("/metadata", pairs(most + 1)), false));
    bodies.push((with("/metadata", json!({ long.clone(): long.clone() })), true));
    bodies.push((with("/metadata", json!({ "a": format!("{long}x") })), false));
    bodies.push((with("/metadata", json!({ "": "v" })), false));
    for code in schema("NewCurrency")["enum"].as_array().unwrap() {
        bodies.push((with("/currency", code.clone()), true));
    }
    bodies.push((with("/currency", json!("DEM")), false));
    for ((path, body), fits) in bodies {
        let described = validate("NewPaymentRequest", schema("NewPaymentRequest"), &body);
        assert_eq!(described.is_ok(), fits, "{path}: {described:?}: {body}");
        let answer = alice.create(&body).await;
        assert_eq!(answer.status, if fits { 201 } else { 422 }, "{path}: {answer:?}: {body}");
    }
}

#[test]
fn the_patterns_of_texts_accept_the_characters_that_the_types_accept() {
    fn hold<T: FromStr>(name: &str) {
        let description = description();
        let schema = &description["components"]["schemas"][name];
        let (validator, mut later) = (compiled(schema), 0);
        let by_unicode = schema["pattern"].as_str().unwrap().contains(r"\p{");
        for character in ('\0'..=char::MAX).filter(|character| u32::from(*character) < 0x3_0000) {
            let text = format!("a{character}a");
            let (described, accepted) = (validator.is_valid(&json!(text)), text.parse::<T>().is_ok());
            // Whoever reads the pattern may know an older version of Unicode, to which a character is not assigned.
            later += usize::from(by_unicode && accepted && !described);
            assert!(
                described == accepted || (by_unicode && accepted),
                "{name}: {text:?} U+{:04X}",
                u32::from(character)
            );
        }
        assert!(later < 10_000, "{name}: {later} characters that are accepted do not fit");
    }
    hold::<OrderNumber>("NewOrderNumber");
    hold::<ConversationId>("NewConversationId");
    hold::<domain::text::CustomerName>("NewCustomerName");
    hold::<domain::Description>("NewDescription");
    hold::<domain::people::AgentId>("AgentId");
    hold::<domain::WorkspaceId>("WorkspaceId");
    hold::<domain::IdempotencyKey>("IdempotencyKey");
}

#[test]
fn the_pattern_of_an_email_address_accepts_what_the_type_accepts() {
    let validator = compiled(&description()["components"]["schemas"]["NewEmailAddress"]);
    assert!(validator.is_valid(&json!("")) && validator.is_valid(&json!(null)), "empty counts as missing");
    let long = |local: usize, label: usize| format!("{}@{}.example", "a".repeat(local), "b".repeat(label));
    let mut texts: Vec<String> = [
        "thandi@example.com",
        "o'neill+pay@mail.example.co.za",
        "a.b-c_d@x-1.example",
        "a@b",
        "@example.com",
        "thandi@",
        "thandi@@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-b.example",
        "a@b-.example",
        "a@b..example",
        "a@.example",
        "a@b.example.",
        "a b@example.com",
        "\"a b\"@example.com",
        "a@[127.0.0.1]",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([long(64, 63), long(65, 63), long(64, 64)]);
    let of_length = |length: usize| format!("a@{}{}", "b.".repeat((length - 4) / 2), "c".repeat(2 + length % 2));
    texts.extend([254, 255, 256].map(of_length));
    texts.extend((' '..='\u{17f}').map(|character| format!("a{character}a@example.com")));
    texts.extend((' '..='\u{17f}').map(|character| format!("a@b{character}b.example")));
    for text in texts {
        assert_eq!(validator.is_valid(&json!(text)), text.parse::<domain::EmailAddress>().is_ok(), "{text:?}");
    }
}

#[test]
fn the_body_is_described_field_by_field() {
    let schema = new_request();
    assert_eq!(schema["additionalProperties"], false);
    let customer = &description()["components"]["schemas"]["NewCustomer"];
    assert_eq!(customer["additionalProperties"], false);
    let of_body = properties(&schema).keys().map(|name| format!("/{name}"));
    let of_customer = properties(customer).keys().map(|name| format!("/customer/{name}"));
    // Only a service names an agent. Metadata has the names that the integrator chooses.
    let described: BTreeSet<String> = of_body.chain(of_customer).filter(|place| place != "/agent").collect();
    let read = PLACES.iter().filter(|place| !place.starts_with("/metadata/")).map(|place| (*place).to_owned());
    assert_eq!(described, read.collect(), "a person's order has every field but the agent");
}
