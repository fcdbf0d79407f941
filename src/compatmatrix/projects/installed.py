"""What a Python has installed, read from the packages' metadata: none of them is imported."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.core.errors import UserError
from compatmatrix.projects.entries import Entry, ProjectFile

SECONDS = 60

_CODE = """\
import importlib.metadata as metadata, json, platform, sys
found = {}
for one in metadata.distributions():
    try:
        name = one.metadata["Name"]
        version = metadata.version(name)  # by its name: what pip left over of an older one (~ame-0.1.dist-info) is not it
    except Exception:  # a folder without metadata
        continue
    if version:
        found[name] = version
system = {"darwin": "macos"}.get(platform.system().lower(), platform.system().lower())
print(json.dumps({"python": "%d.%d" % sys.version_info[:2], "platform": system + "-" + platform.machine().lower(),
                  "versions": found}))
"""


class _Answer(msgspec.Struct, frozen=True):
    python: str
    platform: str
    versions: dict[str, str]


def read(python: Path | None) -> ProjectFile:
    """What is installed in a Python, its version and its platform.

    Args:
        python: the interpreter, or the folder of a virtual environment; None for the python on PATH.

    Raises:
        UserError: there is none, or it does not work.
    """
    interpreter = shutil.which("python3") or shutil.which("python") if python is None else str(python)
    if interpreter is None:
        raise UserError("there is no python on PATH; name one with --python PATH")
    if python is not None and python.is_dir():
        inside = [python / "bin" / "python", python / "Scripts" / "python.exe"]
        interpreter = next((str(path) for path in inside if path.exists()), interpreter)
    try:
        # -I: neither this folder nor the user's settings decide what is found.
        done = subprocess.run(
            [interpreter, "-I", "-c", _CODE], capture_output=True, timeout=SECONDS, check=True, stdin=subprocess.DEVNULL
        )
        answer = msgspec.json.decode(done.stdout, type=_Answer)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        raise UserError(f"{interpreter} does not work as a Python; name another with --python PATH") from None
    entries = [
        Entry(name=canonicalize_name(name), specifier=f"=={version}") for name, version in answer.versions.items()
    ]
    return ProjectFile(name=interpreter, entries=tuple(entries), python=answer.python, platform=answer.platform)
