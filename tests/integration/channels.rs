//! The link reaches the customer through the configured channel, or the agent reads why it did not. Runs against
//! stand-ins for the channels' interfaces, with a table that loses answers.

use adapters::ChannelName::{self, Clickatell, Sms, Webhook, WhatsApp};
use adapters::ConfiguredChannel;
use domain::ports::{Changed, Facts as _};
use domain::use_cases::notify::{DeliveryReportOutcome, Notified, notify, record_delivery_report};
use domain::{
    Clock as _, DeliveryFailure, DeliveryReport, Doors, Fact, PaymentRequestEvent, RunId, SystemClock, Timestamp,
};
use futures::future::join_all;
use notify::LAMBDA_RETRIES;
use runtime::Function;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::channels::{Channels, Received, Reply, TOKEN, aws_error, clickatell_refusal, graph_error};
use tests::examples::Examples;
use tests::handlers::Handlers;
use tests::proxy::{Call, Fault};

const PHONE: &str = "+27831234567";
const IDENTITY: &str = "arn:aws:sms-voice:us-east-1:111122223333:pool/pool-0123456789abcdef";

/// The channels that do not drop repeated messages, so that each message is claimed before it is sent.
pub(crate) const CLAIMING: [ChannelName; 3] = [Sms, WhatsApp, Clickatell];

/// The handlers, the stand-in channels, and the function `notify` configured for one of them.
pub(crate) struct Setting {
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) channels: Channels,
    notify: Box<dyn Function>,
}

fn settings<'a>(channel: ChannelName, url: &'a str, whatsapp: &'a str, chat: &'a str) -> [(&'a str, &'a str); 11] {
    [
        ("CHANNEL", channel.as_str()),
        ("AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2", url),
        ("SMS_ORIGINATION_IDENTITY", IDENTITY),
        ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922"),
        ("WHATSAPP_ACCESS_TOKEN", TOKEN),
        ("WHATSAPP_API_URL", whatsapp),
        ("CLICKATELL_API_KEY", TOKEN),
        ("CLICKATELL_CHANNEL", "sms"),
        ("CLICKATELL_API_URL", url),
        ("CHANNEL_WEBHOOK_URL", chat),
        ("CHANNEL_WEBHOOK_SECRET", "whsec_dGVzdCBzZWNyZXQgb2YgbW9yZSB0aGFuIDI0IGJ5dGVz"),
    ]
}

fn notifier(handlers: &Handlers, channel: ChannelName, url: &str) -> Box<dyn Function> {
    handlers.notify(&settings(channel, url, &format!("{url}/v25.0"), &format!("{url}/chat")))
}

impl Setting {
    pub(crate) async fn of(channel: ChannelName) -> Self {
        let (handlers, channels) = (Handlers::start().await, Channels::start().await);
        let notify = notifier(&handlers, channel, &channels.url);
        Self { handlers, channels, notify }
    }

    /// Builds the client of a channel, without the function around it.
    pub(crate) fn channel(&self, channel: ChannelName) -> ConfiguredChannel {
        let url = &self.channels.url;
        let (whatsapp, chat) = (format!("{url}/v25.0"), format!("{url}/chat"));
        let settings = settings(channel, url, &whatsapp, &chat);
        let environment = self.handlers.environment().clone();
        let environment =
            settings.iter().fold(environment, |environment, (name, value)| environment.with(name, *value));
        ConfiguredChannel::new(&environment).unwrap()
    }

    /// Creates a request, and returns its identifier and the event that brings its link. Resets the proxy's counts.
    pub(crate) async fn sent(&self) -> (String, Value) {
        let (id, _) = self.handlers.sent().await;
        let event = self.last_event(&id).await;
        self.handlers.proxy.take_calls();
        (id, event)
    }

    pub(crate) async fn last_event(&self, id: &str) -> Value {
        self.handlers.events(id).await.pop().unwrap().1
    }

    /// Delivers an event to `notify`, as the bus does.
    pub(crate) async fn run(&self, event: &Value) -> Result<String, String> {
        let result = self.notify.invoke(&json!({ "source": "chat2pay", "detail": event }).to_string()).await;
        result.map_err(|error| {
            let text = error.to_string();
            assert!(!text.contains("27831234567") && !text.contains("Please pay"), "{text}");
            text
        })
    }

