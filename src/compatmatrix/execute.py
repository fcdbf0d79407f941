"""Interpreter + probes -> raw report: pytest in a process of its own, under limits of time, memory and output.

Nothing that comes back is believed beyond its form: a missing, cut or malformed report is never a pass.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec
import psutil

from compatmatrix import incell
from compatmatrix.config import Config
from compatmatrix.model import Cell, Probe, Trouble

REPORT_BYTES = 8_000_000
POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0

# What a cell inherits of the environment: enough to run a process, nothing that could be a secret or a setting.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell left behind: exit code (negative: the signal that ended it), why we ended it, events, report, tail of its output."""

    exit_code: int
    killed_for: str | None
    events: tuple[dict[str, Any], ...]
    report: dict[str, Any] | None
    output: str
    began: float
    seconds: float

    def parts(self) -> dict[str, float]:
        """Where the time went, in seconds, by the cell's own word: its start, the import, pytest's start, probes, its end."""
        names = {
            "import": "start",
            "imported": "import",
            "import-failed": "import",
            "probe": "pytest",
            "done": "probes",
        }
        parts: dict[str, float] = {}
        last = self.began
        for event in self.events:
            name, at = names.get(str(event.get("event"))), event.get("at")
            if name is None or not isinstance(at, int | float) or (name == "pytest" and name in parts):
                continue
            parts[name], last = at - last, at
        parts["end"] = self.began + self.seconds - last
        return parts


def run(
    config: Config,
    cell: Cell,
    python: Path,
    probes: Sequence[Probe],
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
) -> Raw:
    """Run the probes in the cell's environment.

    Args:
        folder: the probes' folder; a copy is run, so that a cell cannot change the questions of the next.
        stop: asked often; True ends the cell at once.

    Raises:
        Trouble: the process could not be started or watched, or was stopped.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="compatmatrix-", ignore_cleanup_errors=True) as scratch:
            return _run(config, cell, python, probes, folder, Path(scratch), stop)
    except OSError as error:
        raise Trouble(f"the cell could not be run: {error}") from None


def _run(
    config: Config,
    cell: Cell,
    python: Path,
    probes: Sequence[Probe],
    folder: Path,
    scratch: Path,
    stop: Callable[[], bool],
) -> Raw:
    copy = scratch / "probes"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    script = scratch / "incell.py"
    shutil.copyfile(incell.__file__, script)
    home = scratch / "home"
    home.mkdir()
    events, report = scratch / "events.jsonl", scratch / "report.json"
    task = {
        "lock": {pin.name: pin.version for pin in cell.lock},
        "packages": list(config.watched),
        "import": config.subject.import_,
        "probes": str(copy),
        "events": str(events),
        "pytest": [
            *(f"{copy / probe.file}::test_{probe.id.replace('-', '_')}" for probe in probes),
            f"--rootdir={copy}",
            f"--confcutdir={copy}",
            "-c",
            os.devnull,
            "-q",
            "--tb=no",
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_metadata.plugin",
            "-p",
            "pytest_jsonreport.plugin",
            "--json-report",
            f"--json-report-file={report}",
            "--json-report-omit",
            "collectors",
            "log",
            "streams",
            "warnings",
            "keywords",
            "traceback",
        ],
    }
    (scratch / "task.json").write_text(json.dumps(task), encoding="utf-8")
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ |= config.environment
    began, started = time.time(), time.monotonic()
    process = subprocess.Popen(
        [python, "-I", "-X", "utf8", script, scratch / "task.json"],
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    tail = _Tail(process.stdout, config.limits.output_kb * 1024)
    try:
        killed_for = _watch(process, config, started, stop)
    finally:
        _end(process)
        tail.close()
    return Raw(
        exit_code=process.returncode,
        killed_for=killed_for,
        events=_read_events(events),
        report=_read_report(report),
        output=tail.text(),
        began=began,
        seconds=time.monotonic() - started,
    )


def _watch(process: subprocess.Popen[bytes], config: Config, started: float, stop: Callable[[], bool]) -> str | None:
    """Wait for the end; the reason if we have to bring it about."""
    limit = config.limits.memory_mb * 1024 * 1024
    while True:
        try:
            process.wait(POLL_SECONDS)
            return None
        except subprocess.TimeoutExpired:
            pass
        if stop():
            raise Trouble("stopped before it was done")
        if time.monotonic() - started > config.limits.seconds:
            return "time"
        if _resident(process.pid) > limit:
            return "memory"


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


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, its children and its group for good, also where the leader has ended already."""
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


class _Tail:
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


def _read_events(path: Path) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for line in _bounded(path).splitlines():
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            break  # a line cut short is the last thing that a dying cell wrote
        found.append(event)
    return tuple(found)


def _read_report(path: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(_bounded(path), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _bounded(path: Path) -> bytes:
    """The file's content, or nothing where it is missing or larger than any honest one."""
    try:
        with path.open("rb") as file:
            content = file.read(REPORT_BYTES + 1)
    except OSError:
        return b""
    return content if len(content) <= REPORT_BYTES else b""
