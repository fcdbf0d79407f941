"""Runs jobs with progress, and turns sources and releases into requests and those into records."""

from __future__ import annotations

import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

import msgspec
from rich.control import Control
from rich.segment import ControlType

from compatmatrix.cli import plan
from compatmatrix.cli.context import Context
from compatmatrix.cli.exit_codes import Failure
from compatmatrix.cli.progress import Display, timings
from compatmatrix.config import probe_files
from compatmatrix.config.source_addresses import published
from compatmatrix.core import untrusted_files
from compatmatrix.core.encoding import digest, format_instant, parse_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import claimed_folder
from compatmatrix.core.model import CellRequest, Probe, Record, Release, Source, record_key
from compatmatrix.core.pairings import NIGHTLY
from compatmatrix.core.states import CellState
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.index import releases
from compatmatrix.planning import requests, scheduler
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.plan_file import Plan
from compatmatrix.planning.recorded import OnRecord
from compatmatrix.planning.requests import Planner
from compatmatrix.planning.scheduler import Result, Scheduler
from compatmatrix.planning.selection import Selection
from compatmatrix.resolve import uv
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from compatmatrix.sources.build_environment import BuildTools
from compatmatrix.sources.builder import Builder, Built, Unbuildable


def run_plan(context: Context, todo: Plan, jobs: Sequence[Job], workers: int) -> tuple[list[Result], list[Failure]]:
    """Record what the plan settles, and run jobs of it with progress; each result is recorded as soon as it is there.

    Returns:
        The results, and all that could not be examined: when planning, and now.

    Raises:
        InfrastructureError: the probes cannot be copied, or were edited since the context was read.
        KeyboardInterrupt: the run was interrupted; says how many cells are recorded, and how to go on.
    """

    def made(queue: Queue) -> Plan:
        queue.add(jobs)
        return todo

    return plan_and_run(context, todo, made, workers)[1:]


def plan_and_run(
    context: Context, begun: Plan, make: Callable[[Queue], Plan], workers: int
) -> tuple[Plan, list[Result], list[Failure]]:
    """The same for a plan that is still to be made: cells run while others are locked.

    Args:
        begun: The instants of the plan.
        make: Makes it; called in a thread of its own with the queue of the cells that can be run.
    """
    queue, display = Queue(closed=False), Display(context.console, context.quiet)
    made: list[Plan] = []
    errors: list[BaseException] = []

    def planning() -> None:
        try:
            todo = make(queue)
            ledger.append(context.records, todo.facts)
            if queue.jobs:
                display.planned(len(queue.jobs))
            made.append(todo)
        except BaseException as error:
            errors.append(error)
        finally:
            queue.close()

    thread = threading.Thread(target=planning, daemon=True)
    thread.start()
    try:
        results = _run_jobs(context, begun, queue, display, workers) if queue.begun() else []
        thread.join()
    except BaseException as interrupt:
        queue.close()
        uv.stop()
        thread.join(scheduler.STOP_SECONDS)
        # What planning shows is at times left behind when it ends beside an interrupt.
        context.console.control(Control((ControlType.ERASE_IN_LINE, 2), ControlType.CARRIAGE_RETURN))
        if not isinstance(interrupt, KeyboardInterrupt):
            raise
        if not made or not str(interrupt):  # no cell has been run, or it is not known how many there are
            raise KeyboardInterrupt from None
        known = OnRecord(context.config, ledger.read(context.records), False)
        left = sum(not known.holds(job.cell.id(), job.probes) for job in queue.jobs)
        raise KeyboardInterrupt(f"{interrupt}\n{context.going_on(left, len(queue.jobs))}") from None
    if errors:
        raise errors[0]
    failed = [(result.job.title, result.error) for result in results if result.record is None]
    return made[0], results, [*made[0].failed, *failed]


