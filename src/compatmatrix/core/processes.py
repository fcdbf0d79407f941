"""Child processes that end with the engine. On Linux they are started by way of `launcher`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")

LINUX = sys.platform == "linux"


def tied(command: Sequence[str | Path]) -> list[str | Path]:
    """The command, killed when the thread that starts it ends: a process left over would interfere with the next run."""
    if not LINUX:
        return list(command)
    return launched({"parent": os.getpid(), "replace": True, "command": list(map(str, command))})


def launched(task: Mapping[str, object]) -> list[str | Path]:
    """The command line that has `launcher` carry out a task (see there for its keys)."""
    return [sys.executable, "-I", "-S", LAUNCHER, json.dumps(task)]
