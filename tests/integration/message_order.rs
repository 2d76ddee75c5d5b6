//! The bus keeps no order, repeats events and delays them. Nevertheless no customer gets a link after the text that its
//! request is canceled, and a message that was sent is known to be sent.

use super::channels::{CLAIMING, Setting, aged, busy, claim_to, refusals};
use adapters::ChannelName::{self, Sms, Webhook};
use domain::ports::{Changed, Facts as _};
use domain::use_cases::notify::{Notified, RUN_AT_MOST, notify};
use domain::{Clock as _, Doors, Fact, PaymentRequestEvent, SystemClock, Timestamp};
use futures::future::join_all;
use notify::LAMBDA_RETRIES;
use serde_json::Value;
use std::time::Duration;
use tests::channels::Reply;
use tests::proxy::Fault;

const CANCELED: &str = "The 10045 has been canceled by the Agent";

/// The time after which a fresh link that nobody has claimed cannot be in flight any more.
const FRESH_LINK_IS_OVER: Duration = Duration::from_secs(10);

/// Asserts that no link came after a cancellation, and returns how many of each came.
fn assert_in_order(setting: &Setting, what: &str) -> (usize, usize) {
    let texts: Vec<String> = setting.channels.received().into_iter().map(|message| message.text).collect();
    let links = texts.iter().filter(|text| text.starts_with("Please pay")).count();
    let canceled = texts.iter().filter(|text| *text == CANCELED).count();
    assert_eq!(links + canceled, texts.len(), "{what}: {texts:?}");
    let first_canceled = texts.iter().position(|text| text == CANCELED).unwrap_or(texts.len());
    assert!(texts[first_canceled..].iter().all(|text| text == CANCELED), "{what}: {texts:?}");
    (links, canceled)
}

/// Cancels a request and returns the event.
async fn canceled(setting: &Setting, id: &str) -> Value {
    assert_eq!(setting.handlers.cancel(id).await.status, 200);
    setting.last_event(id).await
}

fn read(event: &Value) -> PaymentRequestEvent {
    serde_json::from_value(event.clone()).unwrap()
}

/// Runs `notify` without the function around it, which waits, at this time after the present one.
async fn notified(setting: &Setting, channel: ChannelName, event: &Value, later: Duration) -> Notified {
    notified_at(setting, channel, event, SystemClock.now().saturating_add(later)).await
}

async fn notified_at(setting: &Setting, channel: ChannelName, event: &Value, now: Timestamp) -> Notified {
    let doors = tests::doors_at(now);
    let (store, channel) = (setting.handlers.store(), setting.channel(channel));
    notify(&store, &channel, &doors, &LAMBDA_RETRIES, &read(event), false).await.unwrap()
}

#[tokio::test]
async fn a_link_is_not_sent_after_its_cancellation_whichever_event_comes_first() {
    join_all(ChannelName::ALL.iter().map(async |&channel| {
        for cancellation_first in [true, false] {
            let setting = Setting::of(channel).await;
            let (id, link) = setting.sent().await;
            let canceled = canceled(&setting, &id).await;
            let events = if cancellation_first { [&canceled, &link] } else { [&link, &canceled] };
            for event in [events, events].concat() {
                setting.run(event).await.unwrap();
            }
            for age in [2, 4, 65, 185] {
                let (age, left) = (Duration::from_secs(age), Duration::from_secs(100));
                setting.run(&aged(&link, age, left)).await.unwrap();
            }
            let (links, canceled) = assert_in_order(&setting, channel.as_str());
            assert_eq!((links, canceled.min(1)), (0, 1), "{channel}");
        }
    }))
    .await;
}

#[tokio::test]
async fn both_events_at_once_several_times_and_retried_bring_the_link_first_or_not_at_all() {
    let all = ChannelName::ALL.iter().flat_map(|&channel| [0, 1, 3].map(|busy| (channel, busy)));
    join_all(all.map(async |(channel, busy_calls)| {
        let setting = Setting::of(channel).await;
        let (id, link) = setting.sent().await;
        setting.channels.next(&vec![busy(channel); busy_calls]);
        let links = join_all((0..3).map(|_| setting.run(&link)));
        let cancellations = async {
            let canceled = canceled(&setting, &id).await;
            join_all((0..3).map(|_| setting.run(&canceled))).await
        };
        let (links, cancellations) = tokio::join!(links, cancellations);
        assert!(cancellations.iter().all(Result::is_ok), "{channel}: {links:?} {cancellations:?}");
        setting.run(&link).await.unwrap();
        let (_, canceled) = assert_in_order(&setting, channel.as_str());
        assert!(canceled >= 1, "{channel}");
    }))
    .await;
}