def _run_jobs(context: Context, todo: Plan, queue: Queue, display: Display, workers: int) -> list[Result]:
    ledger.append(context.records, Ledger())  # where that fails, no cell need be run
    with claimed_folder(context.cache / "questions") as scratch, display.shown():
        # A copy, so that an edit during the run does not change what a digest stands for.
        folder = scratch / "probes"
        try:
            untrusted_files.remove(folder)
            shutil.copytree(context.probes_folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
        except OSError as error:
            raise InfrastructureError(f"the probes cannot be copied to {scratch}: {error}") from None
        if probe_files.read(folder, context.config.environment) != context.probes:
            raise InfrastructureError(f"{context.probes_folder} changed while the run was planned; run again")
        options = scheduler.Options(
            config=context.config,
            probes=context.probes,
            folder=folder,
            records=context.records,
            cache=context.cache,
            instant=parse_instant(todo.instant),
            now=parse_instant(todo.planned),
        )
        return Scheduler(options, display).run(queue, workers)


class Examiner:
    """Makes requests of sources and releases, and brings each to a record. The index is asked on first use."""

    def __init__(self, context: Context, workers: int, fresh: bool, as_of: datetime | None = None) -> None:
        self._context, self._workers, self.fresh, self._as_of = context, workers, fresh, as_of
        self.cells_run = 0
        self._results: list[Result] = []
        self._apart: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time of a block, which may run beside others, to those of a part."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._apart[part] += time.monotonic() - began

    def timings(self) -> Iterator[str]:
        """How long the parts of the cells took; what was built and locked before or beside them is not in the sum."""
        yield from timings(self._results)
        for part, seconds in self._apart.items():
            yield f"  {part:12} {seconds / max(1, len(self._results)):6.2f} s a cell, not in the sum"

    @cached_property
    def projects(self) -> releases.Projects:
        """What the index lists of the subject and the companions."""
        config = self._context.config
        return releases.fetch(config.index, config.named, self._context.cache / "index", self._context.say)

    @cached_property
    def rows(self) -> tuple[Release, ...]:
        """The releases of the subject, oldest first."""
        return requests.subject_releases(self._context.config, self.projects, self._as_of)

    @cached_property
    def newest(self) -> Release:
        """The release that `pip install` gives: the newest that is neither a pre-release nor yanked."""
        newest = next((release for release in reversed(self.rows) if release.stable), None)
        if newest is None:
            raise InfrastructureError(f"the index lists no stable release of {self._context.config.subject.name}")
        return newest

    @cached_property
    def builder(self) -> Builder:
        """Builds wheels of the subject."""
        config, cache = self._context.config, self._context.cache
        find = Interpreters(cache / "interpreters").find
        tools = BuildTools(index=config.index, pythons=config.python.versions, find=find)
        return Builder(config.subject.name, tools, cache)

    def release_request(
        self, release: Release, pairing: str, probes: Sequence[Probe], explicit: Mapping[str, str] | None = None
    ) -> CellRequest:
        """A release with the companions of a pairing, some of them in explicit versions."""
        planner = Planner(
            config=self._context.config,
            projects=self.projects,
            probes=probes,
            platform=self._context.platform,
            as_of=self._as_of,
        )
        return planner.request(release, pairing, explicit or {})

    def source_request(self, built: Built, pairing: str, probes: Sequence[Probe]) -> CellRequest:
        """A source with the companions of a pairing."""
        request = self.release_request(built.release, pairing, probes)
        return msgspec.structs.replace(request, subject=built.source.row, source=built.source, wheel=built.url)

    def nightly_request(self, request: CellRequest) -> CellRequest:
        """The same with nightly builds of the companions that have some."""
        nightly = self._context.config.watch.nightly
        name, address = next(iter(nightly.items()))
        source = request.source or Source(package=name, origin=published(address), reference=NIGHTLY.name)
        return msgspec.structs.replace(request, pairing=NIGHTLY.name, source=source, nightly=nightly)

    def unbuildable(self, failure: Unbuildable, pairing: str) -> Record:
        """The record that no wheel can be built of a source, stored so that it is not tried again."""
        source, context = failure.source, self._context
        cell = digest(["unbuildable", *filter(None, source.name[1:]), source.identity, context.platform])
        record = Record(
            key=record_key(cell, {}),
            cell=cell,
            subject=source.row,
            python="",
            platform=context.platform,
            versions={context.config.subject.name: source.row},
            pairings={pairing: (format_instant(self._as_of or context.now),)},
            state=CellState.INSTALL_FAILED,
            detail=f"cannot be built from source: {failure}",
            recorded=format_instant(context.now),
            source=source,
        )
        ledger.append(context.records, Ledger(records={record.key: record}))
        return record

    def examine(self, requested: Sequence[CellRequest]) -> list[Failure]:
        """Bring every request to a record, running what is missing; returns what could not be examined."""
        return self.run(plan.resolve(self._context, requested, self.rows, Selection(as_of=self._as_of), self.fresh))

    def run(self, todo: Plan) -> list[Failure]:
        """Run the jobs of a plan; returns what could not be examined."""
        results, failed = run_plan(self._context, todo, todo.jobs, self._workers)
        self._results += results
        self.cells_run += sum(result.record is not None for result in results)
        return failed