    /// Returns the status and reason of each history entry, as the agent reads them.
    pub(crate) async fn history(&self, id: &str) -> Vec<(String, Value)> {
        let answer = self.handlers.get(id).await;
        let entries = answer.body["history"].as_array().unwrap().clone();
        entries.iter().map(|entry| (entry["status"].as_str().unwrap().to_owned(), entry["reason"].clone())).collect()
    }

    /// Asserts that the agent reads why the link did not arrive, and that the failure is published.
    pub(crate) async fn assert_failed(&self, id: &str, reason: &str) {
        let sent = |reason: Value| ("sent".to_owned(), reason);
        assert_eq!(self.history(id).await, [sent(Value::Null), sent(reason.into())]);
        let answer = self.handlers.get(id).await.body;
        // The link stays valid.
        let mut examples = Examples::default();
        examples.assert(&format!("requests/undelivered-{reason}"), &answer);
        let events = self.handlers.events(id).await;
        assert_eq!(events.len(), 2, "{events:?}");
        crate::events::assert_valid("PaymentLinkDeliveryFailed", &events[1].1);
        let event = json!({ "detail-type": events[1].0, "detail": events[1].1 });
        examples.assert(&format!("events/undelivered-{reason}"), &event);
    }

    /// Asserts that the history has only the entry `sent`.
    pub(crate) async fn assert_nothing_recorded(&self, id: &str) {
        assert_eq!(self.history(id).await, [("sent".to_owned(), Value::Null)]);
    }
}

/// Returns the headers and body of a message as the channel received it.
pub(crate) fn whole(received: &Received) -> Value {
    json!({ "headers": received.headers, "body": received.body })
}

/// Returns the event as if it had happened `age` ago and its link had `left` to live.
pub(crate) fn aged(event: &Value, age: Duration, left: Duration) -> Value {
    let (mut event, now) = (event.clone(), SystemClock.now());
    event["occurred_at"] = json!(now.saturating_sub(age));
    event["link"]["expires_at"] = json!(now.saturating_add(left));
    event
}

/// Returns the claim of a new run to the message that an event brings.
pub(crate) fn claim_to(event: &Value) -> Fact {
    let version = event["version"].as_u64().unwrap().try_into().unwrap();
    Fact::MessageClaimed { version, run: RunId::random(&Doors::default()).unwrap() }
}

/// Returns the answer by which a channel asks to try again later.
pub(crate) fn busy(channel: ChannelName) -> Reply {
    match channel {
        Sms => Reply::Refused(400, aws_error("ThrottlingException", json!({}))),
        WhatsApp => Reply::Refused(429, graph_error(130_429)),
        Clickatell => Reply::Refused(503, clickatell_refusal(19)),
        Webhook => Reply::Refused(503, json!({})),
    }
}

/// Returns a channel's permanent rejections, each with the reason that the agent reads.
pub(crate) fn refusals(channel: ChannelName) -> Vec<(Reply, &'static str)> {
    match channel {
        Sms => {
            let of_number = json!({ "Reason": "FIELD_VALIDATION_FAILED",
                "Fields": [{ "Name": "DestinationPhoneNumber", "Message": "+27831234567 is not valid" }] });
            let quota = json!({ "Reason": "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT" });
            let opted_out = json!({ "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT" });
            vec![
                (Reply::Refused(400, aws_error("ConflictException", opted_out)), "recipient_opted_out"),
                (Reply::Refused(400, aws_error("ValidationException", of_number)), "invalid_recipient"),
                (Reply::Refused(400, aws_error("ServiceQuotaExceededException", quota)), "channel_refused"),
                (Reply::Refused(400, aws_error("AccessDeniedException", json!({}))), "channel_refused"),
                (Reply::Refused(500, aws_error("InternalServerException", json!({}))), "delivery_unconfirmed"),
            ]
        }
        WhatsApp => vec![
            (Reply::Refused(400, graph_error(131_047)), "outside_conversation_window"),
            (Reply::Refused(400, graph_error(131_026)), "not_on_channel"),
            (Reply::Refused(403, graph_error(368)), "channel_refused"),
            (Reply::Refused(500, graph_error(131_000)), "delivery_unconfirmed"),
            (Reply::Refused(200, json!({ "success": true })), "delivery_unconfirmed"),
        ],
        Clickatell => vec![
            (Reply::Refused(400, clickatell_refusal(25)), "invalid_recipient"),
            (Reply::Refused(207, clickatell_refusal(26)), "recipient_opted_out"),
            (Reply::Refused(200, clickatell_refusal(27)), "not_on_channel"),
            (Reply::Refused(402, clickatell_refusal(20)), "channel_refused"),
            (Reply::Refused(502, json!("<html>")), "delivery_unconfirmed"),
        ],
        Webhook => vec![(Reply::Refused(400, json!({})), "channel_refused")],
    }
}

