"""How far a cell is kept apart from the machine: what the system allows, and the command line that brings it about.

On Linux everything is started by way of the `minder`. Where user namespaces are to be had, a cell has no network, sees
no process but its own and changes no file but in its scratch folder; where they are not, it runs without that and its
record says so. On other systems it is a process like any other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from compatmatrix.core import processes

Ability = Literal["network", "files", "environment"]
EVERYTHING: tuple[Ability, ...] = ("network", "files", "environment")
PROBE_SECONDS = 20


def abilities(root: Path) -> frozenset[Ability]:
    """What can be had for cells whose environments and scratch folders lie below ``root``; tried out once."""
    with _TRYING:
        return _abilities(root.absolute())


_TRYING = threading.Lock()


@cache
def _abilities(root: Path) -> frozenset[Ability]:
    if not processes.LINUX:
        return frozenset()
    had: frozenset[Ability] = frozenset()
    # Each by itself on top of what works: an old kernel, or a file system that cannot be the upper of two layers,
    # takes one of them away and leaves the others.
    for wanted in EVERYTHING:
        if wanted == "network" or "network" in had:
            had |= {wanted} if _works(root, had | {wanted}) else set()
    return had


def _works(root: Path, apart: frozenset[Ability]) -> bool:
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix="trial-", ignore_cleanup_errors=True) as folder:
            environment, scratch, layer = (Path(folder) / name for name in ("environment", "scratch", "layer"))
            for made in (environment, scratch, layer):
                made.mkdir()
            if "environment" in apart and any(sign in folder for sign in ":,\\"):
                return False  # what separates layers of an overlay stands in the path
            script = f"open({str(environment / 'written')!r}, 'w').close()"
            command = minded([sys.executable, "-I", "-S", "-c", script], apart, environment, scratch, layer)
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, cwd=scratch
            )
            kept_out = "environment" not in apart or not (environment / "written").exists()
            return done.returncode == 0 and kept_out
    except (OSError, subprocess.SubprocessError):
        return False


def minded(
    command: Sequence[str | Path], apart: frozenset[Ability], environment: Path, scratch: Path, layer: Path
) -> list[str | Path]:
    """The command, run so far apart and ended with the thread that starts it.

    Args:
        scratch: the folder that it may write to.
        layer: an empty folder; what it changes of its environment is in ``changes`` there.
    """
    if not processes.LINUX:
        return list(command)
    task = {
        "parent": os.getpid(),
        "apart": sorted(apart),
        "command": list(map(str, command)),
        "environment": str(environment),
        "scratch": str(scratch),
        "layer": str(layer),
    }
    return processes.launched(task)
