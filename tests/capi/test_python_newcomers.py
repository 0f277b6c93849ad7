"""The Python binding: what it tells those who begin with it, and what it accepts from them."""

import functools
import inspect
import json
import os
import re
import subprocess
import sys
import threading
import unittest
from unittest import mock

from python_support import EXAMPLES, PATIENCE, Registrations, client_with, next_of, signature, wait_until

import pusher_channels
from pusher_channels import Client, ClosedError, Kind, Member, Notification, PusherError, Result, State
from pusher_channels import _errors, _options
from pusher_channels._callbacks import callbacks


def member_of(name):
    """An authorizer of a presence channel, for a member without info."""

    def authorize(channel, socket_id):
        data = json.dumps({"user_id": name})
        return {"auth": signature(f"{socket_id}:{channel}:{data}"), "channel_data": data}

    return authorize


class Names(unittest.TestCase):
    def test_f5_kinds_and_states_are_their_names(self):
        for one in (*Kind, *State):
            name = one.name.lower()
            self.assertEqual((str(one), f"{one}", "%s" % one), (name, name, name))
            self.assertTrue(one == name and name == one and not one != name)
            self.assertFalse(one == one.name or one == "other" or one == None)  # noqa: E711
            self.assertTrue(one == one.value and one is type(one)(name) and one is type(one)(one.value))
        self.assertEqual(f"{Kind.EVENT:>7}|{Kind.EVENT:d}|{State.CONNECTED:02x}", "  event|1|02")
        self.assertEqual((str(Kind(99)), repr(Kind.EVENT)), ("unknown_99", "<Kind.EVENT: 1>"))
        self.assertEqual(str(Result.ERR_TCP), "ERR_TCP")

    def test_f5_the_hash_is_that_of_the_number(self):
        self.assertEqual({Kind.EVENT: "x"}[1], "x")
        self.assertIn(Kind.EVENT, {1})
        self.assertIn("event", [Kind.EVENT])
        self.assertNotIn("event", {Kind.EVENT})

    def test_f5_a_wrong_name_lists_the_right_ones(self):
        client = client_with()
        for call in (lambda: client.on("message", print), lambda: client.receiver(only="message")):
            with self.assertRaisesRegex(ValueError, "no Kind 'message'; it is one of event, .*member_added, .*lagged"):
                call()
        with self.assertRaisesRegex(ValueError, "no State 'CONNECTED'; it is one of disconnected, connecting, "):
            State("CONNECTED")
        client.close()

    def test_f5_kinds_are_given_by_name(self):
        called = threading.Event()
        with client_with() as client, client.receiver(only="event") as one, client.receiver(only=["event"]) as list_:
            binding = client.on("subscription_succeeded", lambda n: called.set())
            self.assertEqual(repr(binding), "<Binding kind=SUBSCRIPTION_SUCCEEDED>")
            client.subscribe("news")
            self.assertTrue(called.wait(PATIENCE))
            self.assertTrue(one.next(PATIENCE).kind == list_.next(PATIENCE).kind == "event")


class Parameters(unittest.TestCase):
    def setUp(self):
        self.registrations = Registrations(self)

    def test_f5_functions_of_other_parameters_are_refused_at_once(self):
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
            "batch_authorizer": "batch_authorizer(questions)",
            "user_authenticator": "user_authenticator(socket_id)",
            "encrypted_data_decoder": "encrypted_data_decoder(data)",
            "dialer": "dialer(host, port, seconds)",
            "auth_headers": "auth_headers()",
            "auth_params": "auth_params()",
        }.items():
            told = f"{option} is called as {usage}, which <lambda>(a, b, c, d) does not take: "
            with self.assertRaisesRegex(TypeError, re.escape(told)):
                client_with(**{option: lambda a, b, c, d: None})
        with self.assertRaisesRegex(TypeError, re.escape("coroutine_function(one) does not take: too many")):
            client_with(authorizer=coroutine_function)
        self.assertEqual(self.registrations.begun, [])

    def test_f5_functions_that_can_be_called_are_accepted(self):
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


