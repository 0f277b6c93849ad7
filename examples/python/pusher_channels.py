"""Pusher Channels for Python: a binding of the C library `pusher_channels` by ctypes, in this one file.

    from pusher_channels import Client, Kind

    with Client(key="app-key", cluster="eu") as client:
        client.subscribe("news")
        for notification in client:
            if notification.kind is Kind.EVENT:
                print(notification.channel, notification.name, notification.json())

Put this file beside the shared library, or name the library in PUSHER_CHANNELS_LIBRARY. Python 3.9 or later suffices.

There are three ways of receiving. By waiting: `for notification in client`, or `client.next(timeout)`. In an event
loop: `async for notification in client`, or `client.fileno()` in a selector of your own. Neither has Python code called
by another thread. By callbacks, `client.bind` and `client.on`: they run on a thread of the client's, or inside
`client.dispatch` with the option manual_dispatch=True; pull=False turns off the queue for the other ways.

Times are in seconds, and None is for ever. Every method may be called from every thread.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import json
import logging
import math
import os
import queue
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import CDLL, CFUNCTYPE, POINTER, ArgumentError, byref, c_char_p, c_int32, c_int64, c_size_t, c_ssize_t
from ctypes import c_uint16, c_uint32, c_uint64, c_void_p, string_at
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

__all__ = ["Binding", "Client", "ClosedError", "Kind", "Member", "Notification", "PusherError", "Receiver", "Result"]
__all__ += ["State", "abi_version", "log_to", "version"]

ABI_VERSION = 0x00010001

# Python notices Ctrl-C only between two calls of C functions, so that none of them may wait for longer.
_SLICE = 0.1


class _Queue:
    """What waits for somebody to take it: of a client, or of a receiver."""

    _handle: c_void_p
    # The names of the functions.
    _take: str
    _descriptor: str
    _length: str

    def next(self, timeout: float | None = None) -> Notification | None:
        """Waits for the next notification; None when none came in time. Raises ClosedError when the client is."""
        take, notification = getattr(_lib, self._take), c_void_p()
        for milliseconds in _slices(timeout):
            result = take(self._handle, milliseconds, byref(notification))
            if result == Result.OK:
                try:
                    return Notification._of(notification)
                finally:
                    _lib.pusher_notification_free(notification)
            if result == Result.CLOSED:
                raise ClosedError(Result.CLOSED, "the client is closed")
        return None

    def __iter__(self) -> Iterator[Notification]:
        """Waits for one notification after another, until the client is closed."""
        while True:
            try:
                notification = self.next()
            except ClosedError:
                return
            if notification is not None:
                yield notification

    async def __aiter__(self) -> AsyncIterator[Notification]:
        """The same in an event loop of asyncio that has add_reader, which on Windows none has."""
        # A copy, because the client closes its own when it ends, and a loop does not notice that.
        loop, readable, descriptor = asyncio.get_running_loop(), asyncio.Event(), os.dup(self.fileno())
        loop.add_reader(descriptor, readable.set)
        try:
            while True:
                notification = self.next(timeout=0)
                if notification is not None:
                    yield notification
                    continue
                readable.clear()
                await readable.wait()
        except ClosedError:
            return
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def fileno(self) -> int:
        """A descriptor that is readable while something waits, for select and event loops. Nobody reads from it."""
        return _get(getattr(_lib, self._descriptor), c_int32, self._handle)

    def __len__(self) -> int:
        """How many notifications wait."""
        return _get(getattr(_lib, self._length), c_size_t, self._handle)

    # An empty queue is a queue.
    def __bool__(self) -> bool:
        return True


class Client(_Queue):
    """A client. Used as a context manager it is connected on entering, and closed on leaving.

    Options have the names that `pusher_config_set` in pusher_channels.h lists: key, cluster, host, port, tls,
    auth_endpoint, reconnect_max_delay_ms, ... Those that can be given several times take a list. Beside them:

    headers          a mapping, of the request that opens the connection
    auth_headers     a mapping, or a function that returns one before each request to the auth endpoints
    auth_params      likewise
    client_name      how the client calls itself: a name and a version
    client_identity_pem  a certificate of the client and its private key, both as PEM text

    Functions, which run on threads of the client's. What they raise is a refusal.

    authorizer       of a channel and a socket id. It returns what a backend would answer, which is a mapping with
                     "auth", and perhaps "channel_data" and "shared_secret". The exception may have a `status`, of HTTP.
    batch_authorizer of a list of such pairs. It returns a list of such mappings, or exceptions, in the same order.
    user_authenticator  of a socket id. It returns a mapping with "auth" and "user_data".
    encrypted_data_decoder  of the decrypted bytes of an encrypted channel, in place of UTF-8. It returns a str.
    dialer           of a host, a port and seconds. It returns a connected stream socket, which is the client's then.
    """

    _take = "pusher_next"
    _descriptor = "pusher_descriptor"
    _length = "pusher_length"

    def __init__(self, **options: Any) -> None:
        config = _new(_lib.pusher_config_new)
        try:
            for name, value in options.items():
                _configure(config, name, value)
            self._handle = _new(_lib.pusher_client_new, config)
        finally:
            _lib.pusher_config_free(config)
        self._free = weakref.finalize(self, _lib.pusher_client_free, self._handle)
        _clients.add(self)

    def close(self) -> None:
        """Disconnects and ends the client. Threads that wait for it go on."""
        self._free()

    def __enter__(self) -> Client:
        """Connects, unless that was begun before."""
        try:
            if self.state is State.DISCONNECTED:
                self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def connect(self) -> None:
        """Connects, or raises what the first attempt ended with. Ctrl-C has to wait until then."""
        _lib.pusher_connect(self._handle)

    def connect_background(self) -> None:
        """Returns at once, and keeps trying, also when the first attempt fails."""
        _lib.pusher_connect_background(self._handle)

    def wait_connected(self, timeout: float | None = None) -> None:
        _wait(timeout, _lib.pusher_wait_connected, self._handle)

    def disconnect(self) -> None:
        _lib.pusher_disconnect(self._handle)

    def reconnect_now(self) -> None:
        """Skips the delay before the next attempt; while connected, looks whether the connection is alive."""
        _lib.pusher_reconnect_now(self._handle)

    @property
    def state(self) -> State:
        return State(_get(_lib.pusher_state, c_int32, self._handle))

    @property
    def socket_id(self) -> str | None:
        """The id of the connection; None while there is none."""
        return _text(_lib.pusher_socket_id, self._handle)

    def set_auth_header(self, name: str, value: str) -> None:
        """From now on, for example for a token that has been renewed."""
        _lib.pusher_set_auth_header(self._handle, name, value)

    def set_auth_param(self, name: str, value: str) -> None:
        _lib.pusher_set_auth_param(self._handle, name, value)

    # Channels

    def subscribe(self, channel: str) -> None:
        """Subscribes, now or as soon as there is a connection, and again on each new one."""
        _lib.pusher_subscribe(self._handle, channel)

    def subscribe_with_auth(
        self, channel: str, auth: str, channel_data: str | None = None, shared_secret: str | None = None
    ) -> None:
        """Subscribes with a signature that is there already, made for `socket_id`. It serves this connection alone."""
        _lib.pusher_subscribe_with_auth(self._handle, channel, auth, channel_data, shared_secret)

    def unsubscribe(self, channel: str) -> None:
        """After it returns, no further event of the channel is delivered."""
        _lib.pusher_unsubscribe(self._handle, channel)

    def unsubscribe_all(self) -> None:
        _lib.pusher_unsubscribe_all(self._handle)

    def is_subscribed(self, channel: str) -> bool:
        """Whether the server has confirmed the subscription, on the connection of this moment."""
        return bool(_get(_lib.pusher_is_subscribed, c_int32, self._handle, channel))

    def wait_subscribed(self, channel: str, timeout: float | None = None) -> None:
        """Waits until the server has confirmed the subscription; raises what ended it otherwise."""
        _wait(timeout, _lib.pusher_wait_subscribed, self._handle, channel)

    def channels(self) -> list[str]:
        """The names of those that are, or shall be, subscribed."""
        return [channel.id for channel in _members(_lib.pusher_channels, self._handle)]

    def members(self, channel: str) -> list[Member]:
        return _members(_lib.pusher_members, self._handle, channel)

    def member(self, channel: str, user_id: str) -> Member | None:
        return next(iter(_members(_lib.pusher_member, self._handle, channel, user_id)), None)

    def me(self, channel: str) -> Member | None:
        return next(iter(_members(_lib.pusher_me, self._handle, channel)), None)

    def subscription_count(self, channel: str) -> int | None:
        """How many connections are subscribed; None while the server has not told."""
        return _get(_lib.pusher_subscription_count, c_uint64, self._handle, channel)

    def trigger(self, channel: str, event: str, data: Any) -> None:
        """Sends an event, whose name begins with "client-", to the other subscribers of a private or presence channel.

        `data` is anything that `json` serialises.
        """
        encoded = json.dumps(data).encode()
        _lib.pusher_trigger(self._handle, channel, event, encoded, len(encoded))

    def trigger_text(self, channel: str, event: str, text: str) -> None:
        """The same with a text as it is."""
        encoded = text.encode()
        _lib.pusher_trigger_text(self._handle, channel, event, encoded, len(encoded))

    # Users

    def sign_in(self) -> None:
        """Signs the user in, now or as soon as there is a connection, and again on each new one."""
        _lib.pusher_sign_in(self._handle)

    def sign_in_with_auth(self, auth: str, user_data: str) -> None:
        """Signs in with a proof that is there already, made for `socket_id`. It serves this connection alone."""
        _lib.pusher_sign_in_with_auth(self._handle, auth, user_data)

    def wait_signed_in(self, timeout: float | None = None) -> None:
        _wait(timeout, _lib.pusher_wait_signed_in, self._handle)

    @property
    def user_id(self) -> str | None:
        """None while nobody is signed in."""
        return _text(_lib.pusher_user_id, self._handle)

    # Receiving

    def receiver(
        self, only: Sequence[Kind] = (), wake: Callable[[], None] | None = None, **options: Any
    ) -> Receiver:
        """A queue beside the client's own: of a `channel`, of some kinds, with a `capacity` or an `overflow` policy.

        `wake` is called once when something has come, and again only after somebody has asked for it: to wake an event
        loop, as `loop.call_soon_threadsafe` does. It runs on a thread of the client's, and must not wait.
        """
        return Receiver(self, only, wake, options)

    def bind(
        self, callback: Callable[[Notification], None], channel: str | None = None, event: str | None = None
    ) -> Binding:
        """Calls back for the events of this name, or of all names, on this channel, or on all."""
        return _register(callback, _lib.pusher_bind, self._handle, channel, event)

    def bind_user(self, callback: Callable[[Notification], None], event: str | None = None) -> Binding:
        """The same for events that are sent to the signed-in user."""
        return _register(callback, _lib.pusher_bind_user, self._handle, event)

    def on(self, kind: Kind, callback: Callable[[Notification], None], channel: str | None = None) -> Binding:
        """Calls back for every notification of a kind, on one channel or on all."""
        return _register(callback, _lib.pusher_on, self._handle, kind, channel)

    def dispatch(self, count: int | None = None, seconds: float | None = None) -> int:
        """With manual_dispatch=True: runs the callbacks for what waits, or for at most so many, or for so long."""
        if seconds is not None:
            return _get(_lib.pusher_dispatch_time, c_size_t, self._handle, _milliseconds(seconds))
        if count is not None:
            return _get(_lib.pusher_dispatch_count, c_size_t, self._handle, count)
        return _get(_lib.pusher_dispatch, c_size_t, self._handle)

    def statistics(self) -> dict[str, Any]:
        """The counters by their names, and last_close_reason. None is what there has not been yet."""
        stats = _new(_lib.pusher_stats_new, self._handle)
        try:
            counters = {name: _get(_lib.pusher_stats_get, c_uint64, stats, name) for name in _COUNTERS}
            return {**counters, "last_close_reason": _text(_lib.pusher_stats_last_close_reason, stats)}
        finally:
            _lib.pusher_stats_free(stats)


class Receiver(_Queue):
    """A queue beside the client's own, which `Client.receiver` makes."""

    _take = "pusher_receiver_next"
    _descriptor = "pusher_receiver_descriptor"
    _length = "pusher_receiver_length"

    def __init__(
        self, client: Client, only: Sequence[Kind], wake: Callable[[], None] | None, options: Mapping[str, Any]
    ) -> None:
        handle = _new(_lib.pusher_receiver_options_new)
        try:
            for kind in only:
                _lib.pusher_receiver_options_set(handle, "only", Kind(kind).name.lower())
            for name, value in options.items():
                _lib.pusher_receiver_options_set(handle, name, str(value))
            if wake is not None:
                with _registered(wake) as number:
                    _lib.pusher_receiver_options_wake(handle, _on_wake, number, _on_destroy)
            self._handle = _new(_lib.pusher_receiver_new, client._handle, handle)
        finally:
            _lib.pusher_receiver_options_free(handle)
        self._free = weakref.finalize(self, _lib.pusher_receiver_free, self._handle)

    def close(self) -> None:
        self._free()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """How many were dropped so far, because the queue was full."""
        return _get(_lib.pusher_receiver_dropped, c_uint64, self._handle)

    @property
    def superseded(self) -> int:
        """How many were replaced by newer ones (overflow="keep_latest")."""
        return _get(_lib.pusher_receiver_superseded, c_uint64, self._handle)


