"""Measures how long each function takes to its first answer and to a warm one, and its memory.

Beside them is the function `cancel` in other languages. All of them run in turns, so that a slow minute of the machine
is everybody's. Before anything is measured, the function `cancel` and its peers have to do the same: to send the same
call to the table and to answer the same.

Prints one row of a table a line, as JSON, on standard output.
"""

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from functions import EVENTS, FUNCTIONS, UNKNOWN_ID, Events, WrongAnswer, check, encoded, environment
from runtime_api import LambdaFunction, NoAnswer

PEERS = Path(__file__).parent / "peers"
# The first start of each reads its files from the disk, and is not counted.
STARTS = 31
# Each first block warms up, and is not counted.
BLOCKS = 15
BLOCK = 20


def warm_columns(seconds):
    ordered = sorted(seconds)
    return {
        "warm_median_ms": round(statistics.median(ordered) * 1000, 3),
        "warm_p95_ms": round(ordered[int(len(ordered) * 0.95)] * 1000, 3),
    }


@dataclass
class Subject:
    """A function that is measured: its process, and what it took."""

    name: str
    function: str | None
    command: list
    variables: dict
    first: list = field(default_factory=list)
    warm: list = field(default_factory=list)
    memory: tuple = ()

    def start(self, log):
        return LambdaFunction(self.command, self.variables, log, self.function or self.name)

    def event(self, events):
        return encoded(events.of(self.function)) if self.function else b"{}"

    def check(self, answer):
        if self.function:
            check(self.function, answer.json())

    def columns(self):
        return {
            "first_answer_ms": round(statistics.median(self.first) * 1000, 2),
            **warm_columns(self.warm),
            "memory_peak_mb": round(self.memory[0] / 1e6, 1),
            "memory_mb": round(self.memory[1] / 1e6, 1),
        }


