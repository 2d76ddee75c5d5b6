//! Any bytes in any field, header, path, query or body of any route get a 4xx problem, the gateway's own refusal or the
//! customer's 404 page. They never cause a 5xx or change a stored request, and no answer reveals internals.

use http::{HeaderValue, Method};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tests::system::{Answer, Random, System, User, id, link, now, order, paid, phone, shifted, signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Words of the implementation that no answer may contain.
const INSIDE: &[&str] = &[
    "serde",
    "panick",
    "dynamo",
    "amazon",
    "aws",
    "lambda",
    "sqlite",
    "axum",
    "hyper",
    "reqwest",
    "unwrap",
    ".rs",
    "src/",
    " at line ",
    " column ",
    "backtrace",
    "stack",
    "expected value",
    "invalid type",
    "eof while",
];

/// Asserts what holds for every answer, whatever the request was.
fn assert_discreet(answer: &Answer, asked: &str) {
    assert!(answer.status < 500, "{asked}: {answer:?}");
    if answer.status < 400 {
        return;
    }
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    for word in INSIDE {
        assert!(!text.contains(word), "{word:?} in the answer to {asked}: {answer:?}");
    }
}

/// Asserts that the answer is a complete 4xx problem, the gateway's own refusal or one of the customer's pages.
fn assert_refused(answer: &Answer, asked: &str) {
    assert_discreet(answer, asked);
    assert!((400..500).contains(&answer.status), "{asked}: {answer:?}");
    match answer.header("content-type") {
        "application/problem+json" => {
            let problem: Value = serde_json::from_slice(&answer.body).unwrap();
            answer.problem(answer.status, problem["code"].as_str().unwrap());
        }
        "application/json" => answer.gateway(answer.status),
        "text/html; charset=utf-8" => assert!([404, 413].contains(&answer.status), "{asked}: {answer:?}"),
        other => panic!("{other:?} in the answer to {asked}: {answer:?}"),
    }
}

/// Posts these bytes as an order.
async fn post(user: &User<'_>, body: Vec<u8>) -> Answer {
    let request = user.request(Method::POST, "/payment-requests").header("content-type", "application/json");
    Answer::of(request.body(body)).await
}

async fn assert_nothing_stored(user: &User<'_>) {
    assert_eq!(user.list(&[]).await.json(), json!({ "items": [], "next_cursor": null }));
}

/// JSON pointers to every place of an order that takes a value.
pub(crate) const PLACES: &[&str] = &[
    "/order_number",
    "/amount",
    "/currency",
    "/customer",
    "/customer/phone",
    "/customer/name",
    "/customer/email",
    "/description",
    "/conversation_id",
    "/metadata",
    "/metadata/crm",
];

/// Returns an order as text, with `raw` in place of the value at `place`.
fn with_raw(place: &str, raw: &[u8]) -> Vec<u8> {
    const MARK: &str = "\"the-place\"";
    let mut order = order(&phone());
    order["customer"]["email"] = json!("thandi@example.com");
    *order.pointer_mut(place).unwrap() = json!("the-place");
    let text = order.to_string();
    let (before, after) = text.split_once(MARK).unwrap();
    [before.as_bytes(), raw, after.as_bytes()].concat()
}

#[tokio::test]
async fn no_field_accepts_a_value_that_is_invalid_everywhere() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000)).into_bytes();
    let mut wrong: Vec<Vec<u8>> = [
        // Not JSON.
        &b""[..],
        b"NaN",
        b"-",
        b"+1",
        b"01",
        b"1_000",
        b"0x10",
        b"1e",
        b".5",
        b"'x'",
        b"undefined",
        b"\"",
        b"\"\\x\"",
        b"\"\\ud800\"",
        b"\"\\u12\"",
        b"\"a\nb\"",
        b"\"a\0b\"",
        b"\"\xff\xfe\"",
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf5\x80\x80\x80\"",
        b"1e999",
        b"-1e999",
        b"{\"a\":1,\"a\":2}",
        b"1,\"amount\":1",
        // JSON that no field accepts.
        b"\"\\u0000\"",
        b"\"a\\u0000b\"",
        b"\"\\u001b[31m\"",
        b"\"\\u007f\"",
        b"\"\\u0085\"",
        b"\"\\r\\n\"",
        b"0",
        b"-0",
        b"-1",
        b"0.0",
        b"25000.0",
        b"25000.5",
        b"2.5e4",
        b"1e308",
        b"1e-1",
        b"5e-324",
        b"100000000",
        b"9223372036854775808",
        b"18446744073709551616",
        b"99999999999999999999999999999999",
        b"true",
        b"false",
        b"[]",
        b"[\"10045\"]",
        b"{\"a\":{\"b\":1}}",
        b"{\"\":\"x\"}",
        b"{\"a\":null}",
        b"{\"a\":[]}",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    wrong.extend([
        deep(100),
        deep(126),
        deep(129),
        deep(8_000),
        deep_objects,
        format!("\"{}\"", "x".repeat(10_000)).into_bytes(),
        format!("\"{}\"", "é".repeat(6_000)).into_bytes(),
        format!("\"{}\"", "\\u0000".repeat(2_000)).into_bytes(),
        format!("\"{}\"", "🎟".repeat(10_000)).into_bytes(),
        "9".repeat(10_000).into_bytes(),
        format!("0.{}", "0".repeat(10_000)).into_bytes(),
        format!("{{\"{}\":\"x\"}}", "k".repeat(10_000)).into_bytes(),
    ]);
    for place in PLACES {
        for raw in &wrong {
            let body = with_raw(place, raw);
            let asked = format!("{place} = {}", String::from_utf8_lossy(&raw[..raw.len().min(80)]));
            assert_refused(&post(&alice, body).await, &asked);
        }
    }
    // The same bytes as names of fields, at the top level and below.
    for raw in &wrong {
        let text = String::from_utf8_lossy(raw);
        let name = Value::String(text.into_owned()).to_string();
        for body in [
            order(&phone()).to_string().replacen('{', &format!("{{{name}:1,"), 1),
            order(&phone()).to_string().replacen("{\"name\"", &format!("{{{name}:1,\"name\""), 1),
        ] {
            let asked = body.chars().take(80).collect::<String>();
            // The answer may quote the name of an unknown field, but no more than its beginning.
            let answer = post(&alice, body.into_bytes()).await;
            assert!((400..500).contains(&answer.status), "{asked}: {answer:?}");
            assert!(answer.body.len() < 2_000, "{asked}: {answer:?}");
        }
    }
    assert_nothing_stored(&alice).await;
}

