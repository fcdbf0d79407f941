"""The map of pairs: how far each subject release gets with each release of the companion that the grid varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from compatmatrix.analysis.support import CellView, View
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import CellState, Outcome, OutcomeState, Probe
from compatmatrix.core.pairings import GRID
from compatmatrix.publish import gridmap, labels

KINDS: Mapping[str, tuple[str, str, str]] = {
    "headline": ("★", "yes", "the question itself is answered with yes"),
    "works": (gridmap.WORKS, "works", gridmap.MEANINGS[gridmap.WORKS]),
    "partly": (gridmap.PARTLY, "partly", gridmap.MEANINGS[gridmap.PARTLY]),
    "imports": (gridmap.NO_CONTROL, "imports", gridmap.MEANINGS[gridmap.NO_CONTROL]),
    "broken": (gridmap.IMPORTS, "broken", gridmap.MEANINGS[gridmap.IMPORTS]),
    **{
        state.value: (sign, state.value, gridmap.MEANINGS[sign])
        for state, sign in labels.CELL_SIGNS.items()
        if state is not CellState.RAN
    },
}
"""Kind -> sign, word, meaning; from the best to what says nothing."""

IMPORTS = ("headline", "works", "partly", "imports", "broken")
TRAINS = ("headline", "works", "partly")
FULLY = ("headline", "works")
UNTRIED = (CellState.UNRESOLVABLE.value, CellState.NO_PYTHON.value)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A subject release beside a companion release: the kind, and why in a line."""

    subject: str
    companion: str
    kind: str
    reason: str
    cell: CellView

    @property
    def sign(self) -> str:
        return KINDS[self.kind][0]

    @property
    def word(self) -> str:
        return KINDS[self.kind][1]


def varied(view: View) -> str:
    """Name of the companion whose releases are the map's columns; empty where there is none."""
    if view.config.pairings.grid:
        return view.config.pairings.grid.companion
    return view.config.companions[0].name if view.config.companions else ""


def pairs(view: View) -> Mapping[str, Mapping[str, Pair]]:
    """Subject version -> companion version, oldest first -> pair.

    Where several cells hold one pair, one that ran stands for it, and of those the one made for the map.
    """
    name = varied(view)
    platform = next((name for name in view.config.platform if any(cell.platform == name for cell in view.cells)), "")
    best: dict[tuple[str, str], CellView] = {}
    for cell in view.cells:
        version = cell.versions.get(name)
        if version is None or cell.platform != platform or cell.source is not None:
            continue
        known = best.get((cell.subject, version))
        if known is None or _rank(known) < _rank(cell):
            best[cell.subject, version] = cell
    controls = [probe for probe in view.probes if probe.control]
    found: dict[str, dict[str, Pair]] = {}
    for release in view.releases:
        versions = by_version(version for subject, version in best if subject == release.version)
        found[release.version] = {
            version: _pair(view, controls, version, best[release.version, version]) for version in versions
        }
    return found


def columns(found: Mapping[str, Mapping[str, Pair]]) -> list[str]:
    """Every companion version of the map, oldest first."""
    return by_version({version for row in found.values() for version in row})


def spans(row: Mapping[str, Pair], kinds: Sequence[str], columns: Sequence[str]) -> str:
    """The versions of a row that are of these kinds, neighbours drawn together: ``0.4.31 to 0.6.2, 0.7.1``.

    A range runs on over what could not be tried at all, and never over what was not examined.
    """
    runs: list[list[str]] = []
    before = False
    for version in columns:
        pair = row.get(version)
        if pair is not None and pair.kind in UNTRIED and pair.kind not in kinds:
            continue
        good = pair is not None and pair.kind in kinds
        if good and before:
            runs[-1].append(version)
        elif good:
            runs.append([version])
        before = good
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _rank(cell: CellView) -> tuple[bool, bool, str, str]:
    return cell.state is CellState.RAN, GRID.name in cell.pairings, cell.recorded, cell.id


def _pair(view: View, controls: Sequence[Probe], version: str, cell: CellView) -> Pair:
    kind, reason = _judge(view, controls, cell)
    return Pair(subject=cell.subject, companion=version, kind=kind, reason=reason, cell=cell)


def _judge(view: View, controls: Sequence[Probe], cell: CellView) -> tuple[str, str]:
    if cell.state is not CellState.RAN:
        return cell.state.value, sanitize.line(cell.detail)
    main = cell.outcome(view.config.subject.control)
    if cell.outcome(view.config.subject.headline).state is OutcomeState.SUPPORTED:
        return "headline", ""
    if main.state is not OutcomeState.SUPPORTED:
        told = _told(next(probe for probe in controls if probe.id == view.config.subject.control), main)
        return ("imports" if main.state in (OutcomeState.ABSENT, OutcomeState.NOT_RUN) else "broken"), told
    for probe in controls:
        outcome = cell.outcome(probe.id)
        if outcome.state not in (OutcomeState.SUPPORTED, OutcomeState.NOT_RUN, OutcomeState.ABSENT):
            return "partly", _told(probe, outcome)
    return "works", ""


def _told(probe: Probe, outcome: Outcome) -> str:
    what = sanitize.line(outcome.signature or outcome.note or outcome.message or "")
    return f"{probe.title.replace('`', '')}: {outcome.state.value}" + (f", {what}" if what else "")
