"""The client."""

from __future__ import annotations

import atexit
import json
import threading
import weakref
from collections.abc import Callable, Sequence
from ctypes import c_int32, c_size_t, c_uint64, c_void_p
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._callbacks import callbacks, checked, dispatching, register
from ._errors import Kind, PusherError, Result, State, described, get, new, text_of
from ._library import lib
from ._options import Options, configure
from ._receiving import Events, Queue, Receiver
from ._values import Member, Notification, Statistics, json_data, members_of
from ._waiting import (
    Completion,
    Operation,
    call_in_background,
    milliseconds_of,
    refuse_in_event_loop,
    running_loop,
    wait,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Function = TypeVar("_Function", bound=Callable[[Notification], object])

# The value of a callback that is not given. It is not None, because a None that is given by mistake is refused.
_MISSING: Any = object()


class Client(Queue):
    """A client. As a context manager it connects on entering, and closes on leaving.

    Each option is a keyword. None keeps the default. Times are in seconds, from 0.001 to a year. A wrong name raises an
    OptionError, which names the nearest option.

    The address of the server: `key` with `cluster`, `key` with `host`, or `url`.

    key: str
    cluster: str            of the hosted service: "eu", "us2", "ap1", ...
    host: str               of a server of your own
    url: str                in place of key, cluster, host, port, tls and path_prefix: "ws://host:port/app/key"
    cluster_domain: str     "pusher.com"
    port: int               443, or 80 without TLS
    tls: bool               True
    path_prefix: str        "", the path before /app/{key}
    origin: str             none, the Origin header
    metadata: bool          True: the URL contains the protocol, and the name and version of the client
    client_name: pair       the name and the version of the client in the URL
    headers: mapping        none, headers of the request that opens the connection
    proxy: str              none; "http://user:password@host:port", "https://...", or "socks5://..."
    proxy_from_env: bool    False: if True, https_proxy, all_proxy, no_proxy, ... of the environment count
    root_certificate_pem: str or list  none, certificates that are trusted beside those of the platform
    tls_server_name: str    the host, the name to verify in certificates
    client_identity_pem: pair  none: a certificate of the client and its private key, both as PEM text

    Time and reconnecting:

    connect_timeout: float       15, for all of connecting
    activity_timeout: float      120, silence before a ping; the value of the server if that is smaller
    activity_timeout_override: float  none, silence before a ping, in place of the value of the server
    pong_timeout: float          30, from a ping to any sign of life
    unavailable_timeout: float   10, without a connection before the state is UNAVAILABLE
    subscription_timeout: float  30, for authorising and for the server's confirmation
    auth_timeout: float          10, for each request to an endpoint; not for functions
    reconnect: bool              True
    reconnect_max_attempts: int  0, which means no limit
    reconnect_min_delay: float   0
    reconnect_max_delay: float   30

    Permissions by an endpoint, or by the secret of the app, which does not belong into programs for users:

    auth_endpoint: str         none, the URL that authorises channels
    user_auth_endpoint: str    none, the URL that signs users in
    auth_headers: mapping or function   none; a function returns a mapping before each request to the endpoints
    auth_params: mapping or function    the same for parameters
    auth_json: bool            False: the endpoints get a form
    allow_insecure_auth: bool  False: http:// to loopback only
    secret: str                none, with which the client signs without an endpoint
    user_data: str             none, JSON of the user, with secret: '{"id": "7"}'
    encryption_master_key: str none, for encrypted channels, in base64, with secret

    Permissions by functions. They run on threads of the client. Coroutine functions run in the event loop in which the
    client was made. An exception refuses the permission, and may have a `status` of HTTP. It is also logged.

    authorizer(channel, socket_id)  returns the answer of a backend: its JSON as str or bytes, or a mapping with "auth",
                                    and perhaps "channel_data" and "shared_secret"
    batch_authorizer(requests)      gets a list of pairs of channel and socket id, and returns a list of such answers,
                                    or of exceptions, in the same order
    user_authenticator(socket_id)   returns such JSON, or a mapping with "auth" and "user_data"

    Other functions. They are ordinary functions, and run on threads of the client.

    encrypted_data_decoder(data)  decodes the decrypted bytes of an encrypted channel in place of UTF-8: returns a str
    dialer(host, port, seconds)   returns a connected stream socket, which the client then owns

    Receiving and limits:

    pull: bool                    True: there is a queue for `for` and `next`
    manual_dispatch: bool         False: callbacks run on a thread of the client, not in `dispatch`
    queue_capacity: int           16384 notifications; a queue is also full when it holds 16 MiB
    overflow: str                 the policy of every full queue: "block", "drop_oldest", "drop_newest" or
                                  "keep_latest"; by default the queue of callbacks blocks, and others drop the oldest
    max_message_size: int         1048576 bytes
    max_presence_members: int     100000 members of a channel
    max_presence_bytes: int       20971520 bytes of memory for the members of all channels
    client_event_limit: int       10 client events a second, 0 for no limit
    client_event_size: int        10240 bytes of data, 0 for any size
    client_event_patience: float  2: a client event that would wait for longer is refused
    log_events: bool              False: if True, the log contains the data of events
    """

    _take_name = "pusher_next"
    _descriptor_name = "pusher_descriptor"
    _length_name = "pusher_length"

    def __init__(self, **options: Unpack[Options]) -> None:
        config = new(lib.pusher_config_new)
        try:
            for name, value in options.items():
                configure(config, name, value)
            self._handle = new(lib.pusher_client_new, config)
            self._dial_url = text_of(lib.pusher_config_dial_url, config) or ""
        finally:
            lib.pusher_config_free(config)
        self._free = weakref.finalize(self, lib.pusher_client_free, self._handle)
        _clients.add(self)

    def close(self) -> Completion:
        """Disconnects and ends the client, within 250 ms. Calls of other threads and tasks that wait for it return."""
        return call_in_background(self._free)

    def __enter__(self) -> Client:
        """Connects, unless the client is connected or connecting."""
        refuse_in_event_loop("`async with`")
        try:
            if self.state is State.DISCONNECTED:
                self.connect()
        except Exception:
            self.close()
            raise
        except BaseException:
            # Another thread ends the client, so that Ctrl-C ends the call at once.
            threading.Thread(target=self._free, name="pusher-end", daemon=True).start()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        """Connects as `with` does, without blocking the event loop."""
        try:
            if self.state is State.DISCONNECTED:
                await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def connect(self) -> Completion:
        """Connects, or raises the error of the first attempt. Ctrl-C and cancelling disconnect."""
        try:
            lib.pusher_wait_connected(self._handle, 0)
            return Completion()
        except PusherError as error:
            if error.result is Result.ERR_WOULD_DEADLOCK:
                # Inside a callback this raises at once, and the error names the call.
                lib.pusher_connect(self._handle)
        operation = Operation(self._connect_unless, lambda: lib.pusher_disconnect(self._handle))
        loop = running_loop()
        return operation.wait() if loop is None else operation.completion(loop)

    def _connect_unless(self, given_up: threading.Event) -> None:
        if not given_up.is_set():
            lib.pusher_connect(self._handle)
        if given_up.is_set():
            lib.pusher_disconnect(self._handle)

    def connect_background(self) -> None:
        """Begins to connect, and returns at once. The client keeps trying if the first attempt fails."""
        lib.pusher_connect_background(self._handle)

    def wait_connected(self, timeout: float | None = None) -> Completion:
        """Waits until the client is connected. Raises the reason if the client has stopped connecting."""
        return wait(timeout, partial(lib.pusher_wait_connected, self._handle))

    def disconnect(self) -> Completion:
        """Disconnects, within 250 ms. The client keeps subscriptions and callbacks for the next connection."""
        return call_in_background(lambda: lib.pusher_disconnect(self._handle))

    def reconnect_now(self) -> None:
        """Skips the delay before the next attempt; while connected, checks whether the connection is alive."""
        lib.pusher_reconnect_now(self._handle)

    @property
    def dial_url(self) -> str:
        """The URL that the client dials, for logs and tests.

        It contains the key of the app, and the tokens that the program has put into the option `url`.
        """
        return self._dial_url

    @property
    def state(self) -> State:
        return State(get(lib.pusher_state, c_int32, self._handle))

    @property
    def is_connected(self) -> bool:
        return self.state is State.CONNECTED

    @property
    def socket_id(self) -> str | None:
        """The id of the connection. None while the client is not connected."""
        return text_of(lib.pusher_socket_id, self._handle)

    def set_auth_header(self, name: str, value: str) -> None:
        """Sets a header of all further requests to the auth endpoints, for example a new token."""
        lib.pusher_set_auth_header(self._handle, name, value)

    def set_auth_param(self, name: str, value: str) -> None:
        """Sets a parameter of all further requests to the auth endpoints."""
        lib.pusher_set_auth_param(self._handle, name, value)

    # Channels

    def subscribe(self, channel: str) -> None:
        """Subscribes, now or as soon as there is a connection, and again on each new one."""
        lib.pusher_subscribe(self._handle, channel)

    def subscribe_with_auth(
        self, channel: str, auth: str, channel_data: str | None = None, shared_secret: str | None = None
    ) -> None:
        """Subscribes with a signature that was made for `socket_id`. It is valid for this connection only."""
        lib.pusher_subscribe_with_auth(self._handle, channel, auth, channel_data, shared_secret)

    def subscribe_with_auth_json(self, channel: str, answer: str | bytes) -> None:
        """Subscribes with the JSON answer of a backend for `socket_id`. It is valid for this connection only."""
        lib.pusher_subscribe_with_auth_json(self._handle, channel, *json_data(answer))

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribes. After it returns, no further event of the channel is delivered."""
        lib.pusher_unsubscribe(self._handle, channel)

    def unsubscribe_all(self) -> None:
        lib.pusher_unsubscribe_all(self._handle)

    def is_subscribed(self, channel: str) -> bool:
        """Returns True if the server has confirmed the subscription on the current connection."""
        return bool(get(lib.pusher_is_subscribed, c_int32, self._handle, channel))

    def wait_subscribed(self, channel: str, timeout: float | None = None) -> Completion:
        """Waits until the server has confirmed the subscription. Raises the error that ended the subscription."""
        return wait(timeout, partial(lib.pusher_wait_subscribed, self._handle, channel))

    def wait_all_subscribed(self, timeout: float | None = None) -> Completion:
        """Waits until each subscription is confirmed or has failed. Raises the error of the first failed channel.

        The channels are in the order in which they were first subscribed or bound to.
        """
        return wait(timeout, partial(lib.pusher_wait_all_subscribed, self._handle))

    def channels(self) -> list[str]:
        """Returns the names of the channels that are subscribed or being subscribed."""
        return [channel.id for channel in members_of(lib.pusher_channels, self._handle)]

    def members(self, channel: str) -> list[Member]:
        return members_of(lib.pusher_members, self._handle, channel)

    def member(self, channel: str, user_id: str) -> Member | None:
        return next(iter(members_of(lib.pusher_member, self._handle, channel, user_id)), None)

    def me(self, channel: str) -> Member | None:
        return next(iter(members_of(lib.pusher_me, self._handle, channel)), None)

    def subscription_count(self, channel: str) -> int | None:
        """Returns the number of connections that are subscribed. None until the server has sent it."""
        count: int | None = get(lib.pusher_subscription_count, c_uint64, self._handle, channel)
        return count

    def trigger(self, channel: str, event: str, data: Any) -> None:
        """Sends an event, whose name begins with "client-", to the other subscribers of a private or presence channel.

        `data` is anything that `json` serialises. A str is sent as a text, without quotes: a receiver of "hello" reads
        it from `data`, and its `json()` raises json.JSONDecodeError.
        """
        encoded = json.dumps(data).encode()
        lib.pusher_trigger(self._handle, channel, event, encoded, len(encoded))

    def trigger_text(self, channel: str, event: str, text: str) -> None:
        """Sends an event with a text as it is. Receivers can call `json()` only if the text is JSON."""
        encoded = text.encode()
        lib.pusher_trigger_text(self._handle, channel, event, encoded, len(encoded))

    # Users

    def sign_in(self) -> None:
        """Signs the user in, now or as soon as there is a connection, and again on each new one."""
        lib.pusher_sign_in(self._handle)

    def sign_in_with_auth(self, auth: str, user_data: str) -> None:
        """Signs in with a signature that was made for `socket_id`. It is valid for this connection only."""
        lib.pusher_sign_in_with_auth(self._handle, auth, user_data)

    def sign_in_with_auth_json(self, answer: str | bytes) -> None:
        """Signs in with the JSON answer of a backend for `socket_id`. It is valid for this connection only."""
        lib.pusher_sign_in_with_auth_json(self._handle, *json_data(answer))

    def wait_signed_in(self, timeout: float | None = None) -> Completion:
        """Waits until the server has confirmed the sign-in. Raises the error that ended the sign-in."""
        return wait(timeout, partial(lib.pusher_wait_signed_in, self._handle))

    @property
    def user_id(self) -> str | None:
        """The id of the user that is signed in, or None."""
        return text_of(lib.pusher_user_id, self._handle)

    # Receiving

    def receiver(
        self,
        channel: str | None = None,
        only: Kind | str | Sequence[Kind | str] = (),
        wake: Callable[[], object] | None = None,
        **options: Any,
    ) -> Receiver:
        """Makes a queue beside the queue of the client: for a channel or kinds, with a `capacity` or `overflow` policy.

        `events` is a name, or a list of names: application events of other names do not come into the queue.

        `wake` is called when a notification comes, and then not again until a thread has looked into the queue. It can
        wake an event loop by `loop.call_soon_threadsafe`. It runs on a thread of the client, and must not wait.
        """
        return Receiver(self, only, wake, {"channel": channel, **options})

    def events(self, channel: str | None = None, event: str | None = None) -> Events:
        """Returns an iterator over the events of a name on a channel, from now on. None stands for all."""
        return Events(self, channel, event)

    @overload
    def bind(self, channel: str | None, event: str | None) -> Callable[[_Function], _Function]: ...
    @overload
    def bind(self, channel: str | None, event: str | None, callback: Callable[[Notification], object]) -> Binding: ...
    def bind(self, channel: str | None, event: str | None, callback: Any = _MISSING) -> Any:
        """Calls back for the events of this name on this channel. None stands for all names, and for all channels.

        Without a callback it is a decorator, which returns the function. The function stays bound until the client is
        closed.
        """

        def bound(function: Any) -> Binding:
            what: dict[str, object] = {"channel": channel, "event": event}
            return _bound(function, what, lib.pusher_bind, self._handle, channel, event)

        _check_names("bind(channel, event, callback)", channel, event)
        return _decorator(bound) if callback is _MISSING else bound(callback)

    @overload
    def bind_user(self, event: str | None) -> Callable[[_Function], _Function]: ...
    @overload
    def bind_user(self, event: str | None, callback: Callable[[Notification], object]) -> Binding: ...
    def bind_user(self, event: str | None, callback: Any = _MISSING) -> Any:
        """Calls back for the events of this name that are sent to the signed-in user. None stands for all names."""

        def bound(function: Any) -> Binding:
            what: dict[str, object] = {"user": True, "event": event}
            return _bound(function, what, lib.pusher_bind_user, self._handle, event)

        _check_names("bind_user(event, callback)", event)
        return _decorator(bound) if callback is _MISSING else bound(callback)

    def on(self, kind: Kind | str, callback: Callable[[Notification], object], channel: str | None = None) -> Binding:
        """Calls back for every notification of a kind, on one channel or on all.

        The kind is a Kind or its name, such as "member_added". For another name, the ValueError lists all names.
        """
        kind = Kind.of(kind)
        what: dict[str, object] = {"kind": kind, "channel": channel}
        return _bound(callback, what, lib.pusher_on, self._handle, kind, channel)

    def unbind(self, channel: str | None, event: str) -> None:
        """Ends the callbacks that were bound to this event on this channel. None ends those bound on all channels.

        A callback that is just about to run on another thread may still run. A callback for all names belongs to no
        event: `unbind_all`, or the binding, ends it.
        """
        if event is None:
            raise TypeError("unbind(channel, event) takes the name of an event; unbind_all(channel) ends all callbacks")
        _check_names("unbind(channel, event)", channel, event)
        lib.pusher_unbind_event(self._handle, channel, event)

    def unbind_all(self, channel: str | None) -> None:
        """Ends all callbacks of `bind` and `on` for this channel. None ends those that are for all channels."""
        _check_names("unbind_all(channel)", channel)
        lib.pusher_unbind_all(self._handle, channel)

    def unbind_user(self, event: str) -> None:
        """Ends all callbacks of `bind_user` for this event."""
        if event is None:
            raise TypeError("unbind_user(event) takes the name of an event; unbind_user_all() ends all callbacks")
        _check_names("unbind_user(event)", event)
        lib.pusher_unbind_user_event(self._handle, event)

    def unbind_user_all(self) -> None:
        """Ends all callbacks of `bind_user`."""
        lib.pusher_unbind_user_all(self._handle)

    def dispatch(self, count: int | None = None, seconds: float | None = None) -> int:
        """With manual_dispatch=True: runs the callbacks for waiting notifications: all, up to a count, or for a time.

        It does not wait for more notifications. If Ctrl-C comes during a callback, this raises KeyboardInterrupt at its
        end.
        """
        with dispatching():
            handled: int
            if seconds is not None:
                handled = get(lib.pusher_dispatch_time, c_size_t, self._handle, milliseconds_of(seconds))
            elif count is not None:
                handled = get(lib.pusher_dispatch_count, c_size_t, self._handle, count)
            else:
                handled = get(lib.pusher_dispatch, c_size_t, self._handle)
        return handled

    def stats(self) -> Statistics:
        """Returns the counters by their names, ping_round_trip in seconds, and last_close_reason.

        A value that is not known yet is None. `print` shows the counters in one line.
        """
        stats = new(lib.pusher_stats_new, self._handle)
        try:
            found = {name: get(lib.pusher_stats_get, c_uint64, stats, name) for name in _COUNTERS}
            round_trip = get(lib.pusher_stats_get, c_uint64, stats, "ping_round_trip_us")
            found["ping_round_trip"] = None if round_trip is None else round_trip / 1_000_000
            found["last_close_reason"] = text_of(lib.pusher_stats_last_close_reason, stats)
            return Statistics(found, text_of(lib.pusher_stats_text, stats) or "")
        finally:
            lib.pusher_stats_free(stats)

    def statistics(self) -> Statistics:
        """Does the same as `stats`."""
        return self.stats()

    def __repr__(self) -> str:
        try:
            fields = {"socket_id": self.socket_id, "channels": len(self.channels())}
            return f"<Client {self.state.name}{described(fields)}>"
        except PusherError:
            return "<Client closed>"


_COUNTERS = """attempts reconnect_attempts connections last_close_code bytes_received bytes_sent messages messages_sent
    events ignored bad_messages auth_retries queue_depth dropped superseded""".split()


class Binding:
    """A registered callback."""

    def __init__(self, handle: c_void_p, what: dict[str, object]) -> None:
        self._handle, self._what = handle, what
        self._free = weakref.finalize(self, lib.pusher_binding_free, handle)

    def unbind(self) -> None:
        """Ends the callback. If it is just about to run on another thread, it may still run."""
        lib.pusher_unbind(self._handle)
        self._free.detach()

    def __repr__(self) -> str:
        return f"<Binding{described(self._what)}{'' if self._free.alive else ' unbound'}>"


def _bound(callback: Any, what: dict[str, object], function: Any, *arguments: Any) -> Binding:
    return Binding(register(checked("the callback", callback, "callback(notification)"), function, *arguments), what)


def _decorator(bound: Callable[[Any], Binding]) -> Callable[[_Function], _Function]:
    def decorate(function: _Function) -> _Function:
        bound(function)
        return function

    return decorate


def _check_names(usage: str, *names: Any) -> None:
    """Raises TypeError for a name that is not a str or None. Its text shows the order of the arguments."""
    for name in names:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{usage} takes names as str or None, not {type(name).__name__}")


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


@atexit.register
def _end() -> None:
    """Closes all clients at exit, because no thread of the library may call Python after Python has ended."""
    for client in list(_clients):
        client.close()
    callbacks.wait_until_empty(timeout=1)