#[tokio::test]
async fn random_bytes_are_rejected_as_an_order() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut random = Random::new(0x5EED_0001);
    for round in 0..400 {
        let length = random.below(if round % 20 == 0 { 20_000 } else { 200 });
        let mut body = random.bytes(length);
        if round % 2 == 0 {
            body.insert(0, b'{');
        }
        assert_refused(&post(&alice, body).await, &format!("round {round}"));
    }
    assert_nothing_stored(&alice).await;
}

/// An order with bytes changed, removed or inserted may still be valid. Then it is stored as it was answered; otherwise
/// nothing is stored.
#[tokio::test]
async fn a_damaged_order_is_rejected_or_stored_as_it_was_answered() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut random = Random::new(0x5EED_0002);
    let (mut stored, mut refused) = (Vec::new(), 0);
    for round in 0..400 {
        let mut body = order(&phone()).to_string().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(body.len());
            match random.below(4) {
                0 => drop(body.remove(at)),
                1 => body.insert(at, random.bytes(1)[0]),
                2 => body[at] ^= 1 << random.below(8),
                _ => body.truncate(at.max(1)),
            }
        }
        let asked = String::from_utf8_lossy(&body).into_owned();
        let answer = post(&alice, body).await;
        if answer.status == 201 {
            stored.push(answer.json());
        } else {
            refused += 1;
            assert_refused(&answer, &format!("round {round}: {asked}"));
        }
    }
    assert!(refused > 100 && !stored.is_empty(), "{refused} of 400 rejected: too few to prove the rule");
    let mut found = alice.everything().await;
    let by_id = |requests: &mut Vec<Value>| requests.sort_by_key(|request| id(request).to_owned());
    by_id(&mut found);
    by_id(&mut stored);
    assert_eq!(found, stored);
}