#[tokio::test]
async fn every_channel_sends_the_same_text() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        assert_eq!(setting.run(&event).await.unwrap(), "null", "{channel}");
        let received = setting.channels.received();
        assert_eq!(received.len(), 1, "{channel}");
        assert_eq!(received[0].to, PHONE);
        let link = event["link"]["url"].as_str().unwrap();
        assert_eq!(
            received[0].text,
            format!("Please pay R250.00 for order 10045: {link} The link expires in 5 minutes.")
        );
        setting.assert_nothing_recorded(&id).await;
    }
}

#[tokio::test]
async fn a_text_message_has_its_sender_and_its_validity_ends_with_the_link() {
    let setting = Setting::of(Sms).await;
    let (_, event) = setting.sent().await;
    setting.run(&event).await.unwrap();
    let sent = &setting.channels.received()[0];
    assert!((250..=300).contains(&sent.body["TimeToLive"].as_i64().unwrap()), "{}", sent.body);
    Examples::default().assert("messages/sms-sent", &whole(sent));
    // A text without a link has no deadline and is still worth sending.
    let (id, _) = setting.sent().await;
    setting.handlers.cancel(&id).await;
    setting.run(&setting.last_event(&id).await).await.unwrap();
    let canceled = setting.channels.received().pop().unwrap();
    assert_eq!(canceled.text, "The 10045 has been canceled by the Agent");
    Examples::default().assert("messages/sms-canceled", &whole(&canceled));
}

#[tokio::test]
async fn delivery_costs_two_write_units_and_with_a_chat_that_drops_repeats_one_read() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.run(&event).await.unwrap();
        let calls = setting.handlers.proxy.take_calls();
        let made: Vec<_> = calls.iter().map(|call| (call.operation.as_str(), call.units)).collect();
        assert_eq!(made, [("UpdateItem", 1.0); 2], "{channel}");
        let size = setting.handlers.item_size(&id).await;
        assert!(size <= 1024, "{size} bytes: each further kilobyte costs another unit with every write");
    }
    let setting = Setting::of(Webhook).await;
    let (_, event) = setting.sent().await;
    setting.run(&event).await.unwrap();
    let made = |calls: Vec<Call>| calls.into_iter().map(|call| call.operation).collect::<Vec<_>>();
    assert_eq!(made(setting.handlers.proxy.take_calls()), ["GetItem"]);
    // Only a link that comes late is claimed, and settled.
    setting.run(&aged(&event, Duration::from_secs(65), Duration::from_secs(235))).await.unwrap();
    assert_eq!(made(setting.handlers.proxy.take_calls()), ["UpdateItem", "UpdateItem"]);
}

#[tokio::test]
async fn a_link_that_is_no_longer_useful_is_not_sent() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        for end in ["canceled", "clicked", "paid"] {
            let (id, token) = setting.handlers.sent().await;
            let event = setting.last_event(&id).await;
            setting.channels.next(&vec![busy(channel); 4]);
            setting.run(&event).await.unwrap_err();
            match end {
                "canceled" => setting.handlers.cancel(&id).await,
                "clicked" => setting.handlers.click(&token).await,
                _ => setting.handlers.pay(&id, SystemClock.now()).await,
            };
            let calls = setting.channels.calls();
            // The second run, a minute later.
            setting.run(&aged(&event, Duration::from_secs(65), Duration::from_secs(235))).await.unwrap();
            assert_eq!(setting.channels.calls(), calls, "{channel} {end}");
            let statuses: Vec<_> = setting.history(&id).await.into_iter().map(|(status, _)| status).collect();
            assert_eq!(statuses, ["sent", end], "{channel}");
        }
        assert!(setting.channels.received().is_empty(), "{channel}");
    }
}

