//! Records a channel's reports that a link which it had accepted did not reach the customer. A report arrives over
//! HTTP, by `POST /delivery-reports/{channel}`, or as a notification within the AWS account.

use adapters::{ChannelName, ConfiguredReports, DynamoDbStore, ReportedOutcome};
use domain::use_cases::UseCaseError;
use domain::use_cases::notify::{DeliveryReportOutcome, record_delivery_report};
use domain::{DeliveryReport, Doors};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use runtime::http_function::{body_of_at_most, json, path_parameter};
use runtime::json::{Document, Object};
use runtime::telemetry::{Metric, count};
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
        for report in reports {
            self.record(report).await?;
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
        let (bytes, code) = (request.body().len(), problem.code());
        if !self.channel.are_signed() {
            tracing::info!(bytes, code, "report rejected: its body is not read");
            return problem;
        }
        match self.channel.read(request.headers(), request.body(), self.doors.now()).await {
            Err(error) if error.is_unverified() => {
                tracing::info!(bytes, code, "report rejected: its body is not read, and its signature is not valid");
            }
            Ok(_) | Err(_) => {
                count(Metric::WebhookUnreadable);
                tracing::error!(bytes, code, "report rejected: it is correctly signed, but its body is not read");
            }
        }
        problem
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

    /// Records the links that did not reach the customer, as reported by notifications within the AWS account.
    ///
    /// # Errors
    /// The first notification that is unreadable or could not be recorded.
    async fn record_notifications(&self, notifications: &[&RawValue]) -> Result<(), InvocationError> {
        for notification in notifications {
            let message = Object::of(notification).and_then(|notification| notification.object("Sns"));
            let message: String =
                message.unwrap_or_default().required("Message").map_err(|error| InvocationError::unreadable(&error))?;
            match self.channel.read_notification(&message).map_err(|error| InvocationError::event(&error))? {
                ReportedOutcome::Failed(report) => self.record(report).await.map_err(InvocationError::work)?,
                ReportedOutcome::NotFailed => {}
                ReportedOutcome::Unknown { event_type } => {
                    count(Metric::DeliveryReportUnknown);
                    tracing::warn!(event_type, "delivery report ignored: unknown type");
                }
            }
        }
        Ok(())
    }

    /// Records one report, logs the outcome, and counts a failed delivery.
    async fn record(&self, report: DeliveryReport) -> Result<(), UseCaseError> {
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
