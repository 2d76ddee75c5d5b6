#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use super::*;
use std::collections::BTreeSet;

fn index(setting: &Setting) -> String {
    files(setting).unwrap().into_iter().find(|file| file.name == "index.html").unwrap().text
}

fn openapi() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Returns what stands between two texts, everywhere.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split_once(end).map(|(found, _)| found)).collect()
}

#[test]
fn every_operation_is_on_the_page_and_has_commands_of_its_own() {
    let page = index(&Setting::default());
    let openapi = openapi();
    let paths = openapi["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let operations = paths.chain(openapi["x-any-method"].as_object().unwrap().values());
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        assert!(shell::has(name), "{name} has no line in `WAYS` of infra/reference/src/shell.rs");
        assert!(page.contains(&format!("data-run=\"{name}\"")), "{name}");
    }
}

#[test]
fn a_command_uses_only_parameters_that_its_operation_has() {
    let openapi = openapi();
    for (name, parameter) in shell::parameters() {
        let items = openapi["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let operation = items.into_iter().find(|operation| operation["operationId"] == name).unwrap();
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|found| found["name"] == parameter), "{name} has no parameter {parameter}");
    }
}

#[test]
fn every_problem_event_and_webhook_is_on_the_page() {
    let page = index(&Setting::default());
    let openapi = openapi();
    for code in openapi["components"]["examples"].as_object().unwrap().keys() {
        assert!(page.contains(&format!("<code>{code}</code>")), "{code}");
    }
    let asyncapi: Value = serde_json::from_str(ASYNCAPI).unwrap();
    for message in asyncapi["components"]["messages"].as_object().unwrap().values() {
        assert!(page.contains(&format!("<code>{}</code>", message["name"].as_str().unwrap())), "{}", message["name"]);
    }
}

#[test]
fn every_status_is_explained() {
    let openapi = openapi();
    let described = openapi["components"]["schemas"]["Status"]["enum"].as_array().unwrap();
    let described: Vec<&str> = described.iter().filter_map(Value::as_str).collect();
    assert_eq!(STATUSES.map(|(status, _)| status), *described);
}

#[test]
fn every_link_within_the_page_leads_somewhere_and_every_anchor_is_there_once() {
    let page = index(&Setting::default());
    let anchors = between(&page, " id=\"", "\"");
    let all: BTreeSet<&str> = anchors.iter().copied().collect();
    let repeated: Vec<_> = all.iter().filter(|name| anchors.iter().filter(|other| other == name).count() > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    for link in between(&page, "href=\"#", "\"") {
        assert!(all.contains(link), "#{link} is not there");
    }
}

#[test]
fn the_page_loads_its_own_files_alone() {
    let setting = Setting { folder: "/docs/".to_owned(), ..Setting::default() };
    for (setting, folder) in [(Setting::default(), ""), (setting, "/docs/")] {
        let names: Vec<String> = files(&setting).unwrap().iter().map(|file| format!("{folder}{}", file.name)).collect();
        let page = index(&setting);
        let loaded =
            between(&page, "src=\"", "\"").into_iter().chain(between(&page, "<link rel=\"stylesheet\" href=\"", "\""));
        for address in loaded {
            assert!(names.iter().any(|name| name == address), "{address}");
        }
    }
}

#[test]
fn what_is_in_a_description_is_never_markup() {
    assert_eq!(
        html::inline("<b> & `<i>` [`Actor`]").to_string(),
        "&lt;b&gt; &amp; <code>&lt;i&gt;</code> <code>Actor</code>"
    );
    assert_eq!(
        html::inline("See (https://example.com/a). Then").to_string(),
        "See (<a href=\"https://example.com/a\">https://example.com/a</a>). Then"
    );
    let value = serde_json::json!({ "</pre>": "<script>" });
    let json = html::json(&value).to_string();
    assert!(!json.contains("</pre>") && !json.contains("<script>"), "{json}");
}

#[test]
fn a_description_has_paragraphs_and_lists() {
    assert_eq!(
        html::markdown("One.\n\n- a\n- `b`").to_string(),
        "<p>One.</p><ul><li>a</li><li><code>b</code></li></ul>"
    );
}

#[test]
fn fields_are_named_by_their_paths_with_their_kinds_and_limits() {
    let openapi = openapi();
    let schemas = Schemas::new(&openapi, &[]);
    let fields = schemas.fields(schemas.named("NewPaymentRequest"));
    let field = |path: &str| fields.iter().find(|field| field.path == path).unwrap();
    assert_eq!(field("customer.phone").kind, "string");
    assert!(field("customer.phone").required);
    assert_eq!(field("customer.name").kind, "string or null");
    assert!(!field("customer.name").required);
    let either = schemas.fields(schemas.named("WebhookReplay"));
    assert_eq!(
        either.iter().map(|field| (&*field.path, field.required)).collect::<Vec<_>>(),
        [("event_id", false), ("since", false)]
    );
    assert_eq!(field("amount").limits, ["1 to 99,999,999"]);
    assert_eq!(field("order_number").limits, ["1 to 64 characters"]);
    assert!(field("currency").folded.iter().any(|code| code == "ZAR"));
    assert_eq!(field("metadata").kind, "object of pairs or null");
    let request = schemas.fields(schemas.named("PaymentRequest"));
    assert!(request.iter().any(|field| field.path == "history[].actor.type" && field.values.len() == 5));
    let report = schemas.fields(schemas.named("Report"));
    assert!(report.iter().any(|field| field.path == "total.statuses.{name}.count"));
}

#[test]
fn a_member_that_a_condition_describes_has_its_fields() {
    let asyncapi: Value = serde_json::from_str(ASYNCAPI).unwrap();
    let schemas = Schemas::new(&asyncapi, &[]);
    let fields = schemas.fields(schemas.named("PaymentRequestStatusChanged"));
    let link = fields.iter().find(|field| field.path == "link").unwrap();
    assert_eq!(link.kind, "object or null");
    assert!(fields.iter().any(|field| field.path == "link.url"));
}

#[test]
fn a_command_sends_the_example_and_keeps_what_later_commands_need() {
    let operation = serde_json::json!({
        "operationId": "register", "security": [{ "token": [] }],
        "requestBody": { "content": { "application/json": {
            "examples": { "one": { "value": { "name": "it's" } } }
        } } },
    });
    let block = shell::operation("POST", "/things/{id}", &operation);
    assert_eq!(
        block.text,
        "curl -sS --fail-with-body \"$BASE/things/$ID\" \\\n  -H \"authorization: Bearer $TOKEN\" \\\n  \
         -H 'content-type: application/json' \\\n  -d '{\n    \"name\": \"it'\\''s\"\n  }'"
    );
    let openapi = openapi();
    let create = &openapi["paths"]["/payment-requests"]["post"];
    let block = shell::operation("POST", "/payment-requests", create);
    assert!(block.text.starts_with("ANSWER=$(curl "), "{}", block.text);
    assert!(block.text.contains("\nID=$("), "{}", block.text);
    assert_eq!(block.prints, "The answer, of which the commands below use `$ID` and `$LINK`.");
}
