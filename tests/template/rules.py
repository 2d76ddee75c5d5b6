"""What has to hold in every deployment. Each rule answers with what breaks it."""

import re

from deployment import ROOT, Variables, as_list, binaries, emitted_metrics, emitting_functions, reference

# The contract with everybody who calls: route, whether it wants a token, and who answers.
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
    "GET /p/assets/{version}/{file}": (False, "link-click"),
    "ANY /p": (False, "link-click"),
    "ANY /p/{proxy+}": (False, "link-click"),
    "POST /webhooks/{provider}": (False, "payment-webhook"),
    "POST /delivery-reports/{channel}": (False, "delivery-report"),
    "GET /delivery-reports/{channel}": (False, "delivery-report"),
}

# Who may read which secret: who verifies with it, who signs, and who calls the provider.
SECRETS = {
    "payment-webhook": ["SandboxWebhookSecretArn", "StripeWebhookSecretArn"],
    "link-click": ["StripeSecretKeyArn"],
    "expire": ["StripeSecretKeyArn"],
    "refund": ["StripeSecretKeyArn"],
    # Of these each has the permission for one, by its channel; all are told apart by the variable they are in.
    "notify": ["ChannelWebhookSecretArn", "ClickatellApiKeySecretArn", "WhatsAppAccessTokenSecretArn"],
    "delivery-report": ["ChannelWebhookSecretArn", "ClickatellApiKeySecretArn", "WhatsAppAppSecretArn"],
}

# Where an operator reads what an alarm means and what to do.
RUNBOOK = "infra/manual/runbook.md"

# X-Ray has no resources that a policy could name
# (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html).
XRAY = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]


def every_binary_has_a_function_of_its_name_and_every_function_a_binary(deployment):
    built = binaries()
    for binary, package in built.items():
        if binary != package:
            yield f"the binary {binary} is in the package {package}: cargo-lambda goes by one name"
    for name in built.keys() ^ deployment.functions.keys():
        yield f"{name} is " + ("built, but no function" if name in built else "a function, but not built")
    for name, body in deployment.of_type("AWS::Lambda::Function").items():
        if body["Metadata"]["BuildMethod"] != "rust-cargolambda":
            yield f"{name} is not built by cargo-lambda"
    for name, function in deployment.functions.items():
        if function["FunctionName"] != {"Fn::Sub": "${AWS::StackName}-" + name}:
            yield f"{name} has the name {function['FunctionName']}"
        if (function["Handler"], function["Runtime"]) != ("bootstrap", "provided.al2023"):
            yield f"{name} does not run a binary on Amazon Linux 2023"


