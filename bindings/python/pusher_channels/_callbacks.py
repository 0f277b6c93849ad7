"""Python functions that the library calls."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import itertools
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from ctypes import ArgumentError, byref, c_void_p, string_at
from functools import partial
from typing import Any

from ._errors import Kind, LogLevel, text_of
from ._library import (
    AuthorizeCallback,
    BatchAuthorizeCallback,
    Callback,
    DecodeCallback,
    Destructor,
    DialCallback,
    LogCallback,
    PairsCallback,
    WakeCallback,
    lib,
)
from ._values import Notification, json_data
from ._waiting import running_loop, seconds_of


class _Callbacks:
    """The Python functions that the library may call, by the numbers that it gets as `user_data`.

    The library calls the functions at the end of this file, which live as long as the process. A Python function lives
    until the library calls the destructor. After that the library never calls the function again.
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

    # This can run on any thread and inside the garbage collector, so it takes no lock.
    def remove(self, number: int) -> None:
        del self._functions[number]
        if self._emptied is not None and not self._functions:
            self._emptied.put(None)

    def forget(self) -> None:
        """Drops all functions in a forked child, where the library calls none of them."""
        self._functions.clear()

    def wait_until_empty(self, timeout: float) -> None:
        self._emptied = queue.SimpleQueue()
        if self._functions:
            try:
                self._emptied.get(timeout=timeout)
            except queue.Empty:
                pass


callbacks = _Callbacks()
# The logger has no handler, so that a program without logging still sees the exceptions of its functions on stderr.
_logger = logging.getLogger(__package__)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=callbacks.forget)


# ---- Registering -----------------------------------------------------------------------------------------------------


def checked(what: str, function: Any, usage: str) -> Callable[..., Any]:
    """Returns the function, or raises TypeError if the library could not call it as `usage` shows."""
    if not callable(function):
        raise TypeError(f"{what} must be callable, not {type(function).__name__}")
    if _is_coroutine_function(function):
        raise TypeError(f"{what} must be an ordinary function, because no event loop would run a coroutine function")
    _check_parameters(what, function, usage)
    result: Callable[..., Any] = function
    return result


def _check_parameters(what: str, function: Any, usage: str) -> None:
    """Raises TypeError for a function that takes another number of arguments. Unknown parameters are accepted."""
    try:
        # The parameters of a wrapper count, and not those of the wrapped function.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return
    arguments = usage[usage.index("(") + 1 : -1]
    try:
        signature.bind(*filter(None, arguments.split(", ")))
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise TypeError(f"{what} is called as {usage}, which {name}{signature} does not take: {error}") from None


def on_loop(what: str, function: Any, usage: str) -> Callable[..., Any]:
    """Checks as `checked` does, but accepts coroutine functions, too. They run in the event loop of this thread."""
    if not _is_coroutine_function(function):
        return checked(what, function, usage)
    _check_parameters(what, function, usage)
    loop = running_loop()
    if loop is None:
        raise TypeError(f"{what} is a coroutine function: make the client in the event loop that is to run it")

    def begin(*arguments: Any) -> Future[Any]:
        coroutine = function(*arguments)
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:
            # The loop is closed.
            coroutine.close()
            raise

    return begin


def _is_coroutine_function(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


@contextmanager
def registered(function: Callable[..., Any]) -> Iterator[int]:
    """Yields the `user_data` for a registration.

    If the registration fails, the library runs the destructor. After an ArgumentError the library was not called, so
    the function is removed here.
    """
    number = callbacks.add(function)
    try:
        yield number
    except ArgumentError:
        callbacks.remove(number)
        raise


def register(callback: Callable[[Notification], object], function: Any, *arguments: Any) -> c_void_p:
    binding = c_void_p()
    with registered(callback) as number:
        function(*arguments, on_notification, number, on_destroy, byref(binding))
    return binding


def log_to(logger: logging.Logger | None) -> None:
    """Sends the log of the library to a logger, up to its level. None ends that. A process has one such logger."""
    atexit.unregister(log_to)
    if logger is None:
        lib.pusher_log(LogLevel.OFF, LogCallback(), None, Destructor())
        return
    enabled = [level for level, python in _LOG_LEVELS.items() if logger.isEnabledFor(python)]

    def log(level: int, target: str, message: str) -> None:
        logger.log(_LOG_LEVELS[LogLevel(level)], "%s: %s", target, message)

    with registered(log) as number:
        lib.pusher_log(max(enabled, default=LogLevel.OFF), _on_log, number, on_destroy)
    atexit.register(log_to, None)


_LOG_LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARN: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.TRACE: logging.DEBUG - 5,
}


