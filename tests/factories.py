"""Facts made up for tests: each with what the test is about, and something sensible for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import digest
from compatmatrix.core.model import Cell, Outcome, Pin, Probe, Record, Release, record_key
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.execution.cell_runner import Raw
from compatmatrix.planning.job_queue import Job
from compatmatrix.planning.plan_file import Plan
from compatmatrix.results.interpretation import PHASES
from compatmatrix.results.ledger import Ledger
from fixtures import Project

PLATFORM = "linux-x86_64"
DAY = "2025-06-01T00:00:00Z"

SUPPORTED = Outcome(state=OutcomeState.SUPPORTED)
RAISES = Outcome(
    state=OutcomeState.RAISES, exception="subject.core.NotTrainable", message="no", signature="NotTrainable: no"
)
NO_EFFECT = Outcome(state=OutcomeState.NO_EFFECT, message="found 0, expected 3")
ABSENT = Outcome(state=OutcomeState.ABSENT, note="there is no subject.Trainer")
INCONCLUSIVE = Outcome(state=OutcomeState.INCONCLUSIVE)
NOT_RUN = Outcome(state=OutcomeState.NOT_RUN)


def config(folder: Path) -> Config:
    """The configuration of the tests' project."""
    return Project.make(folder, "https://example.org/simple/").config


def probe(name: str, *, source: str = "1", control: bool = False, needs: tuple[str, ...] = ()) -> Probe:
    """A probe; another ``source`` is another question."""
    return Probe(
        id=name,
        title=name.title(),
        question=f"Does {name} work?",
        group="headline",
        file="test_value.py",
        digest=digest(["source", name, source]),
        control=control,
        needs=needs,
    )


HELD, STANDALONE = probe("held", control=True), probe("standalone")
PROBES = (HELD, STANDALONE)


def release(version: str, *, yanked: bool = False, prerelease: bool = False, day: str = "2025-01-01") -> Release:
    """A release without files."""
    return Release(version=version, released=f"{day}T12:00:00Z", yanked=yanked, prerelease=prerelease)


def record(
    subject: str,
    outcomes: Mapping[str, Outcome] = {},
    *,
    probes: Iterable[Probe] = PROBES,
    pairings: Mapping[str, tuple[str, ...]] | None = None,
    state: CellState = CellState.RAN,
    recorded: str = DAY,
    cell: str = "",
    companion: str = "1.0",
    detail: str = "",
    platform: str = PLATFORM,
) -> Record:
    """A record; releases differ in their cells."""
    put = {one.id: one.digest for one in probes}
    cell = cell or digest([subject, companion])
    return Record(
        key=record_key(cell, put),
        cell=cell,
        subject=subject,
        python="3.11",
        platform=platform,
        versions={"subject": subject, "companion": companion},
        pairings={"newest": (recorded,)} if pairings is None else pairings,
        state=state,
        detail=detail,
        probes=put,
        outcomes=outcomes,
        recorded=recorded,
    )


def unsigned(record: Record) -> Record:
    """The record as it is read back: a signature is not stored, for views make it of what was raised."""
    outcomes = {name: msgspec.structs.replace(one, signature=None) for name, one in record.outcomes.items()}
    return msgspec.structs.replace(record, outcomes=outcomes)


def ledger(*records: Record, releases: Iterable[Release] | None = None) -> Ledger:
    """A ledger of these records; without other word, each subject in it is a stable release."""
    if releases is None:
        releases = [release(version) for version in {one.subject for one in records}]
    return Ledger(records={one.key: one for one in records}, releases={listed.version: listed for listed in releases})


def answers(**by_probe: Outcome) -> dict[str, Outcome]:
    """Outcomes by probe, the control working unless it is said otherwise."""
    return {"held": SUPPORTED, **by_probe}


outcomes = st.sampled_from([SUPPORTED, RAISES, NO_EFFECT, ABSENT, INCONCLUSIVE, NOT_RUN])
"""Any outcome that a view may hold."""

instants = st.integers(1, 28).map(lambda day: f"2025-06-{day:02}T00:00:00Z")


