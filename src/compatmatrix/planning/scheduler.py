"""The run: in what order, on how many workers, each finished cell recorded at once.

Workers keep an environment each and take cells that differ least from the one before, so that the heavy packages
change seldom. What could not be examined, for reasons of ours, is not written to the ledger.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import msgspec
from packaging.version import Version

from compatmatrix.config.matrix_file import Config
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.files import claimed_folder
from compatmatrix.core.model import CellState, InfrastructureError, Probe, Record
from compatmatrix.environment import bytecode, disk
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import InstallFailed, NoPython, Workspace
from compatmatrix.execution import cell_runner
from compatmatrix.planning.missing import Job, group
from compatmatrix.planning.requests import Selection
from compatmatrix.resolve import uv
from compatmatrix.results import ledger as ledgers
from compatmatrix.results.interpretation import Reading, ended_early, interpret
from compatmatrix.results.ledger import Ledger

STOP_SECONDS = 4.0
"""How long the workers have to leave what they are at."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job: its record, or why there is none."""

    job: Job
    record: Record | None
    trouble: str = ""
    seconds: float = 0.0
    parts: Mapping[str, float] = {}


class Watcher(Protocol):
    """Whoever shows progress."""

    def started(self, worker: int, job: Job) -> None: ...
    def finished(self, worker: int, result: Result) -> None: ...
    def said(self, text: str) -> None: ...


