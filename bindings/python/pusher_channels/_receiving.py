"""Queues of notifications: waiting for the next one, in a thread or in an event loop."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from ctypes import byref, c_int32, c_size_t, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, TypeVar

from ._callbacks import checked, on_destroy, on_wake, registered
from ._errors import ClosedError, Kind, PusherError, Result, described, get, names, new
from ._library import lib
from ._options import set_receiver_option
from ._values import Notification
from ._waiting import SLICE, deadline, milliseconds_of, refuse_in_event_loop

if TYPE_CHECKING:
    from ._client import Client

# The time after which an iteration yields to the event loop, in seconds. Without it, a flood would block the loop.
_TURN = 0.002

_Self = TypeVar("_Self", bound="Receiver")


class Queue:
    """The notifications that wait in a client or in a receiver."""

    _handle: c_void_p
    # The names of the functions of the library.
    _take_name: str
    _descriptor_name: str
    _length_name: str
    # The time at which the event loop had its last turn.
    _turned = 0.0

    def next(self, timeout: float | None = None) -> Notification | None:
        """Waits for the next notification. Returns None if none comes in time.

        With a timeout of 0 it returns at once. Raises ClosedError if the client is closed. If an event loop runs in
        this thread, other timeouts than 0 raise RuntimeError, because they would block the loop. `await anext(client)`
        waits there.
        """
        if timeout != 0:
            refuse_in_event_loop("`async for`, `await anext(..)`, or a timeout of 0")
        end = deadline(timeout)
        while True:
            left = end - time.monotonic()
            notification = self._take(max(0.0, min(left, SLICE)))
            if notification is not None and self._wants(notification):
                return notification
            if notification is None and left <= SLICE:
                return None

    def __iter__(self) -> Iterator[Notification]:
        """Yields one notification after another, until the client is closed."""
        while True:
            try:
                notification = self.next()
            except ClosedError:
                return
            if notification is not None:
                yield notification

    def __aiter__(self) -> AsyncIterator[Notification]:
        """Iterates in an event loop of asyncio. The loop must have add_reader, which no loop on Windows has."""
        return self

    async def __anext__(self) -> Notification:
        try:
            while True:
                if time.monotonic() - self._turned > _TURN:
                    await asyncio.sleep(0)
                    self._turned = time.monotonic()
                notification = self._take(0)
                if notification is None:
                    await self._readable()
                    self._turned = time.monotonic()
                elif self._wants(notification):
                    return notification
        except ClosedError:
            raise StopAsyncIteration from None

    async def _readable(self) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        # A copy, because the client closes its own descriptor when it ends, and the loop would wait for ever.
        descriptor = os.dup(self.fileno())
        try:
            # Raises ClosedError if the client was closed before `dup`. The copy may then belong to another file.
            len(self)
            loop.add_reader(descriptor, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(descriptor)
        finally:
            os.close(descriptor)

    def _take(self, timeout: float) -> Notification | None:
        notification = c_void_p()
        result = getattr(lib, self._take_name)(self._handle, milliseconds_of(timeout), byref(notification))
        if result == Result.CLOSED:
            raise ClosedError(Result.CLOSED, "the client is closed")
        if result != Result.OK:
            return None
        try:
            return Notification._of(notification)
        finally:
            lib.pusher_notification_free(notification)

    def _wants(self, notification: Notification) -> bool:
        return True

    def fileno(self) -> int:
        """Returns a descriptor that is readable while notifications wait, for select and event loops. Never read it."""
        descriptor: int = get(getattr(lib, self._descriptor_name), c_int32, self._handle)
        return descriptor

    def __len__(self) -> int:
        """Returns the number of notifications that wait."""
        length: int = get(getattr(lib, self._length_name), c_size_t, self._handle)
        return length

    def __bool__(self) -> bool:
        """True for an empty queue, too."""
        return True


class Receiver(Queue):
    """A queue beside the client's own, which `Client.receiver` makes."""

    _take_name = "pusher_receiver_next"
    _descriptor_name = "pusher_receiver_descriptor"
    _length_name = "pusher_receiver_length"

    def __init__(
        self,
        client: Client,
        only: Kind | str | Sequence[Kind | str],
        wake: Callable[[], object] | None,
        options: Mapping[str, Any],
    ) -> None:
        kinds = [Kind.of(kind) for kind in ([only] if isinstance(only, (Kind, str)) else only)]
        self._what: dict[str, object] = {"channel": options.get("channel"), "only": names(kinds) or None}
        self._what["events"] = options.get("events")
        handle = new(lib.pusher_receiver_options_new)
        try:
            for kind in kinds:
                set_receiver_option(handle, "only", str(kind))
            for name, value in options.items():
                set_receiver_option(handle, name, value)
            if wake is not None:
                with registered(checked("wake", wake, "wake()")) as number:
                    lib.pusher_receiver_options_wake(handle, on_wake, number, on_destroy)
            self._handle = new(lib.pusher_receiver_new, client._handle, handle)
        finally:
            lib.pusher_receiver_options_free(handle)
        self._free = weakref.finalize(self, lib.pusher_receiver_free, self._handle)

    def close(self) -> None:
        """Ends the receiver. Calls of other threads that wait for it return."""
        self._free()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """The number of notifications that were dropped so far, because the queue was full."""
        dropped: int = get(lib.pusher_receiver_dropped, c_uint64, self._handle)
        return dropped

    @property
    def superseded(self) -> int:
        """The number of notifications that newer ones have replaced (overflow="keep_latest")."""
        superseded: int = get(lib.pusher_receiver_superseded, c_uint64, self._handle)
        return superseded

    def __repr__(self) -> str:
        try:
            state = f"waiting={len(self)}"
        except PusherError:
            state = "closed"
        return f"<{type(self).__name__}{described(self._what)} {state}>"


class Events(Receiver):
    """The events of one name, or of all names, of a channel. `Client.events` makes it.

    It can be iterated over, also with `async for`. Other events take no place in its queue.
    """

    def __init__(self, client: Client, channel: str | None, event: str | None) -> None:
        super().__init__(client, [Kind.EVENT], None, {"channel": channel, "events": event})
        self._what = {"channel": channel, "event": event}

    def _wants(self, notification: Notification) -> bool:
        # This skips notifications that the queue was full. The property `dropped` counts the lost events.
        return notification.kind is Kind.EVENT
