//! A channel accepts a link and later reports that it did not arrive. The failure is then recorded once, however often
//! it is reported and over whatever route. Forged reports change nothing.

use adapters::ChannelName::{self, Clickatell, Sms, Webhook, WhatsApp};
use adapters::{ConfiguredReports, ReportedOutcome, UnknownPart};
use domain::{Clock as _, SystemClock, Timestamp};
use futures::future::join_all;
use runtime::hmac::hexadecimal;
use runtime::webhook::Secrets;
use runtime::{Environment, Function};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tests::channels::{Channels, Reply, TOKEN, clickatell_refusal};
use tests::examples::Examples;
use tests::handlers::{HandlerAnswer, Handlers};
use tests::log::Log;
use tests::proxy::Fault;

const CHAT_SECRET: &str = "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz";
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const VERIFY_TOKEN: &str = "a-text-of-our-own";

/// The handlers and a channel, with the functions `notify` and `delivery-report` configured for it.
pub(crate) struct Setting {
    channel: ChannelName,
    handlers: Arc<Handlers>,
    channels: Channels,
    notify: Box<dyn Function>,
    reports: Box<dyn Function>,
}

/// The state of a message that a channel reports, in its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The message is in flight.
    Sent,
    /// The message was delivered.
    Delivered,
    /// The message will not be delivered: the phone cannot be reached.
    Failed,
}

impl Setting {
    pub(crate) async fn of(channel: ChannelName) -> Self {
        Self::with(channel, Handlers::start().await).await
    }

    async fn with(channel: ChannelName, handlers: Arc<Handlers>) -> Self {
        let channels = Channels::start().await;
        let (whatsapp, chat) = (format!("{}/v25.0", channels.url), format!("{}/chat", channels.url));
        let settings = [
            ("CHANNEL", channel.as_str()),
            ("AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2", channels.url.as_str()),
            ("SMS_ORIGINATION_IDENTITY", "arn:aws:sms-voice:us-east-1:111122223333:pool/pool-0123456789abcdef"),
            ("SMS_CONFIGURATION_SET", "chat2pay-reports"),
            ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922"),
            ("WHATSAPP_ACCESS_TOKEN", TOKEN),
            ("WHATSAPP_API_URL", &whatsapp),
            ("WHATSAPP_APP_SECRET", APP_SECRET),
            ("WHATSAPP_VERIFY_TOKEN", VERIFY_TOKEN),
            ("CLICKATELL_API_KEY", TOKEN),
            ("CLICKATELL_CHANNEL", "sms"),
            ("CLICKATELL_API_URL", channels.url.as_str()),
            ("CHANNEL_WEBHOOK_URL", &chat),
            ("CHANNEL_WEBHOOK_SECRET", CHAT_SECRET),
        ];
        let (notify, reports) = (handlers.notify(&settings), handlers.delivery_reports(&settings));
        Self { channel, handlers, channels, notify, reports }
    }

    /// Creates a request whose link the channel accepts. Returns its identifier, the token of its link, and the
    /// channel's message.
    pub(crate) async fn accepted(&self) -> (String, String, Value) {
        let (id, token) = self.handlers.sent().await;
        let (_, event) = self.handlers.events(&id).await.pop().unwrap();
        self.run(&event).await;
        let message = self.channels.received().pop().unwrap().body;
        (id, token, message)
    }

    async fn run(&self, event: &Value) {
        self.notify.invoke(&json!({ "source": "chat2pay", "detail": event }).to_string()).await.unwrap();
    }

    /// Sends the channel's report on a message that it received.
    async fn report(&self, message: &Value, outcome: Outcome) {
        let body = report(self.channel, message, outcome);
        if self.channel == Sms {
            self.reports.invoke(&notification(&body)).await.unwrap();
        } else {
            let answer = self.post(&body).await;
            assert_eq!((answer.status, &answer.body), (200, &json!({})), "{}", self.channel);
        }
    }

    /// Sends this body as the channel, with the channel's signature.
    pub(crate) async fn post(&self, body: &Value) -> HandlerAnswer {
        let body = body.to_string();
        let headers = signed(self.channel, &body, SystemClock.now());
        self.handlers.report_delivery(&*self.reports, self.channel.as_str(), headers, &body).await
    }

    /// Returns the reason of each entry in a request's history.
    async fn reasons(&self, id: &str) -> Vec<Value> {
        let answer = self.handlers.get(id).await.body;
        answer["history"].as_array().unwrap().iter().map(|entry| entry["reason"].clone()).collect()
    }

    /// Asserts that the agent reads once why the link did not arrive, and that the failure is published once.
    async fn assert_failed(&self, id: &str, reason: &str) {
        assert_eq!(self.reasons(id).await, [Value::Null, reason.into()], "{}", self.channel);
        let answer = self.handlers.get(id).await.body;
        // The link stays valid.
        let mut examples = Examples::default();
        examples.assert(&format!("requests/undelivered-{reason}"), &answer);
        let events = self.handlers.events(id).await;
        crate::events::assert_valid("PaymentLinkDeliveryFailed", &events[1].1);
        let event = json!({ "detail-type": events[1].0, "detail": events[1].1 });
        examples.assert(&format!("events/undelivered-{reason}"), &event);
    }
}

