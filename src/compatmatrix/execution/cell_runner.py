"""Runs the probes of one cell: pytest in a sandboxed process, under limits of time, memory and output.

Everything that a cell leaves is checked for its form: a missing, cut or malformed report is never a pass.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from compatmatrix.config.tables import Config
from compatmatrix.core import untrusted_files
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.model import Cell, Probe
from compatmatrix.environment import file_changes
from compatmatrix.execution import in_cell, limits, sandbox
from compatmatrix.execution.sandbox import Sandbox

REPORT_BYTES = 8_000_000

EVENTS_BYTES, EVENTS_LINES = 4_000_000, 2_000
"""How much is read at either end of the events file, at most."""

LOST = "lost"
"""The event that replaces events that were not read."""

RESERVE_BYTES = 1 << 20
"""Bytes that must fit on the disk after a cell."""

# The variables that a cell inherits: enough to run a process, none that could be a secret or a setting.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")

_PARTS = {"import": "start", "imported": "import", "import-failed": "import", "probe": "pytest", "done": "probes"}
"""Event -> the part of a cell's time that ends with it; the first `probe` counts."""


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell left, uninterpreted.

    Attributes:
        exit_code: Negative for a signal.
        killed_for: The limit that it exceeded, `time` or `memory`.
        began: When it was started, in seconds since the epoch.
        seconds: How long it ran.
        isolation: What it was isolated from.
        changed: Files of its environment that it changed.
        starved: Whether the kernel killed any process for lack of memory meanwhile, this one or another.
    """

    exit_code: int
    killed_for: str | None
    events: tuple[dict[str, Any], ...]
    report: dict[str, Any] | None
    began: float
    seconds: float
    isolation: frozenset[sandbox.Isolation] = frozenset()
    changed: tuple[str, ...] = ()
    starved: bool = False

    def parts(self) -> dict[str, float]:
        """Seconds of each part, as the cell reports them: its start, the import, pytest's start, probes, its end."""
        parts: dict[str, float] = {}
        last = self.began
        for event in self.events:
            name, at = _PARTS.get(str(event.get("event"))), event.get("at")
            if name and isinstance(at, float) and not (name == "pytest" and name in parts):
                parts[name], last = at - last, at
        parts["end"] = self.began + self.seconds - last
        return parts

    def imported(self) -> list[object]:
        """The sources that the cell reports as imported."""
        sources = self.events[-1].get("sources") if self.events else None
        return sources if isinstance(sources, list) else []


def run(
    config: Config,
    cell: Cell,
    python: Path,
    probes: Sequence[Probe],
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
) -> Raw:
    """Run probes in the environment of a cell.

    Args:
        python: The environment's interpreter.
        folder: The probes' folder; a copy is run, so that a cell cannot change the probes of the next.
        stop: Called often; when it returns True, the cell is killed.

    Raises:
        InfrastructureError: The process could not be started or watched, was stopped, or left no room on the disk.
    """
    try:
        # Beside the environment: on the same file system, and below a folder that the next run clears.
        root = python.parents[2]
        with untrusted_files.temporary(root, SCRATCH_PREFIX) as parent:
            isolation = sandbox.available(root)
            place = sandbox.create(parent, python.parents[1], isolation)
            (place.scratch / "home").mkdir()
            shutil.copytree(folder, place.scratch / "probes", ignore=shutil.ignore_patterns("__pycache__"))
            for file in Path(in_cell.__file__).parent.glob("[!_]*.py"):
                shutil.copy(file, place.scratch)
            task = json.dumps(_task(config, cell, probes, place.scratch))
            (place.scratch / "task.json").write_text(task, encoding="utf-8")
            raw = _run(config, python, place, stop)
            _check_disk(root)
            if not raw.events:
                _check_start(python, sandbox.create(parent / "bare", place.environment, isolation))
            return raw
    except OSError as error:
        raise InfrastructureError(f"the cell could not be run: {error}") from None


