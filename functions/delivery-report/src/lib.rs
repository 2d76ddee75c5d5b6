//! A channel says that a link which it had taken did not reach the customer: over HTTP, by `POST /delivery-reports/{channel}`, or
//! as a notification within the AWS account.

use adapters::channel::SmsReports;
use adapters::{ConfiguredReports, DynamoDbStore};
use domain::use_cases::UseCaseError;
use domain::use_cases::notify::{DeliveryReportOutcome, record_delivery_report};
use domain::{DeliveryReport, Doors};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use runtime::http_function::{body_of_at_most, json, path_parameter};
use runtime::telemetry::{Metric, count};
use runtime::{
    Body, BoxFuture, ConfigError, Environment, Function, HttpFunction, HttpHandler, InvocationError, Problem, Request,
    RequestExt as _,
};
use serde::Deserialize;
use serde_json::json;

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

/// The function, whichever way a report comes.
struct DeliveryReports(HttpFunction<Reports>);

struct Reports {
    store: DynamoDbStore,
    doors: Doors,
    reports: ConfiguredReports,
}

/// Builds the function.
///
/// # Errors
/// A variable that is missing or wrong.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(DeliveryReports(HttpFunction(Reports {
        store: DynamoDbStore::new(environment)?,
        doors: environment.doors(),
        reports: ConfiguredReports::new(environment)?,
    }))))
}

/// What Amazon SNS hands over (<https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>). A request over HTTP has no records.
#[derive(Deserialize)]
struct Notifications {
    #[serde(rename = "Records", default)]
    records: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Sns")]
    sns: Sns,
}

#[derive(Deserialize)]
struct Sns {
    #[serde(rename = "Message")]
    message: String,
}

impl Function for DeliveryReports {
    fn invoke<'a>(&'a self, event: &'a str) -> BoxFuture<'a, Result<String, InvocationError>> {
        Box::pin(async move {
            let Notifications { records } = serde_json::from_str(event).map_err(InvocationError::Event)?;
            match (&self.0.0.reports, records.as_slice()) {
                (ConfiguredReports::Sms(reports), [_, ..]) => {
                    self.0.0.hear(*reports, &records).await?;
                    Ok("null".to_owned())
                }
                _ => self.0.invoke(event).await,
            }
        })
    }

    fn warm(&self) -> BoxFuture<'_, ()> {
        self.0.warm()
    }
}

impl HttpHandler for Reports {
    /// Answers 200 only after the write: until then the channel sends the report again.
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        if self.reports.address() != Some(path_parameter(&request, "channel")?.as_str()) {
            return Err(Problem::NotFound);
        }
        if *request.method() == Method::GET {
            return self.prove(&request);
        }
        let body = body_of_at_most(&request, self.reports.body_at_most())?;
        let reports =
            self.reports.read(request.headers(), body, self.doors.now()).await.map_err(|error| {
                error.answer(Metric::WebhookRefused, "The body is not what the channel's reports are.")
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
    /// Tells Meta that this address is the one that somebody entered at its side
    /// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>).
    fn prove(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let parameters = request.query_string_parameters();
        let parameter = |name| parameters.first(name).unwrap_or_default();
        let subscribes = parameter("hub.mode") == "subscribe";
        let challenge = self.reports.challenge(parameter("hub.verify_token"), parameter("hub.challenge"));
        let challenge = challenge.filter(|_| subscribes).ok_or(Problem::Forbidden)?;
        let mut response = Response::new(Body::from(challenge));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Records what became of text messages.
    async fn hear(&self, reports: SmsReports, notifications: &[Notification]) -> Result<(), InvocationError> {
        for notification in notifications {
            if let Some(report) = reports.read(&notification.sns.message).map_err(InvocationError::Event)? {
                self.record(report).await.map_err(InvocationError::work)?;
            }
        }
        Ok(())
    }

    async fn record(&self, report: DeliveryReport) -> Result<(), UseCaseError> {
        let (id, reason) = (report.id, report.reason.code());
        match record_delivery_report(&self.store, &self.doors, report).await? {
            DeliveryReportOutcome::Applied(_) => {
                count(Metric::DeliveryFailed);
                tracing::error!(%id, reason, "the channel could not deliver a link");
            }
            DeliveryReportOutcome::Known(request) | DeliveryReportOutcome::Unchanged(request) => {
                tracing::info!(%id, reason, status = %request.status, "a report that changes nothing");
            }
            DeliveryReportOutcome::Unknown => {
                tracing::info!(%id, reason, "a report about no request of ours was ignored")
            }
        }
        Ok(())
    }
}
