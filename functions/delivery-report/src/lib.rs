//! Records a channel's reports that a link which it had accepted did not reach the customer. A report arrives over
//! HTTP, by `POST /delivery-reports/{channel}`, or as a notification within the AWS account.

use adapters::{ChannelName, ConfiguredReports, DynamoDbStore, ReportedOutcome, UnknownPart};
use domain::use_cases::UseCaseError;
use domain::use_cases::notify::{DeliveryReportOutcome, record_delivery_report};
use domain::{DeliveryReport, Doors};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use runtime::http_function::{body_of_at_most, json, path_parameter};
use runtime::json::{Document, Object, Unreadable};
use runtime::telemetry::{Metric, count};
use runtime::webhook_error::unread;
use runtime::{
    Body, BoxFuture, ConfigError, Environment, Function, HttpFunction, HttpHandler, InvocationError, Problem, Request,
    RequestExt as _,
};
use serde_json::json;
use serde_json::value::RawValue;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The function for both ways by which a report can arrive.
struct DeliveryReports(HttpFunction<Reports>);

struct Reports {
    store: DynamoDbStore,
    doors: Doors,
    channel: ConfiguredReports,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(DeliveryReports(HttpFunction(Reports {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        channel: ConfiguredReports::new(environment)?,
    }))))
}

impl Function for DeliveryReports {
    /// Handles an event of Amazon SNS (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>) or of the API. The
    /// latter has no records.
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let HttpFunction(reports) = &self.0;
            let document = Document::new(event.as_bytes());
            let notifications = document.object().map(|event| event.list("Records")).unwrap_or_default();
            if notifications.is_empty() || !reports.channel.come_as_notifications() {
                return self.0.invoke(event).await;
            }
            reports.record_notifications(&notifications).await?;
            Ok("null".to_owned())
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        self.0.warm()
    }
}

impl HttpHandler for Reports {
    /// Records the reports in a channel's webhook. Answers 200 only after the write: the channel retries until then.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let channel: Option<ChannelName> = path_parameter(&request, "channel")?.parse().ok();
        let body_at_most = self.channel.body_at_most().ok_or(Problem::NotFound)?;
        if channel != Some(self.channel.channel()) {
            return Err(Problem::NotFound);
        }
        if *request.method() == Method::GET {
            return self.answer_challenge(&request);
        }
        let body = match body_of_at_most(&request, body_at_most) {
            Ok(body) => body,
            Err(problem) => return Err(self.unread(&request, problem).await),
        };
        let reports = self.channel.read(request.headers(), body, self.doors.now()).await.map_err(|error| {
            let unreadable = self.channel.are_signed().then_some(Metric::WebhookUnreadable);
            let detail = "The body does not have the form of the channel's reports.";
            error.into_problem(Metric::WebhookRefused, unreadable, detail)
        })?;
        for outcome in reports {
            self.record(outcome).await?;
        }
        Ok(json(StatusCode::OK, &json!({})))
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}

impl Reports {
    /// Returns the problem of a report whose body is not read, and counts it if it is correctly signed.
    async fn unread(&self, request: &Request, problem: Problem) -> Problem {
        let bytes = request.body().len();
        if !self.channel.are_signed() {
            tracing::info!(
                bytes,
                code = problem.code(),
                "webhook rejected: its body is not read, and nobody signed it"
            );
            return problem;
        }
        let verified = self.channel.read(request.headers(), request.body(), self.doors.now()).await;
        unread(verified, problem, bytes, Metric::WebhookUnreadable)
    }

    /// Answers Meta's challenge. The answer proves that the webhook URL configured at Meta is ours
    /// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>).
    fn answer_challenge(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let parameter = |name| parameters.first(name).unwrap_or_default();
        let subscribes = parameter("hub.mode") == "subscribe";
        let challenge = self.channel.challenge(parameter("hub.verify_token"), parameter("hub.challenge"));
        let challenge = challenge.filter(|_| subscribes).ok_or(Problem::Forbidden)?;
        let mut response = Response::new(Body::from(challenge));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Records the links that did not reach the customer, as reported by notifications within the AWS account. One that
    /// cannot be read or recorded does not cost the others. One that cannot be read would fail every retry, so it is
    /// counted and left out.
    ///
    /// # Errors
    /// The first notification that could not be recorded.
    async fn record_notifications(&self, notifications: &[&RawValue]) -> Result<(), InvocationError> {
        let mut recorded = Ok(());
        for notification in notifications {
            match self.read_notification(notification) {
                Ok(Some(outcome)) => recorded = recorded.and(self.record(outcome).await),
                Ok(None) => {}
                Err(error) => {
                    count(Metric::DeliveryReportUnknown);
                    tracing::error!(%error, "delivery report left out: it cannot be read");
                }
            }
        }
        recorded.map_err(InvocationError::work)
    }

    fn read_notification(&self, notification: &RawValue) -> Result<Option<ReportedOutcome>, Unreadable> {
        let message = Object::of(notification).and_then(|notification| notification.object("Sns"));
        self.channel.read_notification(&message.unwrap_or_default().required::<String>("Message")?)
    }

    /// Records a link that did not arrive, and counts what this version does not know.
    async fn record(&self, outcome: ReportedOutcome) -> Result<(), UseCaseError> {
        match outcome {
            ReportedOutcome::Failed(report) => self.record_failure(report).await,
            ReportedOutcome::Unknown(UnknownPart { part, value }) => {
                count(Metric::DeliveryReportUnknown);
                tracing::error!(part, value, "part of a delivery report left out: this version does not know it");
                Ok(())
            }
        }
    }

    /// Records one report, logs the outcome, and counts a failed delivery.
    async fn record_failure(&self, report: DeliveryReport) -> Result<(), UseCaseError> {
        let (id, reason) = (report.id, report.reason.code());
        match record_delivery_report(&self.store, &self.doors, report).await? {
            DeliveryReportOutcome::Applied(_) => {
                count(Metric::DeliveryFailed);
                tracing::error!(%id, reason, "link not delivered, as the channel reports");
            }
            DeliveryReportOutcome::Known(request) | DeliveryReportOutcome::Unchanged(request) => {
                tracing::info!(%id, reason, status = %request.status, "delivery report changed nothing");
            }
            DeliveryReportOutcome::Unknown => {
                tracing::info!(%id, reason, "delivery report ignored: there is no such request");
            }
        }
        Ok(())
    }
}
