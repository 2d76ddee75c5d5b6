//! The parts of the deployment template that one machine needs: the tables, the routes, the schedules, the stream's
//! consumers, the queue's, the bus's rules and CORS. The template is the only source of these settings.
//!
//! The YAML parser drops tags, which are the short form of the template language's functions: `!Ref Table` is read as
//! `Table` and `!GetAtt Table.StreamArn` as `Table.StreamArn`. One machine needs no more of a reference.

use super::pattern::{Pattern, PatternError};
use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// The template's text, embedded at build time, so that the runner needs no file at run time.
const TEXT: &str = include_str!("../../../template.yaml");

/// The reason why the template cannot be run on one machine.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML.
    #[error("the template is not YAML: {0}")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// A resource does not have the expected form.
    #[error("the template's resource {resource} cannot be parsed: {cause}")]
    Resource {
        /// The resource's logical id.
        resource: String,
        /// The cause.
        #[source]
        cause: serde_json::Error,
    },
    /// The pattern of a rule or filter is not supported by the local matcher.
    #[error("a pattern of the template's resource {resource} is not supported: {cause}")]
    Pattern {
        /// The resource's logical id.
        resource: String,
        /// The cause.
        #[source]
        cause: PatternError,
    },
    /// Something is missing, or works in a deployment only.
    #[error("the template's resource {resource} is not supported on one machine: {reason}")]
    Unsupported {
        /// The resource's logical id.
        resource: String,
        /// What is not supported.
        reason: &'static str,
    },
}

/// The settings that one machine needs of the template.
#[derive(Debug)]
pub(crate) struct Template {
    /// The table of payment requests.
    pub(crate) table: Table,
    /// The table of webhook endpoints and deliveries.
    pub(crate) webhooks_table: Table,
    /// The table of the sums of reports.
    pub(crate) sums_table: Table,
    /// The CORS settings, without the allowed origins, which are a parameter.
    pub(crate) cors: Cors,
    /// The keys of the routes that have a rate limit of their own. All others share one.
    pub(crate) limited_alone: BTreeSet<String>,
    /// The functions by name, in the order of their logical ids.
    pub(crate) functions: BTreeMap<String, FunctionSettings>,
    /// The HTTP API's routes.
    pub(crate) routes: Vec<Route>,
    /// The scheduled functions.
    pub(crate) schedules: Vec<Schedule>,
    /// The functions that read the table's stream.
    pub(crate) stream_consumers: Vec<StreamConsumer>,
    /// The functions that read a queue.
    pub(crate) queue_consumers: Vec<QueueConsumer>,
    /// The bus's rules, which select a target for each event.
    pub(crate) rules: Vec<Rule>,
    /// The table of live updates.
    pub(crate) live_table: Table,
    /// The WebSocket API of live updates.
    pub(crate) sockets: SocketApi,
}

/// The WebSocket API: one stage, whose routes all lead to one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SocketApi {
    /// The stage's name, which is the path of the connections.
    pub(crate) stage: String,
    /// The name of the function.
    pub(crate) function: String,
}

/// The table's settings, in the form of `CreateTable` and `UpdateTimeToLive`.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The input of `CreateTable`, without the table's name.
    definition: Map<String, Value>,
    /// The attribute that holds the time to live, in seconds since the Unix epoch.
    pub(crate) ttl_attribute: String,
}

impl Table {
    /// Returns the input of `CreateTable` for a table of this name.
    #[must_use]
    pub(crate) fn create_request(&self, name: &str) -> Value {
        let mut request = self.definition.clone();
        request.insert("TableName".to_owned(), name.into());
        Value::Object(request)
    }
}

/// The settings of a function that apply to every invocation.
#[derive(Debug, Clone)]
pub(crate) struct FunctionSettings {
    /// The timeout of one invocation.
    pub(crate) timeout: Duration,
    /// The retries of an invocation that nobody waits for.
    pub(crate) asynchronous: AsynchronousInvocation,
}

