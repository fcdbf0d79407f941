"""Command lines of child processes that do not survive the engine. On Linux they go by way of `launcher`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

LINUX = sys.platform == "linux"


def die_with_parent(command: Sequence[str | Path]) -> list[str | Path]:
    """The command, killed when the thread that starts it ends: a leftover process would interfere with the next run."""
    return launched(command, "exec") if LINUX else list(command)


def tree(command: Sequence[str | Path]) -> list[str | Path]:
    """The command, killed with everything that it started, when it ends or the thread that starts it does."""
    return launched(command, "tree") if LINUX else list(command)


def launched(command: Sequence[str | Path], isolation: str, *folders: Path) -> list[str | Path]:
    """The command line by which `launcher` starts a command; see there for ``isolation`` and the three ``folders``."""
    script = Path(__file__).with_name("launcher.py")
    places = folders or ("", "", "")
    return [sys.executable, "-I", "-S", script, str(os.getpid()), isolation, *places, *command]