#[tokio::test]
async fn a_rejection_by_the_chat_that_may_pass_is_retried() {
    let setting = Setting::of(Webhook).await;
    for status in [301, 401, 403, 404, 408, 429, 500, 503] {
        let (id, event) = setting.sent().await;
        let (calls, received) = (setting.channels.calls(), setting.channels.received().len());
        setting.channels.next(&[Reply::Refused(status, json!({}))]);
        setting.run(&event).await.unwrap();
        assert_eq!(setting.channels.calls() - calls, 2, "{status}");
        assert_eq!(setting.channels.received().len() - received, 1, "{status}");
        setting.assert_nothing_recorded(&id).await;
    }
    for status in [400, 410, 422] {
        let (id, event) = setting.sent().await;
        let calls = setting.channels.calls();
        setting.channels.next(&[Reply::Refused(status, json!({}))]);
        setting.run(&event).await.unwrap();
        assert_eq!(setting.channels.calls() - calls, 1, "{status}");
        setting.assert_failed(&id, "channel_refused").await;
    }
}

#[tokio::test]
async fn a_rejected_message_is_recorded_and_published_once_and_not_sent_again() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        for (reply, reason) in refusals(channel) {
            let (id, event) = setting.sent().await;
            setting.channels.next(&[reply]);
            // The event is settled: it is not delivered again and does not reach the dead-letter queue.
            setting.run(&event).await.unwrap();
            setting.assert_failed(&id, reason).await;
            let calls = setting.channels.calls();
            if channel != Webhook {
                setting.run(&event).await.unwrap();
                setting.run(&aged(&event, Duration::from_secs(70), Duration::from_secs(200))).await.unwrap();
                assert_eq!(setting.channels.calls(), calls, "{channel} {reason}");
                setting.assert_failed(&id, reason).await;
            }
        }
        assert!(setting.channels.received().is_empty(), "{channel}");
    }
}

#[tokio::test]
async fn a_busy_channel_is_retried_within_the_run() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.channels.next(&[busy(channel), busy(channel)]);
        setting.run(&event).await.unwrap();
        assert_eq!((setting.channels.calls(), setting.channels.received().len()), (3, 1), "{channel}");
        setting.assert_nothing_recorded(&id).await;
    }
}

#[tokio::test]
async fn a_message_to_a_channel_that_stays_busy_is_left_to_the_next_run() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.channels.always(Some(busy(channel)));
        let error = setting.run(&event).await.unwrap_err();
        assert!(error.contains("unavailable"), "{channel}: {error}");
        setting.assert_nothing_recorded(&id).await;
        setting.channels.always(None);
        setting.run(&aged(&event, Duration::from_secs(65), Duration::from_secs(235))).await.unwrap();
        assert_eq!(setting.channels.received().len(), 1, "{channel}");
        setting.assert_nothing_recorded(&id).await;
    }
}

#[tokio::test]
async fn the_last_failed_run_records_why_the_link_did_not_arrive() {
    for (channel, age, left) in [(Sms, 185, 115), (WhatsApp, 1, 59), (Clickatell, 65, 90), (Webhook, 185, 115)] {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.channels.always(Some(busy(channel)));
        let event = aged(&event, Duration::from_secs(age), Duration::from_secs(left));
        setting.run(&event).await.unwrap();
        setting.assert_failed(&id, "channel_unavailable").await;
    }
}