/// How long Lambda tries an invocation that nobody waits for, such as that with an event of the bus. The default is
/// Lambda's
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AsynchronousInvocation {
    /// The number of retries after a failure, at most two.
    #[serde(rename = "MaximumRetryAttempts")]
    pub(crate) retries: u32,
    /// The maximum age of an event for another try, in seconds.
    #[serde(rename = "MaximumEventAgeInSeconds")]
    maximum_age: u64,
}

impl AsynchronousInvocation {
    /// Returns the maximum age of an event for another try.
    pub(crate) fn maximum_age(&self) -> Duration {
        Duration::from_secs(self.maximum_age)
    }
}

impl Default for AsynchronousInvocation {
    fn default() -> Self {
        Self { retries: 2, maximum_age: 6 * 60 * 60 }
    }
}

/// One route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The methods that it takes.
    pub(crate) methods: Methods,
    /// The path, with parameters in braces. A last parameter with a plus sign, such as `{proxy+}`, is the rest of the
    /// path.
    pub(crate) path: String,
    /// The name of the function that handles it.
    pub(crate) function: String,
    /// Whether a caller needs a token.
    pub(crate) authorized: bool,
}

impl Route {
    /// Returns the route's key, such as `GET /payment-requests/{id}` or `ANY /p/{proxy+}`.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.methods, self.path)
    }
}

/// The methods that a route takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Methods {
    /// Every method that has no route of its own.
    Any,
    /// One method.
    One(Method),
}

impl Methods {
    fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_uppercase();
        if text == "ANY" { Some(Self::Any) } else { text.parse().ok().map(Self::One) }
    }

    /// Returns whether a request with this method is one of the route's.
    pub(crate) fn contains(&self, method: &Method) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one == method,
        }
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("ANY"),
            Self::One(method) => method.fmt(formatter),
        }
    }
}

/// A function that is invoked on a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// The function's name.
    pub(crate) function: String,
    /// The time between the starts of two runs.
    pub(crate) every: Duration,
}

/// A function that reads the table's stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamConsumer {
    /// The function's name.
    pub(crate) function: String,
    /// The name of the event source mapping; a function may have several mappings.
    pub(crate) name: String,
    /// The maximum number of records in one invocation.
    pub(crate) batch_size: usize,
    /// The number of retries of a failing record; `None` is unlimited.
    pub(crate) retries: Option<u32>,
    /// The filters. A record is delivered if any of them matches, or if there are none.
    pub(crate) filters: Vec<Pattern>,
}

/// A function that reads a queue, with the queue's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueConsumer {
    /// The function's name.
    pub(crate) function: String,
    /// The queue's logical id.
    pub(crate) queue: String,
    /// The maximum number of messages in one invocation.
    pub(crate) batch_size: usize,
    /// The maximum number of invocations in flight.
    pub(crate) concurrency: usize,
    /// The time until a message that was received and not deleted is received again.
    pub(crate) visibility_timeout: Duration,
    /// The number of times that a message is received before it goes to the dead-letter queue.
    pub(crate) receives: u32,
    /// The time after which a message is dropped.
    pub(crate) retention: Duration,
}

/// One rule of the bus.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The rule's name.
    pub(crate) name: String,
    /// The events that it matches.
    pub(crate) pattern: Pattern,
    /// The target of matched events.
    pub(crate) target: Target,
    /// For how long the bus offers an event to a target that cannot be reached. What the target makes of the event does
    /// not concern the bus.
    pub(crate) maximum_age: Duration,
}

/// The target of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The function of this name.
    Function(String),
    /// The queue that a function reads.
    Queue,
    /// The dead-letter queue.
    DeadLetters,
}

/// The HTTP API's CORS settings for pages of other sites.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Cors {
    /// The methods that these pages may use.
    pub(crate) allow_methods: Vec<String>,
    /// The request headers that these pages may send.
    #[serde(default)]
    pub(crate) allow_headers: Vec<String>,
    /// The response headers that these pages may read.
    #[serde(default)]
    pub(crate) expose_headers: Vec<String>,
    /// The time for which a browser may cache these settings, in seconds.
    #[serde(default)]
    pub(crate) max_age: u64,
}

