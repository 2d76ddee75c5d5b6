//! Stand-ins for the channels' interfaces, built from their documentation, with outcomes that a test decides. Each
//! interface checks the caller's credentials and the form of the call, as the real one does.

use crate::examples::header_lines;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The token or API key that every interface accepts.
pub const TOKEN: &str = "EAAJB-test-token-1_2==";

/// How a channel answers the next message.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The channel accepts the message and delivers it.
    Taken,
    /// The channel accepts the message and delivers it, but its answer is lost.
    AnswerLost,
    /// The channel works on the message until [`Channels::release`] is called, and then delivers it. A message whose
    /// sender has stopped waiting is not delivered.
    Held,
    /// The channel rejects the message with this status and body.
    Refused(u16, Value),
}

/// One text message that a phone received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The recipient's number in E.164 form.
    pub to: String,
    /// The message text.
    pub text: String,
    /// The whole body of the call.
    pub body: Value,
    /// The headers of the call, as [`header_lines`] formats them.
    pub headers: Vec<String>,
}

#[derive(Default)]
struct Ledger {
    replies: VecDeque<Reply>,
    always: Option<Reply>,
    calls: Vec<Value>,
    received: Vec<Received>,
}

/// The running channels, all at one address.
pub struct Channels {
    /// The address that they listen on.
    pub url: String,
    ledger: Arc<Mutex<Ledger>>,
    released: watch::Sender<bool>,
}

#[derive(Clone)]
struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    released: watch::Receiver<bool>,
}

impl Channels {
    /// Starts the channels on a free port.
    pub async fn start() -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (released, receiver) = watch::channel(false);
        let shared = Shared { ledger: Arc::clone(&ledger), released: receiver };
        let url = crate::serve(Router::new().fallback(call).with_state(shared)).await;
        Self { url, ledger, released }
    }

    /// Delivers the messages that are held, and those that will be.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// Waits until this many calls have been made.
    pub async fn wait_for_calls(&self, count: usize) {
        crate::system::eventually("the call to the channel", async || {
            let calls = self.calls();
            if calls >= count { Ok(()) } else { Err(format!("{calls} calls")) }
        })
        .await;
    }

    /// Sets the outcomes of the next messages, in order; messages after them are accepted.
    pub fn next(&self, replies: &[Reply]) {
        self.ledger.lock().unwrap().replies = replies.iter().cloned().collect();
    }

    /// Sets the outcome of every message, until it is set to `None`.
    pub fn always(&self, reply: Option<Reply>) {
        self.ledger.lock().unwrap().always = reply;
    }

    /// Returns the number of calls made so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.ledger.lock().unwrap().calls.len()
    }

    /// Returns the bodies of all calls so far, oldest first.
    #[must_use]
    pub fn calls_made(&self) -> Vec<Value> {
        self.ledger.lock().unwrap().calls.clone()
    }

    /// Returns the messages that phones received, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.ledger.lock().unwrap().received.clone()
    }
}

/// The result of reading a call: the message and the channel's answer, or the rejection.
type Read = Result<(Received, u16, Value), (u16, Value)>;

async fn call(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let Shared { ledger, mut released } = shared;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let made = body.clone();
    let read = match uri.path() {
        "/" => sms(&headers, body),
        "/v25.0/106540352242922/messages" => whatsapp(&headers, body),
        "/v1/message" => clickatell(&headers, body),
        "/chat" => chat(body),
        other => Err((404, json!({ "error": format!("nothing at {other}") }))),
    };
    let (received, status, answer, reply) = {
        let mut ledger = ledger.lock().unwrap();
        ledger.calls.push(made);
        let (received, status, answer) = match read {
            Ok((received, status, answer)) => {
                (Received { headers: header_lines(&headers), ..received }, status, answer)
            }
            Err((status, answer)) => return respond(status, &answer),
        };
        let reply = ledger.always.clone().or_else(|| ledger.replies.pop_front()).unwrap_or(Reply::Taken);
        (received, status, answer, reply)
    };
    match reply {
        Reply::Refused(status, answer) => return respond(status, &answer),
        Reply::Held => drop(released.wait_for(|released| *released).await),
        Reply::Taken | Reply::AnswerLost => {}
    }
    ledger.lock().unwrap().received.push(received);
    if let Reply::AnswerLost = reply {
        let cut = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        return Response::builder().header("content-length", "100").body(Body::from_stream(cut)).unwrap();
    }
    respond(status, &answer)
}

fn respond(status: u16, answer: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(answer.to_string()))
        .unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Builds an error of an AWS service that speaks the JSON 1.0 protocol.
