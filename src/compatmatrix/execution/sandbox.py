"""The sandbox of a cell: which isolation this system allows, and the command line that applies it.

On Linux, `core.launcher` starts every cell. Without user namespaces it cannot isolate the cell, and the record says so.
On other systems a cell is an ordinary process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from compatmatrix.core import processes

Isolation = Literal["network", "files", "environment"]
ALL: tuple[Isolation, ...] = ("network", "files", "environment")
TRIAL_SECONDS = 20

_TRIAL = threading.Lock()


def available(root: Path) -> frozenset[Isolation]:
    """The isolation that works for environments and scratch folders below ``root``; tried once per process."""
    with _TRIAL:
        return _available(root.absolute())


@cache
def _available(root: Path) -> frozenset[Isolation]:
    if not processes.LINUX:
        return frozenset()
    if _works(root, frozenset(ALL)):
        return frozenset(ALL)
    works: frozenset[Isolation] = frozenset()
    # One at a time, on top of what works: an old kernel, or a file system that cannot hold the upper layer of an
    # overlay, lacks one kind and allows the others.
    for kind in ALL:
        if (kind == "network" or "network" in works) and _works(root, works | {kind}):
            works |= {kind}
    return works


def _works(root: Path, isolation: frozenset[Isolation]) -> bool:
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix="trial-", ignore_cleanup_errors=True) as folder:
            if "environment" in isolation and any(separator in folder for separator in ":,\\"):
                return False  # the mount options of an overlay cannot hold such a path
            trial = create(Path(folder), Path(folder) / "environment", isolation)
            trial.environment.mkdir()
            written = trial.environment / "written"
            process = subprocess.run(
                trial.command_line(sys.executable, "-I", "-S", "-c", f"open({str(written)!r}, 'w').close()"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TRIAL_SECONDS,
                cwd=trial.scratch,
            )
            return process.returncode == 0 and written.exists() == ("environment" not in isolation)
    except (OSError, subprocess.SubprocessError):
        return False


class Sandbox(msgspec.Struct, frozen=True):
    """Where a command runs, and what it is isolated from.

    Attributes:
        isolation: What `available` returned.
        environment: The environment that the command uses.
        scratch: The folder that it may write to.
        layer: A folder that it cannot reach; what it changes in the environment is stored in ``changes`` there.
    """

    isolation: frozenset[Isolation]
    environment: Path
    scratch: Path
    layer: Path

    def command_line(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs a command here, and kills it when the thread that starts it ends.

        Args:
            command: The absolute path of a program, and its arguments.
        """
        if not processes.LINUX:
            return list(command)
        isolation = ",".join(sorted(self.isolation))
        return processes.launched(command, isolation, self.environment, self.scratch, self.layer)


def create(parent: Path, environment: Path, isolation: frozenset[Isolation]) -> Sandbox:
    """A sandbox for an environment, with its scratch folder and layer below ``parent``. Raises OSError."""
    scratch, layer = parent / "scratch", parent / "layer"
    for folder in (scratch, layer):
        folder.mkdir(parents=True)
    return Sandbox(isolation, environment, scratch, layer)
