"""Interpreter + probes -> raw report: pytest in a process of its own, kept apart, under limits of time, memory and output.

Nothing that comes back is believed beyond its form: a missing, cut or malformed report is never a pass.
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

from compatmatrix.config.matrix_file import Config
from compatmatrix.core import untrusted_files
from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.model import Cell, InfrastructureError, Probe
from compatmatrix.environment import file_changes
from compatmatrix.execution import limits, sandbox
from compatmatrix.execution.in_cell import run_probes, tamper_check

REPORT_BYTES = 8_000_000

EVENTS_BYTES, EVENTS_LINES = 4_000_000, 2_000
"""What is read of the events at either end of their file, at most."""

LOST = "lost"
"""The event that stands where events were left out."""

FILLER = 1 << 20
"""Bytes that the disk must still take after a cell."""

# What a cell inherits of the environment: enough to run a process, nothing that could be a secret or a setting.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell left behind: exit code (negative: the signal that ended it), why we ended it, events, report, tail of its output.

    ``apart`` says what it was kept from, ``changed`` which files of its environment it changed, ``starved`` whether the
    kernel ended processes for want of memory meanwhile, be it this one or another.
    """

    exit_code: int
    killed_for: str | None
    events: tuple[dict[str, Any], ...]
    report: dict[str, Any] | None
    output: str
    began: float
    seconds: float
    apart: frozenset[sandbox.Ability] = frozenset()
    changed: tuple[str, ...] = ()
    starved: bool = False

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
            if name is None or not isinstance(at, float) or (name == "pytest" and name in parts):
                continue
            parts[name], last = at - last, at
        parts["end"] = self.began + self.seconds - last
        return parts

    def imported(self) -> list[object]:
        """What the cell says of the sources that it imported."""
        told = self.events[-1].get("sources") if self.events else None
        return told if isinstance(told, list) else []


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
        InfrastructureError: the process could not be started or watched, was stopped, or left no room on the disk.
    """
    try:
        # Beside the environment: on one file system with it, and below a folder that the next run clears.
        root = python.parents[2]
        with untrusted_files.temporary(root, SCRATCH_PREFIX) as place:
            raw = _run(config, cell, python, probes, folder, place, stop)
            _check_disk(root)
            if not raw.events:
                _check_start(python, raw.apart, place)
            return raw
    except OSError as error:
        raise InfrastructureError(f"the cell could not be run: {error}") from None


def _run(
    config: Config,
    cell: Cell,
    python: Path,
    probes: Sequence[Probe],
    folder: Path,
    place: Path,
    stop: Callable[[], bool],
) -> Raw:
    scratch, layer, environment = place / "scratch", place / "layer", python.parents[1]
    for made in (scratch, layer, scratch / "home"):
        made.mkdir()
    shutil.copytree(folder, scratch / "probes", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (run_probes.__file__, tamper_check.__file__):
        shutil.copy(file, scratch)
    apart = sandbox.abilities(environment.parent)
    before = None if "environment" in apart else file_changes.snapshot(environment)
    command: list[str | Path] = [python, "-I", "-B", "-X", "utf8", scratch / "run_probes.py", scratch / "task.json"]
    # Open before the cell is there: nothing that it puts in their place is what is read.
    with (scratch / "events.jsonl").open("x+b") as events, (scratch / "report.json").open("x+b") as report:
        task = _task(config, cell, probes, scratch, Path(events.name), Path(report.name))
        (scratch / "task.json").write_text(json.dumps(task), encoding="utf-8")
        killed, began, started = limits.oom_kills(), time.time(), time.monotonic()
        process = subprocess.Popen(
            sandbox.minded(command, apart, environment, scratch, layer),
            cwd=scratch / "home",
            env=_environ(config, scratch / "home"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        tail = limits.Tail(process.stdout, config.limits.output_kb * 1024)
        try:
            killed_for = limits.until_its_end(process, config, started, stop)
        finally:
            limits.end(process)
            tail.close()
        seconds = time.monotonic() - started
        changed = (
            file_changes.differences(before, environment)
            if before is not None
            else file_changes.changes(layer / "changes")
        )
        return Raw(
            exit_code=process.returncode,
            killed_for=killed_for,
            events=_read_events(events),
            report=_read_report(report),
            output=tail.text(),
            began=began,
            seconds=seconds,
            apart=apart,
            changed=changed,
            starved=limits.oom_kills() != killed,
        )


def _task(
    config: Config, cell: Cell, probes: Sequence[Probe], scratch: Path, events: Path, report: Path
) -> dict[str, object]:
    """What the script in the cell is told to do."""
    copy = scratch / "probes"
    return {
        "lock": {pin.name: pin.version for pin in cell.lock},
        "packages": list(config.named),
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
            # Output goes straight to us, who keep its end: pytest would hold all of it, and go through long messages.
            "--capture=no",
            "--no-summary",
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


def _environ(config: Config, home: Path) -> dict[str, str]:
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"  # byte code is made by us
    return environ | config.environment


def _check_disk(folder: Path) -> None:
    """Raises InfrastructureError where the disk is full: what a cell does then is nobody's answer."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(FILLER))
    except OSError as error:
        raise InfrastructureError(
            f"the disk takes nothing more ({error.strerror}): make room, and run it again"
        ) from None


def _check_start(python: Path, apart: frozenset[sandbox.Ability], place: Path) -> None:
    """Raises InfrastructureError where Python does not start at all, with nothing that is installed taking part."""
    scratch, layer = place / "bare", place / "bare-layer"
    for made in (scratch, layer):
        made.mkdir()
    # What the script in the cell takes of Python's own library, and no `site`, which is what runs others' code.
    script = "import importlib.metadata, json, linecache, re, traceback"
    command = sandbox.minded([python, "-I", "-S", "-c", script], apart, python.parents[1], scratch, layer)
    try:
        subprocess.run(
            command,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=sandbox.PROBE_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        output = (getattr(error, "output", None) or b"").decode("utf-8", "replace").strip()
        raise InfrastructureError(
            f"the cell could not be run: Python does not start here: {output[-500:] or error}"
        ) from None


def _read_events(file: BinaryIO) -> tuple[dict[str, Any], ...]:
    """The events at both ends of their file: a flood between hides neither how the cell began nor what it was at."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    content = file.read(EVENTS_BYTES)
    if size > 2 * EVENTS_BYTES:
        content += b"\n" + _LOST_LINE + b"\n"
        file.seek(size - EVENTS_BYTES)
    lines = (content + file.read(EVENTS_BYTES)).splitlines()
    if len(lines) > 2 * EVENTS_LINES:
        lines[EVENTS_LINES:-EVENTS_LINES] = [_LOST_LINE]
    # A line that is none was cut short: by the end of the cell, or by us.
    events = (_decoded(line) for line in lines)
    return tuple(event for event in events if event and isinstance(event.get("event"), str))


_LOST_LINE = json.dumps({"event": LOST}).encode()


def _read_report(file: BinaryIO) -> dict[str, Any] | None:
    """The report; None where there is none, or one that is larger than any honest one."""
    file.seek(0)
    content = file.read(REPORT_BYTES + 1)
    return _decoded(content) if len(content) <= REPORT_BYTES else None


def _decoded(content: bytes) -> dict[str, Any] | None:
    """A JSON object, or None. Half a surrogate in it is no reason to drop the rest: `plain` takes it out."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None
