"""Finds an interpreter of Python X.Y on this machine, or has uv download one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock as Mutex

from compatmatrix.core.errors import InfrastructureError
from compatmatrix.resolve import uv


class Interpreters:
    """Interpreters by X.Y, each searched once: in PATH, pyenv's and asdf's folders, the system's, uv's own; then downloaded."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._paths: dict[str, Path | None] = {}
        self._mutex = Mutex()

    def find(self, python: str) -> Path | None:
        """The absolute path of a CPython X.Y; None if there is none and none can be downloaded."""
        with self._mutex:
            if python not in self._paths:
                self._paths[python] = self._discover(python) or _download(python)
            return self._paths[python]

    def _discover(self, python: str) -> Path | None:
        from python_discovery import DiskCache, get_interpreter

        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            cache = DiskCache(self._cache)
        except OSError:
            cache = None
        # A version manager's shims in PATH fail for versions that are not active, so real interpreters come first.
        info = get_interpreter(f"cpython{python}", try_first_with=map(str, _likely(python)), cache=cache)
        executable = Path((info.system_executable or info.executable) if info else "")
        return executable if executable.is_absolute() else None


def _likely(python: str) -> Iterator[Path]:
    """Where version managers and distributions install X.Y; the newest patch release first."""
    for root in (Path(os.environ.get("PYENV_ROOT") or "~/.pyenv") / "versions", Path("~/.asdf/installs/python")):
        patches: dict[int, Path] = {}
        with suppress(OSError):  # the folder may be another user's
            for path in root.expanduser().glob(f"{python}.*"):
                if (patch := path.name.removeprefix(f"{python}.")).isdigit():
                    patches[int(patch)] = path
        for number in sorted(patches, reverse=True):
            yield patches[number] / "bin" / f"python{python}"
    for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
        yield Path(folder) / f"python{python}"


def _download(python: str) -> Path | None:
    """uv's own build of X.Y, if downloads are allowed and work."""
    try:
        uv.run(["python", "install", python, "--quiet"])
        path = Path(uv.run(["python", "find", python, "--managed-python", "--no-python-downloads"]).strip())
    except (uv.Refused, InfrastructureError):
        return None
    return path if path.is_file() else None
