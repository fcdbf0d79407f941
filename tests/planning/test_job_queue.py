"""Workers get every job once, and keep to the group that they have installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.planning.job_queue import Job, Queue
from factories import cell, jobs


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


@given(jobs())
def test_a_worker_waits_for_jobs_until_the_queue_is_closed(todo: list[Job]) -> None:
    queue, given_out = Queue(closed=False), list[Job]()
    worker = threading.Thread(target=lambda: given_out.extend(drain(queue)))
    worker.start()
    for job in todo:
        queue.add([job])
    queue.close()
    worker.join(10)
    assert sorted(map(str, given_out)) == sorted(map(str, todo))
    assert queue.begun() == bool(todo)


def test_the_group_with_the_most_probes_is_begun_first_so_that_the_end_is_short() -> None:
    short = [Job(cell=cell(f"0.{number}.0", "1"), labels=("grid",), probes={"held": "1"}) for number in range(3)]
    long = Job(cell=cell("0.1.0", "2"), labels=("newest",), probes={str(number): "1" for number in range(9)})
    assert Queue([*short, long]).take(None) == long
