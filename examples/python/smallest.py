"""Prints the events of the channel `news`: python3 smallest.py ws://127.0.0.1:6001/app/app-key"""

import sys

from pusher_channels import Client

with Client(url=sys.argv[1]) as client:
    events = client.events("news")
    client.subscribe("news")
    for event in events:
        print(event.data)
