"""Watches the process of a cell: its limits of time and memory, and the kill of its process tree."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from compatmatrix.config.tables import Limits
from compatmatrix.core import processes
from compatmatrix.core.errors import InfrastructureError

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0


def wait(process: subprocess.Popen[bytes], limits: Limits, started: float, stop: Callable[[], bool]) -> str | None:
    """Wait until the process ends or exceeds a limit.

    Args:
        started: When it was started, on the monotonic clock, in seconds.
        stop: Called at every poll; True means to give up.

    Returns:
        The limit that it exceeded, `time` or `memory`; None if it ended.

    Raises:
        InfrastructureError: ``stop`` returned True.
    """
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            return None
        if stop():
            raise InfrastructureError("stopped before it was done")
        if time.monotonic() - started > limits.seconds:
            return "time"
        if _resident_bytes(process.pid) > limits.memory_mb * 1024 * 1024:
            return "memory"


def oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it booted; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def _resident_bytes(pid: int) -> int:
    total = 0
    for member in _process_tree(pid):
        with suppress(psutil.Error):
            total += member.memory_info().rss
    return total


def _process_tree(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill the process, its descendants and its group, also where the process has ended already; wait for its end."""
    if processes.LINUX and process.poll() is None:
        process.terminate()  # the launcher kills everything below it before it ends
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    members = _process_tree(process.pid)
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for member in members:
        with suppress(psutil.Error):
            member.kill()
    process.wait()
