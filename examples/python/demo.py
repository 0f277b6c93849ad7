"""Three channels, a client event, and a connection that drops. It polls, so no other thread calls Python code.

pip install ./bindings/python
cargo run --example playground -- python3 examples/python/demo.py
"""

import os
import sys
import time

from pusher_channels import Client, Kind, State

CHANNELS = "news", "private-orders", "presence-kitchen"
PATIENCE = 30.0


def main() -> None:
    awaited = {f"{channel}: {what}" for channel in CHANNELS for what in ("published", "subscribed again")}
    awaited |= {"presence-kitchen: client-welcome", "an event after that"}
    subscribed_again = set()
    end = time.monotonic() + PATIENCE

    with connect() as client:
        for channel in CHANNELS:
            client.subscribe(channel)
        while awaited:
            notification = client.next(timeout=max(0.0, end - time.monotonic()))
            if notification is None:
                sys.exit(f"{PATIENCE:.0f} s have passed without: {', '.join(sorted(awaited))}")

            news = None
            if notification.kind is Kind.EVENT:
                news = f"{notification.channel}: {notification.name}"
                if len(subscribed_again) == len(CHANNELS):
                    news = "an event after that"
            elif notification.kind is Kind.SUBSCRIPTION_SUCCEEDED:
                if notification.resubscribed:
                    news = f"{notification.channel}: subscribed again"
                    subscribed_again.add(notification.channel)
                    print(f"{notification.channel}: not subscribed for {notification.gap} s")
                elif notification.channel == "presence-kitchen":
                    print("in the kitchen:", ", ".join(member.id for member in client.members("presence-kitchen")))
                    client.trigger("presence-kitchen", "client-hello", {"from": "python"})
            elif notification.kind is Kind.CONNECTION_STATE_CHANGE:
                print(f"{notification.previous_state.name} -> {notification.state.name}", notification.error or "")
                if notification.state is State.FAILED:
                    sys.exit(f"the client has given up: {notification.error}")
            elif notification.kind is Kind.SUBSCRIPTION_ERROR:
                sys.exit(f"cannot subscribe to {notification.channel}: {notification.error}")
            elif notification.error:
                print(notification.error)

            # Events come all the time, and the first of each kind is enough.
            if news in awaited:
                awaited.remove(news)
                print(news, notification.data or "")


def connect() -> Client:
    return Client(
        host=os.environ["PUSHER_HOST"],
        port=os.environ["PUSHER_PORT"],
        key=os.environ["PUSHER_KEY"],
        tls=False,
        auth_endpoint=os.environ["PUSHER_AUTH_ENDPOINT"],
        auth_params={"user_id": "python"},
    )


if __name__ == "__main__":
    main()
