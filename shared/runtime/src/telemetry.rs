//! What an operator sees: log lines (JSON, by the Lambda runtime's subscriber) and metrics.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

/// Something that an operator watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A payment whose amount or currency is not what was asked for.
    AmountMismatch,
    /// A second payment for a request that was paid already.
    SecondPayment,
    /// A signed webhook about nothing of ours.
    WebhookIgnored,
    /// A signed webhook of the provider's test mode where money is real, or the other way round.
    WebhookOtherMode,
    /// A webhook whose signature does not hold.
    WebhookRefused,
    /// A request that expired without the provider's word.
    ExpiredUnconfirmed,
    /// A message that was given up: its customer did not get it, or nobody knows.
    DeliveryFailed,
    /// A stream record that can never become an event.
    DeadLetter,
    /// How long after its deadline a request was ended.
    ExpiryLag,
    /// How long a refund has been due when it was tried.
    RefundAge,
    /// A refund that the provider had taken on, and that failed later, was canceled, or waits for money in the account.
    RefundFailed,
    /// Money of a request that went back although no refund of it was due: a person sent it.
    RefundNotDue,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::AmountMismatch => "AmountMismatch",
            Self::SecondPayment => "SecondPayment",
            Self::WebhookIgnored => "WebhookIgnored",
            Self::WebhookOtherMode => "WebhookOtherMode",
            Self::WebhookRefused => "WebhookRefused",
            Self::ExpiredUnconfirmed => "ExpiredUnconfirmed",
            Self::DeliveryFailed => "DeliveryFailed",
            Self::DeadLetter => "DeadLetter",
            Self::ExpiryLag => "ExpiryLag",
            Self::RefundAge => "RefundAge",
            Self::RefundFailed => "RefundFailed",
            Self::RefundNotDue => "RefundNotDue",
        }
    }
}

/// Counts one occurrence.
pub fn count(metric: Metric) {
    emit(metric, "Count", 1);
}

/// Records how long something took.
pub fn duration(metric: Metric, duration: Duration) {
    emit(metric, "Milliseconds", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
}

/// Hands a value to CloudWatch: in a deployment as a line of CloudWatch's embedded metric format on standard output
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>),
/// elsewhere as a log line.
#[expect(clippy::disallowed_methods, reason = "a metric's time decides nothing")]
fn emit(metric: Metric, unit: &str, value: u64) {
    let Some(function) = std::env::var_os("AWS_LAMBDA_FUNCTION_NAME") else {
        tracing::debug!(metric = metric.name(), value, unit, "measured");
        return;
    };
    let milliseconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let line = serde_json::json!({
        "_aws": {
            "Timestamp": u64::try_from(milliseconds).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": "chat2pay",
                "Dimensions": [["FunctionName"]],
                "Metrics": [{ "Name": metric.name(), "Unit": unit }],
            }],
        },
        "FunctionName": function.to_string_lossy(),
        metric.name(): value,
    });
    if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
        tracing::error!(%error, metric = metric.name(), "the metric could not be written");
    }
}

/// Describes what is wrong with a JSON text without any of the text, which may hold a customer's data.
#[must_use]
pub fn redacted(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}

/// Describes an error with all of its causes, in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Many errors already repeat their cause in their own text.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}