@contextmanager
def local_runner(program, log):
    """Starts the local runner, for its database, provider, phone and bus, and yields its address.

    It would invoke functions of its own: for the stream, the schedule and the bus. They are at an address that takes
    calls and never answers, so that it does nothing meanwhile.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [program, "--port", "0", "--lambda", address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            ready = process.stdout.readline().decode().split()
            if ready[:1] != ["ready"]:
                sys.exit("the local runner did not become ready")
            yield ready[1]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def recorded(endpoint):
    """Yields the address of a table that writes down each update it is sent, and the list of them."""
    to = urlsplit(endpoint)
    updates = []

    class Recorder(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Amz-Target"] == "DynamoDB_20120810.UpdateItem":
                updates.append(json.loads(body))
            connection = HTTPConnection(to.hostname, to.port)
            connection.request("POST", to.path + self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            self.send_response(response.status)
            self.send_header("Content-Type", response.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", updates
        server.shutdown()


def comparable(update):
    """Returns what is the same in every update that cancels: all but the request, the times and the operation."""
    text = re.sub(r'"N": "\d{10,}"', '"N": "a time"', json.dumps(update, sort_keys=True))
    update = json.loads(text)
    del update["Key"], update["ExpressionAttributeValues"][":operation"]
    update["ExpressionAttributeValues"][":operations"]["SS"] = len(
        update["ExpressionAttributeValues"][":operations"]["SS"]
    )
    return update


def check_peers(subjects, events, endpoint, log):
    """Ends the run unless each of these cancels as the first one does: by the same call, with the same answers.

    Returns the call.
    """
    first = None
    for subject in subjects:
        request = events.created()
        cancel = [events.cancel_of(request["id"]), events.cancel_of(request["id"]), events.cancel_of(UNKNOWN_ID)]
        with recorded(endpoint) as (address, updates):
            watched = replace(subject, variables={**subject.variables, "AWS_ENDPOINT_URL_DYNAMODB": address})
            with watched.start(log) as process:
                answers = [process.invoke(encoded(event)).json() for event in cancel]
        done = {
            "answers": [(answer["statusCode"], masked(answer["body"], request["id"])) for answer in answers],
            "headers": [answer["headers"] for answer in answers],
            "updates": [comparable(update) for update in updates],
            "status": events.status_of(request["id"]),
        }
        first = first or done
        if done["status"] != "canceled" or done != first:
            sys.exit(f"{subject.name} does not do what {subjects[0].name} does:\n{done}\n{first}")
    return updates[0]


def masked(body, identifier):
    """Returns an answer without what differs from request to request."""
    body = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z", "a time", body)
    return json.loads(body.replace(identifier, "its identifier"))


class Table:
    """The table alone: sends it the update of a cancel over a connection that is kept, and reads no item."""

    def __init__(self, endpoint, update):
        self.to = urlsplit(endpoint)
        self.sample = update
        self.connection = socket.create_connection((self.to.hostname, self.to.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def update(self, identifier):
        """Returns an update that cancels a request, at this time."""
        now = {"N": str(time.time_ns() // 1_000_000)}
        values = {**self.sample["ExpressionAttributeValues"], ":now": now, ":recorded_at": now}
        return {**self.sample, "Key": {"pk": {"S": f"REQ#{identifier}"}}, "ExpressionAttributeValues": values}

    def seconds(self, update):
        """Returns how long an update takes."""
        body = encoded(update)
        head = (
            f"POST {self.to.path} HTTP/1.1\r\nHost: {self.to.netloc}\r\n"
            "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.UpdateItem\r\n"
            "X-Amz-Date: 20260105T100000Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=local/20260105/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date;x-amz-target, Signature=0\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        began = time.monotonic()
        self.connection.sendall(head + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.connection.recv(65536)
        head, _, content = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
        while len(content) < length:
            content += self.connection.recv(65536)
        took = time.monotonic() - began
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"the table answered {head!r} {content!r}")
        return took


def version(program):
    """Returns the version that a program says it has."""
    said = subprocess.run([*program, "--version"], check=True, capture_output=True, text=True).stdout
    return re.search(r"\d[\d.]*", said)[0]


def subjects_of(arguments, variables):
    """Returns what is measured: the functions, and what `cancel` is compared with."""
    functions = [Subject(name, name, [arguments.binaries / name], variables) for name in FUNCTIONS]
    # Lambda sets both, and botocore reads only the second one.
    sdk = {**variables, "AWS_DEFAULT_REGION": variables["AWS_REGION"]}
    python = {**sdk, "PYTHONPATH": str(PEERS / "python")}
    packages = json.loads((PEERS / "node/package.json").read_text())
    node = f"Node.js {version(['node'])} with AWS SDK {packages['dependencies']['@aws-sdk/client-dynamodb']}"
    boto3 = re.search(r"boto3==(\S+)", (PEERS.parent / "requirements.in").read_text())[1]
    peers = [
        Subject(f"{node}, bundled", "cancel", ["node", arguments.node_bundle], sdk),
        Subject(f"{node}, not bundled", "cancel", ["node", PEERS / "node/main.js"], sdk),
        Subject(
            f"Python {version([arguments.python])} with boto3 {boto3}",
            "cancel",
            [arguments.python, "-m", "awslambdaric", "cancel.handler"],
            python,
        ),
    ]
    bare = Subject("Rust: a function that does nothing", None, [arguments.bare], variables)
    return functions, peers, bare


def measure(subjects, events, table, log, starts, blocks):
    """Measures the starts and then the warm answers of all subjects in turns, and returns how long the table takes."""
    for number in range(starts + 1):
        for subject in subjects:
            event = subject.event(events)
            with subject.start(log) as process:
                answer = process.invoke(event)
                subject.check(answer)
                if number > 0:
                    subject.first.append(answer.answered - process.started)
    alone = []
    with ExitStack() as stack:
        processes = [(subject, stack.enter_context(subject.start(log))) for subject in subjects]
        for block in range(blocks + 1):
            for subject, process in processes:
                prepared = [subject.event(events) for _ in range(BLOCK)]
                answers = [process.invoke(event) for event in prepared]
                for answer in answers:
                    subject.check(answer)
                if block > 0:
                    subject.warm.extend(answer.seconds for answer in answers)
            prepared = [table.update(events.created()["id"]) for _ in range(BLOCK)]
            took = [table.seconds(update) for update in prepared]
            if block > 0:
                alone.extend(took)
        for subject, process in processes:
            process.wait_until_idle()
            subject.memory = process.memory()
    return alone


def rows(functions, peers, bare, alone):
    """Yields the rows of both tables."""
    for subject in functions:
        yield {"table": "starts", "row": subject.name, **subject.columns(), "events": EVENTS[subject.name]}
    cancel = next(subject for subject in functions if subject.name == "cancel")
    for subject in (cancel, *peers, bare):
        name = "Rust: the function `cancel`" if subject is cancel else subject.name
        yield {"table": "peers", "row": name, **subject.columns()}
    yield {"table": "peers", "row": "the write alone, without a function", **warm_columns(alone)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", type=Path, required=True, help="the folder of the functions' release builds")
    parser.add_argument("--runner", type=Path, required=True, help="the program of the local runner")
    parser.add_argument("--bare", type=Path, required=True, help="the program of the function that does nothing")
    parser.add_argument("--node-bundle", type=Path, required=True, help="the peer on Node.js in one file")
    parser.add_argument("--python", type=Path, required=True, help="a Python that has the packages of requirements.txt")
    parser.add_argument("--starts", type=int, default=STARTS, help="how many starts are counted")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help=f"how many times {BLOCK} warm answers are counted")
    arguments = parser.parse_args()
    with tempfile.TemporaryFile() as log, local_runner(arguments.runner, log) as base:
        variables = {**environment(base), "LINK_TTL_SECONDS": "3600", "AGENT_REQUESTS_PER_MINUTE": "30"}
        functions, peers, bare = subjects_of(arguments, variables)
        cancel = next(subject for subject in functions if subject.name == "cancel")
        endpoint = variables["AWS_ENDPOINT_URL_DYNAMODB"]
        try:
            with Events(arguments.binaries, variables, log) as events:
                update = check_peers([cancel, *peers], events, endpoint, log)
                table = Table(endpoint, update)
                alone = measure([*functions, *peers, bare], events, table, log, arguments.starts, arguments.blocks)
        except (NoAnswer, WrongAnswer) as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").splitlines()
            sys.exit("\n".join([*lines[-40:], str(error)]))
    for row in rows(functions, peers, bare, alone):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
