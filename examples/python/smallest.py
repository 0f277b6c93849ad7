"""Prints what is published on the channel `news`: python3 smallest.py ws://127.0.0.1:6001/app/app-key"""

import sys

from pusher_channels import Client, Kind

with Client(url=sys.argv[1]) as client:
    client.subscribe("news")
    for notification in client:
        if notification.kind is Kind.EVENT:
            print(notification.data)