class Binding:
    """A registered callback."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle
        weakref.finalize(self, _lib.pusher_binding_free, handle)

    def unbind(self) -> None:
        """One that is just about to run on another thread may still do so."""
        _lib.pusher_unbind(self._handle)


class _Numbers(IntEnum):
    """Frozen numbers, of which a newer library may have more, and names for them."""

    @classmethod
    def _missing_(cls, value: object) -> _Numbers:
        if not isinstance(value, int):
            raise ValueError(f"{value!r} is not a {cls.__name__}")
        member = int.__new__(cls, value)
        member._name_, member._value_ = _name(cls, value) or f"UNKNOWN_{value}", value
        return member


class State(_Numbers):
    """Of the connection."""

    DISCONNECTED = 0
    CONNECTING = 1
    CONNECTED = 2
    UNAVAILABLE = 3
    RECONNECTING = 4
    DISCONNECTING = 5
    FAILED = 6


class Kind(_Numbers):
    """What a notification tells, and so which of its fields are there."""

    EVENT = 1
    CONNECTION_STATE_CHANGE = 2
    SUBSCRIPTION_SUCCEEDED = 3
    SUBSCRIPTION_ERROR = 4
    SUBSCRIPTION_COUNT = 5
    CACHE_MISS = 6
    MEMBER_ADDED = 7
    MEMBER_REMOVED = 8
    DECRYPTION_FAILURE = 9
    SIGNED_IN = 10
    WATCHLIST = 11
    ERROR = 12
    LAGGED = 13


@dataclass(frozen=True)
class Notification:
    """An event, or something else that happened. What this kind does not have is None."""

    kind: Kind
    channel: str | None = None
    name: str | None = None  # of the event, or of the list: online, offline
    data: str | None = None  # as the publisher sent it: a text, or JSON
    user_id: str | None = None
    user_info: str | None = None  # JSON, what the app says about the member
    users: tuple[str, ...] | None = None
    count: int | None = None
    reason: str | None = None
    state: State | None = None
    previous_state: State | None = None
    attempt: int | None = None  # that is being made, or will be next
    retry_in: float | None = None  # seconds until that attempt
    resubscribed: bool | None = None
    gap: float | None = None  # seconds for which the channel was not subscribed
    error: PusherError | None = None

    def json(self) -> Any:
        """The data of an event, parsed."""
        return json.loads(self.data or "null")

    @classmethod
    def _of(cls, notification: c_void_p) -> Notification:
        """Copies everything, because the library's own does not outlive the call that gave it."""
        kind = Kind(_get(_lib.pusher_notification_kind, c_int32, notification))
        fields = _FIELDS_OF_KIND.get(kind, _FIELDS)
        return cls(kind, **{field: _FIELDS[field](notification) for field in fields})


