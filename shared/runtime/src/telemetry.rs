//! Telemetry for operators: the log, descriptions of errors for its lines, and metrics.

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets, filter_fn};
use lambda_runtime::tracing::subscriber::fmt::{self, MakeWriter};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt as _;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt as _;
use lambda_runtime::tracing::subscriber::{Layer as _, registry};
use std::error::Error;
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::time::Duration;
use tracing::{Level, Subscriber};

/// The crates whose events are logged at any level that an operator asks for. They log no customer's data at any level.
///
/// All other crates are logged at `INFO` at most, whatever is asked for. At `DEBUG` and `TRACE`, the Lambda runtime,
/// the AWS SDK and the HTTP client log whole events, requests and responses, with phone numbers, tokens and keys.
pub const OWN_CRATES: [&str; 18] = [
    "adapters",
    "cancel",
    "create",
    "delivery_report",
    "desk",
    "domain",
    "expire",
    "link_click",
    "live",
    "notify",
    "payment_webhook",
    "publish",
    "query",
    "reconcile",
    "refund",
    "runtime",
    "webhook_endpoints",
    "webhooks",
];

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    wanted: Targets,
    json: bool,
}

impl LogSettings {
    /// Builds the settings of these variables: `AWS_LAMBDA_LOG_LEVEL`, which is preferred to the level in `RUST_LOG`,
    /// and `AWS_LAMBDA_LOG_FORMAT`. `INFO` is the default. `RUST_LOG` may also hold directives for single crates, such
    /// as `adapters=debug`. What is no directive is ignored.
    ///
    /// Lambda sets the first and the third by the function's logging configuration
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>).
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let directives = variable("RUST_LOG").unwrap_or_default();
        let directives = directives.split(',').map(str::trim).filter(|directive| !directive.is_empty());
        let directives = directives.filter_map(|directive| directive.parse::<Targets>().ok());
        let (mut wanted, mut level) = (Targets::new(), LevelFilter::INFO);
        for directive in directives {
            level = directive.default_level().unwrap_or(level);
            wanted = wanted.with_targets(directive);
        }
        level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(level);
        Self {
            wanted: wanted.with_default(level),
            json: variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")),
        }
    }

    /// Builds the subscriber that writes the log.
    pub fn subscriber<W>(&self, writer: W) -> impl Subscriber + Send + Sync + use<W>
    where
        W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
    {
        let lines = fmt::layer().with_target(false).without_time().with_writer(writer);
        let lines = if self.json { lines.json().boxed() } else { lines.boxed() };
        let allowed = filter_fn(|metadata| *metadata.level() <= Level::INFO || is_own(metadata.target()));
        registry().with(lines).with(self.wanted.clone()).with(allowed)
    }
}

/// Returns whether an event's target, a module path, belongs to one of [`OWN_CRATES`].
fn is_own(target: &str) -> bool {
    OWN_CRATES.contains(&target.split("::").next().unwrap_or_default())
}

/// Sets up the process's log, by [`LogSettings`] and on standard output. Panics are logged by their place alone.
pub fn init() {
    let settings = LogSettings::new(|name| std::env::var(name).ok());
    settings.subscriber(std::io::stdout).init();
    std::panic::set_hook(Box::new(log_panic));
}

