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
from typing import Any

import msgspec

from compatmatrix import confine, incell, minder, tampercheck, traces, watch
from compatmatrix.config import Config
from compatmatrix.model import Cell, Probe, Trouble

REPORT_BYTES = 8_000_000

SCRATCH = "cell-"
"""How the names of scratch folders begin."""

# What a cell inherits of the environment: enough to run a process, nothing that could be a secret or a setting.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT", "TEMP", "TMP", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Raw(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell left behind: exit code (negative: the signal that ended it), why we ended it, events, report, tail of its output.

    ``apart`` says what it was kept from, ``changed`` which files of its environment it changed.
    """

    exit_code: int
    killed_for: str | None
    events: tuple[dict[str, Any], ...]
    report: dict[str, Any] | None
    output: str
    began: float
    seconds: float
    apart: frozenset[confine.Ability] = frozenset()
    changed: tuple[str, ...] = ()

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
        Trouble: the process could not be started or watched, or was stopped.
    """
    try:
        # Beside the environment: on one file system with it, and below a folder that the next run clears.
        root = python.parents[2]
        with tempfile.TemporaryDirectory(dir=root, prefix=SCRATCH, ignore_cleanup_errors=True) as scratch:
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
    for file in (incell.__file__, tampercheck.__file__):
        shutil.copy(file, scratch)
    home = scratch / "home"
    home.mkdir()
    events, report = scratch / "events.jsonl", scratch / "report.json"
    task = {
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
    (scratch / "task.json").write_text(json.dumps(task), encoding="utf-8")
    environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"  # byte code is made by us
    environ |= config.environment
    environment = python.parents[1]
    apart = confine.abilities(environment.parent)
    before = None if "environment" in apart else traces.snapshot(environment)
    command: list[str | Path] = [python, "-I", "-B", "-X", "utf8", script, scratch / "task.json"]
    began, started = time.time(), time.monotonic()
    process = subprocess.Popen(
        confine.minded(command, apart, environment, scratch),
        cwd=home,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    tail = watch.Tail(process.stdout, config.limits.output_kb * 1024)
    try:
        killed_for = watch.until_its_end(process, config, started, stop)
    finally:
        watch.end(process)
        tail.close()
    seconds = time.monotonic() - started
    if process.returncode == minder.REFUSED and not events.exists():
        raise Trouble(f"the cell could not be run: {tail.text().strip()[-500:]}")
    changed = traces.differences(before, environment) if before is not None else traces.changes(scratch / "changes")
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
    )


def _read_events(path: Path) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for line in _bounded(path).splitlines():
        event = _decoded(line)
        if event is None:
            break  # a line cut short is the last thing that a dying cell wrote
        found.append(event)
    return tuple(found)


def _read_report(path: Path) -> dict[str, Any] | None:
    return _decoded(_bounded(path))


def _decoded(content: bytes) -> dict[str, Any] | None:
    """A JSON object, or None. Half a surrogate in it is no reason to drop the rest: `plain` takes it out."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _bounded(path: Path) -> bytes:
    """The file's content, or nothing where it is missing or larger than any honest one."""
    try:
        with path.open("rb") as file:
            content = file.read(REPORT_BYTES + 1)
    except OSError:
        return b""
    return content if len(content) <= REPORT_BYTES else b""
