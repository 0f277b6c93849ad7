"""The numbers and errors of the library. Calls of its functions return values or raise exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ctypes import byref, c_int32, c_size_t, c_void_p, string_at
from enum import IntEnum
from typing import Any, TypeVar

from ._library import FUNCTIONS, lib, returns_result


class Numbers(IntEnum):
    """Frozen numbers and their names. A newer library may have more of them."""

    def __str__(self) -> str:
        return self.name

    def __format__(self, form: str) -> str:
        """Formats the name, or with a format for numbers, such as "d", the number."""
        return format(int(self), form) if form[-1:] in _FORMATS_OF_NUMBERS else format(str(self), form)

    @classmethod
    def _missing_(cls, value: object) -> Numbers:
        if not isinstance(value, int):
            raise ValueError(f"{value!r} is not a {cls.__name__}")
        member = int.__new__(cls, value)
        member._name_, member._value_ = name_of(cls, value) or f"UNKNOWN_{value}", value
        return member


# The types of formats that are for numbers. An empty format is for text.
_FORMATS_OF_NUMBERS = tuple("bcdoxXneEfFgG%")


_Named = TypeVar("_Named", bound="Named")


class Named(Numbers):
    """Numbers that are printed as their names in lower case, and are equal to these names: Kind.EVENT == "event".

    The hash is the hash of the number. So sets and dicts find a member by a member or a number, but not by a name.
    """

    def __str__(self) -> str:
        return self.name.lower()

    def __eq__(self, other: object) -> bool:
        return str(self) == other if isinstance(other, str) else int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__

    @classmethod
    def of(cls: type[_Named], value: object) -> _Named:
        """Returns the member of a name or a number. Type checkers accept only numbers as arguments of the class."""
        made: Any = cls
        member: _Named = made(value)
        return member

    @classmethod
    def _missing_(cls, value: object) -> Numbers:
        if not isinstance(value, str):
            return super()._missing_(value)
        for member in cls:
            if member == value:
                return member
        raise ValueError(f"there is no {cls.__name__} {value!r}; it is one of {', '.join(map(str, cls))}")


class Result(Numbers):
    """The result of a function of the library. The numbers from 10 on are errors."""

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


class State(Named):
    """The state of the connection. It is printed as, and equal to, its name in lower case: "connected"."""

    DISCONNECTED = 0
    CONNECTING = 1
    CONNECTED = 2
    UNAVAILABLE = 3
    RECONNECTING = 4
    DISCONNECTING = 5
    FAILED = 6


class Kind(Named):
    """The kind of a notification, which decides what fields it has.

    It is printed as, and equal to, its name in lower case: `notification.kind == "event"`.
    """

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


class LogLevel(Numbers):
    OFF = 0
    ERROR = 1
    WARN = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


# Options that take seconds here. In the library they take milliseconds, and their names end in _ms.
SECONDS = """connect_timeout activity_timeout activity_timeout_override unavailable_timeout pong_timeout
    subscription_timeout auth_timeout reconnect_min_delay reconnect_max_delay client_event_patience""".split()

_MILLISECONDS = re.compile(rf"\b({'|'.join(SECONDS)})_ms\b")

# Functions of the library that are methods here.
_METHODS = """connect connect_background wait_connected disconnect reconnect_now subscribe subscribe_with_auth
    subscribe_with_auth_json unsubscribe wait_subscribed wait_all_subscribed trigger trigger_text sign_in
    sign_in_with_auth sign_in_with_auth_json wait_signed_in next receiver bind on unbind dispatch""".split()

_FUNCTIONS = re.compile(rf"\bpusher_({'|'.join(_METHODS)})\b")

# The library begins the texts of its errors with the name of the function.
_CALLED = re.compile(r"\Apusher_\w+: ")


class PusherError(Exception):
    """An error of the library. Its text begins with the layer and ends with the cause.

    result        the Result, whose name is `result.name`
    code          the code of the Pusher protocol from the server, or None
    status        the HTTP status from the server, the proxy or the auth endpoint, or None
    channel       the name of the channel to which the error belongs, or None
    message       the text of the server, the auth endpoint or the authorizer alone, or None
    detail        a word that details the result, as `pusher_error_detail` in pusher_channels.h lists them, or None
    is_retryable  True if the same call may succeed when it is made again
    is_auth       True if a permission was denied
    is_timeout    True if a deadline has passed
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

    def __repr__(self) -> str:
        fields = {"code": self.code, "status": self.status, "channel": self.channel, "detail": self.detail}
        return f"{type(self).__name__}({self.result.name}, {shortened(str(self), 120)}{described(fields, ', ')})"

    @classmethod
    def _of(cls, error: c_void_p) -> PusherError:
        result = Result(get(lib.pusher_error_result, c_int32, error))
        text = _CALLED.sub("", text_of(lib.pusher_error_text, error) or result.name)
        copy = cls(result, _with_names_of_python(text))
        copy.code = get(lib.pusher_error_code, c_int32, error)
        copy.status = get(lib.pusher_error_status, c_int32, error)
        copy.channel = text_of(lib.pusher_error_channel, error)
        message = text_of(lib.pusher_error_message, error)
        copy.message = None if message is None else _with_names_of_python(message)
        detail = c_void_p()
        if lib.pusher_error_detail(error, byref(detail)) == Result.OK:
            copy.detail = _with_names_of_python(string_at(detail).decode())
        copy.is_retryable = bool(get(lib.pusher_error_is_retryable, c_int32, error))
        copy.is_auth = bool(get(lib.pusher_error_is_auth, c_int32, error))
        copy.is_timeout = bool(get(lib.pusher_error_is_timeout, c_int32, error))
        return copy


