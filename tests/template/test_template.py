"""Tests that the template keeps every rule, and that each rule detects a template that breaks it."""

import json
import pathlib
import re
import unittest

import botocore.loaders
from samtranslator.yaml_helper import yaml_parse

import rules
from deployment import TEMPLATE, Deployment
from rules import RULES

TEXT = TEMPLATE.read_text()

# Breaches of each rule: (text of the template, its replacement). Only the first occurrence is replaced.
BREACHES = {
    rules.every_binary_has_a_function_of_its_name_and_every_function_has_a_binary: [
        ("BuildProperties: { Binary: create }", "BuildProperties: { Binary: created }"),
        ('FunctionName: !Sub "${AWS::StackName}-create"', 'FunctionName: !Sub "${AWS::StackName}-creates"'),
        ("BuildMethod: rust-cargolambda", "BuildMethod: makefile"),
        ("Runtime: provided.al2023", "Runtime: provided.al2"),
    ],
    rules.every_failed_asynchronous_invocation_reaches_a_dead_letter_queue: [
        ("      DeadLetterQueue: { Type: SQS, TargetArn: !GetAtt DeadLetters.Arn }\n", ""),
        ("            DeadLetterConfig: { Arn: !GetAtt DeadLetters.Arn }\n", ""),
        ("            RetryPolicy: { MaximumRetryAttempts: 20, MaximumEventAgeInSeconds: 3600 }\n", ""),
        ("            DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt DeadLetters.Arn } }\n", ""),
        ('Action: ["sqs:SendMessage"]', 'Action: ["sqs:ReceiveMessage"]'),
    ],
    rules.every_stream_mapping_limits_its_attempts_and_isolates_failures: [
        ("            BisectBatchOnFunctionError: true\n", ""),
        ("            FunctionResponseTypes: [ReportBatchItemFailures]\n", ""),
        ("            MaximumRetryAttempts: 10\n", ""),
        ("MaximumRecordAgeInSeconds: 43200", "MaximumRecordAgeInSeconds: -1"),
        ("StartingPosition: TRIM_HORIZON", "StartingPosition: LATEST"),
        (
            """            FilterCriteria:
              Filters:
                - Pattern: >-
                    {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "REQ#"}]}}}}
                # A request that a person deletes is no event, but its sums are dropped. The time to live needs none of
                # it: sums are not used any more once it may delete one of their requests.
                - Pattern: >-
                    {"eventName": ["REMOVE"], "userIdentity": {"principalId": [{"exists": false}]},
                     "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "REQ#"}]}}}}
                - Pattern: >-
                    {"eventName": ["INSERT"], "dynamodb": {"Keys": {"pk": {"S": [{"prefix": "DIFFERENCE#"}]}}}}
""",
            "",
        ),
    ],
    rules.every_queue_that_a_function_reads_outlasts_its_runs_and_sets_failures_aside: [
        ("      RedrivePolicy: { deadLetterTargetArn: !GetAtt WebhookDeadLetters.Arn, maxReceiveCount: 100 }\n", ""),
        ("!GetAtt WebhookDeadLetters.QueueName", "!GetAtt WebhookQueue.QueueName"),
        ("VisibilityTimeout: 270", "VisibilityTimeout: 269"),
        (
            "            FunctionResponseTypes: [ReportBatchItemFailures]\n            # A hundred",
            "            # A hundred",
        ),
        ("            ScalingConfig: { MaximumConcurrency: 10 }\n", ""),
        ('"sqs:DeleteMessage", ', ""),
    ],
    rules.live_updates_lead_to_one_function_which_posts_to_this_api_alone: [
        ("RouteKey: $disconnect", "RouteKey: $default"),
        ("${LiveFunction.Arn}/invocations", "${CreateFunction.Arn}/invocations"),
        (
            "      StageName: live\n",
            "      StageName: live\n      AccessLogSettings: { DestinationArn: !GetAtt LiveLogs.Arn, Format: x }\n",
        ),
        ("${LiveApi}/live/POST/@connections/*", "${LiveApi}/*/POST/@connections/*"),
    ],
    rules.every_queue_that_a_rule_fills_takes_events_of_this_rule_alone_and_loses_none: [
        (
            "        - Id: Webhooks\n          Arn: !GetAtt WebhookQueue.Arn",
            "        - Id: W\n          Arn: !GetAtt Bus.Arn",
        ),
        (
            "          RetryPolicy: { MaximumRetryAttempts: 100, MaximumEventAgeInSeconds: 86400 }\n          Dead",
            "          Dead",
        ),
        ("86400 }\n          DeadLetterConfig: { Arn: !GetAtt DeadLetters.Arn }\n", "86400 }\n"),
        ("!GetAtt WebhookEvents.Arn", "!GetAtt Unpublishable.Arn"),
        ('              ArnEquals: { "aws:SourceArn": !GetAtt WebhookEvents.Arn }', "              Bool: {}"),
        ("      Queues: [!Ref WebhookQueue]\n", "      Queues: [!Ref DeadLetters]\n"),
        (
            "      SqsManagedSseEnabled: true\n      # While the table",
            "      KmsMasterKeyId: alias/aws/sqs\n      # While the table",
        ),
    ],
    rules.every_log_has_a_retention_and_belongs_to_one_source: [
        ("      RetentionInDays: !Ref LogRetentionDays\n", ""),
        ("      LoggingConfig: { LogGroup: !Ref CreateLogs }\n", ""),
        ("LoggingConfig: { LogGroup: !Ref CreateLogs }", "LoggingConfig: { LogGroup: !Ref CancelLogs }"),
        ("      LogFormat: JSON", "      LogFormat: Text"),
    ],
    rules.no_policy_has_a_wildcard: [
        ('Action: ["dynamodb:GetItem", "dynamodb:PutItem"]', 'Action: ["dynamodb:*"]'),
        ("Resource: !GetAtt Table.Arn", 'Resource: "*"'),
        ('Resource: !Sub "${Table.Arn}/index/due"', 'Resource: !Sub "${Table.Arn}/index/*"'),
        (
            '"xray:PutTraceSegments"], Resource: "*"',
            '"xray:PutTraceSegments", "xray:GetTraceSummaries"], Resource: "*"',
        ),
        (
            "              - Effect: Allow\n                Action: [",
            "              - Effect: Allow\n                NotAction: [",
        ),
        (
            "      Policies:\n",
            "      ManagedPolicyArns: [arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]\n"
            "      Policies:\n",
        ),
    ],
    rules.every_function_has_its_own_role_that_only_lambda_may_assume: [
        ("Role: !GetAtt CreateRole.Arn", "Role: !GetAtt CancelRole.Arn"),
        (
            "Principal: { Service: lambda.amazonaws.com }",
            "Principal: { Service: [lambda.amazonaws.com, ec2.amazonaws.com] }",
        ),
    ],
    rules.every_function_may_write_its_own_log_and_no_other: [
        ("Resource: !GetAtt CreateLogs.Arn", "Resource: !GetAtt CancelLogs.Arn"),
        ("Resource: !GetAtt CreateLogs.Arn", 'Resource: !Sub "${CreateLogs.Arn}:log-stream:*"'),
        ('["logs:CreateLogStream", "logs:PutLogEvents"]', '["logs:PutLogEvents"]'),
    ],
    rules.each_function_reads_only_the_secrets_that_it_needs: [
        ("Resource: !Ref ChannelWebhookSecretArn", "Resource: !Ref SandboxWebhookSecretArn"),
        ("Resource: !Ref StripeSecretKeyArn", "Resource: !Ref StripeWebhookSecretArn"),
        ("                  - !Ref StripeWebhookSecretArn\n", "                  - !Ref StripeSecretKeyArn\n"),
        ("!If [UsesPaystack, !Ref PaystackSecretKeyArn, ", "!If [UsesPaystack, !Ref StripeSecretKeyArn, "),
        (
            'Action: ["events:DescribeEventBus", "events:PutEvents"]\n                Resource: !GetAtt Bus.Arn',
            'Action: ["secretsmanager:GetSecretValue"]\n                Resource: !Ref ChannelWebhookSecretArn',
        ),
        (
            "        TABLE_NAME: !Ref Table\n",
            "        TABLE_NAME: !Ref Table\n        CHANNEL_WEBHOOK_SECRET_ARN: !Ref ChannelWebhookSecretArn\n",
        ),
    ],
    rules.the_permissions_of_a_channel_are_granted_only_for_that_channel: [
        ("                - ThroughSms\n", "                - ThroughWebhook\n"),
        ("Resource: !Ref SmsOriginationIdentityArn", "Resource: !GetAtt Table.Arn"),
        (
            'Action: ["sms-voice:SendTextMessage"]',
            'Action: ["sms-voice:SendTextMessage", "sms-voice:SendVoiceMessage"]',
        ),
        ("Resource: !Ref WhatsAppAppSecretArn", "Resource: !Ref WhatsAppAccessTokenSecretArn"),
    ],
    rules.only_this_account_reports_text_messages_and_only_to_delivery_report: [
        ("Principal: { Service: sms-voice.amazonaws.com }", 'Principal: "*"'),
        ('              StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }\n', ""),
        ("SnsDestination: { TopicArn: !Ref SmsReports }", "SnsDestination: { TopicArn: !Ref Alarms }"),
        (
            "Protocol: lambda, Endpoint: !GetAtt DeliveryReportFunction.Arn",
            "Protocol: lambda, Endpoint: !GetAtt NotifyFunction.Arn",
        ),
        (
            "      Principal: sns.amazonaws.com\n      SourceArn: !Ref SmsReports\n",
            "      Principal: sns.amazonaws.com\n",
        ),
    ],
    rules.exactly_the_variables_that_the_code_reads_are_set: [
        ("        TABLE_NAME: !Ref Table\n", ""),
        ("          EXPIRY_LOOKAHEAD_SECONDS: !Ref ExpiryLookaheadSeconds\n", "          UNUSED: 1\n"),
        ("          CHANNEL_WEBHOOK_SECRET_ARN: !Ref", "          CHANNEL_WEBHOOK_SECRET: !Ref"),
        (
            "          CHANNEL: !Ref Channel\n",
            "          CHANNEL: !Ref Channel\n          EXPIRY_LOOKAHEAD_SECONDS: 1\n",
        ),
        ("        TABLE_NAME: !Ref Table\n", "        TABLE_NAME: !Ref Table\n        UNUSED: 1\n"),
    ],
    rules.the_readme_explains_exactly_the_variables_that_are_set: [
        ("          EXPIRY_LOOKAHEAD_SECONDS: !Ref", "          EXPIRY_SECONDS: !Ref"),
        ("        TABLE_NAME: !Ref Table\n", "        TABLE_NAME: !Ref Table\n        UNEXPLAINED: 1\n"),
    ],
    rules.every_alarm_has_a_topic_and_defines_missing_data: [
        ("      AlarmActions: [!Ref Alarms]\n", ""),
        ("      OKActions: [!Ref Alarms]\n", ""),
        ("      TreatMissingData: notBreaching\n", ""),
        ("TreatMissingData: notBreaching", "TreatMissingData: missing"),
    ],
    rules.no_alarm_watches_more_than_ten_metrics: [
        (
            "        - { Id: all, Expression: SUM(METRICS()), Label: Errors }\n",
            "        - { Id: all, Expression: SUM(METRICS()), Label: Errors }\n"
            + "        - { MetricStat: { Metric: { Namespace: n, MetricName: m, Dimensions: [] } } }\n" * 4,
        ),
    ],
    rules.every_alarm_has_an_entry_in_the_runbook_and_links_to_it: [
        ("runbook.md#expiry-lag", "runbook.md#expiry"),
        ("        What to do: infra/manual/runbook.md#refund-age\n", ""),
        ('AlarmName: !Sub "${AWS::StackName}-expiry-lag"', 'AlarmName: !Sub "${AWS::StackName}-expiry-delay"'),
    ],
    rules.every_watched_metric_of_ours_is_emitted_by_the_watched_functions: [
        ("MetricName: ExpiryLag", "MetricName: ExpiryDelay"),
        (
            "MetricName: SecondPayment\n      Dimensions: [{ Name: FunctionName, Value: !Ref PaymentWebhookFunction }]",
            "MetricName: SecondPayment\n      Dimensions: [{ Name: FunctionName, Value: !Ref ExpireFunction }]",
        ),
        (
            "MetricName: AmountMismatch, Dimensions: [{ Name: FunctionName, Value: !Ref ExpireFunction }]",
            "MetricName: AmountMismatch, Dimensions: [{ Name: FunctionName, Value: !Ref PaymentWebhookFunction }]",
        ),
        (
            "MetricName: EndpointNotTrusted, Dimensions: [{ Name: FunctionName, Value: !Ref WebhooksFunction }]",
            "MetricName: EndpointNotTrusted, Dimensions: [{ Name: FunctionName, Value: !Ref RefundFunction }]",
        ),
        ('[".", "WebhookRefused"', '[".", "WebhooksRefused"'),
    ],
    rules.errors_and_throttles_of_every_function_raise_an_alarm: [
        (
            "MetricName: Errors, Dimensions: [{ Name: FunctionName, Value: !Ref CreateFunction }]",
            "MetricName: Errors, Dimensions: [{ Name: FunctionName, Value: !Ref CancelFunction }]",
        ),
        (
            "MetricName: Throttles, Dimensions: [{ Name: FunctionName, Value: !Ref RefundFunction }]",
            "MetricName: Throttles, Dimensions: [{ Name: FunctionName, Value: !Ref CancelFunction }]",
        ),
    ],
    rules.the_routes_are_those_of_the_contract_with_the_same_authorization: [
        ("Path: /reports/agents }", "Path: /reports/agents, Auth: { Authorizer: NONE } }"),
        ('Path: "/webhooks/{provider}", Auth: { Authorizer: NONE }', 'Path: "/webhooks/{provider}"'),
        ("Method: HEAD", "Method: DELETE"),
        ("Method: ANY, Path: /p,", "Method: GET, Path: /p,"),
        ("        ThrottlingBurstLimit: !Ref RequestBurst\n", ""),
        ("      DefaultRouteSettings:\n", "      DefaultRouteSettings:\n        DetailedMetricsEnabled: true\n"),
    ],
    rules.what_desks_ask_cannot_starve_customers_the_provider_or_the_channel: [
        ('        "POST /p/{token}": {', '        "POST /payment-requests": {'),
    ],
    rules.a_program_gets_tokens_by_its_secret_alone_and_people_get_no_scope_of_a_service: [
        ("HasMachineClient, chat2pay/", "HasMachineClient, other/"),
        ("- ScopeName: service", "- ScopeName: supervisor"),
        ("GenerateSecret: true", "GenerateSecret: false"),
        ("      ExplicitAuthFlows: [ALLOW_REFRESH_TOKEN_AUTH]\n", ""),
        ("      AllowedOAuthScopes: [openid, profile]", '      AllowedOAuthScopes: [!Sub "chat2pay/x/service"]'),
        ('AllowedOAuthScopes: [!Sub "chat2pay/${MachineWorkspace}/service"]', "AllowedOAuthScopes: [openid]"),
        ("    DependsOn: MachineScopes\n", ""),
        ("                  - !If [HasMachineClient, !Ref MachineClient, !Ref AWS::NoValue]\n", ""),
        ("[!Ref UserPoolClient, !Ref MachineClient, !Join", "[!Ref UserPoolClient, !Join"),
    ],
    rules.every_table_is_protected_against_loss: [
        ("    DeletionPolicy: Retain\n", ""),
        ("    UpdateReplacePolicy: Retain\n", ""),
        ("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED"),
        ("      DeletionProtectionEnabled: true\n", ""),
        ("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"),
        ("SSEEnabled: true", "SSEEnabled: false"),
        ("StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: NEW_IMAGE"),
        ("AttributeName: ttl\n        Enabled: true", "AttributeName: ttl\n        Enabled: false"),
    ],
    rules.every_resource_has_a_comment: [
        ("  # The logs of `create`.\n", ""),
    ],
}


