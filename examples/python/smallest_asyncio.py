"""Prints the events of the channel `news`, in an event loop: python3 smallest_asyncio.py ws://127.0.0.1:6001/app/app-key"""

import asyncio
import sys

from pusher_channels import Client


async def main() -> None:
    async with Client(url=sys.argv[1]) as client:
        events = client.events("news")
        client.subscribe("news")
        async for event in events:
            print(event.data)


asyncio.run(main())
