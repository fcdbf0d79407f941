"""Runs jobs on several workers, and records each finished cell at once.

Each worker has an environment and takes the job that differs least from its last, so that large packages are seldom
reinstalled. A job that ends by an infrastructure error leaves no record.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from compatmatrix.config.tables import Config
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import claimed_folder
from compatmatrix.core.model import Probe, Record
from compatmatrix.core.states import CellState
from compatmatrix.environment import bytecode, disk
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import InstallFailed, Workspace
from compatmatrix.execution import cell_runner
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.resolve import uv
from compatmatrix.results import ledger as ledgers
from compatmatrix.results.interpretation import Reading, ended_early, interpret
from compatmatrix.results.ledger import Ledger

STOP_SECONDS = 4.0
"""How long workers may take to stop when the run is interrupted."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job: its record, or the error for which there is none; ``parts`` is where the seconds went."""

    job: Job
    record: Record | None
    error: str = ""
    seconds: float = 0.0
    parts: Mapping[str, float] = {}


class Progress(Protocol):
    """Shows the progress of a run; several threads call it."""

    def started(self, worker: int, job: Job) -> None: ...
    def finished(self, worker: int, result: Result) -> None: ...
    def message(self, text: str) -> None: ...


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler works with.

    Attributes:
        config: The configuration.
        probes: All probes that a job can name.
        folder: Where their files are.
        records: The folder of records.
        cache: Where environments are kept.
        instant: As of which the requests were resolved; dates the labels.
        now: Dates the records: one instant for the whole run, so that midnight, or a shard's clock, makes no difference.
    """

    config: Config
    probes: Sequence[Probe]
    folder: Path
    records: Path
    cache: Path
    instant: datetime
    now: datetime


class Scheduler:
    """Runs jobs on several workers."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self._options, self._progress = options, progress
        self._probes = {probe.id: probe for probe in options.probes}
        self._interpreters = Interpreters(options.cache / "interpreters")
        self._byte_code = ByteCode(options.cache / bytecode.FOLDER)
        self._stop = threading.Event()
        self._clearing = threading.Lock()
        # By the job's identity as an object: two jobs may be equal.
        self._results: dict[int, Result] = {}
        self._early: dict[int, str] = {}
        self._worker_errors: list[str] = []

    def stop(self) -> None:
        """Make the workers stop: cells that are running are ended without a record, finished ones stay recorded."""
        self._stop.set()

    def run(self, queue: Queue, workers: int) -> list[Result]:
        """Run jobs until the queue is closed and empty; returns the result of each, in the order in which they came.

        A cell that ended early, perhaps because of something outside, is run once more, alone, when all others are done.
        """
        try:
            self._run_on(workers, queue)
            queue.wait_until_closed()  # the workers may have died while jobs were still added
            self._run_on(1, Queue(job for job in queue.jobs if id(job) in self._early))
        except KeyboardInterrupt:
            recorded = sum(result.record is not None for result in self._results.values())
            raise KeyboardInterrupt(f"{recorded} of {len(queue.jobs)} cells are recorded") from None
        return [
            self._results.get(id(job)) or Result(job=job, record=None, error=self._why_unfinished(job))
            for job in queue.jobs
        ]

    def _why_unfinished(self, job: Job) -> str:
        why = "; ".join(dict.fromkeys(self._worker_errors)) or "the run was stopped before it was done"
        if id(job) in self._early:
            return f"ended early ({self._early[id(job)]}), and was not tried again: {why}"
        return why

    def _run_on(self, workers: int, queue: Queue) -> None:
        """Run the jobs of a queue on so many workers, and wait until these are done."""
        started: list[threading.Thread] = []
        try:
            for number in range(min(workers, len(queue.jobs)) if queue.closed else workers):
                thread = threading.Thread(target=self._work, args=(number, queue), daemon=True)
                try:
                    thread.start()
                except Exception as error:  # no more threads, or no memory: the workers that there are run all jobs
                    self._worker_errors.append(f"a worker could not be started: {error}")
                    break
                started.append(thread)
            for thread in started:
                while thread.is_alive():
                    thread.join(0.2)
        except KeyboardInterrupt:
            self.stop()
            queue.close()
            uv.stop()
            until = time.monotonic() + STOP_SECONDS
            for thread in started:
                thread.join(max(0.0, until - time.monotonic()))
            raise

    def _work(self, number: int, queue: Queue) -> None:
        """Run jobs until there are none; an error, MemoryError included, ends this worker and is kept for the results."""
        try:
            with claimed_folder(self._options.cache / "environments") as root:
                workspace = Workspace(self._options.config, root, self._interpreters, self._byte_code)
                workspace.remove_leftovers()
                last: Job | None = None
                while not self._stop.is_set() and (job := queue.take(last)):
                    if last is None or last.group != job.group:
                        # In a thread of its own: looking through the disk takes as long as a cell.
                        threading.Thread(target=self._clear_disk, daemon=True).start()
                    self._progress.started(number, job)
                    result = self._examine(workspace, job)
                    if result and (result.record or not self._stop.is_set()):
                        self._results[id(job)] = result
                        self._progress.finished(number, result)
                    last = job
        except BaseException as error:
            self._worker_errors.append(_message(error))

    def _clear_disk(self) -> None:
        """Keep the cache within its limit; called between groups, where the large packages change."""
        if self._clearing.acquire(blocking=False):
            try:
                config = self._options.config
                limit = int(config.limits.disk_gb * 1e9)
                disk.keep_within(self._options.cache, limit, config.named[1:], self._progress.message)
            finally:
                self._clearing.release()

    def _examine(self, workspace: Workspace, job: Job) -> Result | None:
        """The result of a job; None where it is to be run once more."""
        began = time.monotonic()
        parts: dict[str, float] = {}
        try:
            recorded = self._record(workspace, job, parts)
            if recorded is None:
                return None
            record, evidence = recorded
            recording = time.monotonic()
            ledgers.append(self._options.records, Ledger(records={record.key: record}, evidence=evidence))
            parts["record"] = time.monotonic() - recording
        except BaseException as error:
            # A bug of the engine must not end the worker, and with it every job that this would have run.
            with suppress(Exception):
                workspace.discard(job.cell.python)
            seconds = time.monotonic() - began
            return Result(job=job, record=None, error=_message(error), seconds=seconds, parts=parts)
        return Result(job=job, record=record, seconds=time.monotonic() - began, parts=parts)

    def _record(
        self, workspace: Workspace, job: Job, parts: dict[str, float]
    ) -> tuple[Record, Mapping[str, str]] | None:
        """The job's record with its evidence; None where the cell ended early for the first time."""
        began = time.monotonic()
        try:
            python = workspace.bring_to(job.cell)
        except InstallFailed as failure:
            return self._record_of(job, Reading(state=CellState.INSTALL_FAILED, detail=sanitize.line(failure, 500))), {}
        finally:
            parts["environment"] = time.monotonic() - began
        options, probes = self._options, [self._probes[name] for name in job.probes]
        raw = cell_runner.run(options.config, job.cell, python, probes, options.folder, self._stop.is_set)
        parts |= raw.parts()
        self._byte_code.learn(job.cell.python, raw.imported())
        reading = interpret(raw, probes)
        early = ended_early(raw, reading, probes)
        if raw.changed and "environment" not in raw.isolation:
            # The cell changed the environment that the next cell would get.
            workspace.distrust(job.cell)
        elif reading.state not in (CellState.RAN, CellState.IMPORT_FAILS):
            # A broken environment must not end the second run early too.
            workspace.discard(job.cell.python)
        if early and not self._confirmed(job, early):
            return None
        return self._record_of(job, reading, "network" not in raw.isolation), reading.evidence

    def _confirmed(self, job: Job, early: str) -> bool:
        """Whether the job's cell has ended early before, at the same point; then it is the cell's own doing.

        Raises:
            InfrastructureError: It ended at another point before.
        """
        before = self._early.get(id(job))
        if before is None:
            self._early[id(job)] = early
            return False
        if before != early:
            raise InfrastructureError(f"ended early twice, {before} and then, alone, {early}: run it again")
        return True

    def _record_of(self, job: Job, reading: Reading, network: bool | None = None) -> Record:
        instant, now = format_instant(self._options.instant), format_instant(self._options.now)
        record = job.record(instant, now, reading.state, reading.detail, reading.outcomes)
        return msgspec.structs.replace(record, tampering=reading.tampering, network=network)


def _message(error: BaseException) -> str:
    return str(error) if isinstance(error, InfrastructureError) else f"{type(error).__name__}: {error}"
