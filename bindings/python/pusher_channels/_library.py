"""The shared library: finding it, loading it, and the parameters of its functions."""

from __future__ import annotations

import os
import sys
from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_ssize_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any

ABI_VERSION = 0x00010002

Destructor = CFUNCTYPE(None, c_void_p)
LogCallback = CFUNCTYPE(None, c_void_p, c_int32, c_char_p, c_char_p)
AuthorizeCallback = CFUNCTYPE(None, c_void_p, c_void_p)
BatchAuthorizeCallback = CFUNCTYPE(None, c_void_p, POINTER(c_void_p), c_size_t)
PairsCallback = CFUNCTYPE(None, c_void_p, c_void_p)
DecodeCallback = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
DialCallback = CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint16, c_int32, POINTER(c_ssize_t))
WakeCallback = CFUNCTYPE(None, c_void_p)
Callback = CFUNCTYPE(None, c_void_p, c_void_p)


class Text:
    """A text parameter, `const char *`: a str or None. A NUL would end the text too early, so it is refused."""

    @staticmethod
    def from_param(text: str | None) -> Any:
        if text is None:
            return None
        if not isinstance(text, str):
            raise TypeError(f"a str is needed, not {type(text).__name__}")
        if "\0" in text:
            raise ValueError("the text contains a NUL")
        return c_char_p.from_param(text.encode())


# The parameters of every function of the header. Handles are numbers with the type of a pointer. Functions return text
# as an address, because `c_char_p` would stop at a NUL.
_IN, _OUT = c_void_p, POINTER(c_void_p)
_OUT_INT, _OUT_UINT64, _OUT_SIZE = POINTER(c_int32), POINTER(c_uint64), POINTER(c_size_t)
_OUT_TEXT = (_OUT, _OUT_SIZE)

FUNCTIONS = {
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
    "pusher_log": (c_int32, LogCallback, c_void_p, Destructor),
    "pusher_config_new": (_OUT,),
    "pusher_config_free": (_IN,),
    "pusher_config_set": (_IN, Text, Text),
    "pusher_config_set_int": (_IN, Text, c_int64),
    "pusher_config_set_bool": (_IN, Text, c_int32),
    "pusher_config_add": (_IN, Text, Text, Text),
    "pusher_config_dial_url": (_IN, *_OUT_TEXT),
    "pusher_config_authorizer": (_IN, AuthorizeCallback, c_void_p, Destructor),
    "pusher_config_batch_authorizer": (_IN, BatchAuthorizeCallback, c_void_p, Destructor),
    "pusher_config_user_authenticator": (_IN, AuthorizeCallback, c_void_p, Destructor),
    "pusher_auth_request_channel": (_IN, *_OUT_TEXT),
    "pusher_auth_request_socket_id": (_IN, *_OUT_TEXT),
    "pusher_auth_request_grant": (_IN, Text, Text, Text),
    "pusher_auth_request_grant_user": (_IN, Text, Text),
    "pusher_auth_request_grant_json": (_IN, c_char_p, c_size_t),
    "pusher_auth_request_refuse": (_IN, Text, c_int32),
    "pusher_auth_request_free": (_IN,),
    "pusher_config_auth_headers": (_IN, PairsCallback, c_void_p, Destructor),
    "pusher_config_auth_params": (_IN, PairsCallback, c_void_p, Destructor),
    "pusher_pairs_add": (_IN, Text, Text),
    "pusher_config_encrypted_data_decoder": (_IN, DecodeCallback, c_void_p, Destructor),
    "pusher_text_set": (_IN, c_char_p, c_size_t),
    "pusher_config_dialer": (_IN, DialCallback, c_void_p, Destructor),
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
    "pusher_set_auth_header": (_IN, Text, Text),
    "pusher_set_auth_param": (_IN, Text, Text),
    "pusher_subscribe": (_IN, Text),
    "pusher_subscribe_with_auth": (_IN, Text, Text, Text, Text),
    "pusher_subscribe_with_auth_json": (_IN, Text, c_char_p, c_size_t),
    "pusher_unsubscribe": (_IN, Text),
    "pusher_unsubscribe_all": (_IN,),
    "pusher_is_subscribed": (_IN, Text, _OUT_INT),
    "pusher_wait_subscribed": (_IN, Text, c_int32),
    "pusher_wait_all_subscribed": (_IN, c_int32),
    "pusher_channels": (_IN, _OUT),
    "pusher_members": (_IN, Text, _OUT),
    "pusher_member": (_IN, Text, Text, _OUT),
    "pusher_me": (_IN, Text, _OUT),
    "pusher_subscription_count": (_IN, Text, _OUT_UINT64),
    "pusher_trigger": (_IN, Text, Text, c_char_p, c_size_t),
    "pusher_trigger_text": (_IN, Text, Text, c_char_p, c_size_t),
    "pusher_list_length": (_IN, _OUT_SIZE),
    "pusher_list_id": (_IN, c_size_t, *_OUT_TEXT),
    "pusher_list_info": (_IN, c_size_t, *_OUT_TEXT),
    "pusher_list_free": (_IN,),
    "pusher_sign_in": (_IN,),
    "pusher_sign_in_with_auth": (_IN, Text, Text),
    "pusher_sign_in_with_auth_json": (_IN, c_char_p, c_size_t),
    "pusher_wait_signed_in": (_IN, c_int32),
    "pusher_user_id": (_IN, *_OUT_TEXT),
    "pusher_sign_channel": (Text, Text, Text, Text, Text, Text, *_OUT_TEXT),
    "pusher_sign_user": (Text, Text, Text, Text, *_OUT_TEXT),
    "pusher_next": (_IN, c_int32, _OUT),
    "pusher_length": (_IN, _OUT_SIZE),
    "pusher_descriptor": (_IN, _OUT_INT),
    "pusher_receiver_options_new": (_OUT,),
    "pusher_receiver_options_set": (_IN, Text, Text),
    "pusher_receiver_options_set_int": (_IN, Text, c_int64),
    "pusher_receiver_options_free": (_IN,),
    "pusher_receiver_options_wake": (_IN, WakeCallback, c_void_p, Destructor),
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
    "pusher_notification_text": (_IN, *_OUT_TEXT),
    "pusher_notification_clone": (_IN, _OUT),
    "pusher_notification_free": (_IN,),
    "pusher_bind": (_IN, Text, Text, Callback, c_void_p, Destructor, _OUT),
    "pusher_bind_user": (_IN, Text, Callback, c_void_p, Destructor, _OUT),
    "pusher_on": (_IN, c_int32, Text, Callback, c_void_p, Destructor, _OUT),
    "pusher_unbind": (_IN,),
    "pusher_unbind_event": (_IN, Text, Text),
    "pusher_unbind_all": (_IN, Text),
    "pusher_unbind_user_event": (_IN, Text),
    "pusher_unbind_user_all": (_IN,),
    "pusher_binding_free": (_IN,),
    "pusher_dispatch": (_IN, _OUT_SIZE),
    "pusher_dispatch_count": (_IN, c_size_t, _OUT_SIZE),
    "pusher_dispatch_time": (_IN, c_int32, _OUT_SIZE),
    "pusher_stats_new": (_IN, _OUT),
    "pusher_stats_free": (_IN,),
    "pusher_stats_get": (_IN, Text, _OUT_UINT64),
    "pusher_stats_last_close_reason": (_IN, *_OUT_TEXT),
    "pusher_stats_text": (_IN, *_OUT_TEXT),
}

