"""View -> the changes from release to release, as feeds and pages list them. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import groupby

import msgspec

from compatmatrix.analysis.cells import answer
from compatmatrix.analysis.changes import Change, between_releases
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome, Probe, Release
from compatmatrix.core.pairings import RELEASE_DAY
from compatmatrix.core.text import span


class Sort(Enum):
    """What there is to a change: another outcome, another error in the place of one, or other companions."""

    OUTCOME = "outcome"
    ERROR = "error"
    COMPANIONS = "companions"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The change of a probe with a release, for feeds and lists: one for all pairings under which it changed alike.

    Attributes:
        listed: the release as the index lists it; ``against`` the one that it is compared with.
        unknown: the stable releases just before it that were not examined or came out inconclusive, any of which may be
            where it really happened.
        at: the instant it is dated.
        companions_alone: whether under another pairing both releases answer alike, so that the change is the companions'.
    """

    release: str
    listed: Release
    against: str
    probe: Probe
    pairings: tuple[str, ...]
    before: Outcome
    after: Outcome
    unknown: tuple[str, ...]
    at: str
    companions_alone: bool = False

    @property
    def sort(self) -> Sort:
        """What there is to it."""
        if self.companions_alone:
            return Sort.COMPANIONS
        return Sort.ERROR if self.before.state is self.after.state else Sort.OUTCOME

    @property
    def id(self) -> str:
        """Stays the same however often the reports are rebuilt, and whichever pairings join in later."""
        what = "/".join((self.release, self.probe.id, self.before.state.value, self.after.state.value))
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"compatmatrix:{what}"))

    @property
    def bound(self) -> str:
        """Where something between is unknown, the release is only the latest possible."""
        if not self.unknown:
            return ""
        return f"or earlier: {span(self.unknown)} not examined or inconclusive"


def entries(view: View) -> tuple[Entry, ...]:
    """Every change from release to release, newest release first."""
    order = {probe.id: number for number, probe in enumerate(view.probes)}

    def alike(change: Change) -> tuple[int, int, str, str]:
        place = -view.place(change.release)
        return (place, order[change.probe], change.before.state.value, change.after.state.value)

    found = [_entry(view, [*together]) for _, together in groupby(sorted(between_releases(view), key=alike), key=alike)]
    return tuple(entry for entry in found if not _known_closer(entry, found))


def _entry(view: View, together: Sequence[Change]) -> Entry:
    """The entry of changes that are alike under some pairings; of their bounds, it has the closest."""
    first, place = together[0], view.place(together[0].release)
    listed = view.releases[place]
    closest = max(together, key=lambda change: view.place(change.against))
    between = view.releases[view.place(closest.against) + 1 : place]
    pairings = tuple(change.pairing for change in together)
    at = listed.released or ""
    # Under release-day an answer cannot change once it is known, so that it is of its release's day.
    if not at or RELEASE_DAY.name not in pairings:
        cells = [view.cell(pairing, first.release) for pairing in pairings]
        at = max([at, *(f"{cell.recorded}T00:00:00Z" for cell in cells if cell)])
    return Entry(
        release=first.release, listed=listed, against=closest.against,
        probe=next(probe for probe in view.probes if probe.id == first.probe),
        pairings=pairings, before=first.before, after=first.after,
        unknown=tuple(release.version for release in between if release.stable), at=at,
        companions_alone=_alike_elsewhere(view, closest, {*view.pairings} - {*pairings}),
    )  # fmt: skip


def _known_closer(entry: Entry, all_of_them: Iterable[Entry]) -> bool:
    """Whether another pairing has the same change with a release of which this one knows nothing."""
    return any(
        other.probe.id == entry.probe.id
        and other.release in entry.unknown
        and (other.before.state, other.after.state) == (entry.before.state, entry.after.state)
        for other in all_of_them
    )


def _alike_elsewhere(view: View, change: Change, pairings: Iterable[str]) -> bool:
    """Whether under one of these pairings the two releases of a change are known to answer alike."""
    answers = (
        [view.counted(change.probe, pairing, release) for release in (change.against, change.release)]
        for pairing in pairings
    )
    return any(before.state.known and answer(before) == answer(after) for before, after in answers)