#[tokio::test]
async fn an_unreachable_channel_has_sent_nothing() {
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for channel in CLAIMING {
        let mut setting = Setting::of(channel).await;
        let working = std::mem::replace(&mut setting.notify, notifier(&setting.handlers, channel, &url));
        let (id, event) = setting.sent().await;
        assert!(setting.run(&event).await.unwrap_err().contains("unavailable"), "{channel}");
        setting.assert_nothing_recorded(&id).await;
        setting.notify = working;
        setting.run(&event).await.unwrap();
        assert_eq!(setting.channels.received().len(), 1, "{channel}: the claim was released");
    }
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_not_sent_again_and_is_recorded() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.channels.always(Some(Reply::AnswerLost));
        setting.run(&event).await.unwrap();
        setting.assert_failed(&id, "delivery_unconfirmed").await;
        setting.run(&event).await.unwrap();
        assert_eq!(setting.channels.received().len(), 1, "{channel}");
    }
    let setting = Setting::of(Webhook).await;
    let (id, event) = setting.sent().await;
    setting.channels.next(&[Reply::AnswerLost]);
    setting.run(&event).await.unwrap();
    let received = setting.channels.received();
    assert_eq!(received.len(), 2, "the chat drops the repeat");
    assert_eq!(received[0].body["data"]["event_id"], received[1].body["data"]["event_id"]);
    setting.assert_nothing_recorded(&id).await;
}

