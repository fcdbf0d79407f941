"""The command `plan`, and how `run` comes by what it has to do: from the index, or from a plan made before."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.ci import github_files, plan_formats
from compatmatrix.cli.context import Setting
from compatmatrix.cli.options import DONE, UNEXAMINED
from compatmatrix.config.matrix_file import host_platform
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.model import InfrastructureError, UserError
from compatmatrix.index import releases
from compatmatrix.planning import missing, plan_file, requests
from compatmatrix.planning.missing import Job
from compatmatrix.planning.plan_file import Plan, shard
from compatmatrix.planning.requests import Planner
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def obtain(setting: Setting) -> Plan:
    """The plan that `--plan` names, else one made now; the setting takes over its instants."""
    if setting.asked.plan is None:
        return make(setting)
    asked = setting.asked
    if asked.only or asked.pairing or asked.as_of or asked.fresh:
        raise UserError("--plan says what is run; give --only, --pairing, --as-of and --fresh when planning")
    made = plan_file.read(asked.plan, setting.probes, host_platform(setting.config))
    if made.error:
        raise InfrastructureError(f"{asked.plan}: {made.error}")
    setting.now = parse_instant(made.planned)
    setting.selection = msgspec.structs.replace(setting.selection, as_of=parse_instant(made.instant))
    return made


def make(setting: Setting) -> Plan:
    """Look at the index, plan, lock, and hold it against the ledger."""
    config, selection = setting.config, setting.selection
    projects = releases.fetch(config.index, config.named, setting.cache / "index", setting.say)
    subject = projects[canonicalize_name(config.subject.name)]
    if selection.as_of and not any(file.uploaded for file in subject):
        raise InfrastructureError(
            f"--as-of: the index gives no upload times of {config.subject.name}, so nothing is known of that day"
        )
    planner = Planner(
        config=config,
        projects=projects,
        probes=setting.probes,
        platform=host_platform(config),
        as_of=selection.as_of,
    )
    requested, undated = planner.requests(selection), planner.undated(selection)
    if not requested and not undated:
        setting.say("nothing on the index matches what was asked for")
    rows = requests.subject_releases(config, projects, selection.as_of)
    known = ledger.merge(setting.ledger(), Ledger(releases={release.version: release for release in rows}))
    with setting.console.status(f"resolving {len(requested)} cells …") as status:
        options = missing.Options(
            config=config, selection=selection, cache=setting.cache, now=setting.now, fresh=setting.asked.fresh
        )
        todo = missing.find_missing(
            options,
            requested,
            known,
            lambda done: status.update(f"resolving {len(requested)} cells … {done}"),
        )
    listed = releases.releases(subject)
    return msgspec.structs.replace(
        _empty(setting),
        requested=todo.requested + len(undated),
        jobs=todo.jobs,
        ready=todo.ready,
        failed=(*undated, *todo.failed),
        listed=tuple(release.version for release in listed),
        # What a row shows of a release; the names of its files are no part of it.
        releases=tuple(msgspec.structs.replace(release, wheels=()) for release in rows),
    )


def show_plan(setting: Setting) -> int:
    """Print what `run` would run, and keep the plan where `--save` says."""
    file, form = setting.asked.save, setting.asked.format
    if file is None and form in ("gitlab", "lines"):
        raise UserError(f"--format {form} needs --save FILE: its commands work by the plan in that file")
    try:
        made = make(setting)
    except InfrastructureError as trouble:
        # A plan that says why there is none: whoever publishes and raises alarms has to know.
        if file:
            plan_file.save(msgspec.structs.replace(_empty(setting), error=str(trouble)), file)
        raise
    if file:
        plan_file.save(made, file)
    if form == "gitlab":
        print(plan_formats.as_gitlab(made, file), end="")
    elif form == "lines":
        print(plan_formats.as_lines(made, file), end="")
    elif form == "json":
        print(plan_formats.as_json(made, shard(made.jobs, *setting.asked.shard)))
    else:
        _say(setting, made, shard(made.jobs, *setting.asked.shard))
    github_files.output("shards", str(len(made.shards)))
    github_files.output("matrix", plan_formats.as_matrix(made.shards))
    github_files.output("smoke", plan_formats.as_matrix(made.smoke))
    return UNEXAMINED if made.failed else DONE


def say_counts(setting: Setting, made: Plan, here: int) -> None:
    """One line: how many cells are wanted, settled and to be run."""
    share = f", {here} of them in this shard" if here != len(made.jobs) else ""
    trouble = f", {len(made.failed)} could not be looked into" if made.failed else ""
    setting.say(
        f"{made.requested} cells requested: {made.settled} recorded or settled, {len(made.jobs)} to run{share}{trouble}"
    )


def _say(setting: Setting, made: Plan, jobs: Sequence[Job]) -> None:
    say_counts(setting, made, len(jobs))
    for job in jobs:
        setting.say(f"  {job.title}; {len(job.probes)} probes")
    for title, why in made.failed:
        setting.say(f"not examined: {title}: {why}")


def _empty(setting: Setting) -> Plan:
    return Plan(
        planned=format_instant(setting.now),
        instant=format_instant(setting.selection.as_of or setting.now),
        platform=host_platform(setting.config),
    )