/// Returns this many random bytes, limited to those that a header can hold.
fn header_bytes(random: &mut Random, count: usize) -> HeaderValue {
    let bytes = random.bytes(count).into_iter().map(|byte| if byte < 32 || byte == 127 { b'~' } else { byte });
    HeaderValue::from_bytes(&bytes.collect::<Vec<u8>>()).unwrap()
}

#[tokio::test]
async fn random_headers_break_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let body = paid(&sent, "pay_1", now()).to_string();
    let mut random = Random::new(0x5EED_0003);
    for length in [1, 2, 3, 7, 30, 100, 255, 256, 257, 1_000, 8_000] {
        for _ in 0..4 {
            let value = header_bytes(&mut random, length);
            let asked = format!("{value:?}");
            let authorization = [b"Bearer ", value.as_bytes()].concat();
            for value in [&value, &HeaderValue::from_bytes(&authorization).unwrap()] {
                let request = system.request(Method::GET, "/payment-requests").header("authorization", value);
                Answer::of(request).await.gateway(401);
            }
            let create = |name: &'static str| {
                let order = order(&phone()).to_string();
                let request = alice.request(Method::POST, "/payment-requests").body(order);
                let request =
                    if name == "content-type" { request } else { request.header("content-type", "application/json") };
                Answer::of(request.header(name, value.clone()))
            };
            assert_eq!(create("content-type").await.problem(415, "unsupported_media_type")["status"], 415, "{asked}");
            // A key of this many random bytes holds at least one that is not printable.
            if length >= 30 {
                assert_eq!(create("idempotency-key").await.bad_fields(), ["Idempotency-Key"], "{asked}");
            }
            for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
                let mut headers = signed("msg_1", now().as_milliseconds() / 1000, &body);
                headers.insert(name, value.clone());
                let answer = Answer::of(system.post_webhook("/webhooks/sandbox", &body).headers(headers)).await;
                assert_eq!(answer.problem(401, "unauthenticated")["status"], 401, "{name}: {asked}");
            }
            // Headers that no function reads change nothing.
            for name in [
                "accept",
                "accept-language",
                "cookie",
                "origin",
                "referer",
                "user-agent",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-http-method-override",
                "x-amzn-trace-id",
                "if-none-match",
                "range",
                "forwarded",
            ] {
                let (request, status) = match random.below(3) {
                    0 => (alice.request(Method::GET, &format!("/payment-requests/{}", id(&sent))), 200),
                    1 => (system.request(Method::GET, link(&sent)), 200),
                    _ => (system.request(Method::GET, "/payment-requests"), 401),
                };
                let answer = Answer::of(request.header(name, value.clone())).await;
                assert_discreet(&answer, &asked);
                assert_eq!(answer.status, status, "{name}: {asked}: {answer:?}");
            }
        }
    }
    assert_eq!(alice.listed(&[]).await.0, [id(&sent)]);
    assert_eq!(alice.read(id(&sent)).await, sent);
}

/// Percent-encodes every byte, so that none is changed on the way.
fn encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    })
}

