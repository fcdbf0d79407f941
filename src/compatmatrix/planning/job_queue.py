"""What is run: a job, and the order in which workers take jobs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile

import msgspec
from packaging.version import Version

from compatmatrix.core.model import Cell, Outcome, Record, record_key
from compatmatrix.core.states import CellState


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A cell to run, with the pairings that requested it and the probes to run in it, by the digest of their source.

    ``since`` maps a pairing to the instant on record at which its request was resolved to this cell, where the lock on
    record is run again. ``why`` says why the cell is to be run, ``environment`` with which variables of ``[environment]``.
    """

    cell: Cell
    labels: tuple[str, ...]
    probes: Mapping[str, str]
    since: Mapping[str, str] = {}
    why: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        """``subject 1.0, newest (Python 3.12, companion 2.0)``: what tells cells apart comes first, for lines are cut."""
        subject, *beside = (f"{name} {self.cell.versions[name]}" for name in self.cell.named)
        return f"{subject}, {', '.join(self.labels)} ({', '.join([f'Python {self.cell.python}', *beside])})"

    @property
    def group(self) -> tuple[str, ...]:
        """Python and companions: the cells of one group differ in little but the subject."""
        return (self.cell.python, *(self.cell.versions[name] for name in self.cell.named[1:]))

    def united(self, other: Job) -> Job:
        """The job for the requests of both, which mean one cell."""
        return msgspec.structs.replace(
            self,
            labels=tuple(dict.fromkeys([*self.labels, *other.labels])),
            probes={**self.probes, **other.probes},
            since={**self.since, **other.since},
            why=tuple(dict.fromkeys([*self.why, *other.why])),
        )

    def record(
        self, instant: str, recorded: str, state: CellState, detail: str, outcomes: Mapping[str, Outcome]
    ) -> Record:
        """What is stored of the job: ``instant`` is when its requests were resolved, ``recorded`` when it was run."""
        return Record(
            key=record_key(self.cell.id(), self.probes),
            cell=self.cell.id(),
            subject=self.cell.subject,
            python=self.cell.python,
            platform=self.cell.platform,
            versions=self.cell.versions,
            pairings={label: (self.since.get(label, instant),) for label in self.labels},
            state=state,
            detail=detail,
            lock=self.cell.listed(),
            probes=dict(self.probes),
            environment=self.environment,
            outcomes=dict(outcomes),
            recorded=recorded,
            source=self.cell.source,
        )


class Queue:
    """Jobs by group; a worker takes jobs of one group while there are any.

    Args:
        jobs: Those to begin with.
        closed: Whether these are all; otherwise more are added until it is closed.
    """

    def __init__(self, jobs: Iterable[Job] = (), closed: bool = True) -> None:
        self.jobs: list[Job] = []
        self.closed = closed
        self._changed = threading.Condition()
        self._groups: dict[tuple[str, ...], list[Job]] = defaultdict(list)
        self._taken: set[tuple[str, ...]] = set()
        self.add(jobs)

    def add(self, jobs: Iterable[Job]) -> None:
        """More jobs, for workers that wait for one."""
        with self._changed:
            for job in jobs:
                self.jobs.append(job)
                self._groups[job.group].append(job)
            for group in self._groups.values():
                group.sort(key=lambda job: Version(job.cell.subject))  # the newest is taken first
            self._changed.notify_all()

    def close(self) -> None:
        """There are no more jobs, or no more are wanted."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def begun(self) -> bool:
        """Wait until there was a job; False where there will be none."""
        self._wait_for(lambda: self.jobs or self.closed)
        return bool(self.jobs)

    def wait_until_closed(self) -> None:
        """Wait until no more jobs will be added."""
        self._wait_for(lambda: self.closed)

    def _wait_for(self, condition: Callable[[], object]) -> None:
        with self._changed:
            while not self._changed.wait_for(condition, 0.2):
                pass  # on Windows, an interrupt has to wait for the end of a wait

    def take(self, last: Job | None) -> Job | None:
        """The next job of a worker after ``last``: of its group, else of one that no worker has begun, else of the longest.

        Waits for one until the queue is closed. A group is as long as the probes of its jobs are many, so that what is
        left for the end is short, and no worker waits long for another.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.closed or any(self._groups.values()))
            left = sorted(one for one, jobs in self._groups.items() if jobs)
            if not left:
                return None
            mine = last.group if last else ()
            chosen = max(
                left,
                key=lambda one: (one == mine, one not in self._taken, _shared(one, mine), self._probes(one)),
            )
            self._taken.add(chosen)
            return self._groups[chosen].pop()

    def _probes(self, group: tuple[str, ...]) -> int:
        return sum(len(job.probes) for job in self._groups[group])


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many leading parts two groups have in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
