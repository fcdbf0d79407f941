"""Raw report -> cell state and outcomes. Pure, and suspicious: what is not clearly an answer is `inconclusive`.

The rules are those of the design: a call phase that ran and passed is `supported`, the measuring helper's own failure
`no-effect`, a skip that the probe or its helpers called `absent`, an exception that came up through the subject or a
companion `raises`, and anything else the probe's fault.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from compatmatrix.core import sanitize
from compatmatrix.core.encoding import digest
from compatmatrix.core.model import CellState, InfrastructureError, Outcome, OutcomeState, Probe
from compatmatrix.environment import file_changes
from compatmatrix.execution.cell_runner import LOST, Raw

OWN_FAILURE = "NoEffect"
"""Name of the exception, defined in a file of probes/, by which the measuring helper says that the number is wrong."""

ODDITIES = 10
"""How many of what a cell was caught at are kept."""

PHASES = ("setup", "call", "teardown")
"""What pytest runs of a probe, in order; each has its own outcome in the report."""

PYTEST = ("_pytest/", "pluggy/")
"""How the paths of pytest's own frames begin."""

SKIP_MARK = "_pytest/skipping.py"
"""Where pytest raises the skip that a mark on the probe asks for."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell's report comes to; ``evidence`` maps content address -> traceback text.

    ``oddities`` are what the cell was caught at: they change no outcome, but a reader should know of them.
    """

    state: CellState
    detail: str = ""
    outcomes: Mapping[str, Outcome] = {}
    evidence: Mapping[str, str] = {}
    oddities: tuple[str, ...] = ()


def interpret(raw: Raw, probes: Sequence[Probe]) -> Reading:
    """Read a cell's report, and say what the cell was caught at.

    Args:
        probes: those that were put; each gets an outcome if the cell ran. What controls make of it is the
            view's business (`weigh`), so that the record keeps what was seen.

    Raises:
        InfrastructureError: the cell was not what the lock says, or ended by no doing of its own.
    """
    reading = _reading(raw, probes)
    told = next((event.get("tampering") for event in raw.events if event.get("event") == "done"), ())
    found = [sanitize.line(text, 200) for text in told[:ODDITIES]] if isinstance(told, list) else []
    if raw.changed:
        least = "at least " if len(raw.changed) == file_changes.MOST else ""
        more = f" and {least}{len(raw.changed) - 1} more" if len(raw.changed) > 1 else ""
        found.append(f"changed files of its environment: {sanitize.line(raw.changed[0], 120)}{more}")
    return msgspec.structs.replace(reading, oddities=tuple(found))


OWN_SIGNALS = ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP")
"""Signals by which a process is ended for what it did itself; every other one may have come from outside."""


def ended_early(raw: Raw, reading: Reading) -> str:
    """What a cell was at when it ended early, if that need not have been its own doing; else nothing.

    Only a second try that ends at the same makes a fact of it.

    Raises:
        InfrastructureError: the machine was short of memory when it ended.
    """
    if reading.state is not CellState.CRASHED or raw.killed_for is not None:
        return ""
    if raw.starved:
        raise InfrastructureError(
            f"{reading.detail}, while the kernel ended processes for want of memory: "
            "run it again with fewer --jobs, or on a machine with more"
        )
    return "" if raw.exit_code < 0 and _signal_name(-raw.exit_code) in OWN_SIGNALS else _last(raw.events)


