"""A client of live updates: a WebSocket (RFC 6455) that is read by one thread."""

import json
import socket
import ssl
import time
import urllib.parse

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, RejectConnection, Request

from client import PATIENCE


class Refused(Exception):
    """The handshake was answered with this status."""

    def __init__(self, status):
        super().__init__(f"refused with {status}")
        self.status = status


class Socket:
    """One connection. Its messages are read when they are asked for."""

    def __init__(self, address):
        parts = urllib.parse.urlsplit(address)
        secure = parts.scheme == "wss"
        plain = socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout=30)
        context = ssl.create_default_context() if secure else None
        self.socket = context.wrap_socket(plain, server_hostname=parts.hostname) if context else plain
        self.protocol = WSConnection(ConnectionType.CLIENT)
        target = f"{parts.path}?{parts.query}"
        self.socket.sendall(self.protocol.send(Request(host=parts.netloc, target=target)))
        answer = self._event(time.monotonic() + 30)
        if isinstance(answer, RejectConnection):
            self.close()
            raise Refused(answer.status_code)
        assert isinstance(answer, AcceptConnection), answer

    def message(self, patience=PATIENCE):
        """Returns the next message, or None if the connection ended or nothing came within `patience` seconds."""
        end, text = time.monotonic() + patience, ""
        while True:
            event = self._event(end)
            if event is None or isinstance(event, CloseConnection):
                return None
            if isinstance(event, Ping):
                self.socket.sendall(self.protocol.send(event.response()))
            if isinstance(event, Message):
                text += event.data
                if event.message_finished:
                    return json.loads(text)

    def _event(self, end):
        """Returns the next event, or None if there is none until this time of the monotonic clock."""
        while True:
            for event in self.protocol.events():
                return event
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                received = self.socket.recv(65536)
            except TimeoutError:
                return None
            self.protocol.receive_data(received or None)

    def close(self):
        self.socket.close()