@dataclass(frozen=True)
class Member:
    """Of a presence channel."""

    id: str
    info: str | None = None  # JSON, what the app says about the member

    def json(self) -> Any:
        """The info, parsed."""
        return json.loads(self.info or "null")


class Result(_Numbers):
    """What a function of the library returned, and what an error is."""

    OK = 0
    NOTHING = 1
    CLOSED = 2

    ERR_NULL = 10
    ERR_UTF8 = 11
    ERR_HANDLE = 12
    ERR_OPTION = 13
    ERR_VALUE = 14
    ERR_ABI = 15
    ERR_PANIC = 16
    ERR_UNSUPPORTED = 17
    ERR_IO = 18
    ERR_LOGGER = 19
    ERR_TOO_MANY = 20
    ERR_NO_QUEUE = 21

    ERR_CONFIG = 100
    ERR_CHANNEL_NAME = 101
    ERR_CONNECT_TIMEOUT = 102
    ERR_DNS = 103
    ERR_TCP = 104
    ERR_PROXY = 105
    ERR_DIALER = 106
    ERR_TLS = 107
    ERR_UPGRADE_STATUS = 108
    ERR_UPGRADE = 109
    ERR_UNEXPECTED_FIRST_MESSAGE = 110
    ERR_CONNECTION_CLOSED = 111
    ERR_CONNECTION_LOST = 112
    ERR_PONG_TIMEOUT = 113
    ERR_WRITE_TIMEOUT = 114
    ERR_MESSAGE_TOO_LARGE = 115
    ERR_BAD_MESSAGE = 116
    ERR_SERVER = 117
    ERR_SUBSCRIPTION_TIMEOUT = 118
    ERR_SUBSCRIPTION_REFUSED = 119
    ERR_AUTH_NETWORK = 120
    ERR_AUTH_TIMEOUT = 121
    ERR_AUTH_REFUSED = 122
    ERR_AUTH_MALFORMED = 123
    ERR_SIGN_IN_REFUSED = 124
    ERR_SIGN_IN_TIMEOUT = 125
    ERR_NOT_SIGNED_IN = 126
    ERR_CLIENT_EVENT_CHANNEL = 127
    ERR_CLIENT_EVENT_NAME = 128
    ERR_CLIENT_EVENT_TOO_LARGE = 129
    ERR_CLIENT_EVENT_RATE = 130
    ERR_CLIENT_EVENT_QUEUE_FULL = 131
    ERR_ENCODE = 132
    ERR_TOO_MANY_MEMBERS = 133
    ERR_NO_AUTHORIZER = 134
    ERR_NOT_SUBSCRIBED = 135
    ERR_WAIT_TIMEOUT = 136
    ERR_DISCONNECTED = 137
    ERR_WOULD_DEADLOCK = 138
    ERR_LAGGED = 139
    ERR_HANDLER_PANICKED = 140
    ERR_DECODE = 141
    ERR_FORKED = 142
    ERR_THREAD = 143
    ERR_NOT_CONNECTED = 144
    ERR_CLIENT_EVENT_REFUSED = 145


