"""Byte code for the modules that cells import, compiled outside of any cell and shared by all environments.

A cell writes no byte code; it only names the modules that it imported. Before the next cell runs, the engine compiles
these modules in its environment (`compile_sources`), each source once. So a release cannot leave wrong byte code to
another, and a cell does not compile what all cells import.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock as Mutex

from compatmatrix.core import processes, untrusted_files
from compatmatrix.core.files import replace
from compatmatrix.environment import compile_sources

FOLDER = "bytecode"
"""The name of its folder in the cache."""

SECONDS = 120
MOST_NAMES = 20_000
LONGEST_NAME = 300


class ByteCode:
    """The byte code of all environments, below one folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = Mutex()

    def provide(self, base: Path, python: str, environment: Path) -> None:
        """Compile what earlier cells of Python X.Y imported, as far as the environment has it.

        Without byte code a cell only takes longer, so every failure is ignored.

        Args:
            base: An interpreter of the same X.Y in which nothing is installed.
        """
        names = self._names(python)
        if not names:
            return
        task = {"environment": str(environment), "store": str(self._folder / python), "names": sorted(names)}
        command = processes.die_with_parent([base, "-I", "-S", "-B", "-X", "utf8", compile_sources.__file__])
        # The sources are not run, but a hostile one can make the compiler take forever.
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, input=json.dumps(task).encode(), capture_output=True, timeout=SECONDS)

    def learn(self, python: str, names: Iterable[object]) -> None:
        """Store the names that a cell reports: paths of sources, relative to its environment."""
        with self._mutex:
            known = self._names(python)
            all_names = known | {name for name in names if isinstance(name, str) and len(name) <= LONGEST_NAME}
            if all_names == known or len(all_names) > MOST_NAMES:
                return
            with suppress(OSError):
                replace(self._folder / f"{python}.json", json.dumps(sorted(all_names)).encode(), durable=False)

    def _names(self, python: str) -> set[str]:
        content = untrusted_files.read(self._folder / f"{python}.json", 2 * MOST_NAMES * LONGEST_NAME)
        with suppress(ValueError, TypeError):
            return set(json.loads(content))
        return set()
