"""Options of clients and receivers: their names and values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ctypes import c_void_p
from socket import socket
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, Union

from ._callbacks import CALLBACK_OPTIONS, on_destroy, registered
from ._errors import SECONDS, OptionError, PusherError, Result
from ._library import lib
from ._waiting import milliseconds_of

if TYPE_CHECKING:
    # A permission: the JSON of a backend, or the mapping in it.
    Answer = Union[str, bytes, Mapping[str, Any]]
    Answers = Sequence[Union[Answer, BaseException]]

# Options with the same name and the same meaning in the library.
PLAIN = """key cluster host url cluster_domain port tls path_prefix origin metadata proxy proxy_from_env
    root_certificate_pem tls_server_name reconnect reconnect_max_attempts auth_endpoint user_auth_endpoint auth_json
    allow_insecure_auth secret user_data encryption_master_key queue_capacity overflow max_message_size
    max_presence_members max_presence_bytes client_event_limit client_event_size pull manual_dispatch
    log_events""".split()

# Options that are mappings, and the name under which the library adds each pair.
MAPPINGS = {"headers": "header", "auth_headers": "auth_header", "auth_params": "auth_param"}

# Options that are one pair, and the description of the pair.
PAIRS = {"client_name": "a name and a version", "client_identity_pem": "a certificate and its private key"}

# Names of options in other libraries, and the names here.
OTHER_NAMES = {
    **dict.fromkeys(("use_tls", "force_tls", "forceTLS", "useTLS", "ssl", "encrypted"), "tls"),
    **dict.fromkeys(("max_reconnect_delay", "max_reconnect_gap"), "reconnect_max_delay"),
    **dict.fromkeys(("channel_authorizer", "channelAuthorization"), "authorizer"),
    "wsHost": "host",
    "wsPort": "port",
    "app_key": "key",
}

OPTIONS = [*PLAIN, *SECONDS, *MAPPINGS, *PAIRS, *CALLBACK_OPTIONS]

RECEIVER_OPTIONS = ["channel", "only", "events", "wake", "capacity", "overflow"]


class Options(TypedDict, total=False):
    """The options of a client, for type checkers and editors. The documentation of Client describes them."""

    key: str
    cluster: str
    host: str
    url: str
    cluster_domain: str
    port: int | str
    tls: bool
    path_prefix: str
    origin: str
    metadata: bool
    proxy: str
    proxy_from_env: bool
    root_certificate_pem: str | Sequence[str]
    tls_server_name: str
    client_name: tuple[str, str]
    client_identity_pem: tuple[str, str]
    headers: Mapping[str, str]
    connect_timeout: float
    activity_timeout: float
    activity_timeout_override: float
    unavailable_timeout: float
    pong_timeout: float
    subscription_timeout: float
    auth_timeout: float
    reconnect: bool
    reconnect_max_attempts: int
    reconnect_min_delay: float
    reconnect_max_delay: float
    auth_endpoint: str
    user_auth_endpoint: str
    auth_headers: Mapping[str, str] | Callable[[], Mapping[str, str]]
    auth_params: Mapping[str, str] | Callable[[], Mapping[str, str]]
    auth_json: bool
    allow_insecure_auth: bool
    secret: str
    user_data: str
    encryption_master_key: str
    authorizer: Callable[[str, str], Answer | Awaitable[Answer]]
    batch_authorizer: Callable[[list[tuple[str, str]]], Answers | Awaitable[Answers]]
    user_authenticator: Callable[[str], Answer | Awaitable[Answer]]
    encrypted_data_decoder: Callable[[bytes], str]
    dialer: Callable[[str, int, float], socket]
    queue_capacity: int
    overflow: str
    max_message_size: int
    max_presence_members: int
    max_presence_bytes: int
    client_event_limit: int
    client_event_size: int
    client_event_patience: float
    pull: bool
    manual_dispatch: bool
    log_events: bool


def configure(config: c_void_p, name: str, value: Any) -> None:
    """Sets an option of a client. None keeps the default."""
    if name not in OPTIONS:
        _set_newer(lib.pusher_config_set, config, name, value, OPTIONS)
    elif value is None:
        return
    elif name in MAPPINGS and isinstance(value, Mapping):
        for key, text in value.items():
            lib.pusher_config_add(config, MAPPINGS[name], key, text)
    elif name in MAPPINGS and not (name in CALLBACK_OPTIONS and callable(value)):
        raise TypeError(f"{name} must be a mapping{' or callable' * (name in CALLBACK_OPTIONS)}, not {_type(value)}")
    elif name in CALLBACK_OPTIONS:
        function, callback, accepted, usage = CALLBACK_OPTIONS[name]
        with registered(accepted(name, value, usage)) as number:
            getattr(lib, function)(config, callback, number, on_destroy)
    elif name in PAIRS:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise TypeError(f"{name} must be a pair: {PAIRS[name]}")
        lib.pusher_config_add(config, name, *value)
    elif name in SECONDS:
        _set(config, f"{name}_ms", _milliseconds(name, value))
    else:
        _set(config, name, value)


def _set(config: c_void_p, name: str, value: Any) -> None:
    if isinstance(value, bool):
        lib.pusher_config_set_bool(config, name, value)
    elif isinstance(value, int) and -(2**63) <= value < 2**63:
        lib.pusher_config_set_int(config, name, value)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _set(config, name, one)
    else:
        # An integer that is too large goes to the library as text, so that its error names the range.
        lib.pusher_config_set(config, name, str(value) if isinstance(value, int) else value)


def _type(value: object) -> str:
    return type(value).__name__


def _milliseconds(name: str, seconds: Any) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {_type(seconds)}")
    if not math.isfinite(seconds):
        raise ValueError(f"{name} must be a finite number of seconds")
    return milliseconds_of(seconds)


def set_receiver_option(options: c_void_p, name: str, value: Any) -> None:
    """Sets an option of a receiver. None keeps the default."""
    if name not in RECEIVER_OPTIONS:
        _set_newer(lib.pusher_receiver_options_set, options, name, value, RECEIVER_OPTIONS)
    elif isinstance(value, (list, tuple)):
        for one in value:
            set_receiver_option(options, name, one)
    elif isinstance(value, int):
        lib.pusher_receiver_options_set_int(options, name, value)
    elif value is not None:
        lib.pusher_receiver_options_set(options, name, value)


def _set_newer(function: Any, handle: c_void_p, name: str, value: Any, known: Iterable[str]) -> None:
    """Sets an option that this binding does not know, in case the library does. Raises OptionError otherwise."""
    if name.endswith("_ms"):
        _refuse(name, known)
    text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value
    if not isinstance(text, str):
        _refuse(name, known)
    try:
        function(handle, name, text)
    except PusherError as error:
        if error.result is not Result.ERR_OPTION:
            raise
    else:
        return
    _refuse(name, known)


def _refuse(name: str, known: Iterable[str]) -> NoReturn:
    known, seconds = list(known), name[: -len("_ms")]
    if name.endswith("_ms") and seconds in known:
        raise OptionError(f"there is no option {name!r} in Python: {seconds!r} takes seconds")
    nearest = difflib.get_close_matches(seconds if name.endswith("_ms") else name, known, n=1)
    if OTHER_NAMES.get(name) in known:
        nearest = [OTHER_NAMES[name]]
    hint = f"; the nearest one is {nearest[0]!r}" if nearest else ""
    raise OptionError(f"there is no option {name!r}{hint}")