/// Returns the key of every route in the deployment template, such as `GET /payment-requests/{id}`.
///
/// # Errors
/// [`TemplateError`] if the template cannot be parsed, or contains something that one machine cannot emulate.
pub fn routes() -> Result<Vec<String>, TemplateError> {
    let routes = Template::embedded()?.routes;
    Ok(routes.iter().map(Route::key).collect())
}

/// Returns the key of every route in the deployment template whose callers need a token.
///
/// # Errors
/// As [`routes`].
pub fn authorized_routes() -> Result<Vec<String>, TemplateError> {
    let routes = Template::embedded()?.routes;
    Ok(routes.iter().filter(|route| route.authorized).map(Route::key).collect())
}

impl Template {
    /// Parses the deployment template of this source tree.
    ///
    /// # Errors
    /// [`TemplateError`] if the template cannot be parsed, or contains something that one machine cannot emulate.
    pub(crate) fn embedded() -> Result<Self, TemplateError> {
        Self::read(TEXT)
    }

    /// Parses a template's text.
    fn read(text: &str) -> Result<Self, TemplateError> {
        // As in CloudFormation, `N` is the type of a number and not a short form of "no".
        let options = serde_saphyr::options! { strict_booleans: true };
        let document: Document =
            serde_saphyr::from_str_with_options(text, options).map_err(|cause| TemplateError::Yaml(Box::new(cause)))?;
        let api = document.only("AWS::Serverless::HttpApi")?;
        let mut template = Self {
            table: Table::from(&document.named("AWS::DynamoDB::Table", "Table")?)?,
            webhooks_table: Table::from(&document.named("AWS::DynamoDB::Table", "WebhooksTable")?)?,
            sums_table: Table::from(&document.named("AWS::DynamoDB::Table", "SumsTable")?)?,
            cors: Cors::from(&api)?,
            limited_alone: api.properties::<ApiProperties>()?.route_settings.into_keys().collect(),
            functions: BTreeMap::new(),
            routes: Vec::new(),
            schedules: Vec::new(),
            stream_consumers: Vec::new(),
            queue_consumers: Vec::new(),
            rules: Vec::new(),
            live_table: Table::from(&document.named("AWS::DynamoDB::Table", "LiveTable")?)?,
            sockets: SocketApi::from(&document)?,
        };
        for resource in document.all("AWS::Serverless::Function") {
            template.add_function(&resource, &document)?;
        }
        for resource in document.all("AWS::Events::Rule") {
            let rule = rule_of_its_own(&resource, &template.queue_consumers)?;
            template.rules.push(rule);
        }
        Ok(template)
    }

