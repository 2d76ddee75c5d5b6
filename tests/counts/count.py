"""Runs functions under valgrind, each against a stand-in for Lambda's runtime API that has one event, and counts.

The interface is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.

Counted is everything from the process's start until the function asks for its second event. The table is the local
runner's, over plain HTTP: the certificates that TLS trusts are read as in a deployment, but there is no handshake.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 300

# For each function the event that it starts with, and the most million instructions that it may take to its answer.
FUNCTIONS = {
    "create": ("events/samples/create/created.json", 20),
}


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
    return {name: value.replace("http://127.0.0.1:8080", base) for name, value in variables.items()}


def count(binary, event, variables):
    """Returns how many instructions a function takes to its first answer, and the answer."""
    api = RuntimeApi(event)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    lambda_variables = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": binary.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary],
            env={"PATH": os.environ["PATH"], **variables, **lambda_variables},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        answered = api.done.wait(TIMEOUT_SECONDS)
        # Valgrind says what it has counted when it ends.
        process.terminate()
        process.wait()
        api.shutdown()
        log.seek(0)
        said = log.read().decode(errors="replace")
    counted = re.search(r"Collected : (\d+)", said)
    if not answered or not counted:
        sys.exit(f"{binary.name} did not answer:\n{said}")
    return int(counted[1]), api.answer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the names of the functions that are counted")
    parser.add_argument("--base", help="where the local runner is")
    parser.add_argument("--binaries", type=Path, help="the folder of the functions' binaries")
    parser.add_argument("functions", nargs="*", choices=[[], *FUNCTIONS], default=[])
    arguments = parser.parse_args()
    if arguments.list:
        print(*FUNCTIONS, sep="\n")
        return
    over = []
    for name in arguments.functions:
        event, most = FUNCTIONS[name]
        counted, answer = count(arguments.binaries / name, (PROJECT / event).read_bytes(), environment(arguments.base))
        status = json.loads(answer).get("statusCode")
        if status is None or status >= 400:
            sys.exit(f"{name} answered {answer.decode()}, so its count says nothing")
        print(f"{name}: {counted / 1e6:.1f} million instructions to the first answer, of {most} at most")
        if counted > most * 1e6:
            over.append(name)
    if over:
        sys.exit(f"more instructions than they may take: {', '.join(over)}")


if __name__ == "__main__":
    main()
