"""The library calls functions of the program."""

import asyncio
import ctypes
import functools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import unittest

import pusher_channels
from pusher_channels import ClosedError, Kind, PusherError, Result
from pusher_channels._callbacks import callbacks
from support import BINDING, PATIENCE, Registrations, client_with, next_of, publish, signature, wait_until

# A plain text, and its encrypted form from soketi (tests/corpus/soketi__encrypted.jsonl).
ENCRYPTED_PLAIN = '{"secret":"msg"}'

ENCRYPTED = json.dumps(
    {"nonce": "iC4ShfrwGk+jIn4/1hI/h76bXMXEzt1D", "ciphertext": "7dWLnNI1VJvM2XVyPVtGSlxsmq1pnA0G81NdDS30nIg="}
)


def encrypted_grant(channel, socket_id):
    secret = "yg0RrojlChIBGKYDax2K5oqaMIaBtMi7HK+TiLLndM0="
    return {"auth": signature(f"{socket_id}:{channel}"), "shared_secret": secret}


class Pushing(unittest.TestCase):
    def setUp(self):
        self.calls = []
        self.called = threading.Event()
        self.registrations = Registrations(self)

    def tearDown(self):
        """Checks that the destructor of each registration has run once."""
        wait_until(lambda: len(self.registrations.ended) >= len(self.registrations.begun))
        self.assertCountEqual(self.registrations.ended, self.registrations.begun)
        self.assertEqual(callbacks._functions, {})

    def callback(self, notification):
        self.calls.append(notification)
        self.called.set()

    def wait_for_call(self):
        self.assertTrue(self.called.wait(PATIENCE), "the callback was called")

    def test_bind_calls_back_on_another_thread(self):
        threads = set()

        def callback(notification):
            threads.add(threading.get_ident())
            self.callback(notification)

        with client_with(pull=False) as client:
            client.bind("news", "published", callback)
            client.subscribe("news")
            self.wait_for_call()
        self.assertEqual((self.calls[0].kind, self.calls[0].channel), (Kind.EVENT, "news"))
        self.assertNotIn(threading.get_ident(), threads)

    def test_unbound_callbacks_are_freed(self):
        with client_with() as client:
            binding = client.on(Kind.EVENT, self.callback, channel="news")
            client.subscribe("news")
            self.wait_for_call()
            binding.unbind()
            wait_until(lambda: self.registrations.ended)
            count = len(self.calls)
            next_of(client, Kind.EVENT)
            self.assertEqual(len(self.calls), count)

    def test_a_callback_may_close_its_client(self):
        client = client_with()
        client.on(Kind.EVENT, lambda event: (client.close(), self.callback(event)))
        client.connect()
        client.subscribe("news")
        self.wait_for_call()

    def test_the_exception_of_a_callback_is_logged_and_other_callbacks_run(self):
        with self.assertLogs("pusher_channels", logging.ERROR) as logged, client_with() as client:
            client.bind(None, "published", lambda _: 1 / 0)
            client.on(Kind.SUBSCRIPTION_SUCCEEDED, lambda _: {}["gone"])
            client.on(Kind.EVENT, self.callback)
            client.subscribe("news")
            self.wait_for_call()
            wait_until(lambda: len(logged.output) >= 2)
        output = "\n".join(logged.output)
        self.assertIn("a callback for the event 'published' on the channel 'news' has raised\nTraceback", output)
        self.assertIn("ZeroDivisionError", output)
        self.assertIn("a callback for subscription_succeeded on the channel 'news' has raised\nTraceback", output)
        self.assertIn("KeyError: 'gone'", output)

    def test_the_exception_of_a_callback_is_on_stderr_by_default(self):
        program = """
import sys
from pusher_channels import Client
with Client(url=sys.argv[1], manual_dispatch=True) as client:
    client.on("subscription_succeeded", lambda n: 1 / 0)
    client.subscribe("news")
    client.wait_subscribed("news", 10)
    while not client.dispatch():
        pass
"""
        url = f"ws://{os.environ['PUSHER_HOST']}:{os.environ['PUSHER_PORT']}/app/{os.environ['PUSHER_KEY']}"
        environment = {**os.environ, "PYTHONPATH": str(BINDING)}
        command = [sys.executable, "-c", program, url]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(ended.returncode, 0)
        self.assertIn("a callback for subscription_succeeded on the channel 'news' has raised", ended.stderr)
        self.assertIn("ZeroDivisionError", ended.stderr)

    def test_a_callback_cannot_wait(self):
        results = []

        def callback(event):
            try:
                client.wait_subscribed("other")
            except PusherError as error:
                results.append(error.result)
            self.callback(event)

        with client_with() as client:
            client.on(Kind.EVENT, callback)
            client.subscribe("news")
            self.wait_for_call()
        self.assertIs(results[0], Result.ERR_WOULD_DEADLOCK)

    def test_the_callbacks_of_failed_registrations_are_freed(self):
        with client_with() as client:
            with self.assertRaises(PusherError) as caught:
                client.on(Kind.CONNECTION_STATE_CHANGE, self.callback, channel="news")
            self.assertIs(caught.exception.result, Result.ERR_VALUE)
            with self.assertRaises(ctypes.ArgumentError):
                client.on(Kind.EVENT, self.callback, channel=7)
        with self.assertRaises(ClosedError):
            client.bind(None, None, self.callback)
        self.assertEqual(self.calls, [])
        self.assertEqual(len(self.registrations.begun), 3)

    def test_dispatch_calls_back_on_this_thread(self):
        threads = set()
        with client_with(manual_dispatch=True) as client:
            client.on(Kind.EVENT, lambda _: threads.add(threading.get_ident()))
            client.subscribe("news")
            wait_until(lambda: client.dispatch() > 0 and threads)
            wait_until(lambda: client.dispatch(count=1) == 1)
            wait_until(lambda: client.dispatch(seconds=0.05) > 0)
        self.assertEqual(threads, {threading.get_ident()})

    def test_an_authorizer_grants_and_refuses(self):
        class Refused(Exception):
            status = 403

        def authorize(channel, socket_id):
            if channel == "private-safe":
                raise Refused("it stays shut")
            return {"auth": signature(f"{socket_id}:{channel}")}

        with client_with(authorizer=authorize) as client:
            client.subscribe("private-orders")
            client.wait_subscribed("private-orders", timeout=PATIENCE)
            client.subscribe("private-safe")
            with self.assertRaises(PusherError) as caught:
                client.wait_subscribed("private-safe", timeout=PATIENCE)
            error = next_of(client, Kind.SUBSCRIPTION_ERROR).error
        self.assertEqual((error.result, error.status, error.is_auth), (Result.ERR_AUTH_REFUSED, 403, True))
        self.assertIn("Refused: it stays shut", str(error))
        self.assertIs(caught.exception.result, Result.ERR_AUTH_REFUSED)

    def test_the_text_of_an_exception_arrives_with_any_status(self):
        for status in (None, "403", 7, 1000):

            def authorize(channel, socket_id):
                error = PermissionError("it stays shut")
                error.status = status
                raise error

            with self.subTest(status=status), client_with(authorizer=authorize) as client:
                client.subscribe("private-orders")
                with self.assertRaisesRegex(PusherError, "PermissionError: it stays shut") as caught:
                    client.wait_subscribed("private-orders", timeout=PATIENCE)
                self.assertIsNone(caught.exception.status)

    def test_a_batch_authorizer_answers_each_request_separately(self):
        batches = []

        def authorize(requests):
            batches.append([channel for channel, _ in requests])
            return [
                PermissionError("it stays shut") if channel == "private-safe"
                else {"auth": signature(f"{socket_id}:{channel}")}
                for channel, socket_id in requests
            ]

        with client_with(batch_authorizer=authorize) as client:
            client.disconnect()
            channels = ["private-orders", "private-safe", "private-tables"]
            for channel in channels:
                client.subscribe(channel)
            client.connect()
            client.wait_subscribed("private-orders", timeout=PATIENCE)
            client.wait_subscribed("private-tables", timeout=PATIENCE)
            error = next_of(client, Kind.SUBSCRIPTION_ERROR).error
        self.assertIn("PermissionError: it stays shut", str(error))
        self.assertCountEqual([channel for batch in batches for channel in batch], channels)

    def test_a_batch_authorizer_with_too_few_answers_refuses_all(self):
        with client_with(batch_authorizer=lambda requests: []) as client:
            client.subscribe("private-orders")
            with self.assertRaises(PusherError) as caught:
                client.wait_subscribed("private-orders", timeout=PATIENCE)
        self.assertIn("returned 0 answers to 1 requests", str(caught.exception))

    def test_a_decoder_decodes_decrypted_data(self):
        decoded, is_text = [], True

        def decode(data):
            decoded.append(data)
            if not is_text:
                raise ValueError("it is no text")
            return data.decode().upper() + "\0"

        with client_with(authorizer=encrypted_grant, encrypted_data_decoder=decode) as client:
            client.subscribe("private-encrypted-x")
            client.wait_subscribed("private-encrypted-x", timeout=PATIENCE)
            publish("private-encrypted-x", "encrypted", ENCRYPTED)
            self.assertEqual(next_of(client, Kind.EVENT).data, ENCRYPTED_PLAIN.upper() + "\0")
            is_text = False
            with self.assertLogs("pusher_channels", logging.WARNING) as logged:
                publish("private-encrypted-x", "encrypted", ENCRYPTED)
                self.assertEqual(next_of(client, Kind.DECRYPTION_FAILURE).channel, "private-encrypted-x")
        self.assertIn("it is no text", logged.output[0])
        self.assertEqual(decoded[0], ENCRYPTED_PLAIN.encode())

    def test_a_dialer_makes_the_connection(self):
        dialled = []

        def dial(host, port, timeout):
            dialled.append((host, port))
            if len(dialled) == 1:
                raise ConnectionRefusedError("not today")
            return socket.create_connection((host, port), timeout)

        client = client_with(dialer=dial)
        with self.assertLogs("pusher_channels", logging.WARNING) as logged:
            with self.assertRaises(PusherError) as caught:
                client.connect()
        self.assertIs(caught.exception.result, Result.ERR_DIALER)
        self.assertIn("not today", logged.output[0])
        with client:
            client.subscribe("news")
            self.assertEqual(next_of(client, Kind.EVENT).channel, "news")
        self.assertEqual(dialled, [(os.environ["PUSHER_HOST"], int(os.environ["PUSHER_PORT"]))] * 2)

    def test_a_receiver_wakes_an_event_loop(self):
        async def first_event(client):
            woken = asyncio.Event()
            wake = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
            with client.receiver(channel="news", only=[Kind.EVENT], wake=wake) as receiver:
                client.subscribe("news")
                while (event := receiver.next(timeout=0)) is None:
                    await woken.wait()
                    woken.clear()
            return event

        with client_with() as client:
            event = asyncio.run(asyncio.wait_for(first_event(client), PATIENCE))
            self.assertEqual(event.name, "published")

    def test_a_user_authenticator_signs_in(self):
        user_data = json.dumps({"id": "7"})

        def authenticate(socket_id):
            return {"auth": signature(f"{socket_id}::user::{user_data}"), "user_data": user_data}

        with client_with(user_authenticator=authenticate) as client:
            self.assertIsNone(client.user_id)
            client.sign_in()
            client.wait_signed_in(timeout=PATIENCE)
            self.assertEqual(client.user_id, "7")
            self.assertEqual(next_of(client, Kind.SIGNED_IN).user_id, "7")

    def test_auth_params_may_be_a_function(self):
        endpoint = os.environ["PUSHER_AUTH_ENDPOINT"]
        with client_with(auth_endpoint=endpoint, auth_params=lambda: {"user_id": "fay"}) as client:
            client.subscribe("presence-kitchen")
            client.wait_subscribed("presence-kitchen", timeout=PATIENCE)
            self.assertEqual(client.me("presence-kitchen").id, "fay")

    def test_subscribing_with_a_signature_needs_no_authorizer(self):
        with client_with() as client:
            client.subscribe_with_auth("private-orders", signature(f"{client.socket_id}:private-orders"))
            client.wait_subscribed("private-orders", timeout=PATIENCE)

    def test_logs_to_a_logger(self):
        with self.assertLogs("pusher", logging.DEBUG) as logged:
            pusher_channels.log_to(logging.getLogger("pusher"))
            client_with().__enter__().close()
            pusher_channels.log_to(None)
        self.assertTrue(all("pusher" in record.getMessage() for record in logged.records))

    def test_a_program_may_end_while_it_is_called_back(self):
        self.ends_in_silence("")

    def test_a_forked_child_may_end_and_its_parent_goes_on(self):
        self.ends_in_silence("""
child = os.fork()
if child == 0:
    try:
        client.subscribe("other")
    except PusherError as error:
        sys.exit(error.result)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == Result.ERR_FORKED
called.clear()
""")

    def ends_in_silence(self, middle):
        program = f"""
import logging, os, sys, threading
import pusher_channels
from pusher_channels import Client, PusherError, Result
pusher_channels.log_to(logging.getLogger("pusher"))
called = threading.Event()
client = Client(url=sys.argv[1])
client.connect()
client.bind(None, None, lambda event: called.set())
client.subscribe("news")
assert called.wait(10)
{middle}
sys.exit(0 if called.wait(10) else 1)
"""
        url = f"ws://{os.environ['PUSHER_HOST']}:{os.environ['PUSHER_PORT']}/app/{os.environ['PUSHER_KEY']}"
        # Python warns about every fork of a process with threads.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, url]
        environment = {**os.environ, "PYTHONPATH": str(BINDING)}
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=60)
        self.assertEqual((ended.returncode, ended.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
