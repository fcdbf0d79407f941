"""The command `run`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from compatmatrix.analysis import changes, grid, selection, verdict
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.support import View
from compatmatrix.cli import examine, options, plan
from compatmatrix.cli.context import Context
from compatmatrix.cli.exit_codes import Failure, exit_code
from compatmatrix.cli.progress import timings
from compatmatrix.cli.report import write_reports
from compatmatrix.core.pairings import Over, named
from compatmatrix.core.text import counted
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.missing import Answer
from compatmatrix.planning.plan_file import Plan, shard, unrecorded
from compatmatrix.planning.scheduler import Result
from compatmatrix.publish import change_words, labels, terminal
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


class _Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run: the requests with their cells, the results of its jobs, and what could not be examined."""

    answers: tuple[Answer, ...]
    results: Sequence[Result]
    failed: Sequence[Failure]

    @property
    def recorded(self) -> int:
        return sum(result.record is not None for result in self.results)

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """The pairs of the grid that were requested: the versions of subject and companion."""
        explicit = [one for one in self.answers if named(one.pairing).over is Over.COMPANION]
        return {(one.subject, version) for one in explicit for version in one.companions.values()}

    @property
    def pythons(self) -> dict[str, None]:
        """The releases of which it was asked on which Pythons they work."""
        return {one.subject: None for one in self.answers if named(one.pairing).over is Over.PYTHON}

    def probes(self) -> list[str]:
        """What was run, the probes of the most cells first."""
        counts: dict[str, int] = {}
        for job in (result.job for result in self.results):
            counts |= {probe: counts.get(probe, 0) + 1 for probe in job.probes}
        return sorted(counts, key=lambda probe: -counts[probe])


def run(context: Context, chosen: options.Run) -> int:
    """Run what is missing, record it, write the reports and show the answer; with `--source`, the sources alone."""
    if chosen.source:
        from compatmatrix.cli import compare  # slow to import, and seldom needed

        return compare.run_sources(context, chosen)
    earlier = ledger.read(context.records) if chosen.plan or chosen.fail_on else Ledger()
    todo, results, failed = _run_cells(context, chosen, earlier)
    done = _Done(answers=_of_shard(todo, [result.job for result in results]), results=results, failed=failed)
    try:
        known, _ = write_reports(context)
    except BaseException:
        context.say_failed(failed)
        raise
    # Of what was to be examined anew and could not be, an older record is no answer.
    missed = {result.job.cell.id() for result in results if chosen.fresh and result.record is None}
    answering = {key: record for key, record in known.records.items() if record.cell not in missed}
    shown = msgspec.structs.replace(known, records=answering)
    view = selection.view(shown, context.config, context.probes, done.answers, chosen.as_of)
    if chosen.format == "json":
        print(as_json(view, done))
    else:
        _show(context, chosen, done, view, shown)
    for text in timings(results) if chosen.timings else ():
        context.say(text)
    run_now = {result.record.cell for result in results if result.record}
    cells = [cell for cell in view.cells if cell.id in run_now]
    return exit_code(context, chosen.fail_on, _changes(context, chosen, earlier, known), cells, failed)


def _run_cells(
    context: Context, chosen: options.Run, earlier: Ledger
) -> tuple[Plan, Sequence[Result], Sequence[Failure]]:
    """Plan and run; what is run of a plan that has been made, or of a shard, is known only when all of it is there."""

    def planned(queue: Queue) -> Plan:
        todo = plan.make(context, plan.selection_of(chosen), chosen.fresh, queue)
        context.note(plan.counts(todo, len(todo.jobs)))
        return todo

    if not chosen.plan and chosen.shard == (1, 1):
        begun = plan.empty(context, plan.selection_of(chosen))
        return examine.plan_and_run(context, begun, planned, chosen.jobs)
    todo = plan.obtain(context, chosen)
    jobs = shard(todo.jobs, *chosen.shard)
    if chosen.plan:  # an interrupted run goes on
        jobs = tuple(job for job in jobs if job in unrecorded(todo, earlier))
    context.note(plan.counts(todo, len(jobs)))
    return (todo, *examine.run_plan(context, todo, jobs, chosen.jobs))


def _of_shard(todo: Plan, jobs: Sequence[Job]) -> tuple[Answer, ...]:
    """The plan's requests without those that are run in another shard."""
    elsewhere = {job.cell.id() for job in todo.jobs} - {job.cell.id() for job in jobs}
    return tuple(answer for answer in todo.answers if answer.cell not in elsewhere)


def _show(context: Context, chosen: options.Run, done: _Done, view: View, known: Ledger) -> None:
    """Print what was asked for, and at the end what was done."""
    new = bool(done.results or done.failed or chosen.table)
    if new and view.pairings and view.releases:
        probes = done.probes() if len(done.probes()) < len(view.probes) else []
        terminal.print_table(context.console, view, probes)
    if done.pairs:
        pairs = grid.grid(context.view(known)).limited(done.pairs)
        terminal.print_map(context.console, view.config.subject.name, pairs, in_words=not new)
    if done.pythons:
        compatibility = Compatibility(context.view(known))
        for version in done.pythons:
            context.say(f"{view.config.subject.name} {version} {compatibility.pythons(version) or 'not examined'}")
    if view.pairings:
        day = f"{selection.last_day(chosen.as_of)}: " if chosen.as_of else ""
        context.say(f"{day}{labels.sentence(view)}")
    if done.results or done.failed:
        count = f"{counted(done.recorded, 'cell')} run and recorded"
        context.say(f"{count}, {len(done.failed)} not examined" if done.failed else count)
    else:
        context.say(
            f"{counted(len(done.answers), 'cell')} on record, nothing new"
            + ("" if chosen.table else "; `--table` shows them")
        )
    context.note(f"reports: {context.reports / 'compatibility.md'}, compatibility.json; records: {context.records}")


def as_json(view: View, done: _Done) -> str:
    """What was asked for and what was done, for programs."""
    found = verdict.verdict(view, view.config.subject.headline)
    answer = {"value": found.value.value, "release": found.release, "sentence": str(labels.sentence(view))}
    tree = {
        "verdict": answer if view.pairings else None,  # pairs of the grid alone are no verdict
        "requested": len(done.answers),
        "run": done.recorded,
        "recorded": done.recorded,
        "not_examined": [{"cell": title, "why": why} for title, why in done.failed],
        "cells": [
            {
                "cell": cell.id,
                "pairings": cell.pairings,
                "python": cell.python,
                "versions": cell.versions,
                "state": cell.state.value,
                "outcomes": {probe: cell.credible(probe).state.value for probe in sorted(cell.outcomes)},
            }
            for cell in view.cells
        ],
    }
    return json.dumps(tree, indent=1)


def _changes(context: Context, chosen: options.Run, earlier: Ledger, known: Ledger) -> list[changes.Kind]:
    """How answers changed since before the run, each printed; nothing where no condition asks for it."""
    if not {"changed", "regressed"} & {*chosen.fail_on}:
        return []
    found = changes.alarming(changes.between_views(context.view(earlier), context.view(known)))
    for change in found:
        context.say(f"changed: {change_words.sentence(context.config, change)}")
    return [change.kind for change in found]