#[tokio::test]
async fn a_malformed_path_reaches_no_other_route() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let token = link(&sent).rsplit('/').next().unwrap();
    let mut random = Random::new(0x5EED_0004);
    let mut wrong: Vec<String> = [
        "%2F",
        "%2e%2e%2f",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%0d%0a",
        "%FF",
        "%C0%AF",
        "%",
        "%2",
        "%zz",
        "%25%32%46",
        "'%20OR%20'1'='1",
        "{id}",
        "{token}",
        "$",
        "~",
        "🎟",
        "null",
        "undefined",
        "-1",
        "REQ%23",
        "LINK%23",
    ]
    .map(str::to_owned)
    .to_vec();
    wrong.extend([
        format!("{}%2Fcancel", id(&sent)),
        format!("{}%00", id(&sent)),
        format!("{}%20", id(&sent)),
        format!("%20{}", id(&sent)),
        id(&sent).to_uppercase(),
        format!("%7B{}%7D", id(&sent)),
        id(&sent).replace('-', ""),
        format!("REQ%23{}", id(&sent)),
        format!("LINK%23{token}"),
        format!("{token}%00"),
        format!("{token}%2Fx"),
        token.to_lowercase(),
        token.chars().rev().collect(),
        "x".repeat(5_000),
        "%00".repeat(2_000),
    ]);
    for _ in 0..60 {
        let length = 1 + random.below(60);
        wrong.push(encoded(&random.bytes(length)));
    }
    for path in wrong {
        for request in [
            alice.request(Method::GET, &format!("/payment-requests/{path}")),
            alice.request(Method::POST, &format!("/payment-requests/{path}/cancel")),
            system.request(Method::GET, &format!("/p/{path}")),
            system.request(Method::POST, &format!("/p/{path}")),
            system.post_webhook(&format!("/webhooks/{path}"), "{}"),
            system.request(Method::GET, &format!("/sandbox/checkouts/{path}")),
            system.request(Method::POST, &format!("/sandbox/checkouts/{path}/pay")).form(&[("outcome", "succeeded")]),
        ] {
            let answer = Answer::of(request).await;
            assert_refused(&answer, &path);
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
        }
        let head = Answer::of(system.request(Method::HEAD, &format!("/p/{path}"))).await;
        assert_eq!((head.status, head.body.len()), (404, 0), "{path}");
    }
    assert_eq!(alice.read(id(&sent)).await, sent);
}

#[tokio::test]
async fn a_malformed_query_finds_and_breaks_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut random = Random::new(0x5EED_0005);
    let mut wrong: Vec<String> = [
        "%00",
        "%FF",
        "%",
        "%zz",
        "%0d%0a",
        "'%20OR%201=1",
        "..",
        "%23",
        "a%23b",
        "1%202",
        "99999999999999999999999",
        "-1",
        "1.0",
        "2026-01-05T10:00:00%2B99:99",
        "2026-02-30",
        "0000-00-00",
        "9999-12-31T23:59:60Z",
        "+10000-01-01",
        "%F0%9F%8E%9F",
    ]
    .map(str::to_owned)
    .to_vec();
    wrong.extend(["x".repeat(4_000), "%41".repeat(1_300)]);
    // More than the gateway hands on.
    wrong.extend(["x".repeat(10_000), "A".repeat(30_000), "%41".repeat(10_000)]);
    for _ in 0..60 {
        let length = 1 + random.below(80);
        wrong.push(encoded(&random.bytes(length)));
    }
    for value in wrong {
        for name in ["agent", "status", "from", "to", "limit", "cursor", "colour"] {
            let path = format!("/payment-requests?{name}={value}");
            let answer = Answer::of(alice.request(Method::GET, &path)).await;
            // Any text may be an agent's name; unknown agents have an empty list.
            if name == "agent" && answer.status == 200 {
                assert_eq!(answer.json(), json!({ "items": [], "next_cursor": null }), "{path}");
            } else {
                assert_refused(&answer, &path);
            }
        }
        for path in [format!("/payment-requests?{value}"), format!("/payment-requests?{value}={value}")] {
            assert_refused(&Answer::of(alice.request(Method::GET, &path)).await, &path);
        }
        let path = format!("/local/messages?phone=x{value}");
        let answer = Answer::of(system.request(Method::GET, &path)).await;
        assert_discreet(&answer, &path);
        if answer.status == 200 {
            assert_eq!(answer.json(), json!([]), "{path}");
        }
    }
    for query in ["limit=1&limit=2", "cursor=x&cursor=y", "&&&=&=", "=", "limit[]=1", "limit=1;limit=2"] {
        assert_refused(&Answer::of(alice.request(Method::GET, &format!("/payment-requests?{query}"))).await, query);
    }
}