class _LogLevel(_Numbers):
    OFF = 0
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


class PusherError(Exception):
    """What went wrong; its text goes from the layer to the cause.

    result        the Result, whose name is `result.name`
    code          the code of the Pusher protocol that the server gave, or None
    status        the HTTP status that the server, the proxy or the auth endpoint gave, or None
    channel       the channel that it is about, or None
    message       the bare words of the server, the auth endpoint or the authorizer, or None
    detail        a word that tells more, which `pusher_error_detail` lists, or None
    is_retryable  whether the same call may succeed when it is made again
    is_auth       whether permission was denied
    is_timeout    whether a deadline ran out
    """

    def __init__(self, result: Result, text: str) -> None:
        super().__init__(text)
        self.result = result
        self.code: int | None = None
        self.status: int | None = None
        self.channel: str | None = None
        self.message: str | None = None
        self.detail: str | None = None
        self.is_retryable = self.is_auth = self.is_timeout = False

    @classmethod
    def _of(cls, error: c_void_p) -> PusherError:
        result = Result(_get(_lib.pusher_error_result, c_int32, error))
        copy = cls(result, _text(_lib.pusher_error_text, error) or result.name)
        copy.code = _get(_lib.pusher_error_code, c_int32, error)
        copy.status = _get(_lib.pusher_error_status, c_int32, error)
        copy.channel = _text(_lib.pusher_error_channel, error)
        copy.message = _text(_lib.pusher_error_message, error)
        detail = c_void_p()
        if _lib.pusher_error_detail(error, byref(detail)) == Result.OK:
            copy.detail = string_at(detail).decode()
        copy.is_retryable = bool(_get(_lib.pusher_error_is_retryable, c_int32, error))
        copy.is_auth = bool(_get(_lib.pusher_error_is_auth, c_int32, error))
        copy.is_timeout = bool(_get(_lib.pusher_error_is_timeout, c_int32, error))
        return copy


class ClosedError(PusherError):
    """The client, or the receiver, is closed. This is final."""


def abi_version() -> int:
    return _lib.pusher_abi_version()


def version() -> str:
    """The version of the library, such as "0.1.0"."""
    return string_at(_lib.pusher_version()).decode()


def log_to(logger: logging.Logger | None) -> None:
    """Gives what the library logs, up to the logger's level, to a logger, one for the process. None ends it."""
    atexit.unregister(log_to)
    if logger is None:
        _lib.pusher_log(_LogLevel.OFF, _LogCallback(), None, _Destructor())
        return
    enabled = [level for level, python in _LOG_LEVELS.items() if logger.isEnabledFor(python)]

    def log(level: int, target: str, message: str) -> None:
        logger.log(_LOG_LEVELS[_LogLevel(level)], "%s: %s", target, message)

    with _registered(log) as number:
        _lib.pusher_log(max(enabled, default=_LogLevel.OFF), _on_log, number, _on_destroy)
    atexit.register(log_to, None)


# ---- Callbacks -------------------------------------------------------------------------------------------------------


