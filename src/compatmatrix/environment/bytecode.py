"""Byte code for the modules that cells import, made by us from the sources as they stand, never taken from a cell.

A cell writes none, and only tells which modules it imported: names, that are all we take from it. The next environment
is given their byte code before a cell runs in it, compiled once for each source and kept for all environments. A release
can so neither leave wrong byte code to another, nor does every cell pay for compiling what all have in common.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock as Mutex

from compatmatrix.core import processes, untrusted_files
from compatmatrix.environment import precompile

FOLDER = "bytecode"
"""Where in the cache it lies."""

SECONDS = 120
MOST_NAMES = 20_000
LONGEST_NAME = 300


class ByteCode:
    """The byte code of all environments, below one folder; safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = Mutex()

    def provide(self, base: Path, python: str, environment: Path) -> None:
        """Give the environment byte code of what earlier cells of Python X.Y imported, as far as it holds that.

        Args:
            base: an interpreter of the same X.Y that nothing is installed in.

        Without byte code a cell only takes longer: nothing that goes wrong here is worth a word.
        """
        names = self._known(python)
        if not names:
            return
        task = {"environment": str(environment), "store": str(self._folder / python), "names": sorted(names)}
        # The sources are anybody's, and not run; but a compiler can be made to take for ever, or all memory.
        command = processes.tied([base, "-I", "-S", "-B", "-X", "utf8", precompile.__file__])
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, input=json.dumps(task).encode(), capture_output=True, timeout=SECONDS)

    def learn(self, python: str, names: Iterable[object]) -> None:
        """Note what a cell says that it imported: paths of sources, relative to its environment."""
        with self._mutex:
            known = self._known(python)
            told = {name for name in names if isinstance(name, str) and len(name) <= LONGEST_NAME} - known
            if not told or len(known | told) > MOST_NAMES:
                return
            target = self._names(python)
            partial = target.with_suffix(f".{os.getpid()}.partial")
            with suppress(OSError):
                target.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(sorted(known | told)), encoding="utf-8")
                os.replace(partial, target)

    def _known(self, python: str) -> set[str]:
        try:
            return set(json.loads(untrusted_files.read(self._names(python), 2 * MOST_NAMES * LONGEST_NAME)))
        except (ValueError, TypeError):
            return set()

    def _names(self, python: str) -> Path:
        return self._folder / f"{python}.json"
