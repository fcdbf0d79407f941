"""The run: each job once, on workers that keep to what they have installed, each finished cell recorded at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import ledger, schedule
from compatmatrix.agenda import Job, group
from compatmatrix.environment import InstallFailed, NoPython, Workspace
from compatmatrix.model import Cell, CellState, Trouble
from compatmatrix.plan import Selection
from compatmatrix.schedule import Queue, Result, Run, claimed_folder
from ground import Project, Ready
from test_agenda import jobs


def drain(queue: Queue, last: Job | None = None) -> Iterator[Job]:
    while job := queue.take(last):
        yield job
        last = job


@given(jobs)
def test_the_queue_gives_every_job_once(todo: list[Job]) -> None:
    given_out = list(drain(Queue(todo)))
    assert sorted(map(str, given_out)) == sorted(map(str, todo))


@given(jobs, st.lists(st.integers(0, 2), max_size=20))
def test_the_queue_gives_every_job_once_to_workers_in_any_order(todo: list[Job], turns: list[int]) -> None:
    queue, last, given_out = Queue(todo), dict[int, Job](), list[Job]()
    for worker in [*turns, *range(3)] * (len(todo) + 1):
        if job := queue.take(last.get(worker)):
            last[worker] = job
            given_out.append(job)
    assert sorted(map(str, given_out)) == sorted(map(str, todo))


@given(jobs)
def test_one_worker_finishes_a_group_before_it_begins_another(todo: list[Job]) -> None:
    order = [group(job) for job in drain(Queue(todo))]
    changes = sum(one != other for one, other in pairwise(order))
    assert changes == max(0, len(set(order)) - 1)


@given(jobs)
def test_two_workers_begin_with_different_groups_where_there_are_two(todo: list[Job]) -> None:
    queue = Queue(todo)
    first, second = queue.take(None), queue.take(None)
    if first and second and len({group(job) for job in todo}) > 1:
        assert group(first) != group(second)


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.at_work = threading.Event()

    def started(self, worker: int, job: Job) -> None:
        self.at_work.set()

    def finished(self, worker: int, result: Result) -> None:
        self.results.append(result)

    def said(self, text: str) -> None:
        raise AssertionError(text)


NOW = datetime(2025, 6, 1, tzinfo=UTC)


def run(project: Project, notes: Notes, cache: Path) -> Run:
    probes, folder = project.probes, project.folder / "probes"
    return Run(project.config, probes, folder, project.records, cache, Selection(), NOW, notes)


def job(ready: Ready, *probes: str) -> Job:
    put = {probe.id: probe.digest for probe in ready.project.probes if not probes or probe.id in probes}
    return Job(cell=ready.cell, labels=("newest",), probes=put)


@pytest.fixture
def works(ready: Callable[[str], Ready], project: Project) -> Ready:
    """A cell that works, in a project of its own."""
    made = ready("works")
    return Ready(project, made.cell, made.python)


def test_a_finished_cell_is_on_record_with_what_was_found(works: Ready, tmp_path: Path) -> None:
    notes = Notes()
    (result,) = run(works.project, notes, tmp_path).go([job(works)], 2)
    assert notes.results == [result]
    (record,) = ledger.read(works.project.records).records.values()
    assert record == result.record
    assert (record.state, record.pairings) == (CellState.RAN, {"newest": ("2025-06-01T00:00:00Z",)})
    assert {name: found.state.value for name, found in record.outcomes.items()} == {
        "held": "supported",
        "standalone": "supported",
        "arithmetic": "supported",
    }
    assert record.lock == tuple(map(str, works.cell.lock))
    assert set(record.probes) == set(record.outcomes)


def test_only_the_probes_of_the_job_are_put(works: Ready, tmp_path: Path) -> None:
    (result,) = run(works.project, Notes(), tmp_path).go([job(works, "held")], 1)
    assert result.record is not None
    assert set(result.record.outcomes) == {"held"}


@pytest.mark.parametrize(
    ("failure", "state"),
    [(InstallFailed("bad wheel"), CellState.INSTALL_FAILED), (NoPython("needs 3.99"), CellState.NO_PYTHON)],
)
def test_a_cell_that_cannot_be_made_ready_is_recorded_with_why(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, state: CellState
) -> None:
    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise failure

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    run(works.project, Notes(), tmp_path).go([job(works)], 1)
    (record,) = ledger.read(works.project.records).records.values()
    assert (record.state, record.detail, record.outcomes) == (state, str(failure), {})


def test_trouble_is_told_never_recorded_and_the_environment_is_thrown_away(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarded: list[str] = []
    monkeypatch.setattr(Workspace, "discard", lambda self, python: discarded.append(python))

    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise Trouble("the index did not answer")

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    (result,) = run(works.project, Notes(), tmp_path).go([job(works)], 1)
    assert (result.record, result.trouble) == (None, "the index did not answer")
    assert ledger.read(works.project.records).records == {}
    assert discarded == [works.cell.python]


def test_a_mistake_of_the_engines_own_ends_no_other_job(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job is listed as not examined, and the run says so."""

    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    (result,) = run(works.project, Notes(), tmp_path).go([job(works)], 1)
    assert result.record is None
    assert "RuntimeError: a defect" in result.trouble


def test_to_stop_gives_up_what_is_at_work_and_begins_nothing(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    made = run(works.project, notes, tmp_path)

    def hang(*arguments: object) -> None:
        made.stop()
        raise Trouble("stopped before it was done")

    monkeypatch.setattr(schedule.execute, "run", hang)  # type: ignore[attr-defined]
    assert made.go([job(works), job(works, "held")], 1) == []
    assert notes.results == []
    assert ledger.read(works.project.records).records == {}


def test_a_folder_is_claimed_by_one_worker_at_a_time(tmp_path: Path) -> None:
    with claimed_folder(tmp_path) as one, claimed_folder(tmp_path) as other:
        assert one != other
    with claimed_folder(tmp_path) as again:
        assert again == one
