"""The commands about what is not released, and about the past: `watch`, `run --source`, and `run --as-of A..B`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from compatmatrix.analysis import days, support
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.comparison import Comparison, compare
from compatmatrix.analysis.support import View
from compatmatrix.cli import plan
from compatmatrix.cli import run as commands
from compatmatrix.cli.context import Setting
from compatmatrix.cli.examine import Desk, Failure
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.config.source_addresses import Address, parse
from compatmatrix.core.model import CellRequest, InfrastructureError, OutcomeState, Release, UserError
from compatmatrix.core.pairings import NEWEST
from compatmatrix.publish import comparison, terminal
from compatmatrix.results import ledger
from compatmatrix.sources.builder import Unbuildable


def run(setting: Setting) -> int:
    """The matrix; with ``--source`` the sources alone, with a range of dates the days in it."""
    asked = setting.asked
    if asked.against and not asked.source:
        raise UserError("--against says what a source is held against; name one with --source")
    if asked.source and asked.as_of_until:
        raise UserError("--source is about what is not released yet; it has no past to be looked at with --as-of A..B")
    if asked.source:
        name = setting.config.subject.name
        return _examine(
            setting, [parse(text, name) for text in asked.source], nightly=False, against=bool(asked.against)
        )
    if asked.as_of_until:
        return _backfill(setting)
    return commands.run_missing(setting)


def watch(setting: Setting) -> int:
    """The sources of ``[watch]``, and the nightly builds of companions, held against the newest release."""
    found = setting.config.watch
    if not found.sources and not found.nightly:
        raise UserError(
            "watch: there is nothing to watch; name `sources` or a `nightly` index in [watch] of matrix.toml"
        )
    addresses = [parse(text, setting.config.subject.name) for text in found.sources]
    return _examine(setting, addresses, nightly=bool(found.nightly), against=True)


def _examine(setting: Setting, addresses: Iterable[Address], nightly: bool, against: bool) -> int:
    if set(setting.selection.pairings) - {NEWEST.name}:
        raise UserError("--pairing: what is not released is examined with the newest companions")
    desk = Desk(setting)
    earlier = support.view(ledger.read(setting.records), setting.config, setting.probes)
    failed: list[Failure] = []
    requests: list[CellRequest] = []
    looked_at: set[str] = set()
    for address in addresses:
        try:
            built = desk.builder.address(address)
        except Unbuildable as failure:
            desk.record(desk.unbuildable(failure, NEWEST.name))
            looked_at.add(failure.source.row)
        except InfrastructureError as trouble:
            failed.append((re.sub(r"(?<=://)[^/@\s]+@", "", address.text), str(trouble)))
        else:
            requests.append(desk.source_request(built, NEWEST.name, setting.probes))
    release = desk.release_request(desk.newest, NEWEST.name, setting.probes)
    if nightly:
        requests += [desk.nightly(request) for request in (*requests, release)]
    # The release too: it is to be held against what its users get today, not what they got when it was last run.
    failed += desk.examine([*requests, *([release] if against else [])])
    now, _ = commands.write_reports(setting)
    view = support.view(now, setting.config, setting.probes)
    looked_at |= {request.subject for request in requests}
    rows = tuple(row for row in view.sources if row.subject in looked_at)
    terminal.print_sources(setting.console, view, rows)
    held = [found for row in rows if against and (found := _against(setting, view, desk.newest, row))]
    for found in held:
        setting.say("")
        setting.say(comparison.markdown(view, found))
    for title, why in failed:
        setting.say(f"not examined: {title}: {why}")
    moved = [found for found in held if found.moved] if setting.asked.command == "run" else _moved(earlier, view, rows)
    if moved and "changed" in setting.asked.fail_on:
        return FAILED_ON
    if "inconclusive" in setting.asked.fail_on and any(_inconclusive(row) for row in rows):
        return FAILED_ON
    return UNEXAMINED if failed else DONE


def _against(setting: Setting, view: View, release: Release, row: CellView) -> Comparison | None:
    before = view.cell(NEWEST.name, release.version)
    if before is None:
        setting.say(f"{setting.config.subject.name} {release.version} has no answers to be held against")
        return None
    return compare(before, row, view.probes, setting.config.subject.name)


def _moved(earlier: View, view: View, rows: Iterable[CellView]) -> list[Comparison]:
    """Where a row answers otherwise than the row that stood in its place before."""
    places = {_place(row): row for row in earlier.sources}
    name = view.config.subject.name
    held = [compare(places[_place(row)], row, view.probes, name) for row in rows if _place(row) in places]
    return [found for found in held if found.moved]


def _place(row: CellView) -> tuple[object, ...]:
    source = row.source
    return (source.package, source.origin, source.reference, row.pairings) if source else ()


def _inconclusive(row: CellView) -> bool:
    return any(outcome.state is OutcomeState.INCONCLUSIVE for outcome in row.outcomes.values())


def _backfill(setting: Setting) -> int:
    """Record what the default was on each day of a range: the newest release of the day, its newest companions."""
    asked, worst = setting.asked, DONE
    last = min(asked.as_of_until, setting.now)
    if last < asked.as_of_until:
        setting.say("the days that are still to come are left out")
    narrowed = setting.selection
    for day in days.dates(asked.as_of, last, asked.every):
        setting.selection = msgspec.structs.replace(narrowed, as_of=day, pairings=narrowed.pairings or (NEWEST.name,))
        if not narrowed.only:
            newest = days.newest_of(Desk(setting).rows, day)
            if newest is None:
                setting.say(f"{_day(day)}: nothing was released yet")
                continue
            only = f"{setting.config.subject.name}=={newest.version}"
            setting.selection = msgspec.structs.replace(setting.selection, only=(only,))
        setting.say(f"{_day(day)}: {', '.join(setting.selection.only)}")
        todo = plan.make(setting)
        ledger.append(setting.records, todo.facts)
        results = commands.run_jobs(setting, todo.jobs) if todo.jobs else []
        failed = [*todo.failed, *((result.job.title, result.error) for result in results if result.record is None)]
        for title, why in failed:
            setting.say(f"not examined: {title}: {why}")
            worst = UNEXAMINED
    now, _ = commands.write_reports(setting)
    terminal.print_days(setting.console, support.view(now, setting.config, setting.probes))
    return worst


def _day(end: datetime) -> str:
    """The day that ends at an instant, for people."""
    return (end - timedelta(seconds=1)).date().isoformat()
