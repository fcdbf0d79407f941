"""The commands: each puts the rooms together for one purpose and returns an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from packaging.requirements import Requirement

from compatmatrix import agenda, ledger, plan, releases, schedule, support
from compatmatrix.agenda import Agenda, shard
from compatmatrix.cli import DONE, FAILED_ON, UNEXAMINED
from compatmatrix.config import host_platform
from compatmatrix.ledger import Ledger
from compatmatrix.model import OutcomeState, UserError
from compatmatrix.progress import Display
from compatmatrix.publish import terminal, write
from compatmatrix.schedule import Result
from compatmatrix.setting import Setting


def _agenda(setting: Setting) -> tuple[Agenda, Ledger]:
    """Look at the index, plan, lock, and hold it against the ledger."""

    projects = releases.fetch(setting.config.index, setting.config.named, setting.cache / "index", setting.say)
    wanted = plan.plan(setting.config, projects, setting.probes, host_platform(setting.config), setting.selection)
    if not wanted:
        setting.say("nothing on the index matches what was asked for")
    listed = plan.subject_releases(setting.config, projects, setting.selection.as_of)
    known = ledger.merge(setting.ledger(), ledger.Ledger(releases={release.version: release for release in listed}))
    with setting.console.status("resolving …") as status:
        found = agenda.agenda(
            setting.config,
            wanted,
            known,
            setting.selection,
            setting.cache,
            setting.now,
            setting.asked.fresh,
            lambda done: status.update(f"resolving … {done}"),
        )
    return found, known


def _plan(setting: Setting) -> int:

    todo, _ = _agenda(setting)
    jobs = shard(todo.jobs, *setting.asked.shard)
    if setting.asked.format == "json":
        tree = {
            "wanted": todo.wanted,
            "recorded": todo.wanted - len(todo.jobs) - len(todo.failed),
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
            setting.say(f"  {job.title}: {', '.join(job.labels)}; {len(job.probes)} probes")
    return UNEXAMINED if todo.failed else DONE


def _run(setting: Setting) -> int:

    todo, known = _agenda(setting)
    jobs = shard(todo.jobs, *setting.asked.shard)
    _say_plan(setting, todo, len(jobs))
    earlier = setting.ledger()
    news = ledger.merge(*(ledger.Ledger(records={record.key: record}) for record in todo.ready))
    ledger.append(setting.records, ledger.Ledger(records=news.records, releases=known.releases))
    display = Display(setting.console, len(jobs), setting.asked.jobs)
    run = schedule.Run(
        setting.config,
        setting.probes,
        setting.folder,
        setting.records,
        setting.cache,
        setting.selection,
        setting.now,
        display,
    )
    results: list[Result] = []
    if jobs:
        with display.shown():
            results = run.go(jobs, setting.asked.jobs)
    now = setting.ledger()
    write.write(setting.reports, write.contents(now, setting.config, setting.probes))
    view = support.view(now, setting.config, setting.probes)
    terminal.print_table(setting.console, view)
    setting.say(f"reports: {setting.reports / 'compatibility.md'}, compatibility.json; records: {setting.records}")
    failed = [*todo.failed, *((result.job.title, result.trouble) for result in results if result.record is None)]
    for title, why in failed:
        setting.say(f"not examined: {title}: {why}")
    return _exit_code(setting, earlier, now, results, bool(failed))


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
        if any(
            outcome.state is OutcomeState.INCONCLUSIVE
            for cell in view.cells
            if cell.id in run
            for outcome in cell.outcomes.values()
        ):
            setting.say("inconclusive: a control failed, or a probe is at fault, in a cell of this run")
            return FAILED_ON
    return UNEXAMINED if failed else DONE


def _report(setting: Setting) -> int:

    if setting.asked.repair:
        for damage in ledger.repair(setting.records):
            setting.say(f"set aside: {setting.records / damage.file}:{damage.line}: {damage.problem}")
    files = write.contents(setting.ledger(), setting.config, setting.probes)
    write.write(setting.reports, files)
    setting.say(f"{len(files)} files in {setting.reports} are as the records say")
    return DONE


def _show(setting: Setting) -> int:

    asked = Requirement(setting.asked.release)
    if asked.name != setting.config.subject.name:
        name = setting.config.subject.name
        raise UserError(f"show {asked}: the subject here is {name}; write {name}==VERSION")
    view = support.view(setting.ledger(), setting.config, setting.probes)
    cells = [
        cell
        for cell in view.cells
        if asked.specifier.contains(cell.subject, prereleases=True)
        and setting.selection.admits(cell.versions)
        and ({*cell.pairings} & {*(setting.selection.pairings or view.pairings)})
    ]
    if not cells:
        known = ", ".join(release.version for release in view.releases) or "no releases at all (run the matrix first)"
        raise UserError(f"show {asked}: nothing is recorded of it; recorded are {known}")
    terminal.print_release(setting.console, view, cells)
    return DONE


def _say_plan(setting: Setting, todo: Agenda, here: int) -> None:
    settled = todo.wanted - len(todo.failed) - len(todo.jobs)
    share = f", {here} of them in this shard" if here != len(todo.jobs) else ""
    trouble = f", {len(todo.failed)} could not be looked into" if todo.failed else ""
    setting.say(f"{todo.wanted} cells wanted: {settled} recorded or settled, {len(todo.jobs)} to run{share}{trouble}")


COMMANDS: Mapping[str, Callable[[Setting], int]] = {"run": _run, "plan": _plan, "report": _report, "show": _show}