/// Builds a channel's report on a message, in the format that its documentation shows. The report contains the
/// recipient's number.
pub(crate) fn report(channel: ChannelName, message: &Value, outcome: Outcome) -> Value {
    match channel {
        Sms => {
            let (kind, last) = match outcome {
                Outcome::Sent => ("TEXT_SENT", false),
                Outcome::Delivered => ("TEXT_DELIVERED", true),
                Outcome::Failed => ("TEXT_UNREACHABLE", true),
            };
            text_event(message, kind, last)
        }
        WhatsApp => match outcome {
            Outcome::Sent => statuses(&[status(message, "sent", None)]),
            Outcome::Delivered => statuses(&[status(message, "delivered", None)]),
            Outcome::Failed => statuses(&[status(message, "failed", Some(131_000))]),
        },
        Clickatell => {
            let (code, name) = match outcome {
                Outcome::Sent => (4, "SENT_TO_SUPPLIER"),
                Outcome::Delivered => (5, "DEVICE_ACK"),
                Outcome::Failed => (23, "DELIVERY_FAILURE"),
            };
            update(&message["messages"][0]["clientMessageId"], code, name)
        }
        Webhook => {
            let kind = if outcome == Outcome::Failed { "message.failed" } else { "message.delivered" };
            chat_report(
                kind,
                &json!({ "event_id": message["data"]["event_id"],
                "payment_request_id": message["data"]["payment_request_id"] }),
            )
        }
    }
}

/// Builds an event of AWS End User Messaging SMS
/// (<https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html>).
fn text_event(message: &Value, kind: &str, last: bool) -> Value {
    let mut event = json!({ "eventType": kind, "eventVersion": "1.0", "eventTimestamp": 1_686_975_103_470_i64,
        "isFinal": last, "originationPhoneNumber": "+12065550152", "destinationPhoneNumber": "+27831234567",
        "isoCountryCode": "ZA", "messageId": "m-1", "messageRequestTimestamp": 1_686_975_103_170_i64,
        "messageEncoding": "GSM", "messageType": "TRANSACTIONAL", "messageStatus": kind.trim_start_matches("TEXT_"),
        "messageStatusDescription": "in words", "totalMessageParts": 1, "totalMessagePrice": 0.09 });
    if let Some(context) = message.get("Context") {
        event["context"] = context.clone();
    }
    event
}

/// Wraps a text as Amazon SNS delivers it to Lambda (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>).
fn notification(message: &Value) -> String {
    let sns = json!({ "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:us-east-1:1:reports",
        "Message": message.to_string(), "Timestamp": "2026-01-05T10:00:00.000Z", "MessageAttributes": {} });
    json!({ "Records": [{ "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:us-east-1:1:reports:1",
        "EventSource": "aws:sns", "Sns": sns }] })
    .to_string()
}

/// Builds a WhatsApp status
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status>).
fn status(message: &Value, status: &str, error: Option<i64>) -> Value {
    let mut said = json!({ "id": "wamid.HBgL", "status": status, "timestamp": "1750857384",
        "recipient_id": "27831234567", "pricing": { "billable": true, "pricing_model": "PMP" } });
    if let Some(data) = message.get("biz_opaque_callback_data") {
        said["biz_opaque_callback_data"] = data.clone();
    }
    if let Some(code) = error {
        said["errors"] =
            json!([{ "code": code, "title": "t", "message": "m", "error_data": { "details": "27831234567" } }]);
    }
    said
}

fn statuses(all: &[Value]) -> Value {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "102290129340398", "changes": [{
        "field": "messages", "value": { "messaging_product": "whatsapp", "statuses": all, "metadata": {
            "display_phone_number": "15550783881", "phone_number_id": "106540352242922" } } }] }] })
}

/// Builds a status update of Clickatell's One API.
///
/// <https://guides.clickatell.com/clickatell-chat-commerce-platform/developer/channels/whatsapp-and-sms-one-api/api-reference/customer-callbacks>
fn update(client_message_id: &Value, code: i64, name: &str) -> Value {
    json!({ "integrationId": "fa80", "integrationName": "chat2pay", "event": { "messageStatusUpdate": [{
        "channel": "sms", "messageId": "3a89", "clientMessageId": client_message_id, "statusCode": code, "status": name,
        "timestamp": 1_506_607_698_000_i64, "to": "27831234567" }] } })
}

/// Builds a report of the integrator's chat, by `events/schemas/message.failed.schema.json`.
fn chat_report(kind: &str, data: &Value) -> Value {
    json!({ "type": kind, "timestamp": "2026-01-05T10:00:30.000Z", "data": data })
}

/// Returns the headers of a channel's report, with its signature.
fn signed(channel: ChannelName, body: &str, now: Timestamp) -> Value {
    let mut headers = json!({ "content-type": "application/json" });
    match channel {
        WhatsApp => {
            let signature = hexadecimal(APP_SECRET.as_bytes(), &[body.as_bytes()]);
            headers["x-hub-signature-256"] = format!("sha256={signature}").into();
        }
        Webhook => {
            for (name, value) in
                &Secrets::parse(CHAT_SECRET, "SECRET").unwrap().sign("report-1", body.as_bytes(), now).unwrap()
            {
                headers[name.as_str()] = value.to_str().unwrap().into();
            }
        }
        Sms | Clickatell => {}
    }
    headers
}