def _reading(raw: Raw, probes: Sequence[Probe]) -> Reading:
    # The first of each: no release had a part in those that come before its import.
    events = {event.get("event"): event for event in reversed(raw.events)}
    if wrong := events.get("versions", {}).get("wrong"):
        raise InfrastructureError(f"the environment is not the lock: {sanitize.line('; '.join(map(str, wrong)))}")
    at = _last(raw.events)
    if raw.killed_for == "time":
        return Reading(state=CellState.TIMEOUT, detail=f"no end within the time limit ({at})")
    if raw.killed_for == "memory":
        return Reading(state=CellState.CRASHED, detail=f"took more memory than the limit ({at})")
    how = f"ended by {_signal_name(-raw.exit_code)}" if raw.exit_code < 0 else f"ended with exit code {raw.exit_code}"
    if "versions" not in events:
        why = "something that is installed ends Python at its start"
        return Reading(state=CellState.CRASHED, detail=f"{how} before its first line: {why}")
    if failed := events.get("import-failed"):
        return _import_failure(failed.get("exception"))
    if raw.exit_code < 0:
        return Reading(state=CellState.CRASHED, detail=f"{how} ({at})")
    tests = _tests(raw)
    whole = "imported" in events and "done" in events and raw.exit_code in (0, 1)
    # A session can end early and in order: by `pytest.exit(returncode=0)`, or because it was asked to stop. Then some
    # probe lacks a phase. A report beside a process that did not come to its end was not written by pytest at all.
    if not whole or tests is None or not all(_came_to_its_end(tests.get(probe.id)) for probe in probes):
        return Reading(
            state=CellState.CRASHED, detail=f"ended without a complete report, exit code {raw.exit_code} ({at})"
        )
    evidence: dict[str, str] = {}
    outcomes = {probe.id: _outcome(tests[probe.id], evidence) for probe in probes}
    return Reading(state=CellState.RAN, outcomes=outcomes, evidence=evidence)


def weigh(outcomes: Mapping[str, Outcome], probes: Iterable[Probe], control: str) -> dict[str, Outcome]:
    """Make negative answers `inconclusive` where a control that governs them failed.

    ``control`` governs every probe, further ones those that name them in ``needs``. A control that is absent, or
    was not run, says nothing against the others.
    """
    weighed = dict(outcomes)
    for probe in probes:
        outcome = outcomes.get(probe.id)
        if outcome is None or not outcome.state.negative:
            continue
        for governor in dict.fromkeys((control, *probe.needs)):
            judged = outcomes.get(governor)
            if governor != probe.id and judged and (judged.state.negative or judged.state is OutcomeState.INCONCLUSIVE):
                note = f"the control {governor} came out {judged.state.value} here; without it: {outcome.state.value}"
                weighed[probe.id] = msgspec.structs.replace(outcome, state=OutcomeState.INCONCLUSIVE, note=note)
                break
    return weighed


def _import_failure(exception: Any) -> Reading:
    exception = exception if isinstance(exception, dict) else {}
    frames = _frames(exception)
    if (
        frames
        and all(str(frame.get("path", "")).startswith("probes/") for frame in frames[-1:])
        and exception.get("type")
        not in (
            "ImportError",
            "ModuleNotFoundError",
            "AttributeError",
        )
    ):
        raise InfrastructureError(
            f"the probes' own import failed: {sanitize.line(exception.get('type'))}: {sanitize.line(exception.get('message'))}"
        )
    text = f"{sanitize.line(exception.get('type'), 100)}: {sanitize.line(exception.get('message'))}"
    trace = _traceback(exception)
    return Reading(state=CellState.IMPORT_FAILS, detail=text, evidence={digest(trace): trace})


def _outcome(test: Mapping[str, Any], evidence: dict[str, str]) -> Outcome:
    properties = _properties(test)
    told = test.get("metadata")
    metadata: Mapping[str, Any] = told if isinstance(told, dict) else {}
    exception = next((metadata[when] for when in PHASES if isinstance(metadata.get(when), dict)), None)
    verdict = test.get("outcome")
    if verdict == "passed" and exception is None and all(_phase(test, when) == "passed" for when in PHASES):
        return Outcome(state=OutcomeState.SUPPORTED, **properties)
    if exception is None:
        return Outcome(
            state=OutcomeState.INCONCLUSIVE, note=f"the report says {sanitize.line(verdict, 40)!r} without a reason"
        )
    kind, message = sanitize.line(exception.get("type"), 100), sanitize.line(exception.get("message"))
    if verdict == "skipped" and _skipped_by_the_probe(exception):
        return Outcome(state=OutcomeState.ABSENT, **{**properties, "note": message})
    if exception.get("own") is True and kind.rsplit(".", 1)[-1] == OWN_FAILURE:
        return Outcome(state=OutcomeState.NO_EFFECT, message=message, **properties)
    trace = _traceback(exception)
    evidence[digest(trace)] = trace
    theirs = [frame for frame in _frames(exception) if frame.get("package")]
    state = OutcomeState.RAISES if theirs and "call" in metadata else OutcomeState.INCONCLUSIVE
    if state is OutcomeState.INCONCLUSIVE:
        properties["note"] = (
            "the exception did not come up through the subject or a companion: the probe itself is at fault"
        )
    return Outcome(
        state=state,
        exception=kind,
        message=message or None,
        where=_where(theirs[-1]) if theirs else None,
        signature=sanitize.signature(kind, message),
        evidence=digest(trace),
        **properties,
    )