def _run(config: Config, python: Path, place: Sandbox, stop: Callable[[], bool]) -> Raw:
    scratch, home = place.scratch, place.scratch / "home"
    before = None if "environment" in place.isolation else file_changes.snapshot(place.environment)
    script = ("-I", "-B", "-X", "utf8", scratch / "run_probes.py", scratch / "task.json")
    # Open before the cell starts: what it puts in their place is never read.
    with (scratch / "events.jsonl").open("x+b") as events, (scratch / "report.json").open("x+b") as report:
        oom_kills, began, started = limits.oom_kills(), time.time(), time.monotonic()
        process = subprocess.Popen(
            place.command_line(python, *script),
            cwd=home,
            env=_environ(config, home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            killed_for = limits.wait(process, config.limits, started, stop)
        finally:
            limits.kill_tree(process)
        seconds = time.monotonic() - started
        return Raw(
            exit_code=process.returncode,
            killed_for=killed_for,
            events=_read_events(events),
            report=_read_report(report),
            began=began,
            seconds=seconds,
            isolation=place.isolation,
            changed=(
                file_changes.changes(place.layer / "changes")
                if before is None
                else file_changes.differences(before, place.environment)
            ),
            starved=limits.oom_kills() != oom_kills,
        )


# Output is not captured: pytest would hold all of it in memory. The plugin for exceptions in finalizers would collect garbage
# five times at the end, for warnings that nobody reads.
_PYTEST_OPTIONS = (
    *("-c", os.devnull, "-q", "--tb=no", "--capture=no", "--no-summary", "-p", "no:cacheprovider"),
    *("-p", "no:unraisableexception"),
    "--continue-on-collection-errors",
    *("-p", "pytest_metadata.plugin", "-p", "pytest_jsonreport.plugin", "--json-report"),
    *("--json-report-omit", "collectors", "log", "streams", "warnings", "keywords", "traceback"),
)


def _task(config: Config, cell: Cell, probes: Sequence[Probe], scratch: Path) -> dict[str, object]:
    """The task of `in_cell.run_probes`."""
    copy = scratch / "probes"
    return {
        "lock": {pin.name: pin.version for pin in cell.lock},
        "packages": list(config.recorded),
        "import": config.subject.import_,
        "probes": str(copy),
        "events": str(scratch / "events.jsonl"),
        "tests": [f"{probe.file}::{probe.node}" for probe in probes],
        "pytest": [
            *dict.fromkeys(str(copy / probe.file) for probe in probes),
            f"--rootdir={copy}",
            f"--confcutdir={copy}",
            f"--json-report-file={scratch / 'report.json'}",
            *_PYTEST_OPTIONS,
        ],
    }


def _environ(config: Config, home: Path) -> dict[str, str]:
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"  # the engine compiles it
    return environ | config.environment


def _check_disk(folder: Path) -> None:
    """Raises InfrastructureError if the disk is full: what a cell does then says nothing about a release."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(RESERVE_BYTES))
    except OSError as error:
        raise InfrastructureError(
            f"the disk takes nothing more ({error.strerror}): make room, and run it again"
        ) from None


def _check_start(python: Path, place: Sandbox) -> None:
    """Raises InfrastructureError if Python does not start, even without anything that is installed."""
    # What the script in the cell imports of the standard library; no `site`, which runs code of installed packages.
    script = "import importlib.metadata, json, linecache, re, traceback"
    try:
        subprocess.run(
            place.command_line(python, "-I", "-S", "-c", script),
            cwd=place.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=sandbox.TRIAL_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        output = (getattr(error, "output", None) or b"").decode("utf-8", "replace").strip()
        raise InfrastructureError(
            f"the cell could not be run: Python does not start here: {output[-500:] or error}"
        ) from None


def _read_events(file: BinaryIO) -> tuple[dict[str, Any], ...]:
    """The events at both ends of their file, so that a flood hides neither the beginning nor the last probe."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    content = file.read(EVENTS_BYTES)
    if size > 2 * EVENTS_BYTES:
        content += b"\n" + _LOST_LINE + b"\n"
        file.seek(size - EVENTS_BYTES)
    lines = (content + file.read(EVENTS_BYTES)).splitlines()
    if len(lines) > 2 * EVENTS_LINES:
        lines[EVENTS_LINES:-EVENTS_LINES] = [_LOST_LINE]
    # A line that is not an event was cut: by the end of the cell, or by the limits above.
    events = (_decoded(line) for line in lines)
    return tuple(event for event in events if event and isinstance(event.get("event"), str))


_LOST_LINE = json.dumps({"event": LOST}).encode()


def _read_report(file: BinaryIO) -> dict[str, Any] | None:
    """The report; None if there is none, or if it is larger than `REPORT_BYTES`."""
    file.seek(0)
    content = file.read(REPORT_BYTES + 1)
    return _decoded(content) if len(content) <= REPORT_BYTES else None


def _decoded(content: bytes) -> dict[str, Any] | None:
    """A JSON object, or None. A lone surrogate in it is accepted: `core.sanitize` removes it."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None