#[tokio::test]
async fn a_failed_link_is_recorded_once_however_often_it_is_reported() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, token, message) = setting.accepted().await;
        for outcome in [Outcome::Sent, Outcome::Failed, Outcome::Failed, Outcome::Delivered, Outcome::Failed] {
            setting.report(&message, outcome).await;
        }
        setting.assert_failed(&id, "undelivered").await;
        join_all((0..8).map(|_| setting.report(&message, Outcome::Failed))).await;
        setting.assert_failed(&id, "undelivered").await;
        // The link stays valid.
        assert_eq!(setting.handlers.click(&token).await.status, 303);
        tests::handlers::assert_possible(&setting.handlers.stored(&id).await);
    }
}

#[tokio::test]
async fn a_link_that_arrived_or_is_in_flight_adds_no_entry() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, _, message) = setting.accepted().await;
        setting.handlers.proxy.take_calls();
        setting.report(&message, Outcome::Sent).await;
        setting.report(&message, Outcome::Delivered).await;
        assert_eq!(setting.handlers.proxy.take_calls(), [], "{channel}: a report that changes nothing costs nothing");
        assert_eq!(setting.reasons(&id).await, [Value::Null], "{channel}");
    }
}

#[tokio::test]
async fn a_report_costs_one_write_unit() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (_, _, message) = setting.accepted().await;
        setting.handlers.proxy.take_calls();
        setting.report(&message, Outcome::Failed).await;
        let calls = setting.handlers.proxy.take_calls();
        let made: Vec<_> = calls.iter().map(|call| (call.operation.as_str(), call.units)).collect();
        assert_eq!(made, [("UpdateItem", 1.0)], "{channel}");
    }
}

#[tokio::test]
async fn the_recorded_reason_is_the_channels() {
    let setting = Setting::of(Sms).await;
    for (kind, reason) in &text_events() {
        let (id, _, message) = setting.accepted().await;
        // A failure at the carrier may be temporary, so an event that is not final changes nothing.
        setting.reports.invoke(&notification(&text_event(&message, kind, false))).await.unwrap();
        assert_eq!(setting.reasons(&id).await.len(), 1, "{kind}");
        setting.reports.invoke(&notification(&text_event(&message, kind, true))).await.unwrap();
        match reason {
            Some(reason) => setting.assert_failed(&id, reason).await,
            None => assert_eq!(setting.reasons(&id).await, [Value::Null], "{kind}"),
        }
    }
    let setting = Setting::of(WhatsApp).await;
    for (code, reason) in [
        (131_026, "not_on_channel"),
        (131_047, "outside_conversation_window"),
        (131_050, "recipient_opted_out"),
        (130_429, "channel_unavailable"),
        (131_049, "channel_refused"),
    ] {
        let (id, _, message) = setting.accepted().await;
        assert_eq!(setting.post(&statuses(&[status(&message, "failed", Some(code))])).await.status, 200);
        setting.assert_failed(&id, reason).await;
    }
    let setting = Setting::of(Clickatell).await;
    for (code, reason) in [
        (20, "undelivered"),
        (25, "channel_refused"),
        (29, "not_on_channel"),
        (100, "channel_refused"),
        (131, "outside_conversation_window"),
        (133, "channel_unavailable"),
    ] {
        let (id, _, message) = setting.accepted().await;
        assert_eq!(setting.post(&update(&message["messages"][0]["clientMessageId"], code, "x")).await.status, 200);
        setting.assert_failed(&id, reason).await;
    }
    let setting = Setting::of(Webhook).await;
    for failure in domain::DeliveryFailure::ALL {
        let (id, _, message) = setting.accepted().await;
        let mut report = report(Webhook, &message, Outcome::Failed);
        report["data"]["reason"] = failure.code().into();
        crate::events::assert_valid("message.failed", &report);
        assert_eq!(setting.post(&report).await.status, 200);
        setting.assert_failed(&id, failure.code()).await;
    }
}

/// Returns every type of event of AWS End User Messaging, with the reason that it means, if it means a failure. The
/// template's tests hold the same table against AWS's model of the service.
fn text_events() -> BTreeMap<String, Option<String>> {
    serde_json::from_str(include_str!("../template/text-events.json")).unwrap()
}

fn unknown(part: &'static str, value: &str) -> ReportedOutcome {
    ReportedOutcome::Unknown(UnknownPart { part, value: value.to_owned() })
}

#[tokio::test]
async fn an_event_of_a_new_type_is_ignored_and_known_as_such() {
    let setting = Setting::of(Sms).await;
    let (id, _, message) = setting.accepted().await;
    setting.handlers.proxy.take_calls();
    let event = text_event(&message, "TEXT_LOST_ON_THE_MOON", true);
    setting.reports.invoke(&notification(&event)).await.unwrap();
    assert_eq!(setting.handlers.proxy.take_calls(), []);
    assert_eq!(setting.reasons(&id).await, [Value::Null]);
    let reports = ConfiguredReports::new(&Environment::default().with("CHANNEL", Sms.as_str())).unwrap();
    let read = |event: &Value| reports.read_notification(&event.to_string()).unwrap();
    assert_eq!(read(&event), Some(unknown("eventType", "TEXT_LOST_ON_THE_MOON")));
    // A type is logged, so it never brings a number or a line break along.
    let strange = text_event(&message, "TEXT_27831234567\n", true);
    assert_eq!(read(&strange), Some(unknown("eventType", "?")));
    // The account may have other messages.
    assert_eq!(read(&text_event(&json!({}), "TEXT_LOST_ON_THE_MOON", true)), None);
    for kind in text_events().keys() {
        let outcome = read(&text_event(&message, kind, true));
        assert!(!matches!(outcome, Some(ReportedOutcome::Unknown(_))), "{kind}");
    }
}

