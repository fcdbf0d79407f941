"""View -> the map of pairs: how far each subject release gets beside each release of one companion. Pure.

The only place where a pair is classed. Where several cells hold one pair, the best of them is what can be had of it, and
the reason says what another came to: the pair is the same, other packages around it are not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import Enum

import msgspec

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.core.pairings import GRID, named
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import spans


def _state(state: CellState) -> tuple[str, str, str, str]:
    return state.value, state.sign, state.value, state.meaning


class Kind(str, Enum):
    """How far a pair gets, from the best to what says nothing."""

    HEADLINE = ("headline", "★", "yes", "the question itself is answered with yes, and every control works")
    WORKS = ("works", "●", "works", "imports, and every control works whose API the release has")
    PARTLY = ("partly", "◐", "partly", "imports and the main control works, a further control fails or was not run")
    ABSENT = (
        OutcomeState.ABSENT.value, "–", "imports", "imports; the API that the main control needs does not exist in this release"
    )  # fmt: skip
    BROKEN = ("broken", "◌", "broken", "imports, but a control fails")
    UNKNOWN = ("unknown", "?", "unknown", "imports, but nothing is known of the main control")
    IMPORT_FAILS = _state(CellState.IMPORT_FAILS)
    TIMEOUT = _state(CellState.TIMEOUT)
    CRASHED = _state(CellState.CRASHED)
    INSTALL_FAILED = _state(CellState.INSTALL_FAILED)
    UNRESOLVABLE = _state(CellState.UNRESOLVABLE)
    NO_PYTHON = _state(CellState.NO_PYTHON)

    sign: str
    word: str
    meaning: str

    def __new__(cls, value: str, sign: str, word: str, meaning: str) -> Kind:
        kind = str.__new__(cls, value)
        kind._value_, kind.sign, kind.word, kind.meaning = value, sign, word, meaning
        return kind


IMPORTS = (Kind.HEADLINE, Kind.WORKS, Kind.PARTLY, Kind.ABSENT, Kind.BROKEN, Kind.UNKNOWN)
TRAINS = (Kind.HEADLINE, Kind.WORKS, Kind.PARTLY)
FULLY = (Kind.HEADLINE, Kind.WORKS)
MAY_TRAIN = (*TRAINS, Kind.ABSENT, Kind.UNKNOWN)
"""Not known to be unable to train anything."""

UNTRIED = (Kind.UNRESOLVABLE, Kind.NO_PYTHON)
"""Never installed, so that nothing is known of the import."""

FAILS = tuple(kind for kind in Kind if kind not in (*IMPORTS, *UNTRIED))


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A subject release beside a companion release: the kind, why in a line, and its cells, the best one first."""

    subject: str
    companion: str
    kind: Kind
    reason: str
    cells: tuple[CellView, ...]

    @property
    def cell(self) -> CellView:
        """The cell that the kind is known from."""
        return self.cells[0]


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The whole map: ``rows`` is subject version -> companion version -> pair, ``columns`` every companion version.

    Both are in version order, oldest first; every release of the view has a row, if an empty one.
    """

    companion: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Pair]]

    def limited(self, pairs: Collection[tuple[str, str]]) -> Grid:
        """The map of some pairs, each given by the versions of subject and companion; also those without a cell."""
        rows = {
            subject: {other: pair for other, pair in row.items() if (subject, other) in pairs}
            for subject, row in self.rows.items()
            if any(subject == one for one, _ in pairs)
        }
        return msgspec.structs.replace(self, columns=tuple(by_version({other for _, other in pairs})), rows=rows)

    def spans(self, version: str, kinds: Sequence[Kind]) -> str:
        """The companion versions with which a release is of these kinds: ``1.0 to 1.6, 2.1``."""
        return self.joined(version, [other for other, pair in self.rows[version].items() if pair.kind in kinds])

    def joined(self, version: str, companions: Collection[str]) -> str:
        """These of a release's companion versions, neighbors drawn together.

        A range runs on over what could not be tried at all, and never over what was not examined.
        """
        row = self.rows[version]
        untried = {other for other, pair in row.items() if pair.kind in UNTRIED} - {*companions}
        return spans(companions, [column for column in self.columns if column not in untried])


def grid(view: View) -> Grid:
    """The map of all cells of the view's platform, by the companion of ``[pairings.grid]``, else by the first one."""
    config = view.config
    name = next(iter([config.pairings.grid.companion] if config.pairings.grid else config.named[1:]), "")
    held: dict[str, dict[str, list[CellView]]] = {release.version: {} for release in view.releases}
    for cell in view.cells:
        version = cell.versions.get(name)
        if version is not None and cell.platform == view.platform and cell.subject in held:
            held[cell.subject].setdefault(version, []).append(cell)
    rows = {
        subject: {version: _pair(view, version, row[version]) for version in by_version(row)}
        for subject, row in held.items()
    }
    return Grid(
        companion=name, columns=tuple(by_version({version for row in rows.values() for version in row})), rows=rows
    )


def _pair(view: View, version: str, cells: Sequence[CellView]) -> Pair:
    order = list(Kind)
    classed = [(*classify(view, cell), cell) for cell in cells]
    # Of cells that come to the same, the one that was made for the map, then the newest.
    classed.sort(key=lambda one: (GRID.name in one[2].pairings, one[2].recorded, one[2].id), reverse=True)
    classed.sort(key=lambda one: order.index(one[0]))
    kind, reason, best = classed[0]
    others = {
        f"with the {_packages(cell)}: {other.word}{f' ({why})' if why else ''}": None
        for other, why, cell in classed
        if other is not kind
    }
    if others:
        reason = "; ".join([f"{reason or kind.word} (with the {_packages(best)})", *others])
    held = tuple(cell for _, _, cell in classed)
    return Pair(subject=held[0].subject, companion=version, kind=kind, reason=reason, cells=held)


def _packages(cell: CellView) -> str:
    return " and ".join(dict.fromkeys(named(pairing).packages for pairing in cell.pairings))


def classify(view: View, cell: CellView) -> tuple[Kind, str]:
    """How far one cell gets, and why no further."""
    if cell.state is not CellState.RAN:
        return Kind[cell.state.name], sanitize.line(cell.detail)
    subject = view.config.subject
    controls = sorted((probe for probe in view.probes if probe.control), key=lambda probe: probe.id != subject.control)
    found = [(probe, cell.counted(probe.id)) for probe in controls]
    main = cell.counted(subject.control).state
    failing = next((_words(probe, outcome) for probe, outcome in found if outcome.state.negative), "")
    if main is not OutcomeState.SUPPORTED:
        why = next((_words(probe, outcome) for probe, outcome in found if probe.id == subject.control), "")
        if failing:
            return Kind.BROKEN, failing
        return (Kind.ABSENT if main is OutcomeState.ABSENT else Kind.UNKNOWN), why
    if failing:
        return Kind.PARTLY, failing
    for probe, outcome in found:
        if not outcome.state.known:
            return Kind.PARTLY, _words(probe, outcome)
    yes = cell.counted(subject.headline).state is OutcomeState.SUPPORTED
    return (Kind.HEADLINE if yes else Kind.WORKS), ""


def _words(probe: Probe, outcome: Outcome) -> str:
    what = sanitize.line(outcome.signature or outcome.note or outcome.message or "")
    return f"{probe.title.replace('`', '')}: {outcome.state.value}" + (f", {what}" if what else "")