# The functions that return another value than a result. All others return a result, which is checked, or free a handle.
_RETURNS = {"pusher_abi_version": c_uint32, "pusher_version": c_void_p, "pusher_last_error_text": c_int32}

FILE_NAME = {"win32": "pusher_channels.dll", "darwin": "libpusher_channels.dylib"}.get(
    sys.platform, "libpusher_channels.so"
)

_BUILD = "cargo rustc --release --features capi --crate-type cdylib"


def returns_result(function_name: str) -> bool:
    return function_name not in _RETURNS and not function_name.endswith("_free")


def load() -> CDLL:
    """Finds and loads the library. The ImportError lists the places, and says how to provide the library."""
    named, beside = os.environ.get("PUSHER_CHANNELS_LIBRARY"), Path(__file__).with_name(FILE_NAME)
    if named:
        return _open(named, [f"PUSHER_CHANNELS_LIBRARY={named}"])
    looked = ["PUSHER_CHANNELS_LIBRARY: it is not set", f"{beside}"]
    if beside.exists():
        return _open(str(beside), looked)
    looked[-1] += ": there is no such file"
    # The system searches its folders for a name without a folder.
    return _open(FILE_NAME, [*looked, "the folders of the system"])


def _open(name: str, looked: list[str]) -> CDLL:
    try:
        library = CDLL(name)
        # This check comes first, because a library of another version may lack other functions.
        if library.pusher_abi_check(ABI_VERSION) != 0:
            raise OSError(f"{name} is not of the version that this binding needs")
        _declare(library)
    # An AttributeError means that a function is missing.
    except (OSError, AttributeError) as error:
        looked[-1] += f": {error}"
        places = "".join(f"\n  {place}" for place in looked)
        raise ImportError(
            f"pusher_channels cannot load its library {FILE_NAME}. It was looked for in:{places}\n"
            "Set PUSHER_CHANNELS_LIBRARY to the path of the library. In a clone of the repository of pusher-channels\n"
            f"`{_BUILD}` builds target/release/{FILE_NAME}.",
            name="pusher_channels",
        ) from None
    return library


def _declare(library: CDLL) -> None:
    for function_name, parameters in FUNCTIONS.items():
        function = getattr(library, function_name)
        function.argtypes = parameters
        function.restype = None if function_name.endswith("_free") else _RETURNS.get(function_name, c_int32)


lib = load()
