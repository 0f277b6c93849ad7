"""The Python binding: it declares what the header has, and calls back, and forgets, what it should."""

import asyncio
import ctypes
import functools
import gc
import json
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import weakref
from unittest import mock

from python_support import EXAMPLES, PATIENCE, ROOT, Registrations, client_with, next_of, publish, signature, wait_until

import pusher_channels
from pusher_channels import ClosedError, Kind, PusherError, Result, State, _errors, _library, _options, _values
from pusher_channels._callbacks import callbacks

# The plain text, and what soketi made of it (tests/corpus/soketi__encrypted.jsonl).
SEALED_PLAIN = '{"secret":"msg"}'
SEALED = json.dumps(
    {"nonce": "iC4ShfrwGk+jIn4/1hI/h76bXMXEzt1D", "ciphertext": "7dWLnNI1VJvM2XVyPVtGSlxsmq1pnA0G81NdDS30nIg="}
)


def encrypted_grant(channel, socket_id):
    secret = "yg0RrojlChIBGKYDax2K5oqaMIaBtMi7HK+TiLLndM0="
    return {"auth": signature(f"{socket_id}:{channel}"), "shared_secret": secret}


class Header(unittest.TestCase):
    """What a binding of any language must agree with."""

    def setUp(self):
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "src/capi/pusher_channels.h").read_text(), flags=re.DOTALL)
        text = re.sub(r"^#.*$|PUSHER_NULLABLE", "", text, flags=re.MULTILINE)
        self.constants = {name: int(value, 0) for name, value in re.findall(r"(PUSHER_\w+) = (\w+)", text)}
        prototypes = re.findall(r"^(\w[\w ]*?[ *]+)(pusher_\w+)\(([^()]*)\);", text, flags=re.MULTILINE)
        self.functions = {name: (squeezed(returned), parameters_of(all)) for returned, name, all in prototypes}

    def test_was_read(self):
        self.assertGreater(len(self.functions), 100)
        parameters = ["pusher_client*", "int32_t", "pusher_notification**"]
        self.assertEqual(self.functions["pusher_next"], ("int32_t", parameters))
        self.assertEqual(self.functions["pusher_version"], ("const char*", []))

    def test_has_the_functions_of_the_python_binding(self):
        self.assertEqual(set(_library.FUNCTIONS), set(self.functions))
        for name, (returned, parameters) in self.functions.items():
            function = getattr(_library.lib, name)
            self.assertIs(function.restype, PYTHON_RESULTS[returned], name)
            self.assertEqual(list(function.argtypes), [python_type(one) for one in marked_data(parameters)], name)

    def test_has_the_constants_of_the_python_binding(self):
        constants = {"PUSHER_ABI_VERSION": pusher_channels.ABI_VERSION}
        constants.update((f"PUSHER_{result.name}", result.value) for result in Result)
        constants.update((f"PUSHER_STATE_{state.name}", state.value) for state in State)
        constants.update((f"PUSHER_KIND_{kind.name}", kind.value) for kind in Kind)
        constants.update((f"PUSHER_LOG_{level.name}", level.value) for level in _errors.LogLevel)
        self.assertEqual(constants, self.constants)

    def test_is_named_as_in_the_python_binding(self):
        for number in (*State, *Kind, *Result):
            self.assertEqual(_errors.name_of(type(number), number), number.name)
        self.assertEqual(Kind(99).name, "UNKNOWN_99")
        with mock.patch.object(_errors, "name_of", return_value="NEWER"):
            self.assertEqual((Kind(99).name, Kind(99) == 99), ("NEWER", True))

    def test_f5_has_the_options_of_the_python_binding(self):
        text = (ROOT / "src/capi/pusher_channels.h").read_text()
        clients = text[text.index("* Where the server is:") : text.index("int32_t pusher_config_set(")]
        options = set(re.findall(r"^ \*   (\w+)(?:\n \*)? +(?:text|integer|boolean) ", clients, flags=re.MULTILINE))
        self.assertEqual(options, {*_options.PLAIN, *(f"{name}_ms" for name in _options.SECONDS)})
        pairs = text[text.index("* Adds to an option that is a list") : text.index("int32_t pusher_config_add(")]
        pairs = set(re.findall(r"^ \*   (\w+) {3,}\w", pairs, flags=re.MULTILINE))
        self.assertEqual(pairs, {*_options.MAPPINGS.values(), *_options.PAIRS})
        called = {name for name, (_, parameters) in self.functions.items() if "_callback" in str(parameters)}
        called = {name.removeprefix("pusher_config_") for name in called if name.startswith("pusher_config_")}
        self.assertEqual(called, {*_options.CALLBACK_OPTIONS})
        start = text.index("* A queue beside the client's own")
        receivers = text[start : text.index("int32_t pusher_receiver_options_new(")]
        receivers = set(re.findall(r"^ \*   (\w+) +(?:text|integer) ", receivers, flags=re.MULTILINE))
        self.assertEqual(receivers | {"wake"}, {*_options.RECEIVER_OPTIONS})

    def test_has_the_fields_of_the_python_notification(self):
        prefix, others = "pusher_notification_", {"clone", "free", "kind"}
        accessors = {name[len(prefix) :] for name in self.functions if name.startswith(prefix)} - others
        self.assertEqual(set(_values.FIELDS), accessors)
        self.assertEqual(set(_values.FIELDS_OF_KIND), set(Kind))

    def test_has_the_prototypes_of_the_node_binding(self):
        text = (EXAMPLES / "node/pusher_channels.mjs").read_text()
        prototypes = re.findall(r"^  (\w+) (pusher_\w+)\(([^()]*)\);$", text, flags=re.MULTILINE)
        self.assertGreater(len(prototypes), 50)
        for returned, name, parameters in prototypes:
            wanted = self.functions[name]
            # Text is an address there.
            in_node = [parameter.replace("const char**", "void**") for parameter in wanted[1]]
            declared = parameters_of(parameters.replace("_Out_ ", "").replace("const void *", "const char *"))
            self.assertEqual((returned, declared), (wanted[0], in_node), name)
        self.assertEqual(set(re.findall(r"\bc\.(pusher_\w+)", text)) - {name for _, name, _ in prototypes}, set())

    def test_has_the_constants_of_the_node_binding(self):
        text = (EXAMPLES / "node/pusher_channels.mjs").read_text()
        results = dict(re.findall(r"(\w+): (\d+)", re.search(r"const Result = {(.*)}", text)[1]))
        for name, value in results.items():
            self.assertEqual(int(value), self.constants[f"PUSHER_{name}"])

    def test_has_what_the_lua_binding_calls(self):
        text = (EXAMPLES / "lua/pusher_channels.lua").read_text()
        self.assertEqual(set(re.findall(r"\blib\.(pusher_\w+)", text)) - set(self.functions), set())


