"""Helpers of the tests of the Python binding. README.md says how to run the tests."""

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import socket
import threading
import time
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode
from urllib.request import urlopen

from pusher_channels import Client
from pusher_channels._callbacks import callbacks

BINDING = Path(__file__).resolve().parents[1]
ROOT = BINDING.parents[1]

PATIENCE = 10.0

# Keeps the exceptions that tests raise on purpose off stderr. `assertLogs` still finds them.
logging.getLogger("pusher_channels").addHandler(logging.NullHandler())


def client_with(**options):
    options.setdefault("port", int(os.environ["PUSHER_PORT"]))
    return Client(host=os.environ["PUSHER_HOST"], key=os.environ["PUSHER_KEY"], tls=False, **options)


def signature(text):
    digest = hmac.new(os.environ["PUSHER_SECRET"].encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{os.environ['PUSHER_KEY']}:{digest}"


def next_of(client, kind):
    end = time.monotonic() + PATIENCE
    while (left := end - time.monotonic()) > 0:
        notification = client.next(timeout=left)
        if notification is not None and notification.kind is kind:
            return notification
    raise AssertionError(f"no {kind.name} came")


def wait_until(condition):
    """Waits for an action of another thread that notifies no other thread, such as a destructor."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("the condition did not come true")
        time.sleep(0.001)


def helper_threads():
    """The threads that the binding has started for calls that wait, and that still run."""
    return [thread for thread in threading.enumerate() if thread.name in ("pusher-call", "pusher-end")]


def publish(channel, name, data):
    """Publishes an event by the HTTP API, as a backend does."""
    body = json.dumps({"name": name, "channels": [channel], "data": data}).encode()
    query = {"auth_key": os.environ["PUSHER_KEY"], "auth_timestamp": int(time.time()), "auth_version": "1.0"}
    query["body_md5"] = hashlib.md5(body).hexdigest()
    path = "/apps/app-id/events"
    _, signed = signature(f"POST\n{path}\n{urlencode(query)}").split(":")
    url = f"http://{os.environ['PUSHER_HOST']}:{os.environ['PUSHER_PORT']}{path}?{urlencode(query)}"
    urlopen(f"{url}&auth_signature={signed}", data=body, timeout=PATIENCE).close()


class Registrations:
    """The callbacks that the library gets during a test, and those for which it runs the destructor."""

    def __init__(self, test):
        self.begun, self.ended = [], []
        add, remove = callbacks.add, callbacks.remove

        def begin(function):
            self.begun.append(add(function))
            return self.begun[-1]

        def end(number):
            self.ended.append(number)
            remove(number)

        for name, replacement in (("add", begin), ("remove", end)):
            patch = mock.patch.object(callbacks, name, replacement)
            patch.start()
            test.addCleanup(patch.stop)


class SilentServer:
    """A server that never answers. The operating system accepts its connections."""

    def __init__(self, test):
        self._test, self._socket = test, socket.create_server(("127.0.0.1", 0))
        test.addCleanup(self._socket.close)
        self.port = self._socket.getsockname()[1]

    def wait_for_client(self):
        """Waits until a client has sent its request, and waits for the answer."""
        self._socket.settimeout(PATIENCE)
        self.connection, _ = self._socket.accept()
        self._test.addCleanup(self.connection.close)
        assert self.connection.recv(1)


class FloodingServer:
    """A server that sends many events at once to its first client, when that subscribes to `news`."""

    def __init__(self, test, count):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        test.addCleanup(self._socket.close)
        self.port = self._socket.getsockname()[1]
        events = ({"event": "flood", "channel": "news", "data": str(number)} for number in range(count))
        self._events = b"".join(map(frame, events))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with self._socket.accept()[0] as connection:
            self._flood(connection)

    def _flood(self, connection):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(4096)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        data = json.dumps({"socket_id": "1.2", "activity_timeout": 120})
        connection.sendall(frame({"event": "pusher:connection_established", "data": data}))
        connection.recv(4096)
        connection.sendall(frame({"event": "pusher_internal:subscription_succeeded", "channel": "news", "data": "{}"}))
        connection.sendall(self._events)
        while connection.recv(4096):
            pass


def frame(message):
    payload = json.dumps(message).encode()
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + payload
