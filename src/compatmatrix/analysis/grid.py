"""View -> the map of pairs: how far each subject release gets beside each release of one companion. Pure.

The only place where a pair is classed, and where it is decided what the map answers of it. Where several cells hold one
pair, with other packages around it, the pair is what the worst of them came to, and the reason says what another did: an
answer is yes where all that know say so, else it is said with which packages it is. A cell that only shows which Python
holds the pair is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.core.pairings import GRID, named
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import grouped, runs, span


def _state(state: CellState) -> tuple[str, str, str, str]:
    return state.value, state.sign, state.value, state.meaning


class Kind(str, Enum):
    """How far a pair gets, from the best to what says nothing."""

    HEADLINE = ("headline", "★", "yes", "the question itself is answered with yes, and every control works")
    WORKS = ("works", "●", "works", "imports, and all that the map asks works, as far as the release has the API")
    PARTLY = ("partly", "◐", "partly", "imports, and the basic check works; other things fail or were not run")
    ABSENT = (
        OutcomeState.ABSENT.value, "–", "imports", "imports; this release does not have the API that the basic check needs"
    )  # fmt: skip
    BROKEN = ("broken", "◌", "broken", "imports, but a basic check fails")
    UNKNOWN = ("unknown", "?", "unknown", "imports, but the basic check has no result")
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
MAY_WORK = (Kind.HEADLINE, Kind.WORKS, Kind.PARTLY, Kind.ABSENT, Kind.UNKNOWN)
"""Not known to be broken."""

UNTRIED = (Kind.UNRESOLVABLE, Kind.NO_PYTHON)
"""Never installed, so that nothing is known of the import."""

FAILS = tuple(kind for kind in Kind if kind not in (*IMPORTS, *UNTRIED))

_SILENT = (Kind.UNKNOWN, *UNTRIED)
"""Says nothing against what another cell of the pair came to."""

_WORST_FIRST = (*(kind for kind in reversed(Kind) if kind not in _SILENT), *_SILENT)
"""The order in which the cells of a pair decide what it is."""


IMPORTING = "imports"
"""The first of the map's answers; the others are those of ``[pairings.grid.answers]``."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A subject release beside a companion release: the kind, why in a line, and its cells, first that of the kind.

    ``answers`` has the map's answers on which all cells agree that know one, by word; ``depends`` the others, each with
    the packages in words with which it is yes, none where they have no name.
    """

    subject: str
    companion: str
    kind: Kind
    reason: str
    cells: tuple[CellView, ...]
    answers: Mapping[str, bool] = {}
    depends: Mapping[str, tuple[str, ...]] = {}

    @property
    def cell(self) -> CellView:
        """The cell that the kind is known from."""
        return self.cells[0]


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The whole map: ``rows`` is subject version -> companion version -> pair, ``columns`` every companion version.

    Both are in version order, oldest first; every release of the view has a row, if an empty one. ``answers`` are the
    words of what the map answers of a pair. ``complete`` is whether there are pairs with each release of the companion:
    else others were released between the columns, of which nothing is known.
    """

    companion: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Pair]]
    answers: tuple[str, ...] = (IMPORTING,)
    complete: bool = True

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

    def answering(self, version: str, word: str, yes: bool = True) -> str:
        """The companion versions with which one of the map's answers of a release is known to be yes, or to be no.

        After the yes stands what is so with some packages only: ``1.0 to 1.6, 1.7 (packages of the release day only)``.
        """
        row = self.rows[version]
        parts = [self.joined(version, [other for other, pair in row.items() if pair.answers.get(word) is yes])]
        some = grouped((only(pair.depends[word]), other) for other, pair in row.items() if yes and word in pair.depends)
        parts += [f"{self.joined(version, others)} ({packages})" for packages, others in some.items()]
        return ", ".join(filter(None, parts))

    def joined(self, version: str, companions: Collection[str]) -> str:
        """These of a release's companion versions, neighbors drawn together."""
        return ", ".join(map(span, self.runs(version, companions)))

    def runs(self, version: str, companions: Collection[str]) -> list[list[str]]:
        """These of a release's companion versions, in runs of neighbors.

        A run goes on over what could not be tried at all, and never over what was not examined.
        """
        if not self.complete:
            return [[one] for one in by_version(companions)]
        row = self.rows[version]
        untried = {other for other, pair in row.items() if pair.kind in UNTRIED} - {*companions}
        return runs(companions, [column for column in self.columns if column not in untried])


def only(packages: Collection[str]) -> str:
    """With which packages something is so, where it is not with all: ``packages of the release day only``."""
    return f"{' and '.join(packages) or 'some packages'} only"