#[tokio::test]
async fn repeated_and_concurrent_runs_send_one_message() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        let runs = join_all((0..8).map(|_| setting.run(&event))).await;
        assert!(runs.iter().all(Result::is_ok), "{channel}: {runs:?}");
        setting.run(&event).await.unwrap();
        assert_eq!((setting.channels.calls(), setting.channels.received().len()), (1, 1), "{channel}");
        setting.assert_nothing_recorded(&id).await;
        // Another event of the same request brings another message with its own claim.
        setting.handlers.cancel(&id).await;
        let canceled = setting.last_event(&id).await;
        join_all((0..4).map(|_| setting.run(&canceled))).await;
        assert_eq!(setting.channels.received().len(), 2, "{channel}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_does_not_affect_the_customer() {
    for fault in [Fault::AnswerLost, Fault::RequestLost] {
        // The write of the claim fails.
        let setting = Setting::of(WhatsApp).await;
        let (id, event) = setting.sent().await;
        setting.handlers.proxy.fail_next_writes(&[fault]);
        setting.run(&event).await.unwrap();
        assert_eq!((setting.channels.received().len(), setting.handlers.proxy.faults_left()), (1, 0), "{fault:?}");
        setting.assert_nothing_recorded(&id).await;
        // The write of the history entry fails.
        let (id, event) = setting.sent().await;
        setting.channels.next(&[Reply::Refused(400, graph_error(131_026))]);
        setting.handlers.proxy.fail_next_writes(&[Fault::None, fault]);
        setting.run(&event).await.unwrap();
        assert_eq!(setting.handlers.proxy.faults_left(), 0);
        setting.assert_failed(&id, "not_on_channel").await;
        // The write that releases the claim fails.
        let (_, event) = setting.sent().await;
        setting.channels.always(Some(busy(WhatsApp)));
        setting.handlers.proxy.fail_next_writes(&[Fault::None, fault]);
        setting.run(&event).await.unwrap_err();
        assert_eq!(setting.handlers.proxy.faults_left(), 0);
        setting.channels.always(None);
        setting.run(&event).await.unwrap();
        assert_eq!(setting.channels.received().len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn no_message_is_sent_while_the_table_is_unreachable() {
    let setting = Setting::of(WhatsApp).await;
    let (id, event) = setting.sent().await;
    setting.handlers.proxy.fail_next_writes(&[Fault::RequestLost; 4]);
    assert!(setting.run(&event).await.unwrap_err().contains("store"));
    assert_eq!(setting.channels.calls(), 0, "an unclaimed message is not sent");
    setting.run(&event).await.unwrap();
    assert_eq!(setting.channels.received().len(), 1);
    // If a rejection could not be recorded, the next run records that delivery is unconfirmed.
    let (other, event) = setting.sent().await;
    setting.channels.next(&[Reply::Refused(400, graph_error(131_026))]);
    let lost = [Fault::RequestLost; 4];
    setting.handlers.proxy.fail_next_writes(&[&[Fault::None], &lost[..]].concat());
    let error = setting.run(&event).await.unwrap_err();
    assert!(error.contains("not_on_channel") && error.contains("could not be stored"), "{error}");
    setting.run(&aged(&event, Duration::from_secs(65), Duration::from_secs(235))).await.unwrap();
    setting.assert_failed(&other, "delivery_unconfirmed").await;
    setting.assert_nothing_recorded(&id).await;
}

#[tokio::test]
async fn a_run_that_stopped_before_it_sent_is_recorded_as_unconfirmed() {
    let setting = Setting::of(Sms).await;
    let (id, event) = setting.sent().await;
    let claimed = setting.handlers.store().record_fact(id.parse().unwrap(), &claim_to(&event)).await.unwrap();
    assert!(matches!(claimed, Changed::Applied(_)));
    // The first run may still be in progress.
    setting.run(&event).await.unwrap();
    setting.assert_nothing_recorded(&id).await;
    // When Lambda retries the event, the first run cannot be in progress any more.
    setting.run(&aged(&event, Duration::from_secs(65), Duration::from_secs(235))).await.unwrap();
    setting.assert_failed(&id, "delivery_unconfirmed").await;
    assert_eq!(setting.channels.calls(), 0);
}

#[tokio::test]
async fn a_run_releases_only_its_own_claim() {
    let setting = Setting::of(Sms).await;
    let (id, event) = setting.sent().await;
    let (store, id) = (setting.handlers.store(), id.parse().unwrap());
    let (first, second) = (claim_to(&event), claim_to(&event));
    assert!(matches!(store.record_fact(id, &first).await.unwrap(), Changed::Applied(_)));
    assert!(matches!(store.record_fact(id, &second).await.unwrap(), Changed::Unchanged(_)));
    store.retract_fact(id, &second).await.unwrap();
    assert!(matches!(store.record_fact(id, &second).await.unwrap(), Changed::Unchanged(_)));
    store.retract_fact(id, &first).await.unwrap();
    store.retract_fact(id, &first).await.unwrap();
    assert!(matches!(store.record_fact(id, &second).await.unwrap(), Changed::Applied(_)));
    let missing = domain::PaymentRequestId::new(&Doors::default()).unwrap();
    assert_eq!(store.record_fact(missing, &first).await.unwrap(), Changed::NotFound);
    store.retract_fact(missing, &first).await.unwrap();
}

#[tokio::test]
async fn the_link_of_an_ended_request_is_not_sent_and_adds_no_entry() {
    for channel in [Sms, Webhook] {
        let setting = Setting::of(channel).await;
        let (id, event) = setting.sent().await;
        setting.run(&aged(&event, Duration::from_mins(5), Duration::ZERO)).await.unwrap();
        assert_eq!((setting.channels.calls(), setting.handlers.proxy.take_calls().len()), (0, 0), "{channel}");
        setting.assert_nothing_recorded(&id).await;
    }
}

#[tokio::test]
async fn no_attempt_begins_after_the_deadline_and_an_expired_link_gets_no_entry() {
    let (handlers, channels) = (Handlers::with_limits(1, 900).await, Channels::start().await);
    let notify = notifier(&handlers, WhatsApp, &channels.url);
    let setting = Setting { handlers, channels, notify };
    let (id, event) = setting.sent().await;
    setting.channels.always(Some(busy(WhatsApp)));
    let deadline: Timestamp = event["link"]["expires_at"].as_str().unwrap().parse().unwrap();
    // Runs repeat until the link expires; after that the channel is not called.
    while SystemClock.now() < deadline {
        setting.run(&event).await.ok();
    }
    let calls = setting.channels.calls();
    setting.run(&event).await.unwrap();
    assert_eq!(setting.channels.calls(), calls);
    let history = setting.history(&id).await;
    assert!(history.len() <= 2, "{history:?}");
}

#[tokio::test]
async fn a_clicked_link_counts_as_delivered() {
    for channel in [Sms, Webhook] {
        let setting = Setting::of(channel).await;
        let (id, token) = setting.handlers.sent().await;
        let event = setting.last_event(&id).await;
        setting.handlers.click(&token).await;
        let (reply, _) = refusals(channel).remove(0);
        setting.channels.next(&[reply]);
        setting.run(&event).await.unwrap();
        let statuses: Vec<_> = setting.history(&id).await.into_iter().map(|(status, _)| status).collect();
        assert_eq!(statuses, ["sent", "clicked"], "{channel}");
    }
}

#[tokio::test]
async fn a_link_that_was_not_delivered_can_still_be_clicked_and_canceled() {
    let setting = Setting::of(Clickatell).await;
    setting.channels.always(Some(Reply::Refused(400, clickatell_refusal(27))));
    let (clicked, token) = setting.handlers.sent().await;
    let (canceled, _) = setting.handlers.sent().await;
    for id in [&clicked, &canceled] {
        let before = setting.handlers.stored(id).await;
        setting.run(&setting.last_event(id).await).await.unwrap();
        setting.assert_failed(id, "not_on_channel").await;
        assert_eq!(setting.handlers.stored(id).await.deadline, before.deadline);
    }
    assert_eq!(setting.handlers.click(&token).await.status, 303);
    assert_eq!(setting.handlers.cancel(&canceled).await.status, 200);
    for id in [&clicked, &canceled] {
        tests::handlers::assert_possible(&setting.handlers.stored(id).await);
    }
}

#[tokio::test]
async fn a_failed_text_without_a_link_is_left_to_the_bus_and_adds_no_entry() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, _) = setting.sent().await;
        setting.handlers.cancel(&id).await;
        let canceled = setting.last_event(&id).await;
        let mut refusals = refusals(channel).into_iter();
        let (reply, _) = refusals.find(|(_, reason)| *reason == "channel_refused").unwrap();
        for reply in [reply, busy(channel)] {
            setting.channels.always(Some(reply));
            setting.run(&canceled).await.unwrap_err();
        }
        setting.channels.always(None);
        setting.run(&canceled).await.unwrap();
        assert_eq!(setting.channels.received().len(), 1, "{channel}");
        assert_eq!(setting.history(&id).await.len(), 2, "{channel}");
    }
}

