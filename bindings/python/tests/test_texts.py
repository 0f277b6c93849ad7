"""The texts of values and errors."""

import os
import threading
import unittest

from pusher_channels import Client, ClosedError, Kind, Member, Notification, PusherError, Result, State, _errors
from support import PATIENCE, client_with, next_of


class Names(unittest.TestCase):
    def test_kinds_and_states_are_their_names(self):
        for one in (*Kind, *State):
            name = one.name.lower()
            self.assertEqual((str(one), f"{one}", "%s" % one), (name, name, name))
            self.assertTrue(one == name and name == one and not one != name)
            self.assertFalse(one == one.name or one == "other" or one == None)  # noqa: E711
            self.assertTrue(one == one.value and one is type(one)(name) and one is type(one)(one.value))
        self.assertEqual(f"{Kind.EVENT:>7}|{Kind.EVENT:d}|{State.CONNECTED:02x}", "  event|1|02")
        self.assertEqual((str(Kind(99)), repr(Kind.EVENT)), ("unknown_99", "<Kind.EVENT: 1>"))
        self.assertEqual(str(Result.ERR_TCP), "ERR_TCP")

    def test_the_hash_is_the_hash_of_the_number(self):
        self.assertEqual({Kind.EVENT: "x"}[1], "x")
        self.assertIn(Kind.EVENT, {1})
        self.assertIn("event", [Kind.EVENT])
        self.assertNotIn("event", {Kind.EVENT})

    def test_a_wrong_name_lists_the_right_ones(self):
        client = client_with()
        for call in (lambda: client.on("message", print), lambda: client.receiver(only="message")):
            with self.assertRaisesRegex(ValueError, "no Kind 'message'; it is one of event, .*member_added, .*lagged"):
                call()
        with self.assertRaisesRegex(ValueError, "no State 'CONNECTED'; it is one of disconnected, connecting, "):
            State("CONNECTED")
        client.close()

    def test_kinds_are_given_by_name(self):
        called = threading.Event()
        with client_with() as client, client.receiver(only="event") as one, client.receiver(only=["event"]) as list_:
            binding = client.on("subscription_succeeded", lambda n: called.set())
            self.assertEqual(repr(binding), "<Binding kind=SUBSCRIPTION_SUCCEEDED>")
            client.subscribe("news")
            self.assertTrue(called.wait(PATIENCE))
            self.assertTrue(one.next(PATIENCE).kind == list_.next(PATIENCE).kind == "event")


class Representations(unittest.TestCase):
    def test_a_client_is_short(self):
        with client_with(secret=os.environ["PUSHER_SECRET"]) as client:
            client.subscribe("news")
            self.assertEqual(repr(client), f"<Client CONNECTED socket_id='{client.socket_id}' channels=1>")
        self.assertEqual(repr(client), "<Client closed>")

    def test_a_receiver_is_short(self):
        client = client_with()
        with client.receiver("news", only=[Kind.EVENT, Kind.CACHE_MISS]) as receiver:
            self.assertEqual(repr(receiver), "<Receiver channel='news' only='EVENT, CACHE_MISS' waiting=0>")
        self.assertEqual(repr(receiver), "<Receiver channel='news' only='EVENT, CACHE_MISS' closed>")
        self.assertEqual(repr(client.receiver()), "<Receiver waiting=0>")
        self.assertEqual(repr(client.events("news", "placed")), "<Events channel='news' event='placed' waiting=0>")
        client.close()

    def test_a_notification_has_the_fields_that_are_set(self):
        event = Notification(Kind.EVENT, channel="news", name="placed", data="{}")
        self.assertEqual(repr(event), "<EVENT channel='news' name='placed' data='{}'>")
        change = Notification(Kind.CONNECTION_STATE_CHANGE, state=State.CONNECTED, previous_state=State.CONNECTING)
        self.assertEqual(repr(change), "<CONNECTION_STATE_CHANGE state=CONNECTED previous_state=CONNECTING>")

    def test_a_notification_is_printed_as_a_line_for_a_person(self):
        with client_with() as client:
            client.subscribe("news")
            self.assertEqual(str(next_of(client, Kind.SUBSCRIPTION_SUCCEEDED)), "news: subscribed")
            event = next_of(client, Kind.EVENT)
            self.assertEqual(str(event), f"news: published ({len(event.data)} bytes)")
            self.assertNotIn("bytes", repr(event))
            # The line is no part of the comparison.
            self.assertEqual(event, Notification(Kind.EVENT, event.channel, event.name, event.data))
        # A notification of the program has no line.
        self.assertEqual(str(Notification(Kind.EVENT, channel="news")), "<EVENT channel='news'>")

    def test_statistics_are_printed_in_one_line(self):
        with client_with() as client:
            statistics = client.statistics()
        self.assertRegex(str(statistics), "^1 connections of 1 attempts, 0 events, [^\n]* sent$")
        self.assertEqual(repr(statistics), repr(dict(statistics)))
        self.assertIsInstance(statistics, dict)

    def test_long_texts_are_cut(self):
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

    def test_members_and_errors_are_short(self):
        self.assertEqual(repr(Member("7")), "Member('7')")
        self.assertEqual(repr(Member("7", "{}")), "Member('7', info='{}')")
        with self.assertRaises(PusherError) as caught:
            client_with().subscribe("a b")
        self.assertRegex(repr(caught.exception), r"^PusherError\(ERR_CHANNEL_NAME, ")


class Texts(unittest.TestCase):
    def refused(self, call):
        with self.assertRaises(PusherError) as caught:
            call()
        self.assertNotIn("pusher_", f"{caught.exception} {caught.exception.message}")
        return str(caught.exception)

    def test_errors_name_no_function_of_the_library(self):
        client = client_with()
        for call, reason in {
            lambda: client.trigger("news", "client-a", {}): "client event: news is not a private or presence channel",
            lambda: client.trigger("private-a", "client-a", {}): "; Client.connect connects it",
            lambda: client.wait_connected(0): "; Client.connect connects it",
            lambda: client.wait_signed_in(0): "call Client.sign_in first",
            lambda: client.dispatch(): "the option manual_dispatch is not set",
            lambda: client_with(port=70_000): "the option `port` takes an integer from 1 to 65535",
            lambda: client_with(queue_capacity=0): "config: queue_capacity: must be at least 1",
            lambda: Client(): "the server is named by key with cluster",
        }.items():
            self.assertIn(reason, self.refused(call))
        client.close()

    def test_longer_names_stay_as_they_are(self):
        text = "pusher_internal:member_added of pusher_channels, see pusher_connectors"
        self.assertEqual(_errors._with_names_of_python(text), text)

    def test_errors_name_only_methods_that_exist(self):
        for name in _errors._METHODS:
            self.assertTrue(callable(getattr(Client, name)), name)

    def test_the_error_says_whether_the_client_or_the_receiver_is_closed(self):
        client = client_with()
        receiver = client.receiver()
        receiver.close()
        with self.assertRaisesRegex(ClosedError, "^the receiver is closed$"):
            receiver.next(0)
        client.close()
        for call in (client.connect, client.channels, lambda: client.next(0), lambda: client.state, client.receiver):
            with self.assertRaisesRegex(ClosedError, "^the client is closed$"):
                call()


if __name__ == "__main__":
    unittest.main()
