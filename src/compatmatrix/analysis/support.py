"""Ledger -> what it says: cells with their outcomes, ranges over releases, verdicts, changes. Pure.

A bound is as exact as what was run: where a release between was not run, came out inconclusive or could not be
examined, a range ends there and "first supported" says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

import msgspec
from packaging.version import Version

from compatmatrix.analysis import cells as cell_views
from compatmatrix.analysis import unreleased
from compatmatrix.analysis.cells import NOT_RUN as NOT_RUN
from compatmatrix.analysis.cells import UNKNOWN as UNKNOWN
from compatmatrix.analysis.cells import CellView as CellView
from compatmatrix.analysis.cells import kind
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.config.matrix_file import Config
from compatmatrix.core.model import Outcome, OutcomeState, Probe, Release
from compatmatrix.results.ledger import Ledger


class Range(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Consecutive releases in which a probe comes out the same; ``signature`` where they raise."""

    first: str
    last: str
    state: OutcomeState
    signature: str | None = None


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one probe under one pairing.

    ``first_supported`` is the earliest release found supported; ``at_latest`` that an earlier one may be too,
    because the release before it is not known to lack it. ``latest`` is the outcome in the newest release that is
    neither yanked nor a pre-release, ``since`` the first release of the supported range that it stands in (None where
    it is not supported), ``since_at_latest`` that this range may begin earlier. ``preview`` says where it is supported
    that is not released yet, if the newest release lacks it.
    """

    first_supported: str | None
    at_latest: bool
    latest: OutcomeState
    ranges: tuple[Range, ...]
    since: str | None = None
    since_at_latest: bool = False
    preview: Preview | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A probe's outcome under a pairing moved with a release."""

    release: str
    probe: str
    pairing: str
    before: Outcome
    after: Outcome


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report needs, computed once.

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
    sources: tuple[CellView, ...] = ()

    def cell(self, pairing: str, version: str) -> CellView | None:
        return self.by_pairing.get(pairing, {}).get(version)

    def outcome(self, probe: str, pairing: str, version: str) -> Outcome:
        cell = self.cell(pairing, version)
        return cell.outcome(probe) if cell else NOT_RUN


def view(ledger: Ledger, config: Config, probes: Sequence[Probe]) -> View:
    """Compute the view of a ledger; probes stand in the order of ``[groups]``, then of their files."""
    groups = list(config.groups)
    ordered = tuple(
        sorted(probes, key=lambda probe: groups.index(probe.group) if probe.group in groups else len(groups))
    )
    everything = cell_views.read(ledger, config, ordered)
    # What is not released is shown beside the releases and counts for nothing that is said of them.
    cells = tuple(cell for cell in everything if cell.source is None)
    known = {cell.subject for cell in cells}
    listed = [release for release in ledger.releases.values() if release.version in known or not release.prerelease]
    releases = tuple(sorted(listed, key=lambda release: Version(release.version)))
    by_pairing: dict[str, dict[str, CellView]] = defaultdict(dict)
    # One table shows one platform: the first of the configuration that was ever run.
    shown = next((name for name in config.platform if any(cell.platform == name for cell in cells)), "")
    for cell in cells:
        for pairing in cell.pairings:
            if pairing != "grid" and cell.platform == shown:
                by_pairing[pairing][cell.subject] = cell
    pairings = (*config.pairings.default, *sorted(by_pairing.keys() - set(config.pairings.default)))
    latest = next((release for release in reversed(releases) if not release.prerelease and not release.yanked), None)
    versions = [release.version for release in releases]
    sources = unreleased.rows(ledger, everything, shown)
    previews = unreleased.previews(everything, sources, config, ordered, latest)
    support: dict[str, dict[str, Support]] = {}
    for probe in ordered:
        for pairing in pairings:
            outcomes = [_outcome_at(by_pairing[pairing].get(version), probe.id) for version in versions]
            found = summarise(versions, outcomes, latest.version if latest else None)
            if found.latest is not OutcomeState.SUPPORTED and probe.id in previews:
                found = msgspec.structs.replace(found, preview=previews[probe.id])
            support.setdefault(probe.id, {})[pairing] = found
    instants = [record.recorded for record in ledger.records.values()]
    return View(
        config=config,
        probes=ordered,
        releases=releases,
        pairings=pairings,
        cells=cells,
        by_pairing=by_pairing,
        support=support,
        evidence=ledger.evidence,
        as_of=max(instants, default="1970-01-01")[:10],
        latest=latest,
        sources=sources,
    )