#[tokio::test]
async fn a_failed_link_of_a_clicked_or_ended_request_adds_no_entry() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (clicked, token, message) = setting.accepted().await;
        setting.handlers.click(&token).await;
        setting.report(&message, Outcome::Failed).await;
        assert_eq!(setting.reasons(&clicked).await, [Value::Null, Value::Null], "{channel}");
        let (canceled, _, message) = setting.accepted().await;
        setting.handlers.cancel(&canceled).await;
        setting.report(&message, Outcome::Failed).await;
        assert_eq!(setting.reasons(&canceled).await, [Value::Null, Value::Null], "{channel}");
    }
    let setting = Setting::with(Sms, Handlers::with_limits(1, 900).await).await;
    let (id, _, message) = setting.accepted().await;
    let deadline = setting.handlers.stored(&id).await.deadline;
    tests::until(deadline).await;
    setting.report(&message, Outcome::Failed).await;
    assert_eq!(setting.handlers.stored(&id).await.version(), 1, "the report does not expire the request");
}

#[tokio::test]
async fn a_failure_that_a_run_has_recorded_is_not_recorded_again() {
    let setting = Setting::of(Clickatell).await;
    setting.channels.next(&[Reply::AnswerLost]);
    let (id, _, message) = setting.accepted().await;
    setting.assert_failed(&id, "delivery_unconfirmed").await;
    setting.report(&message, Outcome::Failed).await;
    setting.assert_failed(&id, "delivery_unconfirmed").await;
    // A rejection that the run has recorded is not replaced by a report that comes later. A message that was rejected
    // has no report of its own, so the report carries the mark that the message had.
    let (id, _) = setting.handlers.sent().await;
    let (_, event) = setting.handlers.events(&id).await.pop().unwrap();
    setting.channels.next(&[Reply::Refused(400, clickatell_refusal(25))]);
    setting.run(&event).await;
    setting.assert_failed(&id, "invalid_recipient").await;
    let rejected = setting.channels.calls_made().pop().unwrap();
    setting.handlers.proxy.take_calls();
    setting.report(&rejected, Outcome::Failed).await;
    let writes = setting.handlers.proxy.take_calls();
    assert_eq!(writes.len(), 1, "the report is about this request: {writes:?}");
    setting.assert_failed(&id, "invalid_recipient").await;
}

#[tokio::test]
async fn a_report_whose_write_is_lost_is_redelivered_and_counts_once() {
    for &channel in ChannelName::ALL {
        for fault in [Fault::AnswerLost, Fault::RequestLost] {
            let setting = Setting::of(channel).await;
            let (id, _, message) = setting.accepted().await;
            setting.handlers.proxy.fail_next_writes(&[fault]);
            setting.report(&message, Outcome::Failed).await;
            assert_eq!(setting.handlers.proxy.faults_left(), 0);
            setting.assert_failed(&id, "undelivered").await;
        }
        // The table is unavailable for longer: the channel is asked to try again.
        let setting = Setting::of(channel).await;
        let (id, _, message) = setting.accepted().await;
        setting.handlers.proxy.fail_next_writes(&[Fault::RequestLost; 4]);
        let body = report(channel, &message, Outcome::Failed);
        if channel == Sms {
            setting.reports.invoke(&notification(&body)).await.unwrap_err();
        } else {
            let answer = setting.post(&body).await;
            assert_eq!((answer.status, answer.code()), (503, "temporarily_unavailable"));
        }
        assert_eq!(setting.reasons(&id).await.len(), 1);
        setting.report(&message, Outcome::Failed).await;
        setting.assert_failed(&id, "undelivered").await;
    }
}

#[tokio::test]
async fn reports_on_other_texts_change_nothing() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, _, _) = setting.accepted().await;
        setting.handlers.cancel(&id).await;
        let (_, event) = setting.handlers.events(&id).await.pop().unwrap();
        setting.run(&event).await;
        let message = setting.channels.received().pop().unwrap().body;
        for mark in ["Context", "biz_opaque_callback_data"] {
            assert!(message.get(mark).is_none(), "{channel}: {message}");
        }
        assert!(message["messages"][0].get("clientMessageId").is_none(), "{channel}: {message}");
        setting.handlers.proxy.take_calls();
        setting.report(&message, Outcome::Failed).await;
        assert_eq!(setting.handlers.proxy.take_calls(), [], "{channel}");
    }
}