# Addresses, each with the kinds of address that it can be. An integration test holds the functions against this table.
ADDRESSES = json.loads((pathlib.Path(__file__).parent / "addresses.json").read_text())

# The parameters with an address that is sent personal data or secrets, each with its kind.
ENDPOINTS = {
    "SandboxProviderUrl": "base",
    "StripeApiUrl": "base",
    "StripeCheckoutOrigin": "origin",
    "PaystackApiUrl": "base",
    "PaystackCheckoutOrigin": "origin",
    "ChannelWebhookUrl": "complete",
    "WhatsAppApiUrl": "base",
    "ClickatellApiUrl": "base",
}


class Addresses(unittest.TestCase):
    def test_a_parameter_accepts_the_addresses_that_a_function_starts_with(self):
        for name, kind in ENDPOINTS.items():
            pattern = PARAMETERS[name]["AllowedPattern"]
            for row in ADDRESSES:
                with self.subTest(parameter=name, address=row["address"]):
                    accepted = re.fullmatch(pattern, row["address"]) is not None
                    self.assertEqual(accepted, kind in row["accepted_as"])

    def test_no_other_parameter_has_an_address_of_this_kind(self):
        # What a browser or Cognito calls, and where customers reach the API, have rules of their own.
        others = {"PublicBaseUrl", "JwtIssuer", "SignInEndpoints"}
        with_address = {
            name for name, parameter in PARAMETERS.items() if "https://" in parameter.get("AllowedPattern", "")
        }
        self.assertEqual(with_address, others | ENDPOINTS.keys())


