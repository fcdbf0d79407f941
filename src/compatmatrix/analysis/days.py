"""The past in days: the dates of a backfill, and what the plain install of the subject gave from when to when. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from packaging.version import Version

from compatmatrix.analysis.cells import CellView, united
from compatmatrix.config.matrix_file import Config
from compatmatrix.core.encoding import parse_instant
from compatmatrix.core.model import Probe, Record, Release
from compatmatrix.core.pairings import NEWEST
from compatmatrix.results.ledger import Ledger


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """From the first to the last day on record, the plain install gave this cell (or one that differs in nothing named)."""

    first: str
    last: str
    cell: CellView


def dates(first: datetime, last: datetime, every: str) -> Iterator[datetime]:
    """From ``first`` in even steps, never beyond ``last``; a month's step keeps to the day, or takes its month's last."""
    number = 0
    while (day := _step(first, every, number)) <= last:
        yield day
        number += 1


def newest_of(releases: Sequence[Release], instant: datetime) -> Release | None:
    """The release that a plain install took at an instant: the newest stable one that is not yanked."""
    there = [one for one in releases if one.stable and one.uploaded and one.uploaded <= instant]
    return max(there, key=lambda one: Version(one.version), default=None)


def spans(ledger: Ledger, config: Config, probes: Sequence[Probe], platform: str) -> tuple[Span, ...]:
    """What the plain install gave at each instant on record, like neighbours put together, oldest first."""
    by_cell: dict[str, list[Record]] = defaultdict(list)
    at: dict[str, dict[str, Record]] = defaultdict(dict)
    for record in ledger.records.values():
        if record.source is None and record.platform == platform:
            by_cell[record.cell].append(record)
            for instant in record.pairings.get(NEWEST.name, ()):
                at[instant][record.subject] = record
    releases = tuple(ledger.releases.values())
    found: list[Span] = []
    for instant in sorted(at):
        try:
            moment = parse_instant(instant)
        except ValueError:
            continue  # a label that is no instant says nothing of a day
        newest = newest_of(releases, moment)
        if newest is None or newest.version not in at[instant]:
            continue
        cell = united(by_cell[at[instant][newest.version].cell], (NEWEST.name,), config, probes)
        # An instant at midnight stands for the day that ends there.
        day = (moment - timedelta(seconds=1)).date().isoformat()
        if found and _same(found[-1].cell, cell):
            found[-1] = msgspec.structs.replace(found[-1], last=day)
        else:
            found.append(Span(first=day, last=day, cell=cell))
    return tuple(found)


def _same(one: CellView, other: CellView) -> bool:
    states = [{probe: outcome.state for probe, outcome in cell.outcomes.items()} for cell in (one, other)]
    return dict(one.versions) == dict(other.versions) and one.state is other.state and states[0] == states[1]


def _step(first: datetime, every: str, number: int) -> datetime:
    if every == "day":
        return first + timedelta(days=number)
    if every == "week":
        return first + timedelta(weeks=number)
    months = first.month - 1 + number * (12 if every == "year" else 1)
    year, month = first.year + months // 12, months % 12 + 1
    return first.replace(year=year, month=month, day=min(first.day, monthrange(year, month)[1]))
