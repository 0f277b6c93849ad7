"""Permissions that a backend signs with the app's secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._errors import text_of
from ._library import lib


def sign_channel(
    key: str,
    secret: str,
    socket_id: str,
    channel: str,
    channel_data: Mapping[str, Any] | str | None = None,
    shared_secret: str | None = None,
) -> str:
    """The JSON that an auth endpoint answers for a channel. Check first whether the user may subscribe.

    `channel_data` is for presence channels: a mapping with "user_id", and perhaps "user_info", or its JSON.
    `shared_secret` is for encrypted channels, in base64. The answer holds it, so neither belongs into a log.
    """
    data = None if channel_data is None else _json("channel_data", channel_data)
    return text_of(lib.pusher_sign_channel, key, secret, socket_id, channel, data, shared_secret) or ""


def sign_user(key: str, secret: str, socket_id: str, user_data: Mapping[str, Any] | str) -> str:
    """The JSON that an auth endpoint answers for a sign-in.

    `user_data` is a mapping with "id", and perhaps "user_info" and "watchlist", or its JSON.
    """
    return text_of(lib.pusher_sign_user, key, secret, socket_id, _json("user_data", user_data)) or ""


def _json(name: str, value: Mapping[str, Any] | str) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping or a str, not {type(value).__name__}")
    return json.dumps(dict(value))
