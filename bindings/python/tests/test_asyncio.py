"""In an event loop of asyncio, no call blocks the loop."""

import asyncio
import gc
import json
import os
import socket
import sys
import threading
import time
import unittest
import warnings
from contextlib import asynccontextmanager
from unittest import mock

from pusher_channels import ClosedError, Completion, Kind, PusherError, Result, State, _library
from pusher_channels._callbacks import callbacks
from support import PATIENCE, FloodingServer, Registrations, SilentServer, client_with, signature, wait_until

# On an idle machine the gaps are shorter than 20 ms. If the calls in these tests blocked the loop, they would be longer
# than this limit.
LONGEST_GAP = 0.1


class Ticker:
    """Measures the longest time for which the event loop did not run a task that is due in each millisecond."""

    longest = 0.0

    async def run(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


async def until(condition):
    """Does the same as `wait_until` without blocking the loop."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.001)


class Asyncio(unittest.IsolatedAsyncioTestCase):
    @asynccontextmanager
    async def unblocked(self):
        """Fails if the block keeps the loop from running."""
        gc.collect()
        ticker = Ticker()
        task = asyncio.create_task(ticker.run())
        await asyncio.sleep(0)
        yield
        # One more tick of the task, so that the time until now counts.
        await asyncio.sleep(0.01)
        task.cancel()
        if "--gaps" in sys.argv:
            print(f"{self._testMethodName}: {ticker.longest * 1000:.1f} ms", file=sys.stderr)
        self.assertLess(ticker.longest, LONGEST_GAP)

    def no_helper_is_left(self):
        return not [one for one in threading.enumerate() if one.name in ("pusher-call", "pusher-end")]


class Connecting(Asyncio):
    async def test_async_with_connects_and_closes(self):
        async with self.unblocked():
            async with client_with() as client:
                self.assertIs(client.state, State.CONNECTED)
                await client.connect()
                self.assertEqual(client.statistics()["connections"], 1)
            self.assertEqual(repr(client), "<Client closed>")

    async def test_connect_can_be_awaited(self):
        client = client_with()
        async with self.unblocked():
            self.assertIsNone(await client.connect())
            self.assertIs(client.state, State.CONNECTED)
            await client.disconnect()
            self.assertIs(client.state, State.DISCONNECTED)
            await client.connect()
            await client.close()
            await client.close()
        with self.assertRaises(ClosedError):
            await client.connect()

    async def test_connect_to_a_server_that_never_answers_does_not_block_the_loop(self):
        server = SilentServer(self)
        client = client_with(port=server.port, connect_timeout=1)
        async with self.unblocked():
            begun = time.monotonic()
            with self.assertRaises(PusherError) as caught:
                await client.connect()
            self.assertGreaterEqual(time.monotonic() - begun, 1)
            with self.assertRaises(PusherError):
                async with client:
                    self.fail("the block was entered")
        self.assertIs(caught.exception.result, Result.ERR_CONNECT_TIMEOUT)
        self.assertEqual(repr(client), "<Client closed>")

    async def test_connect_raises_the_error_of_the_first_attempt_and_makes_no_other(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        client = client_with(port=port, reconnect_min_delay=0.001, reconnect_max_delay=0.001)
        async with self.unblocked():
            with self.assertRaises(PusherError) as caught:
                await client.connect()
            self.assertIs(caught.exception.result, Result.ERR_TCP)
            self.assertEqual((client.state, client.statistics()["attempts"]), (State.DISCONNECTED, 1))
            await client.close()

    async def test_cancelling_connect_disconnects(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        async with self.unblocked():
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(client.connect(), 0.2)
            await until(lambda: client.state is State.DISCONNECTED)
            self.assertEqual(client.statistics()["attempts"], 1)
        await until(self.no_helper_is_left)
        await client.close()

    async def test_cancelling_a_task_before_its_first_step_disconnects(self):
        server = SilentServer(self)
        client = client_with(port=server.port)
        task = asyncio.create_task(client.connect())
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await until(lambda: client.state is State.DISCONNECTED and self.no_helper_is_left())
        await client.close()

    async def test_connect_begins_without_being_awaited(self):
        client = client_with()
        connecting = client.connect()
        self.assertIsInstance(connecting, Completion)
        await until(lambda: client.state is State.CONNECTED)
        await until(lambda: repr(connecting) == "<Completion done>")
        await client.close()

    async def test_asyncio_accepts_a_completion_as_a_coroutine(self):
        async with client_with() as client:
            for channel in ("news", "other", "third"):
                client.subscribe(channel)
            await asyncio.create_task(client.wait_subscribed("news"))
            await asyncio.gather(client.wait_subscribed("other"), client.wait_subscribed("third"))
            client.subscribe("private-orders")
            failed = await asyncio.gather(client.wait_subscribed("private-orders"), return_exceptions=True)
            self.assertIs(failed[0].result, Result.ERR_NO_AUTHORIZER)
            task = asyncio.create_task(client.disconnect())
            await task

    async def test_calls_inside_a_callback_are_refused_at_once(self):
        results = []

        def callback(event):
            for call in (client.connect, client.wait_connected, client.wait_all_subscribed, client.wait_signed_in):
                try:
                    call()
                    results.append(None)
                except PusherError as error:
                    results.append(error.result)

        async with client_with(manual_dispatch=True) as client:
            # None of these calls would have to wait, so they are refused only because they are inside a callback.
            client.bind("news", "published", callback)
            client.subscribe("news")
            await until(lambda: client.dispatch() and results)
        self.assertEqual(results[:4], [Result.ERR_WOULD_DEADLOCK] * 4)

    async def test_a_connect_that_succeeds_after_it_was_cancelled_disconnects(self):
        client, given_up, connect = client_with(), threading.Event(), _library.lib.pusher_connect
        with mock.patch.object(_library.lib, "pusher_connect", side_effect=lambda *arguments: (
            connect(*arguments), given_up.set()
        )):
            client._connect_unless(given_up)
        self.assertEqual((client.state, client.statistics()["connections"]), (State.DISCONNECTED, 1))
        client._connect_unless(given_up)
        self.assertEqual(client.statistics()["connections"], 1)
        await client.close()


class Ending(Asyncio):
    async def asyncSetUp(self):
        self.dialling, self.over = threading.Event(), threading.Event()
        self.addCleanup(self.over.set)

    def dial(self, host, port, timeout):
        """A dialer that takes long. A client that ends waits 150 ms for its dialer."""
        self.dialling.set()
        self.over.wait(PATIENCE)
        raise OSError("too late")

    async def test_leaving_does_not_block_the_loop_when_closing_takes_long(self):
        client = client_with(dialer=self.dial)
        client.connect_background()
        await until(self.dialling.is_set)
        async with self.unblocked():
            async with client:
                begun = time.monotonic()
            self.assertGreater(time.monotonic() - begun, LONGEST_GAP, "closing takes long")
        self.assertEqual(repr(client), "<Client closed>")

    async def test_disconnect_does_not_block_the_loop_when_it_takes_long(self):
        async with self.unblocked():
            client = client_with(dialer=self.dial)
            client.connect_background()
            await until(self.dialling.is_set)
            begun = time.monotonic()
            await client.disconnect()
            self.assertGreater(time.monotonic() - begun, LONGEST_GAP, "disconnecting takes long")
            await client.close()

    async def test_closing_ends_iterators_and_waits(self):
        async with self.unblocked():
            client = client_with()
            await client.connect()
            kinds = asyncio.create_task(kinds_of(client))
            events = asyncio.create_task(kinds_of(client.events("news", "published")))
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(events), 0.05)
            await client.close()
            self.assertEqual(set(await asyncio.wait_for(kinds, PATIENCE)), {Kind.CONNECTION_STATE_CHANGE})
            self.assertEqual(await asyncio.wait_for(events, PATIENCE), [])


    async def test_closing_ends_an_iterator_that_is_about_to_wait(self):
        readable, written = os.pipe()
        self.addCleanup(os.close, readable)
        self.addCleanup(os.close, written)
        client = client_with()

        def close_meanwhile():
            client._free()
            # This descriptor stands for another file with the number of the closed one. It is never readable.
            return readable

        with mock.patch.object(client, "fileno", side_effect=close_meanwhile):
            self.assertEqual(await asyncio.wait_for(kinds_of(client), PATIENCE), [])


async def kinds_of(notifications):
    return [notification.kind async for notification in notifications]


class Waiting(Asyncio):
    async def test_waits_do_not_block_the_loop(self):
        over = threading.Event()

        def authorize(channel, socket_id):
            over.wait(3 * PATIENCE)
            return {"auth": signature(f"{socket_id}:{channel}")}

        def authenticate(socket_id):
            over.wait(3 * PATIENCE)
            user_data = json.dumps({"id": "7"})
            return {"auth": signature(f"{socket_id}::user::{user_data}"), "user_data": user_data}

        async with self.unblocked():
            client = client_with(authorizer=authorize, user_authenticator=authenticate)
            client.connect_background()
            await client.wait_connected(timeout=PATIENCE)
            client.subscribe("private-orders")
            client.sign_in()
            for wait in (lambda t: client.wait_subscribed("private-orders", t), client.wait_all_subscribed,
                         client.wait_signed_in):
                begun = time.monotonic()
                with self.assertRaises(PusherError) as caught:
                    await wait(0.25)
                self.assertIs(caught.exception.result, Result.ERR_WAIT_TIMEOUT)
                self.assertGreaterEqual(time.monotonic() - begun, 0.25)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(wait(None), 0.1)
            # The cancelled waits have ended, although the permissions have not come.
            await until(self.no_helper_is_left)
            over.set()
            await client.wait_all_subscribed(PATIENCE)
            await client.wait_signed_in()
            await client.wait_subscribed("private-orders")
            self.assertEqual(client.user_id, "7")
            await client.close()

    async def test_calls_that_could_only_block_the_loop_are_refused(self):
        client = client_with()
        for wait in (client.next, lambda: client.next(timeout=1), lambda: list(client)):
            with self.assertRaisesRegex(RuntimeError, "would block the event loop .* use `async for`"):
                wait()
        with self.assertRaisesRegex(RuntimeError, "use `async with`"):
            with client:
                self.fail("the block was entered")
        self.assertIs(client.state, State.DISCONNECTED)
        self.assertIsNone(client.next(timeout=0))
        # Another thread may call them.
        await asyncio.to_thread(client.connect)
        self.assertIs((await asyncio.to_thread(client.next)).kind, Kind.CONNECTION_STATE_CHANGE)
        await asyncio.to_thread(client.close)


class Receiving(Asyncio):
    async def test_events_are_iterated_over(self):
        async with self.unblocked():
            async with client_with() as client:
                events, others = client.events("news", "published"), client.events("news", "other")
                client.subscribe("news")
                numbers = []
                async for event in events:
                    numbers.append(event.json()["number"])
                    if len(numbers) == 3:
                        break
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 3)))
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(others.__anext__(), 0.2)

    async def test_a_wait_that_was_cancelled_loses_nothing(self):
        async with client_with() as client, Closing(client.events("news", "published")) as events:
            client.subscribe("news")
            numbers = []
            while len(numbers) < 20:
                try:
                    event = await asyncio.wait_for(events.__anext__(), 0.005)
                    numbers.append(event.json()["number"])
                except asyncio.TimeoutError:
                    pass
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 20)))

    async def test_a_flood_does_not_block_the_loop(self):
        count = 16_000
        server = FloodingServer(self, count)
        async with self.unblocked():
            async with client_with(port=server.port) as client:
                client.subscribe("news")
                await until(lambda: len(client) >= count)
                never = client.events("news", "never")
                floods = 0
                begun = time.monotonic()
                async for notification in client:
                    floods += notification.kind is Kind.EVENT
                    if floods == count:
                        break
                taken = time.monotonic() - begun
                self.assertIsNone(never.next(timeout=0))
        self.assertGreater(taken, LONGEST_GAP, "the flood takes long")


class Closing:
    """An async context manager for a receiver. The method `close` of receivers does not wait."""

    def __init__(self, thing):
        self._thing = thing

    async def __aenter__(self):
        return self._thing

    async def __aexit__(self, *_):
        self._thing.close()


class Authorising(Asyncio):
    async def asyncSetUp(self):
        self.registrations = Registrations(self)

    async def asyncTearDown(self):
        await until(lambda: len(self.registrations.ended) >= len(self.registrations.begun))
        self.assertEqual(callbacks._functions, {})

    async def test_coroutine_functions_authorise_in_the_loop(self):
        threads, user_data = set(), json.dumps({"id": "7"})

        async def authorize(channel, socket_id):
            await asyncio.sleep(0.01)
            threads.add(threading.get_ident())
            if channel == "private-safe":
                raise PermissionError("it stays shut")
            return {"auth": signature(f"{socket_id}:{channel}")}

        async def authenticate(socket_id):
            await asyncio.sleep(0.01)
            return {"auth": signature(f"{socket_id}::user::{user_data}"), "user_data": user_data}

        async with self.unblocked():
            async with client_with(authorizer=authorize, user_authenticator=authenticate) as client:
                client.sign_in()
                client.subscribe("private-orders")
                client.subscribe("private-safe")
                await client.wait_subscribed("private-orders", PATIENCE)
                with self.assertRaises(PusherError) as caught:
                    await client.wait_subscribed("private-safe", PATIENCE)
                await client.wait_signed_in(PATIENCE)
        self.assertIn("PermissionError: it stays shut", str(caught.exception))
        self.assertEqual(threads, {threading.get_ident()})

    async def test_a_coroutine_function_authorises_a_batch(self):
        async def authorize(requests):
            await asyncio.sleep(0.01)
            return [{"auth": signature(f"{socket_id}:{channel}")} for channel, socket_id in requests]

        async with client_with(batch_authorizer=authorize) as client:
            client.subscribe("private-orders")
            client.subscribe("private-tables")
            await client.wait_all_subscribed(PATIENCE)

    async def test_a_coroutine_that_is_cancelled_refuses(self):
        async def authorize(channel, socket_id):
            asyncio.current_task().cancel()
            await asyncio.sleep(PATIENCE)

        async with client_with(authorizer=authorize) as client:
            client.subscribe("private-orders")
            with self.assertRaises(PusherError) as caught:
                await client.wait_subscribed("private-orders", PATIENCE)
        self.assertIs(caught.exception.result, Result.ERR_AUTH_REFUSED)
        self.assertIn("CancelledError", str(caught.exception))

    async def test_closing_does_not_wait_for_a_coroutine(self):
        asked = asyncio.Event()

        async def authorize(channel, socket_id):
            asked.set()
            await asyncio.sleep(PATIENCE)

        async with self.unblocked():
            async with client_with(authorizer=authorize) as client:
                client.subscribe("private-orders")
                await asked.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_coro().__name__ == "authorize":
                task.cancel()


class OutsideOfALoop(unittest.TestCase):
    def test_a_coroutine_function_needs_a_loop(self):
        async def authorize(channel, socket_id):
            return {}

        with self.assertRaisesRegex(TypeError, "authorizer is a coroutine function: make the client in the event loop"):
            client_with(authorizer=authorize)

    def test_an_authorizer_of_a_closed_loop_refuses(self):
        async def authorize(channel, socket_id):
            return {}

        async def make():
            return client_with(authorizer=authorize)

        with asyncio.run(make()) as client, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            client.subscribe("private-orders")
            with self.assertRaises(PusherError) as caught:
                client.wait_subscribed("private-orders", PATIENCE)
            gc.collect()
        self.assertIn("Event loop is closed", str(caught.exception))
        self.assertEqual([str(warning.message) for warning in warned], [], "no coroutine was left without a loop")

    def test_a_call_without_a_loop_returns_when_it_is_done(self):
        client = client_with()
        for done in (client.connect(), client.wait_connected(), client.disconnect(), client.close()):
            self.assertEqual(repr(done), "<Completion done>")

    def test_a_loop_may_end_while_a_call_goes_on(self):
        server = SilentServer(self)
        client = client_with(port=server.port)

        async def begin():
            client.connect()

        with mock.patch.object(threading, "excepthook") as excepthook:
            asyncio.run(begin())
            client.close()
            wait_until(lambda: not [one for one in threading.enumerate() if one.name == "pusher-call"])
        excepthook.assert_not_called()


if __name__ == "__main__":
    unittest.main(argv=[argument for argument in sys.argv if argument != "--gaps"])
