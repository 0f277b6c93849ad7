"""Pusher Channels for Python: a binding of the C library `pusher_channels` by ctypes.

    from pusher_channels import Client

    with Client(key="app-key", cluster="eu") as client:
        client.subscribe("orders")
        for event in client.events("orders", "placed"):
            print(event.json())

The package loads the shared library from the path in the variable PUSHER_CHANNELS_LIBRARY, or else from its own folder,
or else from the folders of the system. It needs Python 3.9 or later.

There are three ways of receiving.

- Waiting: `for notification in client`, `client.next(timeout)`, `client.receiver(..)` for a queue of its own, or
  `client.events(channel, event)` for the events of one name.
- In an event loop: `async for notification in client`, `async for event in client.events(..)`, `await anext(client)`,
  or `client.fileno()` in a selector.
- Callbacks: `client.bind(channel, event, callback)` and `client.on(kind, callback)`. They run on a thread of the
  client, or inside `client.dispatch` with the option manual_dispatch=True. pull=False turns off the queue for the other
  ways.

With the first two ways, no other thread calls Python code.

`connect`, `wait_connected`, `wait_subscribed`, `wait_all_subscribed`, `wait_signed_in`, `disconnect` and `close` wait
in the way that suits the thread in which they are called:

- In an ordinary thread they return, or raise, when the wait is over. Ctrl-C ends them within 0.2 s.
- In a thread that runs an event loop of asyncio, they return at once, and `await client.connect()` waits. Another
  thread does the waiting, so that the loop is not blocked. The call has begun even if it is never awaited. Cancelling
  it ends it, so that `asyncio.wait_for` and `asyncio.timeout` work. A cancelled `connect` disconnects.

`async with Client(..) as client` connects and closes without blocking the loop. Calls that could only block the loop
(`with`, `for`, and `next` with a timeout other than 0) raise a RuntimeError there, which names the call to use instead.

The logger "pusher_channels" of `logging` logs an exception of a callback or an authorizer with its traceback. It prints
on stderr unless the program configures it otherwise. The log of the library itself goes to the logger of `log_to`.

A backend signs permissions with `sign_channel` and `sign_user`.

Times are in seconds, and None means no limit. Every method may be called from every thread.
"""

from __future__ import annotations

from ctypes import string_at

from ._callbacks import log_to
from ._client import Binding, Client
from ._errors import ClosedError, Kind, OptionError, PusherError, Result, State
from ._library import ABI_VERSION, lib as _lib
from ._options import Options
from ._receiving import Events, Receiver
from ._signing import sign_channel, sign_user
from ._values import Member, Notification, Statistics
from ._waiting import Completion

# A short name, for programs that write `pusher_channels.Error`.
Error = PusherError

__all__ = ["ABI_VERSION", "Binding", "Client", "ClosedError", "Completion", "Error", "Events", "Kind", "Member"]
__all__ += ["Notification", "OptionError", "Options", "PusherError", "Receiver", "Result", "State", "Statistics"]
__all__ += ["abi_version", "log_to", "sign_channel", "sign_user", "version"]


def abi_version() -> int:
    number: int = _lib.pusher_abi_version()
    return number


def version() -> str:
    """The version of the library, such as "0.1.0"."""
    return string_at(_lib.pusher_version()).decode()


# Tracebacks show the names by which programs import the classes.
for _name in __all__:
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
