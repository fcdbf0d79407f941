"""What changed: the one place where answers are compared. Pure.

Compared are the releases of one view, two views, or two cells, always by what counts of their answers. What is unknown
changes nothing, in either direction: a cell that could not be run, a control that failed, a yes that does not count or a
question that was put differently is neither an alarm nor its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum

import msgspec
from packaging.version import Version

from compatmatrix.analysis.cells import NOT_RUN, CellView, answer
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome, Probe, Release
from compatmatrix.core.states import CellState, OutcomeState


class Kind(str, Enum):
    """How an answer became another, the most urgent first."""

    LIFTED = "lifted"
    REGRESSED = "regressed"
    STARTS_NO_EFFECT = "starts having no effect"
    STOPS_NO_EFFECT = "stops having no effect"
    NO_LONGER_IMPORTS = "no longer imports"
    NO_LONGER_KNOWN = "no longer known"
    RAISES_DIFFERENTLY = "raises differently"
    APPEARS_OR_GOES = "the API appears or goes"
    SAME = "same as before"
    UNKNOWN = "cannot be compared"

    @property
    def alarming(self) -> bool:
        """Whether it is a change at all."""
        return self not in (Kind.SAME, Kind.UNKNOWN)

    @property
    def worse(self) -> bool:
        """Whether something is lost by it."""
        return self in (Kind.REGRESSED, Kind.STARTS_NO_EFFECT, Kind.NO_LONGER_IMPORTS, Kind.NO_LONGER_KNOWN)

    @property
    def urgency(self) -> int:
        """Its place among the kinds: the lower, the more urgent."""
        return list(Kind).index(self)


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer that is another than before, or that a new release gave like the one before.

    ``against`` is the release that it is compared with: the one before where this one is new, itself where the same
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


class LastAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that holds for one pairing: that of the newest stable release of which one is known."""

    release: str
    answer: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two cells, and how their answers differ: a kind for each probe, the most urgent first."""

    before: CellView
    after: CellView
    kinds: Mapping[str, Kind]

    @property
    def changed(self) -> tuple[str, ...]:
        """The probes whose answers differ."""
        return tuple(probe for probe, kind in self.kinds.items() if kind.alarming)

    @property
    def gated(self) -> tuple[Kind, ...]:
        """What `--fail-on` is about: the kinds, and that something got less far although no answer was known before."""
        return (*self.kinds.values(), *_lost_install(self.before, self.after))

    @property
    def answered(self) -> bool:
        """Whether there is a probe of which one can say that its answer changed or did not."""
        return any(kind is not Kind.UNKNOWN for kind in self.gated)

    def of(self, kind: Kind) -> tuple[str, ...]:
        """The probes of one kind."""
        return tuple(probe for probe in self.kinds if self.kinds[probe] is kind)


def between_cells(before: CellView, after: CellView, probes: Iterable[Probe]) -> Comparison:
    """How the answers of one cell differ from those of another: a cell that breaks loses what was known."""
    kinds = {probe.id: difference(before.counted(probe.id), after.counted(probe.id)) for probe in probes}
    return Comparison(before=before, after=after, kinds=dict(sorted(kinds.items(), key=lambda item: item[1].urgency)))


def since_known(before: Sequence[CellView], after: CellView, probes: Iterable[Probe]) -> Iterator[Kind]:
    """How the answers of a cell differ from those of earlier ones of the same source, the last of them first.

    An answer is compared with the last that is known, so that a change is not lost behind a cell that broke; none with
    what was there last, so that what broke is lost once.
    """
    if before:
        yield from _lost_install(before[0], after)
    for probe in probes if before else ():
        outcome, past = after.counted(probe.id), [cell.counted(probe.id) for cell in before]
        known = next((one for one in past if one.state.known), past[0]) if outcome.state.known else past[0]
        yield difference(known, outcome)


def _lost_install(before: CellView, after: CellView) -> Iterator[Kind]:
    if before.state.installed and not after.state.installed:
        yield Kind.NO_LONGER_KNOWN


def between_releases(view: View) -> tuple[Change, ...]:
    """Every change from one release to the next, oldest first, in the order of the probes."""
    found = (
        _since_before(view, pairing, number, probe.id)
        for number in range(len(view.releases))
        for probe in view.probes
        for pairing in view.pairings
    )
    return alarming(change for change in found if change)


def between_views(old: View, new: View) -> tuple[Change, ...]:
    """What a later view says otherwise, and what it says of new releases. If the earlier one is empty, nothing.

    The most urgent first, the headline before other probes, the newest release first.
    """
    found = [change for pairing in new.pairings for change in _of_pairing(old, new, pairing)]
    headline = new.config.subject.headline
    found.sort(key=lambda change: (change.kind.urgency, change.probe != headline, -new.place(change.release)))
    return tuple(found)


def alarming(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Without the answers that are the same as before."""
    return tuple(change for change in changes if change.kind.alarming)


