"""A ledger of any size, made of the shapes of the real one: for measuring, never for publishing."""

from __future__ import annotations

from itertools import islice, product
from pathlib import Path

from compatmatrix.config import matrix_file, probe_files
from compatmatrix.core.encoding import digest
from compatmatrix.core.model import Outcome, Record, Release, record_key
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger

STATES = (OutcomeState.SUPPORTED, OutcomeState.RAISES, OutcomeState.NO_EFFECT, OutcomeState.ABSENT)


def write(root: Path, reports: Path, count: int) -> None:
    """Write ``count`` records: two pairings' cells of each of 40 releases with all probes, the rest a grid with its own."""
    setting = matrix_file.load(root / "matrix.toml")
    asked = probe_files.read(root / "probes", setting.environment)
    grid = setting.pairings.grid
    assert grid is not None
    names = {probe.id: probe.digest for probe in asked}
    few = {name: names[name] for name in grid.probes}
    subjects = [f"9.{number}.0" for number in range(40)]
    pairs = [(subject, pairing, "0.1.0") for subject, pairing in product(subjects, ("release-day", "newest"))]
    pairs += [(subject, "grid", f"8.{number}.0") for number, subject in product(range(count), subjects)]
    records = {}
    for number, (subject, pairing, companion) in enumerate(islice(pairs, count)):
        record = _record(
            number,
            subject,
            setting.subject.name,
            pairing,
            {grid.companion: companion},
            few if pairing == "grid" else names,
        )
        records[record.key] = record
    releases = {
        version: Release(version=version, released=f"2024-01-01T00:00:{number:02}Z")
        for number, version in enumerate(subjects)
    }
    ledger.append(reports / "records", Ledger(records=records, releases=releases))


def _record(
    number: int, subject: str, name: str, pairing: str, companions: dict[str, str], put: dict[str, str]
) -> Record:
    cell = digest([number])
    lock = tuple(f"package-{index}=={subject} --hash=sha256:{digest([number, index]) * 4}" for index in range(32))
    state = CellState.IMPORT_FAILS if number % 5 == 4 else CellState.RAN
    outcomes = {probe: _outcome(number, index) for index, probe in enumerate(put)} if state is CellState.RAN else {}
    return Record(
        key=record_key(cell, put),
        cell=cell,
        subject=subject,
        python="3.11",
        platform="linux-x86_64",
        versions={name: subject, **companions},
        pairings={pairing: ("2024-01-01T00:00:00Z",)},
        state=state,
        detail="ImportError: cannot import name 'one' from 'other'" if state is CellState.IMPORT_FAILS else "",
        lock=lock,
        probes=put,
        outcomes=outcomes,
        recorded="2024-01-01T00:00:00Z",
    )


def _outcome(number: int, index: int) -> Outcome:
    state = STATES[(number + index) % len(STATES)]
    if state is not OutcomeState.RAISES:
        return Outcome(state=state, value=0.5)
    return Outcome(
        state=state,
        exception="TypeError",
        message="some words " * 8,
        where="a/b/c.py:12 in function",
        signature="TypeError: some words",
    )
