"""Webhooks by hand, by the Standard Webhooks specification: some to send, and an endpoint that receives."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import uuid

from client import call, eventually


def signature(secret, identifier, timestamp, body):
    """Returns the signature of a webhook's body, which is bytes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{identifier}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(signed).decode()


def post(url, body, secret, age=0, identifier=None):
    """Posts a webhook, signed with the first of the secrets `age` seconds ago."""
    body = json.dumps(body).encode()
    identifier, timestamp = identifier or f"msg_{uuid.uuid4().hex}", int(time.time()) - age
    return call(
        "POST",
        url,
        body,
        {
            "content-type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(secret.split()[0], identifier, timestamp, body),
        },
    )


class Received:
    """A webhook that arrived."""

    def __init__(self, headers, body):
        self.headers, self.body = headers, body

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def json(self):
        return json.loads(self.body)

    def is_signed_with(self, secret):
        expected = signature(secret, self.id, self.headers["webhook-timestamp"], self.body)
        return expected in self.headers["webhook-signature"].split()


class Receiver:
    """An endpoint on this machine. It answers with each of `statuses` once, and then with 204."""

    def __init__(self):
        self.statuses, self.received = [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(Received(self.headers, body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                # A redirect that is followed would arrive here, as a GET without a handler or as another POST.
                self.send_header("location", receiver.url)
                self.end_headers()

            def log_message(self, *_):
                """Keeps the tests' output to the tests."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def arrived(self, count):
        """Waits until so many webhooks have arrived, and returns them."""
        return eventually(f"{count} webhooks arriving", lambda: self.received[count - 1 :] and list(self.received))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