#[tokio::test]
async fn a_text_rejected_for_its_recipient_does_not_reach_the_dead_letter_queue() {
    for channel in CLAIMING {
        for (reply, reason) in refusals(channel).into_iter().filter(|(_, reason)| !reason.starts_with("channel_")) {
            let setting = Setting::of(channel).await;
            let (id, _) = setting.sent().await;
            setting.handlers.cancel(&id).await;
            setting.channels.next(&[reply]);
            // The event is settled: it is not delivered again and does not reach the dead-letter queue.
            let canceled = setting.last_event(&id).await;
            setting.run(&canceled).await.unwrap();
            setting.run(&canceled).await.unwrap();
            assert_eq!(setting.channels.calls(), 1, "{channel} {reason}");
            assert_eq!(setting.history(&id).await.len(), 2, "{channel} {reason}");
        }
    }
}

#[tokio::test]
async fn a_text_is_abandoned_once_by_run_or_by_report() {
    let setting = Setting::of(Sms).await;
    let (store, channel) = (setting.handlers.store(), setting.channel(Webhook));
    let (id, event) = setting.sent().await;
    let event: PaymentRequestEvent = serde_json::from_value(event).unwrap();
    setting.channels.always(Some(Reply::Refused(422, json!({}))));
    let first = notify(&store, &channel, &Doors::default(), &LAMBDA_RETRIES, &event, false).await.unwrap();
    assert!(matches!(first, Notified::Failed { recorded: true, .. }), "{first:?}");
    let again = notify(&store, &channel, &Doors::default(), &LAMBDA_RETRIES, &event, false).await.unwrap();
    assert!(matches!(again, Notified::Elsewhere), "{again:?}");
    let report = DeliveryReport { id: id.parse().unwrap(), reason: DeliveryFailure::Undelivered };
    let reported = record_delivery_report(&store, &SystemClock, report).await.unwrap();
    assert!(matches!(reported, DeliveryReportOutcome::Known(_)), "{reported:?}");
    // The first run's entry stays, even if the answer to its write is lost.
    setting.assert_failed(&id, "channel_refused").await;
    let (other, _) = setting.sent().await;
    setting.handlers.proxy.fail_next_writes(&[Fault::AnswerLost]);
    let report = DeliveryReport { id: other.parse().unwrap(), reason: DeliveryFailure::Undelivered };
    let reported = record_delivery_report(&setting.handlers.faulty_store(), &SystemClock, report).await.unwrap();
    assert_eq!(setting.handlers.proxy.faults_left(), 0);
    assert!(matches!(reported, DeliveryReportOutcome::Applied(_)), "{reported:?}");
}

