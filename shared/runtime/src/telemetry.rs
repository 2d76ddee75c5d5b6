//! Telemetry for operators: descriptions of errors for log lines (JSON, by the Lambda runtime's subscriber) and
//! metrics.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

/// A metric that an operator watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// A payment whose amount or currency differs from the requested one.
    AmountMismatch,
    /// A second payment for a request that was already paid.
    SecondPayment,
    /// A correctly signed webhook that concerns no payment request of this system.
    WebhookIgnored,
    /// A correctly signed webhook of the provider's test mode in a deployment with real money, or the reverse.
    WebhookOtherMode,
    /// A webhook rejected because its signature is invalid.
    WebhookRefused,
    /// A request that expired without the provider's confirmation that it was not paid.
    ExpiredUnconfirmed,
    /// A message that was abandoned: the customer did not receive it, or its delivery is unknown.
    DeliveryFailed,
    /// A stored item that this version cannot read.
    StoredItemUnreadable,
    /// A channel's report on a link, of a type that this version does not know.
    DeliveryReportUnknown,
    /// A stream record that can never be turned into an event.
    DeadLetter,
    /// The time from a request's deadline until its expiry was processed.
    ExpiryLag,
    /// The time for which a refund had been due when it was attempted.
    RefundAge,
    /// A refund that the provider had accepted, and that later failed, was canceled, or is waiting for money in the
    /// account.
    RefundFailed,
    /// Money of a request that was returned although no refund was due: a person sent it.
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
            Self::StoredItemUnreadable => "StoredItemUnreadable",
            Self::DeliveryReportUnknown => "DeliveryReportUnknown",
            Self::DeadLetter => "DeadLetter",
            Self::ExpiryLag => "ExpiryLag",
            Self::RefundAge => "RefundAge",
            Self::RefundFailed => "RefundFailed",
            Self::RefundNotDue => "RefundNotDue",
        }
    }
}

/// Adds one to a metric.
pub fn count(metric: Metric) {
    emit(metric, "Count", 1);
}

/// Records a duration as a metric, in milliseconds.
pub fn duration(metric: Metric, duration: Duration) {
    emit(metric, "Milliseconds", u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
}

/// Emits a metric value: in a deployment as a line of CloudWatch's embedded metric format on standard output, elsewhere
/// as a log line.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
#[expect(clippy::disallowed_methods, reason = "a metric's time decides nothing")]
fn emit(metric: Metric, unit: &str, value: u64) {
    let Some(function) = std::env::var_os("AWS_LAMBDA_FUNCTION_NAME") else {
        tracing::debug!(metric = metric.name(), value, unit, "metric recorded");
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
        tracing::error!(%error, metric = metric.name(), "metric not written");
    }
}

/// Describes a JSON error by kind and position, without any of the text, which may contain a customer's data.
#[must_use]
pub fn redacted(error: &serde_json::Error) -> String {
    format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
}

/// Formats an error and all its causes in one line.
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