    fn add_function(&mut self, resource: &Named<'_>, document: &Document) -> Result<(), TemplateError> {
        let metadata: FunctionMetadata = resource.parse(&resource.body.metadata)?;
        let properties: FunctionProperties = resource.properties()?;
        let function = metadata.build_properties.binary;
        for (event, source) in properties.events {
            let unsupported = |reason| Err(resource.unsupported(reason));
            match source {
                EventSource::HttpApi(api) => {
                    let Some(methods) = Methods::read(&api.method) else {
                        return unsupported("a route's method is not an HTTP method");
                    };
                    if !is_route_path(&api.path) {
                        return unsupported("a route's path is not one that an HTTP API accepts");
                    }
                    let authorized = api.auth.is_none_or(|auth| auth.authorizer != "NONE");
                    self.routes.push(Route { methods, path: api.path, function: function.clone(), authorized });
                }
                EventSource::Schedule(schedule) => {
                    let Some(every) = rate(&schedule.schedule) else {
                        return unsupported("a schedule is not a rate(… minutes)");
                    };
                    self.schedules.push(Schedule { function: function.clone(), every });
                }
                EventSource::DynamoDB(stream) => {
                    if stream.starting_position != "TRIM_HORIZON" || stream.batch_size == 0 {
                        return unsupported("a stream is not read from its start, or its batch size is zero");
                    }
                    let filters = stream.filter_criteria.filters.iter().map(|filter| {
                        Pattern::from_json(&filter.pattern).map_err(|cause| resource.pattern_error(cause))
                    });
                    self.stream_consumers.push(StreamConsumer {
                        function: function.clone(),
                        name: format!("{function}/{event}"),
                        batch_size: stream.batch_size,
                        retries: u32::try_from(stream.maximum_retry_attempts).ok(),
                        filters: filters.collect::<Result<_, _>>()?,
                    });
                }
                EventSource::Sqs(source) => {
                    if source.function_response_types != ["ReportBatchItemFailures"] {
                        return unsupported("a queue's consumer does not report which messages failed");
                    }
                    let queue = source.queue.trim_end_matches(".Arn");
                    self.queue_consumers.push(queue_consumer(&function, &source, document, queue)?);
                }
                EventSource::EventBridgeRule(rule) => self.rules.push(Rule {
                    name: format!("{function}/{event}"),
                    pattern: Pattern::from_value(&rule.pattern).map_err(|cause| resource.pattern_error(cause))?,
                    target: Target::Function(function.clone()),
                    maximum_age: Duration::from_secs(rule.retry_policy.maximum_event_age_in_seconds),
                }),
            }
        }
        let timeout = Duration::from_secs(properties.timeout.unwrap_or(document.globals.function.timeout));
        let asynchronous = properties.event_invoke_config;
        self.functions.insert(function, FunctionSettings { timeout, asynchronous });
        Ok(())
    }
}

impl Table {
    fn from(resource: &Named<'_>) -> Result<Self, TemplateError> {
        let properties: TableProperties = resource.properties()?;
        if !properties.time_to_live_specification.enabled {
            return Err(resource.unsupported("its time to live is switched off"));
        }
        let mut definition = properties.definition;
        if let Some(StreamSpecification { stream_view_type }) = properties.stream_specification {
            let stream = json!({ "StreamEnabled": true, "StreamViewType": stream_view_type });
            definition.insert("StreamSpecification".to_owned(), stream);
        }
        // Resources that only a deployment needs.
        definition.retain(|name, _| name != "PointInTimeRecoverySpecification" && name != "SSESpecification");
        Ok(Self { definition, ttl_attribute: properties.time_to_live_specification.attribute_name })
    }
}

impl SocketApi {
    fn from(document: &Document) -> Result<Self, TemplateError> {
        let stage: StageProperties = document.only("AWS::ApiGatewayV2::Stage")?.properties()?;
        let integration = document.only("AWS::ApiGatewayV2::Integration")?;
        let uri = integration.properties::<IntegrationProperties>()?.integration_uri;
        let function = uri.split_once("/functions/${").and_then(|(_, rest)| rest.split_once(".Arn}")).map(|(id, _)| id);
        let Some(function) = function else {
            return Err(integration.unsupported("it invokes no function of the template"));
        };
        let mut keys = Vec::new();
        for route in document.all("AWS::ApiGatewayV2::Route") {
            keys.push(route.properties::<RouteProperties>()?.route_key);
        }
        keys.sort_unstable();
        if keys != ["$connect", "$default", "$disconnect"] {
            return Err(integration.unsupported("its routes are not those of connections and their messages"));
        }
        let function = document.named("AWS::Serverless::Function", function)?;
        let metadata: FunctionMetadata = function.parse(&function.body.metadata)?;
        Ok(Self { stage: stage.stage_name, function: metadata.build_properties.binary })
    }
}

impl Cors {
    fn from(resource: &Named<'_>) -> Result<Self, TemplateError> {
        let properties: ApiProperties = resource.properties()?;
        match properties.cors_configuration {
            None => Ok(Self::default()),
            // `!If [condition, configuration, none]`: the configuration is always read, because the condition depends
            // on the origins, which are not known here.
            Some(Value::Array(choice)) => resource.parse(choice.get(1).unwrap_or(&Value::Null)),
            Some(configuration) => resource.parse(&configuration),
        }
    }
}

