"""Binding and unbinding callbacks."""

import os
import re
import threading
import unittest

from pusher_channels import Kind
from pusher_channels._callbacks import callbacks
from support import PATIENCE, client_with, next_of, publish, wait_until


class Binding(unittest.TestCase):
    def test_bind_takes_channel_event_and_callback(self):
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

    def test_a_binding_ends(self):
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
    """The clients dispatch manually, so that callbacks run at known moments."""

    def setUp(self):
        self.client = client_with(manual_dispatch=True, secret=os.environ["PUSHER_SECRET"], user_data='{"id": "7"}')
        self.client.connect()
        self.addCleanup(self.client.close)
        self.called = set()

    def bind(self, name, channel, event):
        return self.client.bind(channel, event, lambda event: self.called.add(name))

    def names_called(self, count=3):
        """Returns the names of the callbacks that run for the next events."""
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

    def test_unbind_ends_the_callbacks_of_an_event(self):
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

    def test_a_binding_may_be_ended_again(self):
        binding = self.bind("here", "news", "published")
        self.client.unbind("news", "published")
        wait_until(lambda: not callbacks._functions)
        binding.unbind()

    def test_unbind_user_ends_the_callbacks_of_the_user(self):
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

    def test_unbind_takes_names(self):
        client = self.client
        with self.assertRaisesRegex(TypeError, re.escape("unbind_all(channel) ends all callbacks")):
            client.unbind("news", None)
        with self.assertRaisesRegex(TypeError, re.escape("unbind_user_all() ends all callbacks")):
            client.unbind_user(None)
        for call in (lambda: client.unbind(7, "a"), lambda: client.unbind_all(7), lambda: client.unbind_user(7)):
            with self.assertRaisesRegex(TypeError, "takes names as str or None"):
                call()


if __name__ == "__main__":
    unittest.main()
