"""The command `plan`, and how `run` obtains its plan: from the index, or from a file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.analysis import pythons
from compatmatrix.ci import github
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import CONFIG, DONE, UNEXAMINED
from compatmatrix.core import files
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import CellRequest, Release
from compatmatrix.core.pairings import Over, named
from compatmatrix.core.text import counted
from compatmatrix.index import releases
from compatmatrix.planning import missing, plan_file, requests
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.plan_file import SECONDS_PER_CELL, Plan, Shard, shard
from compatmatrix.planning.requests import Planner
from compatmatrix.planning.selection import Selection
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def obtain(context: Context, chosen: options.Run) -> Plan:
    """Read the plan of `--plan`, or make one.

    Raises:
        UserError: the file is no plan, or one for other probes or another platform.
        InfrastructureError: the index or the network failed, now or when the plan was made.
    """
    if chosen.plan is None:
        return make(context, selection_of(chosen), chosen.fresh)
    plan = plan_file.read(chosen.plan, context.probes, context.platform)
    if plan.error:
        raise InfrastructureError(f"{chosen.plan}: {plan.error}")
    return plan


def make(context: Context, selection: Selection, fresh: bool, queue: Queue | None = None) -> Plan:
    """Ask the index for releases, request cells, lock them, and leave out what is on record.

    Args:
        queue: Gets jobs as soon as they can be run.

    Raises:
        UserError: the selection names no package or pairing of matrix.toml, or matches no release.
        InfrastructureError: the index or the network failed.
    """
    config = context.config
    projects = releases.fetch(config.index, config.named, context.cache / "index", context.say)
    listed = projects[canonicalize_name(config.subject.name)]
    if selection.as_of and not any(file.uploaded for file in listed):
        raise InfrastructureError(
            f"--as-of: the index gives no upload times of {config.subject.name}, so its past is unknown"
        )
    planner = Planner(
        config=config, projects=projects, probes=context.probes, platform=context.platform, as_of=selection.as_of,
        working=_working(context, selection),
    )  # fmt: skip
    requested, failed = planner.requests(selection), planner.unrequestable(selection)
    for text in planner.passed_over(selection):
        context.note(text)
    rows = requests.subject_releases(config, projects, selection.as_of)
    todo = resolve(context, requested, rows, selection, fresh, queue)
    return msgspec.structs.replace(
        todo,
        requested=todo.requested + len(failed),
        failed=(*failed, *todo.failed),
        listed=tuple(release.version for release in releases.releases(listed)),
    )


def _working(context: Context, selection: Selection) -> Mapping[str, str]:
    """For each release the newest of the map's companion that is on record to work; nothing where no pairing asks."""
    chosen = selection.pairings or context.config.pairings.default
    if not any(named(pairing).over is Over.PYTHON for pairing in chosen):
        return {}
    return pythons.newest_working(context.view())


def resolve(
    context: Context,
    requested: Sequence[CellRequest],
    rows: Sequence[Release],
    selection: Selection,
    fresh: bool,
    queue: Queue | None = None,
) -> Plan:
    """Lock the requested cells, and plan those that are not on record; ``rows`` are the releases to record with them."""
    known = ledger.merge(context.ledger(), Ledger(releases={release.version: release for release in rows}))
    with context.console.status(f"resolving {len(requested)} cells …") as status:
        todo = missing.find_missing(
            missing.Options(
                config=context.config, selection=selection, cache=context.cache, now=context.now, fresh=fresh
            ),
            requested,
            known,
            lambda done: status.update(f"resolving {len(requested)} cells … {done}"),
            queue,
        )
    return msgspec.structs.replace(
        empty(context, selection),
        **msgspec.structs.asdict(todo),
        # Without the names of its files, of which no report says anything.
        releases=tuple(msgspec.structs.replace(release, wheels=()) for release in rows),
    )


def show_plan(context: Context, chosen: options.Plan) -> int:
    """Print what `run` would run, and write the plan to the file of `--save`."""
    file, selection = chosen.save, selection_of(chosen)
    try:
        plan = make(context, selection, chosen.fresh)
    except InfrastructureError as error:
        if file:  # `merge` and `announce` have to know why there is none
            files.write_json(msgspec.structs.replace(empty(context, selection), error=str(error)), file)
        raise
    if file:
        files.write_json(plan, file)
        context.say(f"saved to {file}")
    jobs = shard(plan.jobs, *chosen.shard)
    if chosen.format == "lines" and file:
        print(as_lines(plan, file, chosen.config), end="")
    elif chosen.format == "json":
        print(as_json(plan, jobs))
    else:
        context.say(counts(plan, len(jobs)))
        for job in jobs:
            context.say(f"  {job.title}; {counted(len(job.probes), 'probe')}: {'; '.join(job.why)}")
        probes, minutes = sum(len(job.probes) for job in jobs), max(1, len(jobs) * SECONDS_PER_CELL / 60)
        if jobs:
            total = f"{counted(len(jobs), 'cell')}, {counted(probes, 'probe')}"
            context.say(f"{total}, at most {minutes:.0f} min where one cell runs at a time")
        context.say_failed(plan.failed)
    github.output("shards", str(len(plan.shards)))
    github.output("matrix", as_matrix(plan.shards))
    github.output("smoke", as_matrix(plan.smoke))
    return UNEXAMINED if plan.failed else DONE


def selection_of(chosen: options.PlanningOptions) -> Selection:
    """The cells that the options narrow a plan to."""
    return Selection(only=chosen.only, pairings=chosen.pairing, as_of=chosen.as_of)


def counts(plan: Plan, here: int) -> str:
    """How many cells were requested, how many are settled, and how many are to be run."""
    share = f", {here} of them in this shard" if here != len(plan.jobs) else ""
    failed = f", {len(plan.failed)} could not be planned" if plan.failed else ""
    return f"{counted(plan.requested, 'cell')} requested: {plan.settled} recorded or settled, {len(plan.jobs)} to run{share}{failed}"


def empty(context: Context, selection: Selection) -> Plan:
    """A plan without anything to do."""
    return Plan(
        planned=format_instant(context.now),
        instant=format_instant(selection.as_of or context.now),
        platform=context.platform,
    )


def as_json(plan: Plan, jobs: Sequence[Job]) -> str:
    """The plan and some of its jobs, without the locks, which only the saved file needs."""
    tree = {
        "planned": plan.planned,
        "wanted": plan.requested,
        "settled": plan.settled,
        "run": [
            {
                "cell": job.cell.id(),
                "python": job.cell.python,
                "versions": job.cell.versions,
                "pairings": job.labels,
                "probes": sorted(job.probes),
                "why": job.why,
            }
            for job in jobs
        ],
        "not_examined": [{"cell": title, "why": why} for title, why in plan.failed],
        "minutes": round(len(plan.jobs) * SECONDS_PER_CELL / 60, 1),
        "shards": [shard.entry() | {"minutes": shard.minutes} for shard in plan.shards],
    }
    return json.dumps(tree, indent=1)


def as_matrix(shards: Sequence[Shard]) -> str:
    """GitHub's job matrix, on one line."""
    return json.dumps({"include": [shard.entry() for shard in shards]})


def as_lines(plan: Plan, file: Path, config: Path = CONFIG) -> str:
    """One shell command a shard."""
    named = "" if config == CONFIG else f" --config {shlex.quote(str(config))}"
    run = f"python -m compatmatrix run{named} --plan {shlex.quote(str(file))}"
    return "".join(f"{run} --shard {part.shard} --reports shards/{part.number}\n" for part in plan.shards)
