"""The docstrings are complete, and the chat of the guide works."""

import inspect
import os
import re
import subprocess
import sys
import threading
import unittest

import pusher_channels
from pusher_channels import Client, PusherError, _options
from support import BINDING, PATIENCE, ROOT, client_with


class Documentation(unittest.TestCase):
    def test_the_client_describes_each_option(self):
        described = re.findall(r"^(\w+)(?:: |\()", inspect.getdoc(Client), flags=re.MULTILINE)
        self.assertEqual(sorted(described), sorted({*_options.OPTIONS}))
        self.assertEqual(sorted(pusher_channels.Options.__annotations__), sorted({*_options.OPTIONS}))
        # Hints name only options that exist.
        self.assertLessEqual({*_options.OTHER_NAMES.values()}, {*_options.OPTIONS})

    def test_short_names(self):
        self.assertIs(pusher_channels.Error, PusherError)
        client = client_with()
        self.assertIs(client.is_connected, False)
        with client:
            self.assertIs(client.is_connected, True)
            self.assertEqual(client.stats()["connections"], client.statistics()["connections"])

    def test_the_chat_of_the_guide(self):
        url = f"ws://{os.environ['PUSHER_HOST']}:{os.environ['PUSHER_PORT']}/app/{os.environ['PUSHER_KEY']}"

        def begin(name):
            command = [sys.executable, "-u", str(ROOT / "examples/python/chat_asyncio.py"), url]
            command += [os.environ["PUSHER_SECRET"], name]
            environment = {**os.environ, "PYTHONPATH": str(BINDING)}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            program = subprocess.Popen(command, env=environment, **pipes)
            self.addCleanup(program.stdout.close)
            self.addCleanup(program.wait, PATIENCE)
            self.addCleanup(program.kill)
            impatient = threading.Timer(PATIENCE, program.kill)
            impatient.start()
            self.addCleanup(impatient.cancel)
            return program

        ann = begin("ann")
        self.assertEqual(ann.stdout.readline(), "here: ann\n")
        bob = begin("bob")
        self.assertEqual(bob.stdout.readline(), "here: ann, bob\n")
        self.assertEqual(ann.stdout.readline(), "bob has come\n")
        self.assertEqual(ann.stdout.readline(), "bob: Hello, bob is here.\n")
        bob.kill()
        self.assertEqual(ann.stdout.readline(), "bob has left\n")


if __name__ == "__main__":
    unittest.main()
