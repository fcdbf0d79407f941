"""The command `watch`: what is not released, and whether it answers otherwise than when it was last looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from compatmatrix.analysis.cells import CellView, united
from compatmatrix.analysis.changes import between_cells, since_known
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.exit_codes import Failure, exit_code
from compatmatrix.cli.report import write_reports
from compatmatrix.config import source_addresses
from compatmatrix.core import files
from compatmatrix.core.encoding import canonical, digest, format_instant
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import CellRequest, Record
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.text import without_credentials
from compatmatrix.planning.recorded import OnRecord
from compatmatrix.publish import change_words, terminal
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from compatmatrix.sources.builder import Unbuildable


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """The record that answers for a source today, under the address by which it is watched."""

    address: str
    pairing: str
    record: Record

    @property
    def name(self) -> object:
        """What its records are found by."""
        return self.pairing, self.record.source and self.record.source.name

    @property
    def slot(self) -> str:
        """What its cells are kept by in the cache, if it lies on this machine."""
        return f"{self.address} {self.pairing}"

    @property
    def local(self) -> bool:
        """Whether it lies on this machine, so that its record has no address."""
        return self.record.source is not None and not self.record.source.origin


def watch(context: Context, chosen: options.Watch) -> int:
    """Examine the sources and nightly builds of ``[watch]``, and compare them with the newest release."""
    if not context.config.watch.sources and not context.config.watch.nightly:
        raise UserError(
            "watch: there is nothing to watch; name `sources` or a `nightly` index in [watch] of matrix.toml"
        )
    earlier = ledger.read(context.records)
    examiner = Examiner(context, chosen.jobs, chosen.fresh)
    newest = examiner.release_request(examiner.newest, NEWEST.name, context.probes)
    looks, failed = _examine(context, examiner, newest)
    _renew(context, looks)
    known, _ = write_reports(context)
    view = context.view(known)
    rows = [_row(context, known, look.record, look.pairing) for look in looks]
    terminal.print_sources(context.console, view, rows)
    release = view.cell(NEWEST.name, newest.subject)
    if release is None:
        context.say(f"{context.config.subject.name} {newest.subject} has no answers to compare with")
    else:
        for row in rows:
            terminal.line(context.console, f"\n{change_words.markdown(view, between_cells(release, row, view.probes))}")
    file, seen = _seen(context)
    past = _past(earlier, looks, seen)
    _keep_seen(file, seen, zip(looks, past, strict=True))
    kinds = [
        kind
        for look, row, records in zip(looks, rows, past, strict=True)
        for kind in since_known([_row(context, earlier, one, look.pairing) for one in records], row, view.probes)
    ]
    return exit_code(context, chosen.fail_on, kinds, rows, failed)


def _examine(context: Context, examiner: Examiner, newest: CellRequest) -> tuple[list[_Look], list[Failure]]:
    """Examine the sources with the newest companions, and with nightly ones; and the newest release beside them.

    Returns:
        The record that answers for each source, and what could not be examined.
    """
    watched, failed = context.config.watch, list[Failure]()
    requested: list[tuple[str, CellRequest]] = []
    looks: list[_Look] = []
    for address in [source_addresses.parse(text, context.config.subject.name) for text in watched.sources]:
        try:
            built = examiner.builder.address(address)
        except Unbuildable as failure:
            unbuilt = examiner.unbuildable(failure, NEWEST.name)
            looks.append(_Look(address=address.text, pairing=NEWEST.name, record=unbuilt))
        except (InfrastructureError, UserError) as error:
            failed.append((without_credentials(address.text), str(error)))
        else:
            requested.append((address.text, examiner.source_request(built, NEWEST.name, context.probes)))
    if watched.nightly:
        requested += [(text, examiner.nightly_request(request)) for text, request in (*requested, ("", newest))]
    # The release again: the comparison is with what its users get today, not with what they got when it was last run.
    failed += examiner.examine([*(request for _, request in requested), newest])
    on_record = OnRecord(context.config, ledger.read(context.records), False)
    looks += [
        _Look(address=text, pairing=request.pairing, record=record)
        for text, request in requested
        if (record := on_record.current(request))
    ]
    return looks, failed


def _renew(context: Context, looks: Iterable[_Look]) -> None:
    """Date the records that were found again after another commit of their source had been looked at."""
    known, now = ledger.read(context.records), format_instant(context.now)
    renewed = []
    for record, pairing in ((look.record, look.pairing) for look in looks if not look.local):
        last = next(iter(_of_source(known, record, pairing)), None)
        if last and last.cell != record.cell:
            labels = {**record.pairings, pairing: tuple(sorted({*record.pairings.get(pairing, ()), now}))}
            renewed.append(msgspec.structs.replace(record, pairings=labels))
    ledger.append(context.records, Ledger.of(renewed))


def _seen(context: Context) -> tuple[Path, dict[str, list[str]]]:
    """The cells that the sources of this machine were, by `_Look.slot`, and the file in the cache that says so."""
    file = context.cache / "watched" / f"{digest(str(context.reports.resolve()))}.json"
    with suppress(OSError, msgspec.DecodeError):
        return file, msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]])
    return file, {}


def _past(earlier: Ledger, looks: Sequence[_Look], seen: Mapping[str, Sequence[str]]) -> list[list[Record]]:
    """What each source was when it was looked at before, the last look first: a record of each cell.

    Records say it by the address of the repository. They have none of what lies on this machine, of which the cache knows
    the cells by the address as it was asked for: two clones may have branches of one name. Where only one has, its records
    are those of the name, also for a cache that does not know it yet.
    """
    records = {record.cell: record for record in earlier.records.values()}
    named = Counter(look.name for look in looks)
    return [
        [records[cell] for cell in seen.get(look.slot, ()) if cell in records]
        if look.local and (look.slot in seen or named[look.name] > 1)
        else _of_source(earlier, look.record, look.pairing)
        for look in looks
    ]


def _keep_seen(file: Path, seen: Mapping[str, Sequence[str]], looks: Iterable[tuple[_Look, Sequence[Record]]]) -> None:
    """Write what `_seen` reads: what each source is now, before what it was."""
    now = {
        look.slot: list(dict.fromkeys([look.record.cell, *(record.cell for record in before)]))
        for look, before in looks
        if look.local
    }
    try:
        files.replace(file, canonical({**seen, **now}))
    except OSError as error:
        raise InfrastructureError(f"what was looked at cannot be kept in {file}: {error.strerror}") from None


def _of_source(known: Ledger, like: Record, pairing: str) -> list[Record]:
    """The records of the same source, as it was asked for, the one that was looked at last first."""
    named = [
        record
        for record in known.records.values()
        if record.source and like.source and pairing in record.pairings and record.platform == like.platform
        if record.source.name == like.source.name
    ]
    return sorted(named, key=lambda record: (max(record.pairings[pairing]), record.recorded), reverse=True)


def _row(context: Context, known: Ledger, record: Record, pairing: str) -> CellView:
    records = [one for one in known.records.values() if one.cell == record.cell] or [record]
    return united(records, (pairing,), context.config, context.probes)