class Run:
    """Carries out an agenda on some workers."""

    def __init__(
        self,
        config: Config,
        probes: Sequence[Probe],
        folder: Path,
        records: Path,
        cache: Path,
        selection: Selection,
        now: datetime,
        watcher: Watcher,
    ) -> None:
        self._config, self._folder, self._records, self._cache = config, folder, records, cache
        self._probes = {probe.id: probe for probe in probes}
        self._instant = format_instant(selection.as_of or now)
        # One instant for all that a run finds, so that midnight, or a shard's clock, makes no second day of it.
        self._recorded = format_instant(now)
        self._watcher = watcher
        self._interpreters = Interpreters(cache / "interpreters")
        self._byte_code = ByteCode(cache / bytecode.FOLDER)
        self._stop = threading.Event()
        self._room = threading.Lock()
        # By the job's identity as an object: each job is one thing to do, whatever it has in common with others.
        self._results: dict[int, Result] = {}
        self._early: dict[int, str] = {}
        self._lost: list[str] = []

    def stop(self) -> None:
        """Ask the workers to end at once; cells at work are given up, finished ones are recorded."""
        self._stop.set()

    def go(self, jobs: Sequence[Job], workers: int) -> list[Result]:
        """Run the jobs; returns what became of each, in their order: a record, or why there is none.

        A cell that ended early, which need not be its own doing, is run once more when all others are done.
        """
        try:
            self._work_off(jobs, workers)
            self._work_off([job for job in jobs if id(job) in self._early], 1)
        except KeyboardInterrupt:
            recorded = sum(result.record is not None for result in self._results.values())
            raise KeyboardInterrupt(f"{recorded} of {len(jobs)} cells are recorded") from None
        return [self._results.get(id(job)) or Result(job=job, record=None, trouble=self._why(job)) for job in jobs]

    def _why(self, job: Job) -> str:
        """Why nothing came of a job that nobody brought to its end."""
        why = "; ".join(dict.fromkeys(self._lost)) or "the run was stopped before it was done"
        return (
            f"ended early ({self._early[id(job)]}), and was not tried again: {why}" if id(job) in self._early else why
        )

    def _work_off(self, jobs: Sequence[Job], workers: int) -> None:
        """Run the jobs on so many workers, and wait for these."""
        queue = Queue(jobs)
        threads = [
            threading.Thread(target=self._worker, args=(number, queue), daemon=True)
            for number in range(min(workers, len(jobs)))
        ]
        begun: list[threading.Thread] = []
        try:
            for thread in threads:
                try:
                    thread.start()
                except Exception as error:  # no more threads, or no memory: those that there are do all of it
                    self._lost.append(f"a worker could not be started: {error}")
                    break
                begun.append(thread)
            for thread in begun:
                while thread.is_alive():
                    thread.join(0.2)
        except KeyboardInterrupt:
            self.stop()
            uv.stop()
            until = time.monotonic() + STOP_SECONDS
            for thread in begun:
                thread.join(max(0.0, until - time.monotonic()))
            raise

    def _worker(self, number: int, queue: Queue) -> None:
        try:
            self._work(number, queue)
        except BaseException as error:
            # Whatever it was, MemoryError included: the jobs that are left go to other workers, or are listed with this.
            self._lost.append(_words(error))

    def _work(self, number: int, queue: Queue) -> None:
        with claimed_folder(self._cache / "environments") as root:
            workspace = Workspace(self._config, root, self._interpreters, self._byte_code)
            last: Job | None = None
            while not self._stop.is_set() and (job := queue.take(last)):
                if last is None or group(last) != group(job):
                    # Looking through the disk takes as long as a cell: nobody waits for it.
                    threading.Thread(target=self._make_room, daemon=True).start()
                self._watcher.started(number, job)
                result = self._examine(workspace, job)
                if result and (result.record or not self._stop.is_set()):
                    self._results[id(job)] = result
                    self._watcher.finished(number, result)
                last = job

    def _make_room(self) -> None:
        """Between groups, where the heavy packages change, keep the disk within its bound."""
        if self._room.acquire(blocking=False):
            try:
                heavy = self._config.named[1:]
                disk.keep_within(self._cache, int(self._config.limits.disk_gb * 1e9), heavy, self._watcher.said)
            finally:
                self._room.release()

    def _examine(self, workspace: Workspace, job: Job) -> Result | None:
        """What became of a job; None where it is to be tried once more."""
        started = time.monotonic()
        parts: dict[str, float] = {}
        try:
            found = self._record(workspace, job, parts)
            if found is None:
                return None
            record, evidence = found
            began = time.monotonic()
            ledgers.append(self._records, Ledger(records={record.key: record}, evidence=evidence))
            parts["record"] = time.monotonic() - began
        except BaseException as error:
            # A defect of ours must not end a worker, and with it every job that it would have taken.
            with suppress(Exception):
                workspace.discard(job.cell.python)
            seconds = time.monotonic() - started
            return Result(job=job, record=None, trouble=_words(error), seconds=seconds, parts=parts)
        return Result(job=job, record=record, seconds=time.monotonic() - started, parts=parts)

    def _record(
        self, workspace: Workspace, job: Job, parts: dict[str, float]
    ) -> tuple[Record, Mapping[str, str]] | None:
        """The job's record with its evidence; None where the cell ended early for the first time."""
        began = time.monotonic()
        try:
            python = workspace.bring_to(job.cell)
        except InstallFailed as failure:
            return self._made(job, Reading(state=CellState.INSTALL_FAILED, detail=sanitize.line(failure, 500))), {}
        except NoPython as missing:
            return self._made(job, Reading(state=CellState.NO_PYTHON, detail=str(missing))), {}
        finally:
            parts["environment"] = time.monotonic() - began
        put = [self._probes[name] for name in job.probes]
        raw = cell_runner.run(self._config, job.cell, python, put, self._folder, self._stop.is_set)
        parts |= raw.parts()
        self._byte_code.learn(job.cell.python, raw.imported())
        reading = interpret(raw, put)
        early = ended_early(raw, reading)
        if raw.changed and "environment" not in raw.isolation:
            # What the cell did to its environment it did to the one that the next cell would get.
            workspace.distrust(job.cell)
        elif reading.state not in (CellState.RAN, CellState.IMPORT_FAILS):
            # Nor is a second try to end early for what is wrong with the environment.
            workspace.discard(job.cell.python)
        if early and not self._confirmed(job, early):
            return None
        record = self._made(job, reading)
        return msgspec.structs.replace(record, network="network" not in raw.isolation), reading.evidence

    def _confirmed(self, job: Job, early: str) -> bool:
        """Whether the job's cell has ended early before, at the same: twice, and the second time alone, is its own doing.

        Raises:
            InfrastructureError: it was at something else then.
        """
        before = self._early.get(id(job))
        if before is None:
            self._early[id(job)] = early
            return False
        if before != early:
            raise InfrastructureError(f"ended early twice, {before} and then, alone, {early}: run it again")
        return True

    def _made(self, job: Job, reading: Reading) -> Record:
        record = job.record(self._instant, self._recorded, reading.state, reading.detail, reading.outcomes)
        return msgspec.structs.replace(record, oddities=reading.oddities)


class Queue:
    """Jobs in groups of one Python and the same companions; a worker stays with its group while it lasts."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._mutex = threading.Lock()
        self._groups: dict[tuple[str, ...], list[Job]] = defaultdict(list)
        for job in sorted(jobs, key=lambda job: (group(job), Version(job.cell.subject))):
            self._groups[group(job)].append(job)
        self._taken: set[tuple[str, ...]] = set()

    def take(self, last: Job | None) -> Job | None:
        """The next job after ``last``: of its group, else of one that nobody has begun, else of the longest."""
        with self._mutex:
            left = [one for one, jobs in self._groups.items() if jobs]
            if not left:
                return None
            mine = group(last) if last else ()
            chosen = max(
                left,
                key=lambda one: (one == mine, one not in self._taken, _shared(one, mine), len(self._groups[one])),
            )
            self._taken.add(chosen)
            return self._groups[chosen].pop(0)


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, InfrastructureError) else f"{type(error).__name__}: {error}"


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many leading parts two groups have in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
