"""Python X.Y -> an interpreter on this machine, wherever it is, or one that uv downloads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock as Mutex

from compatmatrix.core.model import InfrastructureError
from compatmatrix.resolve import uv


class Interpreters:
    """Finds each X.Y once. Looked for in PATH, pyenv's folder, /usr/bin and uv's own store; then uv is asked to fetch it."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._found: dict[str, Path | None] = {}
        self._mutex = Mutex()

    def find(self, python: str) -> Path | None:
        """Absolute path of a CPython X.Y, or None where none is to be had."""
        with self._mutex:
            if python not in self._found:
                self._found[python] = self._discover(python) or _download(python)
            return self._found[python]

    def _discover(self, python: str) -> Path | None:
        from python_discovery import DiskCache, get_interpreter

        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            cache = DiskCache(self._cache)
        except OSError:
            cache = None
        # Shims of a version manager may be on PATH and fail for versions that are not active; real ones come first.
        found = get_interpreter(f"cpython{python}", try_first_with=map(str, _likely(python)), cache=cache)
        if found is None:
            return None
        executable = Path(found.system_executable or found.executable)
        return executable if executable.is_absolute() else None


def _likely(python: str) -> Iterable[Path]:
    """Where version managers and distributions put X.Y: newest patch release first."""
    roots = [
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path.home() / ".asdf/installs/python",
    ]
    for root in roots:
        versions = [path for path in root.glob(f"{python}.*") if path.name.removeprefix(f"{python}.").isdigit()]
        for version in sorted(versions, key=lambda path: int(path.name.rsplit(".", 1)[1]), reverse=True):
            yield version / "bin" / f"python{python}"
    for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
        yield Path(folder) / f"python{python}"


def _download(python: str) -> Path | None:
    """uv's own build of X.Y, where downloads are allowed and work."""
    try:
        uv.run(["python", "install", python, "--quiet"])
        path = Path(uv.run(["python", "find", python, "--managed-python", "--no-python-downloads"]).strip())
    except (uv.Refused, InfrastructureError):
        return None
    return path if path.is_file() else None
