"""The commands that run cells and make reports: each puts the rooms together and returns an exit code."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from compatmatrix.analysis import changes, support
from compatmatrix.analysis.support import View
from compatmatrix.cli import plan
from compatmatrix.cli.context import Setting
from compatmatrix.cli.options import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.cli.progress import Display, timings
from compatmatrix.config import probe_files
from compatmatrix.core import untrusted_files
from compatmatrix.core.files import claimed_folder
from compatmatrix.core.model import InfrastructureError, OutcomeState
from compatmatrix.planning import scheduler
from compatmatrix.planning.missing import Job
from compatmatrix.planning.plan_file import shard
from compatmatrix.planning.scheduler import Result, Scheduler
from compatmatrix.publish import readme, terminal, write
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def run_missing(setting: Setting) -> int:
    """Run what is missing, record it, write the reports, show the table."""
    todo = plan.obtain(setting)
    jobs = shard(todo.jobs, *setting.asked.shard)
    plan.say_counts(setting, todo, len(jobs))
    earlier = ledger.read(setting.records) if "changed" in setting.asked.fail_on else Ledger()
    ledger.append(setting.records, todo.facts)
    results = run_jobs(setting, jobs) if jobs else []
    failed = [*todo.failed, *((result.job.title, result.error) for result in results if result.record is None)]
    try:
        now, _ = write_reports(setting)
        view = support.view(now, setting.config, setting.probes)
        terminal.print_table(setting.console, view)
        setting.say(f"reports: {setting.reports / 'compatibility.md'}, compatibility.json; records: {setting.records}")
    finally:  # also where the reports cannot be written
        for title, why in failed:
            setting.say(f"not examined: {title}: {why}")
    if setting.asked.timings:
        for text in timings(results):
            setting.say(text)
    return _exit_code(setting, earlier, view, results, bool(failed))


def rebuild_reports(setting: Setting) -> int:
    """Make every report anew from the records."""
    if setting.asked.repair:
        for damage in ledger.repair(setting.records):
            setting.say(f"set aside: {setting.records / damage.file}:{damage.line}: {damage.problem}")
    known, count = write_reports(setting)
    setting.tell_damage(known)
    setting.say(f"{count} files in {setting.reports} are as the records say")
    return DONE


def write_reports(setting: Setting) -> tuple[Ledger, int]:
    """Write every report, and the answer in the README beside the project's own; returns what is known, and how many files.

    Nobody records anything meanwhile, and what another run has recorded since is in them: the last to write tells all.
    """
    with ledger.held(setting.records), _keeping_all():
        known = ledger.read(setting.records)
        files = write.contents(known, setting.config, setting.probes)
        write.write(setting.reports, files)
        page = setting.asked.config.parent / "README.md"
        if setting.asked.reports is None and page.is_file():
            view = support.view(known, setting.config, setting.probes)
            write.write(page.parent, {page.name: readme.refreshed(page.read_text(encoding="utf-8"), view).encode()})
    return known, len(files)


@contextmanager
def _keeping_all() -> Iterator[None]:
    """Nothing is garbage before all reports are made: looking for some would take a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run_jobs(setting: Setting, jobs: Sequence[Job]) -> list[Result]:
    """Run jobs with progress; what is found is recorded as soon as it is."""
    display = Display(setting.console, len(jobs), setting.asked.jobs)
    with claimed_folder(setting.cache / "questions") as scratch, display.shown():
        # The questions are put as they stood when their digests were taken, whoever edits them meanwhile.
        folder = scratch / "probes"
        try:
            untrusted_files.remove(folder)
            shutil.copytree(setting.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        except OSError as error:
            raise InfrastructureError(f"the probes cannot be copied to {scratch}: {error}") from None
        if probe_files.read(folder) != setting.probes:
            raise InfrastructureError(f"{setting.folder} changed while the run was planned; run again")
        options = scheduler.Options(
            config=setting.config,
            probes=setting.probes,
            folder=folder,
            records=setting.records,
            cache=setting.cache,
            instant=setting.selection.as_of or setting.now,
            now=setting.now,
        )
        return Scheduler(options, display).run(jobs, setting.asked.jobs)


def _exit_code(setting: Setting, earlier: Ledger, view: View, results: Sequence[Result], failed: bool) -> int:
    if "changed" in setting.asked.fail_on:
        moved = changes.alarming(changes.compare(support.view(earlier, setting.config, setting.probes), view))
        for move in moved:
            setting.say(f"changed: {changes.sentence(setting.config, move)}")
        if moved:
            return FAILED_ON
    if "inconclusive" in setting.asked.fail_on:
        run = {result.record.cell for result in results if result.record}
        outcomes = [outcome for cell in view.cells if cell.id in run for outcome in cell.outcomes.values()]
        if any(outcome.state is OutcomeState.INCONCLUSIVE for outcome in outcomes):
            setting.say("inconclusive: a control failed, or a probe is at fault, in a cell of this run")
            return FAILED_ON
    return UNEXAMINED if failed else DONE
