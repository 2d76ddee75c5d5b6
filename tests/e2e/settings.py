"""The settings of the system under test, and the tokens and events that depend on them."""

import argparse
import dataclasses
import datetime
import json
import pathlib
import time

import client


@dataclasses.dataclass
class Program:
    """A client for client credentials, with the workspace of its scope, or None if the API must not let it in."""

    client_id: str
    secret: str
    workspace: str | None
    token_url: str

    def token(self):
        """Returns a token, as the manual gets one: by the secret, and without asking for a scope."""
        answer = client.form(
            "POST",
            self.token_url,
            {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret},
        )
        assert answer.status == 200, answer
        return answer.json["access_token"]


@dataclasses.dataclass
class Settings:
    """The settings of one system under test."""

    api: str
    link_seconds: int
    checkout_seconds: int
    #: The private key (PEM) of the issuer that the API trusts, with its key id, issuer and audience, to sign tokens.
    issuer_key: str | None = None
    issuer_key_id: str | None = None
    issuer: str | None = None
    audience: str | None = None
    #: Alternatively, the address that issues tokens: the local runner's `/local/token`.
    token_url: str | None = None
    #: The address of live updates, where it is not the one that the API says.
    live_url: str | None = None
    #: The stand-in phone's `/local/messages`; without it, tests of messages are skipped.
    messages_url: str | None = None
    #: The source of events: the local runner's `/local/events`, or an SQS queue that a rule of the bus fills.
    events_url: str | None = None
    events_queue: str | None = None
    aws_endpoint: str | None = None
    #: The payment provider; for the stand-in of Stripe or Paystack, also its address and key.
    provider: str = "sandbox"
    provider_url: str | None = None
    provider_key: str | None = None
    #: How the sandbox provider's payment pages close: SANDBOX_CLOSES of the system.
    closes: str = "on_demand"
    #: The secret of the payment provider's webhooks; without it, tests that need hand-made webhooks are skipped.
    webhook_secret: str | None = None
    #: The secret of the chat's delivery reports; without it, tests of these reports are skipped.
    channel_secret: str | None = None
    #: The SNS topic that reports failed text messages, if the channel is SMS.
    reports_topic: str | None = None
    #: Set if the system delivers status webhooks to this machine's loopback interface, which no deployment may.
    loopback_webhooks: bool | None = None
    #: The clients for programs in the stack's own user pool, if it has one.
    programs: list | None = None
    #: The classes or tests of the suite to run; all by default.
    only: list | None = None
    events: list = dataclasses.field(default_factory=list)

    def token(self, sub="alice", role="agent", workspace="acme", name=None, audience=None, expires_in=600):
        """Returns a token with these claims; a claim that is None is omitted."""
        claims = {"sub": sub, "name": name or (sub or "").title(), "role": role, "workspace": workspace}
        claims = {claim: value for claim, value in claims.items() if value is not None}
        if self.token_url:
            return client.call("POST", self.token_url, claims).json["access_token"]
        import jwt

        now = int(time.time())
        claims |= {"iss": self.issuer, "aud": audience or self.audience, "iat": now - 60, "exp": now + expires_in}
        return jwt.encode(claims, self.issuer_key, algorithm="RS256", headers={"kid": self.issuer_key_id})

    @property
    def makes_any_token(self):
        """Whether the suite can sign tokens that no issuer would issue."""
        return self.issuer_key is not None

    def events_of(self, request_id):
        """Returns the events of a request that have arrived so far, in the order of their arrival."""
        if self.events_url:
            self.events = [envelope["detail"] for envelope in client.call("GET", self.events_url).json]
        elif self.events_queue:
            self._drain()
        return [event for event in self.events if event.get("id") == request_id]

    def _drain(self):
        import boto3

        sqs = boto3.client("sqs", endpoint_url=self.aws_endpoint, region_name="us-east-1")
        while True:
            batch = sqs.receive_message(QueueUrl=self.events_queue, MaxNumberOfMessages=10).get("Messages", [])
            for message in batch:
                self.events.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=self.events_queue, ReceiptHandle=message["ReceiptHandle"])
            if not batch:
                return


def now(offset_seconds=0.0):
    """Returns the current time plus an offset, in the API's format."""
    return text_of(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset_seconds))


def text_of(moment):
    """Returns a time in the API's format."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def from_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="tests/e2e/run", description="Runs the end-to-end suite against any base URL."
    )
    parser.add_argument("--api", required=True, help="the API's own address")
    parser.add_argument("--link-seconds", type=int, default=300, help="LINK_TTL_SECONDS of the system")
    parser.add_argument("--checkout-seconds", type=int, default=900, help="CHECKOUT_TTL_SECONDS of the system")
    parser.add_argument("--token-url", help="the local runner's /local/token")
    parser.add_argument("--issuer-key", help="a file with the private key (PEM) of the issuer that the API trusts")
    parser.add_argument("--issuer-key-id")
    parser.add_argument("--issuer")
    parser.add_argument("--audience")
    parser.add_argument("--messages-url", help="the stand-in phone's /local/messages")
    parser.add_argument("--events-url", help="the local runner's /local/events")
    parser.add_argument("--events-queue", help="the URL of an SQS queue that a rule of the bus fills")
    parser.add_argument("--aws-endpoint", help="the address of the AWS emulator, if any")
    parser.add_argument(
        "--provider", choices=("sandbox", "stripe", "paystack"), default="sandbox", help="its PAYMENT_PROVIDER"
    )
    parser.add_argument(
        "--closes", choices=("on_demand", "at_its_time", "never"), default="on_demand", help="SANDBOX_CLOSES of it"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="classes or tests of the suite, such as Deadlines")
    parser.add_argument("--provider-url", help="where the stand-in for Stripe or Paystack answers")
    parser.add_argument("--provider-key", help="the secret key of the account at the provider")
    parser.add_argument("--webhook-secret", help="the secret with which the payment provider signs")
    parser.add_argument(
        "--loopback-webhooks", action="store_true", default=None, help="it delivers status webhooks to this machine"
    )
    parser.add_argument("--channel-secret", help="the secret with which the customers' chat signs")
    given = vars(parser.parse_args(arguments))
    if given["issuer_key"]:
        given["issuer_key"] = pathlib.Path(given["issuer_key"]).read_text()
    elif not given["token_url"]:
        parser.error("a source of tokens is required: --token-url, or --issuer-key with --issuer and --audience")
    given["api"] = given["api"].rstrip("/")
    return Settings(**given)