/// Logs where a panic happened, and never its text, which may show a customer's data.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic.location().map(|location| (location.file(), location.line())).unzip();
    tracing::error!(file, line, "panicked");
}

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
    /// A correctly signed webhook that was rejected because it is too large, cannot be read, or has an unknown value.
    WebhookUnreadable,
    /// A value in a provider's report or response that this version does not know. It counts as "not yet".
    ProviderValueUnknown,
    /// A record of the table's stream that was left out because it cannot be read.
    RecordUnreadable,
    /// A request that expired without the provider's confirmation that it was not paid.
    ExpiredUnconfirmed,
    /// A message that was abandoned: the customer did not receive it, or its delivery is unknown.
    DeliveryFailed,
    /// An endpoint of ours, AWS's or a provider's, whose certificate is not trusted.
    EndpointNotTrusted,
    /// A stored item that this version cannot read.
    StoredItemUnreadable,
    /// A channel's report, or a part of one, that was left out because this version does not know or cannot read it.
    DeliveryReportUnknown,
    /// A stream record that can never be turned into an event.
    DeadLetter,
    /// The time from a request's deadline until its expiry was processed.
    ExpiryLag,
    /// The time for which a refund had been due when it was attempted.
    RefundAge,
    /// The time for which the time to pay of a clicked request was over when the provider was asked about it.
    OverdueAge,
    /// The time for which money had been in flight when the provider was asked about it.
    ProcessingAge,
    /// The time for which a refund had been due when the provider was asked about it.
    RefundWait,
    /// The time for which a request had expired without the provider's confirmation when the provider was asked about
    /// it.
    UnconfirmedAge,
    /// The number of requests whose time to pay is over, and whose provider could not say whether they were paid.
    OverdueWaiting,
    /// The number of requests whose money is in flight.
    ProcessingWaiting,
    /// The number of requests whose money is due for a refund.
    RefundsWaiting,
    /// The number of requests that expired without the provider's confirmation.
    UnconfirmedWaiting,
    /// A payment that carries our metadata, for a request that does not exist.
    PaymentUnknown,
    /// A call that the provider rejected and would reject again, so that a customer cannot pay.
    ProviderRefused,
    /// A refund that the provider had accepted, and that later failed, was canceled, or is waiting for money in the
    /// account.
    RefundFailed,
    /// Money of a request that was returned although no refund was due: a person sent it.
    RefundNotDue,
    /// A difference between what the provider knows and what is stored here.
    ReconciliationDifference,
    /// Sums of a report that a change should have dropped, and that never will be.
    SumsNotDropped,
    /// A reconciliation that stopped before it had compared everything.
    ReconciliationStopped,
    /// Payments that a reconciliation compared.
    PaymentsReconciled,
    /// A status webhook that no endpoint accepted in time.
    WebhookAbandoned,
    /// A webhook endpoint that was disabled, because it failed for five days.
    WebhookEndpointDisabled,
    /// A stored webhook endpoint, delivery or secret that this version cannot read.
    WebhookItemUnreadable,
    /// A task of the queue of webhook deliveries that failed for a reason of ours.
    WebhookTaskFailed,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::AmountMismatch => "AmountMismatch",
            Self::SecondPayment => "SecondPayment",
            Self::WebhookIgnored => "WebhookIgnored",
            Self::WebhookOtherMode => "WebhookOtherMode",
            Self::WebhookRefused => "WebhookRefused",
            Self::WebhookUnreadable => "WebhookUnreadable",
            Self::ProviderValueUnknown => "ProviderValueUnknown",
            Self::RecordUnreadable => "RecordUnreadable",
            Self::ExpiredUnconfirmed => "ExpiredUnconfirmed",
            Self::DeliveryFailed => "DeliveryFailed",
            Self::EndpointNotTrusted => "EndpointNotTrusted",
            Self::StoredItemUnreadable => "StoredItemUnreadable",
            Self::DeliveryReportUnknown => "DeliveryReportUnknown",
            Self::DeadLetter => "DeadLetter",
            Self::ExpiryLag => "ExpiryLag",
            Self::RefundAge => "RefundAge",
            Self::OverdueAge => "OverdueAge",
            Self::ProcessingAge => "ProcessingAge",
            Self::RefundWait => "RefundWait",
            Self::UnconfirmedAge => "UnconfirmedAge",
            Self::OverdueWaiting => "OverdueWaiting",
            Self::ProcessingWaiting => "ProcessingWaiting",
            Self::RefundsWaiting => "RefundsWaiting",
            Self::UnconfirmedWaiting => "UnconfirmedWaiting",
            Self::PaymentUnknown => "PaymentUnknown",
            Self::ProviderRefused => "ProviderRefused",
            Self::RefundFailed => "RefundFailed",
            Self::RefundNotDue => "RefundNotDue",
            Self::ReconciliationDifference => "ReconciliationDifference",
            Self::SumsNotDropped => "SumsNotDropped",
            Self::ReconciliationStopped => "ReconciliationStopped",
            Self::PaymentsReconciled => "PaymentsReconciled",
            Self::WebhookAbandoned => "WebhookAbandoned",
            Self::WebhookEndpointDisabled => "WebhookEndpointDisabled",
            Self::WebhookItemUnreadable => "WebhookItemUnreadable",
            Self::WebhookTaskFailed => "WebhookTaskFailed",
        }
    }
}

