"""Raw report -> cell state and outcomes. Pure; whatever is not clearly an answer is `inconclusive`.

A call phase that ran and passed is `supported`, a failure of `check` or of the probe's own `assert` `no-effect`, a skip that
the probe called `absent`, an exception of the subject or a companion `raises` (`attribution` decides that), anything else
the probe's own fault.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from compatmatrix.core import sanitize
from compatmatrix.core.encoding import digest
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.environment import file_changes
from compatmatrix.execution.cell_runner import LOST, Raw
from compatmatrix.results import attribution

TAMPERING = 10
"""How many findings of tampering are stored of what a cell reports, at most."""

PHASES = ("setup", "call", "teardown")
"""What pytest runs of a probe, in order; each has its own outcome in the report."""

OWN_SIGNALS = ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGILL", "SIGTRAP")
"""Signals by which a process is ended for what it did itself; every other one may have come from outside."""

_STAGES = {
    "versions": "at its start",
    "import": "at the import",
    "import-failed": "at the import",
    "imported": "while pytest started",
}
"""What the cell was doing after these events; other events do not tell."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell's report says; ``evidence`` maps digest -> traceback.

    ``tampering`` is what the cell did to its environment or to the test tools; it changes no outcome here.
    """

    state: CellState
    detail: str = ""
    outcomes: Mapping[str, Outcome] = {}
    evidence: Mapping[str, str] = {}
    tampering: tuple[str, ...] = ()


class _Phase(msgspec.Struct, frozen=True):
    outcome: Any = None


class _Test(msgspec.Struct, frozen=True):
    """One probe in pytest-json-report's report; ``metadata`` maps a phase to the exception that was raised in it."""

    nodeid: str
    outcome: Any = None
    setup: _Phase | None = None
    call: _Phase | None = None
    teardown: _Phase | None = None
    metadata: Any = None
    user_properties: Any = None

    @property
    def is_complete(self) -> bool:
        """Whether each phase ran: the call where the setup passed, the teardown in any case."""
        return bool(self.setup and self.teardown and (self.call or self.setup.outcome != "passed"))

    @property
    def passed(self) -> bool:
        phases = (self.setup, self.call, self.teardown)
        return self.outcome == "passed" and all(phase and phase.outcome == "passed" for phase in phases)

    def raised(self) -> tuple[str, attribution.RaisedError] | None:
        """The first exception, with the phase in which it was raised."""
        metadata = self.metadata if isinstance(self.metadata, dict) else {}
        phase = next((phase for phase in PHASES if isinstance(metadata.get(phase), dict)), None)
        return (phase, attribution.parse(metadata[phase])) if phase else None


class _Report(msgspec.Struct, frozen=True):
    exitcode: int
    tests: list[_Test]


def interpret(raw: Raw, probes: Sequence[Probe]) -> Reading:
    """Read a cell's report.

    Args:
        raw: What the cell left behind.
        probes: Those that it was to run; each gets an outcome if the cell ran, as observed: see `weigh`.

    Raises:
        InfrastructureError: What was installed is not the lock, or the probes' helpers are broken.
    """
    reading = _interpret(raw, probes)
    reported = next((event.get("tampering") for event in raw.events if event.get("event") == "done"), None)
    tampering = [sanitize.line(text, 200) for text in reported[:TAMPERING]] if isinstance(reported, list) else []
    if raw.changed:
        least = "at least " if len(raw.changed) == file_changes.MOST else ""
        more = f" and {least}{len(raw.changed) - 1} more" if len(raw.changed) > 1 else ""
        tampering.append(f"changed files of its environment: {sanitize.line(raw.changed[0], 120)}{more}")
    return msgspec.structs.replace(reading, tampering=tuple(tampering))


def ended_early(raw: Raw, reading: Reading, probes: Sequence[Probe]) -> str:
    """What a cell was doing when it ended early, if something outside may have ended it; else the empty string.

    Such an end is recorded only if a second run of the cell ends at the same point.

    Raises:
        InfrastructureError: The machine was short of memory when it ended.
    """
    if reading.state is not CellState.CRASHED or raw.killed_for is not None:
        return ""
    if raw.starved:
        raise InfrastructureError(
            f"{reading.detail}, while the kernel ended processes for want of memory: "
            "run it again with fewer --jobs, or on a machine with more"
        )
    return "" if raw.exit_code < 0 and _signal_name(-raw.exit_code) in OWN_SIGNALS else _stage(raw.events, probes)


def _interpret(raw: Raw, probes: Sequence[Probe]) -> Reading:
    # The first event of each name: those before the import are written before the release can interfere.
    events = {event.get("event"): event for event in reversed(raw.events)}
    if wrong := events.get("versions", {}).get("wrong"):
        raise InfrastructureError(f"the environment is not the lock: {sanitize.line('; '.join(map(str, wrong)))}")
    stage = _stage(raw.events, probes)
    if raw.killed_for == "time":
        return Reading(state=CellState.TIMEOUT, detail=f"no end within the time limit ({stage})")
    if raw.killed_for == "memory":
        return Reading(state=CellState.CRASHED, detail=f"took more memory than the limit ({stage})")
    how = f"ended by {_signal_name(-raw.exit_code)}" if raw.exit_code < 0 else f"ended with exit code {raw.exit_code}"
    if "versions" not in events:
        why = "something that is installed ends Python at its start, or deletes what the cell writes"
        return Reading(state=CellState.CRASHED, detail=f"{how} and left no event: {why}")
    if failed := events.get("import-failed"):
        return _import_failure(attribution.parse(failed.get("exception")))
    if raw.exit_code < 0:
        return Reading(state=CellState.CRASHED, detail=f"{how} ({stage})")
    tests = _tests(raw, probes) if "imported" in events and "done" in events and raw.exit_code in (0, 1) else None
    # A session can end early without an error: by `pytest.exit(returncode=0)`, or by `session.shouldstop`. Then some
    # probe lacks a phase. A report beside a process that did not come to its end was not written by pytest at all.
    if tests is None or not all(probe.node in tests and tests[probe.node].is_complete for probe in probes):
        detail = f"ended without a complete report, exit code {raw.exit_code} ({stage})"
        return Reading(state=CellState.CRASHED, detail=detail)
    evidence: dict[str, str] = {}
    outcomes = {probe.id: _outcome(tests[probe.node], evidence) for probe in probes}
    return Reading(state=CellState.RAN, outcomes=outcomes, evidence=evidence)