#[tokio::test]
async fn a_batch_of_reports_is_recorded_and_unrelated_ones_are_skipped() {
    let setting = Setting::of(WhatsApp).await;
    let (mut ids, mut all) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (id, _, message) = setting.accepted().await;
        all.push(status(&message, "failed", Some(131_026)));
        ids.push(id);
    }
    all.push(status(&json!({}), "failed", Some(131_026)));
    all.push(status(&json!({ "biz_opaque_callback_data": "another system's" }), "failed", Some(131_026)));
    all.push(status(
        &json!({ "biz_opaque_callback_data": domain::PaymentRequestId::new(&domain::Doors::default()).unwrap() }),
        "failed",
        Some(131_026),
    ));
    // The same body also reports 100 delivered messages, which makes it larger than any other route accepts.
    all.extend((0..100).map(|_| status(&json!({}), "delivered", None)));
    let mut body = statuses(&all);
    // The application also subscribes to other events.
    let changes = body["entry"][0]["changes"].as_array_mut().unwrap();
    changes.push(json!({ "field": "account_update", "value": { "event": "VERIFIED_ACCOUNT" } }));
    changes.push(json!({ "field": "messages", "value": { "messages": [{ "from": "27831234567", "type": "text" }] } }));
    assert!(body.to_string().len() > 16 * 1024);
    assert_eq!(setting.post(&body).await.status, 200);
    for id in ids {
        setting.assert_failed(&id, "not_on_channel").await;
    }
    let setting = Setting::of(Clickatell).await;
    let (id, _, message) = setting.accepted().await;
    let reply =
        json!({ "integrationId": "fa80", "event": { "moText": [{ "from": "27831234567", "content": "hello" }] } });
    assert_eq!(setting.post(&reply).await.status, 200);
    let mut together = update(&json!(null), 23, "DELIVERY_FAILURE");
    let updates = together["event"]["messageStatusUpdate"].as_array_mut().unwrap();
    // Identifiers of other systems, some of which look like ours.
    for foreign in ["another system's", "f6bbd7a4d0f04e0c8a4b5c3d2e1f0a9b"] {
        let mut other = update(&json!(foreign), 23, "DELIVERY_FAILURE");
        updates.push(other["event"]["messageStatusUpdate"][0].take());
    }
    let mut ours = report(Clickatell, &message, Outcome::Failed);
    updates.push(ours["event"]["messageStatusUpdate"][0].take());
    assert_eq!(setting.post(&together).await.status, 200);
    setting.assert_failed(&id, "undelivered").await;
}

#[tokio::test]
async fn a_report_may_contain_null_for_absent_fields() {
    for (channel, body) in [
        (WhatsApp, json!({ "entry": null })),
        (WhatsApp, json!({ "entry": [{ "changes": null }] })),
        (WhatsApp, json!({ "entry": [{ "changes": [{ "field": "messages", "value": null }] }] })),
        (WhatsApp, statuses(&[json!({ "status": "failed", "biz_opaque_callback_data": null, "errors": null })])),
        (WhatsApp, json!({ "entry": [{ "changes": [{ "field": "messages", "value": { "statuses": null } }] }] })),
        (Clickatell, json!({ "event": null })),
        (Clickatell, json!({ "event": { "messageStatusUpdate": null } })),
    ] {
        assert_eq!(Setting::of(channel).await.post(&body).await.status, 200, "{channel} {body}");
    }
    for name in ["context", "isFinal"] {
        let mut event = text_event(&json!({}), "TEXT_UNREACHABLE", true);
        event[name] = Value::Null;
        Setting::of(Sms).await.reports.invoke(&notification(&event)).await.unwrap();
    }
}

#[tokio::test]
async fn a_report_of_an_unknown_shape_does_not_affect_the_others() {
    let setting = Setting::of(WhatsApp).await;
    let (id, _, message) = setting.accepted().await;
    let ours = status(&message, "failed", Some(131_026));
    let strange = [json!(7), json!({ "status": { "of": "another kind" } }), json!({ "id": "wamid.x" })];
    let mut body = statuses(&[&strange[..], &[ours]].concat());
    let changes = body["entry"][0]["changes"].as_array_mut().unwrap();
    changes.insert(0, json!({ "field": "account_update", "value": [7] }));
    changes.insert(0, json!({ "value": { "statuses": [] } }));
    changes.insert(0, json!({ "field": "messages", "value": "of a new kind" }));
    body["entry"].as_array_mut().unwrap().insert(0, json!(7));
    assert_eq!(setting.post(&body).await.status, 200);
    setting.assert_failed(&id, "not_on_channel").await;
    let (id, _, message) = setting.accepted().await;
    let mut ours = status(&message, "failed", Some(131_026));
    ours["errors"] = json!([{ "code": "of a new kind" }]);
    assert_eq!(setting.post(&statuses(&[ours])).await.status, 200);
    setting.assert_failed(&id, "undelivered").await;
    let setting = Setting::of(Clickatell).await;
    let (id, _, message) = setting.accepted().await;
    let mut body = report(Clickatell, &message, Outcome::Failed);
    body["event"]["messageStatusUpdate"].as_array_mut().unwrap().insert(0, json!({ "status": "of a new kind" }));
    assert_eq!(setting.post(&body).await.status, 200);
    assert_eq!(setting.reasons(&id).await.len(), 2);
}

/// A change of a report on a link that did not arrive, how often something in it is counted as unknown, and the reason
/// that the agent reads all the same, if one.
type Unknown = (&'static str, usize, Option<&'static str>, fn(&mut Value));

fn replaced(value: &mut Value, path: &str, by: Value) {
    *value.pointer_mut(path).unwrap() = by;
}

