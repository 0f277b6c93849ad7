"""The options of clients and receivers."""

import logging
import time
import unittest
from unittest import mock

import pusher_channels
from pusher_channels import Client, Kind, OptionError, PusherError, Result, State, _library, _options
from support import SilentServer, client_with, next_of, wait_until


class Options(unittest.TestCase):
    def test_the_url_that_is_dialled_is_known(self):
        client = Client(key="k", cluster="eu", cluster_domain="example.com", client_name=("me", "1.0"))
        self.assertEqual(client.dial_url, "wss://ws-eu.example.com/app/k?protocol=7&client=me&version=1.0")
        self.assertEqual(Client(url="ws://localhost:7/app/k?token=x").dial_url, "ws://localhost:7/app/k?token=x")
        with self.assertRaises(PusherError) as caught:
            client_with(cluster_domain="example.com")
        self.assertIs(caught.exception.result, Result.ERR_CONFIG)
        self.assertEqual(caught.exception.detail, "cluster_domain")

    def test_the_state_is_unavailable_after_its_timeout(self):
        client = client_with(port=SilentServer(self).port, unavailable_timeout=0.2)
        begun = time.monotonic()
        client.connect_background()
        wait_until(lambda: next_of(client, Kind.CONNECTION_STATE_CHANGE).state is State.UNAVAILABLE)
        self.assertTrue(0.2 <= time.monotonic() - begun < 3)
        client.close()

    def test_events_are_logged_only_if_the_option_says_so(self):
        for log_events in (False, True):
            with self.assertLogs("pusher", logging.DEBUG) as logged:
                pusher_channels.log_to(logging.getLogger("pusher"))
                with client_with(log_events=log_events) as client:
                    client.subscribe("news")
                    next_of(client, Kind.EVENT)
                pusher_channels.log_to(None)
            self.assertEqual(any('{"number":' in line for line in logged.output), log_events)

    def test_times_are_seconds(self):
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

    def test_wrong_times_are_refused(self):
        for value in ("5", True, [1]):
            with self.assertRaisesRegex(TypeError, "connect_timeout must be a number of seconds"):
                client_with(connect_timeout=value)
        for value in (float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, "connect_timeout"):
                client_with(connect_timeout=value)
        for value in (0, -1, 1e30):
            with self.assertRaises(PusherError):
                client_with(connect_timeout=value)

    def test_errors_name_options_as_python_does(self):
        with self.assertRaises(PusherError) as caught:
            client_with(connect_timeout=0)
        self.assertEqual(caught.exception.detail, "connect_timeout")
        self.assertIn("connect_timeout: must be between", str(caught.exception))
        server = SilentServer(self)
        with self.assertRaisesRegex(PusherError, r"\(connect_timeout\)"):
            client_with(port=server.port, connect_timeout=0.1).connect()

    def test_milliseconds_are_refused_with_the_right_name(self):
        for name in _options.SECONDS:
            with self.assertRaisesRegex(OptionError, f"'{name}_ms' in Python: '{name}' takes seconds"):
                client_with(**{f"{name}_ms": 1500})

    def test_an_unknown_option_is_refused_with_the_nearest_name(self):
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
        # The error is both an error of the library and the error for an unexpected keyword.
        self.assertIsInstance(caught.exception, PusherError)
        self.assertIsInstance(caught.exception, TypeError)
        self.assertIs(caught.exception.result, Result.ERR_OPTION)
        with self.assertRaises(OptionError) as caught:
            client_with(zzzzzz="blue")
        self.assertEqual(str(caught.exception), "there is no option 'zzzzzz'")

    def test_an_unknown_option_of_a_receiver_is_refused_with_the_nearest_name(self):
        with client_with() as client:
            for wrong, right in {"capcity": "capacity", "chanel": "channel", "overflows": "overflow"}.items():
                with self.assertRaisesRegex(OptionError, f"'{wrong}'; the nearest one is '{right}'"):
                    client.receiver(**{wrong: 7})

    def test_an_option_that_only_the_library_knows_is_set(self):
        options = [name for name in _options.OPTIONS if name not in ("metadata", "queue_capacity", "overflow")]
        with mock.patch.object(_options, "OPTIONS", options):
            client_with(metadata=False, queue_capacity=7, overflow="drop_newest").close()
            with self.assertRaises(PusherError) as caught:
                client_with(overflow="sideways")
            self.assertIs(caught.exception.result, Result.ERR_VALUE)

    def test_the_round_trip_is_in_seconds(self):
        with client_with() as client:
            self.assertIsNone(client.statistics()["ping_round_trip"])
            client.reconnect_now()
            wait_until(lambda: client.statistics()["ping_round_trip"] is not None)
            with mock.patch.object(pusher_channels._client, "get", return_value=250_000):
                self.assertEqual(client.statistics()["ping_round_trip"], 0.25)
            self.assertNotIn("ping_round_trip_us", client.statistics())


if __name__ == "__main__":
    unittest.main()
