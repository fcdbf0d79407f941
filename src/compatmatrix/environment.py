"""Lock -> a ready interpreter: one environment per worker and Python, brought from cell to cell by uv.

Packages are hard-linked from uv's cache where the file system allows it, so an environment costs little disk
and a step from one lock to the next only what differs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from compatmatrix import uv
from compatmatrix.config import Config
from compatmatrix.interpreters import Interpreters
from compatmatrix.model import Cell, Lock, Trouble


class InstallFailed(Exception):
    """What the index delivered, as listed and with the right hash, cannot be installed: the release's own fault."""


class NoPython(Exception):
    """This machine has no such Python and none could be fetched."""


class Workspace:
    """The environments of one worker, below one folder."""

    def __init__(self, config: Config, root: Path, interpreters: Interpreters) -> None:
        self._config = config
        self._root = root
        self._interpreters = interpreters
        self._holds: dict[str, Lock] = {}

    def bring_to(self, cell: Cell) -> Path:
        """The interpreter of an environment that holds exactly the cell's lock.

        Raises:
            NoPython: there is no interpreter of the cell's X.Y here.
            InstallFailed: a wheel of the lock is broken as published.
            Trouble: anything of ours: index, disk, a hash that is not the lock's.
        """
        base = self._interpreters.find(cell.python)
        if base is None:
            raise NoPython(f"needs Python {cell.python}, which is not on this machine and could not be downloaded")
        folder = self._root / cell.python
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if self._holds.get(cell.python) == cell.lock and python.exists():
            return python
        self._holds.pop(cell.python, None)
        if not python.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _checked(["venv", "--quiet", "--python", base, "--no-python-downloads", folder])
        requirements = self._root / f"{cell.python}.txt"
        try:
            requirements.write_text("".join(f"{pin}\n" for pin in cell.lock), encoding="utf-8")
        except OSError as error:
            raise Trouble(f"the lock cannot be written to {requirements.parent.name}/: {error.strerror}") from None
        _checked(
            [
                "pip",
                "sync",
                "--quiet",
                requirements,
                "--python",
                python,
                "--require-hashes",
                "--no-build",
                "--python-platform",
                self._config.platform[cell.platform],
                *uv.index_arguments(self._config.index),
            ]
        )
        self._holds[cell.python] = cell.lock
        return python

    def discard(self, python: str) -> None:
        """Throw the environment of X.Y away; the next cell gets a new one."""
        self._holds.pop(python, None)
        shutil.rmtree(self._root / python, ignore_errors=True)


# How uv says that a wheel itself is broken (as opposed to: not there, not reached, not the one that was locked).
_BROKEN_WHEEL = (
    "wheel is invalid",
    "is not a valid wheel",
    "Failed to read metadata",
    "Metadata field",
    "does not match",
    "Invalid `WHEEL`",
    "missing a `.dist-info`",
    "Multiple .dist-info",
    "RECORD",
    "invalid Zip",
    "Invalid zip",
    "Failed to unzip",
    "Failed to extract",
)
_NOT_ITS_FAULT = (
    "Hash mismatch",
    "error sending request",
    "No space left",
    "Permission denied",
    "Read-only file system",
    "timed out",
)


def _checked(arguments: list[str | Path]) -> None:
    try:
        uv.run(arguments)
    except uv.Refused as refusal:
        text = str(refusal)
        if any(sign in text for sign in _BROKEN_WHEEL) and not any(sign in text for sign in _NOT_ITS_FAULT):
            raise InstallFailed(" ".join(text.split())[:500]) from None
        raise Trouble(f"uv {arguments[0]} {arguments[1]} failed: {text[-1000:]}") from None
