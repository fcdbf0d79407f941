"""Cells -> what is not released yet: the rows above the releases, and since which commit a probe is supported. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from compatmatrix.analysis.cells import CellView
from compatmatrix.config.source_addresses import parse
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, NEWEST
from compatmatrix.core.states import OutcomeState
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


def previews(
    cells: Iterable[CellView], rows: Sequence[CellView], config: Config, probes: Iterable[Probe], latest: Release | None
) -> Mapping[str, Preview]:
    """The probes that are supported on a source of `[watch]` whose commit is younger than the newest release."""
    name = config.subject.name
    watched = [parse(text, name) for text in config.watch.sources]
    places = [(address.origin, address.reference) for address in watched if address.path is None]
    head = next(
        (
            row
            for row in rows
            if row.source
            and row.source.package == name
            and (row.source.origin, row.source.reference) in places
            and NEWEST.name in row.pairings
            and (latest is None or (latest.released and row.source.committed > latest.released))
        ),
        None,
    )
    if head is None or head.source is None:
        return {}
    past = sorted(
        (
            cell
            for cell in cells
            if cell.source
            and cell.source.commit
            and cell.source.origin == head.source.origin
            and (cell.source.reference == head.source.reference or COMMIT_DAY.name in cell.pairings)
            and _committed(cell) < head.source.committed
        ),
        key=_committed,
    )
    found = {probe.id: _since(probe.id, [*past, head]) for probe in probes}
    return {probe: preview for probe, preview in found.items() if preview}


def _since(probe: str, line: Sequence[CellView]) -> Preview | None:
    """From the newest commit back for as long as every commit that answers says yes."""
    answers = [
        (cell.source, cell.counted(probe).state) for cell in line if cell.source and cell.counted(probe).state.known
    ]
    if not answers or answers[-1][0] is not line[-1].source or answers[-1][1] is not OutcomeState.SUPPORTED:
        return None
    first = len(answers) - 1
    while first and answers[first - 1][1] is OutcomeState.SUPPORTED:
        first -= 1
    since = answers[first][0]
    # Exact only if the commit just before was asked too, and lacks it.
    exact = first > 0 and answers[first - 1][0].commit == since.parent
    return Preview(reference=answers[-1][0].reference, commit=since.commit, at_latest=not exact)


def _committed(cell: CellView) -> str:
    return cell.source.committed if cell.source else ""