/// Adds one to a metric.
pub fn count(metric: Metric) {
    emit(metric, "Count", 1);
}

/// Adds a number to a metric.
pub fn add(metric: Metric, number: usize) {
    emit(metric, "Count", u64::try_from(number).unwrap_or(u64::MAX));
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

/// Returns a word of another system's vocabulary, such as an event's type, for the log. Any other text, which may be a
/// customer's, is replaced by a question mark.
#[must_use]
pub fn word(text: &str) -> &str {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if (1..=64).contains(&text.len()) && text.bytes().all(known) && digits <= 3 { text } else { "?" }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns what is logged of one event of our own and one of another crate at each level, with these variables.
    fn logged(variables: &[(&str, &str)]) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let settings = LogSettings::new(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        tracing::subscriber::with_default(settings.subscriber(move || writer.clone()), || {
            tracing::error!(target: "hyper_util::client", "other error");
            tracing::info!(target: "lambda_runtime", "other info");
            tracing::debug!(target: "aws_smithy_runtime::client", "other debug");
            tracing::trace!(target: "lambda_runtime::layers", "other trace");
            tracing::debug!(target: "runtimes", "other of a similar name");
            tracing::error!(target: "link_click", "own error");
            tracing::info!(target: "adapters::dynamodb", "own info");
            tracing::debug!(target: "runtime::telemetry", "own debug");
            tracing::trace!(target: "domain", "own trace");
        });
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_level_opens_the_log_to_other_crates_details() {
        for variables in [
            &[("AWS_LAMBDA_LOG_LEVEL", "TRACE")][..],
            &[("RUST_LOG", "trace")],
            &[("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")],
            &[("RUST_LOG", "trace,hyper_util=trace,aws_smithy_runtime=trace,lambda_runtime=trace")],
        ] {
            let log = logged(variables);
            for expected in ["other error", "other info", "own error", "own info", "own debug", "own trace"] {
                assert!(log.contains(expected), "{variables:?}: {log}");
            }
            for secret in ["other debug", "other trace", "similar"] {
                assert!(!log.contains(secret), "{variables:?}: {log}");
            }
        }
        let log = logged(&[]);
        assert!(log.contains("own info") && !log.contains("own debug"), "{log}");
        let log = logged(&[("RUST_LOG", "warn,adapters=info,[}=,link_click=off")]);
        assert!(log.contains("own info") && log.contains("other error"), "{log}");
        assert!(!log.contains("own error") && !log.contains("other info"), "{log}");
        let log = logged(&[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("RUST_LOG", "debug,domain=trace")]);
        assert!(log.contains("own error") && log.contains("own trace") && !log.contains("info"), "{log}");
        let log = logged(&[("AWS_LAMBDA_LOG_LEVEL", "ERROR"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
        assert!(log.contains(r#""message":"own error""#) && !log.contains("info"), "{log}");
    }

    #[test]
    fn the_own_crates_are_those_of_functions_and_shared() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut crates: Vec<String> = ["functions", "shared"]
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("Cargo.toml").exists())
            .map(|entry| entry.file_name().into_string().unwrap().replace('-', "_"))
            // It runs in build scripts alone.
            .filter(|name| name != "embed")
            .collect();
        crates.sort();
        assert_eq!(crates, OWN_CRATES);
    }

    #[test]
    fn only_a_word_of_a_vocabulary_is_repeated() {
        for text in ["checkout.session.completed", "v1.billing.meter", "on_hold", "2xx"] {
            assert_eq!(word(text), text);
        }
        for text in
            ["", "+27831234567", "27831234567", "4ZrjxzUmPJr1kqZ1VqVQ7k", "Thandi", "a b", "žofie", &"x".repeat(65)]
        {
            assert_eq!(word(text), "?", "{text}");
        }
    }
}