class _Callbacks:
    """The Python functions that the library may call, by the numbers that it knows them by as `user_data`.

    What it calls are the functions at the end of this part, which live as long as the process. A Python function lives
    until the library says, by the destructor, that it will never call it again.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)  # 0 would be NULL
        self._functions: dict[int, Callable[..., Any]] = {}
        self._emptied: queue.SimpleQueue[None] | None = None

    def add(self, function: Callable[..., Any]) -> int:
        number = next(self._numbers)
        self._functions[number] = function
        return number

    def __getitem__(self, number: int) -> Callable[..., Any]:
        return self._functions[number]

    # This runs on whatever thread, perhaps inside the garbage collector, so it takes no lock.
    def remove(self, number: int) -> None:
        del self._functions[number]
        if self._emptied is not None and not self._functions:
            self._emptied.put(None)

    def forget(self) -> None:
        """In a forked child the library calls none of them."""
        self._functions.clear()

    def wait_until_empty(self, timeout: float) -> None:
        self._emptied = queue.SimpleQueue()
        if self._functions:
            try:
                self._emptied.get(timeout=timeout)
            except queue.Empty:
                pass


_callbacks = _Callbacks()
_logger = logging.getLogger(__name__)
_logger.addHandler(logging.NullHandler())
_clients: weakref.WeakSet[Client] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_callbacks.forget)


@atexit.register
def _end() -> None:
    """No thread of the library may call Python when Python has ended."""
    for client in list(_clients):
        client.close()
    _callbacks.wait_until_empty(timeout=1)


@contextmanager
def _registered(function: Callable[..., Any]) -> Iterator[int]:
    """The `user_data` for a registration. If that fails the library runs the destructor, unless it was not called."""
    number = _callbacks.add(function)
    try:
        yield number
    except ArgumentError:
        _callbacks.remove(number)
        raise


def _register(callback: Callable[[Notification], None], function: Any, *arguments: Any) -> Binding:
    binding = c_void_p()
    with _registered(callback) as number:
        function(*arguments, _on_notification, number, _on_destroy, byref(binding))
    return Binding(binding)


@contextmanager
def _answering(request: c_void_p) -> Iterator[None]:
    """Refuses what is raised. Freeing the request refuses where there was no answer, and otherwise does nothing."""
    try:
        yield
    except Exception as error:
        message = f"{type(error).__name__}: {error}".replace("\0", " ").encode(errors="replace").decode()
        _lib.pusher_auth_request_refuse(request, message, getattr(error, "status", 0))
    finally:
        _lib.pusher_auth_request_free(request)


def _question(request: c_void_p) -> tuple[str | None, str | None]:
    channel = _text(_lib.pusher_auth_request_channel, request)
    return channel, _text(_lib.pusher_auth_request_socket_id, request)


def _grant(request: c_void_p, grant: Mapping[str, str] | Exception) -> None:
    if isinstance(grant, Exception):
        raise grant
    optional = grant.get("channel_data"), grant.get("shared_secret")
    _lib.pusher_auth_request_grant(request, grant["auth"], *optional)


_Destructor = CFUNCTYPE(None, c_void_p)
_LogCallback = CFUNCTYPE(None, c_void_p, c_int32, c_char_p, c_char_p)
_AuthorizeCallback = CFUNCTYPE(None, c_void_p, c_void_p)
_BatchAuthorizeCallback = CFUNCTYPE(None, c_void_p, POINTER(c_void_p), c_size_t)
_PairsCallback = CFUNCTYPE(None, c_void_p, c_void_p)
_DecodeCallback = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
_DialCallback = CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint16, c_int32, POINTER(c_ssize_t))
_WakeCallback = CFUNCTYPE(None, c_void_p)
_Callback = CFUNCTYPE(None, c_void_p, c_void_p)


@_Destructor
def _on_destroy(number):
    _callbacks.remove(number)


@_Callback
def _on_notification(number, notification):
    _callbacks[number](Notification._of(notification))


@_LogCallback
def _on_log(number, level, target, message):
    _callbacks[number](level, target.decode(), message.decode())


@_AuthorizeCallback
def _on_authorize(number, request):
    with _answering(request):
        _grant(request, _callbacks[number](*_question(request)))


@_BatchAuthorizeCallback
def _on_batch_authorize(number, requests, count):
    # The array is gone when this returns, and each request is answered and freed by itself.
    requests = [c_void_p(requests[index]) for index in range(count)]
    try:
        grants = list(_callbacks[number]([_question(request) for request in requests]))
        if len(grants) != count:
            raise ValueError(f"the batch authorizer returned {len(grants)} answers to {count} questions")
    except Exception as error:
        grants = [error] * count
    for request, grant in zip(requests, grants):
        with _answering(request):
            _grant(request, grant)


@_AuthorizeCallback
def _on_authenticate_user(number, request):
    with _answering(request):
        _, socket_id = _question(request)
        user = _callbacks[number](socket_id)
        _lib.pusher_auth_request_grant_user(request, user["auth"], user["user_data"])


@_PairsCallback
def _on_pairs(number, pairs):
    for name, value in _callbacks[number]().items():
        _lib.pusher_pairs_add(pairs, name, value)


def _resulting(function: Callable[..., None]) -> Callable[..., int]:
    """The result of a callback that has one: 0, or 1 when it raised. What it raised only a log can tell."""

    def call(*arguments: Any) -> int:
        try:
            function(*arguments)
        except Exception:
            _logger.warning("a callback has raised", exc_info=True)
            return 1
        return 0

    return call


@_DecodeCallback
@_resulting
def _on_decode(number, data, length, text):
    decoded = _callbacks[number](string_at(data, length)).encode()
    _lib.pusher_text_set(text, decoded, len(decoded))


@_DialCallback
@_resulting
def _on_dial(number, host, port, milliseconds, place):
    # Detached, because from here on the client closes it.
    place[0] = _callbacks[number](host.decode(), port, _seconds(milliseconds)).detach()


@_WakeCallback
def _on_wake(number):
    _callbacks[number]()


# ---- Options ---------------------------------------------------------------------------------------------------------


def _configure(config: c_void_p, name: str, value: Any) -> None:
    if value is None:
        return
    if name in _CALLBACK_OPTIONS and callable(value):
        function, callback = _CALLBACK_OPTIONS[name]
        with _registered(value) as number:
            getattr(_lib, function)(config, callback, number, _on_destroy)
    elif name in _PAIR_OPTIONS:
        pairs = value.items() if isinstance(value, Mapping) else [value]
        for key, text in pairs:
            _lib.pusher_config_add(config, _PAIR_OPTIONS[name], key, text)
    elif isinstance(value, bool):
        _lib.pusher_config_set_bool(config, name, value)
    elif isinstance(value, int):
        _lib.pusher_config_set_int(config, name, value)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _configure(config, name, one)
    else:
        _lib.pusher_config_set(config, name, value)


_PAIR_OPTIONS = {
    "headers": "header",
    "auth_headers": "auth_header",
    "auth_params": "auth_param",
    "client_name": "client_name",
    "client_identity_pem": "client_identity_pem",
}

_CALLBACK_OPTIONS = {
    "authorizer": ("pusher_config_authorizer", _on_authorize),
    "batch_authorizer": ("pusher_config_batch_authorizer", _on_batch_authorize),
    "user_authenticator": ("pusher_config_user_authenticator", _on_authenticate_user),
    "encrypted_data_decoder": ("pusher_config_encrypted_data_decoder", _on_decode),
    "dialer": ("pusher_config_dialer", _on_dial),
    "auth_headers": ("pusher_config_auth_headers", _on_pairs),
    "auth_params": ("pusher_config_auth_params", _on_pairs),
}

_COUNTERS = """attempts reconnect_attempts connections last_close_code bytes_received bytes_sent messages messages_sent
    events ignored bad_messages ping_round_trip_us auth_retries queue_depth dropped superseded""".split()

_LOG_LEVELS = {
    _LogLevel.ERROR: logging.ERROR,
    _LogLevel.WARN: logging.WARNING,
    _LogLevel.INFO: logging.INFO,
    _LogLevel.DEBUG: logging.DEBUG,
    _LogLevel.TRACE: logging.DEBUG - 5,
}


# ---- Calling C -------------------------------------------------------------------------------------------------------


def _slices(timeout: float | None) -> Iterator[int]:
    """Milliseconds to wait for, again and again until the time is over. The first may be 0, to look only."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        yield _milliseconds(max(0.0, min(left, _SLICE)))
        if left <= _SLICE:
            return


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)


