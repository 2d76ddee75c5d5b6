"""The rules for every deployment. Each rule yields one text for each breach."""

import json
import re

from deployment import ROOT, Variables, as_list, binaries, emitted_metrics, emitting_functions, every_case, reference

# The contract with callers: each route, whether it requires a token, and the function that answers.
ROUTES = {
    "POST /payment-requests": (True, "create"),
    "GET /payment-requests": (True, "query"),
    "GET /payment-requests/{id}": (True, "query"),
    "POST /payment-requests/{id}/cancel": (True, "cancel"),
    "GET /reports/agents": (True, "query"),
    "GET /desk": (False, "desk"),
    "GET /desk/supervisor": (False, "desk"),
    "GET /desk/signed-in": (False, "desk"),
    "GET /desk/element.js": (False, "desk"),
    "GET /desk/assets/{version}/{folder}/{file}": (False, "desk"),
    "GET /p/{token}": (False, "link-click"),
    "HEAD /p/{token}": (False, "link-click"),
    "POST /p/{token}": (False, "link-click"),
    "POST /p/{token}/check": (False, "link-click"),
    "GET /p/assets/{version}/{file}": (False, "link-click"),
    "ANY /p": (False, "link-click"),
    "ANY /p/{proxy+}": (False, "link-click"),
    "POST /webhooks/{provider}": (False, "payment-webhook"),
    "POST /delivery-reports/{channel}": (False, "delivery-report"),
    "GET /delivery-reports/{channel}": (False, "delivery-report"),
    "POST /live/tickets": (True, "live"),
    "POST /webhook-endpoints": (True, "webhook-endpoints"),
    "GET /webhook-endpoints": (True, "webhook-endpoints"),
    "DELETE /webhook-endpoints/{id}": (True, "webhook-endpoints"),
    "POST /webhook-endpoints/{id}/rotate-secret": (True, "webhook-endpoints"),
    "GET /webhook-endpoints/{id}/deliveries": (True, "webhook-endpoints"),
    "POST /webhook-endpoints/{id}/replay": (True, "webhook-endpoints"),
}

# The secrets that each function may read: to verify, to sign, or to call the provider.
SECRETS = {
    # Paystack signs with the key of its API.
    "payment-webhook": ["PaystackSecretKeyArn", "SandboxWebhookSecretArn", "StripeWebhookSecretArn"],
    "link-click": ["PaystackSecretKeyArn", "StripeSecretKeyArn"],
    "expire": ["PaystackSecretKeyArn", "StripeSecretKeyArn"],
    "refund": ["PaystackSecretKeyArn", "StripeSecretKeyArn"],
    "reconcile": ["PaystackSecretKeyArn", "StripeSecretKeyArn"],
    # The function may read only the secret of its configured channel. Each secret has its own variable.
    "notify": ["ChannelWebhookSecretArn", "ClickatellApiKeySecretArn", "WhatsAppAccessTokenSecretArn"],
    "delivery-report": ["ChannelWebhookSecretArn", "ClickatellApiKeySecretArn", "WhatsAppAppSecretArn"],
    # The key that encrypts the secrets of webhook endpoints: the stack's own, or the operator's.
    "webhook-endpoints": ["WebhookEncryptionKey", "WebhookEncryptionKeySecretArn"],
    "webhooks": ["WebhookEncryptionKey", "WebhookEncryptionKeySecretArn"],
}

# The page that explains each alarm to an operator.
RUNBOOK = "infra/manual/runbook.md"

# X-Ray's actions support no resource-level permissions
# (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html).
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]