#[tokio::test]
async fn a_cancellation_waits_until_a_link_in_flight_has_arrived() {
    join_all(ChannelName::ALL.iter().map(async |&channel| {
        let setting = Setting::of(channel).await;
        let (id, link) = setting.sent().await;
        setting.channels.next(&[Reply::Held]);
        let canceling = async {
            setting.channels.wait_for_calls(1).await;
            let canceled = canceled(&setting, &id).await;
            setting.handlers.proxy.take_calls();
            let looking = async {
                tests::system::eventually("a look at the request", async || {
                    let calls = setting.handlers.proxy.take_calls();
                    if calls.is_empty() { Err("no call".to_owned()) } else { Ok(()) }
                })
                .await;
                setting.channels.release();
            };
            tokio::join!(setting.run(&canceled), looking).0
        };
        let (link, canceled) = tokio::join!(setting.run(&link), canceling);
        assert!(link.is_ok() && canceled.is_ok(), "{channel}: {link:?} {canceled:?}");
        assert_eq!(assert_in_order(&setting, channel.as_str()), (1, 1), "{channel}");
        assert_eq!(setting.history(&id).await.len(), 2, "{channel}");
    }))
    .await;
}

#[tokio::test]
async fn a_fresh_link_that_a_chat_is_slow_to_take_is_not_sent_again_once_its_request_is_canceled() {
    let setting = Setting::of(Webhook).await;
    let (id, link) = setting.sent().await;
    setting.channels.next(&[Reply::Held]);
    let canceling = async {
        setting.channels.wait_for_calls(1).await;
        let canceled = canceled(&setting, &id).await;
        setting.run(&canceled).await
    };
    let (link, canceled) = tokio::join!(setting.run(&link), canceling);
    assert!(link.is_ok() && canceled.is_ok(), "{link:?} {canceled:?}");
    setting.channels.release();
    assert_eq!((setting.channels.calls(), assert_in_order(&setting, "slow")), (2, (0, 1)));
}

#[tokio::test]
async fn a_chat_that_is_slow_to_take_a_fresh_link_gets_more_time_for_it() {
    let setting = Setting::of(Webhook).await;
    let (id, link) = setting.sent().await;
    setting.channels.next(&[Reply::Held, Reply::Held]);
    let releasing = async {
        setting.channels.wait_for_calls(2).await;
        setting.channels.release();
    };
    let (link, ()) = tokio::join!(setting.run(&link), releasing);
    assert_eq!((link.unwrap().as_str(), assert_in_order(&setting, "slow")), ("null", (1, 0)));
    setting.assert_nothing_recorded(&id).await;
}

#[tokio::test]
async fn a_cancellation_waits_for_a_link_that_comes_late_through_a_chat_that_drops_repeats() {
    let setting = Setting::of(Webhook).await;
    let (id, link) = setting.sent().await;
    let late = aged(&link, Duration::from_secs(65), Duration::from_secs(235));
    setting.channels.next(&[Reply::Held]);
    let canceling = async {
        setting.channels.wait_for_calls(1).await;
        let canceled = canceled(&setting, &id).await;
        let outcome = notified(&setting, Webhook, &canceled, FRESH_LINK_IS_OVER).await;
        assert!(matches!(outcome, Notified::LinkInFlight { .. }), "{outcome:?}");
        setting.channels.release();
        canceled
    };
    let (link, canceled) = tokio::join!(setting.run(&late), canceling);
    link.unwrap();
    let outcome = notified(&setting, Webhook, &canceled, FRESH_LINK_IS_OVER).await;
    assert!(matches!(outcome, Notified::Delivered { unsettled: None }), "{outcome:?}");
    assert_eq!(assert_in_order(&setting, "late"), (1, 1));
}

#[tokio::test]
async fn a_cancellation_waits_for_a_run_that_was_cut_off_as_long_as_that_run_could_have_lasted() {
    for &channel in ChannelName::ALL {
        let setting = Setting::of(channel).await;
        let (id, link) = setting.sent().await;
        let store = setting.handlers.store();
        let claimed = store.record_fact(id.parse().unwrap(), &claim_to(&link)).await.unwrap();
        assert!(matches!(claimed, Changed::Applied(_)));
        let canceled = canceled(&setting, &id).await;
        let canceled_at = read(&canceled).occurred_at;
        for later in [FRESH_LINK_IS_OVER, RUN_AT_MOST] {
            let outcome = notified_at(&setting, channel, &canceled, canceled_at.saturating_add(later)).await;
            assert!(matches!(outcome, Notified::LinkInFlight { .. }), "{channel} {later:?}: {outcome:?}");
        }
        assert_eq!(setting.channels.calls(), 0, "{channel}");
        let later = RUN_AT_MOST + Duration::from_secs(1);
        let outcome = notified_at(&setting, channel, &canceled, canceled_at.saturating_add(later)).await;
        assert!(matches!(outcome, Notified::Delivered { .. }), "{channel}: {outcome:?}");
        assert_eq!(assert_in_order(&setting, channel.as_str()), (0, 1), "{channel}");
    }
}

