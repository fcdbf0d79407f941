"""The grid pairing as a map: a row for each subject release, a column for each companion release, a sign for each pair.

A pair has levels: it imports, the main control works, the further controls work. Each may end elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from compatmatrix.analysis.support import CellView, View
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import CellState, OutcomeState, Probe
from compatmatrix.core.pairings import GRID
from compatmatrix.publish.labels import CELL_SIGNS

WORKS, PARTLY, IMPORTS, NO_CONTROL = "●", "◐", "◌", "–"

MEANINGS = {
    WORKS: "imports, and every control works",
    PARTLY: "imports and the main control works, a further control does not",
    IMPORTS: "imports, but the main control does not work",
    NO_CONTROL: "imports; the release has nothing yet that the controls ask for",
    CELL_SIGNS[CellState.IMPORT_FAILS]: "the import fails",
    CELL_SIGNS[CellState.UNRESOLVABLE]: "ruled out by the packages' own metadata",
    CELL_SIGNS[CellState.NO_PYTHON]: "no Python holds both",
    CELL_SIGNS[CellState.INSTALL_FAILED]: "cannot be installed",
    CELL_SIGNS[CellState.TIMEOUT]: "no end within the time limit",
    CELL_SIGNS[CellState.CRASHED]: "the process died",
    "·": "not run",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One subject release: its pairs by companion version, and in words how far each level reaches."""

    subject: str
    pairs: Mapping[str, CellView]
    sentences: tuple[str, ...]


class GridMap(msgspec.Struct, frozen=True, kw_only=True):
    """The whole map; ``columns`` are companion versions, oldest first, ``rows`` subject releases, newest first."""

    companion: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    controls: tuple[Probe, ...]

    def sign(self, row: Row, column: str) -> str:
        """The sign of a pair."""
        cell = row.pairs.get(column)
        return sign(cell, self.controls) if cell else "·"


def gridmap(view: View) -> GridMap | None:
    """The map of the grid's cells, None where there are none on record."""
    if view.config.pairings.grid is None:
        return None
    companion = view.config.pairings.grid.companion
    main = view.config.subject.control
    controls = tuple(sorted((probe for probe in view.probes if probe.control), key=lambda probe: probe.id != main))
    pairs: dict[str, dict[str, CellView]] = {}
    for cell in view.cells:
        if GRID.name in cell.pairings and companion in cell.versions:
            pairs.setdefault(cell.subject, {})[cell.versions[companion]] = cell
    if not pairs:
        return None
    columns = tuple(by_version({version for row in pairs.values() for version in row}))
    rows = tuple(
        Row(subject=version, pairs=pairs[version], sentences=_sentences(pairs[version], columns, companion, controls))
        for version in reversed(by_version(pairs))
    )
    return GridMap(companion=companion, columns=columns, rows=rows, controls=controls)


def sign(cell: CellView, controls: Sequence[Probe]) -> str:
    """How far a pair gets."""
    if cell.state is not CellState.RAN:
        return CELL_SIGNS[cell.state]
    states = [cell.outcome(control.id).state for control in controls]
    if all(state is OutcomeState.ABSENT for state in states):
        return NO_CONTROL
    if all(state is OutcomeState.SUPPORTED for state in states):
        return WORKS
    return PARTLY if states and states[0] is OutcomeState.SUPPORTED else IMPORTS


def spans(good: Sequence[str], columns: Sequence[str]) -> str:
    """Versions as ranges over the columns: ``0.4.24 to 0.5.3, 0.6.1``."""
    held = set(good)
    found: list[list[str]] = []
    for before, version in zip(["", *columns], columns, strict=False):
        if version in held:
            if before in held and found:
                found[-1].append(version)
            else:
                found.append([version])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in found) or "none"


def _sentences(
    row: Mapping[str, CellView], columns: Sequence[str], companion: str, controls: Sequence[Probe]
) -> tuple[str, ...]:
    # What metadata rules out is no column of this row: a range runs on over it to what could be tried.
    tried = [
        version
        for version in columns
        if version in row and row[version].state not in (CellState.UNRESOLVABLE, CellState.NO_PYTHON)
    ]
    ran = [version for version in tried if row[version].state is CellState.RAN]
    told = [f"imports with {companion} {spans(ran, tried)}"]
    for control in controls:
        states = {version: row[version].outcome(control.id).state for version in ran}
        if ran and all(state is OutcomeState.ABSENT for state in states.values()):
            told.append(f"{control.id}: absent")
        else:
            good = [version for version, state in states.items() if state is OutcomeState.SUPPORTED]
            told.append(f"{control.id} works with {companion} {spans(good, tried)}")
    reasons: dict[str, list[str]] = {}
    for version in tried:
        if row[version].state is not CellState.RAN:
            reasons.setdefault(row[version].detail, []).append(version)
    for reason, versions in reasons.items():
        told.append(f"with {companion} {spans(versions, tried)}: {reason}")
    return tuple(told)
