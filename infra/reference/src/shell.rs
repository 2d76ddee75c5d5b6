//! The commands that try each operation on one machine. A reader pastes them from the top of the page to its bottom, in
//! one shell: what a command learns is in variables for those that follow.

use serde_json::Value;
use std::fmt::Write as _;

/// A block of commands.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// The name by which tests find it.
    pub(crate) name: String,
    pub(crate) title: &'static str,
    pub(crate) text: String,
    /// What it prints, if that has to be explained.
    pub(crate) prints: String,
}

/// How an operation is tried.
struct Way {
    operation: &'static str,
    /// The variable of the token, if the operation needs one.
    token: &'static str,
    /// The address of the call, where it is another one than the path's.
    address: &'static str,
    /// Parameters of the query.
    query: &'static [(&'static str, &'static str)],
    /// The body, where it is another one than the description's example. It may have variables.
    body: &'static str,
    /// What the commands below need of the answer: a variable, and the pattern of the member that has its value.
    keeps: &'static [(&'static str, &'static str)],
    shows: Shows,
}

/// What a command shows of the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Body,
    Headers,
    /// The address that the answer leads to.
    Redirect,
    /// The status alone, which is this one: the body is a page, or nothing.
    Status(u16),
    /// The status of a call without the signature that only the other side can make.
    Unsigned,
}

/// The title of a block for the usual caller.
const TITLE: &str = "Try it on one machine";

const fn way(operation: &'static str, token: &'static str, address: &'static str, shows: Shows) -> Way {
    Way { operation, token, address, query: &[], body: "", keeps: &[], shows }
}

