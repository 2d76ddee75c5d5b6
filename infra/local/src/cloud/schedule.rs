//! Emulation of EventBridge's scheduled rules.

use super::aws;
use super::functions::Functions;
use super::template::Schedule;
use super::time::to_the_second;
use crate::runner::Runner;
use serde_json::json;
use stand_in_host::Doors;
use stand_in_host::Identifiers as _;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// The maximum number of runs of one schedule in flight. As in AWS, a run starts on time even if the previous one has
/// not finished. The limit keeps the runs of a function that is too slow from piling up.
const AT_ONCE: usize = 2;

/// Starts a background task for every schedule of the template.
pub(super) fn start(runner: &Runner) {
    for schedule in &runner.template.schedules {
        runner.host.shutdown.spawn(run(schedule.clone(), runner.clone()));
    }
}

/// Invokes the schedule's function immediately and then at its interval, until the runner stops.
async fn run(schedule: Schedule, runner: Runner) {
    let mut ticks = tokio::time::interval(schedule.every);
    // After the machine was asleep, one run replaces all missed ones.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = runner.host.shutdown.draining() => return,
        }
        while runs.try_join_next().is_some() {}
        if runs.len() >= AT_ONCE {
            tracing::warn!(function = schedule.function, "scheduled run skipped: earlier runs are still in flight");
            continue;
        }
        let event = event(&schedule.function, &runner.host.doors);
        runs.spawn(invoke(runner.functions.clone(), schedule.function.clone(), event));
    }
}

async fn invoke(functions: Functions, function: String, event: String) {
    match functions.invoke(&function, event).await {
        Err(error) if !error.is_unavailable() => tracing::error!(function, %error, "scheduled run failed"),
        _ => {}
    }
}

/// Builds the event that a scheduled rule sends.
fn event(function: &str, doors: &Doors) -> String {
    let rule = format!("arn:aws:events:{}:{}:rule/{function}", aws::REGION, aws::ACCOUNT);
    json!({
        "version": "0",
        "id": doors.uuid().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": aws::ACCOUNT,
        "time": to_the_second(doors.now()),
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
    fn a_scheduled_event_has_the_documented_form() {
        let event: Value = serde_json::from_str(&event("expire", &Doors::default())).unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["source"], "aws.events");
        assert_eq!(event["detail"], json!({}));
    }
}