def _with_names_of_python(text: str) -> str:
    """Replaces names of options and functions in texts of the library by the names here."""
    return _FUNCTIONS.sub(r"Client.\1", _MILLISECONDS.sub(r"\1", text))


class ClosedError(PusherError):
    """The client, or the receiver, is closed. This is final."""


class OptionError(PusherError, TypeError):
    """There is no option of this name. It is also a TypeError, like the error for every unexpected keyword."""

    def __init__(self, text: str) -> None:
        super().__init__(Result.ERR_OPTION, text)


# ---- Calls -----------------------------------------------------------------------------------------------------------


def new(function: Any, *arguments: Any) -> c_void_p:
    handle = c_void_p()
    function(*arguments, byref(handle))
    return handle


def get(function: Any, kind: Any, *arguments: Any) -> Any:
    """Returns the value that a function writes to its last parameter, or None after PUSHER_NOTHING."""
    value = kind()
    return value.value if function(*arguments, byref(value)) == Result.OK else None


def text_of(function: Any, *arguments: Any) -> str | None:
    """Returns the text that a function writes to its last two parameters. It may contain a NUL, so its length counts.

    Returns None after PUSHER_NOTHING.
    """
    text, length = c_void_p(), c_size_t()
    if function(*arguments, byref(text), byref(length)) != Result.OK:
        return None
    return string_at(text, length.value).decode()


def name_of(numbers: type[Numbers], value: int) -> str | None:
    """Returns the name that the library has for a number, in the form of the constants here."""
    name = c_void_p()
    function = _NAMES.get(numbers)
    if function is None or getattr(lib, function)(value, byref(name)) != Result.OK:
        return None
    return string_at(name).decode().upper().removeprefix("PUSHER_")


_NAMES: dict[type[Numbers], str] = {
    State: "pusher_state_name",
    Kind: "pusher_kind_name",
    Result: "pusher_result_name",
}


def _check(result: int, function: Any, _arguments: Any) -> int:
    """Raises an error. Each thread has its own last error, so no other thread can replace it here."""
    if result in (Result.OK, Result.NOTHING, Result.CLOSED):
        return result
    if result == Result.ERR_HANDLE:
        closed = "receiver" if function.__name__ in _OF_RECEIVERS else "client"
        raise ClosedError(Result.ERR_HANDLE, f"the {closed} is closed")
    error = c_void_p()
    lib.pusher_last_error(byref(error))
    raise PusherError._of(error)


_OF_RECEIVERS = {f"pusher_receiver_{name}" for name in ("next", "descriptor", "length", "dropped", "superseded")}


for _name in filter(returns_result, FUNCTIONS):
    getattr(lib, _name).errcheck = _check


# ---- Short texts of values, for `repr` -------------------------------------------------------------------------------


def shortened(value: object, length: int = 60) -> str:
    """Returns the `repr` of a value, and cuts a long text."""
    if isinstance(value, str) and len(value) > length:
        return f"{value[:length]!r}..."
    if isinstance(value, tuple) and len(value) > 3:
        return f"({', '.join(shortened(one, length) for one in value[:3])}, ... {len(value)} in all)"
    return value.name if isinstance(value, Numbers) else repr(value)


def described(fields: Mapping[str, object], separator: str = " ") -> str:
    """Returns the fields that are set, each after the separator."""
    return "".join(f"{separator}{name}={shortened(value)}" for name, value in fields.items() if value is not None)


def names(numbers: Iterable[Numbers]) -> str:
    return ", ".join(number.name for number in numbers)
