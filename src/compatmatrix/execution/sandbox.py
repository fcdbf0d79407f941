"""The sandbox of a cell: which isolation this system allows, and the command line that applies it.

On Linux, `core.launcher` starts every cell. Without user namespaces it cannot isolate the cell, and the record says so.
On other systems a cell is an ordinary process.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

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
    works: frozenset[Isolation] = frozenset()
    # One at a time, on top of what works: an old kernel, or a file system that cannot hold the upper layer of an
    # overlay, lacks one kind and allows the others.
    for kind in ALL:
        if processes.LINUX and (kind == "network" or "network" in works) and _works(root, works | {kind}):
            works |= {kind}
    return works


def _works(root: Path, isolation: frozenset[Isolation]) -> bool:
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix="trial-", ignore_cleanup_errors=True) as folder:
            if "environment" in isolation and any(separator in folder for separator in ":,\\"):
                return False  # the mount options of an overlay cannot hold such a path
            environment, scratch, layer = (Path(folder) / name for name in ("environment", "scratch", "layer"))
            for place in (environment, scratch, layer):
                place.mkdir()
            script = f"open({str(environment / 'written')!r}, 'w').close()"
            python = [sys.executable, "-I", "-S", "-c", script]
            trial = subprocess.run(
                command_line(python, isolation, environment, scratch, layer),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TRIAL_SECONDS,
                cwd=scratch,
            )
            overlaid = not (environment / "written").exists()
            return trial.returncode == 0 and overlaid == ("environment" in isolation)
    except (OSError, subprocess.SubprocessError):
        return False


def command_line(
    command: Sequence[str | Path], isolation: frozenset[Isolation], environment: Path, scratch: Path, layer: Path
) -> list[str | Path]:
    """The command line that runs a command in the sandbox, and kills it when the thread that starts it ends.

    Args:
        command: Absolute path of a program, and its arguments.
        isolation: What `available` returned.
        environment: The command's environment.
        scratch: The folder that the command may write to.
        layer: An empty folder. What the command changes in the environment is stored in ``changes`` there.
    """
    if not processes.LINUX:
        return list(command)
    return processes.launched(command, ",".join(sorted(isolation)), environment, scratch, layer)