class MachineClients(unittest.TestCase):
    def test_a_workspace_with_programs_is_named_as_a_resource_server_and_a_workspace_may_be(self):
        model = botocore.loaders.Loader().load_service_model("cognito-idp", "service-2")
        identifier = model["shapes"]["ResourceServerIdentifierType"]["pattern"]
        accepted = re.compile(PARAMETERS["MachineWorkspace"]["AllowedPattern"]).fullmatch
        for character in map(chr, range(0x100)):
            with self.subTest(character=character):
                wanted = re.fullmatch(identifier, f"chat2pay/a{character}") and character != "#"
                self.assertEqual(bool(accepted(f"a{character}")), bool(wanted))
        self.assertTrue(accepted("") and accepted("a" * 128))
        self.assertFalse(accepted("a" * 129))

    def test_a_further_client_is_named_as_cognito_names_it(self):
        model = botocore.loaders.Loader().load_service_model("cognito-idp", "service-2")
        identifier = model["shapes"]["ClientIdType"]["pattern"]
        accepted = re.compile(PARAMETERS["MachineClientIds"]["AllowedPattern"]).fullmatch
        for character in map(chr, range(0x80)):
            with self.subTest(character=character):
                self.assertEqual(bool(accepted(f"a{character}")), bool(re.fullmatch(identifier, f"a{character}")))


