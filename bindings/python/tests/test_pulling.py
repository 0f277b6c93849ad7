"""Taking notifications from the queue of a client, and from receivers."""

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import socket
import threading
import time
import unittest
import weakref

from pusher_channels import ClosedError, Kind, PusherError, Result, State, _library
from support import PATIENCE, Registrations, client_with, next_of, signature, wait_until


class Pulling(unittest.TestCase):
    def test_pulling_registers_no_callback(self):
        registrations = Registrations(self)
        with client_with(auth_endpoint=os.environ["PUSHER_AUTH_ENDPOINT"], auth_params={"user_id": "py"}) as client:
            self.assertIs(client.state, State.CONNECTED)
            self.assertRegex(client.socket_id, r"^\d+\.\d+$")
            client.subscribe("presence-kitchen")
            client.wait_subscribed("presence-kitchen", timeout=PATIENCE)
            self.assertEqual({member.id for member in client.members("presence-kitchen")}, {"ann", "py"})
            self.assertEqual(client.me("presence-kitchen").json(), {"name": "py"})
            self.assertEqual(client.member("presence-kitchen", "ann").id, "ann")
            self.assertIsNone(client.member("presence-kitchen", "bob"))
            self.assertTrue(client.is_subscribed("presence-kitchen"))
            self.assertEqual(client.channels(), ["presence-kitchen"])
            event = next_of(client, Kind.EVENT)
            self.assertEqual((event.channel, event.name), ("presence-kitchen", "published"))
            self.assertGreater(event.json()["number"], 0)
            statistics = client.statistics()
            self.assertEqual((statistics["connections"], statistics["last_close_code"]), (1, None))
            client.unsubscribe("presence-kitchen")
            self.assertEqual(client.channels(), [])
        self.assertEqual(registrations.begun, [])

    def test_an_iteration_ends_when_another_thread_closes_the_client(self):
        with client_with() as client:
            client.subscribe("news")
            closing = None
            for notification in client:
                if closing is None and notification.kind is Kind.EVENT:
                    closing = threading.Thread(target=client.close)
                    closing.start()
            closing.join(PATIENCE)
            with self.assertRaises(ClosedError):
                client.next(timeout=0)
            with self.assertRaises(ClosedError) as caught:
                client.subscribe("news")
            self.assertIs(caught.exception.result, Result.ERR_HANDLE)

    def test_next_with_a_timeout_of_0_does_not_wait(self):
        with client_with() as client:
            while next_of(client, Kind.CONNECTION_STATE_CHANGE).state is not State.CONNECTED:
                pass
            self.assertIsNone(client.next(timeout=0))
            begun = time.monotonic()
            self.assertEqual((len(client), bool(client)), (0, True))
            self.assertIsNone(client.next(timeout=0.15))
            self.assertGreaterEqual(time.monotonic() - begun, 0.15)

    def test_a_signal_interrupts_an_iteration(self):
        def interrupt(*_):
            raise KeyboardInterrupt

        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, interrupt))
        with client_with() as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(KeyboardInterrupt):
                for _ in client:
                    pass

    def test_a_client_works_with_select(self):
        with client_with() as client:
            client.subscribe("news")
            while (notification := client.next(timeout=0)) is None or notification.kind is not Kind.EVENT:
                self.assertEqual(select.select([client], [], [], PATIENCE)[0], [client])
            self.assertEqual(notification.channel, "news")

    def test_a_client_works_with_asyncio(self):
        async def events(client, count):
            found = []
            async for notification in client:
                if notification.kind is Kind.EVENT:
                    found.append(notification.json()["number"])
                if len(found) == count:
                    return found

        with client_with() as client:
            client.subscribe("news")
            first, second, third = asyncio.run(asyncio.wait_for(events(client, 3), PATIENCE))
            self.assertEqual([first + 1, first + 2], [second, third])

    def test_an_iteration_in_asyncio_ends_when_the_client_is_closed(self):
        async def close_while_waiting(client):
            asyncio.get_running_loop().call_later(0.1, client.close)
            return [notification.kind async for notification in client]

        with client_with() as client:
            kinds = asyncio.run(asyncio.wait_for(close_while_waiting(client), PATIENCE))
        self.assertEqual(set(kinds), {Kind.CONNECTION_STATE_CHANGE})

    def test_receivers_have_their_own_queues(self):
        with client_with() as client, client.receiver(channel="news", only=[Kind.EVENT], capacity=7) as receiver:
            client.subscribe("news")
            self.assertIs(receiver.next(timeout=PATIENCE).kind, Kind.EVENT)
            wait_until(lambda: len(receiver) > 0)
            self.assertEqual((receiver.dropped, receiver.superseded), (0, 0))
            self.assertTrue(receiver)

    def test_entering_raises_the_error_of_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with self.assertRaises(PusherError) as caught:
            client_with(port=port).__enter__()
        error = caught.exception
        self.assertIs(error.result, Result.ERR_TCP)
        self.assertTrue(error.is_retryable)
        self.assertFalse(error.is_auth)
        self.assertIn("tcp: ", str(error))

    def test_wrong_arguments_are_refused(self):
        with self.assertRaises(PusherError) as caught:
            client_with(colour="blue")
        self.assertIs(caught.exception.result, Result.ERR_OPTION)
        with self.assertRaises(PusherError) as caught:
            client_with(queue_capacity="many")
        self.assertIs(caught.exception.result, Result.ERR_VALUE)
        with client_with() as client:
            with self.assertRaises(ctypes.ArgumentError):
                client.subscribe("new\0s")
            with self.assertRaises(ctypes.ArgumentError):
                client.subscribe(7)
            with self.assertRaises(PusherError) as caught:
                client.trigger("news", "client-hello", {})
            self.assertIs(caught.exception.result, Result.ERR_CLIENT_EVENT_CHANNEL)
            with self.assertRaises(PusherError) as caught:
                client.wait_subscribed("news", timeout=0)
            self.assertIs(caught.exception.result, Result.ERR_NOT_SUBSCRIBED)

    def test_each_connection_needs_a_new_signature_to_sign_in(self):
        user_data = json.dumps({"id": "7"})

        def sign_in(client):
            client.sign_in_with_auth(signature(f"{client.socket_id}::user::{user_data}"), user_data)
            client.wait_signed_in(timeout=PATIENCE)
            self.assertEqual(client.user_id, "7")

        with client_with() as client:
            sign_in(client)
            client.disconnect()
            client.connect()
            error = next_of(client, Kind.ERROR).error
            self.assertIs(error.result, Result.ERR_AUTH_REFUSED)
            self.assertIn("call Client.sign_in_with_auth with a new one", error.message)
            sign_in(client)

    def test_a_client_without_references_is_freed(self):
        client = client_with()
        client.connect()
        handle, gone = client._handle, weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(gone())
        with self.assertRaises(ClosedError):
            _library.lib.pusher_state(handle, ctypes.c_int32())


if __name__ == "__main__":
    unittest.main()