#[tokio::test]
async fn a_text_without_a_link_whose_run_stopped_is_reported_as_unconfirmed() {
    let setting = Setting::of(Sms).await;
    let (store, channel) = (setting.handlers.store(), setting.channel(Clickatell));
    let (id, _) = setting.sent().await;
    setting.handlers.cancel(&id).await;
    let event = setting.last_event(&id).await;
    store.record_fact(id.parse().unwrap(), &claim_to(&event)).await.unwrap();
    let mut event: PaymentRequestEvent = serde_json::from_value(event).unwrap();
    let at_once = notify(&store, &channel, &Doors::default(), &LAMBDA_RETRIES, &event, false).await.unwrap();
    assert!(matches!(at_once, Notified::Elsewhere), "the run that claimed it may still be in progress: {at_once:?}");
    event.occurred_at = SystemClock.now().saturating_sub(Duration::from_secs(65));
    let later = notify(&store, &channel, &Doors::default(), &LAMBDA_RETRIES, &event, false).await.unwrap();
    let reason = DeliveryFailure::DeliveryUnconfirmed;
    assert!(matches!(later, Notified::Failed { reason: r, recorded: false, .. } if r == reason), "{later:?}");
    assert_eq!(setting.channels.calls(), 0);
}

#[tokio::test]
async fn a_text_for_an_unknown_request_is_not_sent() {
    let setting = Setting::of(Sms).await;
    let (_, mut event) = setting.sent().await;
    let id = domain::PaymentRequestId::new(&Doors::default()).unwrap().to_string();
    event["event_id"] = format!("{id}#1").into();
    event["id"] = id.into();
    setting.run(&event).await.unwrap();
    assert_eq!(setting.channels.calls(), 0);
}

#[tokio::test]
async fn a_rejected_channel_token_is_a_rejected_message() {
    for (channel, variable) in [(WhatsApp, "WHATSAPP_ACCESS_TOKEN"), (Clickatell, "CLICKATELL_API_KEY")] {
        let mut setting = Setting::of(channel).await;
        let url = setting.channels.url.clone();
        let api = format!("{url}/v25.0");
        setting.notify = setting.handlers.notify(&[
            ("CHANNEL", channel.as_str()),
            ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922"),
            ("WHATSAPP_API_URL", &api),
            ("CLICKATELL_CHANNEL", "sms"),
            ("CLICKATELL_API_URL", &url),
            (variable, "old"),
        ]);
        let (id, event) = setting.sent().await;
        setting.run(&event).await.unwrap();
        setting.assert_failed(&id, "channel_refused").await;
    }
}

#[tokio::test]
async fn a_replaced_channel_token_is_read_again_before_a_message_is_abandoned() {
    let value = Arc::new(Mutex::new("old"));
    let secret = Arc::clone(&value);
    let answer =
        move || std::future::ready(axum::Json(json!({ "ARN": "arn", "SecretString": *secret.lock().unwrap() })));
    let secrets = tests::serve(axum::Router::new().fallback(answer)).await;
    let mut setting = Setting::of(WhatsApp).await;
    let api = format!("{}/v25.0", setting.channels.url);
    setting.notify = setting.handlers.notify(&[
        ("CHANNEL", WhatsApp.as_str()),
        ("WHATSAPP_PHONE_NUMBER_ID", "106540352242922"),
        ("WHATSAPP_API_URL", &api),
        ("WHATSAPP_ACCESS_TOKEN_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:whatsapp"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets),
    ]);
    let (id, event) = setting.sent().await;
    setting.run(&event).await.unwrap();
    setting.assert_failed(&id, "channel_refused").await;
    *value.lock().unwrap() = TOKEN;
    crate::secrets::after(Duration::from_secs(31)).await;
    let (id, event) = setting.sent().await;
    setting.run(&event).await.unwrap();
    assert_eq!((setting.channels.calls(), setting.channels.received().len()), (3, 1));
    setting.assert_nothing_recorded(&id).await;
}
