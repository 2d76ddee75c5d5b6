//! Builds the event that an HTTP API makes of a request (payload format 2.0).
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use super::route::Match;
use crate::cloud::aws;
use crate::cloud::time::as_in_a_log;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use http::request::Parts;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use uuid::Uuid;

/// The parts of the event that do not come from the request.
pub(super) struct Context<'a> {
    /// The host and port of the runner, which replace the client's `Host` header.
    pub(super) authority: &'a str,
    pub(super) client: IpAddr,
    pub(super) now: Timestamp,
    pub(super) request_id: Uuid,
}

/// Builds the event's JSON text. `path` is the decoded path, as the event carries it. `claims` are those of a verified
/// token.
pub(super) fn event(
    parts: &Parts,
    path: &str,
    body: &[u8],
    found: &Match<'_>,
    claims: Option<Map<String, Value>>,
    &Context { authority, client, now, request_id }: &Context<'_>,
) -> String {
    let route_key = found.route.key();
    let query = parts.uri.query().unwrap_or_default();
    let headers = headers(&parts.headers, authority, client);
    let mut context = json!({
        "accountId": aws::ACCOUNT,
        "apiId": "local",
        "domainName": authority,
        "domainPrefix": "local",
        "http": {
            "method": parts.method.as_str(),
            "path": path,
            "protocol": format!("{:?}", parts.version),
            "sourceIp": client.to_string(),
            "userAgent": headers.get("user-agent").cloned().unwrap_or_default(),
        },
        "requestId": request_id.to_string(),
        "routeKey": route_key,
        "stage": "$default",
        "time": as_in_a_log(now),
        "timeEpoch": now.as_milliseconds(),
    });
    if let Some(claims) = claims {
        context["authorizer"] = json!({ "jwt": { "claims": claims, "scopes": null } });
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": false,
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    let parameters: BTreeMap<_, _> = found.parameters.iter().cloned().collect();
    if !parameters.is_empty() {
        event["pathParameters"] = json!(parameters);
    }
    let query_parameters = query_parameters(query);
    if !query_parameters.is_empty() {
        event["queryStringParameters"] = json!(query_parameters);
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&parts.headers) => event["body"] = text.into(),
            _ => {
                event["body"] = STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event.to_string()
}

/// Returns the headers by lower-case name; several values of one name are joined by commas. Headers in which the client
/// describes itself and its route are replaced by the actual values.
fn headers(given: &HeaderMap, authority: &str, client: IpAddr) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given {
        if name == header::COOKIE || name == header::TRANSFER_ENCODING || name == header::CONNECTION {
            continue;
        }
        join(&mut headers, name.as_str().to_owned(), &String::from_utf8_lossy(value.as_bytes()));
    }
    let port = authority.rsplit_once(':').map_or("80", |(_, port)| port);
    headers.insert("host".to_owned(), authority.to_owned());
    headers.insert("x-forwarded-for".to_owned(), client.to_string());
    headers.insert("x-forwarded-port".to_owned(), port.to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

/// Appends a value to the values of its name, separated by a comma.
fn join(values: &mut BTreeMap<String, String>, name: String, value: &str) {
    let joined = values.entry(name).and_modify(|joined| joined.push(',')).or_default();
    joined.push_str(value);
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.flat_map(|value| value.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()).collect()
}

/// Returns the decoded query parameters; several values of one name are joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    // Parsing cannot fail: every text is a valid query.
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    for (name, value) in pairs {
        join(&mut parameters, name, &value);
    }
    parameters
}

/// Returns whether a body of this content type is passed on as text. Any other body is passed on in base64. AWS does
/// not document these types; they are those of ministack, whose authors tried them.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || matches!(essence.as_str(), "application/json" | "application/xml" | "application/javascript")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::gateway::route::decoded;
    use crate::cloud::template::{Methods, Route};
    use http::{Method, Request};

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn made(request: http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let route = Route {
            methods: Methods::One(Method::POST),
            path: "/things/{id}".to_owned(),
            function: "thing".to_owned(),
            authorized: true,
        };
        let found = Match { route: &route, parameters: vec![("id", "a b".to_owned())] };
        let claims = json!({ "sub": "alice" }).as_object().cloned();
        let now = "2026-01-05T10:00:00.250Z".parse().unwrap();
        let context = Context { authority: "127.0.0.1:8080", client: CLIENT, now, request_id: Uuid::nil() };
        let path = decoded(parts.uri.path());
        serde_json::from_str(&event(&parts, &path, body, &found, claims, &context)).unwrap()
    }

    #[test]
    fn a_request_becomes_the_event_of_the_payload_format() {
        let request = Request::post("/things/a%20b?x=1&x=2&y=%20&z=a+b&n=")
            .header("Content-Type", "application/json; charset=utf-8")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .header("Cookie", "a=1; b=2")
            .header("Host", "evil.example\"")
            .header("X-Forwarded-Proto", "gopher");
        let event = made(request, br#"{"a":1}"#);
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "POST /things/{id}");
        assert_eq!(event["rawPath"], "/things/a b");
        assert_eq!(event["requestContext"]["http"]["path"], "/things/a b");
        assert_eq!(event["rawQueryString"], "x=1&x=2&y=%20&z=a+b&n=");
        assert_eq!(event["queryStringParameters"], json!({ "x": "1,2", "y": " ", "z": "a b", "n": "" }));
        assert_eq!(event["pathParameters"], json!({ "id": "a b" }));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["x-twice"], "1,2");
        assert_eq!(event["headers"]["host"], "127.0.0.1:8080");
        assert_eq!(event["headers"]["x-forwarded-proto"], "http");
        assert_eq!(event["body"], r#"{"a":1}"#);
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"], "alice");
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(event["requestContext"]["http"]["protocol"], "HTTP/1.1");
        assert_eq!(event["requestContext"]["time"], "05/Jan/2026:10:00:00 +0000");
        assert_eq!(event["requestContext"]["timeEpoch"], 1_767_607_200_250_i64);
    }

    #[test]
    fn a_binary_body_is_passed_on_in_base64() {
        let form = Request::post("/things/x").header("content-type", "application/x-www-form-urlencoded");
        let event = made(form, b"a=1");
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("YT0x"), &json!(true)));
        let broken = Request::post("/things/x").header("content-type", "text/plain");
        assert_eq!(made(broken, b"\xff")["isBase64Encoded"], true);
        assert_eq!(made(Request::post("/things/x"), b"a")["isBase64Encoded"], true);
    }

    #[test]
    fn absent_fields_are_omitted() {
        let event = made(Request::post("/things/x"), b"");
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(absent).is_none(), "{absent}");
        }
        assert_eq!(event["rawQueryString"], "");
    }
}