/// Reads a rule that is a resource of its own, not an event of a function: one whose target is a queue.
fn rule_of_its_own(resource: &Named<'_>, consumers: &[QueueConsumer]) -> Result<Rule, TemplateError> {
    let properties: RuleProperties = resource.properties()?;
    let [RuleTarget { arn, retry_policy }] = properties.targets.as_slice() else {
        return Err(resource.unsupported("it has no target, or several"));
    };
    let queue = arn.trim_end_matches(".Arn");
    let target = match queue {
        "DeadLetters" => Target::DeadLetters,
        _ if consumers.iter().any(|consumer| consumer.queue == queue) => Target::Queue,
        _ => return Err(resource.unsupported("its target is neither the dead-letter queue nor one that is read")),
    };
    Ok(Rule {
        name: resource.id.to_owned(),
        pattern: Pattern::from_value(&properties.event_pattern).map_err(|cause| resource.pattern_error(cause))?,
        target,
        maximum_age: Duration::from_secs(retry_policy.maximum_event_age_in_seconds),
    })
}

/// Reads the settings of a queue that a function reads.
fn queue_consumer(
    function: &str,
    source: &QueueEvent,
    document: &Document,
    queue: &str,
) -> Result<QueueConsumer, TemplateError> {
    let queue = document.named("AWS::SQS::Queue", queue)?;
    let properties: QueueProperties = queue.properties()?;
    let Some(redrive) = properties.redrive_policy else {
        return Err(queue.unsupported("it has no dead-letter queue"));
    };
    Ok(QueueConsumer {
        function: function.to_owned(),
        queue: queue.id.to_owned(),
        batch_size: source.batch_size,
        concurrency: source.scaling_config.maximum_concurrency,
        visibility_timeout: Duration::from_secs(properties.visibility_timeout),
        receives: redrive.max_receive_count,
        retention: Duration::from_secs(properties.message_retention_period),
    })
}

/// Returns whether an HTTP API accepts a route with this path: it begins with a slash and ends with none, and only its
/// last segment may stand for the rest of a path.
fn is_route_path(path: &str) -> bool {
    let mut above = path.rsplit('/').skip(1);
    path.starts_with('/') && (path == "/" || !path.ends_with('/')) && !above.any(|segment| segment.ends_with("+}"))
}

