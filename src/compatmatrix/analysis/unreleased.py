"""Cells -> what is not released yet: the rows above the releases, and since which commit a probe is supported. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from compatmatrix.analysis.cells import CellView, unbroken
from compatmatrix.config.source_addresses import parse
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Release
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, NEWEST
from compatmatrix.results.ledger import Ledger


class Preview(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A probe is supported in what is not released: on ``reference`` since ``commit``.

    ``at_latest``: it may be supported earlier, because the commit before is not known to lack it.
    """

    reference: str
    commit: str
    at_latest: bool = False


def rows(ledger: Ledger, cells: Iterable[CellView], platform: str) -> tuple[CellView, ...]:
    """The newest cell of each source and pairing, newest commit first; the steps of bisections are no rows.

    Of what lies on a machine no address is known: each of its commits is a source of its own.
    """
    by_id = {cell.id: cell for cell in cells}
    newest: dict[tuple[str, ...], tuple[tuple[str, str], str]] = {}
    for record in ledger.records.values():
        if record.source is None or record.platform != (platform or record.platform) or record.cell not in by_id:
            continue
        for label, instants in record.pairings.items():
            if label in (COMMIT_DAY.name, BISECT.name):
                continue
            slot = (*record.source.name, label, "" if record.source.origin else record.source.identity)
            rank = (max(instants, default=""), record.source.committed)
            if slot not in newest or newest[slot][0] <= rank:
                newest[slot] = (rank, record.cell)
    found = {cell: by_id[cell] for _, cell in newest.values()}
    return tuple(sorted(found.values(), key=lambda cell: (_committed(cell), cell.subject, cell.id), reverse=True))


def line(
    cells: Iterable[CellView], rows: Iterable[CellView], config: Config, latest: Release | None
) -> tuple[CellView, ...]:
    """The cells of the commits that lead to the newest row of a source of `[watch]`, oldest first.

    Empty where none of the rows is of such a source, or its commit is not younger than the newest release.
    """
    name = config.subject.name
    watched = [parse(text, name) for text in config.watch.sources]
    places = [(name, address.origin, address.reference) for address in watched if address.path is None]
    head = next((row for row in rows if NEWEST.name in row.pairings and row.source and row.source.name in places), None)
    if not head or not (last := head.source):
        return ()
    if latest and not (latest.released and last.committed > latest.released):
        return ()
    past = [
        cell
        for cell in cells
        if (source := cell.source)
        and source.commit
        and source.origin == last.origin
        and (source.reference == last.reference or COMMIT_DAY.name in cell.pairings)
        and source.committed < last.committed
    ]
    return (*sorted(past, key=_committed), head)


def preview(probe: str, line: Sequence[CellView]) -> Preview | None:
    """Since which commit a probe is supported: from the newest back for as long as every one that answers says yes."""
    answers = [
        (cell.source, yes) for cell in line if cell.source and (yes := cell.counted(probe).state.yes) is not None
    ]
    start, _ = unbroken([yes for _, yes in answers])
    if start is None or answers[-1][0] is not line[-1].source:
        return None
    since = answers[start][0]
    # Exact only if the commit just before was asked too, and lacks it.
    exact = start > 0 and answers[start - 1][0].commit == since.parent
    return Preview(reference=answers[-1][0].reference, commit=since.commit, at_latest=not exact)


def _committed(cell: CellView) -> str:
    return cell.source.committed if cell.source else ""
