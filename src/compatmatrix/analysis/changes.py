"""Two views, before and after -> what moved, probe by probe and pairing by pairing. Pure.

What is unknown moves nothing, in either direction: a cell that could not be run, a control that failed, a yes that does
not count or a question that was put differently is neither an alarm nor its end. A first ledger has nothing to be held against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

import msgspec
from packaging.version import Version

from compatmatrix.analysis.support import CellView, View
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Release
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import aside, marks


class Kind(str, Enum):
    """How an answer moved, the most urgent first."""

    LIFTED = "lifted"
    REGRESSED = "regressed"
    STARTS_NO_EFFECT = "starts having no effect"
    STOPS_NO_EFFECT = "stops having no effect"
    NO_LONGER_IMPORTS = "no longer imports"
    RAISES_DIFFERENTLY = "raises differently"
    APPEARS_OR_GOES = "the API appears or goes"
    SAME = "same as before"

    @property
    def alarming(self) -> bool:
        return self is not Kind.SAME


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer that moved, or that a new release gave like the one before.

    ``against`` is the release that it is held against: the one before where this one is new, itself where the same
    release answers otherwise than it did (its companions moved). ``probe`` is empty where the import itself fails.
    """

    kind: Kind
    release: str
    pairing: str
    probe: str
    against: str
    before: Outcome
    after: Outcome
    python: str
    versions: Mapping[str, str]
    detail: str = ""
    evidence: str = ""
    prerelease: bool = False
    yanked: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that holds for one pairing: that of the newest stable release of which one is known."""

    release: str
    answer: str


NOTHING = Outcome(state=OutcomeState.NOT_RUN)


def compare(old: View, new: View) -> tuple[Move, ...]:
    """Everything that moved, most urgent first, the headline before other probes, newest release first."""
    if not old.cells:
        return ()
    found = [move for pairing in new.pairings for move in _of_pairing(old, new, pairing)]
    kinds, order = list(Kind), [release.version for release in new.releases]
    headline = new.config.subject.headline
    found.sort(key=lambda move: (kinds.index(move.kind), move.probe != headline, -order.index(move.release)))
    return tuple(found)


def alarming(moves: Sequence[Move]) -> tuple[Move, ...]:
    """Without the answers that are the same as before."""
    return tuple(move for move in moves if move.kind.alarming)


def same(moves: Sequence[Move]) -> dict[tuple[str, str, str], int]:
    """How many answers of a new release are like those before: by release, pairing, and the release before."""
    found: dict[tuple[str, str, str], int] = {}
    for move in moves:
        if not move.kind.alarming:
            key = (move.release, move.pairing, move.against)
            found[key] = found.get(key, 0) + 1
    return found


def standing(view: View, probe: str) -> dict[str, Standing]:
    """The answer that holds today, for each pairing of which one is known."""
    found = {}
    for pairing in view.pairings:
        for release in reversed(view.releases):
            outcome = view.counted(probe, pairing, release.version)
            if release.stable and outcome.state.known:
                found[pairing] = Standing(release=release.version, answer=answer(outcome))
                break
    return found


def answer(outcome: Outcome) -> str:
    """What makes two outcomes the same answer, in words: the state and, where it raises, the signature."""
    raised = outcome.state is OutcomeState.RAISES and outcome.signature
    return f"{outcome.state.value} {outcome.signature}" if raised else outcome.state.value


def sentence(config: Config, move: Move) -> str:
    """One move in a line of plain text: ``name 0.5.0, probe (newest): lifted, from raises … to supported``."""
    name, beside = config.subject.name, _beside(config, move)
    where = f"{name} {move.release}{aside(marks(move))}"
    if not move.probe:
        return f"{where} ({move.pairing}): no longer imports{beside}: {move.detail}"
    held = f"in {move.against}" if move.against != move.release else "until now"
    told = f"{where}, {move.probe} ({move.pairing}): {move.kind.value}"
    return f"{told}: {answer(move.before)} {held}, {answer(move.after)} now{beside}"


def _beside(config: Config, move: Move) -> str:
    """``with companion 3.0, helper 0.2``."""
    names = [companion.name for companion in config.companions if companion.name in move.versions]
    return " with " + ", ".join(f"{name} {move.versions[name]}" for name in names) if names else ""


def classify(before: Outcome, after: Outcome) -> Kind:
    """How one known answer became the other."""
    if answer(before) == answer(after):
        return Kind.SAME
    old, new = before.state, after.state
    if new is OutcomeState.SUPPORTED:
        return Kind.LIFTED
    if new is OutcomeState.NO_EFFECT:
        return Kind.STARTS_NO_EFFECT
    if old is OutcomeState.SUPPORTED:
        return Kind.REGRESSED
    if old is OutcomeState.NO_EFFECT:
        return Kind.STOPS_NO_EFFECT
    return Kind.RAISES_DIFFERENTLY if old is new else Kind.APPEARS_OR_GOES


def _of_pairing(old: View, new: View, pairing: str) -> Iterator[Move]:
    known = [release for release in new.releases if old.cell(pairing, release.version)]
    if not known:
        return  # a pairing that nobody asked for before
    for number, release in enumerate(new.releases):
        cell = new.cell(pairing, release.version)
        if cell is None:
            continue
        earlier = old.cell(pairing, release.version)
        if earlier is not None:
            if earlier.state is CellState.RAN and cell.state is CellState.IMPORT_FAILS:
                yield _move(new, pairing, release, cell, Kind.NO_LONGER_IMPORTS, release.version)
            for probe in new.probes:
                before, after = earlier.counted(probe.id), cell.counted(probe.id)
                if before.state.known and after.state.known and answer(before) != answer(after):
                    kind = classify(before, after)
                    yield _move(new, pairing, release, cell, kind, release.version, probe.id, before, after)
        elif all(_came_after(release, one) for one in known):  # an older one, examined late, is no event of today
            yield from _of_new_release(new, pairing, number, cell)


def _of_new_release(new: View, pairing: str, number: int, cell: CellView) -> Iterator[Move]:
    release = new.releases[number]
    before_it = [one for one in reversed(new.releases[:number]) if one.stable]
    examined = [one for one in before_it if (found := new.cell(pairing, one.version)) and found.state is CellState.RAN]
    if cell.state is CellState.IMPORT_FAILS and examined and examined[0] is before_it[0]:
        yield _move(new, pairing, release, cell, Kind.NO_LONGER_IMPORTS, before_it[0].version)
    for probe in new.probes:
        after = cell.counted(probe.id)
        if not after.state.known:
            continue
        for one in before_it:
            before = new.counted(probe.id, pairing, one.version)
            if before.state.known:
                kind = classify(before, after)
                yield _move(new, pairing, release, cell, kind, one.version, probe.id, before, after)
                break


def _came_after(release: Release, other: Release) -> bool:
    """Whether it was published later; where the index does not say when, the version decides."""
    if release.released and other.released:
        return release.released > other.released
    return Version(release.version) > Version(other.version)


def _move(
    view: View,
    pairing: str,
    release: Release,
    cell: CellView,
    kind: Kind,
    against: str,
    probe: str = "",
    before: Outcome = NOTHING,
    after: Outcome = NOTHING,
) -> Move:
    return Move(
        kind=kind,
        release=release.version,
        pairing=pairing,
        probe=probe,
        against=against,
        before=before,
        after=after,
        python=cell.python,
        versions=cell.versions,
        detail=cell.detail,
        evidence=view.evidence.get(after.evidence or "", "") if kind.alarming else "",
        prerelease=release.prerelease,
        yanked=release.yanked,
    )