def _tests(raw: Raw) -> dict[str, Mapping[str, Any]] | None:
    """Probe id -> its entry of the JSON report; None where there is no report in the right form, or not of this process."""
    report = raw.report or {}
    tests = report.get("tests")
    if not isinstance(tests, list) or not all(
        isinstance(test, dict) and isinstance(test.get("nodeid"), str) for test in tests
    ):
        return None
    found = {_probe_of(test["nodeid"]): test for test in tests}
    return found if len(found) == len(tests) and report.get("exitcode") == raw.exit_code else None


def _probe_of(nodeid: str) -> str:
    return nodeid.rsplit("::", 1)[-1].removeprefix("test_").replace("_", "-")


def _phase(test: Mapping[str, Any], when: str) -> object:
    """The outcome of one phase of a probe; None where it did not run."""
    phase = test.get(when)
    return phase.get("outcome") if isinstance(phase, dict) else None


def _came_to_its_end(test: Mapping[str, Any] | None) -> bool:
    """Whether each phase of the probe ran: its call where the setup passed, its teardown in any case."""
    if test is None or _phase(test, "setup") is None or _phase(test, "teardown") is None:
        return False
    return _phase(test, "call") is not None or _phase(test, "setup") != "passed"


def _skipped_by_the_probe(exception: Mapping[str, Any]) -> bool:
    """Whether the probe or a helper of it called for the skip, or a mark on it; what a package raises is no such word."""
    paths = [str(frame.get("path")) for frame in _frames(exception)]
    if paths and paths[-1] == SKIP_MARK:
        return True
    caller = next((path for path in reversed(paths) if not path.startswith(PYTEST)), "")
    return caller.startswith("probes/")


def _properties(test: Mapping[str, Any]) -> dict[str, Any]:
    """What a probe recorded about its answer: the found value, a note, the recipe that it ran."""
    found: dict[str, Any] = {}
    listed = test.get("user_properties")
    for entry in listed if isinstance(listed, list) else ():
        for name, value in entry.items() if isinstance(entry, dict) else ():
            if name == "value":
                # JSON has no NaN or infinity; as words they stay readable.
                plain_number = isinstance(value, int | float) and abs(value) < 1e300
                found[name] = float(value) if plain_number else sanitize.line(value, 100)
            elif name in ("note", "recipe"):
                found[name] = sanitize.line(value)
    return found


def _frames(exception: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    frames = exception.get("frames")
    return [frame for frame in frames if isinstance(frame, dict)] if isinstance(frames, list) else []


def _where(frame: Mapping[str, Any]) -> str:
    return sanitize.line(f"{frame.get('path')}:{frame.get('line')} in {frame.get('function')}", 200)


def _traceback(exception: Mapping[str, Any]) -> str:
    lines = ["Traceback (most recent call last):"]
    for number, frame in enumerate(_frames(exception)):
        if number == 4 and exception.get("left_out"):
            lines.append(f"  [{exception['left_out']} frames left out]")
        lines.append(
            f"  {sanitize.line(frame.get('path'), 200)}:{frame.get('line')} in {sanitize.line(frame.get('function'), 100)}"
        )
        if frame.get("text"):
            lines.append(f"    {sanitize.line(frame['text'], 200)}")
    lines.append(f"{sanitize.line(exception.get('type'), 100)}: {sanitize.block(exception.get('message'), 1000)}")
    return sanitize.block("\n".join(lines))


def _last(events: Sequence[Mapping[str, Any]]) -> str:
    """What the cell was at, for a message; that it is done is told of a session that ended early too."""
    later = ""
    for event in reversed(events):
        match event.get("event"):
            case "probe":
                return f"in {sanitize.line(_probe_of(str(event.get('nodeid'))), 100)}{later}"
            case str(name) if name in _STAGES:
                return f"{_STAGES[name]}{later}"
            case name if name == LOST:
                later = " or later"
    return f"at its start{later}"


_STAGES = {
    "versions": "at its start",
    "import": "at the import",
    "import-failed": "at the import",
    "imported": "while pytest started",
}
"""What a cell was at when an event was the last; others say nothing of that."""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
