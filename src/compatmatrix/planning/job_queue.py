"""The order in which workers take jobs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

from packaging.version import Version

from compatmatrix.planning.missing import Job


class Queue:
    """Jobs by group; a worker takes jobs of one group while there are any."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._mutex = threading.Lock()
        self._groups: dict[tuple[str, ...], list[Job]] = defaultdict(list)
        for job in sorted(jobs, key=lambda job: (job.group, Version(job.cell.subject))):
            self._groups[job.group].append(job)
        self._taken: set[tuple[str, ...]] = set()

    def take(self, last: Job | None) -> Job | None:
        """The next job of a worker after ``last``: of its group, else of one that no worker has begun, else of the largest."""
        with self._mutex:
            left = [one for one, jobs in self._groups.items() if jobs]
            if not left:
                return None
            mine = last.group if last else ()
            chosen = max(
                left,
                key=lambda one: (one == mine, one not in self._taken, _shared(one, mine), len(self._groups[one])),
            )
            self._taken.add(chosen)
            return self._groups[chosen].pop(0)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many leading parts two groups have in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
