"""Calls that wait: in slices, so that Ctrl-C ends them, and without blocking an event loop of asyncio."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

from ._errors import PusherError, Result

# The longest wait inside one call of the library, in seconds. Python handles Ctrl-C only between two such calls.
SLICE = 0.1

# The time after which an abandoned call is ended once more, in seconds.
_AGAIN = 0.05


class Completion(Coroutine[Any, Any, None]):
    """The end of a call that waits.

    Outside of an event loop the call has ended when it returns this object, which the caller can ignore. In an event
    loop of asyncio the call has begun, and goes on without blocking the loop: `await` waits for its end. `asyncio`
    accepts the object as a coroutine. Cancelling it ends the call.
    """

    def __init__(self, future: asyncio.Future[None] | None = None) -> None:
        self._future = future
        self._steps: Generator[Any, None, None] | None = None

    def __await__(self) -> Generator[Any, None, None]:
        return (yield from self._future) if self._future is not None else None

    def send(self, value: Any) -> Any:
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        if self._steps is None and self._future is not None:
            # The task was cancelled before its first step, when it did not await the future yet.
            self._future.cancel()
        return self._begun().throw(*error)

    def close(self) -> None:
        self._begun().close()

    def _begun(self) -> Generator[Any, None, None]:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps

    def __repr__(self) -> str:
        return f"<Completion {'done' if self._future is None or self._future.done() else 'pending'}>"


class Operation:
    """A call that blocks, on a thread of its own."""

    def __init__(self, run: Callable[[threading.Event], None], end: Callable[[], None] = lambda: None) -> None:
        """`run` gets an event that is set when the caller stops waiting. `end` then makes `run` return."""
        self._run, self._end = run, end
        self._given_up, self._ended = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._report: Callable[[], None] = lambda: None
        # A daemon thread, because at exit Python waits for all other threads before it closes the clients.
        self._thread = threading.Thread(target=self._work, name="pusher-call", daemon=True)

    def wait(self) -> Completion:
        """Waits in slices. Ctrl-C abandons the call."""
        try:
            self._thread.start()
            while not self._ended.wait(SLICE):
                pass
        except BaseException:
            self._give_up()
            self._ended.wait(_AGAIN)
            raise
        error = self._taken_error()
        if error is not None:
            try:
                raise error
            finally:
                del error
        return Completion()

    def completion(self, loop: asyncio.AbstractEventLoop) -> Completion:
        """Reports the end of the call to an event loop. Cancelling abandons the call."""
        future: asyncio.Future[None] = loop.create_future()

        def report() -> None:
            error = self._taken_error()
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        def report_from_thread() -> None:
            try:
                loop.call_soon_threadsafe(report)
            except RuntimeError:
                # The loop is closed, so the caller has stopped waiting.
                pass

        future.add_done_callback(lambda done: self._give_up() if done.cancelled() else None)
        self._report = report_from_thread
        self._thread.start()
        return Completion(future)

    def _work(self) -> None:
        try:
            self._run(self._given_up)
        except BaseException as error:
            self._error = error
        self._ended.set()
        self._report()

    def _taken_error(self) -> BaseException | None:
        """Returns the error and forgets it, because the error and this operation refer to each other."""
        error, self._error = self._error, None
        return error

    def _give_up(self) -> None:
        self._given_up.set()
        threading.Thread(target=self._end_it, name="pusher-end", daemon=True).start()

    def _end_it(self) -> None:
        """Ends the call repeatedly, because the call may begin only after it was ended for the first time."""
        while self._thread.is_alive():
            try:
                self._end()
            except PusherError:
                # The client is closed, and that ends the call.
                return
            self._thread.join(_AGAIN)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the event loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def refuse_in_event_loop(instead: str) -> None:
    if running_loop() is not None:
        raise RuntimeError(f"waiting here would block the event loop that runs in this thread: use {instead}")


def call_in_background(function: Callable[[], None]) -> Completion:
    """Makes a call that takes a while and cannot fail. In an event loop it runs on another thread."""
    loop = running_loop()
    if loop is not None:
        return Operation(lambda _: function()).completion(loop)
    function()
    return Completion()


def wait(timeout: float | None, function: Callable[[int], Any]) -> Completion:
    """Waits by a function that takes a number of milliseconds, and fails with ERR_WAIT_TIMEOUT after that time."""
    loop = running_loop()
    if loop is None:
        wait_in_slices(timeout, function)
        return Completion()
    try:
        function(0)
        return Completion()
    except PusherError as error:
        # A callback cannot await, so this error is raised at once. `await` raises all other errors.
        if error.result is Result.ERR_WOULD_DEADLOCK:
            raise
    return Operation(lambda given_up: wait_in_slices(timeout, function, given_up)).completion(loop)


def wait_in_slices(
    timeout: float | None, function: Callable[[int], Any], given_up: threading.Event | None = None
) -> None:
    last: PusherError | None = None
    for milliseconds in slices(timeout):
        if given_up is not None and given_up.is_set():
            return
        try:
            function(milliseconds)
            return
        except PusherError as error:
            if error.result is not Result.ERR_WAIT_TIMEOUT:
                raise
            last = error
    if last is not None:
        # The text of the library names the time of the last slice.
        last.args = (f"{str(last).rpartition(' within ')[0] or last} within {timeout:g} s",)
        raise last


def slices(timeout: float | None) -> Iterator[int]:
    """Yields numbers of milliseconds to wait for, until the time is over. The first one may be 0."""
    end = deadline(timeout)
    while True:
        left = end - time.monotonic()
        yield milliseconds_of(max(0.0, min(left, SLICE)))
        if left <= SLICE:
            return


def deadline(timeout: float | None) -> float:
    """Returns the moment at which the time is over, by `time.monotonic`."""
    if timeout is None:
        return math.inf
    if math.isnan(timeout):
        raise ValueError("a timeout is a number of seconds, not NaN")
    return time.monotonic() + timeout


def milliseconds_of(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def seconds_of(milliseconds: int) -> float:
    return milliseconds / 1000