def _called_as(kind: Any) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that makes a function that the library can call."""
    return lambda function: kind(function)


# ---- Callbacks for notifications -------------------------------------------------------------------------------------


class _Dispatch(threading.local):
    """The state of the dispatch that runs on this thread."""

    depth = 0
    interrupt: BaseException | None = None


_dispatch = _Dispatch()


@contextmanager
def dispatching() -> Iterator[None]:
    """Raises Ctrl-C at the end of a dispatch if it came during a callback. The library lets no exception through."""
    _dispatch.depth += 1
    try:
        yield
    finally:
        _dispatch.depth -= 1
    if _dispatch.depth == 0 and _dispatch.interrupt is not None:
        interrupt, _dispatch.interrupt = _dispatch.interrupt, None
        raise interrupt


def _log_raised(what: str, error: BaseException, level: int = logging.ERROR) -> None:
    """Logs an exception, because the library lets no exception through."""
    _logger.log(level, "%s has raised", what, exc_info=error)


@_called_as(Destructor)
def on_destroy(number: int) -> None:
    callbacks.remove(number)


@_called_as(Callback)
def on_notification(number: int, notification: Any) -> None:
    what = "a callback"
    try:
        copy = Notification._of(notification)
        name = f"the event {copy.name!r}" if copy.kind is Kind.EVENT else str(copy.kind)
        what += f" for {name}" + (f" on the channel {copy.channel!r}" if copy.channel else "")
        callbacks[number](copy)
    except Exception as error:
        _log_raised(what, error)
    except BaseException as interrupt:
        if _dispatch.depth == 0:
            _log_raised(what, interrupt)
        else:
            _dispatch.interrupt = interrupt


@_called_as(WakeCallback)
def on_wake(number: int) -> None:
    try:
        callbacks[number]()
    except BaseException as error:
        _log_raised("the function `wake` of a receiver", error)


@_called_as(LogCallback)
def _on_log(number: int, level: int, target: bytes, message: bytes) -> None:
    callbacks[number](level, target.decode(), message.decode())


# ---- Callbacks that authorise ----------------------------------------------------------------------------------------


def _call(what: str, function: Callable[[], Any], answer_with: Callable[[Any], None]) -> None:
    """Calls a function of the program, and passes its answer or its exception on. A coroutine does so when it ends."""
    try:
        answer = function()
    except CancelledError as error:
        answer = error
    except BaseException as error:
        # A warning, because the program may have raised it to refuse.
        _log_raised(what, error, logging.WARNING)
        answer = error
    if isinstance(answer, Future):
        answer.add_done_callback(lambda done: _call(what, done.result, answer_with))
    else:
        answer_with(answer)


def _settle(what: str, request: Any, answer: Any, grant: Callable[[Any], None]) -> None:
    """Grants the request, or refuses it if the answer is an exception or causes one. Frees the request."""
    try:
        if isinstance(answer, BaseException):
            _refuse(request, answer)
            return
        try:
            grant(answer)
        except BaseException as error:
            _logger.error("the answer of %s is not valid: %s", what, error)
            _refuse(request, error)
    finally:
        lib.pusher_auth_request_free(request)


def _refuse(request: Any, error: BaseException) -> None:
    message = f"{type(error).__name__}: {error}".replace("\0", " ").encode(errors="replace").decode()
    status = getattr(error, "status", None)
    # The attribute `status` of an exception may have another meaning.
    is_http = isinstance(status, int) and 100 <= status <= 599
    lib.pusher_auth_request_refuse(request, message, status if is_http else 0)


def _request_of(request: Any) -> tuple[str | None, str | None]:
    """Returns the channel, which the request of a user lacks, and the socket id."""
    channel = text_of(lib.pusher_auth_request_channel, request)
    return channel, text_of(lib.pusher_auth_request_socket_id, request)


def _fields(source: str, answer: Any, *needed: str) -> Mapping[str, str]:
    """Returns the answer if it is a mapping with the needed names. Raises an error with the reason otherwise."""
    if answer is None:
        raise TypeError(f"{source} returned None")
    texts = " and ".join(map(repr, needed))
    if not isinstance(answer, Mapping):
        raise TypeError(f"{source} must return a mapping with {texts}, or JSON, not {type(answer).__name__}")
    for name in needed:
        if name not in answer:
            raise ValueError(f"{source} returned a mapping without {name!r}")
    return answer


def _grant(source: str, request: Any, answer: Any) -> None:
    def grant(answer: Any) -> None:
        if isinstance(answer, (str, bytes)):
            lib.pusher_auth_request_grant_json(request, *json_data(answer))
            return
        fields = _fields(source, answer, "auth")
        optional = fields.get("channel_data"), fields.get("shared_secret")
        lib.pusher_auth_request_grant(request, fields["auth"], *optional)

    _settle(f"{source} for the channel {_request_of(request)[0]!r}", request, answer, grant)


def _grant_all(requests: Sequence[c_void_p], answers: Any) -> None:
    try:
        if isinstance(answers, BaseException):
            raise answers
        if answers is None:
            raise TypeError("the batch authorizer returned None")
        if isinstance(answers, (str, bytes, Mapping)):
            raise TypeError(f"the batch authorizer must return a list of answers, not {type(answers).__name__}")
        answers = list(answers)
        if len(answers) != len(requests):
            raise ValueError(f"the batch authorizer returned {len(answers)} answers to {len(requests)} requests")
    except BaseException as error:
        if error is not answers:
            _logger.error("the answers of the batch authorizer are not valid: %s", error)
        answers = [error] * len(requests)
    for request, answer in zip(requests, answers):
        _grant("the batch authorizer", request, answer)


def _grant_user(request: Any, answer: Any) -> None:
    source = "the user authenticator"

    def grant(answer: Any) -> None:
        if isinstance(answer, (str, bytes)):
            lib.pusher_auth_request_grant_json(request, *json_data(answer))
            return
        fields = _fields(source, answer, "auth", "user_data")
        lib.pusher_auth_request_grant_user(request, fields["auth"], fields["user_data"])

    _settle(source, request, answer, grant)


@_called_as(AuthorizeCallback)
def _on_authorize(number: int, request: int) -> None:
    channel, socket_id = _request_of(request)
    source = "the authorizer"
    what = f"{source} for the channel {channel!r}"
    _call(what, lambda: callbacks[number](channel, socket_id), lambda answer: _grant(source, request, answer))


@_called_as(BatchAuthorizeCallback)
def _on_batch_authorize(number: int, array: Any, count: int) -> None:
    # The array is valid until this returns. Each request is answered and freed by itself.
    handles = [c_void_p(array[index]) for index in range(count)]
    requests = [_request_of(handle) for handle in handles]
    what = f"the batch authorizer for the channels {[channel for channel, _ in requests]}"
    _call(what, lambda: callbacks[number](requests), lambda answers: _grant_all(handles, answers))


@_called_as(AuthorizeCallback)
def _on_authenticate_user(number: int, request: int) -> None:
    socket_id = _request_of(request)[1]
    _call("the user authenticator", lambda: callbacks[number](socket_id), lambda answer: _grant_user(request, answer))


@_called_as(PairsCallback)
def _on_pairs(number: int, pairs: Any) -> None:
    try:
        found: Mapping[str, str] = callbacks[number]()
        for name, value in found.items():
            lib.pusher_pairs_add(pairs, name, value)
    except BaseException as error:
        _log_raised("a function for auth_headers or auth_params", error)


# ---- Callbacks with a result -----------------------------------------------------------------------------------------


def _resulting(what: str, function: Callable[..., None]) -> Callable[..., int]:
    """Makes a callback return 0, or 1 after an exception."""

    def call(*arguments: Any) -> int:
        try:
            function(*arguments)
        except Exception as error:
            _log_raised(what, error)
            return 1
        return 0

    return call


@_called_as(DecodeCallback)
@partial(_resulting, "the encrypted_data_decoder")
def _on_decode(number: int, data: int, length: int, text: Any) -> None:
    decoded = callbacks[number](string_at(data, length)).encode()
    lib.pusher_text_set(text, decoded, len(decoded))


@_called_as(DialCallback)
@partial(_resulting, "the dialer")
def _on_dial(number: int, host: bytes, port: int, milliseconds: int, place: Any) -> None:
    # Detached, because the client owns the socket from here on, and closes it.
    place[0] = callbacks[number](host.decode(), port, seconds_of(milliseconds)).detach()


# For each option that is a function: the function that registers it, the callback, the check of its value, and the form
# in which the value is called.
CALLBACK_OPTIONS: dict[str, tuple[str, Any, Callable[[str, Any, str], Callable[..., Any]], str]] = {
    "authorizer": ("pusher_config_authorizer", _on_authorize, on_loop, "authorizer(channel, socket_id)"),
    "batch_authorizer": (
        "pusher_config_batch_authorizer", _on_batch_authorize, on_loop, "batch_authorizer(requests)"
    ),
    "user_authenticator": (
        "pusher_config_user_authenticator", _on_authenticate_user, on_loop, "user_authenticator(socket_id)"
    ),
    "encrypted_data_decoder": (
        "pusher_config_encrypted_data_decoder", _on_decode, checked, "encrypted_data_decoder(data)"
    ),
    "dialer": ("pusher_config_dialer", _on_dial, checked, "dialer(host, port, seconds)"),
    "auth_headers": ("pusher_config_auth_headers", _on_pairs, checked, "auth_headers()"),
    "auth_params": ("pusher_config_auth_params", _on_pairs, checked, "auth_params()"),
}