/// Every operation in the order in which a reader pastes them.
const WAYS: [Way; 27] = [
    Way {
        keeps: &[("ID", r#""id":"[0-9a-f-]\{36\}""#), ("LINK", r#""url":"[^"]*""#)],
        ..way("createPaymentRequest", "TOKEN", "", Shows::Body)
    },
    way("readPaymentRequest", "TOKEN", "$BASE/payment-requests/$ID", Shows::Body),
    Way { query: &[("status", "sent"), ("limit", "5")], ..way("listPaymentRequests", "TOKEN", "", Shows::Body) },
    way("cancelPaymentRequest", "TOKEN", "$BASE/payment-requests/$ID/cancel", Shows::Body),
    way("createLiveTicket", "TOKEN", "", Shows::Body),
    Way { query: &[("include", "days")], ..way("reportAgents", "SUPERVISOR", "", Shows::Body) },
    Way {
        // On one machine an endpoint may be on that machine.
        body: r#"{"url":"http://127.0.0.1:9/chat2pay/$RANDOM","description":"CRM"}"#,
        keeps: &[("ENDPOINT", r#""id":"whe_[^"]*""#)],
        ..way("registerWebhookEndpoint", "SUPERVISOR", "", Shows::Body)
    },
    way("listWebhookEndpoints", "SUPERVISOR", "", Shows::Body),
    way("rotateWebhookSecret", "SUPERVISOR", "$BASE/webhook-endpoints/$ENDPOINT/rotate-secret", Shows::Body),
    Way {
        query: &[("limit", "5")],
        ..way("listWebhookDeliveries", "SUPERVISOR", "$BASE/webhook-endpoints/$ENDPOINT/deliveries", Shows::Body)
    },
    Way {
        body: r#"{"since":"$(date -u +%Y-%m-%d)"}"#,
        ..way("replayWebhooks", "SUPERVISOR", "$BASE/webhook-endpoints/$ENDPOINT/replay", Shows::Status(202))
    },
    way("removeWebhookEndpoint", "SUPERVISOR", "$BASE/webhook-endpoints/$ENDPOINT", Shows::Status(204)),
    way("showPage", "", "$LINK", Shows::Status(200)),
    way("showPageHead", "", "$LINK", Shows::Headers),
    way("press", "", "$LINK", Shows::Redirect),
    way("check", "", "$LINK/check", Shows::Redirect),
    way("pageFile", "", "$BASE$(curl -sS \"$LINK\" | grep -o '/p/assets/[^\"]*')", Shows::Status(200)),
    way("noLink", "", "", Shows::Status(404)),
    way("brokenLink", "", "$BASE/p/a/b/c", Shows::Status(404)),
    Way { body: "{}", ..way("paymentWebhook", "", "$BASE/webhooks/sandbox", Shows::Unsigned) },
    Way { body: "{}", ..way("deliveryReport", "", "$BASE/delivery-reports/webhook", Shows::Unsigned) },
    way("verifyDeliveryReports", "", "$BASE/delivery-reports/webhook", Shows::Status(403)),
    way("desk", "", "", Shows::Status(200)),
    way("supervisor", "", "", Shows::Status(200)),
    way("signedIn", "", "", Shows::Status(200)),
    way("element", "", "", Shows::Redirect),
    way("deskFile", "", "$(curl -sS -o /dev/null -w '%{redirect_url}' \"$BASE/desk/element.js\")", Shows::Status(200)),
];

/// Returns the place of an operation on the page. Those that the list does not have come last.
pub(crate) fn place(operation: &str) -> usize {
    WAYS.iter().position(|way| way.operation == operation).unwrap_or(WAYS.len())
}

/// Returns whether the list has an operation.
#[cfg(test)]
pub(crate) fn has(operation: &str) -> bool {
    place(operation) < WAYS.len()
}

/// Returns the commands that sign in: an agent, a supervisor and a service.
pub(crate) fn sign_in(base_url: &str) -> Block {
    let text = format!(
        r#"BASE={base_url}
token() {{
  curl -sS --fail-with-body "$BASE/local/token" \
    -H 'content-type: application/json' -d "$1" |
    grep -o '"access_token": *"[^"]*"' | cut -d '"' -f 4
}}
TOKEN=$(token '{{"sub":"alice","name":"Alice",
  "role":"agent","workspace":"acme"}}')
SUPERVISOR=$(token '{{"sub":"sam","name":"Sam",
  "role":"supervisor","workspace":"acme"}}')
SERVICE=$(token '{{"sub":"crm-bot",
  "role":"service","workspace":"acme"}}')
echo "${{TOKEN:+Alice}} ${{SUPERVISOR:+Sam}} ${{SERVICE:+crm-bot}}""#
    );
    Block { name: "signIn".to_owned(), title: TITLE, text, prints: "The names of those who are signed in.".to_owned() }
}

/// Returns the commands that show what was put on the bus.
pub(crate) fn events() -> Block {
    let text = "curl -sS --fail-with-body \"$BASE/local/events\"".to_owned();
    Block {
        name: "events".to_owned(),
        title: TITLE,
        text,
        prints: "Every event since the runner's start, oldest first.".to_owned(),
    }
}

/// Returns the commands that try an operation.
pub(crate) fn operation(method: &str, path: &str, operation: &Value) -> Block {
    let name = operation["operationId"].as_str().unwrap_or_default();
    let secured = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
    let unknown = way("", if secured { "TOKEN" } else { "" }, "", Shows::Body);
    let way = WAYS.iter().find(|way| way.operation == name).unwrap_or(&unknown);
    let mut address = way.address.to_owned();
    if address.is_empty() {
        address = format!("$BASE{}", with_variables(path));
    }
    let text = curl(method, &address, way, operation);
    let prints = match way.shows {
        Shows::Unsigned => "`401`: the signature is missing, which only the sender can make.".to_owned(),
        Shows::Status(status) => format!("`{status}`, the status."),
        Shows::Redirect => "Where the answer leads.".to_owned(),
        Shows::Headers => "The headers of the answer.".to_owned(),
        Shows::Body if !way.keeps.is_empty() => {
            let variables: Vec<_> = way.keeps.iter().map(|(variable, _)| format!("`${variable}`")).collect();
            format!("The answer, of which the commands below use {}.", variables.join(" and "))
        }
        Shows::Body => String::new(),
    };
    Block { name: name.to_owned(), title: TITLE, text, prints }
}

/// Returns the commands by which a service tries an operation, if it sends another body than a person.
pub(crate) fn as_service(method: &str, path: &str, operation: &Value) -> Option<Block> {
    operation["requestBody"]["content"]["application/json"]["examples"].get("service")?;
    let name = format!("{}-service", operation["operationId"].as_str()?);
    let address = format!("$BASE{}", with_variables(path));
    let text = curl(method, &address, &way("", "SERVICE", "", Shows::Body), operation);
    Some(Block { name, title: "As a service, for an agent", text, prints: String::new() })
}

/// Returns a path with a shell variable for each parameter.
fn with_variables(path: &str) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => format!("${}", name.trim_end_matches('+').to_ascii_uppercase()),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Returns the body that a command sends, in quotation marks: its own, or the fullest example of the description that
/// the caller may send.
fn body(operation: &Value, way: &Way) -> Option<String> {
    if !way.body.is_empty() {
        return Some(format!("\"{}\"", way.body.replace('"', "\\\"")));
    }
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object()?;
    let fullest = if way.token == "SERVICE" { "service" } else { "whole" };
    let example = examples.get(fullest).or_else(|| examples.values().next())?;
    let text = serde_json::to_string_pretty(&example["value"]).ok()?;
    Some(format!("'{}'", text.replace('\'', "'\\''").replace('\n', "\n  ")))
}

/// Returns whether an operation takes a key that makes repeats harmless.
fn takes_key(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.into_iter().any(|parameter| parameter["name"] == "Idempotency-Key")
}

fn curl(method: &str, address: &str, way: &Way, operation: &Value) -> String {
    let mut lines = Vec::new();
    let options = match way.shows {
        Shows::Body => "-sS --fail-with-body",
        Shows::Headers => "-sS --head --fail",
        Shows::Redirect => "-sS -o /dev/null -w '%{redirect_url}\\n'",
        Shows::Status(_) | Shows::Unsigned => "-sS -o /dev/null -w '%{http_code}\\n'",
    };
    let body = body(operation, way);
    let mut first = format!("curl {options}");
    match (method, &body) {
        ("GET", _) if !way.query.is_empty() => first.push_str(" -G"),
        ("GET" | "HEAD", _) | ("POST", Some(_)) => {}
        // Every method: one that browsers do not use.
        ("ANY", _) => first.push_str(" -X PUT"),
        (other, _) => drop(write!(first, " -X {other}")),
    }
    lines.push(format!("{first} \"{address}\""));
    for (name, value) in way.query {
        lines.push(format!("-d {name}={value}"));
    }
    if !way.token.is_empty() {
        lines.push(format!("-H \"authorization: Bearer ${}\"", way.token));
    }
    if takes_key(operation) {
        lines.push("-H \"idempotency-key: order-10045-$(date +%s)$RANDOM\"".to_owned());
    }
    if let Some(body) = body {
        lines.push("-H 'content-type: application/json'".to_owned());
        lines.push(format!("-d {body}"));
    }
    let mut text = lines.join(" \\\n  ");
    if !way.keeps.is_empty() {
        text = format!("ANSWER=$({text})\necho \"$ANSWER\"");
        for (variable, pattern) in way.keeps {
            write!(text, "\n{variable}=$(echo \"$ANSWER\" |\n  grep -o '{pattern}' | cut -d '\"' -f 4)")
                .unwrap_or_default();
        }
    }
    text
}

/// Returns each parameter of the query that a command uses, after the name of its operation.
#[cfg(test)]
pub(crate) fn parameters() -> Vec<(&'static str, &'static str)> {
    WAYS.iter().flat_map(|way| way.query.iter().map(|(name, _)| (way.operation, *name))).collect()
}
