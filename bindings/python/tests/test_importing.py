"""Finding and loading the library."""

import ctypes.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from pusher_channels import _library
from support import BINDING


class Importing(unittest.TestCase):
    def fails(self, library, path=BINDING):
        environment = {**os.environ, "PYTHONPATH": str(path)}
        environment.pop("PUSHER_CHANNELS_LIBRARY", None)
        environment.pop("LD_LIBRARY_PATH", None)
        if library is not None:
            environment["PUSHER_CHANNELS_LIBRARY"] = library
        program = "import sys\ntry:\n import pusher_channels\nexcept ImportError as error: sys.exit(str(error))"
        ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("Set PUSHER_CHANNELS_LIBRARY", ended.stderr)
        self.assertIn("cargo rustc --release --features capi --crate-type cdylib", ended.stderr)
        return ended.stderr

    def test_importing_without_the_library_lists_the_places_and_says_what_to_do(self):
        message = self.fails(None)
        self.assertIn("PUSHER_CHANNELS_LIBRARY: it is not set", message)
        self.assertIn(str(BINDING / "pusher_channels" / _library.FILE_NAME), message)
        self.assertIn("the folders of the system", message)

    def test_importing_with_a_wrong_library_names_it(self):
        self.assertIn("PUSHER_CHANNELS_LIBRARY=/nowhere/library.so: ", self.fails("/nowhere/library.so"))
        # This library lacks the functions.
        other = ctypes.util.find_library("c") if sys.platform != "win32" else "kernel32"
        self.assertIn("pusher_abi_check", self.fails(other))

    def test_importing_with_a_library_of_another_version_says_so(self):
        with mock.patch.object(_library, "ABI_VERSION", 0x00630000), self.assertRaises(ImportError) as caught:
            _library.load()
        self.assertIn("is not of the version that this binding needs", str(caught.exception))

    def test_importing_with_an_older_library_says_so(self):
        """The older library lacks functions, and its check of the version fails."""
        with tempfile.TemporaryDirectory() as folder:
            source, library = Path(folder, "older.c"), Path(folder, "older.so")
            source.write_text("int pusher_abi_check(unsigned program) { return program > 0x00010001 ? 15 : 0; }")
            subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
            self.assertIn("is not of the version that this binding needs", self.fails(str(library)))


if __name__ == "__main__":
    unittest.main()