def every_binary_has_a_function_of_its_name_and_every_function_has_a_binary(deployment):
    built = binaries()
    for binary, package in built.items():
        if binary != package:
            yield f"the binary {binary} is in the package {package}: cargo-lambda expects the same name"
    for name in built.keys() ^ deployment.functions.keys():
        yield f"{name} is " + ("built, but not a function" if name in built else "a function, but not built")
    for name, body in deployment.of_type("AWS::Lambda::Function").items():
        if body["Metadata"]["BuildMethod"] != "rust-cargolambda":
            yield f"{name} is not built by cargo-lambda"
    for name, function in deployment.functions.items():
        if function["FunctionName"] != {"Fn::Sub": "${AWS::StackName}-" + name}:
            yield f"{name} has the name {function['FunctionName']}"
        if (function["Handler"], function["Runtime"]) != ("bootstrap", "provided.al2023"):
            yield f"{name} does not run a binary on Amazon Linux 2023"


def every_failed_asynchronous_invocation_reaches_a_dead_letter_queue(deployment):
    asynchronous = set()
    for name, rule in deployment.properties("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            function = deployment.logical_names.get(reference(target["Arn"]))
            if function is None:
                continue
            asynchronous.add(function)
            # A scheduled run that never started need not be kept: the next one starts a minute later.
            if "ScheduleExpression" not in rule and "DeadLetterConfig" not in target:
                yield f"{name}: an event that Lambda rejects is lost"
            if "ScheduleExpression" not in rule and "RetryPolicy" not in target:
                yield f"{name} does not limit how long EventBridge retries"
    for function in asynchronous:
        queue = reference(deployment.functions[function].get("DeadLetterConfig", {}).get("TargetArn"))
        if queue not in deployment.of_type("AWS::SQS::Queue"):
            yield f"{function}: a failed event is lost"
        elif not _may(deployment, function, "sqs:SendMessage", queue):
            yield f"{function} may not send to its dead-letter queue"
    for name, mapping in _mappings(deployment, "AWS::DynamoDB::Table").items():
        queue = reference(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        function = deployment.logical_names[mapping["FunctionName"]["Ref"]]
        if queue not in deployment.of_type("AWS::SQS::Queue"):
            yield f"{name}: records that {function} failed to process are lost"
        elif not _may(deployment, function, "sqs:SendMessage", queue):
            yield f"{function} may not send to the queue of {name}"


def every_stream_mapping_limits_its_attempts_and_isolates_failures(deployment):
    mappings = _mappings(deployment, "AWS::DynamoDB::Table")
    if len(mappings) != 2:
        yield f"{len(mappings)} functions read the stream; only two can do so without throttling each other"
    for name, mapping in mappings.items():
        if not mapping.get("FilterCriteria", {}).get("Filters"):
            yield f"{name} has no filter and passes on every record"
        if mapping.get("BisectBatchOnFunctionError") is not True:
            yield f"{name} does not split a failed batch"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name} repeats records that succeeded"
        if "MaximumRetryAttempts" not in mapping:
            yield f"{name} does not limit its attempts"
        # The stream keeps records for 24 hours. A record in the queue must still be readable there.
        if not 0 < mapping.get("MaximumRecordAgeInSeconds", -1) <= 43200:
            yield f"{name} retries a record until the stream has removed it"
        if mapping.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{name} misses the changes before its creation"


def every_queue_that_a_function_reads_outlasts_its_runs_and_sets_failures_aside(deployment):
    queues = deployment.properties("AWS::SQS::Queue")
    for name, mapping in _mappings(deployment, "AWS::SQS::Queue").items():
        queue, function = reference(mapping["EventSourceArn"]), deployment.logical_names[mapping["FunctionName"]["Ref"]]
        redrive = queues[queue].get("RedrivePolicy", {})
        aside = reference(redrive.get("deadLetterTargetArn"))
        if aside not in queues or not redrive.get("maxReceiveCount"):
            yield f"{queue} sets nothing aside"
        elif aside not in {reference(value) for value in _alarm_queues(deployment)}:
            yield f"{aside} raises no alarm"
        # Lambda's recommendation (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).
        if queues[queue].get("VisibilityTimeout", 30) < 6 * deployment.functions[function]["Timeout"]:
            yield f"{queue} shows a message again while {function} may still be at work"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name} repeats messages that succeeded"
        if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
            yield f"{name} may take all of the account's concurrency"
        for action in ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"):
            if not _may(deployment, function, action, queue):
                yield f"{function} lacks {action} on {queue}"