def _wait(timeout: float | None, function: Any, *arguments: Any) -> None:
    last: PusherError
    for milliseconds in _slices(timeout):
        try:
            function(*arguments, milliseconds)
            return
        except PusherError as error:
            if error.result is not Result.ERR_WAIT_TIMEOUT:
                raise
            last = error
    raise last


def _new(function: Any, *arguments: Any) -> c_void_p:
    handle = c_void_p()
    function(*arguments, byref(handle))
    return handle


def _get(function: Any, kind: Any, *arguments: Any) -> Any:
    """What a function gives through its last parameter; None for PUSHER_NOTHING."""
    value = kind()
    return value.value if function(*arguments, byref(value)) == Result.OK else None


def _text(function: Any, *arguments: Any) -> str | None:
    """The length counts, because text that comes from a peer may contain a NUL."""
    text, length = c_void_p(), c_size_t()
    if function(*arguments, byref(text), byref(length)) != Result.OK:
        return None
    return string_at(text, length.value).decode()


def _members(function: Any, *arguments: Any) -> list[Member]:
    members = c_void_p()
    if function(*arguments, byref(members)) != Result.OK:
        return []
    try:
        return _copied(members)
    finally:
        _lib.pusher_list_free(members)


def _copied(members: c_void_p) -> list[Member]:
    indices = range(_get(_lib.pusher_list_length, c_size_t, members))
    return [
        Member(_text(_lib.pusher_list_id, members, index) or "", _text(_lib.pusher_list_info, members, index))
        for index in indices
    ]


def _name(numbers: type[_Numbers], value: int) -> str | None:
    """What the library calls a number, as the constants here are called."""
    name = c_void_p()
    function = _NAMES.get(numbers)
    if function is None or getattr(_lib, function)(value, byref(name)) != Result.OK:
        return None
    return string_at(name).decode().upper().removeprefix("PUSHER_")


_NAMES = {State: "pusher_state_name", Kind: "pusher_kind_name", Result: "pusher_result_name"}


def _field(name: str, kind: Any = None, convert: Callable[[Any], Any] = lambda value: value) -> Any:
    """Reads a field of a notification: a text, unless it is of another kind."""

    def read(notification: c_void_p) -> Any:
        function = getattr(_lib, f"pusher_notification_{name}")
        value = _text(function, notification) if kind is None else _get(function, kind, notification)
        return None if value is None else convert(value)

    return read


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1000


def _user_ids(notification: c_void_p) -> tuple[str, ...] | None:
    return tuple(user.id for user in _members(_lib.pusher_notification_users, notification))


_FIELDS = {
    "channel": _field("channel"),
    "name": _field("name"),
    "data": _field("data"),
    "user_id": _field("user_id"),
    "user_info": _field("user_info"),
    "users": _user_ids,
    "count": _field("count", c_uint64),
    "reason": _field("reason"),
    "state": _field("state", c_int32, State),
    "previous_state": _field("previous_state", c_int32, State),
    "attempt": _field("attempt", c_uint32),
    "retry_in": _field("retry_in", c_uint64, _seconds),
    "resubscribed": _field("resubscribed", c_int32, bool),
    "gap": _field("gap", c_uint64, _seconds),
    "error": _field("error", c_void_p, lambda error: PusherError._of(c_void_p(error))),
}

