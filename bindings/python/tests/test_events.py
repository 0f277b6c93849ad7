"""Iterating over events, and waiting for all subscriptions."""

import threading
import time
import unittest

from pusher_channels import Kind, PusherError, Result
from support import PATIENCE, client_with, next_of, publish, signature, wait_until


class Convenience(unittest.TestCase):
    def test_events_are_those_of_one_name_on_one_channel(self):
        with client_with() as client:
            published, other = client.events("news", "published"), client.events("news", "other")
            everything, elsewhere = client.events(), client.events("private-orders")
            client.subscribe("news")
            numbers = [event.json()["number"] for event, _ in zip(published, range(3))]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3)))
            self.assertEqual(everything.next(timeout=PATIENCE).channel, "news")
            self.assertEqual(elsewhere.next(timeout=0), None)
            # Other events come all the time, but do not extend the wait.
            begun = time.monotonic()
            self.assertIsNone(other.next(timeout=0.3))
            self.assertTrue(0.3 <= time.monotonic() - begun < 3)
        self.assertEqual([event.name for event in published if event.name != "published"], [])

    def test_other_events_take_no_place_in_the_queue_of_events(self):
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

    def test_events_count_how_many_were_dropped(self):
        with client_with(queue_capacity=1) as client, client.events("news") as events:
            client.subscribe("news")
            wait_until(lambda: events.dropped > 0)
            self.assertIs(events.next(timeout=PATIENCE).kind, Kind.EVENT)

    def test_wait_all_subscribed_waits_for_each_channel(self):
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

    def test_wait_all_subscribed_raises_the_error_of_the_first_channel(self):
        """The wait takes several slices, because the last channel fails late."""
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

    def test_wait_all_subscribed_ends_in_time(self):
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
