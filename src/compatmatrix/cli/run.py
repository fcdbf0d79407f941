"""The command `run`."""

from __future__ import annotations

from collections.abc import Sequence

from compatmatrix.analysis import changes
from compatmatrix.analysis.support import View
from compatmatrix.cli import compare, examine, options, plan
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.cli.progress import timings
from compatmatrix.cli.report import write_reports
from compatmatrix.core.states import OutcomeState
from compatmatrix.planning.plan_file import shard
from compatmatrix.planning.scheduler import Result
from compatmatrix.publish import change_words, terminal
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def run(context: Context, chosen: options.Run) -> int:
    """Run what is missing, record it, write the reports and show the table; with `--source`, the sources alone."""
    if chosen.source:
        return compare.run_sources(context, chosen)
    todo = plan.obtain(context, chosen)
    jobs = shard(todo.jobs, *chosen.shard)
    plan.say_counts(context, todo, len(jobs))
    earlier = ledger.read(context.records) if "changed" in chosen.fail_on else Ledger()
    results, failed = examine.run_plan(context, todo, jobs, chosen.jobs)
    try:
        view = context.view(write_reports(context)[0])
        terminal.print_table(context.console, view)
        context.say(f"reports: {context.reports / 'compatibility.md'}, compatibility.json; records: {context.records}")
    finally:  # also where the reports cannot be written
        context.say_failed(failed)
    if chosen.timings:
        for text in timings(results):
            context.say(text)
    if "changed" in chosen.fail_on and _changed(context, earlier, view):
        return FAILED_ON
    if "inconclusive" in chosen.fail_on and _inconclusive(results, view):
        context.say("inconclusive: a control failed, or a probe is at fault, in a cell of this run")
        return FAILED_ON
    return UNEXAMINED if failed else DONE


def _changed(context: Context, earlier: Ledger, view: View) -> bool:
    changed = changes.alarming(changes.between_views(context.view(earlier), view))
    for change in changed:
        context.say(f"changed: {change_words.sentence(context.config, change)}")
    return bool(changed)


def _inconclusive(results: Sequence[Result], view: View) -> bool:
    run_now = {result.record.cell for result in results if result.record}
    outcomes = [outcome for cell in view.cells if cell.id in run_now for outcome in cell.outcomes.values()]
    return any(outcome.state is OutcomeState.INCONCLUSIVE for outcome in outcomes)
