"""Watches over a cell's process: its limits, its output, and its end together with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from compatmatrix.config.matrix_file import Config
from compatmatrix.core import processes
from compatmatrix.core.model import InfrastructureError

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0


def until_its_end(
    process: subprocess.Popen[bytes], config: Config, started: float, stop: Callable[[], bool]
) -> str | None:
    """Wait for the end; the reason if we have to bring it about."""
    limit = config.limits.memory_mb * 1024 * 1024
    while True:
        try:
            process.wait(POLL_SECONDS)
            return None
        except subprocess.TimeoutExpired:
            pass
        if stop():
            raise InfrastructureError("stopped before it was done")
        if time.monotonic() - started > config.limits.seconds:
            return "time"
        if _resident(process.pid) > limit:
            return "memory"


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def _resident(pid: int) -> int:
    """Resident bytes of the process and all below it."""
    total = 0
    for member in _family(pid):
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def end(process: subprocess.Popen[bytes]) -> None:
    """End the process, its children and its group for good, also where the leader has ended already."""
    if processes.LINUX and process.poll() is None:
        process.terminate()  # the minder ends all below it, wherever that has gone, before it leaves
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    family = _family(process.pid)
    if os.name == "posix":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
    process.wait()


class Tail:
    """Drains a pipe on a thread of its own and keeps the last bytes: a flood costs no memory and never blocks the cell."""

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        self._pipe, self._limit, self._kept = pipe, limit, bytearray()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        try:
            while block := os.read(self._pipe.fileno(), 65536):
                self._kept += block
                del self._kept[: -self._limit]
        except (OSError, ValueError):
            pass

    def close(self) -> None:
        # A process that left the group may hold the pipe open for ever; its output is of no interest.
        self._thread.join(GRACE_SECONDS)
        self._pipe.close()

    def text(self) -> str:
        return bytes(self._kept).decode("utf-8", "replace")
