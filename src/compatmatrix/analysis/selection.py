"""Ledger and what was asked for -> the view of just that: the requested cells, under the pairings that mean them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from compatmatrix.analysis import support
from compatmatrix.analysis.support import View
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Probe
from compatmatrix.core.pairings import named
from compatmatrix.core.text import grouped
from compatmatrix.planning.missing import Answer
from compatmatrix.results.ledger import Ledger


def view(
    known: Ledger, config: Config, probes: Sequence[Probe], answers: Sequence[Answer], as_of: datetime | None = None
) -> View:
    """What the records show of the requested releases and pairings.

    Args:
        known: All records.
        config: The configuration.
        probes: Today's probes.
        answers: Which cell each request means; a request without a record is a cell that the view does not have.
        as_of: The end of the day that was asked about; None for today.
    """
    labels = grouped((answer.cell, answer.pairing) for answer in answers)
    subjects = {answer.subject for answer in answers}
    listed = dict.fromkeys(answer.pairing for answer in answers if named(answer.pairing).over is None)
    records = {
        key: msgspec.structs.replace(
            record, pairings={label: (record.recorded,) for label in dict.fromkeys(labels[record.cell])}
        )
        for key, record in known.records.items()
        if record.cell in labels
    }
    releases = {version: release for version, release in known.releases.items() if version in subjects}
    pairings = msgspec.structs.replace(config.pairings, default=tuple(listed))
    found = support.view(
        msgspec.structs.replace(known, records=records, releases=releases),
        msgspec.structs.replace(config, pairings=pairings),
        probes,
    )
    return msgspec.structs.replace(found, as_of=last_day(as_of)) if as_of else found


def last_day(as_of: datetime) -> str:
    """The day that ends at an instant, or within which the instant is."""
    return (as_of - datetime.resolution).date().isoformat()
