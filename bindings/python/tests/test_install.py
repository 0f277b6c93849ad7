"""`pip install bindings/python` installs the library with the binding, or says how to provide the library."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

from support import BINDING, PATIENCE, ROOT

PROGRAM = """
import os, pusher_channels
from pusher_channels import Client
options = {"host": os.environ["PUSHER_HOST"], "port": os.environ["PUSHER_PORT"], "key": os.environ["PUSHER_KEY"]}
with Client(**options, tls=False) as client:
    client.subscribe("news")
    print(next(iter(client.events("news", "published"))).name, pusher_channels.__file__)
"""


class Installing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.environment = {**os.environ}
        self.library = self.environment.pop("PUSHER_CHANNELS_LIBRARY")
        # The installed package is tested, and not the sources.
        self.environment.pop("PYTHONPATH", None)

    def run_python(self, *arguments, python=sys.executable, **options):
        options = {"env": self.environment, "cwd": self.folder, "capture_output": True, "text": True, **options}
        return subprocess.run([str(python), *map(str, arguments)], **options)

    def find_library(self, source=BINDING, path=None):
        """Runs the build backend, which prints the path of the library or the reason why there is none."""
        environment = {**self.environment, "HOME": str(self.folder)}
        environment["PATH"] = str(self.folder) + (f":{path}" if path else "")
        return self.run_python("-c", "import build_backend as b; print(b.find_library())", cwd=source, env=environment)

    def refused(self, reason, source=BINDING):
        ended = self.find_library(source)
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn(reason, ended.stderr)
        self.assertIn("Set PUSHER_CHANNELS_LIBRARY to the path of", ended.stderr)
        self.assertIn("`pip install bindings/python` in a clone", ended.stderr)
        self.assertIn("cargo rustc --locked --release --features capi --crate-type cdylib", ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)

    def cargo(self, result=0):
        """Makes a cargo that records its folder and arguments, and reports that it has built the real library."""
        messages = [
            {"reason": "compiler-artifact", "filenames": ["/else/where/libother.rlib"]},
            {"reason": "compiler-artifact", "filenames": [self.library]},
            {"reason": "build-finished", "success": True},
        ]
        (self.folder / "messages").write_text("".join(json.dumps(message) + "\n" for message in messages))
        cargo = self.folder / "cargo"
        script = f'#!/bin/sh\necho "$PWD" "$@" >"{self.folder}/called"\ncat "{self.folder}/messages"\nexit {result}\n'
        cargo.write_text(script)
        cargo.chmod(0o755)

    def copy(self):
        """Copies the folder of the binding to a place outside of a clone."""
        without = shutil.ignore_patterns("__pycache__", Path(self.library).name)
        return shutil.copytree(BINDING, self.folder / "a/b/python", ignore=without)

    def test_pip_installs_the_binding_with_its_library(self):
        self.run_python("-m", "venv", "venv", check=True)
        python = self.folder / "venv/bin/python"
        installing = {**self.environment, "PUSHER_CHANNELS_LIBRARY": self.library}
        installed = self.run_python("-m", "pip", "install", "--no-index", BINDING, python=python, env=installing)
        self.assertEqual(installed.returncode, 0, installed.stdout + installed.stderr)
        ran = self.run_python("-c", PROGRAM, python=python)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        name, file = ran.stdout.split()
        self.assertEqual(name, "published")
        self.assertIn(self.folder, Path(file).resolve().parents)
        self.assertTrue(Path(file).with_name("py.typed").exists())
        self.assertRegex(self.first_line_of_an_example(python), r'^{"number":\d+}$')
        # The library is for this platform only, and so is the wheel.
        wheel = next(self.folder.glob("venv/lib/python*/site-packages/pusher_channels_ctypes-*.dist-info/WHEEL"))
        self.assertRegex(wheel.read_text(), r"\nTag: py3-none-(linux|macosx)_\w+\n")
        # Uninstalling removes everything.
        removed = self.run_python("-m", "pip", "uninstall", "--yes", "pusher-channels-ctypes", python=python)
        self.assertEqual(removed.returncode, 0, removed.stderr)
        self.assertFalse(Path(file).parent.exists())

    def first_line_of_an_example(self, python):
        """Runs an example in the source folder. It must import the installed package: the sources have no library."""
        command = [str(python), "-u", str(ROOT / "examples/python/smallest.py"), self.environment["PUSHER_URL"]]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, env=self.environment, cwd=BINDING, **pipes) as program:
            impatient = threading.Timer(PATIENCE, program.kill)
            impatient.start()
            line = program.stdout.readline()
            impatient.cancel()
            program.kill()
        return line.rstrip("\n")

    def test_pip_says_what_to_do_where_there_is_no_library(self):
        copy = self.copy()
        ended = self.run_python("-m", "pip", "wheel", "--no-index", "--wheel-dir", self.folder, copy)
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("does not lie in a clone of the repository of pusher-channels", ended.stdout + ended.stderr)
        self.assertIn("Set PUSHER_CHANNELS_LIBRARY to the path of", ended.stdout + ended.stderr)

    def test_cargo_builds_the_library_in_a_clone(self):
        self.cargo()
        found = self.find_library(path="/bin:/usr/bin")
        self.assertEqual((found.stdout.strip(), found.stderr), (self.library, ""))
        called, *arguments = (self.folder / "called").read_text().split()
        self.assertEqual(Path(called).resolve(), ROOT.resolve())
        self.assertEqual(arguments[:7], "rustc --locked --release --features capi --crate-type cdylib".split())

    def test_a_library_beside_the_binding_is_taken(self):
        self.cargo()
        copy = self.copy()
        beside = copy / "pusher_channels" / Path(self.library).name
        shutil.copy(self.library, beside)
        self.assertEqual(self.find_library(copy, path="/bin:/usr/bin").stdout.strip(), str(beside))
        self.assertFalse((self.folder / "called").exists())

    def test_the_backend_says_why_it_has_no_library(self):
        self.refused("there is no cargo to build it with")
        self.environment["PUSHER_CHANNELS_LIBRARY"] = "/nowhere/library.so"
        self.refused("PUSHER_CHANNELS_LIBRARY is /nowhere/library.so, and there is no such file")
        del self.environment["PUSHER_CHANNELS_LIBRARY"]
        self.cargo(result=101)
        self.refused("failed with 101")
        self.refused("does not lie in a clone", self.copy())

    def test_a_source_distribution_says_that_it_has_no_library(self):
        build = "import build_backend as b, sys; print(b.build_sdist(sys.argv[1]))"
        built = self.run_python("-c", build, self.folder, cwd=BINDING)
        self.assertEqual(built.stderr, "")
        with tarfile.open(self.folder / built.stdout.strip()) as archive:
            names = archive.getnames()
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(self.folder)
        root = names[0].split("/")[0]
        self.assertEqual(built.stdout.strip(), f"{root}.tar.gz")
        self.assertTrue({f"{root}/PKG-INFO", f"{root}/README.md", f"{root}/pusher_channels/__init__.py"} <= set(names))
        self.refused("does not lie in a clone", self.folder / root)
        self.environment["PUSHER_CHANNELS_LIBRARY"] = self.library
        self.assertEqual(self.find_library(self.folder / root).stdout.strip(), self.library)


if __name__ == "__main__":
    unittest.main()
