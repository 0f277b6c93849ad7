"""Ctrl-C ends every call that waits."""

import functools
import os
import re
import signal
import socket
import threading
import time
import unittest
from contextlib import contextmanager

from pusher_channels import Client, State
from support import PATIENCE, SilentServer, client_with, helper_threads, wait_until

# The time within which Ctrl-C ends a call, in seconds.
CTRL_C_WITHIN = 0.2


class CtrlC(unittest.TestCase):
    @contextmanager
    def interrupted(self, when=lambda: None, after=0.25):
        """Sends Ctrl-C some time after `when` has returned, and checks that the block ends soon after that."""
        pressed = []

        def press():
            when()
            time.sleep(after)
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
        presser = threading.Thread(target=press)
        presser.start()
        with self.assertRaises(KeyboardInterrupt):
            yield
        self.assertLess(time.monotonic() - pressed[0], CTRL_C_WITHIN)
        presser.join(PATIENCE)
        wait_until(lambda: not helper_threads())

    def test_ctrl_c_ends_connect(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        with self.interrupted(server.wait_for_client):
            client.connect()
        self.assertIs(client.state, State.DISCONNECTED)
        self.assertEqual(server.connection.recv(1 << 16)[-1:], b"\n")
        self.assertEqual(server.connection.recv(1), b"", "the client has closed the connection")
        client.close()

    def test_ctrl_c_ends_entering_a_client(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        with self.interrupted(server.wait_for_client):
            client.__enter__()
        self.assertEqual(repr(client), "<Client closed>")

    def test_ctrl_c_ends_connect_while_a_dialer_waits(self):
        for connect in (Client.connect, Client.__enter__):
            with self.subTest(connect=connect):
                self.ctrl_c_ends_while_a_dialer_waits(connect)

    def ctrl_c_ends_while_a_dialer_waits(self, connect):
        dialling, over = threading.Event(), threading.Event()

        def dial(host, port, timeout):
            dialling.set()
            over.wait(PATIENCE)
            raise OSError("too late")

        client = client_with(dialer=dial)
        with self.interrupted(lambda: dialling.wait(PATIENCE)):
            connect(client)
        wait_until(lambda: re.match("<Client (DISCONNECTED|closed)", repr(client)))
        over.set()
        client.close()

    def test_connect_works_after_ctrl_c(self):
        server = SilentServer(self)
        ports = [server.port, int(os.environ["PUSHER_PORT"])]
        client = client_with(dialer=lambda host, port, timeout: socket.create_connection((host, ports.pop(0)), timeout))
        with self.interrupted(server.wait_for_client):
            client.connect()
        client.connect()
        self.assertIs(client.state, State.CONNECTED)
        client.close()

    def test_ctrl_c_ends_each_wait(self):
        silent = SilentServer(self)
        authorizer = functools.partial(lambda over, channel, socket_id: over.wait(PATIENCE) and {}, threading.Event())
        authenticator = functools.partial(authorizer, "")
        with client_with(authorizer=authorizer, user_authenticator=authenticator) as client:
            client.subscribe("private-orders")
            client.sign_in()
            for wait in (
                lambda: client.wait_subscribed("private-orders"),
                client.wait_all_subscribed,
                client.wait_signed_in,
                lambda: list(client),
                lambda: list(client.events("news", "never")),
                lambda: next(iter(client.events("news", "never"))),
                lambda: client.next(timeout=PATIENCE) and client.receiver(channel="nothing").next(timeout=PATIENCE),
            ):
                with self.subTest(wait=wait), self.interrupted(after=0.1):
                    wait()
            authorizer.args[0].set()
        client = client_with(port=silent.port)
        client.connect_background()
        with self.interrupted(after=0.1):
            client.wait_connected()
        client.close()

    def test_ctrl_c_in_a_callback_ends_dispatch(self):
        with client_with(manual_dispatch=True) as client:

            def callback(event):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(PATIENCE)

            self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
            binding = client.bind("news", "published", callback)
            client.subscribe("news")
            for dispatch in (client.dispatch, lambda: client.dispatch(count=1), lambda: client.dispatch(seconds=0.01)):
                with self.assertRaises(KeyboardInterrupt):
                    wait_until(lambda: dispatch() > 1000)
            binding.unbind()
            wait_until(lambda: client.dispatch() > 0)


if __name__ == "__main__":
    unittest.main()
