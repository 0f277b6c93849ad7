"""A chat on a presence channel: python3 chat_asyncio.py ws://127.0.0.1:6001/app/app-key app-secret ann"""

import asyncio
import sys

from pusher_channels import Client, Kind, Notification, sign_channel

url, secret, me = sys.argv[1:]
key = url.rpartition("/")[2]


async def authorizer(channel: str, socket_id: str) -> str:
    # A real program asks its backend here, and returns the answer. Only the backend knows the secret.
    return sign_channel(key, secret, socket_id=socket_id, channel=channel, channel_data={"user_id": me})


def show(n: Notification) -> None:
    if n.kind is Kind.MEMBER_ADDED:
        print(n.user_id, "has come")
    elif n.kind is Kind.MEMBER_REMOVED:
        print(n.user_id, "has left")
    elif n.kind is Kind.EVENT and n.name == "client-message":
        print(f"{n.user_id}: {n.json()['text']}")
    elif n.error:
        print(n)


async def main() -> None:
    async with Client(url=url, authorizer=authorizer) as client:
        client.subscribe("presence-chat")
        await client.wait_subscribed("presence-chat", timeout=10)
        print("here:", ", ".join(member.id for member in client.members("presence-chat")))
        client.trigger("presence-chat", "client-message", {"text": f"Hello, {me} is here."})
        async for n in client:
            show(n)


asyncio.run(main())
