"""An HTTP client that follows no redirect, uses no proxy, and resolves names below .localhost to this machine.

RFC 6761 (section 6.3) makes names ending in .localhost loopback addresses, but not every resolver follows it.
"""

import http.client
import json
import socket
import time
import urllib.parse

PATIENCE = 150

#: The address of the API with the description of its answers; `main.run` sets them.
API = DESCRIPTION = None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def code(self):
        """Returns the problem's code, or None if the answer is not a problem."""
        if self.headers.get("content-type", "").startswith("application/problem+json"):
            return self.json["code"]
        return None

    def __repr__(self):
        return f"{self.status} {self.headers.get('content-type')} {self.text[:400]}"


def call(method, url, body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    secure = parts.scheme == "https"
    host = "127.0.0.1" if parts.hostname.endswith(".localhost") else parts.hostname
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, parts.port or (443 if secure else 80), timeout=60)
    headers = {"host": parts.netloc, **(headers or {})}
    if isinstance(body, (dict, list)):
        body, headers = json.dumps(body).encode(), {"content-type": "application/json", **headers}
    target = parts.path or "/"
    if parts.query:
        target += "?" + parts.query
    try:
        connection.request(method, target, body=body, headers=headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
    finally:
        connection.close()
    if API and url.startswith(f"{API}/"):
        differences = DESCRIPTION.differences(method, url, answer)
        assert not differences, f"not as the description says: {differences}: {answer}"
    return answer


def form(method, url, fields=None):
    body = urllib.parse.urlencode(fields or {}).encode()
    return call(method, url, body, {"content-type": "application/x-www-form-urlencoded"})


def eventually(what, look, patience=PATIENCE):
    """Polls `look` until it returns something truthy, and returns that; fails after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {patience} s")
        time.sleep(0.2)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
