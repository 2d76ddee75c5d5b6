"""A stand-in for Lambda's runtime API, which runs one function and gives it one event after the other.

The interface is that of https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. It is strict: whatever a
function does that the page does not describe ends the run.

It adds little to what is measured: one thread waits for the function and does nothing else, and a connection is kept.
"""

import json
import os
import select
import socket
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_SECONDS = 300
MAXIMUM_HEAD = 64 * 1024


class NoAnswer(Exception):
    """A function has not answered, or not in the way of the runtime API."""


@dataclass
class Answer:
    """What a function has answered to one event, and when, on the monotonic clock in seconds."""

    body: bytes
    handed_out: float
    answered: float

    def json(self):
        """Returns the answer, which is JSON."""
        return json.loads(self.body)

    @property
    def seconds(self):
        return self.answered - self.handed_out


class LambdaFunction:
    """A process of a function, with a runtime API of its own. It ends with the `with` block."""

    def __init__(self, command, variables, log, name=None):
        """Starts the function. Its log goes to `log`, as `subprocess` takes it."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.epoll = select.epoll()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.connections = {}
        # The connection that waits for the next event, and the invocation that is not answered yet.
        self.waiting = None
        self.invocation = None
        self.answer = None
        name = name or Path(command[-1]).name
        self.head = (
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: application/json\r\n"
            "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:111122223333:function:{name}\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-695b8b60-0123456789abcdef01234567;Sampled=0\r\n"
            "Lambda-Runtime-Aws-Request-Id: "
        )
        lambda_variables = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.listener.getsockname()[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
        }
        environment = {"PATH": os.environ["PATH"], **variables, **lambda_variables}
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.ended = os.pidfd_open(self.process.pid)
        self.epoll.register(self.ended, select.EPOLLIN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def invoke(self, event):
        """Waits until the function asks for an event, gives it this one as bytes, and returns the answer."""
        self.wait_until_idle()
        self.invocation = str(uuid.uuid4())
        self.answer = None
        head = f"{self.head}{self.invocation}\r\nContent-Length: {len(event)}\r\n\r\n".encode()
        connection, self.waiting = self.waiting, None
        handed_out = time.monotonic()
        connection.sendall(head + event)
        while self.answer is None:
            self._step()
        answered, body = self.answer
        return Answer(body, handed_out, answered)

    def wait_until_idle(self):
        """Waits until the function asks for the next event: what belongs to the last one is done."""
        while self.waiting is None:
            self._step()

    def memory(self):
        """Returns the process's resident memory in bytes: the most so far, and now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))

    def stop(self):
        """Ends the process, as Lambda does, without an answer to whoever waits for an event."""
        self.process.terminate()
        self.process.wait()
        os.close(self.ended)
        for connection in (*self.connections.values(), self.listener):
            connection.close()
        self.connections.clear()
        self.epoll.close()

    def _step(self):
        """Handles what comes next on any connection."""
        ready = self.epoll.poll(TIMEOUT_SECONDS)
        if not ready:
            raise NoAnswer(f"no call for {TIMEOUT_SECONDS} seconds")
        for descriptor, _ in ready:
            if descriptor == self.listener.fileno():
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections[connection.fileno()] = connection
                self.epoll.register(connection, select.EPOLLIN)
            elif descriptor == self.ended:
                raise NoAnswer(f"ended with status {self.process.wait()}")
            else:
                self._read(self.connections[descriptor])

    def _read(self, connection):
        """Reads one request and answers it. A function sends the next one only after the answer."""
        received = connection.recv(MAXIMUM_HEAD)
        if not received:
            self.epoll.unregister(connection)
            del self.connections[connection.fileno()]
            connection.close()
            return
        while b"\r\n\r\n" not in received:
            received += self._more(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if first == "GET /2018-06-01/runtime/invocation/next HTTP/1.1":
            if self.waiting or (self.invocation and self.answer is None):
                raise NoAnswer("asked for the next event before it had answered the last one")
            self.waiting = connection
            return
        body = self._body(connection, headers, body)
        if first != f"POST /2018-06-01/runtime/invocation/{self.invocation}/response HTTP/1.1":
            raise NoAnswer(f"{first}: {body.decode(errors='replace')}")
        if self.answer is not None:
            raise NoAnswer("answered an event twice")
        self.answer = (time.monotonic(), body)
        accepted = b'{"status":"OK"}'
        head = f"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: {len(accepted)}\r\n\r\n"
        connection.sendall(head.encode() + accepted)

    def _body(self, connection, headers, body):
        """Reads the rest of a request's body: by its length, or in chunks, as a streamed answer comes."""
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            content = b""
            while True:
                while b"\r\n" not in body:
                    body += self._more(connection)
                size, _, body = body.partition(b"\r\n")
                length = int(size.partition(b";")[0], 16)
                while len(body) < length + 2:
                    body += self._more(connection)
                content, body = content + body[:length], body[length + 2 :]
                if length == 0:
                    return content
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            body += self._more(connection)
        return body

    @staticmethod
    def _more(connection):
        received = connection.recv(MAXIMUM_HEAD)
        if not received:
            raise NoAnswer("hung up in the middle of a request")
        return received
