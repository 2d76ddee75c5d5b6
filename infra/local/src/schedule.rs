//! The stand-in for EventBridge's scheduled rules.

use crate::aws;
use crate::functions::Functions;
use crate::stage::Stage;
use crate::template::Schedule;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

/// How many runs of one schedule may be under way. The next one starts on time while the last one finishes, as in AWS; a
/// function that cannot keep up at all is not called ever more often.
const AT_ONCE: usize = 2;

/// Invokes the schedule's function now and then again and again, until the runner stops.
pub(crate) async fn run(schedule: Schedule, functions: Functions, stage: Stage) {
    let mut ticks = tokio::time::interval(schedule.every);
    // After the machine has slept, one run makes up for all that were missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stage.draining() => return,
        }
        while runs.try_join_next().is_some() {}
        if runs.len() >= AT_ONCE {
            tracing::warn!(function = schedule.function, "a scheduled run was left out: earlier ones still run");
            continue;
        }
        let (functions, function) = (functions.clone(), schedule.function.clone());
        runs.spawn(async move {
            if let Err(error) = functions.invoke(&function, event(&function)).await
                && error.was_tried()
            {
                tracing::error!(function, %error, "a scheduled run failed");
            }
        });
    }
}

/// What a scheduled rule sends.
fn event(function: &str) -> String {
    let rule = format!("arn:aws:events:{}:{}:rule/{function}", aws::REGION, aws::ACCOUNT);
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": aws::ACCOUNT,
        "time": crate::time::to_the_second(crate::time::moment()),
        "region": aws::REGION,
        "resources": [rule],
        "detail": {},
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_scheduled_event_says_that_it_is_one() {
        let event: Value = serde_json::from_str(&event("expire")).unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["source"], "aws.events");
        assert_eq!(event["detail"], json!({}));
    }
}
