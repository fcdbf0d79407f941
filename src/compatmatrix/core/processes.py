"""Command lines of child processes that do not survive the engine. On Linux they go by way of `setpriv` or `launcher`."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LINUX = sys.platform == "linux"


def die_with_parent(command: Sequence[str | Path]) -> list[str | Path]:
    """The command, killed when the thread that starts it ends: a leftover process would interfere with the next run."""
    if not LINUX:
        return list(command)
    # Ten times as fast as a Python, and started some times for each cell.
    return [*_setpriv(), *command] if _setpriv() else launched(command, "exec")


@functools.cache
def _setpriv() -> tuple[str, ...]:
    """How to call the setpriv of util-linux; nothing where it is not installed, or is busybox's without that option."""
    command = (shutil.which("setpriv") or "", "--pdeathsig", "KILL")
    try:
        return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else ()
    except OSError:
        return ()


def tree(command: Sequence[str | Path]) -> list[str | Path]:
    """The command, killed with everything that it started, when it ends or the thread that starts it does."""
    return launched(command, "tree") if LINUX else list(command)


def launched(command: Sequence[str | Path], isolation: str, *folders: Path) -> list[str | Path]:
    """The command line by which `launcher` starts a command; see there for ``isolation`` and the three ``folders``."""
    script = Path(__file__).with_name("launcher.py")
    places = folders or ("", "", "")
    return [sys.executable, "-I", "-S", script, str(os.getpid()), isolation, *places, *command]
