"""Deploys the stack to an AWS emulator that runs the real function binaries, and runs the suite against it.

SAM's translation puts the routes into an OpenAPI body, which the emulator (ministack) does not read. The script
therefore expands the body into routes and integrations, as API Gateway does. It leaves out alarms on a sum of metrics
and the WebSocket API's deployment. It gives `live` the emulator's address, and lets webhook endpoints be on this
machine. Everything else is the unchanged output of AWS's own translator for `infra/template.yaml`. The local runner
provides the payment provider and the phone; this script is the token issuer.
"""

import base64
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time

import boto3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

import main
from client import call, eventually, free_port
from settings import Program, Settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
ZIPS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "lambda"
REGION, STACK, BUCKET = "us-east-1", "chat2pay", "artifacts"
LINK_SECONDS, CHECKOUT_SECONDS = 6, 6


def step(text):
    print(f"-- {text}", flush=True)


@contextlib.contextmanager
def running(command, log, environment=None):
    """Runs a program for the duration of the block, and ends it by its process id."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Issuer:
    """An identity provider with one key and the discovery documents that an authorizer reads."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id, self.audience = "e2e-1", "chat2pay-e2e"
        issuer = self

        class Documents(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                documents = {
                    "/.well-known/openid-configuration": issuer.configuration,
                    "/.well-known/jwks.json": issuer.keys,
                }
                document = documents.get(self.path)
                self.send_response(200 if document else 404)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(document() if document else {}).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def configuration(self):
        return {"issuer": self.url, "jwks_uri": f"{self.url}/.well-known/jwks.json"}

    def keys(self):
        numbers = self.key.public_key().public_numbers()

        def encoded(number):
            return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()

        return {
            "keys": [
                {
                    "kty": "RSA",
                    "alg": "RS256",
                    "use": "sig",
                    "kid": self.key_id,
                    "n": encoded(numbers.n),
                    "e": encoded(numbers.e),
                }
            ]
        }

    def private_key(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def translated(parameters, endpoint):
    """Returns the CloudFormation template made by AWS's own translator, with the HTTP API's body expanded, for the
    emulator at this address.
    """
    template = yaml_parse((ROOT / "infra" / "template.yaml").read_text())
    del template["Globals"]["Function"]["CodeUri"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            resource["Properties"]["CodeUri"] = {"Bucket": BUCKET, "Key": f"{binary}.zip"}
            # The endpoints of the tests are on this machine.
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            if "WEBHOOK_QUEUE_URL" in variables:
                variables["WEBHOOK_ENDPOINTS_ON_LOOPBACK"] = "allowed"
            if "LIVE_TABLE_NAME" in variables:
                # The emulator has no names below amazonaws.com, where the stage has its address.
                stage = {"Fn::Sub": endpoint + "/_aws/execute-api/${LiveApi}/live"}
                variables["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = stage
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    template = Translator({}, Parser()).translate(template, parameters)
    for name in [
        name for name, resource in template["Resources"].items() if "Metrics" in resource.get("Properties", {})
    ]:
        # The emulator does not support alarms on a sum of metrics.
        del template["Resources"][name]
    # Nor does it know deployments of a WebSocket API: its stages show their routes at once.
    del template["Resources"]["LiveDeployment"]
    del template["Resources"]["LiveStage"]["Properties"]["DeploymentId"]
    return with_routes(template)


def with_routes(template):
    resources = template["Resources"]
    apis = {name: api for name, api in resources.items() if api["Type"] == "AWS::ApiGatewayV2::Api"}
    (api_id,) = [name for name, api in apis.items() if "Body" in api["Properties"]]
    api = resources[api_id]["Properties"]
    body = api.pop("Body")
    api |= {"Name": STACK, "ProtocolType": "HTTP"}
    api.pop("FailOnWarnings", None)
    for name, scheme in body["components"]["securitySchemes"].items():
        authorizer = scheme["x-amazon-apigateway-authorizer"]
        resources[f"{name}Authorizer"] = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": api_id},
                "AuthorizerType": "JWT",
                "Name": name,
                "IdentitySource": [authorizer["identitySource"]],
                "JwtConfiguration": {
                    "Issuer": authorizer["jwtConfiguration"]["issuer"],
                    "Audience": authorizer["jwtConfiguration"]["audience"],
                },
            },
        }
    for path, methods in body["paths"].items():
        for method, route in methods.items():
            # In OpenAPI, the method ANY has a name of API Gateway's own.
            method = method.removeprefix("x-amazon-apigateway-").removesuffix("-method")
            name = "Route" + "".join(character for character in method + path if character.isalnum())
            resources[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api_id},
                    "IntegrationType": "AWS_PROXY",
                    "PayloadFormatVersion": "2.0",
                    "IntegrationUri": route["x-amazon-apigateway-integration"]["uri"],
                },
            }
            properties = {
                "ApiId": {"Ref": api_id},
                "RouteKey": f"{method.upper()} {path}",
                "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"{name}Integration"}]]},
            }
            guards = [guard for security in route.get("security", []) for guard in security if guard != "NONE"]
            if guards:
                properties |= {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": f"{guards[0]}Authorizer"}}
            resources[name] = {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}
    return template


class Stack:
    """The stack in the emulator, with clients for the emulator's services."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
        self.client = lambda service: boto3.client(service, endpoint_url=endpoint, **credentials)

    def prepare(self):
        self.client("s3").create_bucket(Bucket=BUCKET)
        for archive in sorted(ZIPS.glob("*/bootstrap.zip")):
            self.put(f"{archive.parent.name}.zip", archive.read_bytes())

    def put(self, key, body):
        """Stores an artifact in S3, as `sam deploy` does: a call does not accept a template of this size inline."""
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"{self.endpoint}/{BUCKET}/{key}"

    def secret(self, name, value):
        return self.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]

    def deploy(self, parameters):
        cloudformation = self.client("cloudformation")
        template = translated(parameters, self.endpoint)
        arguments = {
            "StackName": STACK,
            "TemplateURL": self.put("template.json", json.dumps(template).encode()),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in parameters.items()],
        }
        try:
            cloudformation.describe_stacks(StackName=STACK)
            cloudformation.update_stack(**arguments)
        except cloudformation.exceptions.ClientError as error:
            if "does not exist" not in str(error):
                raise
            cloudformation.create_stack(**arguments)

        def settled():
            (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
            return stack if not stack["StackStatus"].endswith("IN_PROGRESS") else None

        stack = eventually("the stack settling", settled, 300)
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            failed = [event for event in events if "FAILED" in event["ResourceStatus"]]
            reasons = [(event["LogicalResourceId"], event.get("ResourceStatusReason")) for event in failed]
            raise AssertionError(f"{stack['StackStatus']}: {stack.get('StackStatusReason')} {reasons}")
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def silence(self, bus):
        """Disables every rule of the bus, so that no function receives its events."""
        events = self.client("events")
        for rule in events.list_rules(EventBusName=bus)["Rules"]:
            events.disable_rule(Name=rule["Name"], EventBusName=bus)

    def listen(self, bus):
        """Creates a queue for all chat2pay events of the bus, as an integrator would, and returns its address."""
        sqs, events = self.client("sqs"), self.client("events")
        queue = sqs.create_queue(QueueName="e2e-events")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="e2e", EventBusName=bus, EventPattern=json.dumps({"source": ["chat2pay"]}))
        events.put_targets(Rule="e2e", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        return queue

    def another_program(self, pool, workspace, token_url):
        """Creates a client for a program in another workspace, as the manual says, and returns it."""
        cognito, identifier = self.client("cognito-idp"), f"chat2pay/{workspace}"
        cognito.create_resource_server(
            UserPoolId=pool,
            Identifier=identifier,
            Name="chat2pay machine clients",
            Scopes=[{"ScopeName": "service", "ScopeDescription": "Act for agents"}],
        )
        created = cognito.create_user_pool_client(
            UserPoolId=pool,
            ClientName=f"{workspace}-bot",
            GenerateSecret=True,
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH"],
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=[f"{identifier}/service"],
        )["UserPoolClient"]
        return Program(created["ClientId"], created["ClientSecret"], workspace, token_url)


def programs(stack, settings, parameters):
    """Deploys the stack with its own user pool, and runs the tests of its clients for programs."""
    step("deploy it with its own user pool and a client for programs")
    parameters = parameters | {"JwtIssuer": "", "JwtAudience": "", "MachineWorkspace": "acme"}
    outputs = stack.deploy(parameters)
    pool, client_id = outputs["UserPoolId"], outputs["MachineClientId"]
    # The emulator has no domains: one address issues the tokens of all its user pools.
    token_url = f"{stack.endpoint}/oauth2/token"
    described = stack.client("cognito-idp").describe_user_pool_client(UserPoolId=pool, ClientId=client_id)
    acme = Program(client_id, described["UserPoolClient"]["ClientSecret"], "acme", token_url)
    globex = stack.another_program(pool, "globex", token_url)
    unknown = dataclasses.replace(globex, workspace=None)
    if not main.run(dataclasses.replace(settings, programs=[acme, unknown]), "Programs"):
        return False
    step("deploy it with the client of another workspace")
    stack.deploy(parameters | {"MachineClientIds": globex.client_id})
    return main.run(dataclasses.replace(settings, programs=[acme, globex]), "Programs")


def webhook_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class Provider:
    """The stand-in payment provider of the local runner, with its settings for the stack, the runner and the suite."""

    def __init__(self, name, stack, local):
        self.name, self.secret = name, webhook_secret()
        if name == "sandbox":
            self.parameters = {
                "PaymentProvider": name,
                "SandboxProviderUrl": f"{local}/sandbox",
                "SandboxWebhookSecretArn": stack.secret("payments", self.secret),
            }
            self.variables = {"SANDBOX_WEBHOOK_SECRET": self.secret}
            self.settings = {}
        elif name == "paystack":
            # One key is for calls and signs webhooks.
            url, self.secret = f"{local}/paystack", "sk_test_" + secrets.token_hex(20)
            self.parameters = {
                "PaymentProvider": name,
                "PaystackApiUrl": url,
                "PaystackCheckoutOrigin": local,
                "PaystackSecretKeyArn": stack.secret("paystack-key", self.secret),
                "PaystackLivemode": "false",
                "PaystackFallbackEmail": "payments@example.com",
            }
            self.variables = {"PAYMENT_PROVIDER": name, "PAYSTACK_SECRET_KEY": self.secret}
            self.settings = {"provider_url": url, "provider_key": self.secret}
        else:
            url, key = f"{local}/stripe", "sk_test_" + secrets.token_hex(16)
            self.parameters = {
                "PaymentProvider": name,
                "StripeApiUrl": url,
                "StripeCheckoutOrigin": local,
                "StripeSecretKeyArn": stack.secret("stripe-key", key),
                "StripeWebhookSecretArn": stack.secret("payments", self.secret),
                "StripeLivemode": "false",
            }
            self.variables = {"PAYMENT_PROVIDER": name, "STRIPE_SECRET_KEY": key, "STRIPE_WEBHOOK_SECRET": self.secret}
            self.settings = {"provider_url": url, "provider_key": key}


def run(logs, provider_name):
    aws_port, local_port = free_port(), free_port()
    endpoint, local = f"http://localhost:{aws_port}", f"http://127.0.0.1:{local_port}"
    messages = webhook_secret()
    issuer = Issuer()
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=REGION)
    step("start the emulator")
    emulator = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(aws_port),
        "AWS_ENDPOINT_URL": endpoint,
        "PERSIST_STATE": "0",
    }
    with running([sys.executable, "-m", "ministack"], logs / "emulator.log", emulator):
        eventually("the emulator answering", lambda: answers(f"{endpoint}/_ministack/health"), 60)
        stack = Stack(endpoint)
        step("upload the functions")
        stack.prepare()
        provider = Provider(provider_name, stack, local)
        parameters = {
            **provider.parameters,
            "PublicBaseUrl": "http://not-known-yet.localhost",
            "JwtIssuer": issuer.url,
            "JwtAudience": issuer.audience,
            "ChannelWebhookUrl": f"{local}/local/phone",
            "ChannelWebhookSecretArn": stack.secret("messages", messages),
            "WebhookEncryptionKeySecretArn": stack.secret("webhook-key", secrets.token_hex(32)),
            "LinkTtlSeconds": LINK_SECONDS,
            "CheckoutTtlSeconds": CHECKOUT_SECONDS,
            # The suite sends more requests than a person does.
            "AgentRequestsPerMinute": 0,
            "Architecture": "x86_64" if os.uname().machine == "x86_64" else "arm64",
        }
        step("deploy the stack")
        outputs = stack.deploy(parameters)
        api_id = outputs["ApiId"]
        step("deploy it again, with its public address")
        api = f"http://{api_id}.execute-api.localhost:{aws_port}"
        outputs = stack.deploy(parameters | {"PublicBaseUrl": api})
        assert outputs["ApiId"] == api_id, "an update does not replace the API"
        # The emulator's other form of the same address, for senders that cannot resolve names below .localhost.
        live_api = outputs["LiveUrl"].removeprefix("wss://").split(".")[0]
        webhooks = f"{endpoint}/_aws/execute-api/{api_id}/$default/webhooks/{provider.name}"
        reports = webhooks.removesuffix(f"webhooks/{provider.name}") + "delivery-reports/webhook"
        stand_ins = {
            **provider.variables,
            "CHANNEL_WEBHOOK_SECRET": messages,
            "CHANNEL_REPORTS_URL": reports,
            f"{provider.name.upper()}_WEBHOOK_URL": webhooks,
        }
        step("start the provider and the phone")
        with running([os.environ["RUNNER"], "--port", str(local_port)], logs / "local.log", stand_ins):
            eventually("the stand-ins answering", lambda: answers(f"{local}/local/messages"), 60)
            settings = Settings(
                api=api,
                link_seconds=LINK_SECONDS,
                checkout_seconds=CHECKOUT_SECONDS,
                issuer_key=issuer.private_key(),
                issuer_key_id=issuer.key_id,
                issuer=issuer.url,
                audience=issuer.audience,
                live_url=f"ws://localhost:{aws_port}/_aws/execute-api/{live_api}/live",
                messages_url=f"{local}/local/messages",
                events_queue=stack.listen(outputs["EventBusName"]),
                aws_endpoint=endpoint,
                provider=provider.name,
                webhook_secret=provider.secret,
                channel_secret=messages,
                loopback_webhooks=True,
                **provider.settings,
            )
            passed = main.run(settings)
        if passed and provider_name == "sandbox":
            step("deploy it a third time, with text messages as the channel")
            parameters |= {
                "PublicBaseUrl": api,
                "Channel": "sms",
                "SmsConfigurationSet": "e2e",
                "SmsOriginationIdentityArn": f"arn:aws:sms-voice:{REGION}:000000000000:pool/pool-1",
            }
            outputs = stack.deploy(parameters)
            # The emulator sends no text messages, and events of `notify` must not mix with the reports of the test.
            stack.silence(outputs["EventBusName"])
            settings = dataclasses.replace(
                settings,
                messages_url=None,
                channel_secret=None,
                events_queue=None,
                reports_topic=outputs["SmsReportsTopicArn"],
            )
            passed = main.run(settings, "Delivery.test_a_failed_text_message_is_in_the_history")
            passed = passed and programs(stack, settings, parameters)
    return passed


def answers(url):
    try:
        return call("GET", url).status == 200
    except OSError:
        return False


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        logs = pathlib.Path(os.environ.get("E2E_LOGS", directory))
        logs.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        passed = run(logs, sys.argv[1])
        step(f"end to end in {time.monotonic() - start:.0f} s")
    sys.exit(0 if passed else 1)