const OF_WHATSAPP: &[Unknown] = &[
    ("nothing", 0, Some("undelivered"), |_| {}),
    ("a status of another version", 1, None, |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/status", json!("lost_on_the_moon"));
    }),
    ("a voice message's status", 0, None, |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/status", json!("played"));
    }),
    ("a status of another type", 1, None, |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/status", json!({ "of": "27831234567" }));
    }),
    ("an identifier of another type", 1, None, |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/biz_opaque_callback_data", json!(27_831_234_567_i64));
    }),
    ("a code of another type", 1, Some("undelivered"), |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/errors/0/code", json!("131026"));
    }),
    ("errors of another type", 1, Some("undelivered"), |body| {
        replaced(body, "/entry/0/changes/0/value/statuses/0/errors", json!("27831234567"));
    }),
    ("elements of another type beside it", 4, Some("undelivered"), |body| {
        body["entry"].as_array_mut().unwrap().extend([json!(7), json!({ "changes": "27831234567" })]);
        body["entry"][0]["changes"].as_array_mut().unwrap().push(json!("27831234567"));
        body["entry"][0]["changes"][0]["value"]["statuses"].as_array_mut().unwrap().push(json!([]));
    }),
    ("changes without a field or with a value of another type", 2, Some("undelivered"), |body| {
        let changes = [json!({ "value": {} }), json!({ "field": "messages", "value": [] })];
        body["entry"][0]["changes"].as_array_mut().unwrap().extend(changes);
    }),
    ("changes of other subscriptions, and statuses of other systems", 0, Some("undelivered"), |body| {
        let changes = [json!({ "field": "account_update", "value": [7] }), statuses(&[json!({ "status": 7 })])];
        body["entry"][0]["changes"].as_array_mut().unwrap().extend(changes.map(|mut change| {
            if change.get("entry").is_some() { change["entry"][0]["changes"][0].take() } else { change }
        }));
    }),
];

const OF_CLICKATELL: &[Unknown] = &[
    ("nothing", 0, Some("undelivered"), |_| {}),
    ("a code of another version", 1, None, |body| {
        replaced(body, "/event/messageStatusUpdate/0/statusCode", json!(15));
    }),
    ("a code of another type", 1, None, |body| {
        replaced(body, "/event/messageStatusUpdate/0/statusCode", json!("27831234567"));
    }),
    ("a code of another type without a mark, which may come from anybody", 0, None, |body| {
        replaced(body, "/event/messageStatusUpdate/0/statusCode", json!("x"));
        replaced(body, "/event/messageStatusUpdate/0/clientMessageId", json!("f6bbd7a4d0f04e0c8a4b5c3d2e1f0a9b"));
    }),
    ("elements of another type beside it, which may come from anybody", 0, Some("undelivered"), |body| {
        body["event"]["messageStatusUpdate"].as_array_mut().unwrap().push(json!(7));
    }),
];

const OF_SMS: &[Unknown] = &[
    ("nothing", 0, Some("undelivered"), |_| {}),
    ("a type of another version", 1, None, |event| event["eventType"] = json!("TEXT_LOST_ON_THE_MOON")),
    ("a type of another type", 1, None, |event| event["eventType"] = json!(27_831_234_567_i64)),
    ("no type", 1, None, |event| event["eventType"] = Value::Null),
    ("a finality of another type", 1, None, |event| event["isFinal"] = json!("yes")),
    ("a field that nobody reads", 0, Some("undelivered"), |event| event["messageStatus"] = json!([7])),
    ("a text in place of the event", 1, None, |event| *event = json!("+27831234567")),
];

#[tokio::test]
async fn what_a_report_says_that_is_unknown_is_counted_and_nothing_of_it_is_logged() {
    let (log, _guard) = Log::of_this_thread();
    for (channel, cases) in [(WhatsApp, OF_WHATSAPP), (Clickatell, OF_CLICKATELL), (Sms, OF_SMS)] {
        let setting = Setting::of(channel).await;
        for (case, count, reason, change) in cases {
            let (id, _, message) = setting.accepted().await;
            let mut body = report(channel, &message, Outcome::Failed);
            change(&mut body);
            log.clear();
            if channel == Sms {
                setting.reports.invoke(&notification(&body)).await.unwrap();
            } else {
                assert_eq!(setting.post(&body).await.status, 200, "{channel}: {case}");
            }
            let lines = log.take();
            assert_eq!(lines.matches("DeliveryReportUnknown").count(), *count, "{channel}: {case}: {lines}");
            assert_eq!(lines.matches("ERROR").count(), count + usize::from(reason.is_some()), "{case}: {lines}");
            assert!(!lines.contains("2783123"), "{channel}: {case}: {lines}");
            let reasons = [Value::Null].into_iter().chain(reason.map(Value::from));
            assert_eq!(setting.reasons(&id).await, reasons.collect::<Vec<_>>(), "{channel}: {case}");
        }
    }
}

