"""The functions, each with an event, the answer to it, and the variables that it has on one machine."""

import base64
import hashlib
import hmac
import json
import subprocess
import time
import tomllib
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
    "refund": ("refund/refund-due.json", None),
    "reconcile": ("reconcile/scheduled.json", None),
    "notify": ("notify/paid.json", None),
    "webhooks": ("webhooks/event.json", {"batchItemFailures": []}),
}

# The functions whose event has to be signed, and the variable of the secret.
SIGNED = {"payment-webhook": "SANDBOX_WEBHOOK_SECRET", "delivery-report": "CHANNEL_WEBHOOK_SECRET"}


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


def event_of(function, binaries, variables):
    """Returns the function's event. A request that the event is about is there."""
    event = sample(FUNCTIONS[function][0])
    if function in SIGNED:
        return signed(event, variables[SIGNED[function]])
    request = {"link-click": "created", "cancel": "idempotent", "query": "idempotent"}.get(function)
    if request:
        event_of_create = sample(f"create/{request}.json")
        with LambdaFunction([binaries / "create"], variables, subprocess.DEVNULL) as create:
            answer = create.invoke(json.dumps(event_of_create).encode()).json()
        if function == "link-click":
            token = json.loads(answer["body"])["link"]["url"].rpartition("/")[2]
            event = json.loads(json.dumps(event).replace("A4Kf6uEsbJydvmwVZks6Xo", token))
    return event


def check(function, answer):
    """Raises an error unless this is the function's answer to its event."""
    _, expected = FUNCTIONS[function]
    if (answer["statusCode"] if isinstance(expected, int) else answer) != expected:
        raise WrongAnswer(f"{function} answered {answer}")