def summarise(versions: Sequence[str], outcomes: Sequence[Outcome], latest: str | None) -> Support:
    """Ranges over releases in order: each release is in exactly one of them."""
    ranges = []
    for (state, signature), group in groupby(zip(versions, outcomes, strict=True), key=lambda pair: kind(pair[1])):
        members = [version for version, _ in group]
        ranges.append(Range(first=members[0], last=members[-1], state=state, signature=signature))
    first = next((index for index, outcome in enumerate(outcomes) if outcome.state is OutcomeState.SUPPORTED), None)
    since = versions.index(latest) if latest in versions else None
    if since is not None and outcomes[since].state is not OutcomeState.SUPPORTED:
        since = None
    while since and outcomes[since - 1].state is OutcomeState.SUPPORTED:
        since -= 1
    return Support(
        first_supported=versions[first] if first is not None else None,
        at_latest=_open_before(outcomes, first),
        latest=outcomes[versions.index(latest)].state if latest in versions else OutcomeState.NOT_RUN,
        ranges=tuple(ranges),
        since=versions[since] if since is not None else None,
        since_at_latest=_open_before(outcomes, since),
    )


def _open_before(outcomes: Sequence[Outcome], index: int | None) -> bool:
    """Whether what stands just before says neither yes nor no."""
    return index is not None and index > 0 and outcomes[index - 1].state in UNKNOWN


def changes(view: View) -> tuple[Change, ...]:
    """Every move of an outcome from one release to the next, oldest first; what is unknown moves nothing."""
    found = []
    for probe in view.probes:
        for pairing in view.pairings:
            before: Outcome | None = None
            for release in view.releases:
                after = view.outcome(probe.id, pairing, release.version)
                if after.state in UNKNOWN:
                    continue
                if before is not None and kind(before) != kind(after):
                    found.append(
                        Change(release=release.version, probe=probe.id, pairing=pairing, before=before, after=after)
                    )
                before = after
    return tuple(sorted(found, key=lambda change: Version(change.release)))


def difference(old: View, new: View) -> tuple[Change, ...]:
    """Where a later view says something else of the same release, probe and pairing, or speaks of a new one.

    What was unknown before and is known now is news; what is unknown now takes nothing back.
    """
    found = []
    for probe in new.probes:
        for pairing in new.pairings:
            for release in new.releases:
                before, after = (view.outcome(probe.id, pairing, release.version) for view in (old, new))
                if after.state not in UNKNOWN and kind(before) != kind(after):
                    found.append(
                        Change(release=release.version, probe=probe.id, pairing=pairing, before=before, after=after)
                    )
    return tuple(found)


def before(ledger: Ledger, instant: str) -> Ledger:
    """The ledger as it was before an instant (ISO 8601, UTC): later records and later labels taken away."""
    records = {}
    for key, record in ledger.records.items():
        labels = {label: tuple(at for at in instants if at < instant) for label, instants in record.pairings.items()}
        if record.recorded < instant:
            records[key] = msgspec.structs.replace(
                record, pairings={label: instants for label, instants in labels.items() if instants}
            )
    return msgspec.structs.replace(ledger, records=records)


def _outcome_at(cell: CellView | None, probe: str) -> Outcome:
    return cell.outcome(probe) if cell else NOT_RUN