#[tokio::test]
async fn a_damaged_webhook_changes_nothing_beyond_its_content() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut random = Random::new(0x5EED_0006);
    let mut sent = alice.sent().await;
    let (mut accepted, mut unreadable) = (0, 0);
    for round in 0..250 {
        let mut body = paid(&sent, "pay_1", shifted(now(), -1_000)).to_string().into_bytes();
        for _ in 0..=random.below(2) {
            let at = random.below(body.len());
            match random.below(3) {
                0 => drop(body.remove(at)),
                1 => body.insert(at, b' ' + random.bytes(1)[0] % 95),
                _ => body[at] = b' ' + random.bytes(1)[0] % 95,
            }
        }
        let body = String::from_utf8(body).unwrap();
        let answer = system.webhook_as(&format!("msg_{round}"), &body).await;
        assert_discreet(&answer, &body);
        if answer.status != 200 {
            unreadable += 1;
            answer.problem(400, "malformed_body");
        }
        let request = alice.read(id(&sent)).await;
        if request != sent {
            // The webhook was accepted, so the damage was neither in the request's identifier nor in the money.
            accepted += 1;
            assert_eq!((answer.status, &request["status"]), (200, &json!("paid")), "{body}");
            let report: Value = serde_json::from_str(&body).unwrap();
            for name in ["amount", "currency"] {
                assert_eq!(report["data"][name], sent[name], "{body}");
            }
            assert_eq!(report["data"]["payment_request_id"], sent["id"], "{body}");
            assert_eq!(request["payment"]["reference"], report["data"]["payment_id"], "{body}");
            sent = alice.sent().await;
        }
    }
    assert!(
        accepted > 10 && unreadable > 10,
        "{accepted} accepted and {unreadable} malformed of 250: too few to prove the rule"
    );
    // Without a valid signature, the content is irrelevant.
    for _ in 0..60 {
        let length = random.below(2_000);
        let body = random.bytes(length);
        let request = system.request(Method::POST, "/webhooks/sandbox").header("content-type", "application/json");
        Answer::of(request.body(body)).await.problem(401, "unauthenticated");
    }
    assert_eq!(alice.read(id(&sent)).await, sent);
}

#[tokio::test]
async fn the_local_runners_own_routes_reject_malformed_input() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let checkout = system.click(link(&sent)).await;
    let before = alice.read(id(&sent)).await;
    let mut random = Random::new(0x5EED_0007);
    let mut bodies: Vec<Vec<u8>> = [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"{\"sub\":1}",
        b"{\"x\":\"y\"}",
        b"outcome",
        b"outcome=",
        b"outcome=maybe",
        b"outcome=succeeded&outcome=declined",
        b"\xff",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    bodies.push(vec![b'['; 50_000]);
    bodies.push(vec![b'x'; 100_000]);
    for _ in 0..30 {
        let length = random.below(300);
        bodies.push(random.bytes(length));
    }
    for body in bodies {
        let asked = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        for path in
            ["/local/token", "/local/phone", "/sandbox/checkouts", "/sandbox/refunds", &format!("{checkout}/pay")]
        {
            let request = system.request(Method::POST, path).header("content-type", "application/json");
            let answer = Answer::of(request.body(body.clone())).await;
            assert_refused(&answer, &format!("{path}: {asked}"));
        }
    }
    assert_eq!(alice.read(id(&sent)).await, before);
}

