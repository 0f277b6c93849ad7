"""Builds the wheel of the binding, with the shared library in it, for `pip install`. It needs no other package.

The library is the file that the variable PUSHER_CHANNELS_LIBRARY names, or else the file in the folder
pusher_channels. If there is neither, cargo builds the library, which takes a clone of the whole repository.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PACKAGE = "pusher_channels"
FILE_NAME = {"win32": "pusher_channels.dll", "darwin": "libpusher_channels.dylib"}.get(
    sys.platform, "libpusher_channels.so"
)
BUILD = ["cargo", "rustc", "--locked", "--release", "--features", "capi", "--crate-type", "cdylib"]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    """The hook of PEP 517 that pip calls."""
    library = find_library()
    project = read_project()
    name, version = project["name"].replace("-", "_"), project["version"]
    tag = "py3-none-" + re.sub(r"[-.]", "_", sysconfig.get_platform())
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in sources()}
    files[f"{PACKAGE}/{FILE_NAME}"] = library.read_bytes()
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = metadata(project).encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: {PACKAGE}\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files[f"{info}/WHEEL"] = wheel.encode()
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD").encode()

    file_name = f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(Path(wheel_directory, file_name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return file_name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """The hook of PEP 517 for a source distribution. Installing one takes a library that was built before."""
    project = read_project()
    root = f"{project['name'].replace('-', '_')}-{project['version']}"
    with tarfile.open(Path(sdist_directory, f"{root}.tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path in [HERE / "pyproject.toml", HERE / "build_backend.py", HERE / "README.md", *sources()]:
            archive.add(path, f"{root}/{path.relative_to(HERE).as_posix()}")
        info = tarfile.TarInfo(f"{root}/PKG-INFO")
        text = metadata(project).encode()
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return f"{root}.tar.gz"


def find_library() -> Path:
    """Returns the path of the library, or ends the process with the reason why there is none."""
    named, beside = os.environ.get("PUSHER_CHANNELS_LIBRARY"), HERE / PACKAGE / FILE_NAME
    if named:
        if not Path(named).is_file():
            fail(f"PUSHER_CHANNELS_LIBRARY is {named}, and there is no such file")
        return Path(named)
    if beside.is_file():
        return beside
    return build_library(beside)


def build_library(beside: Path) -> Path:
    manifest = REPOSITORY / "Cargo.toml"
    if not manifest.is_file() or '\nname = "pusher-channels"\n' not in manifest.read_text(encoding="utf-8"):
        fail(f"{HERE} does not lie in a clone of the repository of pusher-channels, so cargo cannot build {FILE_NAME}")
    cargo = shutil.which("cargo") or shutil.which("cargo", path=str(Path.home() / ".cargo" / "bin"))
    if cargo is None:
        fail(f"there is no {beside}, and there is no cargo to build it with: install Rust (https://rustup.rs)")
    # Cargo prints its progress on stderr, which `pip install --verbose` shows.
    command = [cargo, *BUILD[1:], "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if built.returncode != 0:
        fail(f"`{' '.join(BUILD)}` failed with {built.returncode} in {REPOSITORY}")
    # The last message about an artifact has the path of the library, in any target folder.
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    libraries = [Path(name) for message in messages for name in message.get("filenames", ())]
    libraries = [path for path in libraries if path.name == FILE_NAME]
    if not libraries:
        fail(f"`{' '.join(BUILD)}` has built no {FILE_NAME}")
    return libraries[-1]


def fail(reason: str) -> NoReturn:
    sys.exit(
        f"pusher_channels: {reason}.\n"
        f"Set PUSHER_CHANNELS_LIBRARY to the path of {FILE_NAME}, or run `pip install bindings/python` in a clone of\n"
        f"the repository, where `{' '.join(BUILD)}` builds it."
    )


def sources() -> list[Path]:
    return sorted(path for path in (HERE / PACKAGE).iterdir() if path.suffix == ".py" or path.name == "py.typed")


def read_project() -> dict[str, str]:
    """Reads the texts of the table [project]. Python has a parser for TOML only since 3.11."""
    table = (HERE / "pyproject.toml").read_text(encoding="utf-8").split("[project]\n")[1].split("\n[")[0]
    return {**dict(re.findall(r'^([\w-]+) = "(.*)"$', table, re.MULTILINE)), "license": license_of(table)}


def license_of(table: str) -> str:
    return "".join(re.findall(r'^license = \{ text = "(.*)" \}$', table, re.MULTILINE))


def metadata(project: dict[str, str]) -> str:
    return (
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nLicense: {project['license']}\n"
        f"Requires-Python: {project['requires-python']}\nDescription-Content-Type: text/markdown\n\n"
        + (HERE / project["readme"]).read_text(encoding="utf-8")
    )


def record(files: dict[str, bytes], own_name: str) -> str:
    """Lists each file with its hash and size, and the record itself without them."""
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(data)}\n")
    return "".join(lines) + f"{own_name},,\n"
