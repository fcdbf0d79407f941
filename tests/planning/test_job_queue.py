"""Workers get every job once, and keep to the group that they have installed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.planning.job_queue import Queue
from compatmatrix.planning.missing import Job
from factories import jobs


def drain(queue: Queue, last: Job | None = None) -> Iterator[Job]:
    while job := queue.take(last):
        yield job
        last = job


@given(jobs())
def test_the_queue_gives_every_job_once(todo: list[Job]) -> None:
    given_out = list(drain(Queue(todo)))
    assert sorted(map(str, given_out)) == sorted(map(str, todo))


@given(jobs(), st.lists(st.integers(0, 2), max_size=20))
def test_the_queue_gives_every_job_once_to_workers_in_any_order(todo: list[Job], turns: list[int]) -> None:
    queue, last, given_out = Queue(todo), dict[int, Job](), list[Job]()
    for worker in [*turns, *range(3)] * (len(todo) + 1):
        if job := queue.take(last.get(worker)):
            last[worker] = job
            given_out.append(job)
    assert sorted(map(str, given_out)) == sorted(map(str, todo))


@given(jobs())
def test_one_worker_finishes_a_group_before_it_begins_another(todo: list[Job]) -> None:
    order = [job.group for job in drain(Queue(todo))]
    changes = sum(one != other for one, other in pairwise(order))
    assert changes == max(0, len(set(order)) - 1)


@given(jobs())
def test_two_workers_begin_with_different_groups_where_there_are_two(todo: list[Job]) -> None:
    queue = Queue(todo)
    first, second = queue.take(None), queue.take(None)
    if first and second and len({job.group for job in todo}) > 1:
        assert first.group != second.group