def squeezed(kind):
    return re.sub(r" *\* *", "*", " ".join(kind.split()))


def parameters_of(text):
    """The types, without the names."""
    if text.strip() in ("", "void"):
        return []
    return [squeezed(re.sub(r"\w+$", "", parameter.strip())) for parameter in text.split(",")]


def marked_data(parameters):
    """Data, which has its length beside it, may contain a NUL. Other text that goes in must not."""
    for parameter, following in zip(parameters, [*parameters[1:], None]):
        yield "data" if (parameter, following) == ("const char*", "size_t") else parameter


def python_type(kind):
    pointed_at = PYTHON_TYPES.get(kind.removesuffix("*"))
    if kind in PYTHON_TYPES:
        return PYTHON_TYPES[kind]
    if kind.endswith("**"):
        return ctypes.POINTER(ctypes.c_void_p)
    return ctypes.POINTER(pointed_at) if pointed_at else HANDLES[kind.removeprefix("const ")]


PYTHON_RESULTS = {"void": None, "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "const char*": ctypes.c_void_p}

HANDLES = {
    f"pusher_{name}*": ctypes.c_void_p
    for name in """config client receiver_options receiver notification error binding list stats auth_request pairs
        text""".split()
}

PYTHON_TYPES = {
    "void*": ctypes.c_void_p,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "data": ctypes.c_char_p,
    "const char*": _library.Text,
    "char*": ctypes.c_void_p,
    "pusher_destructor": _library.Destructor,
    "pusher_log_callback": _library.LogCallback,
    "pusher_authorize_callback": _library.AuthorizeCallback,
    "pusher_batch_authorize_callback": _library.BatchAuthorizeCallback,
    "pusher_pairs_callback": _library.PairsCallback,
    "pusher_decode_callback": _library.DecodeCallback,
    "pusher_dial_callback": _library.DialCallback,
    "pusher_wake_callback": _library.WakeCallback,
    "pusher_callback": _library.Callback,
}


class Pulling(unittest.TestCase):
    def test_registers_no_callback(self):
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

    def test_iterates_until_another_thread_closes_the_client(self):
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

    def test_looks_without_waiting(self):
        with client_with() as client:
            while next_of(client, Kind.CONNECTION_STATE_CHANGE).state is not State.CONNECTED:
                pass
            self.assertIsNone(client.next(timeout=0))
            begun = time.monotonic()
            self.assertEqual((len(client), bool(client)), (0, True))
            self.assertIsNone(client.next(timeout=0.15))
            self.assertGreaterEqual(time.monotonic() - begun, 0.15)

    def test_is_interrupted_by_signals(self):
        def interrupt(*_):
            raise KeyboardInterrupt

        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, interrupt))
        with client_with() as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(KeyboardInterrupt):
                for _ in client:
                    pass

    def test_works_with_select(self):
        with client_with() as client:
            client.subscribe("news")
            while (notification := client.next(timeout=0)) is None or notification.kind is not Kind.EVENT:
                self.assertEqual(select.select([client], [], [], PATIENCE)[0], [client])
            self.assertEqual(notification.channel, "news")

    def test_works_with_asyncio(self):
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

    def test_ends_in_asyncio_when_the_client_is_closed(self):
        async def close_while_waiting(client):
            asyncio.get_running_loop().call_later(0.1, client.close)
            return [notification.kind async for notification in client]

        with client_with() as client:
            kinds = asyncio.run(asyncio.wait_for(close_while_waiting(client), PATIENCE))
        self.assertEqual(set(kinds), {Kind.CONNECTION_STATE_CHANGE})

    def test_has_receivers_of_their_own(self):
        with client_with() as client, client.receiver(channel="news", only=[Kind.EVENT], capacity=7) as receiver:
            client.subscribe("news")
            self.assertIs(receiver.next(timeout=PATIENCE).kind, Kind.EVENT)
            wait_until(lambda: len(receiver) > 0)
            self.assertEqual((receiver.dropped, receiver.superseded), (0, 0))
            self.assertTrue(receiver)

    def test_raises_what_connecting_ended_with(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with self.assertRaises(PusherError) as caught:
            client_with(port=port).__enter__()
        error = caught.exception
        self.assertIs(error.result, Result.ERR_TCP)
        self.assertTrue(error.is_retryable)
        self.assertFalse(error.is_auth)
        self.assertIn("tcp: ", str(error))

    def test_refuses_wrong_arguments(self):
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

    def test_signs_in_by_a_proof_and_is_asked_for_another_on_each_connection(self):
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
            self.assertIn("call Client.sign_in_with_auth again", error.message)
            sign_in(client)

    def test_a_client_without_a_user_is_freed(self):
        client = client_with()
        client.connect()
        handle, gone = client._handle, weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNone(gone())
        with self.assertRaises(ClosedError):
            _library.lib.pusher_state(handle, ctypes.c_int32())


class Pushing(unittest.TestCase):
    def setUp(self):
        self.calls = []
        self.called = threading.Event()
        self.registrations = Registrations(self)

    def tearDown(self):
        """Each registration has had its destructor, and just once."""
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

    def test_unbound_callbacks_are_forgotten(self):
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

    def test_a_callback_that_raises_harms_nobody(self):
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

    def test_what_a_callback_raises_is_on_stderr_by_default(self):
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
        environment = {**os.environ, "PYTHONPATH": str(EXAMPLES / "python")}
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

    def test_registrations_that_fail_are_forgotten(self):
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

    def test_the_words_of_an_exception_arrive_whatever_its_status_is(self):
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

    def test_a_batch_authorizer_answers_each_question_for_itself(self):
        batches = []

        def authorize(questions):
            batches.append([channel for channel, _ in questions])
            return [
                PermissionError("it stays shut") if channel == "private-safe"
                else {"auth": signature(f"{socket_id}:{channel}")}
                for channel, socket_id in questions
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

    def test_a_batch_authorizer_that_answers_too_little_refuses_all(self):
        with client_with(batch_authorizer=lambda questions: []) as client:
            client.subscribe("private-orders")
            with self.assertRaises(PusherError) as caught:
                client.wait_subscribed("private-orders", timeout=PATIENCE)
        self.assertIn("returned 0 answers to 1 questions", str(caught.exception))

    def test_a_decoder_makes_text_of_what_was_encrypted(self):
        decoded, is_text = [], True

        def decode(data):
            decoded.append(data)
            if not is_text:
                raise ValueError("it is no text")
            return data.decode().upper() + "\0"

        with client_with(authorizer=encrypted_grant, encrypted_data_decoder=decode) as client:
            client.subscribe("private-encrypted-x")
            client.wait_subscribed("private-encrypted-x", timeout=PATIENCE)
            publish("private-encrypted-x", "sealed", SEALED)
            self.assertEqual(next_of(client, Kind.EVENT).data, SEALED_PLAIN.upper() + "\0")
            is_text = False
            with self.assertLogs("pusher_channels", logging.WARNING) as logged:
                publish("private-encrypted-x", "sealed", SEALED)
                self.assertEqual(next_of(client, Kind.DECRYPTION_FAILURE).channel, "private-encrypted-x")
        self.assertIn("it is no text", logged.output[0])
        self.assertEqual(decoded[0], SEALED_PLAIN.encode())

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

    def test_a_signature_that_is_there_serves(self):
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
        # Python warns of every fork beside threads.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, url]
        environment = {**os.environ, "PYTHONPATH": str(EXAMPLES / "python")}
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=60)
        self.assertEqual((ended.returncode, ended.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
