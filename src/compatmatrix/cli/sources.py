"""The command `watch`: what is not released, and whether it answers otherwise than when it was last looked at."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from compatmatrix.analysis.cells import CellView, united
from compatmatrix.analysis.changes import between_cells
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.exit_codes import Failure, of_comparisons
from compatmatrix.cli.report import write_reports
from compatmatrix.config import source_addresses
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import CellRequest, Record
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.text import without_credentials
from compatmatrix.planning.recorded import OnRecord
from compatmatrix.publish import change_words, terminal
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from compatmatrix.sources.builder import Unbuildable


def watch(context: Context, chosen: options.Watch) -> int:
    """Examine the sources and nightly builds of ``[watch]``, and compare them with the newest release."""
    if not context.config.watch.sources and not context.config.watch.nightly:
        raise UserError(
            "watch: there is nothing to watch; name `sources` or a `nightly` index in [watch] of matrix.toml"
        )
    earlier = ledger.read(context.records)
    examiner = Examiner(context, chosen.jobs, chosen.fresh)
    newest = examiner.release_request(examiner.newest, NEWEST.name, context.probes)
    asked, failed = _examine(context, examiner, newest)
    _renew(context, asked)
    known, _ = write_reports(context)
    view = context.view(known)
    rows = [_row(context, known, record, pairing) for record, pairing in asked]
    terminal.print_sources(context.console, view, rows)
    release = view.cell(NEWEST.name, newest.subject)
    if release is None:
        context.say(f"{context.config.subject.name} {newest.subject} has no answers to compare with")
    else:
        for row in rows:
            terminal.line(context.console, f"\n{change_words.markdown(view, between_cells(release, row, view.probes))}")
    before = [(_last(earlier, record, pairing), pairing) for record, pairing in asked]
    comparisons = [
        between_cells(_row(context, earlier, old, pairing), row, view.probes)
        for (old, pairing), row in zip(before, rows, strict=True)
        if old
    ]
    return of_comparisons(context, chosen.fail_on, comparisons, rows, failed)


def _examine(
    context: Context, examiner: Examiner, newest: CellRequest
) -> tuple[list[tuple[Record, str]], list[Failure]]:
    """Examine the sources with the newest companions, and with nightly ones; and the newest release beside them.

    Returns:
        The record that answers for each source, with the pairing, and what could not be examined.
    """
    watched, failed = context.config.watch, list[Failure]()
    requested: list[CellRequest] = []
    asked: list[tuple[Record, str]] = []
    for address in [source_addresses.parse(text, context.config.subject.name) for text in watched.sources]:
        try:
            built = examiner.builder.address(address)
        except Unbuildable as failure:
            asked.append((examiner.unbuildable(failure, NEWEST.name), NEWEST.name))
        except (InfrastructureError, UserError) as error:
            failed.append((without_credentials(address.text), str(error)))
        else:
            requested.append(examiner.source_request(built, NEWEST.name, context.probes))
    if watched.nightly:
        requested += [examiner.nightly_request(request) for request in (*requested, newest)]
    # The release again: the comparison is with what its users get today, not with what they got when it was last run.
    failed += examiner.examine([*requested, newest])
    on_record = OnRecord(context.config, ledger.read(context.records), False)
    found = [(on_record.current(request), request.pairing) for request in requested]
    return [*asked, *((record, pairing) for record, pairing in found if record)], failed


def _renew(context: Context, asked: Iterable[tuple[Record, str]]) -> None:
    """Date the records that were found again after another commit of their source had been looked at."""
    known, now = ledger.read(context.records), format_instant(context.now)
    renewed = []
    for record, pairing in asked:
        last = _last(known, record, pairing)
        if last and last.cell != record.cell:
            labels = {**record.pairings, pairing: tuple(sorted({*record.pairings.get(pairing, ()), now}))}
            renewed.append(msgspec.structs.replace(record, pairings=labels))
    ledger.append(context.records, Ledger.of(renewed))


def _last(known: Ledger, like: Record, pairing: str) -> Record | None:
    """The record of the same source, as it was asked for, that was looked at last."""
    named = [
        record
        for record in known.records.values()
        if record.source and like.source and pairing in record.pairings and record.platform == like.platform
        if record.source.name == like.source.name
    ]
    return max(named, key=lambda record: (max(record.pairings[pairing]), record.recorded), default=None)


def _row(context: Context, known: Ledger, record: Record, pairing: str) -> CellView:
    records = [one for one in known.records.values() if one.cell == record.cell] or [record]
    return united(records, (pairing,), context.config, context.probes)