# Only these are asked for, because events are many. Of a kind that is not here, everything is.
_FIELDS_OF_KIND = {
    Kind.EVENT: ("channel", "name", "data", "user_id"),
    Kind.CONNECTION_STATE_CHANGE: ("state", "previous_state", "attempt", "retry_in", "error"),
    Kind.SUBSCRIPTION_SUCCEEDED: ("channel", "resubscribed", "gap"),
    Kind.SUBSCRIPTION_ERROR: ("channel", "error"),
    Kind.SUBSCRIPTION_COUNT: ("channel", "count"),
    Kind.CACHE_MISS: ("channel",),
    Kind.MEMBER_ADDED: ("channel", "user_id", "user_info"),
    Kind.MEMBER_REMOVED: ("channel", "user_id", "user_info"),
    Kind.DECRYPTION_FAILURE: ("channel", "name", "reason"),
    Kind.SIGNED_IN: ("user_id",),
    Kind.WATCHLIST: ("name", "users"),
    Kind.ERROR: ("error",),
    Kind.LAGGED: ("count",),
}


def _check(result: int, function: Any, arguments: Any) -> int:
    """Raises what is an error. The last error is the thread's own, so that nothing can come between."""
    if result in (Result.OK, Result.NOTHING, Result.CLOSED):
        return result
    error = c_void_p()
    _lib.pusher_last_error(byref(error))
    raise (ClosedError if result == Result.ERR_HANDLE else PusherError)._of(error)


class _Text:
    """A `const char *` that goes in: a str, without a NUL, which would end it too early; or None."""

    @staticmethod
    def from_param(text: str | None) -> Any:
        if text is None:
            return None
        if not isinstance(text, str):
            raise TypeError(f"a str is needed, not {type(text).__name__}")
        if "\0" in text:
            raise ValueError("the text contains a NUL")
        return c_char_p.from_param(text.encode())


# The parameters of every function of the header. Handles are numbers in disguise. Text comes out as an address, because
# `c_char_p` would stop at a NUL.
_IN, _OUT = c_void_p, POINTER(c_void_p)
_OUT_INT, _OUT_UINT64, _OUT_SIZE = POINTER(c_int32), POINTER(c_uint64), POINTER(c_size_t)
_OUT_TEXT = (_OUT, _OUT_SIZE)