/// Sends these bytes, and returns what the server answers until it closes the connection or its first answer is
/// complete.
async fn raw(system: &System, bytes: &[u8]) -> String {
    let address = system.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close the connection before all bytes are sent.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Bytes that no HTTP client would send.
#[tokio::test]
async fn malformed_bytes_on_the_connection_break_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let token = format!("authorization: Bearer {}\r\n", alice.token);
    let get = |path: &[u8]| {
        [b"GET ", path, b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", token.as_bytes(), b"\r\n"].concat()
    };
    let post = |headers: &str, body: &[u8]| {
        let head = format!(
            "POST /payment-requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{token}\
             content-type: application/json\r\n{headers}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let many_headers = "x: 1\r\n".repeat(200);
    let mut requests = vec![
        b"\r\n\r\n".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"G\xffT / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"GET /p/x HTTP/1.1\r\nhost: x\r\nx: \0\r\n\r\n".to_vec(),
        b"GET /p/x HTTP/1.1\r\n bad\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /p/x HTTP/1.1\r\nhost\r\n\r\n".to_vec(),
        b"GET /p/x HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_vec(),
        b"GET /p/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx".to_vec(),
        b"lowercase /p/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        get(b"/payment-requests/\xff\xfe"),
        get(b"/payment-requests/../../etc/passwd"),
        get(b"//payment-requests"),
        get(b"/payment-requests/%2e%2e/%2e%2e"),
        get(b"/payment-requests/a\"b<c>`{d}|\\^"),
        get(b"/payment-requests?\xff=\xfe"),
        get(b"/payment-requests?status=\xc3\x28"),
        get(&[&b"/payment-requests/"[..], &vec![b'x'; 63_000]].concat()),
        get(&[&b"/payment-requests?cursor="[..], &vec![b'%'; 63_000]].concat()),
        get(&[&b"/payment-requests/"[..], &vec![0xff; 30_000]].concat()),
        get(&[&b"/"[..], &vec![b'/'; 20_000]].concat()),
        get(&[&b"/"[..], &vec![b'x'; 200_000]].concat()),
        post("content-length: 5\r\n", b"{\"a\""),
        post("content-length: 0\r\n", b""),
        post("", b""),
        post("transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked\r\n", b"2\r\n{}"),
        post("transfer-encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        post("transfer-encoding: chunked, gzip\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        post("content-encoding: gzip\r\ncontent-length: 2\r\n", b"{}"),
        post("expect: nonsense\r\ncontent-length: 2\r\n", b"{}"),
        post(&format!("{many_headers}content-length: 2\r\n"), b"{}"),
        post(&format!("x: {}\r\ncontent-length: 2\r\n", "y".repeat(600_000)), b"{}"),
        post("content-type: text/plain\r\ncontent-length: 2\r\n", b"{}"),
        post("idempotency-key: a\r\nidempotency-key: é\r\ncontent-length: 2\r\n", b"{}"),
    ];
    let mut random = Random::new(0x5EED_0008);
    for _ in 0..60 {
        let length = 1 + random.below(400);
        let mut bytes = random.bytes(length);
        bytes.extend(b"\r\n\r\n");
        requests.push(bytes);
    }
    let whole = get(format!("/payment-requests/{}", id(&sent)).as_bytes());
    let line = whole.iter().position(|byte| *byte == b'\r').unwrap();
    for _ in 0..60 {
        // A damaged first line leads to an unknown route, or at most to the route that was requested.
        let mut bytes = whole.clone();
        bytes[4 + random.below(line - 4)] = random.bytes(1)[0];
        requests.push(bytes);
    }
    for bytes in requests {
        let asked = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let answer = raw(&system, &bytes).await;
        if answer.is_empty() {
            // The server closed the connection without an answer.
            continue;
        }
        let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let status = status.unwrap_or_else(|| panic!("{asked:?}: {answer:?}"));
        let unchanged = status == 200 && answer.contains(id(&sent));
        assert!((400..500).contains(&status) || unchanged, "{asked:?}: {answer}");
        let lower = answer.to_ascii_lowercase();
        for word in INSIDE {
            assert!(!lower.contains(word), "{word:?} in the answer to {asked:?}: {answer}");
        }
    }
    assert_eq!(alice.listed(&[]).await.0, [id(&sent)]);
    assert_eq!(alice.read(id(&sent)).await, sent);
}

/// Valid texts with a special meaning in some format are returned unchanged everywhere.
#[tokio::test]
async fn unusual_but_valid_texts_are_stored_unchanged() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for text in [
        "'; DROP TABLE requests; --",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "%s%n",
        "../../etc/passwd",
        "=1+1",
        "#",
        "null",
        "Ω≈ç√∫",
        "𝕏",
        "日本語",
        "עברית",
        "🏳️‍🌈",
    ] {
        let mut body = order(&phone());
        body["order_number"] = "10045".into();
        body["customer"]["name"] = text.into();
        body["description"] = text.into();
        body["metadata"] = json!({ text: text });
        let sent = alice.sent_as(&body).await;
        for name in ["customer", "description", "metadata"] {
            assert_eq!(sent[name], body[name], "{text}");
        }
        assert_eq!(alice.read(id(&sent)).await, sent);
        let events = system.wait_for_events(id(&sent), 1).await;
        assert_eq!(events[0]["detail"]["metadata"], body["metadata"], "{text}");
        assert_eq!(system.page(Method::GET, link(&sent)).await.status, 200, "{text}");
    }
}
