"""The Python binding: its arguments and options, Ctrl-C, and the texts of its values."""

import ctypes.util
import functools
import gc
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from python_support import EXAMPLES, PATIENCE, Registrations, SilentServer, client_with, next_of, publish, signature
from python_support import wait_until

import pusher_channels
from pusher_channels import Client, Kind, Member, Notification, OptionError, PusherError, Result, State
from pusher_channels import _library, _options
from pusher_channels._callbacks import callbacks

# How soon Ctrl-C ends a call.
CTRL_C_WITHIN = 0.2


def helper_threads():
    return [thread for thread in threading.enumerate() if thread.name in ("pusher-call", "pusher-end")]


class CtrlC(unittest.TestCase):
    @contextmanager
    def interrupted(self, when=lambda: None, after=0.25):
        """The block ends by Ctrl-C, soon after it was pressed: a while after `when` has returned."""
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

    def test_f5_ctrl_c_ends_connect(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        with self.interrupted(server.wait_for_client):
            client.connect()
        self.assertIs(client.state, State.DISCONNECTED)
        self.assertEqual(server.connection.recv(1 << 16)[-1:], b"\n")
        self.assertEqual(server.connection.recv(1), b"", "the client has closed the connection")
        client.close()

    def test_f5_ctrl_c_ends_entering_a_client(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        with self.interrupted(server.wait_for_client):
            client.__enter__()
        self.assertEqual(repr(client), "<Client closed>")

    def test_f5_ctrl_c_ends_connect_while_a_dialer_waits(self):
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

    def test_f5_connect_works_after_ctrl_c(self):
        server = SilentServer(self)
        ports = [server.port, int(os.environ["PUSHER_PORT"])]
        client = client_with(dialer=lambda host, port, timeout: socket.create_connection((host, ports.pop(0)), timeout))
        with self.interrupted(server.wait_for_client):
            client.connect()
        client.connect()
        self.assertIs(client.state, State.CONNECTED)
        client.close()

    def test_f5_ctrl_c_ends_each_wait(self):
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

    def test_f5_ctrl_c_in_a_callback_ends_dispatch(self):
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


class Connecting(unittest.TestCase):
    def test_f5_connect_raises_the_error_of_the_first_attempt_and_makes_no_other(self):
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

    def test_f5_connect_inside_a_callback_is_refused_at_once(self):
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

    def test_f5_connect_while_connected_returns_at_once(self):
        with client_with() as client:
            client.connect()
            self.assertEqual(client.statistics()["connections"], 1)
        with self.assertRaises(pusher_channels.ClosedError):
            client.connect()

    def test_f5_a_failed_connect_keeps_nothing_in_memory(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.addCleanup(gc.enable)
        gc.disable()
        client = client_with(port=port)
        # Not by assertRaises, which clears the frames of the traceback.
        try:
            client.connect()
        except PusherError:
            pass
        gone = weakref.ref(client)
        del client
        wait_until(lambda: gone() is None)

    def test_f5_a_timeout_error_names_the_whole_time(self):
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


class Importing(unittest.TestCase):
    def fails(self, library, path=EXAMPLES / "python"):
        environment = {**os.environ, "PYTHONPATH": str(path)}
        environment.pop("PUSHER_CHANNELS_LIBRARY", None)
        environment.pop("LD_LIBRARY_PATH", None)
        if library is not None:
            environment["PUSHER_CHANNELS_LIBRARY"] = library
        program = "import sys\ntry:\n import pusher_channels\nexcept ImportError as error: sys.exit(str(error))"
        ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("Set PUSHER_CHANNELS_LIBRARY", ended.stderr)
        self.assertIn("cargo rustc --release --features capi --crate-type cdylib", ended.stderr)
        return ended.stderr

    def test_f5_importing_without_the_library_says_where_it_was_looked_for_and_what_to_do(self):
        message = self.fails(None)
        self.assertIn("PUSHER_CHANNELS_LIBRARY: it is not set", message)
        self.assertIn(str(EXAMPLES / "python/pusher_channels" / _library.FILE_NAME), message)
        self.assertIn("the folders of the system", message)

    def test_f5_importing_with_a_wrong_library_names_it(self):
        self.assertIn("PUSHER_CHANNELS_LIBRARY=/nowhere/library.so: ", self.fails("/nowhere/library.so"))
        # A library without the functions.
        other = ctypes.util.find_library("c") if sys.platform != "win32" else "kernel32"
        self.assertIn("pusher_abi_check", self.fails(other))

    def test_f5_importing_with_a_library_of_another_version_says_so(self):
        with mock.patch.object(_library, "ABI_VERSION", 0x00630000), self.assertRaises(ImportError) as caught:
            _library.load()
        self.assertIn("is not of the version that this binding needs", str(caught.exception))

    def test_f5_importing_with_an_older_library_says_so(self):
        """It lacks functions, and says that it is of another version."""
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder, "older.c"), Path(folder, "older.so")
            source.write_text("int pusher_abi_check(unsigned program) { return program > 0x00010001 ? 15 : 0; }")
            subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
            self.assertIn("is not of the version that this binding needs", self.fails(str(library)))


class Refusing(unittest.TestCase):
    def setUp(self):
        self.registrations = Registrations(self)

    def test_f5_a_value_that_cannot_be_called_is_refused_at_once(self):
        async def coroutine_function(*_):
            pass

        class Callable:
            async def __call__(self, event):
                pass

        client = client_with()
        for value in (None, 7, "callback", object(), coroutine_function, Callable()):
            with self.subTest(value=value):
                for refuse in (
                    lambda: client.bind("news", "published", value),
                    lambda: client.bind("news", None)(value),
                    lambda: client.bind_user(None, value),
                    lambda: client.on(Kind.EVENT, value),
                ):
                    self.assertRaisesRegex(TypeError, "the callback must be", refuse)
                if value is not None:
                    self.assertRaisesRegex(TypeError, "wake must be", lambda: client.receiver(wake=value))
                    for option in _options.CALLBACK_OPTIONS:
                        with self.assertRaisesRegex(TypeError, option):
                            client_with(**{option: value})
        client.close()
        self.assertEqual(self.registrations.begun, [])

    def test_f5_values_of_other_types_are_refused_at_once(self):
        for options in ({"headers": ["x"]}, {"headers": lambda: {}}, {"client_name": "a"}, {"client_identity_pem": 7}):
            with self.subTest(options=options), self.assertRaisesRegex(TypeError, next(iter(options))):
                client_with(**options)
        with self.assertRaises(PusherError) as caught:
            client_with(queue_capacity=2**70)
        self.assertIs(caught.exception.result, Result.ERR_VALUE)

    def test_f5_the_arguments_of_bind_are_in_the_usual_order(self):
        client = client_with()
        with self.assertRaisesRegex(TypeError, re.escape("bind(channel, event, callback)")):
            client.bind("published", print)
        with self.assertRaisesRegex(TypeError, re.escape("bind(channel, event, callback)")):
            client.bind(print, "news", "published")
        with self.assertRaisesRegex(TypeError, re.escape("bind_user(event, callback)")):
            client.bind_user(print, "published")
        with self.assertRaises(TypeError):
            client.bind(print)
        client.close()
        self.assertEqual(self.registrations.begun, [])


class Binding(unittest.TestCase):
    def test_f5_bind_takes_channel_event_and_callback(self):
        found = {name: threading.Event() for name in ("both", "event", "channel", "all", "decorated", "wrong")}
        with client_with(pull=False) as client:
            client.bind("news", "published", lambda event: found["both"].set())
            client.bind(None, "published", lambda event: found["event"].set())
            client.bind("news", None, lambda event: found["channel"].set())
            client.bind(None, None, lambda event: found["all"].set())
            client.bind("news", "other", lambda event: found["wrong"].set())
            client.bind("other", "published", lambda event: found["wrong"].set())

            @client.bind("news", "published")
            def decorated(event):
                found["decorated"].set()

            self.assertEqual(decorated.__name__, "decorated")
            client.subscribe("news")
            for name in ("both", "event", "channel", "all", "decorated"):
                self.assertTrue(found[name].wait(PATIENCE), name)
            self.assertFalse(found["wrong"].is_set())

    def test_f5_a_binding_ends(self):
        with client_with(manual_dispatch=True) as client:
            calls = []
            binding = client.bind("news", "published", calls.append)
            user = client.bind_user("greeting", calls.append)
            self.assertEqual(repr(binding), "<Binding channel='news' event='published'>")
            self.assertEqual(repr(user), "<Binding user=True event='greeting'>")
            self.assertEqual(repr(client.on(Kind.EVENT, lambda event: None)), "<Binding kind=EVENT>")
            client.subscribe("news")
            wait_until(lambda: client.dispatch() and calls)
            binding.unbind()
            self.assertEqual(repr(binding), "<Binding channel='news' event='published' unbound>")
            count = len(calls)
            next_of(client, Kind.EVENT)
            wait_until(lambda: client.dispatch() > 0)
            self.assertEqual(len(calls), count)
        wait_until(lambda: not callbacks._functions)


class Unbinding(unittest.TestCase):
    """With manual_dispatch, so that nothing runs by itself."""

    def setUp(self):
        self.client = client_with(manual_dispatch=True, secret=os.environ["PUSHER_SECRET"], user_data='{"id": "7"}')
        self.client.connect()
        self.addCleanup(self.client.close)
        self.called = set()

    def bind(self, name, channel, event):
        return self.client.bind(channel, event, lambda event: self.called.add(name))

    def names_called(self, count=3):
        """Who is called for the next events."""
        self.client.dispatch()
        self.called.clear()
        seen = 0

        def see(event):
            nonlocal seen
            seen += 1

        binding = self.client.on(Kind.EVENT, see)
        wait_until(lambda: self.client.dispatch() and seen >= count)
        binding.unbind()
        return set(self.called)

    def test_f5_unbind_ends_the_callbacks_of_an_event(self):
        client = self.client
        self.bind("here", "news", "published")
        self.bind("here too", "news", "published")
        self.bind("all names", "news", None)
        self.bind("everywhere", None, "published")
        client.on(Kind.EVENT, lambda event: self.called.add("on"), channel="news")
        client.on(Kind.EVENT, lambda event: self.called.add("on everywhere"))
        client.subscribe("news")
        everyone = {"here", "here too", "all names", "everywhere", "on", "on everywhere"}
        self.assertEqual(self.names_called(), everyone)
        client.unbind("news", "other")
        client.unbind("other", "published")
        self.assertEqual(self.names_called(), everyone)
        client.unbind("news", "published")
        everyone -= {"here", "here too"}
        self.assertEqual(self.names_called(), everyone)
        client.unbind(None, "published")
        everyone -= {"everywhere"}
        self.assertEqual(self.names_called(), everyone)
        client.unbind_all("other")
        self.assertEqual(self.names_called(), everyone)
        client.unbind_all("news")
        self.assertEqual(self.names_called(), {"on everywhere"})
        client.unbind_all(None)
        self.called.clear()
        next_of(client, Kind.EVENT)
        client.dispatch()
        self.assertEqual(self.called, set())
        wait_until(lambda: not callbacks._functions)

    def test_f5_a_binding_may_be_ended_again(self):
        binding = self.bind("here", "news", "published")
        self.client.unbind("news", "published")
        wait_until(lambda: not callbacks._functions)
        binding.unbind()

    def test_f5_unbind_user_ends_the_callbacks_of_the_user(self):
        client = self.client
        client.sign_in()
        client.wait_signed_in(PATIENCE)
        for name in ("first", "second", None):
            client.bind_user(name, lambda event, name=name: self.called.add(name))

        def names_called():
            self.called.clear()
            for name in ("first", "second"):
                publish("#server-to-user-7", name, "{}")
            for _ in range(2):
                wait_until(lambda: (it := client.next(PATIENCE)) and it.channel == "#server-to-user-7")
            client.dispatch()
            return set(self.called)

        self.assertEqual(names_called(), {"first", "second", None})
        client.unbind_user("first")
        self.assertEqual(names_called(), {"second", None})
        client.unbind_user_all()
        self.assertEqual(names_called(), set())
        wait_until(lambda: not callbacks._functions)

    def test_f5_unbind_takes_names(self):
        client = self.client
        with self.assertRaisesRegex(TypeError, re.escape("unbind_all(channel) ends all callbacks")):
            client.unbind("news", None)
        with self.assertRaisesRegex(TypeError, re.escape("unbind_user_all() ends all callbacks")):
            client.unbind_user(None)
        for call in (lambda: client.unbind(7, "a"), lambda: client.unbind_all(7), lambda: client.unbind_user(7)):
            with self.assertRaisesRegex(TypeError, "takes names as str or None"):
                call()


class Options(unittest.TestCase):
    def test_f5_the_url_that_is_dialled_is_known(self):
        client = Client(key="k", cluster="eu", cluster_domain="example.com", client_name=("me", "1.0"))
        self.assertEqual(client.dial_url, "wss://ws-eu.example.com/app/k?protocol=7&client=me&version=1.0")
        self.assertEqual(Client(url="ws://localhost:7/app/k?token=x").dial_url, "ws://localhost:7/app/k?token=x")
        with self.assertRaises(PusherError) as caught:
            client_with(cluster_domain="example.com")
        self.assertIs(caught.exception.result, Result.ERR_CONFIG)
        self.assertEqual(caught.exception.detail, "cluster_domain")

    def test_f5_the_state_is_unavailable_after_its_timeout(self):
        client = client_with(port=SilentServer(self).port, unavailable_timeout=0.2)
        begun = time.monotonic()
        client.connect_background()
        wait_until(lambda: next_of(client, Kind.CONNECTION_STATE_CHANGE).state is State.UNAVAILABLE)
        self.assertTrue(0.2 <= time.monotonic() - begun < 3)
        client.close()

    def test_f5_events_are_logged_only_if_the_option_says_so(self):
        for log_events in (False, True):
            with self.assertLogs("pusher", logging.DEBUG) as logged:
                pusher_channels.log_to(logging.getLogger("pusher"))
                with client_with(log_events=log_events) as client:
                    client.subscribe("news")
                    next_of(client, Kind.EVENT)
                pusher_channels.log_to(None)
            self.assertEqual(any('{"number":' in line for line in logged.output), log_events)

    def test_f5_times_are_seconds(self):
        for name in _options.SECONDS:
            with mock.patch.object(_library.lib, "pusher_config_set_int") as set_int:
                Client(key="key", cluster="eu", **{name: 1.5})
            self.assertEqual(set_int.call_args.args[1:], (f"{name}_ms", 1500))
        server = SilentServer(self)
        begun = time.monotonic()
        with self.assertRaises(PusherError) as caught:
            client_with(port=server.port, connect_timeout=0.3).connect()
        self.assertIs(caught.exception.result, Result.ERR_CONNECT_TIMEOUT)
        self.assertTrue(0.3 <= time.monotonic() - begun < 3)

    def test_f5_wrong_times_are_refused(self):
        for value in ("5", True, [1]):
            with self.assertRaisesRegex(TypeError, "connect_timeout must be a number of seconds"):
                client_with(connect_timeout=value)
        for value in (float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, "connect_timeout"):
                client_with(connect_timeout=value)
        for value in (0, -1, 1e30):
            with self.assertRaises(PusherError):
                client_with(connect_timeout=value)

    def test_f5_errors_name_options_as_python_does(self):
        with self.assertRaises(PusherError) as caught:
            client_with(connect_timeout=0)
        self.assertEqual(caught.exception.detail, "connect_timeout")
        self.assertIn("connect_timeout: must be between", str(caught.exception))
        server = SilentServer(self)
        with self.assertRaisesRegex(PusherError, r"\(connect_timeout\)"):
            client_with(port=server.port, connect_timeout=0.1).connect()

    def test_f5_milliseconds_are_refused_with_the_right_name(self):
        for name in _options.SECONDS:
            with self.assertRaisesRegex(OptionError, f"'{name}_ms' in Python: '{name}' takes seconds"):
                client_with(**{f"{name}_ms": 1500})

    def test_f5_an_unknown_option_is_refused_with_the_nearest_name(self):
        for wrong, right in {
            "conect_timeout": "connect_timeout",
            "conect_timeout_ms": "connect_timeout",
            "reconect_max_delay": "reconnect_max_delay",
            "header": "headers",
            "auth_header": "auth_headers",
            "autorizer": "authorizer",
            "authenticator": "user_authenticator",
            "client_names": "client_name",
            "queue_capactiy": "queue_capacity",
            "use_tls": "tls",
            "force_tls": "tls",
            "forceTLS": "tls",
            "max_reconnect_delay": "reconnect_max_delay",
            "channel_authorizer": "authorizer",
            "authEndpoint": "auth_endpoint",
        }.items():
            for value in ("x", 7, None, print, {"a": "b"}):
                with self.subTest(wrong=wrong, value=value), self.assertRaises(OptionError) as caught:
                    client_with(**{wrong: value})
                self.assertIn(f"no option '{wrong}'; the nearest one is '{right}'", str(caught.exception))
        # It is an error of the library, and that of an unexpected keyword.
        self.assertIsInstance(caught.exception, PusherError)
        self.assertIsInstance(caught.exception, TypeError)
        self.assertIs(caught.exception.result, Result.ERR_OPTION)
        with self.assertRaises(OptionError) as caught:
            client_with(zzzzzz="blue")
        self.assertEqual(str(caught.exception), "there is no option 'zzzzzz'")

    def test_f5_an_unknown_option_of_a_receiver_is_refused_with_the_nearest_name(self):
        with client_with() as client:
            for wrong, right in {"capcity": "capacity", "chanel": "channel", "overflows": "overflow"}.items():
                with self.assertRaisesRegex(OptionError, f"'{wrong}'; the nearest one is '{right}'"):
                    client.receiver(**{wrong: 7})

    def test_f5_an_option_that_only_the_library_knows_is_set(self):
        options = [name for name in _options.OPTIONS if name not in ("metadata", "queue_capacity", "overflow")]
        with mock.patch.object(_options, "OPTIONS", options):
            client_with(metadata=False, queue_capacity=7, overflow="drop_newest").close()
            with self.assertRaises(PusherError) as caught:
                client_with(overflow="sideways")
            self.assertIs(caught.exception.result, Result.ERR_VALUE)

    def test_f5_the_round_trip_is_in_seconds(self):
        with client_with() as client:
            self.assertIsNone(client.statistics()["ping_round_trip"])
            client.reconnect_now()
            wait_until(lambda: client.statistics()["ping_round_trip"] is not None)
            with mock.patch.object(pusher_channels._client, "get", return_value=250_000):
                self.assertEqual(client.statistics()["ping_round_trip"], 0.25)
            self.assertNotIn("ping_round_trip_us", client.statistics())


class Representations(unittest.TestCase):
    def test_f5_a_client_is_short(self):
        with client_with(secret=os.environ["PUSHER_SECRET"]) as client:
            client.subscribe("news")
            self.assertEqual(repr(client), f"<Client CONNECTED socket_id='{client.socket_id}' channels=1>")
        self.assertEqual(repr(client), "<Client closed>")

    def test_f5_a_receiver_is_short(self):
        client = client_with()
        with client.receiver("news", only=[Kind.EVENT, Kind.CACHE_MISS]) as receiver:
            self.assertEqual(repr(receiver), "<Receiver channel='news' only='EVENT, CACHE_MISS' waiting=0>")
        self.assertEqual(repr(receiver), "<Receiver channel='news' only='EVENT, CACHE_MISS' closed>")
        self.assertEqual(repr(client.receiver()), "<Receiver waiting=0>")
        self.assertEqual(repr(client.events("news", "placed")), "<Events channel='news' event='placed' waiting=0>")
        client.close()

    def test_f5_a_notification_has_the_fields_that_are_set(self):
        event = Notification(Kind.EVENT, channel="news", name="placed", data="{}")
        self.assertEqual(repr(event), "<EVENT channel='news' name='placed' data='{}'>")
        change = Notification(Kind.CONNECTION_STATE_CHANGE, state=State.CONNECTED, previous_state=State.CONNECTING)
        self.assertEqual(repr(change), "<CONNECTION_STATE_CHANGE state=CONNECTED previous_state=CONNECTING>")

    def test_f5_a_notification_is_printed_as_a_line_for_a_person(self):
        with client_with() as client:
            client.subscribe("news")
            self.assertEqual(str(next_of(client, Kind.SUBSCRIPTION_SUCCEEDED)), "news: subscribed")
            event = next_of(client, Kind.EVENT)
            self.assertEqual(str(event), f"news: published ({len(event.data)} bytes)")
            self.assertNotIn("bytes", repr(event))
            # The line does not count.
            self.assertEqual(event, Notification(Kind.EVENT, event.channel, event.name, event.data))
        # One that the program has made has no line.
        self.assertEqual(str(Notification(Kind.EVENT, channel="news")), "<EVENT channel='news'>")

    def test_f5_statistics_are_printed_in_one_line(self):
        with client_with() as client:
            statistics = client.statistics()
        self.assertRegex(str(statistics), "^1 connections of 1 attempts, 0 events, [^\n]* sent$")
        self.assertEqual(repr(statistics), repr(dict(statistics)))
        self.assertIsInstance(statistics, dict)

    def test_f5_long_texts_are_cut(self):
        long = "x" * 100_000
        users = tuple(str(number) for number in range(100_000))
        error = PusherError(Result.ERR_SERVER, long)
        error.channel, error.code = "news", 4301
        notification = Notification(Kind(99), channel="news", data=long, user_info=long, users=users, error=error)
        self.assertLess(len(repr(notification)), 600)
        self.assertIn("xxx'...", repr(notification))
        self.assertIn("('0', '1', '2', ... 100000 in all)", repr(notification))
        self.assertLess(len(repr(Member("7", long))), 100)
        self.assertRegex(repr(error), r"^PusherError\(ERR_SERVER, 'x+'\.\.\., code=4301, channel='news'\)$")

    def test_f5_members_and_errors_are_short(self):
        self.assertEqual(repr(Member("7")), "Member('7')")
        self.assertEqual(repr(Member("7", "{}")), "Member('7', info='{}')")
        with self.assertRaises(PusherError) as caught:
            client_with().subscribe("a b")
        self.assertRegex(repr(caught.exception), r"^PusherError\(ERR_CHANNEL_NAME, ")


class Convenience(unittest.TestCase):
    def test_f5_events_are_those_of_one_name_on_one_channel(self):
        with client_with() as client:
            published, other = client.events("news", "published"), client.events("news", "other")
            everything, elsewhere = client.events(), client.events("private-orders")
            client.subscribe("news")
            numbers = [event.json()["number"] for event, _ in zip(published, range(3))]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3)))
            self.assertEqual(everything.next(timeout=PATIENCE).channel, "news")
            self.assertEqual(elsewhere.next(timeout=0), None)
            # Other events come all the time, and do not make it wait for longer.
            begun = time.monotonic()
            self.assertIsNone(other.next(timeout=0.3))
            self.assertTrue(0.3 <= time.monotonic() - begun < 3)
        self.assertEqual([event.name for event in published if event.name != "published"], [])

    def test_f5_other_events_take_no_place_in_the_queue_of_events(self):
        with client_with() as client:
            one, none = client.events("news", "published"), client.events("news", "other")
            some = client.receiver("news", only=[Kind.EVENT], events=["other", "rare"], capacity=1)
            alone = client.receiver("news", only=Kind.EVENT, events="published")
            client.subscribe("news")
            wait_until(lambda: len(one) >= 3 and len(alone) >= 3)
            publish("news", "rare", "{}")
            self.assertEqual(some.next(timeout=PATIENCE).name, "rare")
            self.assertEqual((len(none), len(some), some.dropped), (0, 0, 0))
            self.assertEqual(repr(some), "<Receiver channel='news' only='EVENT' events=['other', 'rare'] waiting=0>")

    def test_f5_events_tell_how_many_were_dropped(self):
        with client_with(queue_capacity=1) as client, client.events("news") as events:
            client.subscribe("news")
            wait_until(lambda: events.dropped > 0)
            self.assertIs(events.next(timeout=PATIENCE).kind, Kind.EVENT)

    def test_f5_wait_all_subscribed_waits_for_each_channel(self):
        def authorize(channel, socket_id):
            if channel == "private-safe":
                raise PermissionError("it stays shut")
            return {"auth": signature(f"{socket_id}:{channel}")}

        with client_with(authorizer=authorize) as client:
            client.wait_all_subscribed(timeout=0)
            channels = ["news", "private-orders", "other"]
            for channel in channels:
                client.subscribe(channel)
            client.wait_all_subscribed(timeout=PATIENCE)
            self.assertTrue(all(client.is_subscribed(channel) for channel in channels))
            client.subscribe("private-safe")
            client.subscribe("private-tables")
            with self.assertRaises(PusherError) as caught:
                client.wait_all_subscribed(timeout=PATIENCE)
            self.assertEqual(caught.exception.channel, "private-safe")
            self.assertTrue(client.is_subscribed("private-tables"))

    def test_f5_wait_all_subscribed_raises_the_error_of_the_first_channel(self):
        """It waits until the last channel is settled, in several slices."""
        authorizing = threading.Event()

        def authorize(channel, socket_id):
            if channel == "private-late":
                authorizing.wait(PATIENCE)
            raise PermissionError("it stays shut")

        with client_with(authorizer=authorize) as client:
            for channel in ("private-first", "private-late", "private-third"):
                client.subscribe(channel)
            failed = {next_of(client, Kind.SUBSCRIPTION_ERROR).channel for _ in range(2)}
            self.assertEqual(failed, {"private-first", "private-third"})
            begun = time.monotonic()
            threading.Timer(0.35, authorizing.set).start()
            with self.assertRaises(PusherError) as caught:
                client.wait_all_subscribed(timeout=PATIENCE)
            self.assertEqual(caught.exception.channel, "private-first")
            self.assertGreaterEqual(time.monotonic() - begun, 0.3)

    def test_f5_wait_all_subscribed_ends_in_time(self):
        over = threading.Event()
        with client_with(authorizer=lambda channel, socket_id: over.wait(PATIENCE) and {}) as client:
            for number in range(20):
                client.subscribe(f"private-{number}")
            begun = time.monotonic()
            with self.assertRaises(PusherError) as caught:
                client.wait_all_subscribed(timeout=0.3)
            self.assertIs(caught.exception.result, Result.ERR_WAIT_TIMEOUT)
            self.assertTrue(0.3 <= time.monotonic() - begun < 3)
            self.assertRegex(str(caught.exception), r"within 0\.3 s$")
            over.set()


if __name__ == "__main__":
    unittest.main()