#[test]
fn no_run_lasts_longer_than_the_timeout_in_the_template() {
    let template = include_str!("../../infra/template.yaml");
    let (_, function) = template.split_once("\n  NotifyFunction:\n").unwrap();
    let (_, timeout) = function.split_once("\n      Timeout: ").unwrap();
    let seconds: u64 = timeout.lines().next().unwrap().parse().unwrap();
    assert_eq!(Duration::from_secs(seconds), RUN_AT_MOST);
}

#[tokio::test]
async fn a_cancellation_waits_no_longer_than_for_what_can_still_arrive() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        // The link was never sent, it was given back, and it was refused.
        for replies in [vec![], vec![busy(channel); 4], vec![refusals(channel).remove(0).0]] {
            let (id, link) = setting.sent().await;
            if !replies.is_empty() {
                setting.channels.next(&replies);
                setting.run(&link).await.ok();
            }
            let canceled = canceled(&setting, &id).await;
            let outcome = notified(&setting, channel, &canceled, Duration::ZERO).await;
            assert!(matches!(outcome, Notified::Delivered { .. }), "{channel}: {outcome:?}");
        }
    }
    let setting = Setting::of(Webhook).await;
    let (id, link) = setting.sent().await;
    setting.run(&link).await.unwrap();
    let canceled = canceled(&setting, &id).await;
    let outcome = notified(&setting, Webhook, &canceled, FRESH_LINK_IS_OVER).await;
    assert!(matches!(outcome, Notified::Delivered { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_replay_of_a_message_that_was_sent_says_nothing_and_sends_nothing() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        let (id, link) = setting.sent().await;
        setting.run(&link).await.unwrap();
        for (age, left) in [(65, 235), (185, 115), (3_600, 60)] {
            setting.run(&aged(&link, Duration::from_secs(age), Duration::from_secs(left))).await.unwrap();
            setting.assert_nothing_recorded(&id).await;
        }
        let mut canceled = canceled(&setting, &id).await;
        setting.run(&canceled).await.unwrap();
        canceled["occurred_at"] = serde_json::json!(SystemClock.now().saturating_sub(Duration::from_secs(65)));
        let outcome = notified(&setting, channel, &canceled, Duration::ZERO).await;
        assert!(matches!(outcome, Notified::Elsewhere), "{channel}: {outcome:?}");
        assert_eq!(assert_in_order(&setting, channel.as_str()), (1, 1), "{channel}");
    }
}

#[tokio::test]
async fn a_replay_of_a_text_that_was_given_up_is_not_given_up_again() {
    for channel in CLAIMING {
        let setting = Setting::of(channel).await;
        let (id, _) = setting.sent().await;
        let mut canceled = canceled(&setting, &id).await;
        let (refusal, _) = refusals(channel).into_iter().find(|(_, reason)| !reason.starts_with("channel_")).unwrap();
        setting.channels.next(&[refusal]);
        setting.run(&canceled).await.unwrap();
        canceled["occurred_at"] = serde_json::json!(SystemClock.now().saturating_sub(Duration::from_secs(65)));
        let outcome = notified(&setting, channel, &canceled, Duration::ZERO).await;
        assert!(matches!(outcome, Notified::Elsewhere), "{channel}: {outcome:?}");
        assert_eq!(setting.channels.calls(), 1, "{channel}");
    }
}

#[tokio::test]
async fn a_message_is_sent_although_the_table_does_not_take_that_it_was() {
    for (fault, known) in [(vec![Fault::AnswerLost], true), (vec![Fault::RequestLost; 4], false)] {
        let setting = Setting::of(Sms).await;
        let (id, link) = setting.sent().await;
        setting.handlers.proxy.fail_next_writes(&[&[Fault::None], &fault[..]].concat());
        setting.run(&link).await.unwrap();
        assert_eq!((setting.handlers.proxy.faults_left(), setting.channels.received().len()), (0, 1));
        let stored = setting.handlers.stored(&id).await;
        assert_eq!(stored.facts.contains(&Fact::MessageSettled { version: 1 }), known);
        setting.assert_nothing_recorded(&id).await;
    }
}

#[tokio::test]
async fn what_was_claimed_is_settled_by_its_own_run_alone() {
    let setting = Setting::of(Sms).await;
    let (id, link) = setting.sent().await;
    let store = setting.handlers.store();
    store.record_fact(id.parse().unwrap(), &claim_to(&link)).await.unwrap();
    let doors = Doors::default();
    let outcome = notify(&store, &setting.channel(Sms), &doors, &LAMBDA_RETRIES, &read(&link), false).await.unwrap();
    assert!(matches!(outcome, Notified::Elsewhere), "{outcome:?}");
    assert!(!setting.handlers.stored(&id).await.facts.contains(&Fact::MessageSettled { version: 1 }));
}