def every_asynchronous_invocation_has_somewhere_to_go_when_it_fails(deployment):
    asynchronous = set()
    for name, rule in deployment.properties("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            function = deployment.logical_names.get(reference(target["Arn"]))
            if function is None:
                continue
            asynchronous.add(function)
            # A run of the schedule that was never started needs no keeping: the next one comes in a minute.
            if "ScheduleExpression" not in rule and "DeadLetterConfig" not in target:
                yield f"{name}: an event that Lambda does not take is lost"
            if "ScheduleExpression" not in rule and "RetryPolicy" not in target:
                yield f"{name} leaves open how long events are offered to Lambda"
    for function in asynchronous:
        queue = reference(deployment.functions[function].get("DeadLetterConfig", {}).get("TargetArn"))
        if queue not in deployment.of_type("AWS::SQS::Queue"):
            yield f"{function}: an event that it failed on is lost"
        elif not _may(deployment, function, "sqs:SendMessage", queue):
            yield f"{function} may not send to its dead-letter queue"
    for name, mapping in deployment.properties("AWS::Lambda::EventSourceMapping").items():
        queue = reference(mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
        function = deployment.logical_names[mapping["FunctionName"]["Ref"]]
        if queue not in deployment.of_type("AWS::SQS::Queue"):
            yield f"{name}: records that {function} failed on are lost"
        elif not _may(deployment, function, "sqs:SendMessage", queue):
            yield f"{function} may not send to the queue of {name}"


def every_stream_mapping_limits_its_tries_and_isolates_what_fails(deployment):
    mappings = deployment.properties("AWS::Lambda::EventSourceMapping")
    if len(mappings) != 2:
        yield f"{len(mappings)} functions read the stream, which two may do without slowing each other down"
    for name, mapping in mappings.items():
        if not mapping.get("FilterCriteria", {}).get("Filters"):
            yield f"{name} takes every record"
        if mapping.get("BisectBatchOnFunctionError") is not True:
            yield f"{name} does not divide a batch that fails"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name} repeats what was done"
        if "MaximumRetryAttempts" not in mapping:
            yield f"{name} does not say how often it tries"
        # The stream keeps records for 24 hours; what goes to the queue then still has to be there for a person to read.
        if not 0 < mapping.get("MaximumRecordAgeInSeconds", -1) <= 43200:
            yield f"{name} goes on with a record until the stream has forgotten it"
        if mapping.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{name} misses what happened before it was there"


def every_log_ends_and_everything_that_logs_has_one_of_its_own(deployment):
    groups = deployment.properties("AWS::Logs::LogGroup")
    for name, group in groups.items():
        if "RetentionInDays" not in group:
            yield f"{name} is kept forever"
    used = [reference(function.get("LoggingConfig", {}).get("LogGroup")) for function in deployment.functions.values()]
    used += [
        reference(stage.get("AccessLogSettings", {}).get("DestinationArn"))
        for stage in deployment.properties("AWS::ApiGatewayV2::Stage").values()
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
                yield f"{function} is allowed everything but something: {statement}"
            if (sorted(actions), resources) == (XRAY, ["*"]):
                continue
            for text in [*actions, *map(str, resources)]:
                if "*" in text or "?" in text:
                    yield f"{function}: {text}"
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for name in deployment.of_type(kind):
            yield f"{name} is a policy outside of its function's role"


def every_function_has_a_role_of_its_own_that_lambda_alone_takes_on(deployment):
    roles = [reference(function["Role"]) for function in deployment.functions.values()]
    if sorted(map(str, roles)) != sorted(deployment.of_type("AWS::IAM::Role")):
        yield f"{len(roles)} functions have the roles {sorted(set(map(str, roles)))}"
    trust = [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    for function in deployment.functions:
        if deployment.role(function)["AssumeRolePolicyDocument"]["Statement"] != trust:
            yield f"not lambda alone may take on the role of {function}"


def every_function_may_write_its_own_log_and_no_other(deployment):
    for function, properties in deployment.functions.items():
        group = {"Fn::GetAtt": [reference(properties["LoggingConfig"]["LogGroup"]), "Arn"]}
        logs = [
            (sorted(actions), resources)
            for _, actions, resources in deployment.statements(function)
            if any(action.startswith("logs:") for action in actions)
        ]
        # The attribute Arn of a log group ends in ":*", its streams. Anything after it would be an ARN of nothing.
        if logs != [(["logs:CreateLogStream", "logs:PutLogEvents"], [group])]:
            yield f"{function} may write {logs}"


def only_who_verifies_or_signs_reads_a_secret_and_only_its_own(deployment):
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
            str(reference(value)) for name, value in variables.items() if "SECRET" in name or "Secret" in str(value)
        )
        if named != SECRETS.get(function, []):
            yield f"{function} is told of the secrets {named}"


def what_a_channel_needs_is_allowed_for_that_channel_alone(deployment):
    both = {"ChannelWebhookSecretArn": "ThroughWebhook", "ClickatellApiKeySecretArn": "ThroughClickatell"}
    sending = both | {"WhatsAppAccessTokenSecretArn": "ThroughWhatsApp", "SmsOriginationIdentityArn": "ThroughSms"}
    hearing = both | {"WhatsAppAppSecretArn": "ThroughWhatsApp"}
    for function, needed in {"notify": sending, "delivery-report": hearing}.items():
        (policy,) = deployment.role(function)["Policies"]
        allowed = {}
        for statement in policy["PolicyDocument"]["Statement"]:
            condition, then, otherwise = statement.get("Fn::If", [None, statement, {"Ref": "AWS::NoValue"}])
            if otherwise != {"Ref": "AWS::NoValue"}:
                yield f"{function} may do one thing or another: {statement}"
            for resource in as_list(then["Resource"]):
                if reference(resource) in sending | hearing:
                    allowed[reference(resource)] = condition
                    if as_list(then["Action"]) not in (
                        ["secretsmanager:GetSecretValue"],
                        ["sms-voice:SendTextMessage"],
                    ):
                        yield f"{function} may {then['Action']} {resource}"
        if allowed != needed:
            yield f"{function} is allowed {allowed}"


def text_messages_are_reported_by_this_account_to_the_function_that_hears_of_them(deployment):
    ((topic, _),) = [found for found in deployment.of_type("AWS::SNS::Topic").items() if found[1].get("Condition")]
    (policy,) = deployment.properties("AWS::SNS::TopicPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    if (statement["Principal"], statement["Action"]) != ({"Service": "sms-voice.amazonaws.com"}, "sns:Publish"):
        yield f"the reports come from {statement['Principal']}"
    if statement.get("Condition", {}).get("StringEquals") != {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}:
        yield "the reports come from any account"
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
        yield f"notifications may run {permissions}"
    if deployment.logical_names.get(reference(subscription["Endpoint"])) != "delivery-report":
        yield f"the reports go to {subscription['Endpoint']}"


def every_variable_that_the_code_reads_is_set_and_no_other(deployment):
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


def every_variable_is_explained_in_the_readme_and_no_other(deployment):
    """Of a secret it names the variable with the value and the one with the ARN; a deployment sets the latter."""
    tables = (ROOT / "README.md").read_text().split("## Configuration")[1].split("### Set by Lambda")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", tables, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}
    there = set().union(*(_variables(deployment, function) for function in deployment.functions))
    for name in there - explained:
        yield f"the README does not explain {name}"
    for name in explained - there:
        if f"{name}_ARN" not in there:
            yield f"the README explains {name}, which no function has"


def every_alarm_tells_somebody_and_says_what_no_data_means(deployment):
    topics = deployment.of_type("AWS::SNS::Topic")
    for name, alarm in deployment.properties("AWS::CloudWatch::Alarm").items():
        for actions in ("AlarmActions", "OKActions"):
            if not alarm.get(actions) or not all(reference(action) in topics for action in alarm[actions]):
                yield f"{name} has no {actions}"
        if alarm.get("TreatMissingData") not in ("notBreaching", "breaching"):
            yield f"{name} does not say what no data means"
        if not alarm.get("AlarmDescription"):
            yield f"{name} does not say what it means"


def no_alarm_watches_more_metrics_than_one_can(deployment):
    for name, alarm in deployment.properties("AWS::CloudWatch::Alarm").items():
        watched = [entry for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
        if len(watched) > 10:
            yield f"{name} watches {len(watched)} metrics"


def every_alarm_has_an_entry_in_the_runbook_and_its_description_leads_there(deployment):
    alarms = {
        alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): alarm
        for alarm in deployment.properties("AWS::CloudWatch::Alarm").values()
    }
    # An entry's heading is the alarm's name, so that it is the anchor of a link, too.
    entries = set(re.findall(r"^### ([\w-]+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE))
    for name in alarms.keys() ^ entries:
        yield f"{name} is " + (f"not explained in {RUNBOOK}" if name in alarms else "no alarm")
    for name, alarm in alarms.items():
        if not alarm.get("AlarmDescription", "").endswith(f" {RUNBOOK}#{name}"):
            yield f"the description of {name} does not lead to {RUNBOOK}#{name}"


def every_metric_of_ours_in_an_alarm_or_on_the_dashboard_is_emitted_where_it_is_watched(deployment):
    emitted = emitted_metrics()
    watched = {}
    for alarm, namespace, metric, function in deployment.alarm_metrics():
        if namespace == "chat2pay":
            watched.setdefault((alarm, metric), set()).add(function)
    if not watched:
        yield "no alarm watches a metric of ours"
    for (alarm, metric), functions in watched.items():
        if metric not in emitted:
            yield f"{alarm}: nothing emits {metric}"
        elif functions != emitting_functions(metric):
            yield f"{alarm} watches {metric} of {functions}; it comes from {emitting_functions(metric)}"
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


def the_routes_are_those_of_the_contract_and_only_the_customer_and_the_provider_need_no_token(deployment):
    for route in ROUTES.keys() | deployment.routes.keys():
        if deployment.routes.get(route) != ROUTES.get(route):
            yield f"{route}: {deployment.routes.get(route)} and not {ROUTES.get(route)}"
    (api,) = deployment.properties("AWS::ApiGatewayV2::Api").values()
    schemes = api["Body"]["components"]["securitySchemes"]
    if {scheme["x-amazon-apigateway-authorizer"]["type"] for scheme in schemes.values()} != {"jwt"}:
        yield "something else than a JWT is taken"
    (stage,) = deployment.properties("AWS::ApiGatewayV2::Stage").values()
    if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= stage.get("DefaultRouteSettings", {}).keys():
        yield "the API takes any number of requests"


def the_table_keeps_what_it_is_given(deployment):
    ((name, table),) = deployment.of_type("AWS::DynamoDB::Table").items()
    if (table.get("DeletionPolicy"), table.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
        yield f"{name} goes with the stack"
    properties = table["Properties"]
    for path, wanted in {
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": True,
        "SSESpecification.SSEEnabled": True,
        "StreamSpecification.StreamViewType": "NEW_AND_OLD_IMAGES",
        "TimeToLiveSpecification.AttributeName": "ttl",
        "TimeToLiveSpecification.Enabled": True,
    }.items():
        value = properties
        for part in path.split("."):
            value = value.get(part, {})
        if value != wanted:
            yield f"{name}: {path} is {value or 'not set'}"


def every_resource_says_what_it_is_for(deployment):
    lines = deployment.text.split("\nResources:\n")[1].split("\nOutputs:\n")[0].splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if re.fullmatch(r"  \w+:", line) and not above.startswith("  # "):
            yield line.strip(" :")


def _variables(deployment, function):
    return deployment.functions[function]["Environment"]["Variables"]


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