def same(changes: Iterable[Change]) -> Mapping[tuple[str, str, str], int]:
    """How many answers of a new release are like those before: by release, pairing, and the release before."""
    return Counter((change.release, change.pairing, change.against) for change in changes if not change.kind.alarming)


def last_answers(view: View, probe: str) -> dict[str, LastAnswer]:
    """The answer that holds today, for each pairing of which one is known."""
    found = {}
    for pairing in view.pairings:
        for release in view.releases:
            outcome = view.counted(probe, pairing, release.version)
            if release.stable and outcome.state.known:
                found[pairing] = LastAnswer(release=release.version, answer=answer(outcome))
    return found


def difference(before: Outcome, after: Outcome) -> Kind:
    """How two answers differ as they are, one of them being lost included."""
    return Kind.NO_LONGER_KNOWN if before.state.known and not after.state.known else classify(before, after)


def classify(before: Outcome, after: Outcome) -> Kind:
    """How one answer became the other."""
    old, new = before.state, after.state
    if not (old.known and new.known):
        return Kind.UNKNOWN
    if answer(before) == answer(after):
        return Kind.SAME
    if new is OutcomeState.SUPPORTED:
        return Kind.LIFTED
    if new is OutcomeState.NO_EFFECT:
        return Kind.STARTS_NO_EFFECT
    if old is OutcomeState.SUPPORTED:
        return Kind.REGRESSED
    if old is OutcomeState.NO_EFFECT:
        return Kind.STOPS_NO_EFFECT
    return Kind.RAISES_DIFFERENTLY if old is new else Kind.APPEARS_OR_GOES


def _of_pairing(old: View, new: View, pairing: str) -> Iterator[Change]:
    known = [release for release in new.releases if old.cell(pairing, release.version)]
    if not known:
        return  # a pairing that nobody asked for before
    for number, release in enumerate(new.releases):
        cell, earlier = new.cell(pairing, release.version), old.cell(pairing, release.version)
        if cell is None:
            continue
        if earlier is not None:
            yield from alarming(_change(new, pairing, cell, earlier, probe.id) for probe in new.probes)
        elif all(_came_after(release, one) for one in known):  # an older one, examined late, is no event of today
            found = (_since_before(new, pairing, number, probe.id) for probe in new.probes)
            yield from (change for change in found if change)
            earlier = next(
                (new.cell(pairing, one.version) for one in reversed(new.releases[:number]) if one.stable), None
            )
        if earlier and earlier.state is CellState.RAN and cell.state is CellState.IMPORT_FAILS:
            yield _change(new, pairing, cell, earlier)


def _since_before(view: View, pairing: str, number: int, probe: str) -> Change | None:
    """The answer of a release in comparison with the one before; None where either is not known.

    A stable release is compared with stable ones only, a pre-release or a yanked one with whatever came before.
    """
    release = view.releases[number]
    cell = view.cell(pairing, release.version)
    if cell is None or not cell.counted(probe).state.known:
        return None
    for one in reversed(view.releases[:number]):
        earlier = view.cell(pairing, one.version)
        if (one.stable or not release.stable) and earlier and earlier.counted(probe).state.known:
            return _change(view, pairing, cell, earlier, probe)
    return None


def _came_after(release: Release, other: Release) -> bool:
    """Whether it was published later; where the index does not say when, or says the same, the version decides."""
    days = (release.released, other.released) if release.released and other.released else ("", "")
    return (days[0], Version(release.version)) > (days[1], Version(other.version))


def _change(view: View, pairing: str, cell: CellView, earlier: CellView, probe: str = "") -> Change:
    """How the answer to a probe differs from that of an earlier cell; without a probe, that it does not import any more."""
    before, after = (one.counted(probe) if probe else NOT_RUN for one in (earlier, cell))
    release = view.releases[view.place(cell.subject)]
    kind = classify(before, after) if probe else Kind.NO_LONGER_IMPORTS
    return Change(
        kind=kind, release=release.version, pairing=pairing, probe=probe, against=earlier.subject, before=before,
        after=after, python=cell.python, versions=cell.versions, detail=cell.detail,
        evidence=view.evidence.get(after.evidence or "", "") if kind.alarming else "",
        prerelease=release.prerelease, yanked=release.yanked,
    )  # fmt: skip
