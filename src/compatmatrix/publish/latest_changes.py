"""What changed with which release: the changes of `support`, one entry a probe, with bounds as honest as the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import groupby

import msgspec
from packaging.version import Version

from compatmatrix.analysis.support import Change, View, changes
from compatmatrix.core.model import RELEASE_DAY, Outcome, Probe, Release


class News(msgspec.Struct, frozen=True, kw_only=True):
    """A probe's outcome moved with a release.

    ``listed`` is the release as the index lists it; ``pairings`` are those under which it did; ``unknown`` the stable
    releases just before it that were not examined or came out inconclusive, any of which may be where it really
    happened; ``at`` the instant it is dated.
    """

    release: str
    listed: Release
    probe: Probe
    pairings: tuple[str, ...]
    before: Outcome
    after: Outcome
    unknown: tuple[str, ...]
    at: str

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
        span = self.unknown[0] if len(self.unknown) == 1 else f"{self.unknown[0]} to {self.unknown[-1]}"
        return f"at the latest: {span} not examined or inconclusive"


def news(view: View) -> tuple[News, ...]:
    """Every change, newest release first; pairings that changed alike share an entry, and the closest bound is told."""
    order = {probe.id: number for number, probe in enumerate(view.probes)}
    probes = {probe.id: probe for probe in view.probes}

    def alike(change: Change) -> tuple[int, int, str, str]:
        return (_place(view, change.release), order[change.probe], change.before.state.value, change.after.state.value)

    found = []
    for _, group in groupby(sorted(changes(view), key=alike), key=alike):
        together = list(group)
        first = together[0]
        unknown = min((_unknown_before(view, change) for change in together), key=len)
        found.append(
            News(
                release=first.release,
                listed=view.releases[_place(view, first.release)],
                probe=probes[first.probe],
                pairings=tuple(change.pairing for change in together),
                before=first.before,
                after=first.after,
                unknown=unknown,
                at=_dated(view, together),
            )
        )
    told = [entry for entry in found if not _known_closer(entry, found)]
    return tuple(sorted(told, key=lambda entry: (Version(entry.release), -order[entry.probe.id]), reverse=True))


def latest(entries: Iterable[News], default: str) -> str:
    """The newest instant among entries, or of the day given."""
    return max((entry.at for entry in entries), default=f"{default}T00:00:00Z")


def _known_closer(entry: News, all_of_them: Iterable[News]) -> bool:
    """Whether another pairing dates the same move to a release that this one knows nothing of: no news then."""
    return any(
        other.probe.id == entry.probe.id
        and other.release in entry.unknown
        and (other.before.state, other.after.state) == (entry.before.state, entry.after.state)
        for other in all_of_them
    )


def _place(view: View, version: str) -> int:
    return next(number for number, release in enumerate(view.releases) if release.version == version)


def _unknown_before(view: View, change: Change) -> tuple[str, ...]:
    found: list[str] = []
    for release in reversed(view.releases[: _place(view, change.release)]):
        if not release.stable:
            continue
        if view.counted(change.probe, change.pairing, release.version).state.known:
            break
        found.insert(0, release.version)
    return tuple(found)


def _dated(view: View, together: list[Change]) -> str:
    """The release's upload where that settles it, else the day on which the answer was recorded."""
    released = view.releases[_place(view, together[0].release)].released or ""
    # Under release-day an answer cannot move once it is known, so that a change is of its release's day.
    if released and any(change.pairing == RELEASE_DAY for change in together):
        return released
    cells = [view.cell(change.pairing, change.release) for change in together]
    return max([released, *(f"{cell.recorded}T00:00:00Z" for cell in cells if cell is not None)])
