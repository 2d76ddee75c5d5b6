"""An AWS account on this machine for the manual's commands: an emulator with a stack like the deployed one, and in it
what an operator finds after something failed."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import botocore.session

from pages import ROOT

STACK, REGION = "chat2pay", "us-east-1"
READY_SECONDS = 60

# What of the stack the manual's commands meet, with the outputs by which they find it. No function runs.
TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            },
        },
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": STACK}},
        "DeadLetters": {"Type": "AWS::SQS::Queue"},
        "Users": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": STACK}},
        "Agents": {
            "Type": "AWS::Cognito::UserPoolGroup",
            "Properties": {"GroupName": "agent", "UserPoolId": {"Ref": "Users"}},
        },
        "Scopes": {
            "Type": "AWS::Cognito::UserPoolResourceServer",
            "Properties": {
                "UserPoolId": {"Ref": "Users"},
                "Identifier": "chat2pay/acme",
                "Name": "chat2pay machine clients",
                "Scopes": [{"ScopeName": "service", "ScopeDescription": "Act for agents"}],
            },
        },
        "Machine": {
            "Type": "AWS::Cognito::UserPoolClient",
            "DependsOn": "Scopes",
            "Properties": {
                "UserPoolId": {"Ref": "Users"},
                "GenerateSecret": True,
                "AllowedOAuthFlowsUserPoolClient": True,
                "AllowedOAuthFlows": ["client_credentials"],
                "AllowedOAuthScopes": ["chat2pay/acme/service"],
            },
        },
    },
    "Outputs": {
        "TableName": {"Value": {"Ref": "Table"}},
        "StreamArn": {"Value": {"Fn::GetAtt": ["Table", "StreamArn"]}},
        "EventBusName": {"Value": {"Ref": "Bus"}},
        "DeadLettersUrl": {"Value": {"Ref": "DeadLetters"}},
        "UserPoolId": {"Value": {"Ref": "Users"}},
        "MachineClientId": {"Value": {"Ref": "Machine"}},
        "PublicBaseUrl": {"Value": "https://pay.example.com"},
    },
}


class Cloud:
    """The emulator, and how the AWS CLI finds it."""

    def __init__(self, directory):
        self.directory = Path(directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://localhost:{port}"
        config = self.directory / "aws-config"
        config.write_text(f"[default]\nregion = {REGION}\n")
        self.variables = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(config),
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        emulator = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"}
        self.log = self.directory / "cloud.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).parent / "ministack"],
                cwd=self.directory,
                env=os.environ | emulator | {"AWS_ENDPOINT_URL": self.endpoint},
                start_new_session=True,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        self._deploy()

    def _wait(self):
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the emulator did not become ready:\n{self.log.read_text()}")

    def _client(self, service):
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def _deploy(self):
        formation = self._client("cloudformation")
        # In AWS, tokens come from the domain of the user pool.
        outputs = TEMPLATE["Outputs"] | {"TokenUrl": {"Value": f"{self.endpoint}/oauth2/token"}}
        formation.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE | {"Outputs": outputs}))
        formation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        (stack,) = formation.describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def fail_something(self):
        """Puts there what an operator finds: a request, dead letters about it, an error in a log, and a secret."""
        record = json.loads((ROOT / "events/samples/publish/inserted.json").read_text())["Records"][0]["dynamodb"]
        self._client("dynamodb").put_item(TableName=self.outputs["TableName"], Item=record["NewImage"])

        event = json.loads((ROOT / "events/samples/notify/sent.json").read_text())
        attributes = {"ErrorMessage": {"DataType": "String", "StringValue": "the channel is unavailable"}}
        for letter in (event, {"requestContext": {}, "DDBStreamBatchInfo": self._batch()}):
            self._client("sqs").send_message(
                QueueUrl=self.outputs["DeadLettersUrl"], MessageBody=json.dumps(letter), MessageAttributes=attributes
            )

        logs, line = self._client("logs"), json.dumps({"level": "ERROR", "message": "message abandoned"})
        place = {"logGroupName": f"/aws/lambda/{STACK}-notify", "logStreamName": "one"}
        logs.create_log_group(logGroupName=place["logGroupName"])
        logs.create_log_stream(**place)
        logs.put_log_events(**place, logEvents=[{"timestamp": int(time.time() * 1000), "message": line}])

        self._client("secretsmanager").create_secret(Name=f"{STACK}/sandbox-webhook", SecretString="whsec_old")

    def _batch(self):
        """Returns the place of the first record in the stream, as a letter holds it."""
        streams, stream = self._client("dynamodbstreams"), self.outputs["StreamArn"]
        (shard,) = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        place = {"StreamArn": stream, "ShardId": shard["ShardId"]}
        iterator = streams.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        (record,) = streams.get_records(ShardIterator=iterator)["Records"]
        number = record["dynamodb"]["SequenceNumber"]
        return {"streamArn": stream, "shardId": shard["ShardId"], "startSequenceNumber": number}
