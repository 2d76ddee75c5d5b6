"""The functions, each with an event, the answer to it, and the variables that it has on one machine."""

import base64
import hashlib
import hmac
import itertools
import json
import time
import tomllib
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from runtime_api import LambdaFunction

PROJECT = Path(__file__).parents[2]
SAMPLES = PROJECT / "events/samples"

# For each function the event that it is given, and what it answers. For an HTTP function the answer is a status.
# `expire` reads every shard of its index, and `reconcile` a day at the provider.
FUNCTIONS = {
    "create": ("create/created.json", 201),
    "query": ("query/get.json", 200),
    "cancel": ("cancel/canceled.json", 200),
    "link-click": ("link-click/post.json", 303),
    "payment-webhook": ("payment-webhook/unsigned.json", 200),
    "delivery-report": ("delivery-report/unsigned.json", 200),
    "desk": ("desk/agent.json", 200),
    "webhook-endpoints": ("webhook-endpoints/list.json", 200),
    "publish": ("publish/inserted.json", {"batchItemFailures": []}),
    "expire": ("expire/scheduled.json", None),
    "live": ("live/changed.json", None),
    "refund": ("refund/refund-due.json", None),
    "reconcile": ("reconcile/scheduled.json", None),
    "notify": ("notify/paid.json", None),
    "webhooks": ("webhooks/event.json", {"batchItemFailures": []}),
}

# The identifier and the token in the sample events.
SAMPLE_ID = "a07ce246-e3c8-8497-86e5-265e1d9cc33e"
SAMPLE_TOKEN = "A4Kf6uEsbJydvmwVZks6Xo"
UNKNOWN_ID = "a07ce246-e3c8-8497-86e5-000000000000"

# What an event of each function is about.
EVENTS = {
    "create": "each creates a request, of another agent",
    "query": "each reads the same request",
    "cancel": "each cancels another request",
    "link-click": "each clicks another request's link, which creates a checkout",
    "payment-webhook": "each reports the payment of another clicked request",
    "delivery-report": "each reports that another request's text did not arrive",
    "desk": "each loads the agent's page",
    "webhook-endpoints": "each lists the endpoints, and finds none",
    "publish": "each publishes the same change",
    "expire": "each looks for what is due; nothing is",
    "live": "each looks for those who watch; nobody does",
    "refund": "each refunds another request, which was paid after it was canceled",
    "reconcile": "each compares a day without payments",
    "notify": "each sends another text",
    "webhooks": "each looks for endpoints, and finds none",
}


class WrongAnswer(Exception):
    """A function has answered something else than it should."""


def environment(base):
    """Returns the variables that the functions have on one machine, with the local runner at this address."""
    manifest = tomllib.loads((PROJECT / "Cargo.toml").read_text())
    variables = manifest["workspace"]["metadata"]["lambda"]["watch"]["env"]
    variables = {name: value.replace("http://127.0.0.1:8080", base) for name, value in variables.items()}
    # With a look ahead, a run of `expire` takes up to a minute.
    return {**variables, "EXPIRY_LOOKAHEAD_SECONDS": "0"}


def sample(name):
    return json.loads((SAMPLES / name).read_text())


def signed(event, secret):
    """Returns the event with the signature of Standard Webhooks, at this time."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    identifier, now = "msg_counted", str(int(time.time()))
    digest = hmac.digest(key, f"{identifier}.{now}.{event['body']}".encode(), hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": identifier, "webhook-timestamp": now, "webhook-signature": signature}
    return {**event, "headers": {**event["headers"], **headers}}


def check(function, answer):
    """Raises an error unless this is the function's answer to its event."""
    _, expected = FUNCTIONS[function]
    if (answer["statusCode"] if isinstance(expected, int) else answer) != expected:
        raise WrongAnswer(f"{function} answered {answer}")


def encoded(event):
    return json.dumps(event, separators=(",", ":")).encode()


def replaced(event, *pairs):
    """Returns the event with other texts in it."""
    text = json.dumps(event)
    for old, new in pairs:
        text = text.replace(old, new)
    return json.loads(text)


class Events:
    """Makes the functions' events. What they are about is made by the functions that do so in a deployment."""

    def __init__(self, binaries, variables, log):
        self.variables = variables
        # Whoever prepares events sends more requests in a minute than an agent may.
        unlimited = {**variables, "AGENT_REQUESTS_PER_MINUTE": "0"}
        self.number = itertools.count(1)
        with ExitStack() as stack:
            self.helpers = {
                name: stack.enter_context(LambdaFunction([binaries / name], unlimited, log))
                for name in ("create", "query", "cancel", "link-click", "payment-webhook")
            }
            self.read = self.created()["id"]
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def of(self, function):
        """Returns the next event of a function."""
        make = getattr(self, f"_{function.replace('-', '_')}", None)
        return make() if make else sample(FUNCTIONS[function][0])

    def created(self):
        """Creates a request, and returns it as the API does."""
        return json.loads(self._done("create", sample("create/created.json"))["body"])

    def status_of(self, identifier):
        """Returns a request's status, as the API says it."""
        event = replaced(sample("query/get.json"), (SAMPLE_ID, identifier))
        return json.loads(self._done("query", event)["body"])["status"]

    def cancel_of(self, identifier):
        return replaced(sample("cancel/canceled.json"), (SAMPLE_ID, identifier))

    def _done(self, function, event):
        answer = self.helpers[function].invoke(encoded(event)).json()
        check(function, answer)
        return answer

    def _create(self):
        # An agent who has sent 30 requests within a minute is refused.
        agent = f"agent-{next(self.number)}"
        return replaced(sample("create/created.json"), ('"sub": "alice"', f'"sub": "{agent}"'))

    def _query(self):
        return replaced(sample("query/get.json"), (SAMPLE_ID, self.read))

    def _cancel(self):
        return self.cancel_of(self.created()["id"])

    def _click_of(self, request):
        token = request["link"]["url"].rpartition("/")[2]
        return replaced(sample("link-click/post.json"), (SAMPLE_TOKEN, token))

    def _link_click(self):
        return self._click_of(self.created())

    def _paid(self, identifier, checkout):
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = sample("payment-webhook/unsigned.json")
        body = json.loads(event["body"])
        body["timestamp"] = now
        body["data"] |= {
            "checkout_id": checkout,
            "payment_request_id": identifier,
            "payment_id": str(uuid.uuid4()),
            "paid_at": now,
        }
        return signed({**event, "body": json.dumps(body)}, self.variables["SANDBOX_WEBHOOK_SECRET"])

    def _payment_webhook(self):
        request = self.created()
        clicked = self._done("link-click", self._click_of(request))
        return self._paid(request["id"], clicked["headers"]["location"].rpartition("/")[2])

    def _delivery_report(self):
        event = replaced(sample("delivery-report/unsigned.json"), (SAMPLE_ID, self.created()["id"]))
        return signed(event, self.variables["CHANNEL_WEBHOOK_SECRET"])

    def _publish(self):
        # A change of a request of long ago would drop sums of reports.
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return replaced(sample("publish/inserted.json"), ("2026-01-05T10:00:00.000Z#", f"{now}#"))

    def _refund(self):
        identifier = self.created()["id"]
        self._done("cancel", self.cancel_of(identifier))
        self._done("payment-webhook", self._paid(identifier, "none"))
        return replaced(sample("refund/refund-due.json"), (SAMPLE_ID, identifier))

    def _notify(self):
        return replaced(sample("notify/paid.json"), (SAMPLE_ID, str(uuid.uuid4())))