def grid(view: View) -> Grid:
    """The map of the cells of the view's platform."""
    name = view.config.map_companion
    held: dict[str, dict[str, list[CellView]]] = {release.version: {} for release in view.releases}
    for cell in view.cells:
        version = cell.versions.get(name)
        on_map = cell.platform == view.platform and not cell.for_python
        if version is not None and on_map and cell.subject in held:
            held[cell.subject].setdefault(version, []).append(cell)
    rows = {
        subject: {version: _pair(view, version, row[version]) for version in by_version(row)}
        for subject, row in held.items()
    }
    columns = by_version({version for row in rows.values() for version in row})
    complete = any(GRID.name in cell.pairings for cell in view.cells)
    return Grid(
        companion=name, columns=tuple(columns), rows=rows, answers=(IMPORTING, *_asked(view)), complete=complete
    )


def _asked(view: View) -> Mapping[str, str]:
    """The words of the map's answers beside the import, each with the probe that decides it."""
    return view.config.pairings.grid.answers if view.config.pairings.grid else {}


def _pair(view: View, version: str, cells: Sequence[CellView]) -> Pair:
    classed = [(*classify(view, cell), cell) for cell in cells]
    # Of cells that come to the same, the one that was made for the map, then the newest.
    classed.sort(key=lambda one: (GRID.name in one[2].pairings, one[2].recorded, one[2].id), reverse=True)
    classed.sort(key=lambda one: _WORST_FIRST.index(one[0]))
    kind, reason, decisive = classed[0]
    others = {
        f"with the {_packages(cell)}: {other.word}{f' ({why})' if why else ''}": None
        for other, why, cell in classed
        if other is not kind
    }
    told = [(_answers(view, cell, kind), cell) for kind, _, cell in classed]
    if others:
        reason = "; ".join([f"{reason or kind.word} (with the {_packages(decisive)})", *others])
    known: dict[str, bool] = {}
    depends: dict[str, tuple[str, ...]] = {}
    for word in (IMPORTING, *_asked(view)):
        with_yes = {_packages(cell): None for answers, cell in told if answers.get(word)}
        # What does not import does nothing else either.
        with_no = {_packages(cell) for answers, cell in told if False in (answers.get(word), answers.get(IMPORTING))}
        if with_yes and with_no:
            depends[word] = tuple(packages for packages in with_yes if packages not in with_no)
        elif any(word in answers for answers, _ in told):
            known[word] = bool(with_yes)
    return Pair(
        subject=decisive.subject,
        companion=version,
        kind=kind,
        reason=reason,
        cells=tuple(cell for _, _, cell in classed),
        answers=known,
        depends=depends,
    )


def _packages(cell: CellView) -> str:
    return " and ".join(dict.fromkeys(named(pairing).packages for pairing in cell.pairings))


def _answers(view: View, cell: CellView, kind: Kind) -> dict[str, bool]:
    """The map's answers that a cell of a kind gives, by word."""
    if kind not in IMPORTS:
        # A process that died or did not end may have imported it: that says nothing.
        return {IMPORTING: False} if kind in (Kind.IMPORT_FAILS, Kind.INSTALL_FAILED) else {}
    known = {word: cell.counted(probe).state.yes for word, probe in _asked(view).items()}
    return {IMPORTING: True, **{word: yes for word, yes in known.items() if yes is not None}}


def works(view: View, cell: CellView) -> bool:
    """Whether the main control works in a cell, and every further one whose API the release has."""
    controls = [cell.counted(probe.id).state for probe in view.probes if probe.control]
    main = cell.counted(view.config.subject.control).state
    return main.yes is True and all(state.known and not state.negative for state in controls)


def classify(view: View, cell: CellView) -> tuple[Kind, str]:
    """How far one cell gets, and why no further."""
    if cell.state is not CellState.RAN:
        return Kind[cell.state.name], sanitize.line(cell.detail)
    subject = view.config.subject
    controls = sorted((probe for probe in view.probes if probe.control), key=lambda probe: probe.id != subject.control)
    main = cell.counted(subject.control).state
    if main is not OutcomeState.SUPPORTED:
        if failing := _first(cell, controls, lambda state: state.negative):
            return Kind.BROKEN, failing
        why = _first(cell, [probe for probe in controls if probe.id == subject.control], lambda _: True)
        return (Kind.ABSENT if main is OutcomeState.ABSENT else Kind.UNKNOWN), why
    if works(view, cell) and cell.counted(subject.headline).state is OutcomeState.SUPPORTED:
        return Kind.HEADLINE, ""
    asked = _asked(view).values()
    put = [*controls, *(probe for probe in view.probes if probe.id in asked and not probe.control)]
    lacking = _first(cell, put, lambda state: state.negative) or _first(cell, put, lambda state: not state.known)
    return (Kind.PARTLY, lacking) if lacking else (Kind.WORKS, "")


def _first(cell: CellView, probes: Iterable[Probe], meant: Callable[[OutcomeState], bool]) -> str:
    """What came of the first of these probes that has such an outcome, in words; empty where none has."""
    found = ((probe, cell.counted(probe.id)) for probe in probes)
    return next((_words(probe, outcome) for probe, outcome in found if meant(outcome.state)), "")


def _words(probe: Probe, outcome: Outcome) -> str:
    what = sanitize.line(outcome.signature or outcome.note or outcome.message or "")
    return f"{probe.title.replace('`', '')}: {outcome.state.value}" + (f", {what}" if what else "")
