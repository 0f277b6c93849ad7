"""Notifications, members and statistics: copies of values of the library, which outlive every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ctypes import byref, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass, field, fields
from typing import Any

from ._errors import Kind, PusherError, Result, State, described, get, shortened, text_of
from ._library import lib
from ._waiting import seconds_of


@dataclass(frozen=True, repr=False)
class Notification:
    """An event, or another thing that happened. A field that this kind does not have is None."""

    kind: Kind
    channel: str | None = None
    name: str | None = None  # the name of the event; of the watchlist: online, offline
    data: str | None = None  # the data as the publisher sent it: a text, or JSON
    user_id: str | None = None
    user_info: str | None = None  # JSON that the app keeps for the member; None if it is null
    users: tuple[str, ...] | None = None
    count: int | None = None
    reason: str | None = None
    state: State | None = None
    previous_state: State | None = None
    attempt: int | None = None  # the number of this attempt, or of the next one
    retry_in: float | None = None  # seconds until that attempt
    resubscribed: bool | None = None
    gap: float | None = None  # seconds for which the channel was not subscribed
    error: PusherError | None = None
    text: str | None = field(default=None, compare=False)  # a line for a person, without the data of events

    def json(self) -> Any:
        """Parses the data of an event. Returns None if there is none.

        Raises json.JSONDecodeError if the data is not JSON, for example after `trigger(.., "hello")` or `trigger_text`.
        `data` has the text.
        """
        try:
            return json.loads(self.data or "null")
        except json.JSONDecodeError as error:
            what = f"the data {shortened(self.data, 40)} is not JSON; it stands in Notification.data ({error.msg})"
            raise json.JSONDecodeError(what, error.doc, error.pos) from None

    @property
    def member(self) -> Member | None:
        """The member that was added or removed. None for other kinds than MEMBER_ADDED and MEMBER_REMOVED."""
        if self.kind not in (Kind.MEMBER_ADDED, Kind.MEMBER_REMOVED) or self.user_id is None:
            return None
        return Member(self.user_id, self.user_info)

    def __repr__(self) -> str:
        """Shows the fields that are set, and cuts long texts."""
        others = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("kind", "text")}
        return f"<{self.kind.name}{described(others)}>"

    def __str__(self) -> str:
        """Returns a line for a person, such as "news: subscribed". The wording may change."""
        return self.text or repr(self)

    @classmethod
    def _of(cls, notification: c_void_p) -> Notification:
        """Copies all fields, because the caller frees the notification of the library."""
        kind = Kind(get(lib.pusher_notification_kind, c_int32, notification))
        names = (*FIELDS_OF_KIND.get(kind, FIELDS), "text")
        return cls(kind, **{name: FIELDS[name](notification) for name in names})


class Statistics(dict[str, Any]):
    """The counters of a client by their names. `str` returns a line for a person. The wording may change."""

    def __init__(self, counters: Mapping[str, Any], text: str) -> None:
        super().__init__(counters)
        self._text = text

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, repr=False)
class Member:
    """A member of a presence channel."""

    id: str
    info: str | None = None  # JSON that the app keeps for the member; None if it is null

    def json(self) -> Any:
        """Parses the info. Returns None if there is none."""
        return json.loads(self.info or "null")

    def __repr__(self) -> str:
        return f"Member({shortened(self.id)}{described({'info': self.info}, ', ')})"


def json_data(answer: str | bytes) -> tuple[bytes, int]:
    """Returns the answer of a backend as bytes and their length."""
    if not isinstance(answer, (str, bytes)):
        raise TypeError(f"the JSON text of an answer is needed, as str or bytes, not {type(answer).__name__}")
    data = answer.encode() if isinstance(answer, str) else answer
    return data, len(data)


def members_of(function: Any, *arguments: Any) -> list[Member]:
    """Calls a function that makes a list, and returns the members in it."""
    members = c_void_p()
    if function(*arguments, byref(members)) != Result.OK:
        return []
    try:
        indices = range(get(lib.pusher_list_length, c_size_t, members))
        return [_member(members, index) for index in indices]
    finally:
        lib.pusher_list_free(members)


def _member(members: c_void_p, index: int) -> Member:
    info = text_of(lib.pusher_list_info, members, index)
    return Member(text_of(lib.pusher_list_id, members, index) or "", None if info is None else _unless_null(info))


def _unless_null(text: str) -> str | None:
    return None if text == "null" else text


def _field(name: str, kind: Any = None, convert: Callable[[Any], Any] = lambda value: value) -> Any:
    """Makes the function that reads a field of a notification. Without `kind`, the field is a text."""

    def read(notification: c_void_p) -> Any:
        function = getattr(lib, f"pusher_notification_{name}")
        value = text_of(function, notification) if kind is None else get(function, kind, notification)
        return None if value is None else convert(value)

    return read


def _user_ids(notification: c_void_p) -> tuple[str, ...] | None:
    return tuple(user.id for user in members_of(lib.pusher_notification_users, notification))


FIELDS = {
    "channel": _field("channel"),
    "name": _field("name"),
    "data": _field("data"),
    "user_id": _field("user_id"),
    "user_info": _field("user_info", None, _unless_null),
    "users": _user_ids,
    "count": _field("count", c_uint64),
    "reason": _field("reason"),
    "state": _field("state", c_int32, State),
    "previous_state": _field("previous_state", c_int32, State),
    "attempt": _field("attempt", c_uint32),
    "retry_in": _field("retry_in", c_uint64, seconds_of),
    "resubscribed": _field("resubscribed", c_int32, bool),
    "gap": _field("gap", c_uint64, seconds_of),
    "error": _field("error", c_void_p, lambda error: PusherError._of(c_void_p(error))),
    "text": _field("text"),
}

# The fields to read for each kind, because reading all fields of each event would take too long. For a kind that is not
# listed, all fields are read.
FIELDS_OF_KIND = {
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