def every_queue_that_a_rule_fills_takes_events_of_this_rule_alone_and_loses_none(deployment):
    queues, policies = deployment.properties("AWS::SQS::Queue"), deployment.properties("AWS::SQS::QueuePolicy")
    read = {reference(mapping["EventSourceArn"]) for mapping in _mappings(deployment, "AWS::SQS::Queue").values()}
    filled = set()
    for name, rule in deployment.properties("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            queue = reference(target["Arn"])
            if queue not in read:
                continue
            filled.add(queue)
            aside = reference(target.get("DeadLetterConfig", {}).get("Arn"))
            if aside not in {reference(value) for value in _alarm_queues(deployment)}:
                yield f"{name}: an event that {queue} rejects is lost"
            if "RetryPolicy" not in target:
                yield f"{name} does not limit how long EventBridge retries"
            allowed = {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": {"Fn::GetAtt": [queue, "Arn"]},
                "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}},
            }
            statements = [
                policy["PolicyDocument"]["Statement"]
                for policy in policies.values()
                if queue in map(reference, policy["Queues"])
            ]
            if statements != [[allowed]]:
                yield f"{queue} lets in {statements}"
            # A key of KMS would need a permission for the bus.
            if queues[queue].get("SqsManagedSseEnabled") is not True or "KmsMasterKeyId" in queues[queue]:
                yield f"{queue} is not encrypted by SQS"
    if filled != read:
        yield f"no rule fills {sorted(map(str, read - filled))}"


def every_log_has_a_retention_and_belongs_to_one_source(deployment):
    groups = deployment.properties("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group:
            yield f"{name} has no retention"
    used = [reference(function.get("LoggingConfig", {}).get("LogGroup")) for function in deployment.functions.values()]
    used += [
        reference(stage.get("AccessLogSettings", {}).get("DestinationArn"))
        for stage in deployment.properties("AWS::ApiGatewayV2::Stage").values()
        if reference(stage["ApiId"]) != "LiveApi"
    ]
    if sorted(map(str, used)) != sorted(groups):
        yield f"the log groups {sorted(groups)} are used as {used}"
    for name, function in deployment.functions.items():
        if function.get("LoggingConfig", {}).get("LogFormat") != "JSON":
            yield f"{name} does not log JSON"


def no_policy_has_a_wildcard(deployment):
    for function in deployment.functions:
        if "ManagedPolicyArns" in deployment.role(function):
            yield f"{function} has a managed policy"
        for statement, actions, resources in deployment.statements(function):
            if statement["Effect"] == "Allow" and statement.keys() - {"Effect", "Action", "Resource", "Condition"}:
                yield f"{function} has a statement with exclusions: {statement}"
            if (sorted(actions), resources) == (XRAY, ["*"]):
                continue
            for text in [*actions, *map(str, resources)]:
                # The gateway names a connection when it is opened.
                text = text.replace("/@connections/*", "")
                if "*" in text or "?" in text:
                    yield f"{function}: {text}"
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for name in deployment.of_type(kind):
            yield f"{name} is a policy outside a function's role"


def every_function_has_its_own_role_that_only_lambda_may_assume(deployment):
    roles = [reference(function["Role"]) for function in deployment.functions.values()]
    if sorted(map(str, roles)) != sorted(deployment.of_type("AWS::IAM::Role")):
        yield f"{len(roles)} functions have the roles {sorted(set(map(str, roles)))}"
    trust = [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    for function in deployment.functions:
        if deployment.role(function)["AssumeRolePolicyDocument"]["Statement"] != trust:
            yield f"not only Lambda may assume the role of {function}"


def every_function_may_write_its_own_log_and_no_other(deployment):
    for function, properties in deployment.functions.items():
        group = {"Fn::GetAtt": [reference(properties["LoggingConfig"]["LogGroup"]), "Arn"]}
        logs = [
            (sorted(actions), resources)
            for _, actions, resources in deployment.statements(function)
            if any(action.startswith("logs:") for action in actions)
        ]
        # A log group's attribute Arn ends with ":*", which stands for its streams. A suffix would match nothing.
        if logs != [(["logs:CreateLogStream", "logs:PutLogEvents"], [group])]:
            yield f"{function} may write {logs}"


def each_function_reads_only_the_secrets_that_it_needs(deployment):
    for function in deployment.functions:
        readable = [
            reference(resource)
            for _, actions, resources in deployment.statements(function)
            if any(action.startswith(("secretsmanager:", "kms:", "ssm:")) for action in actions)
            for resource in resources
        ]
        if sorted(map(str, readable)) != SECRETS.get(function, []):
            yield f"{function} may read {readable}"
        variables = deployment.functions[function]["Environment"]["Variables"]
        named = sorted(
            str(reference(case))
            for name, value in variables.items()
            if "SECRET" in name or "Secret" in str(value)
            for case in every_case(value)
        )
        if named != SECRETS.get(function, []):
            yield f"{function} has variables for the secrets {named}"


def the_permissions_of_a_channel_are_granted_only_for_that_channel(deployment):
    both = {"ChannelWebhookSecretArn": "ThroughWebhook", "ClickatellApiKeySecretArn": "ThroughClickatell"}
    sending = both | {"WhatsAppAccessTokenSecretArn": "ThroughWhatsApp", "SmsOriginationIdentityArn": "ThroughSms"}
    reporting = both | {"WhatsAppAppSecretArn": "ThroughWhatsApp"}
    for function, needed in {"notify": sending, "delivery-report": reporting}.items():
        (policy,) = deployment.role(function)["Policies"]
        allowed = {}
        for statement in policy["PolicyDocument"]["Statement"]:
            condition, then, otherwise = statement.get("Fn::If", [None, statement, {"Ref": "AWS::NoValue"}])
            if otherwise != {"Ref": "AWS::NoValue"}:
                yield f"{function} has a permission with an alternative: {statement}"
            for resource in as_list(then["Resource"]):
                if reference(resource) in sending | reporting:
                    allowed[reference(resource)] = condition
                    if as_list(then["Action"]) not in (
                        ["secretsmanager:GetSecretValue"],
                        ["sms-voice:SendTextMessage"],
                    ):
                        yield f"{function} may {then['Action']} {resource}"
        if allowed != needed:
            yield f"{function} is allowed {allowed}"


def only_this_account_reports_text_messages_and_only_to_delivery_report(deployment):
    ((topic, _),) = [found for found in deployment.of_type("AWS::SNS::Topic").items() if found[1].get("Condition")]
    (policy,) = deployment.properties("AWS::SNS::TopicPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    if (statement["Principal"], statement["Action"]) != ({"Service": "sms-voice.amazonaws.com"}, "sns:Publish"):
        yield f"{statement['Principal']} may send reports"
    if statement.get("Condition", {}).get("StringEquals") != {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}:
        yield "any account may send reports"
    (configuration,) = deployment.properties("AWS::SMSVOICE::ConfigurationSet").values()
    (subscription,) = deployment.properties("AWS::SNS::Subscription").values()
    permissions = [
        (reference(permission.get("SourceArn")), deployment.logical_names.get(reference(permission["FunctionName"])))
        for permission in deployment.properties("AWS::Lambda::Permission").values()
        if permission["Principal"] == "sns.amazonaws.com"
    ]
    ends = {
        "the policy is for": [reference(statement["Resource"]), *map(reference, policy["Topics"])],
        "the configuration set reports to": [
            reference(destination["SnsDestination"]["TopicArn"]) for destination in configuration["EventDestinations"]
        ],
        "the subscription is to": [reference(subscription["TopicArn"])],
    }
    for name, topics in ends.items():
        if set(topics) != {topic}:
            yield f"{name} {topics}"
    if permissions != [(topic, "delivery-report")]:
        yield f"notifications may invoke {permissions}"
    if deployment.logical_names.get(reference(subscription["Endpoint"])) != "delivery-report":
        yield f"the reports go to {subscription['Endpoint']}"


def exactly_the_variables_that_the_code_reads_are_set(deployment):
    reads = Variables()
    needed = {function: reads.of_function(function) for function in deployment.functions}
    shared = set.intersection(*(set(_variables(deployment, function)) for function in deployment.functions))
    for function, names in needed.items():
        there = set(_variables(deployment, function))
        for name in names - there:
            yield f"{function} reads {name}, which is not set"
        for name in there - shared - names:
            yield f"{function} never reads {name}"
    for name in shared - set.union(*needed.values()):
        yield f"no function reads {name}"


def the_readme_explains_exactly_the_variables_that_are_set(deployment):
    """For a secret, it explains the variable with the value and the one with the ARN. A deployment sets the latter."""
    tables = (ROOT / "README.md").read_text().split("## Configuration")[1].split("### Set by Lambda")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", tables, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}
    there = set().union(*(_variables(deployment, function) for function in deployment.functions))
    for name in there - explained:
        yield f"the README does not explain {name}"
    for name in explained - there:
        if f"{name}_ARN" not in there:
            yield f"the README explains {name}, which no function has"


def every_alarm_has_a_topic_and_defines_missing_data(deployment):
    topics = deployment.of_type("AWS::SNS::Topic")
    for name, alarm in deployment.properties("AWS::CloudWatch::Alarm").items():
        for actions in ("AlarmActions", "OKActions"):
            if not alarm.get(actions) or not all(reference(action) in topics for action in alarm[actions]):
                yield f"{name} has no {actions}"
        if alarm.get("TreatMissingData") not in ("notBreaching", "breaching"):
            yield f"{name} does not define missing data"
        if not alarm.get("AlarmDescription"):
            yield f"{name} has no description"


def no_alarm_watches_more_than_ten_metrics(deployment):
    for name, alarm in deployment.properties("AWS::CloudWatch::Alarm").items():
        watched = [entry for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
        if len(watched) > 10:
            yield f"{name} watches {len(watched)} metrics"


def every_alarm_has_an_entry_in_the_runbook_and_links_to_it(deployment):
    alarms = {
        alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): alarm
        for alarm in deployment.properties("AWS::CloudWatch::Alarm").values()
    }
    # An entry's heading is the alarm's name, which is also the anchor for links.
    entries = set(re.findall(r"^### ([\w-]+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE))
    for name in alarms.keys() ^ entries:
        yield f"{name} is " + (f"not explained in {RUNBOOK}" if name in alarms else "not an alarm")
    for name, alarm in alarms.items():
        if not alarm.get("AlarmDescription", "").endswith(f" {RUNBOOK}#{name}"):
            yield f"the description of {name} does not link to {RUNBOOK}#{name}"


def every_watched_metric_of_ours_is_emitted_by_the_watched_functions(deployment):
    emitted = emitted_metrics()
    watched = {}
    for alarm, namespace, metric, function in deployment.alarm_metrics():
        if namespace == "chat2pay":
            watched.setdefault(metric, {}).setdefault(alarm, set()).add(function)
    if not watched:
        yield "no alarm watches one of our metrics"
    for metric, alarms in watched.items():
        names, functions = ", ".join(sorted(alarms)), set().union(*alarms.values())
        if metric not in emitted:
            yield f"{names}: nothing emits {metric}"
        elif functions != emitting_functions(metric):
            yield f"{names}: {metric} of {functions} is watched; it is emitted by {emitting_functions(metric)}"
    for namespace, metric in deployment.dashboard_metrics():
        if namespace == "chat2pay" and metric not in emitted:
            yield f"the dashboard: nothing emits {metric}"


def errors_and_throttles_of_every_function_raise_an_alarm(deployment):
    for wanted in ("Errors", "Throttles"):
        watched = {
            function
            for _, namespace, metric, function in deployment.alarm_metrics()
            if (namespace, metric) == ("AWS/Lambda", wanted)
        }
        for function in deployment.functions.keys() - watched:
            yield f"{wanted} of {function} raise no alarm"


def the_routes_are_those_of_the_contract_with_the_same_authorization(deployment):
    for route in ROUTES.keys() | deployment.routes.keys():
        if deployment.routes.get(route) != ROUTES.get(route):
            yield f"{route}: {deployment.routes.get(route)} and not {ROUTES.get(route)}"
    schemes = deployment.http_api["Body"]["components"]["securitySchemes"]
    if {scheme["x-amazon-apigateway-authorizer"]["type"] for scheme in schemes.values()} != {"jwt"}:
        yield "the API accepts tokens other than JWTs"
    for name, stage in deployment.properties("AWS::ApiGatewayV2::Stage").items():
        settings = {"the default": stage.get("DefaultRouteSettings", {}), **stage.get("RouteSettings", {})}
        for route, own in settings.items():
            if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= own.keys():
                yield f"{name}: {route} has no throttling limits"
            # Each metric by route costs as much as one of our own, and nothing reads it.
            if own.get("DetailedMetricsEnabled"):
                yield f"{name}: {route} has detailed metrics"


def what_desks_ask_cannot_starve_customers_the_provider_or_the_channel(deployment):
    stages = deployment.properties("AWS::ApiGatewayV2::Stage").values()
    outsiders = ("link-click", "payment-webhook", "delivery-report")
    expected = {route for route, (_, function) in deployment.routes.items() if function in outsiders}
    limited = {route for stage in stages for route in stage.get("RouteSettings", {})}
    for route in expected ^ limited:
        yield f"{route}: only routes of {', '.join(outsiders)} have limits of their own, and all of them"


def a_program_gets_tokens_by_its_secret_alone_and_people_get_no_scope_of_a_service(deployment):
    """The scopes of the functions, the resource server and the client are one: nobody else has it."""
    servers = deployment.properties("AWS::Cognito::UserPoolResourceServer")
    scopes = {
        f"{server['Identifier']['Fn::Sub']}/{scope['ScopeName']}": name
        for name, server in servers.items()
        for scope in server["Scopes"]
    }
    prefixes = {
        json.dumps(_variables(deployment, function).get("SERVICE_SCOPE_PREFIX")) for function in deployment.functions
    }
    prefix = {"Fn::If": ["HasMachineClient", "chat2pay/", ""]}
    if prefixes != {json.dumps(prefix)} or set(scopes) != {"chat2pay/${MachineWorkspace}/service"}:
        yield f"the functions read scopes by {prefixes}, and there are {set(scopes)}"
    authorizer = deployment.http_api["Body"]
    accepted = json.dumps(authorizer["components"]["securitySchemes"])
    for name, resource in deployment.of_type("AWS::Cognito::UserPoolClient").items():
        client = resource["Properties"]
        granted = {scope["Fn::Sub"] for scope in client["AllowedOAuthScopes"] if isinstance(scope, dict)}
        # Once beside further clients, and once without them.
        if accepted.count(json.dumps({"Ref": name})) != 2:
            yield f"the API does not always accept the tokens of {name}"
        if client["AllowedOAuthFlows"] != ["client_credentials"]:
            if granted:
                yield f"{name} gives people {granted}"
            continue
        if client["GenerateSecret"] is not True or client.get("ExplicitAuthFlows") != ["ALLOW_REFRESH_TOKEN_AUTH"]:
            yield f"{name} has no secret, or signs people in"
        if granted != set(scopes) or len(granted) != len(client["AllowedOAuthScopes"]):
            yield f"{name} may have {client['AllowedOAuthScopes']}"
        if {resource.get("DependsOn")} != set(scopes.values()):
            yield f"{name} may be created before its scope"


def every_table_is_protected_against_loss(deployment):
    tables = deployment.of_type("AWS::DynamoDB::Table")
    # Connections are opened again within seconds, and sums are made again.
    transient = {"LiveTable", "SumsTable"}
    if tables.keys() != {"Table", "WebhooksTable"} | transient:
        yield f"the tables are {sorted(tables)}"
    for name in tables.keys() - transient:
        yield from _losses(name, tables[name])


def live_updates_lead_to_one_function_which_posts_to_this_api_alone(deployment):
    routes = deployment.properties("AWS::ApiGatewayV2::Route")
    if sorted(route["RouteKey"] for route in routes.values()) != ["$connect", "$default", "$disconnect"]:
        yield f"the routes are {sorted(routes)}"
    for name, integration in deployment.properties("AWS::ApiGatewayV2::Integration").items():
        if "${LiveFunction.Arn}" not in json.dumps(integration["IntegrationUri"]):
            yield f"{name} does not invoke live"
    for name, stage in deployment.properties("AWS::ApiGatewayV2::Stage").items():
        # An address holds a ticket, which no log may have.
        if "AccessLogSettings" in stage and "LiveApi" in json.dumps(stage["ApiId"]):
            yield f"{name} logs what is called"
    for function in deployment.functions:
        for _, actions, resources in deployment.statements(function):
            if "execute-api:ManageConnections" not in actions:
                continue
            if function != "live":
                yield f"{function} may post to connections"
            for resource in resources:
                text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
                if not text.endswith(("${LiveApi}/live/DELETE/@connections/*", "${LiveApi}/live/POST/@connections/*")):
                    yield f"live may post to {text}"


def _losses(name, table):
    if (table.get("DeletionPolicy"), table.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
        yield f"{name} is deleted with the stack"
    properties = table["Properties"]
    for path, wanted in {
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": True,
        "SSESpecification.SSEEnabled": True,
        # Only the payment requests are published.
        "StreamSpecification.StreamViewType": "NEW_AND_OLD_IMAGES" if name == "Table" else {},
        "TimeToLiveSpecification.AttributeName": "ttl",
        "TimeToLiveSpecification.Enabled": True,
    }.items():
        value = properties
        for part in path.split("."):
            value = value.get(part, {})
        if value != wanted:
            yield f"{name}: {path} is {value or 'not set'}"


def every_resource_has_a_comment(deployment):
    lines = deployment.text.split("\nResources:\n")[1].split("\nOutputs:\n")[0].splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if re.fullmatch(r"  \w+:", line) and not above.startswith("  # "):
            yield line.strip(" :")


def _variables(deployment, function):
    return deployment.functions[function]["Environment"]["Variables"]


def _mappings(deployment, kind):
    """Returns the event source mappings whose source is of this type."""
    sources, mappings = deployment.of_type(kind), deployment.properties("AWS::Lambda::EventSourceMapping")
    return {name: mapping for name, mapping in mappings.items() if reference(mapping["EventSourceArn"]) in sources}


def _alarm_queues(deployment):
    for alarm in deployment.properties("AWS::CloudWatch::Alarm").values():
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible":
            yield from (entry["Value"] for entry in alarm["Dimensions"] if entry["Name"] == "QueueName")


def _may(deployment, function, action, resource):
    return any(
        statement["Effect"] == "Allow" and action in actions and resource in map(reference, resources)
        for statement, actions, resources in deployment.statements(function)
    )


RULES = [
    rule
    for name, rule in list(globals().items())
    if getattr(rule, "__module__", None) == __name__ and not name.startswith("_")
]