@st.composite
def records(draw: st.DrawFn, states: Sequence[CellState] = (CellState.RAN, CellState.NO_PYTHON)) -> Record:
    """Records of few cells, so that any two often meet on one key."""
    made = record(
        draw(st.sampled_from(["0.1.0", "0.2.0"])),
        {"standalone": draw(outcomes)},
        companion=draw(st.sampled_from(["1.0", "2.0"])),
        recorded=draw(instants),
        state=draw(st.sampled_from(states)),
    )
    labels = st.dictionaries(
        st.sampled_from(["newest", "release-day"]), st.sets(instants, min_size=1, max_size=3), min_size=1
    )
    return msgspec.structs.replace(
        made, pairings={label: tuple(sorted(found)) for label, found in draw(labels).items()}
    )


@st.composite
def ledgers(draw: st.DrawFn, states: Sequence[CellState] = (CellState.RAN, CellState.NO_PYTHON)) -> Ledger:
    """Ledgers with records, releases and evidence."""
    releases = st.builds(release, st.sampled_from(["0.1.0", "0.2.0"]), yanked=st.booleans())
    texts = draw(st.lists(st.text("ab", min_size=1, max_size=2), max_size=3))
    return Ledger(
        records={one.key: one for one in draw(st.lists(records(states), max_size=4))},
        releases={listed.version: listed for listed in draw(st.lists(releases, max_size=3))},
        evidence={digest(text): text for text in texts},
    )


STARTED = ({"event": "versions", "wrong": []}, {"event": "import"}, {"event": "imported"})
DONE = {"event": "done"}


def raw(*tests: dict[str, Any], events: Any = (*STARTED, DONE), **more: Any) -> Raw:
    """A cell that ended as it should, but for what is said."""
    fields: dict[str, Any] = {
        "exit_code": 0,
        "killed_for": None,
        "events": tuple(events),
        "began": 0.0,
        "seconds": 1.0,
        **more,
    }
    return Raw(**{"report": {"exitcode": fields["exit_code"], "tests": list(tests)}, **fields})


def entry(outcome: str, exception: dict[str, Any] | None = None, when: str = "call", **more: Any) -> dict[str, Any]:
    """What pytest-json-report says of the headline's probe."""
    phases = {name: {"outcome": "passed"} for name in PHASES}
    if exception:
        phases[when] = {"outcome": "skipped" if outcome == "skipped" else "failed"}
        more["metadata"] = {when: exception}
    return {"nodeid": "test_value.py::test_standalone", "outcome": outcome, **phases, **more}


def cell(subject: str, companion: str = "3.0", python: str = "3.11", other: str = "1.0") -> Cell:
    """A cell; `other` is the version of a package that nobody names."""
    pins = {"companion": companion, "other": other, "subject": subject}
    return Cell(
        subject=subject,
        python=python,
        platform=PLATFORM,
        lock=tuple(Pin(name=name, version=version, sha256=("ab", "cd")) for name, version in pins.items()),
        versions={"subject": subject, "companion": companion},
        named=("subject", "companion"),
    )


def numbered_job(number: int, python: str = "3.11") -> Job:
    """A job of its own."""
    version = f"0.{number}"
    pin = Pin(name="subject", version=version, sha256=("00",))
    cell = Cell(
        subject=version,
        python=python,
        platform=PLATFORM,
        lock=(pin,),
        versions={"subject": version},
        named=("subject",),
    )
    return Job(cell=cell, labels=("newest",), probes={"held": "1"})


def jobs() -> st.SearchStrategy[list[Job]]:
    """Different cells, of few groups."""
    versions, companions, pythons = ["0.1.0", "0.2.0", "0.10.0"], "123", ["3.11", "3.12"]
    cells = st.builds(cell, *map(st.sampled_from, (versions, companions, pythons)))
    return st.lists(cells, max_size=14, unique_by=lambda one: one.id()).map(
        lambda cells: [Job(cell=one, labels=("newest",), probes={HELD.id: HELD.digest}) for one in cells]
    )


def plan(*jobs: Job, **more: object) -> Plan:
    """A plan of these jobs."""
    made = Plan(planned="2025-06-01T00:00:00Z", instant="2025-06-01T00:00:00Z", platform=PLATFORM, jobs=jobs)
    return msgspec.structs.replace(made, **{"requested": len(jobs), **more})
