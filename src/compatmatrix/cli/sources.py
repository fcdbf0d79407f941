"""The command `watch`, and `run --source`: what is not released."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.changes import Comparison, between_cells
from compatmatrix.analysis.support import View
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner, Failure
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.cli.report import write_reports
from compatmatrix.config import source_addresses
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import CellRequest
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.states import OutcomeState
from compatmatrix.publish import change_words, terminal
from compatmatrix.results import ledger
from compatmatrix.sources.builder import Unbuildable


def run_sources(context: Context, chosen: options.Run) -> int:
    """Examine the sources of `--source`, and compare them with the newest release if `--against` says so."""
    examiner = Examiner(context, chosen.jobs, chosen.fresh, chosen.as_of)
    view, rows, failed = _examine(context, examiner, chosen.source, False, bool(chosen.against))
    comparisons = _compare_with_newest(context, view, examiner, rows) if chosen.against else []
    context.say_failed(failed)
    changed = any(one.changed for one in comparisons)
    return _exit_code(chosen.fail_on, changed, rows, failed)


def watch(context: Context, chosen: options.Watch) -> int:
    """Examine the sources and nightly builds of ``[watch]``, and compare them with the newest release."""
    watched = context.config.watch
    if not watched.sources and not watched.nightly:
        raise UserError(
            "watch: there is nothing to watch; name `sources` or a `nightly` index in [watch] of matrix.toml"
        )
    earlier = context.view(ledger.read(context.records))
    examiner = Examiner(context, chosen.jobs, chosen.fresh)
    view, rows, failed = _examine(context, examiner, watched.sources, bool(watched.nightly), True)
    _compare_with_newest(context, view, examiner, rows)
    context.say_failed(failed)
    before = {_identity(row): row for row in earlier.sources}
    known = [(before[_identity(row)], row) for row in rows if _identity(row) in before]
    changed = any(between_cells(old, new, view.probes).changed for old, new in known)
    return _exit_code(chosen.fail_on, changed, rows, failed)


def _examine(
    context: Context, examiner: Examiner, texts: Iterable[str], nightly: bool, release: bool
) -> tuple[View, Sequence[CellView], list[Failure]]:
    """Examine sources with the newest companions, and with nightly ones; and the newest release beside them.

    Returns:
        The view of all records, its rows of these sources, and what could not be examined.
    """
    failed: list[Failure] = []
    requested: list[CellRequest] = []
    subjects: set[str] = set()
    for address in [source_addresses.parse(text, context.config.subject.name) for text in texts]:
        try:
            built = examiner.builder.address(address)
        except Unbuildable as failure:
            examiner.record_unbuildable(failure, NEWEST.name)
            subjects.add(failure.source.row)
        except (InfrastructureError, UserError) as error:
            failed.append((re.sub(r"(?<=://)[^/@\s]+@", "", address.text), str(error)))
        else:
            requested.append(examiner.source_request(built, NEWEST.name, context.probes))
    newest = examiner.release_request(examiner.newest, NEWEST.name, context.probes)
    if nightly:
        requested += [examiner.nightly_request(request) for request in (*requested, newest)]
    # The release again: the comparison is with what its users get today, not with what they got when it was last run.
    failed += examiner.examine([*requested, *([newest] if release else [])])
    view = context.view(write_reports(context)[0])
    subjects |= {request.subject for request in requested}
    rows = tuple(row for row in view.sources if row.subject in subjects)
    terminal.print_sources(context.console, view, rows)
    return view, rows, failed


def _compare_with_newest(
    context: Context, view: View, examiner: Examiner, rows: Iterable[CellView]
) -> list[Comparison]:
    name, version = context.config.subject.name, examiner.newest.version
    release = view.cell(NEWEST.name, version)
    if release is None:
        context.say(f"{name} {version} has no answers to compare with")
        return []
    comparisons = [between_cells(release, row, view.probes) for row in rows]
    for one in comparisons:
        context.say("")
        context.say(change_words.markdown(view, one))
    return comparisons


def _identity(row: CellView) -> tuple[object, ...]:
    """What a row and its successor have in common: the source without its commit."""
    source = row.source
    return (source.package, source.origin, source.reference, row.pairings) if source else ()


def _exit_code(fail_on: Sequence[str], changed: bool, rows: Iterable[CellView], failed: Sequence[Failure]) -> int:
    if changed and "changed" in fail_on:
        return FAILED_ON
    outcomes = [outcome for row in rows for outcome in row.outcomes.values()]
    if "inconclusive" in fail_on and any(outcome.state is OutcomeState.INCONCLUSIVE for outcome in outcomes):
        return FAILED_ON
    return UNEXAMINED if failed else DONE