/// Parses a rate expression such as `rate(1 minute)` into the time between two runs.
fn rate(expression: &str) -> Option<Duration> {
    let (number, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The template's YAML structure.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    globals: Globals,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Globals {
    function: GlobalFunction,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GlobalFunction {
    timeout: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    properties: Value,
}

/// A resource with its logical id, which every error names.
struct Named<'a> {
    id: &'a str,
    body: &'a Resource,
}

impl Document {
    fn all(&self, kind: &'static str) -> impl Iterator<Item = Named<'_>> {
        self.resources.iter().filter(move |(_, resource)| resource.r#type == kind).map(|(id, body)| Named { id, body })
    }

    fn named(&self, kind: &'static str, id: &str) -> Result<Named<'_>, TemplateError> {
        let found = self.all(kind).find(|resource| resource.id == id);
        let reason = "the template has none of this name and kind";
        found.ok_or_else(|| TemplateError::Unsupported { resource: id.to_owned(), reason })
    }

    fn only(&self, kind: &'static str) -> Result<Named<'_>, TemplateError> {
        let mut all = self.all(kind);
        match (all.next(), all.next()) {
            (Some(resource), None) => Ok(resource),
            (None, _) => Err(TemplateError::Unsupported { resource: kind.to_owned(), reason: "the template has none" }),
            (Some(_), Some(_)) => {
                Err(TemplateError::Unsupported { resource: kind.to_owned(), reason: "the template has more than one" })
            }
        }
    }
}

impl Named<'_> {
    fn parse<T: DeserializeOwned>(&self, value: &Value) -> Result<T, TemplateError> {
        T::deserialize(value).map_err(|cause| TemplateError::Resource { resource: self.id.to_owned(), cause })
    }

    fn properties<T: DeserializeOwned>(&self) -> Result<T, TemplateError> {
        self.parse(&self.body.properties)
    }

    fn unsupported(&self, reason: &'static str) -> TemplateError {
        TemplateError::Unsupported { resource: self.id.to_owned(), reason }
    }

    fn pattern_error(&self, cause: PatternError) -> TemplateError {
        TemplateError::Pattern { resource: self.id.to_owned(), cause }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableProperties {
    #[serde(default)]
    stream_specification: Option<StreamSpecification>,
    time_to_live_specification: TimeToLiveSpecification,
    #[serde(flatten)]
    definition: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSpecification {
    stream_view_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLiveSpecification {
    attribute_name: String,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ApiProperties {
    #[serde(default)]
    cors_configuration: Option<Value>,
    #[serde(default)]
    route_settings: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StageProperties {
    stage_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IntegrationProperties {
    integration_uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RouteProperties {
    route_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleProperties {
    event_pattern: Value,
    targets: Vec<RuleTarget>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleTarget {
    arn: String,
    #[serde(default)]
    retry_policy: RetryPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionMetadata {
    build_properties: BuildProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BuildProperties {
    binary: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default)]
    event_invoke_config: AsynchronousInvocation,
    #[serde(default)]
    events: BTreeMap<String, EventSource>,
}

#[derive(Deserialize)]
#[serde(tag = "Type", content = "Properties")]
enum EventSource {
    HttpApi(HttpApiEvent),
    Schedule(ScheduleEvent),
    DynamoDB(StreamEvent),
    #[serde(rename = "SQS")]
    Sqs(QueueEvent),
    EventBridgeRule(RuleEvent),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpApiEvent {
    method: String,
    path: String,
    #[serde(default)]
    auth: Option<RouteAuth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RouteAuth {
    authorizer: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleEvent {
    schedule: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamEvent {
    starting_position: String,
    batch_size: usize,
    /// -1 means unlimited in AWS.
    #[serde(default = "for_ever")]
    maximum_retry_attempts: i64,
    #[serde(default)]
    filter_criteria: FilterCriteria,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueEvent {
    queue: String,
    batch_size: usize,
    #[serde(default)]
    function_response_types: Vec<String>,
    scaling_config: ScalingConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueProperties {
    visibility_timeout: u64,
    message_retention_period: u64,
    #[serde(default)]
    redrive_policy: Option<RedrivePolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    max_receive_count: u32,
}

const fn for_ever() -> i64 {
    -1
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RuleEvent {
    pattern: Value,
    #[serde(default)]
    retry_policy: RetryPolicy,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RetryPolicy {
    maximum_event_age_in_seconds: u64,
}

/// The default of EventBridge.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self { maximum_event_age_in_seconds: 86_400 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(template: &Template, key: &str) -> Route {
        template.routes.iter().find(|route| route.key() == key).cloned().unwrap()
    }

    #[test]
    fn the_embedded_template_is_fully_supported() {
        let template = Template::embedded().unwrap();
        let names: Vec<_> = template.functions.keys().map(String::as_str).collect();
        let all = "cancel create delivery-report desk expire link-click live notify payment-webhook publish query \
                   reconcile refund webhook-endpoints webhooks";
        assert_eq!(names.join(" "), all);
        assert_eq!(template.routes.len(), 27);
        assert!(route(&template, "POST /payment-requests").authorized);
        assert!(!route(&template, "HEAD /p/{token}").authorized);
        assert_eq!(route(&template, "ANY /p/{proxy+}").methods, Methods::Any);
        let schedule = |function: &str, every| Schedule { function: function.to_owned(), every };
        let day = Duration::from_hours(24);
        assert_eq!(template.schedules, [schedule("expire", Duration::from_mins(1)), schedule("reconcile", day)]);
        assert_eq!(template.stream_consumers.len(), 2);
        let of_queue = |target| template.rules.iter().find(|rule| rule.target == target).map(|rule| rule.name.as_str());
        assert_eq!(of_queue(Target::DeadLetters), Some("Unpublishable"));
        assert_eq!(of_queue(Target::Queue), Some("WebhookEvents"));
        assert_eq!(template.cors.allow_methods, ["DELETE", "GET", "POST"]);
        let alone = ["POST /p/{token}", "POST /webhooks/{provider}", "GET /payment-requests"];
        assert_eq!(alone.map(|route| template.limited_alone.contains(route)), [true, true, false]);
        let queue = QueueConsumer {
            function: "webhooks".to_owned(),
            queue: "WebhookQueue".to_owned(),
            batch_size: 10,
            concurrency: 10,
            visibility_timeout: Duration::from_secs(270),
            receives: 100,
            retention: Duration::from_hours(14 * 24),
        };
        assert_eq!(template.queue_consumers, [queue]);
        assert_eq!(template.table.ttl_attribute, "ttl");
        assert_eq!(template.functions.get("expire").map(|f| f.timeout), Some(Duration::from_secs(90)));
        let tries = |name| template.functions.get(name).map(|f| (f.asynchronous.retries, f.asynchronous.maximum_age));
        assert_eq!(tries("notify"), Some((2, 21_600)));
        assert_eq!(tries("expire"), Some((0, 60)));
    }

    #[test]
    fn a_removed_link_is_for_expire_and_a_changed_request_for_publish() {
        let template = Template::embedded().unwrap();
        let takers = |record: &Value| {
            let takes = |consumer: &&StreamConsumer| consumer.filters.iter().any(|filter| filter.matches(record));
            template.stream_consumers.iter().filter(takes).map(|c| c.function.clone()).collect::<Vec<_>>()
        };
        let ttl = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
        let link = json!({ "Keys": { "pk": { "S": "LINK#x" } } });
        let request = json!({ "Keys": { "pk": { "S": "REQ#x" } } });
        assert_eq!(takers(&json!({ "eventName": "REMOVE", "userIdentity": ttl, "dynamodb": link })), ["expire"]);
        assert!(takers(&json!({ "eventName": "REMOVE", "dynamodb": link })).is_empty());
        assert!(takers(&json!({ "eventName": "REMOVE", "userIdentity": ttl, "dynamodb": request })).is_empty());
        for name in ["INSERT", "MODIFY", "REMOVE"] {
            assert_eq!(takers(&json!({ "eventName": name, "dynamodb": request })), ["publish"], "{name}");
        }
        assert!(takers(&json!({ "eventName": "INSERT", "dynamodb": link })).is_empty());
    }

    #[test]
    fn an_unsupported_template_is_an_error_and_not_skipped() {
        for (written, changed) in [
            ("rate(1 minute)", "cron(0 * * * ? *)"),
            ("status: [refund_due]", "status: [{ wildcard: \"re*\" }]"),
            ("Type: Schedule", "Type: SNS"),
            ("Method: HEAD", "Method: H EAD"),
            ("/p/{proxy+}", "/p/{proxy+}/x"),
            ("Path: /p,", "Path: /p/,"),
            ("StartingPosition: TRIM_HORIZON", "StartingPosition: LATEST"),
            ("Queue: !GetAtt WebhookQueue.Arn", "Queue: !GetAtt Table.Arn"),
            ("maxReceiveCount", "receives"),
            ("Id: DeadLetters, Arn: !GetAtt DeadLetters.Arn", "Id: DeadLetters, Arn: !GetAtt Table.Arn"),
            ("Id: DeadLetters, Arn", "Id: DeadLetters, Input: x, ARN"),
            ("          Arn: !GetAtt WebhookQueue.Arn", "          Arn: !GetAtt WebhookDeadLetters.Arn"),
        ] {
            assert!(TEXT.contains(written), "{written}");
            assert!(Template::read(&TEXT.replace(written, changed)).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_rate_has_a_number_and_a_unit() {
        assert_eq!(rate("rate(5 minutes)"), Some(Duration::from_mins(5)));
        for wrong in ["rate(0 minutes)", "rate(1 fortnight)", "rate(minute)", "cron(* * * * ? *)", ""] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }
}