def _import_failure(error: attribution.RaisedError) -> Reading:
    if attribution.is_probes_import_error(error):
        module = error.unknown_module and sanitize.line(error.unknown_module, 100)
        remedy = f"; name the package that has {module} as a companion, or skip the probes without it" if module else ""
        raise InfrastructureError(f"the probes' own import failed: {error}{remedy}")
    trace = error.traceback()
    return Reading(state=CellState.IMPORT_FAILS, detail=str(error), evidence={digest(trace): trace})


def _outcome(test: _Test, evidence: dict[str, str]) -> Outcome:
    """The outcome of one probe; its traceback, if any, is added to ``evidence``."""
    properties, raised = _properties(test), test.raised()
    if raised is None:
        if test.passed:
            return Outcome(state=OutcomeState.SUPPORTED, **properties)
        note = f"the report says {sanitize.line(test.outcome, 40)!r} without a reason"
        return Outcome(state=OutcomeState.INCONCLUSIVE, note=note)
    phase, error = raised
    message = sanitize.line(error.message)
    if test.outcome == "skipped" and attribution.is_probes_skip(error):
        return Outcome(state=OutcomeState.ABSENT, **{**properties, "note": message})
    in_call = phase == "call"
    if error.check or (in_call and attribution.is_failed_assert(error, _node_of(test.nodeid).partition("[")[0])):
        return Outcome(state=OutcomeState.NO_EFFECT, message=message or error.kind, **properties)
    trace = error.traceback()
    evidence[digest(trace)] = trace
    frame = attribution.subject_frame(error)
    state = OutcomeState.RAISES if in_call and attribution.is_answer(error) else OutcomeState.INCONCLUSIVE
    if state is OutcomeState.INCONCLUSIVE:
        properties["note"] = (
            "skipped, but not by the probe or a helper of it"
            if test.outcome == "skipped"
            else "the exception is neither the subject's nor a companion's, and was not raised inside a check.answer(): "
            "the probe itself is at fault"
        )
    return Outcome(
        state=state,
        exception=error.kind,
        message=message or None,
        where=sanitize.line(frame, 200) if frame else None,
        signature=sanitize.signature(error.kind, message),
        evidence=digest(trace),
        **properties,
    )


def _tests(raw: Raw, probes: Sequence[Probe]) -> dict[str, _Test] | None:
    """The report's entries by pytest's name of the test; None where the report is malformed, or not that of the process.

    The probes of a file that could not be imported are not in the report: they count as failed in their setup.
    """
    try:
        report = msgspec.convert(raw.report, _Report)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    tests = {_node_of(test.nodeid): test for test in report.tests}
    if len(tests) != len(report.tests) or report.exitcode != raw.exit_code:
        return None
    failed, passed = _Phase(outcome="failed"), _Phase(outcome="passed")
    for event in (event for event in raw.events if event.get("event") == "not-collected"):
        metadata, outcome = {"setup": event.get("exception")}, event.get("outcome")
        for probe in (probe for probe in probes if probe.file == event.get("file") and probe.node not in tests):
            tests[probe.node] = _Test(probe.node, outcome, setup=failed, teardown=passed, metadata=metadata)
    return tests


def _node_of(nodeid: str) -> str:
    """pytest's name of a test, without its file."""
    return nodeid.rsplit("::", 1)[-1]


def _properties(test: _Test) -> dict[str, Any]:
    """What a probe recorded of its answer: the value that it computed, a note, the recipe that it ran."""
    properties: dict[str, Any] = {}
    for entry in test.user_properties if isinstance(test.user_properties, list) else ():
        for name, value in entry.items() if isinstance(entry, dict) else ():
            if name == "value":
                # JSON has no NaN or infinity; as words they stay readable.
                plain_number = isinstance(value, int | float) and abs(value) < 1e300
                properties[name] = float(value) if plain_number else sanitize.line(value, 100)
            elif name in ("note", "recipe"):
                properties[name] = sanitize.line(value)
    return properties


def _stage(events: Sequence[Mapping[str, Any]], probes: Sequence[Probe]) -> str:
    """What the cell was doing at its end, for a message. An event of a probe that it was not to run was forged."""
    later = ""
    known = {probe.node: probe.id for probe in probes}
    for event in reversed(events):
        match event.get("event"):
            case "probe" if probe := known.get(_node_of(str(event.get("nodeid")))):
                return f"in {probe}{later}"
            case str(name) if name in _STAGES:
                return f"{_STAGES[name]}{later}"
            case name if name == LOST:
                later = " or later"
    return f"at its start{later}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