# Every type of event of AWS End User Messaging, with what it means for a text that `delivery-report` reads.
TEXT_EVENTS = json.loads((pathlib.Path(__file__).parent / "text-events.json").read_text())


class TextEvents(unittest.TestCase):
    def test_the_table_has_every_type_in_the_model_of_the_service(self):
        model = botocore.loaders.Loader().load_service_model("pinpoint-sms-voice-v2", "service-2")
        # These stand for all types, or for all of one kind.
        kinds = {"ALL", "TEXT_ALL", "VOICE_ALL", "MEDIA_ALL", "RCS_ALL"}
        self.assertEqual(set(TEXT_EVENTS), set(model["shapes"]["EventType"]["enum"]) - kinds)

    def test_the_configuration_set_reports_the_types_that_mean_a_failure_and_no_others(self):
        (configuration,) = DEPLOYMENT.properties("AWS::SMSVOICE::ConfigurationSet").values()
        (destination,) = configuration["EventDestinations"]
        failures = sorted(kind for kind, reason in TEXT_EVENTS.items() if reason)
        self.assertEqual(destination["MatchingEventTypes"], failures)


class Template(unittest.TestCase):
    """One test for each rule, and one for its breaches."""

    maxDiff = None

    def test_every_rule_has_a_breach(self):
        self.assertEqual(set(BREACHES), set(RULES))


def keeps(rule):
    return lambda self: self.assertEqual(list(rule(DEPLOYMENT)), [])


def detects_breaches(rule):
    def test(self):
        for before, after in BREACHES[rule]:
            with self.subTest(before=before, after=after):
                self.assertIn(before, TEXT)
                self.assertTrue(list(rule(Deployment(TEXT.replace(before, after, 1)))))

    return test


DEPLOYMENT = Deployment(TEXT)
PARAMETERS = yaml_parse(TEXT)["Parameters"]
for rule in RULES:
    setattr(Template, f"test_{rule.__name__}", keeps(rule))
    setattr(Template, f"test_a_breach_is_detected__{rule.__name__}", detects_breaches(rule))

if __name__ == "__main__":
    unittest.main()
