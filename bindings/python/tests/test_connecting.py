"""Connecting, and the errors of connecting."""

import gc
import socket
import unittest
import weakref

import pusher_channels
from pusher_channels import Kind, PusherError, Result, State
from support import SilentServer, client_with, helper_threads, wait_until


class Connecting(unittest.TestCase):
    def test_connect_raises_the_error_of_the_first_attempt_and_makes_no_other(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        client = client_with(port=port, reconnect_min_delay=0.001, reconnect_max_delay=0.001)
        for attempts in (1, 2):
            with self.assertRaises(PusherError) as caught:
                client.connect()
            self.assertIs(caught.exception.result, Result.ERR_TCP)
            self.assertIs(client.state, State.DISCONNECTED)
            self.assertEqual(client.statistics()["attempts"], attempts)
        client.close()

    def test_connect_inside_a_callback_is_refused_at_once(self):
        errors = []

        def callback(event):
            for call in (client.connect, client.wait_connected, client.wait_all_subscribed, client.wait_signed_in):
                try:
                    call()
                except PusherError as error:
                    errors.append(error)

        with client_with() as client:
            client.on(Kind.EVENT, callback)
            client.subscribe("news")
            wait_until(lambda: len(errors) >= 4)
            client.close()
        self.assertEqual({error.result for error in errors[:4]}, {Result.ERR_WOULD_DEADLOCK})
        self.assertIn("handler: connect would wait for the thread that it is called on", str(errors[0]))
        self.assertEqual(helper_threads(), [])

    def test_connect_while_connected_returns_at_once(self):
        with client_with() as client:
            client.connect()
            self.assertEqual(client.statistics()["connections"], 1)
        with self.assertRaises(pusher_channels.ClosedError):
            client.connect()

    def test_a_failed_connect_keeps_nothing_in_memory(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.addCleanup(gc.enable)
        gc.disable()
        client = client_with(port=port)
        # assertRaises would clear the frames of the traceback.
        try:
            client.connect()
        except PusherError:
            pass
        gone = weakref.ref(client)
        del client
        wait_until(lambda: gone() is None)

    def test_a_timeout_error_names_the_whole_time(self):
        silent = SilentServer(self)
        client = client_with(port=silent.port)
        client.connect_background()
        with self.assertRaises(PusherError) as caught:
            client.wait_connected(timeout=0.25)
        client.close()
        self.assertTrue(caught.exception.is_timeout)
        self.assertRegex(str(caught.exception), r"within 0\.25 s$")
        with self.assertRaises(ValueError):
            client.wait_connected(timeout=float("nan"))


if __name__ == "__main__":
    unittest.main()
