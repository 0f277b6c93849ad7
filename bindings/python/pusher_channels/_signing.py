"""Permissions that a backend signs with the app's secret."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ._errors import shortened, text_of
from ._library import lib


def sign_channel(
    key: str,
    secret: str,
    *,
    socket_id: str,
    channel: str,
    channel_data: Mapping[str, Any] | str | None = None,
    shared_secret: str | None = None,
) -> str:
    """Returns the JSON with which an auth endpoint answers for a channel. First check whether the user may subscribe.

    `channel_data` is for presence channels: a mapping with "user_id", and perhaps "user_info", or the JSON of such a
    mapping. `shared_secret` is for encrypted channels, in base64. The answer contains the shared secret, so keep both
    out of logs.

    Raises ValueError for a socket id with other characters than letters, digits, ".", "-" and "_", and for a presence
    channel without `channel_data`.
    """
    _check_socket_id(socket_id)
    if channel.startswith("presence-") and channel_data is None:
        raise ValueError(f"the presence channel {channel!r} needs channel_data: a mapping with \"user_id\"")
    data = None if channel_data is None else _json("channel_data", channel_data)
    return text_of(lib.pusher_sign_channel, key, secret, socket_id, channel, data, shared_secret) or ""


def sign_user(key: str, secret: str, socket_id: str, user_data: Mapping[str, Any] | str) -> str:
    """Returns the JSON with which an auth endpoint answers for a sign-in.

    `user_data` is a mapping with "id", and perhaps "user_info" and "watchlist", or the JSON of such a mapping.

    Raises ValueError for a socket id with other characters than letters, digits, ".", "-" and "_".
    """
    _check_socket_id(socket_id)
    return text_of(lib.pusher_sign_user, key, secret, socket_id, _json("user_data", user_data)) or ""


def _check_socket_id(socket_id: str) -> None:
    """Refuses a socket id with which a client could get a signature for another channel or user."""
    if not isinstance(socket_id, str):
        raise TypeError(f"socket_id must be a str, not {type(socket_id).__name__}")
    if not re.fullmatch("[A-Za-z0-9._-]+", socket_id):
        what = f"letters, digits, '.', '-' and '_', and is not {shortened(socket_id)}"
        raise ValueError(f"a socket id consists of {what}")


def _json(name: str, value: Mapping[str, Any] | str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping or a str, not {type(value).__name__}")
    return json.dumps(dict(value))
