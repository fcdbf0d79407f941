"""Ledger -> what it says: cells with their outcomes, and for each probe and pairing its ranges over releases. Pure.

A bound is as exact as what was run: where a release between was not run, came out inconclusive or could not be
examined, a range ends there and "first supported" says so. A release that is yanked or a pre-release is never the first:
a plain install does not choose it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import msgspec
from packaging.version import Version

from compatmatrix.analysis import cells as cell_views
from compatmatrix.analysis import unreleased
from compatmatrix.analysis.cells import NOT_RUN, CellView, kind, unbroken
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Probe, Release
from compatmatrix.core.pairings import named
from compatmatrix.core.states import OutcomeState
from compatmatrix.results.ledger import Ledger


class Range(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Consecutive releases in which a probe comes out the same; ``signature`` where they raise."""

    first: str
    last: str
    state: OutcomeState
    signature: str | None = None


class Support(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One probe under one pairing over all releases, in version order; every release is in exactly one of ``ranges``.

    ``first_supported`` is the first stable release in which a yes counts: one beside a control that is supported, in a
    cell without tampering. Where ``first_supported_at_latest`` is true, the stable release before it is not known to lack
    support. ``not_counted`` maps each release before it that came out supported to why it is not the first. ``latest`` is
    the outcome in the newest stable release, ``since`` the first of the unbroken run of stable releases up to it in which
    a yes counts, ``since_at_latest`` that this run may begin earlier. ``preview`` says where it is supported that is not
    released yet, if the newest release lacks it.
    """

    first_supported: str | None
    latest: OutcomeState
    ranges: tuple[Range, ...]
    at_latest: bool = msgspec.field(default=False, name="first_supported_at_latest")
    since: str | None = None
    since_at_latest: bool = False
    not_counted: Mapping[str, str] = {}
    preview: Preview | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report needs, computed once.

    ``as_of`` is the day of the newest record, empty without one; ``platform`` the one that tables and maps show.
    ``sources`` are rows of their own above the releases: what is not released.
    """

    config: Config
    probes: tuple[Probe, ...]
    releases: tuple[Release, ...]
    pairings: tuple[str, ...]
    cells: tuple[CellView, ...]
    by_pairing: Mapping[str, Mapping[str, CellView]]
    support: Mapping[str, Mapping[str, Support]]
    evidence: Mapping[str, str]
    as_of: str
    latest: Release | None
    platform: str = ""
    sources: tuple[CellView, ...] = ()

    def cell(self, pairing: str, version: str) -> CellView | None:
        return self.by_pairing.get(pairing, {}).get(version)

    def place(self, version: str) -> int:
        """The index of a release in ``releases``."""
        return next(number for number, release in enumerate(self.releases) if release.version == version)

    def stable_before(self, version: str) -> str | None:
        """The stable release before another."""
        earlier = self.releases[: self.place(version)]
        return next((release.version for release in reversed(earlier) if release.stable), None)

    def outcome(self, probe: str, pairing: str, version: str) -> Outcome:
        cell = self.cell(pairing, version)
        return cell.outcome(probe) if cell else NOT_RUN

    def counted(self, probe: str, pairing: str, version: str) -> Outcome:
        """The outcome as far as anything is concluded from it."""
        cell = self.cell(pairing, version)
        return cell.counted(probe) if cell else NOT_RUN


def view(ledger: Ledger, config: Config, probes: Sequence[Probe]) -> View:
    """Compute the view of a ledger; probes stand in the order of ``[groups]``, then of their files."""
    groups = list(config.groups)
    probes = sorted(probes, key=lambda probe: groups.index(probe.group) if probe.group in groups else len(groups))
    everything = cell_views.read(ledger, config, probes)
    # What is not released is shown beside the releases and counts for nothing that is said of them.
    cells = tuple(cell for cell in everything if cell.source is None)
    # One table shows one platform: the first of the configuration that was ever run.
    platform = next((name for name in config.platform if any(cell.platform == name for cell in cells)), "")
    paired = by_pairing(cell for cell in cells if cell.platform == platform)
    releases = _releases(ledger, cells)
    latest = next((release for release in reversed(releases) if release.stable), None)
    sources = unreleased.rows(ledger, everything, platform)
    made = View(
        config=config, probes=tuple(probes), releases=releases, cells=cells, by_pairing=paired, support={},
        pairings=pairings(config, paired),
        evidence=ledger.evidence, latest=latest, platform=platform, sources=sources,
        as_of=max((record.recorded for record in ledger.records.values()), default="")[:10],
    )  # fmt: skip
    line = unreleased.line(everything, sources, config, latest)
    support = {
        probe.id: {pairing: _support(made, probe.id, pairing, line) for pairing in made.pairings} for probe in probes
    }
    return msgspec.structs.replace(made, support=support)


def _releases(ledger: Ledger, cells: Iterable[CellView]) -> tuple[Release, ...]:
    """In version order; of the pre-releases, those that have a cell."""
    known = {cell.subject for cell in cells}
    listed = [release for release in ledger.releases.values() if release.version in known or not release.prerelease]
    return tuple(sorted(listed, key=lambda release: Version(release.version)))


def pairings(config: Config, paired: Iterable[str]) -> tuple[str, ...]:
    """The default ones, then what else there are cells of."""
    return (*config.pairings.default, *sorted({*paired} - {*config.pairings.default}))


def by_pairing(cells: Iterable[CellView]) -> Mapping[str, Mapping[str, CellView]]:
    """Pairing -> version of the subject -> cell; of the pairings with several cells a release, none."""
    found: dict[str, dict[str, CellView]] = defaultdict(dict)
    for cell in cells:
        for pairing in cell.pairings:
            if named(pairing).over is None:
                found[pairing][cell.subject] = cell
    return dict(found)


def _support(view: View, probe: str, pairing: str, line: Sequence[CellView]) -> Support:
    versions = [release.version for release in view.releases]
    outcomes = [view.outcome(probe, pairing, version) for version in versions]
    found = summarize(view.releases, outcomes, [view.counted(probe, pairing, version) for version in versions])
    if found.latest is OutcomeState.SUPPORTED:
        return found
    return msgspec.structs.replace(found, preview=unreleased.preview(probe, line))


def summarize(releases: Sequence[Release], outcomes: Sequence[Outcome], counted: Sequence[Outcome]) -> Support:
    """What is known of one probe under one pairing.

    Args:
        releases: in version order.
        outcomes: what was found in each of them.
        counted: the same, as far as anything is concluded from it.
    """
    stable = [number for number, release in enumerate(releases) if release.stable]
    answers = [counted[number].state.yes for number in stable]
    first = next((place for place, yes in enumerate(answers) if yes), None)
    since, since_at_latest = unbroken(answers)
    return Support(
        first_supported=releases[stable[first]].version if first is not None else None,
        at_latest=bool(first) and answers[(first or 0) - 1] is None,
        latest=outcomes[stable[-1]].state if stable else OutcomeState.NOT_RUN,
        ranges=ranges([release.version for release in releases], outcomes),
        since=releases[stable[since]].version if since is not None else None,
        since_at_latest=since_at_latest,
        not_counted={
            release.version: words
            for release, outcome, judged in zip(releases, outcomes, counted, strict=True)
            if outcome.state is OutcomeState.SUPPORTED and (words := _why_not_first(release, judged))
            if first is None or Version(release.version) < Version(releases[stable[first]].version)
        },
    )


def ranges(versions: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[Range, ...]:
    """Ranges over releases in order: each release is in exactly one of them."""
    found = []
    for (state, signature), group in groupby(zip(versions, outcomes, strict=True), key=lambda pair: kind(pair[1])):
        members = [version for version, _ in group]
        found.append(Range(first=members[0], last=members[-1], state=state, signature=signature))
    return tuple(found)


def _why_not_first(release: Release, counted: Outcome) -> str:
    if release.prerelease or release.yanked:
        return "pre-release" if release.prerelease else "yanked"
    return "" if counted.state is OutcomeState.SUPPORTED else counted.note or counted.state.value


def before(ledger: Ledger, instant: str) -> Ledger:
    """The ledger as it was before an instant (ISO 8601, UTC): later records, answers and labels taken away."""
    records = {}
    for key, record in ledger.records.items():
        labels = {label: tuple(at for at in instants if at < instant) for label, instants in record.pairings.items()}
        pairings = {label: instants for label, instants in labels.items() if instants}
        dates = {at: names for at, names in record.answered.items() if at < instant}
        if record.recorded < instant:
            records[key] = msgspec.structs.replace(record, pairings=pairings)
        elif pairings:  # it was there, with other answers or with fewer
            at = max(dates, default=max(map(max, pairings.values())))
            probes = {name: record.probes[name] for names in dates.values() for name in names}
            outcomes = {name: record.outcomes[name] for name in probes if name in record.outcomes}
            records[key] = msgspec.structs.replace(
                record, pairings=pairings, probes=probes, outcomes=outcomes, recorded=at, answered=dates
            )
    return msgspec.structs.replace(ledger, records=records)
