"""A call refuses arguments of wrong types at once."""

import functools
import re
import threading
import unittest
from unittest import mock

from pusher_channels import Kind, PusherError, Result, _options
from pusher_channels._callbacks import callbacks
from support import Registrations, client_with, wait_until


class Refusing(unittest.TestCase):
    def setUp(self):
        self.registrations = Registrations(self)

    def test_a_value_that_cannot_be_called_is_refused_at_once(self):
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

    def test_values_of_other_types_are_refused_at_once(self):
        for options in ({"headers": ["x"]}, {"headers": lambda: {}}, {"client_name": "a"}, {"client_identity_pem": 7}):
            with self.subTest(options=options), self.assertRaisesRegex(TypeError, next(iter(options))):
                client_with(**options)
        with self.assertRaises(PusherError) as caught:
            client_with(queue_capacity=2**70)
        self.assertIs(caught.exception.result, Result.ERR_VALUE)

    def test_bind_refuses_arguments_in_another_order(self):
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


class Parameters(unittest.TestCase):
    def setUp(self):
        self.registrations = Registrations(self)

    def test_functions_with_other_parameters_are_refused_at_once(self):
        client = client_with()
        for function in (lambda: None, lambda a, b: None, lambda *, n: None, threading.Event().set):
            usage = re.escape("the callback is called as callback(notification), which ")
            for call in (
                lambda: client.bind("news", "published", function),
                lambda: client.bind("news", "published")(function),
                lambda: client.bind_user("published", function),
                lambda: client.on("event", function),
            ):
                self.assertRaisesRegex(TypeError, usage, call)
        with self.assertRaisesRegex(TypeError, re.escape("wake is called as wake(), which <lambda>(n) does not take")):
            client.receiver(wake=lambda n: None)
        client.close()

        async def coroutine_function(one):
            pass

        for option, usage in {
            "authorizer": "authorizer(channel, socket_id)",
            "batch_authorizer": "batch_authorizer(requests)",
            "user_authenticator": "user_authenticator(socket_id)",
            "encrypted_data_decoder": "encrypted_data_decoder(data)",
            "dialer": "dialer(host, port, seconds)",
            "auth_headers": "auth_headers()",
            "auth_params": "auth_params()",
        }.items():
            reason = f"{option} is called as {usage}, which <lambda>(a, b, c, d) does not take: "
            with self.assertRaisesRegex(TypeError, re.escape(reason)):
                client_with(**{option: lambda a, b, c, d: None})
        with self.assertRaisesRegex(TypeError, re.escape("coroutine_function(one) does not take: too many")):
            client_with(authorizer=coroutine_function)
        self.assertEqual(self.registrations.begun, [])

    def test_functions_that_can_be_called_are_accepted(self):
        def wrapped(one, two):
            pass

        @functools.wraps(wrapped)
        def wrapper(notification):
            pass

        class Unknown:
            __signature__ = "unknown"

            def __call__(self, notification):
                pass

        accepted = [print, [].append, wrapper, Unknown(), functools.partial(wrapped, 1), lambda n, *, more=1: None]
        accepted += [lambda *all: None, mock.Mock(), dict, int]
        with client_with() as client:
            for function in accepted:
                client.bind("nothing", "published", function)
            self.assertEqual(len(self.registrations.begun), len(accepted))
        wait_until(lambda: not callbacks._functions)


if __name__ == "__main__":
    unittest.main()