class Members(unittest.TestCase):
    def test_f5_members_come_and_leave(self):
        with client_with(authorizer=member_of("py")) as client:
            client.subscribe("presence-bar")
            client.wait_subscribed("presence-bar", PATIENCE)
            with client_with(authorizer=member_of("bob")) as other:
                other.subscribe("presence-bar")
                other.wait_subscribed("presence-bar", PATIENCE)
                # Neither has any info.
                self.assertEqual(next_of(client, Kind.MEMBER_ADDED).member, Member("bob"))
                self.assertEqual(client.members("presence-bar"), [Member("bob"), Member("py")])
                self.assertIsNone(client.me("presence-bar").info)
                self.assertIsNone(client.me("presence-bar").json())
            left = next_of(client, Kind.MEMBER_REMOVED)
            self.assertEqual((left.member, left.user_info), (Member("bob"), None))

    def test_f5_other_notifications_have_no_member(self):
        self.assertIsNone(Notification(Kind.EVENT, user_id="7").member)
        self.assertEqual(Notification(Kind.MEMBER_ADDED, user_id="7", user_info="{}").member, Member("7", "{}"))

    def test_f5_a_text_that_was_triggered_is_not_json(self):
        with client_with(authorizer=member_of("py")) as client, client_with(authorizer=member_of("bob")) as other:
            for one in (client, other):
                one.subscribe("presence-bar")
                one.wait_subscribed("presence-bar", PATIENCE)
            other.trigger("presence-bar", "client-a", "hello")
            other.trigger_text("presence-bar", "client-a", "hello")
            other.trigger("presence-bar", "client-a", {"hello": 1})
            for _ in range(2):
                event = next_of(client, Kind.EVENT)
                self.assertEqual((event.data, event.user_id), ("hello", "bob"))
                with self.assertRaisesRegex(json.JSONDecodeError, "the data 'hello' is not JSON.* Notification.data"):
                    event.json()
            self.assertEqual(next_of(client, Kind.EVENT).json(), {"hello": 1})

    def test_f5_long_data_that_is_not_json_is_cut_in_the_error(self):
        with self.assertRaises(json.JSONDecodeError) as caught:
            Notification(Kind.EVENT, data="x" * 100_000).json()
        self.assertLess(len(str(caught.exception)), 200)
        self.assertIsNone(Notification(Kind.EVENT).json())


class Texts(unittest.TestCase):
    def refused(self, call):
        with self.assertRaises(PusherError) as caught:
            call()
        self.assertNotIn("pusher_", f"{caught.exception} {caught.exception.message}")
        return str(caught.exception)

    def test_f5_errors_name_no_function_of_the_library(self):
        client = client_with()
        for call, told in {
            lambda: client.trigger("news", "client-a", {}): "client event: news is not a private or presence channel",
            lambda: client.trigger("private-a", "client-a", {}): "; Client.connect connects it",
            lambda: client.wait_connected(0): "; Client.connect connects it",
            lambda: client.wait_signed_in(0): "Client.sign_in has not been called",
            lambda: client.dispatch(): "the option manual_dispatch is not set",
            lambda: client_with(port=70_000): "the option port takes an integer from 1 to 65535",
            lambda: client_with(queue_capacity=0): "config: queue_capacity: must be at least 1",
            lambda: Client(): "the server is named by key with cluster",
        }.items():
            self.assertIn(told, self.refused(call))
        client.close()

    def test_f5_names_that_only_begin_so_are_left(self):
        text = "pusher_internal:member_added of pusher_channels, see pusher_connectors"
        self.assertEqual(_errors._with_names_of_python(text), text)

    def test_f5_methods_are_named_that_there_are(self):
        for name in _errors._METHODS:
            self.assertTrue(callable(getattr(Client, name)), name)

    def test_f5_what_is_closed_says_so(self):
        client = client_with()
        receiver = client.receiver()
        receiver.close()
        with self.assertRaisesRegex(ClosedError, "^the receiver is closed$"):
            receiver.next(0)
        client.close()
        for call in (client.connect, client.channels, lambda: client.next(0), lambda: client.state, client.receiver):
            with self.assertRaisesRegex(ClosedError, "^the client is closed$"):
                call()


class Documentation(unittest.TestCase):
    def test_f5_the_client_describes_each_option(self):
        described = re.findall(r"^(\w+)(?:: |\()", inspect.getdoc(Client), flags=re.MULTILINE)
        self.assertEqual(sorted(described), sorted({*_options.OPTIONS}))
        self.assertEqual(sorted(pusher_channels.Options.__annotations__), sorted({*_options.OPTIONS}))
        # A hint leads to an option that there is.
        self.assertLessEqual({*_options.OTHER_NAMES.values()}, {*_options.OPTIONS})

    def test_f5_short_names(self):
        self.assertIs(pusher_channels.Error, PusherError)
        client = client_with()
        self.assertIs(client.is_connected, False)
        with client:
            self.assertIs(client.is_connected, True)
            self.assertEqual(client.stats()["connections"], client.statistics()["connections"])

    def test_f5_the_chat_of_the_guide(self):
        url = f"ws://{os.environ['PUSHER_HOST']}:{os.environ['PUSHER_PORT']}/app/{os.environ['PUSHER_KEY']}"

        def begin(name):
            command = [sys.executable, "-u", str(EXAMPLES / "python/chat_asyncio.py"), url]
            command += [os.environ["PUSHER_SECRET"], name]
            program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.addCleanup(program.stdout.close)
            self.addCleanup(program.wait, PATIENCE)
            self.addCleanup(program.kill)
            impatient = threading.Timer(PATIENCE, program.kill)
            impatient.start()
            self.addCleanup(impatient.cancel)
            return program

        ann = begin("ann")
        self.assertEqual(ann.stdout.readline(), "here: ann\n")
        bob = begin("bob")
        self.assertEqual(bob.stdout.readline(), "here: ann, bob\n")
        self.assertEqual(ann.stdout.readline(), "bob has come\n")
        self.assertEqual(ann.stdout.readline(), "bob: Hello, bob is here.\n")
        bob.kill()
        self.assertEqual(ann.stdout.readline(), "bob has left\n")


if __name__ == "__main__":
    unittest.main()
