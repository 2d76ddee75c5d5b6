"""The rules hold in the template, and each of them sees a template that breaks it."""

import unittest

import rules
from deployment import TEMPLATE, Deployment
from rules import RULES

TEXT = TEMPLATE.read_text()

# What breaks each rule: (what the template says, what it says instead). The first place that says so is changed.
BREACHES = {
    rules.every_binary_has_a_function_of_its_name_and_every_function_a_binary: [
        ("BuildProperties: { Binary: create }", "BuildProperties: { Binary: created }"),
        ('FunctionName: !Sub "${AWS::StackName}-create"', 'FunctionName: !Sub "${AWS::StackName}-creates"'),
        ("BuildMethod: rust-cargolambda", "BuildMethod: makefile"),
        ("Runtime: provided.al2023", "Runtime: provided.al2"),
    ],
    rules.every_asynchronous_invocation_has_somewhere_to_go_when_it_fails: [
        ("      DeadLetterQueue: { Type: SQS, TargetArn: !GetAtt DeadLetters.Arn }\n", ""),
        ("            DeadLetterConfig: { Arn: !GetAtt DeadLetters.Arn }\n", ""),
        ("            RetryPolicy: { MaximumRetryAttempts: 20, MaximumEventAgeInSeconds: 3600 }\n", ""),
        ("            DestinationConfig: { OnFailure: { Type: SQS, Destination: !GetAtt DeadLetters.Arn } }\n", ""),
        ('Action: ["sqs:SendMessage"]', 'Action: ["sqs:ReceiveMessage"]'),
    ],
    rules.every_stream_mapping_limits_its_tries_and_isolates_what_fails: [
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
""",
            "",
        ),
    ],
    rules.every_log_ends_and_everything_that_logs_has_one_of_its_own: [
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
    rules.every_function_has_a_role_of_its_own_that_lambda_alone_takes_on: [
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
    rules.only_who_verifies_or_signs_reads_a_secret_and_only_its_own: [
        ("Resource: !Ref ChannelWebhookSecretArn", "Resource: !Ref SandboxWebhookSecretArn"),
        ("Resource: !Ref StripeSecretKeyArn", "Resource: !Ref StripeWebhookSecretArn"),
        ("!If [UsesStripe, !Ref StripeWebhookSecretArn, ", "!If [UsesStripe, !Ref StripeSecretKeyArn, "),
        (
            'Action: ["events:DescribeEventBus", "events:PutEvents"]\n                Resource: !GetAtt Bus.Arn',
            'Action: ["secretsmanager:GetSecretValue"]\n                Resource: !Ref ChannelWebhookSecretArn',
        ),
        (
            "        TABLE_NAME: !Ref Table\n",
            "        TABLE_NAME: !Ref Table\n        CHANNEL_WEBHOOK_SECRET_ARN: !Ref ChannelWebhookSecretArn\n",
        ),
    ],
    rules.what_a_channel_needs_is_allowed_for_that_channel_alone: [
        ("                - ThroughSms\n", "                - ThroughWebhook\n"),
        ("Resource: !Ref SmsOriginationIdentityArn", "Resource: !GetAtt Table.Arn"),
        (
            'Action: ["sms-voice:SendTextMessage"]',
            'Action: ["sms-voice:SendTextMessage", "sms-voice:SendVoiceMessage"]',
        ),
        ("Resource: !Ref WhatsAppAppSecretArn", "Resource: !Ref WhatsAppAccessTokenSecretArn"),
    ],
    rules.text_messages_are_reported_by_this_account_to_the_function_that_hears_of_them: [
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
    rules.every_variable_that_the_code_reads_is_set_and_no_other: [
        ("        TABLE_NAME: !Ref Table\n", ""),
        ("          EXPIRY_LOOKAHEAD_SECONDS: !Ref ExpiryLookaheadSeconds\n", "          UNUSED: 1\n"),
        ("          CHANNEL_WEBHOOK_SECRET_ARN: !Ref", "          CHANNEL_WEBHOOK_SECRET: !Ref"),
        (
            "          CHANNEL: !Ref Channel\n",
            "          CHANNEL: !Ref Channel\n          EXPIRY_LOOKAHEAD_SECONDS: 1\n",
        ),
        ("        TABLE_NAME: !Ref Table\n", "        TABLE_NAME: !Ref Table\n        UNUSED: 1\n"),
    ],
    rules.every_variable_is_explained_in_the_readme_and_no_other: [
        ("          EXPIRY_LOOKAHEAD_SECONDS: !Ref", "          EXPIRY_SECONDS: !Ref"),
        ("        TABLE_NAME: !Ref Table\n", "        TABLE_NAME: !Ref Table\n        UNEXPLAINED: 1\n"),
    ],
    rules.every_alarm_tells_somebody_and_says_what_no_data_means: [
        ("      AlarmActions: [!Ref Alarms]\n", ""),
        ("      OKActions: [!Ref Alarms]\n", ""),
        ("      TreatMissingData: notBreaching\n", ""),
        ("TreatMissingData: notBreaching", "TreatMissingData: missing"),
    ],
    rules.no_alarm_watches_more_metrics_than_one_can: [
        (
            "        - { Id: all, Expression: SUM(METRICS()), Label: Errors }\n",
            "        - { Id: all, Expression: SUM(METRICS()), Label: Errors }\n"
            + "        - { MetricStat: { Metric: { Namespace: n, MetricName: m, Dimensions: [] } } }\n" * 4,
        ),
    ],
    rules.every_alarm_has_an_entry_in_the_runbook_and_its_description_leads_there: [
        ("runbook.md#expiry-lag", "runbook.md#expiry"),
        ("        What to do: infra/manual/runbook.md#refund-age\n", ""),
        ('AlarmName: !Sub "${AWS::StackName}-expiry-lag"', 'AlarmName: !Sub "${AWS::StackName}-expiry-delay"'),
    ],
    rules.every_metric_of_ours_in_an_alarm_or_on_the_dashboard_is_emitted_where_it_is_watched: [
        ("MetricName: ExpiryLag", "MetricName: ExpiryDelay"),
        (
            "MetricName: SecondPayment\n      Dimensions: [{ Name: FunctionName, Value: !Ref PaymentWebhookFunction }]",
            "MetricName: SecondPayment\n      Dimensions: [{ Name: FunctionName, Value: !Ref ExpireFunction }]",
        ),
        (
            "MetricName: AmountMismatch, Dimensions: [{ Name: FunctionName, Value: !Ref ExpireFunction }]",
            "MetricName: AmountMismatch, Dimensions: [{ Name: FunctionName, Value: !Ref PaymentWebhookFunction }]",
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
    rules.the_routes_are_those_of_the_contract_and_only_the_customer_and_the_provider_need_no_token: [
        ("Path: /reports/agents }", "Path: /reports/agents, Auth: { Authorizer: NONE } }"),
        ('Path: "/webhooks/{provider}", Auth: { Authorizer: NONE }', 'Path: "/webhooks/{provider}"'),
        ("Method: HEAD", "Method: DELETE"),
        ("Method: ANY, Path: /p,", "Method: GET, Path: /p,"),
        ("        ThrottlingBurstLimit: !Ref RequestBurst\n", ""),
    ],
    rules.the_table_keeps_what_it_is_given: [
        ("    DeletionPolicy: Retain\n", ""),
        ("    UpdateReplacePolicy: Retain\n", ""),
        ("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED"),
        ("      DeletionProtectionEnabled: true\n", ""),
        ("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"),
        ("SSEEnabled: true", "SSEEnabled: false"),
        ("StreamViewType: NEW_AND_OLD_IMAGES", "StreamViewType: NEW_IMAGE"),
        ("AttributeName: ttl\n        Enabled: true", "AttributeName: ttl\n        Enabled: false"),
    ],
    rules.every_resource_says_what_it_is_for: [
        ("  # The logs of `create`.\n", ""),
    ],
}


class Template(unittest.TestCase):
    """One test for each rule, and one for what breaks it."""

    maxDiff = None

    def test_every_rule_has_a_breach(self):
        self.assertEqual(set(BREACHES), set(RULES))


def holds(rule):
    return lambda self: self.assertEqual(list(rule(DEPLOYMENT)), [])


def sees_a_breach(rule):
    def test(self):
        for before, after in BREACHES[rule]:
            with self.subTest(before=before, after=after):
                self.assertIn(before, TEXT)
                self.assertTrue(list(rule(Deployment(TEXT.replace(before, after, 1)))))

    return test


DEPLOYMENT = Deployment(TEXT)
for rule in RULES:
    setattr(Template, f"test_{rule.__name__}", holds(rule))
    setattr(Template, f"test_a_breach_is_seen__{rule.__name__}", sees_a_breach(rule))

if __name__ == "__main__":
    unittest.main()