_FUNCTIONS = {
    "pusher_abi_version": (),
    "pusher_version": (),
    "pusher_abi_check": (c_uint32,),
    "pusher_result_name": (c_int32, _OUT),
    "pusher_last_error_text": (_IN, c_size_t),
    "pusher_last_error": (_OUT,),
    "pusher_error_result": (_IN, _OUT_INT),
    "pusher_error_text": (_IN, *_OUT_TEXT),
    "pusher_error_code": (_IN, _OUT_INT),
    "pusher_error_status": (_IN, _OUT_INT),
    "pusher_error_channel": (_IN, *_OUT_TEXT),
    "pusher_error_message": (_IN, *_OUT_TEXT),
    "pusher_error_detail": (_IN, _OUT),
    "pusher_error_is_retryable": (_IN, _OUT_INT),
    "pusher_error_is_auth": (_IN, _OUT_INT),
    "pusher_error_is_timeout": (_IN, _OUT_INT),
    "pusher_log": (c_int32, _LogCallback, c_void_p, _Destructor),
    "pusher_config_new": (_OUT,),
    "pusher_config_free": (_IN,),
    "pusher_config_set": (_IN, _Text, _Text),
    "pusher_config_set_int": (_IN, _Text, c_int64),
    "pusher_config_set_bool": (_IN, _Text, c_int32),
    "pusher_config_add": (_IN, _Text, _Text, _Text),
    "pusher_config_authorizer": (_IN, _AuthorizeCallback, c_void_p, _Destructor),
    "pusher_config_batch_authorizer": (_IN, _BatchAuthorizeCallback, c_void_p, _Destructor),
    "pusher_config_user_authenticator": (_IN, _AuthorizeCallback, c_void_p, _Destructor),
    "pusher_auth_request_channel": (_IN, *_OUT_TEXT),
    "pusher_auth_request_socket_id": (_IN, *_OUT_TEXT),
    "pusher_auth_request_grant": (_IN, _Text, _Text, _Text),
    "pusher_auth_request_grant_user": (_IN, _Text, _Text),
    "pusher_auth_request_refuse": (_IN, _Text, c_int32),
    "pusher_auth_request_free": (_IN,),
    "pusher_config_auth_headers": (_IN, _PairsCallback, c_void_p, _Destructor),
    "pusher_config_auth_params": (_IN, _PairsCallback, c_void_p, _Destructor),
    "pusher_pairs_add": (_IN, _Text, _Text),
    "pusher_config_encrypted_data_decoder": (_IN, _DecodeCallback, c_void_p, _Destructor),
    "pusher_text_set": (_IN, c_char_p, c_size_t),
    "pusher_config_dialer": (_IN, _DialCallback, c_void_p, _Destructor),
    "pusher_client_new": (_IN, _OUT),
    "pusher_client_free": (_IN,),
    "pusher_connect": (_IN,),
    "pusher_connect_background": (_IN,),
    "pusher_wait_connected": (_IN, c_int32),
    "pusher_disconnect": (_IN,),
    "pusher_reconnect_now": (_IN,),
    "pusher_state": (_IN, _OUT_INT),
    "pusher_state_name": (c_int32, _OUT),
    "pusher_socket_id": (_IN, *_OUT_TEXT),
    "pusher_set_auth_header": (_IN, _Text, _Text),
    "pusher_set_auth_param": (_IN, _Text, _Text),
    "pusher_subscribe": (_IN, _Text),
    "pusher_subscribe_with_auth": (_IN, _Text, _Text, _Text, _Text),
    "pusher_unsubscribe": (_IN, _Text),
    "pusher_unsubscribe_all": (_IN,),
    "pusher_is_subscribed": (_IN, _Text, _OUT_INT),
    "pusher_wait_subscribed": (_IN, _Text, c_int32),
    "pusher_channels": (_IN, _OUT),
    "pusher_members": (_IN, _Text, _OUT),
    "pusher_member": (_IN, _Text, _Text, _OUT),
    "pusher_me": (_IN, _Text, _OUT),
    "pusher_subscription_count": (_IN, _Text, _OUT_UINT64),
    "pusher_trigger": (_IN, _Text, _Text, c_char_p, c_size_t),
    "pusher_trigger_text": (_IN, _Text, _Text, c_char_p, c_size_t),
    "pusher_list_length": (_IN, _OUT_SIZE),
    "pusher_list_id": (_IN, c_size_t, *_OUT_TEXT),
    "pusher_list_info": (_IN, c_size_t, *_OUT_TEXT),
    "pusher_list_free": (_IN,),
    "pusher_sign_in": (_IN,),
    "pusher_sign_in_with_auth": (_IN, _Text, _Text),
    "pusher_wait_signed_in": (_IN, c_int32),
    "pusher_user_id": (_IN, *_OUT_TEXT),
    "pusher_next": (_IN, c_int32, _OUT),
    "pusher_length": (_IN, _OUT_SIZE),
    "pusher_descriptor": (_IN, _OUT_INT),
    "pusher_receiver_options_new": (_OUT,),
    "pusher_receiver_options_set": (_IN, _Text, _Text),
    "pusher_receiver_options_set_int": (_IN, _Text, c_int64),
    "pusher_receiver_options_free": (_IN,),
    "pusher_receiver_options_wake": (_IN, _WakeCallback, c_void_p, _Destructor),
    "pusher_receiver_new": (_IN, _IN, _OUT),
    "pusher_receiver_free": (_IN,),
    "pusher_receiver_next": (_IN, c_int32, _OUT),
    "pusher_receiver_descriptor": (_IN, _OUT_INT),
    "pusher_receiver_length": (_IN, _OUT_SIZE),
    "pusher_receiver_dropped": (_IN, _OUT_UINT64),
    "pusher_receiver_superseded": (_IN, _OUT_UINT64),
    "pusher_kind_name": (c_int32, _OUT),
    "pusher_notification_kind": (_IN, _OUT_INT),
    "pusher_notification_channel": (_IN, *_OUT_TEXT),
    "pusher_notification_name": (_IN, *_OUT_TEXT),
    "pusher_notification_data": (_IN, *_OUT_TEXT),
    "pusher_notification_user_id": (_IN, *_OUT_TEXT),
    "pusher_notification_user_info": (_IN, *_OUT_TEXT),
    "pusher_notification_users": (_IN, _OUT),
    "pusher_notification_count": (_IN, _OUT_UINT64),
    "pusher_notification_reason": (_IN, *_OUT_TEXT),
    "pusher_notification_state": (_IN, _OUT_INT),
    "pusher_notification_previous_state": (_IN, _OUT_INT),
    "pusher_notification_attempt": (_IN, POINTER(c_uint32)),
    "pusher_notification_retry_in": (_IN, _OUT_UINT64),
    "pusher_notification_resubscribed": (_IN, _OUT_INT),
    "pusher_notification_gap": (_IN, _OUT_UINT64),
    "pusher_notification_error": (_IN, _OUT),
    "pusher_notification_clone": (_IN, _OUT),
    "pusher_notification_free": (_IN,),
    "pusher_bind": (_IN, _Text, _Text, _Callback, c_void_p, _Destructor, _OUT),
    "pusher_bind_user": (_IN, _Text, _Callback, c_void_p, _Destructor, _OUT),
    "pusher_on": (_IN, c_int32, _Text, _Callback, c_void_p, _Destructor, _OUT),
    "pusher_unbind": (_IN,),
    "pusher_binding_free": (_IN,),
    "pusher_dispatch": (_IN, _OUT_SIZE),
    "pusher_dispatch_count": (_IN, c_size_t, _OUT_SIZE),
    "pusher_dispatch_time": (_IN, c_int32, _OUT_SIZE),
    "pusher_stats_new": (_IN, _OUT),
    "pusher_stats_free": (_IN,),
    "pusher_stats_get": (_IN, _Text, _OUT_UINT64),
    "pusher_stats_last_close_reason": (_IN, *_OUT_TEXT),
}

# What is not here returns a result, which is checked, or frees something.
_RETURNS = {"pusher_abi_version": c_uint32, "pusher_version": c_void_p, "pusher_last_error_text": c_int32}


def _load() -> CDLL:
    name = {"win32": "pusher_channels.dll", "darwin": "libpusher_channels.dylib"}
    beside = Path(__file__).with_name(name.get(sys.platform, "libpusher_channels.so"))
    # A name without a folder is looked for by the system.
    library = CDLL(os.environ.get("PUSHER_CHANNELS_LIBRARY") or str(beside if beside.exists() else beside.name))
    for function_name, parameters in _FUNCTIONS.items():
        function = getattr(library, function_name)
        function.argtypes = parameters
        function.restype = None if function_name.endswith("_free") else _RETURNS.get(function_name, c_int32)
        if function.restype is not None and function_name not in _RETURNS:
            function.errcheck = _check
    return library


_lib = _load()
_lib.pusher_abi_check(ABI_VERSION)