#[tokio::test]
async fn a_notification_that_cannot_be_read_or_recorded_does_not_cost_the_others() {
    let (log, _guard) = Log::of_this_thread();
    let setting = Setting::of(Sms).await;
    let (first, _, message) = setting.accepted().await;
    let event = text_event(&message, "TEXT_UNREACHABLE", true);
    let (second, _, message) = setting.accepted().await;
    let batch: Vec<Value> = [event, json!("+27831234567"), text_event(&message, "TEXT_UNREACHABLE", true)]
        .iter()
        .map(|event| serde_json::from_str::<Value>(&notification(event)).unwrap()["Records"][0].take())
        .chain([json!(7), json!({ "Sns": { "Message": 27_831_234_567_i64 } }), json!({ "EventSource": "aws:sns" })])
        .collect();
    log.clear();
    // The first is not recorded, so that Lambda retries the batch.
    setting.handlers.proxy.fail_next_writes(&[Fault::RequestLost; 4]);
    let batch = json!({ "Records": batch }).to_string();
    setting.reports.invoke(&batch).await.unwrap_err();
    setting.assert_failed(&second, "undelivered").await;
    assert_eq!(setting.reasons(&first).await.len(), 1);
    let lines = log.take();
    assert_eq!(lines.matches("DeliveryReportUnknown").count(), 4, "{lines}");
    assert_eq!(lines.matches("delivery report left out: it cannot be read").count(), 4, "{lines}");
    assert!(!lines.contains("2783123"), "{lines}");
    setting.reports.invoke(&batch).await.unwrap();
    setting.assert_failed(&first, "undelivered").await;
    setting.assert_failed(&second, "undelivered").await;
}

#[tokio::test]
async fn a_signed_report_that_is_rejected_is_counted_and_an_unsigned_one_rings_nothing() {
    let (log, _guard) = Log::of_this_thread();
    for (channel, limit, counts) in [(Webhook, 256, 1), (WhatsApp, 3 * 1024, 1), (Clickatell, 256, 0)] {
        let setting = Setting::of(channel).await;
        let (_, _, message) = setting.accepted().await;
        let mut bodies = vec![("x".repeat(limit * 1024 + 1), 413, counts), ("no JSON".to_owned(), 400, counts)];
        if channel == Webhook {
            let mut body = report(channel, &message, Outcome::Failed);
            body["data"]["reason"] = "27831234567".into();
            bodies.push((body.to_string(), 422, 1));
        }
        for (body, status, counts) in bodies {
            let right = signed(channel, &body, SystemClock.now());
            let wrong = signed(channel, &body[1..], SystemClock.now());
            for (headers, counts, forged) in [(right, counts, false), (wrong, 0, channel != Clickatell)] {
                log.clear();
                let answer =
                    setting.handlers.report_delivery(&*setting.reports, channel.as_str(), headers, &body).await;
                let status = if forged && status != 413 { 401 } else { status };
                let lines = log.take();
                assert_eq!(answer.status, status, "{channel}: {lines}");
                assert_eq!(lines.matches("WebhookUnreadable").count(), counts, "{channel} {status}: {lines}");
                assert_eq!(lines.matches("ERROR").count(), counts, "{channel} {status}: {lines}");
                assert!(!lines.contains("2783123"), "{channel} {status}: {lines}");
            }
        }
    }
}

