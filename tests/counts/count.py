"""Runs functions under valgrind, each against a stand-in for Lambda's runtime API that has one event, and counts.

The interface is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.

Counted is everything from the process's start until the function asks for its second event. The table, the bus, the
provider and the phone are the local runner's, over plain HTTP: there is no handshake, and no certificate is verified.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SAMPLES = PROJECT / "events/samples"
TIMEOUT_SECONDS = 300

# For each function the event that it starts with, what it answers, and the most million instructions that it may take
# to its answer: a tenth more than it takes. For an HTTP function the answer is a status. `expire` reads every shard of
# its index, and `reconcile` a day at the provider.
FUNCTIONS = {
    "create": ("create/created.json", 201, 5.3),
    "query": ("query/get.json", 200, 4.0),
    "cancel": ("cancel/canceled.json", 200, 4.3),
    "link-click": ("link-click/post.json", 303, 6.1),
    "payment-webhook": ("payment-webhook/unsigned.json", 200, 5.7),
    "delivery-report": ("delivery-report/unsigned.json", 200, 4.5),
    "desk": ("desk/agent.json", 200, 1.3),
    "webhook-endpoints": ("webhook-endpoints/list.json", 200, 4.5),
    "publish": ("publish/inserted.json", {"batchItemFailures": []}, 3.9),
    "expire": ("expire/scheduled.json", None, 32),
    "refund": ("refund/refund-due.json", None, 5.7),
    "reconcile": ("reconcile/scheduled.json", None, 14.5),
    "notify": ("notify/paid.json", None, 2.7),
    "webhooks": ("notify/paid.json", None, 4.4),
}

# The functions whose event has to be signed, and the variable of the secret.
SIGNED = {"payment-webhook": "SANDBOX_WEBHOOK_SECRET", "delivery-report": "CHANNEL_WEBHOOK_SECRET"}


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's runtime API with a single event: whoever has answered it waits for the next one for ever."""

    daemon_threads = True

    def __init__(self, event):
        super().__init__(("127.0.0.1", 0), Invocation)
        self.event = event
        self.given = False
        self.answer = None
        # Set once the function has asked for the next event: what belongs to the first is done.
        self.done = threading.Event()


class Invocation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.given:
            self.server.done.set()
            threading.Event().wait()
        self.server.given = True
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:counted")
        self.send_header("Lambda-Runtime-Trace-Id", "Root=1-695b8b60-0123456789abcdef01234567;Sampled=0")
        self.send_header("Content-Length", str(len(self.server.event)))
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self):
        self.server.answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


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


class NoAnswer(Exception):
    """A function has not answered."""


def answer_of(command, event, variables, log):
    """Runs a function until it has answered one event, and returns the answer."""
    api = RuntimeApi(json.dumps(event).encode())
    threading.Thread(target=api.serve_forever, daemon=True).start()
    name = Path(command[-1]).name
    lambda_variables = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], **variables, **lambda_variables},
        stdout=log,
        stderr=log,
    )
    latest = time.monotonic() + TIMEOUT_SECONDS
    while not api.done.wait(1) and process.poll() is None and time.monotonic() < latest:
        pass
    # Valgrind says what it has counted when it ends.
    process.terminate()
    process.wait()
    api.shutdown()
    if not api.done.is_set():
        raise NoAnswer
    return json.loads(api.answer)


def count(binary, event, variables, profile):
    """Returns how many instructions a function takes to its first answer, and the answer."""
    with tempfile.TemporaryFile() as log:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary]
        try:
            answer = answer_of(command, event, variables, log)
        except NoAnswer:
            log.seek(0)
            sys.exit(f"{binary.name} did not answer:\n{log.read().decode(errors='replace')}")
        log.seek(0)
        counted = re.search(r"Collected : (\d+)", log.read().decode(errors="replace"))
    return int(counted[1]), answer


def event_of(function, binaries, variables):
    """Returns the function's event. A request that the event is about is there."""
    event = sample(FUNCTIONS[function][0])
    if function in SIGNED:
        return signed(event, variables[SIGNED[function]])
    request = {"link-click": "created", "cancel": "idempotent", "query": "idempotent"}.get(function)
    if request:
        event_of_create = sample(f"create/{request}.json")
        answer = answer_of([binaries / "create"], event_of_create, variables, subprocess.DEVNULL)
        token = json.loads(answer["body"])["link"]["url"].rpartition("/")[2]
        event = json.loads(json.dumps(event).replace("A4Kf6uEsbJydvmwVZks6Xo", token))
    return event


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the names of the functions that are counted")
    parser.add_argument("--base", help="where the local runner is")
    parser.add_argument("--binaries", type=Path, help="the folder of the functions' binaries")
    parser.add_argument("--profiles", type=Path, help="the folder to write profiles to, for callgrind_annotate")
    parser.add_argument("functions", nargs="*", choices=[[], *FUNCTIONS], default=[])
    arguments = parser.parse_args()
    if arguments.list:
        print(*FUNCTIONS, sep="\n")
        return
    over = []
    variables = environment(arguments.base)
    for name in arguments.functions:
        _, expected, most = FUNCTIONS[name]
        event = event_of(name, arguments.binaries, variables)
        profile = arguments.profiles / f"{name}.callgrind" if arguments.profiles else "/dev/null"
        counted, answer = count(arguments.binaries / name, event, variables, profile)
        if (answer["statusCode"] if isinstance(expected, int) else answer) != expected:
            sys.exit(f"{name} answered {answer}, so its count says nothing")
        print(f"{name}: {counted / 1e6:.2f} million instructions to the first answer, of {most} at most", flush=True)
        if counted > most * 1e6:
            over.append(name)
    if over:
        sys.exit(f"more instructions than they may take: {', '.join(over)}")


if __name__ == "__main__":
    main()
