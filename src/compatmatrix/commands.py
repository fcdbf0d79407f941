"""The commands that look at the index and make something: each puts the rooms together and returns an exit code."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compatmatrix import agenda, ledger, plan, probes, releases, schedule, support
from compatmatrix.agenda import Agenda, Job, shard
from compatmatrix.cli import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.config import host_platform
from compatmatrix.ledger import Ledger
from compatmatrix.model import OutcomeState, Trouble
from compatmatrix.progress import Display, timings
from compatmatrix.publish import readme, terminal, write
from compatmatrix.schedule import Result
from compatmatrix.setting import Setting


def missing(setting: Setting) -> tuple[Agenda, Ledger]:
    """Look at the index, plan, lock, and hold it against the ledger."""
    config, selection = setting.config, setting.selection
    projects = releases.fetch(config.index, config.named, setting.cache / "index", setting.say)
    wanted = plan.plan(config, projects, setting.probes, host_platform(config), selection)
    if not wanted:
        setting.say("nothing on the index matches what was asked for")
    listed = plan.subject_releases(config, projects, selection.as_of)
    known = ledger.merge(setting.ledger(), Ledger(releases={release.version: release for release in listed}))
    with setting.console.status(f"resolving {len(wanted)} cells …") as status:
        todo = agenda.agenda(
            config,
            wanted,
            known,
            selection,
            setting.cache,
            setting.now,
            fresh=setting.asked.fresh,
            resolved=lambda done: status.update(f"resolving {len(wanted)} cells … {done}"),
        )
    return todo, known


def show_plan(setting: Setting) -> int:
    """Print what `run` would run."""
    todo, _ = missing(setting)
    jobs = shard(todo.jobs, *setting.asked.shard)
    if setting.asked.format == "json":
        tree = {
            "wanted": todo.wanted,
            "settled": todo.wanted - len(todo.jobs) - len(todo.failed),
            "run": [
                {
                    "cell": job.cell.id(),
                    "python": job.cell.python,
                    "versions": job.cell.versions,
                    "pairings": job.labels,
                    "probes": sorted(job.probes),
                }
                for job in jobs
            ],
            "not_examined": [{"cell": title, "why": why} for title, why in todo.failed],
        }
        print(json.dumps(tree, indent=1))
    else:
        _say_plan(setting, todo, len(jobs))
        for job in jobs:
            setting.say(f"  {job.title}; {len(job.probes)} probes")
        for title, why in todo.failed:
            setting.say(f"not examined: {title}: {why}")
    return UNEXAMINED if todo.failed else DONE


def run_missing(setting: Setting) -> int:
    """Run what is missing, record it, write the reports, show the table."""
    todo, known = missing(setting)
    jobs = shard(todo.jobs, *setting.asked.shard)
    _say_plan(setting, todo, len(jobs))
    earlier = ledger.read(setting.records)
    settled = ledger.merge(*(Ledger(records={record.key: record}) for record in todo.ready))
    ledger.append(setting.records, Ledger(records=settled.records, releases=known.releases))
    results = _run(setting, jobs) if jobs else []
    now = ledger.read(setting.records)
    write_reports(setting, now)
    terminal.print_table(setting.console, support.view(now, setting.config, setting.probes))
    setting.say(f"reports: {setting.reports / 'compatibility.md'}, compatibility.json; records: {setting.records}")
    failed = [*todo.failed, *((result.job.title, result.trouble) for result in results if result.record is None)]
    for title, why in failed:
        setting.say(f"not examined: {title}: {why}")
    if setting.asked.timings:
        for text in timings(results):
            setting.say(text)
    return _exit_code(setting, earlier, now, results, bool(failed))


def rebuild_reports(setting: Setting) -> int:
    """Make every report anew from the records."""
    if setting.asked.repair:
        for damage in ledger.repair(setting.records):
            setting.say(f"set aside: {setting.records / damage.file}:{damage.line}: {damage.problem}")
    count = write_reports(setting, setting.ledger())
    setting.say(f"{count} files in {setting.reports} are as the records say")
    return DONE


def write_reports(setting: Setting, known: Ledger) -> int:
    """Write every report, and the answer in the README beside the project's own; returns how many files there are."""
    files = write.contents(known, setting.config, setting.probes)
    write.write(setting.reports, files)
    page = setting.asked.config.parent / "README.md"
    if setting.asked.reports is None and page.is_file():
        view = support.view(known, setting.config, setting.probes)
        write.write(page.parent, {page.name: readme.refreshed(page.read_text(encoding="utf-8"), view).encode()})
    return len(files)


def _run(setting: Setting, jobs: Sequence[Job]) -> list[Result]:
    display = Display(setting.console, len(jobs), setting.asked.jobs)
    with tempfile.TemporaryDirectory(prefix="compatmatrix-") as scratch, display.shown():
        # The questions are put as they stood when their digests were taken, whoever edits them meanwhile.
        folder = Path(scratch) / "probes"
        shutil.copytree(setting.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        if probes.read(folder) != setting.probes:
            raise Trouble(f"{setting.folder} changed while the run was planned; run again")
        run = schedule.Run(
            setting.config,
            setting.probes,
            folder,
            setting.records,
            setting.cache,
            setting.selection,
            setting.now,
            display,
        )
        return run.go(jobs, setting.asked.jobs)


def _exit_code(setting: Setting, earlier: Ledger, now: Ledger, results: Sequence[Result], failed: bool) -> int:
    view = support.view(now, setting.config, setting.probes)
    if "changed" in setting.asked.fail_on:
        moved = support.difference(support.view(earlier, setting.config, setting.probes), view)
        for change in moved:
            what = f"{setting.config.subject.name} {change.release} {change.probe} ({change.pairing})"
            setting.say(f"changed: {what}: {change.before.state.value} -> {change.after.state.value}")
        if moved:
            return FAILED_ON
    if "inconclusive" in setting.asked.fail_on:
        run = {result.record.cell for result in results if result.record}
        outcomes = [outcome for cell in view.cells if cell.id in run for outcome in cell.outcomes.values()]
        if any(outcome.state is OutcomeState.INCONCLUSIVE for outcome in outcomes):
            setting.say("inconclusive: a control failed, or a probe is at fault, in a cell of this run")
            return FAILED_ON
    return UNEXAMINED if failed else DONE


def _say_plan(setting: Setting, todo: Agenda, here: int) -> None:
    settled = todo.wanted - len(todo.failed) - len(todo.jobs)
    share = f", {here} of them in this shard" if here != len(todo.jobs) else ""
    trouble = f", {len(todo.failed)} could not be looked into" if todo.failed else ""
    setting.say(f"{todo.wanted} cells wanted: {settled} recorded or settled, {len(todo.jobs)} to run{share}{trouble}")