#[must_use]
pub fn aws_error(kind: &str, details: Value) -> Value {
    let mut error = details;
    error["__type"] = format!("com.amazonaws.pinpointsmsvoicev2#{kind}").into();
    error["Message"] = "It is about +27831234567.".into();
    error
}

/// Reads a call of `SendTextMessage` to AWS End User Messaging SMS.
///
/// <https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html>
fn sms(headers: &HeaderMap, body: Value) -> Read {
    let authorization = header(headers, "authorization");
    if !authorization.starts_with("AWS4-HMAC-SHA256 ") || !authorization.contains("/us-east-1/sms-voice/aws4_request") {
        return Err((400, aws_error("UnrecognizedClientException", json!({}))));
    }
    if header(headers, "x-amz-target") != "PinpointSMSVoiceV2.SendTextMessage"
        || header(headers, "content-type") != "application/x-amz-json-1.0"
    {
        return Err((400, aws_error("UnknownOperationException", json!({}))));
    }
    let wrong = |field: &str| {
        let fields = json!([{ "Name": field, "Message": "wrong" }]);
        (400, aws_error("ValidationException", json!({ "Reason": "FIELD_VALIDATION_FAILED", "Fields": fields })))
    };
    let (to, message) = (text(&body["DestinationPhoneNumber"]), text(&body["MessageBody"]));
    if !to.starts_with('+') {
        return Err(wrong("DestinationPhoneNumber"));
    }
    if message.is_empty() || message.len() > 1_600 {
        return Err(wrong("MessageBody"));
    }
    if body.get("TimeToLive").is_some_and(|time| !(5..=259_200).contains(&time.as_i64().unwrap_or_default())) {
        return Err(wrong("TimeToLive"));
    }
    Ok((Received { to, text: message, body, headers: Vec::new() }, 200, json!({ "MessageId": "m-1" })))
}

/// Builds an error of Meta's Graph API.
#[must_use]
pub fn graph_error(code: i64) -> Value {
    json!({ "error": { "message": format!("(#{code}) about 27831234567"), "type": "OAuthException", "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": "about 27831234567" }, "fbtrace_id": "A1" } })
}

/// Reads a text message to WhatsApp's Cloud API.
///
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/text-messages/>
fn whatsapp(headers: &HeaderMap, body: Value) -> Read {
    if header(headers, "authorization") != format!("Bearer {TOKEN}") {
        return Err((401, graph_error(190)));
    }
    let (to, message) = (text(&body["to"]), text(&body["text"]["body"]));
    if body["messaging_product"] != "whatsapp" || body["type"] != "text" || message.is_empty() {
        return Err((400, graph_error(100)));
    }
    let number = to.trim_start_matches('+');
    let answer = json!({ "messaging_product": "whatsapp", "contacts": [{ "input": to, "wa_id": number }],
        "messages": [{ "id": "wamid.HBgL" }] });
    Ok((Received { to: format!("+{number}"), text: message, body, headers: Vec::new() }, 200, answer))
}

/// Builds the One API's rejection of a call's only message.
#[must_use]
pub fn clickatell_refusal(code: i64) -> Value {
    json!({ "messages": [{ "apiMessageId": null, "accepted": false, "to": "27831234567",
        "error": { "code": code, "description": "about 27831234567" } }], "error": null })
}

/// Reads a message to Clickatell's One API.
///
/// <https://guides.clickatell.com/clickatell-chat-commerce-platform/developer/channels/whatsapp-and-sms-one-api/api-reference/messages/send-messages>
fn clickatell(headers: &HeaderMap, body: Value) -> Read {
    if header(headers, "authorization") != TOKEN {
        let error = json!({ "code": 1, "description": "Invalid or missing integration API Key" });
        return Err((401, json!({ "messages": [], "error": error })));
    }
    let message = &body["messages"][0];
    let (to, content) = (text(&message["to"]), text(&message["content"]));
    if to.is_empty() || !to.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((400, clickatell_refusal(25)));
    }
    if content.is_empty() || !["sms", "whatsapp"].contains(&message["channel"].as_str().unwrap_or_default()) {
        return Err((400, clickatell_refusal(23)));
    }
    let taken = json!({ "apiMessageId": "77fb", "accepted": true, "to": to, "error": null });
    let received = Received { to: format!("+{to}"), text: content, body, headers: Vec::new() };
    Ok((received, 202, json!({ "messages": [taken], "error": null })))
}

/// The integrator's chat; signatures are not checked.
fn chat(body: Value) -> Read {
    let (to, message) = (text(&body["data"]["to"]), text(&body["data"]["text"]));
    if body["type"] != "message.requested" {
        return Err((400, json!({})));
    }
    Ok((Received { to, text: message, body, headers: Vec::new() }, 200, json!({})))
}