#[tokio::test]
async fn a_forged_report_changes_nothing() {
    for channel in [WhatsApp, Clickatell, Webhook] {
        let setting = Setting::of(channel).await;
        let (id, _, message) = setting.accepted().await;
        setting.handlers.proxy.take_calls();
        let calls = setting.channels.calls();
        let mut body = report(channel, &message, Outcome::Failed);
        if channel == Clickatell {
            // A mark forged for another request from this one's identifier, and a mark with one bit flipped.
            let mark = body["event"]["messageStatusUpdate"][0]["clientMessageId"].as_str().unwrap().to_owned();
            assert_eq!(mark.len(), 32);
            let other = if &mark[12..13] == "x" { "y" } else { "x" };
            for forged in [format!("{}AAAAAAAAAA", &mark[..22]), format!("{}{other}{}", &mark[..12], &mark[13..])] {
                body["event"]["messageStatusUpdate"][0]["clientMessageId"] = forged.into();
                assert_eq!(setting.post(&body).await.status, 200, "the report may be another system's");
            }
        } else {
            let text = body.to_string();
            let right = signed(channel, &text, SystemClock.now());
            let forgeries = [
                (json!({}), text.clone()),
                (right.clone(), format!("{text} ")),
                (signed(channel, &text[1..], SystemClock.now()), text.clone()),
                (
                    json!({ "x-hub-signature-256": "sha256=", "webhook-id": "1", "webhook-timestamp": "1",
                    "webhook-signature": "v1," }),
                    text.clone(),
                ),
            ];
            for (headers, body) in forgeries {
                let answer =
                    setting.handlers.report_delivery(&*setting.reports, channel.as_str(), headers, &body).await;
                assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{channel}");
            }
        }
        assert_eq!(setting.reasons(&id).await.len(), 1, "{channel}");
        let writes =
            setting.handlers.proxy.take_calls().into_iter().filter(|call| call.operation == "UpdateItem").count();
        assert_eq!((writes, setting.channels.calls()), (0, calls), "{channel}: a forged report causes no calls");
    }
    // The chat's signature also covers a timestamp, and six minutes off is rejected.
    let setting = Setting::of(Webhook).await;
    let (_, _, message) = setting.accepted().await;
    let text = report(Webhook, &message, Outcome::Failed).to_string();
    for minutes in [6, -6] {
        let offset = Duration::from_mins(6);
        let then = if minutes > 0 {
            SystemClock.now().saturating_add(offset)
        } else {
            SystemClock.now().saturating_sub(offset)
        };
        let answer = setting
            .handlers
            .report_delivery(&*setting.reports, Webhook.as_str(), signed(Webhook, &text, then), &text)
            .await;
        assert_eq!(answer.status, 401, "{minutes}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_parsed_is_rejected_and_changes_nothing() {
    for channel in [WhatsApp, Webhook] {
        let setting = Setting::of(channel).await;
        let (id, _, _) = setting.accepted().await;
        for body in [json!("text"), json!(7), json!({ "entry": 1, "type": 1 })] {
            let answer = setting.post(&body).await;
            assert_eq!((answer.status, answer.code()), (400, "malformed_body"), "{channel} {body}");
        }
        assert_eq!(setting.reasons(&id).await.len(), 1);
    }
    for (channel, limit) in [(Webhook, 256), (Clickatell, 256), (WhatsApp, 3 * 1024)] {
        let setting = Setting::of(channel).await;
        let filled = |length: usize| json!({ "type": "x", "more": "x".repeat(length) });
        let most = limit * 1024 - filled(0).to_string().len();
        assert_eq!(setting.post(&filled(most)).await.status, 200, "{channel}");
        assert_eq!(setting.post(&filled(most + 1)).await.status, 413, "{channel}");
    }
    let setting = Setting::of(Webhook).await;
    let (id, _, message) = setting.accepted().await;
    let mut body = report(Webhook, &message, Outcome::Failed);
    body["data"]["reason"] = "because".into();
    let answer = setting.post(&body).await;
    Examples::default().assert("api/delivery-report-invalid", &answer);
    for (field, value) in [("event_id", json!("x")), ("payment_request_id", json!("x"))] {
        let mut body = report(Webhook, &message, Outcome::Failed);
        body["data"][field] = value;
        assert_eq!(setting.post(&body).await.status, 200, "the report is about another system's message");
    }
    assert_eq!(setting.reasons(&id).await.len(), 1);
}

#[tokio::test]
async fn only_the_configured_channel_has_a_report_address() {
    let query = [("hub.mode", "subscribe"), ("hub.verify_token", VERIFY_TOKEN), ("hub.challenge", "1158201444")];
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        for name in ChannelName::ALL.iter().map(|name| name.as_str()).chain(["", "unknown"]) {
            let answer = setting.handlers.report_delivery(&*setting.reports, name, json!({}), "{}").await;
            let there = name == channel.as_str() && channel != Sms;
            assert_eq!(answer.status == 404, !there, "{name} of {channel}: {answer:?}");
            let answer = setting.handlers.request_verification(&*setting.reports, name, &query).await;
            let expected = match (there, channel) {
                (true, WhatsApp) => 200,
                (true, _) => 403,
                (false, _) => 404,
            };
            assert_eq!(answer.status, expected, "{name} of {channel}");
        }
    }
}

#[tokio::test]
async fn meta_verifies_the_address_by_the_configured_token() {
    let setting = Setting::of(WhatsApp).await;
    let right = [("hub.mode", "subscribe"), ("hub.verify_token", VERIFY_TOKEN), ("hub.challenge", "1158201444")];
    let answer = setting.handlers.request_verification(&*setting.reports, WhatsApp.as_str(), &right).await;
    Examples::default().assert("api/delivery-report-verification", &answer);
    for (place, other) in [(0, ("hub.mode", "unsubscribe")), (1, ("hub.verify_token", "another")), (1, ("x", "y"))] {
        let mut wrong = right;
        wrong[place] = other;
        let answer = setting.handlers.request_verification(&*setting.reports, WhatsApp.as_str(), &wrong).await;
        assert_eq!((answer.status, answer.code()), (403, "forbidden"), "{other:?}");
    }
}

#[tokio::test]
async fn after_a_rotation_reports_signed_with_the_new_secret_are_accepted() {
    for (channel, name, new, before) in
        [(WhatsApp, "WHATSAPP_APP_SECRET_ARN", APP_SECRET, 401), (Clickatell, "CLICKATELL_API_KEY_ARN", TOKEN, 200)]
    {
        let value = Arc::new(std::sync::Mutex::new("old-secret".to_owned()));
        let secret = Arc::clone(&value);
        let answer =
            move || std::future::ready(axum::Json(json!({ "ARN": "arn", "SecretString": *secret.lock().unwrap() })));
        let secrets = tests::serve(axum::Router::new().fallback(answer)).await;
        let mut setting = Setting::of(channel).await;
        setting.reports = setting.handlers.delivery_reports(&[
            ("CHANNEL", channel.as_str()),
            (name, "arn:aws:secretsmanager:us-east-1:1:secret:new"),
            ("WHATSAPP_VERIFY_TOKEN", VERIFY_TOKEN),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets),
        ]);
        let (id, _, message) = setting.accepted().await;
        let body = report(channel, &message, Outcome::Failed);
        assert_eq!(setting.post(&body).await.status, before);
        assert_eq!(
            setting.reasons(&id).await,
            [Value::Null],
            "{channel}: the new secret is not valid before the rotation"
        );
        new.clone_into(&mut value.lock().unwrap());
        crate::secrets::after(Duration::from_secs(31)).await;
        assert_eq!(setting.post(&body).await.status, 200);
        setting.assert_failed(&id, "undelivered").await;
    }
}
