"""The run: each job once, on workers that keep to what they have installed, each finished cell recorded at once."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.config.tables import Config
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import SCRATCH_PREFIX, claimed_folder
from compatmatrix.core.model import Cell
from compatmatrix.core.states import CellState
from compatmatrix.environment.workspace import InstallFailed, Workspace
from compatmatrix.execution.cell_runner import Raw
from compatmatrix.planning import scheduler
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.scheduler import Options, Result, Scheduler
from compatmatrix.results import ledger
from compatmatrix.results.interpretation import PHASES
from factories import cell, jobs, probe
from fixtures import NOWHERE, Project, Ready
from hostile import nested


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.at_work = threading.Event()

    def started(self, worker: int, job: Job) -> None:
        self.at_work.set()

    def finished(self, worker: int, result: Result) -> None:
        self.results.append(result)

    def message(self, text: str) -> None:
        raise AssertionError(text)


NOW = datetime(2025, 6, 1, tzinfo=UTC)


def scheduled(project: Project, notes: Notes, cache: Path) -> Scheduler:
    options = Options(
        config=project.config,
        probes=(*project.probes, ONE, TWO),
        folder=project.folder / "probes",
        records=project.records,
        cache=cache,
        instant=NOW,
        now=NOW,
    )
    return Scheduler(options, notes)


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
    (result,) = scheduled(works.project, notes, tmp_path).run(Queue([job(works)]), 2)
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
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works, "held")]), 1)
    assert result.record is not None
    assert set(result.record.outcomes) == {"held"}


def test_a_wheel_that_cannot_be_installed_is_recorded_with_why(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise InstallFailed("bad wheel")

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    scheduled(works.project, Notes(), tmp_path).run(Queue([job(works)]), 1)
    (record,) = ledger.read(works.project.records).records.values()
    assert (record.state, record.detail, record.outcomes) == (CellState.INSTALL_FAILED, "bad wheel", {})


def test_defect_a_python_that_this_machine_lacks_was_recorded_as_a_result_of_the_release(
    works: Ready, tmp_path: Path
) -> None:
    elsewhere = msgspec.structs.replace(job(works).cell, python=NOWHERE)
    planned = msgspec.structs.replace(job(works), cell=elsewhere)
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([planned]), 1)
    assert (result.record, result.error) == (None, "needs Python 3.99: install it, or `uv python install 3.99`")
    assert ledger.read(works.project.records).records == {}


def test_trouble_is_told_never_recorded_and_the_environment_is_thrown_away(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarded: list[str] = []
    monkeypatch.setattr(Workspace, "discard", lambda self, python: discarded.append(python))

    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise InfrastructureError("the index did not answer")

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works)]), 1)
    assert (result.record, result.error) == (None, "the index did not answer")
    assert ledger.read(works.project.records).records == {}
    assert discarded == [works.cell.python]


def test_a_mistake_of_the_engines_own_ends_no_other_job(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job is listed as not examined, and the run says so."""

    def bring_to(self: Workspace, cell: Cell) -> Path:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Workspace, "bring_to", bring_to)
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works)]), 1)
    assert result.record is None
    assert "RuntimeError: a defect" in result.error


def test_to_stop_gives_up_what_is_at_work_and_begins_nothing(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    made = scheduled(works.project, notes, tmp_path)

    def hang(*arguments: object) -> None:
        made.stop()
        raise InfrastructureError("stopped before it was done")

    monkeypatch.setattr(scheduler.cell_runner, "run", hang)  # type: ignore[attr-defined]
    results = made.run(Queue([job(works), job(works, "held")]), 1)
    assert [(result.record, result.error) for result in results] == [
        (None, "the run was stopped before it was done")
    ] * 2
    assert notes.results == []
    assert ledger.read(works.project.records).records == {}


class Broken:
    """Workers whose every step may fail, as the list says that is used up by one after the other."""

    def __init__(self, failures: Sequence[type[BaseException] | None], endings: Sequence[Raw], root: Path) -> None:
        self._failures, self._endings, self._mutex = list(failures), list(endings), threading.Lock()
        self._python = root / "bin" / "python"

    def put(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have them in the place of those that there are."""
        monkeypatch.setattr(scheduler, "Workspace", lambda *arguments: self._or("clearing", self))
        monkeypatch.setattr(scheduler.cell_runner, "run", self._run)  # type: ignore[attr-defined]
        monkeypatch.setattr(scheduler.ledgers, "append", lambda *arguments: self._or("recording"))  # type: ignore[attr-defined]
        monkeypatch.setattr(scheduler.disk, "keep_within", lambda *arguments: None)  # type: ignore[attr-defined]

    def _or(self, step: str, good: object = None) -> Any:
        """What comes of a step."""
        with self._mutex:
            failure = self._failures.pop() if self._failures else None
        if failure:
            raise failure(step)
        return good

    def bring_to(self, cell: Cell) -> Path:
        return self._or("installing", self._python)  # type: ignore[no-any-return]

    def discard(self, python: str) -> None:
        self._or("removing")

    def distrust(self, cell: Cell) -> None:
        raise AssertionError

    def started(self, worker: int, job: Job) -> None:
        self._or("saying that it started")

    def finished(self, worker: int, result: Result) -> None:
        self._or("saying that it finished")

    def message(self, text: str) -> None:
        raise AssertionError(text)

    def _run(self, *arguments: object) -> Raw:
        with self._mutex:
            raw = self._endings.pop() if self._endings else ended(0, "")
        return self._or("running", raw)  # type: ignore[no-any-return]


ONE, TWO = probe("one"), probe("two")
PASSED = {"outcome": "passed", **{phase: {"outcome": "passed"} for phase in PHASES}}


def ended(code: int, at: str) -> Raw:
    """A cell that ended with this code, in the probe of this name if it did not come to its end."""
    events: list[dict[str, object]] = [{"event": "versions"}, {"event": "import"}, {"event": "imported"}]
    events.append({"event": "probe", "nodeid": f"test_value.py::test_{at}"} if code else {"event": "done"})
    return Raw(
        exit_code=code,
        killed_for=None,
        events=tuple(events),
        report={"exitcode": 0, "tests": [PASSED | {"nodeid": f"test_value.py::test_{one.id}"} for one in (ONE, TWO)]},
        began=0.0,
        seconds=1.0,
        isolation=frozenset({"network", "environment"}),
    )


FAILURES = st.sampled_from([None] * 12 + [RuntimeError, MemoryError, SystemExit, InfrastructureError])
ENDINGS = st.builds(ended, st.sampled_from([0] * 4 + [7, -9, -11]), st.sampled_from(["one", "two"]))


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The configuration of a project that nothing is run of."""
    return Project.make(tmp_path_factory.mktemp("nothing"), "https://example.org/simple/").config


@given(todo=jobs(), workers=st.integers(1, 3), failures=st.lists(FAILURES, max_size=80), endings=st.lists(ENDINGS))
def test_defect_a_job_whose_worker_died_was_neither_recorded_nor_listed(
    nothing: Config,
    todo: list[Job],
    workers: int,
    failures: Sequence[type[BaseException] | None],
    endings: Sequence[Raw],
) -> None:
    """The run said "1 to run", ran nothing, listed nothing and ended with 0."""
    todo = [msgspec.structs.replace(one, probes={}) for one in todo]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        broken = Broken(failures, endings, folder)
        broken.put(patch)
        options = Options(config=nothing, probes=(), folder=folder, records=folder, cache=folder, instant=NOW, now=NOW)
        results = Scheduler(options, broken).run(Queue(todo), workers)
    assert [result.job for result in results] == todo
    assert all((result.record is None) == bool(result.error) for result in results)


def test_defect_what_was_planned_after_all_workers_had_died_was_not_listed(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, todo = Queue(closed=False), [job(works), job(works, "held")]

    def dies(*arguments: object) -> None:
        raise MemoryError

    def goes_on() -> None:
        queue.add(todo)
        queue.close()

    monkeypatch.setattr(scheduler, "Workspace", dies)
    rest = threading.Timer(0.5, goes_on)
    rest.start()
    results = scheduled(works.project, Notes(), tmp_path).run(queue, 2)
    assert [(result.job, result.record, result.error) for result in results] == [
        (one, None, "MemoryError: ") for one in todo
    ]


def test_defect_what_a_killed_run_left_ended_the_worker_of_every_later_one(works: Ready, tmp_path: Path) -> None:
    left = tmp_path / "environments" / "0" / f"{SCRATCH_PREFIX}left"
    left.mkdir(parents=True)
    nested(left, 3000)
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works)]), 1)
    assert result.record is not None
    assert not left.exists()


def test_what_cannot_be_cleared_away_lists_every_job_with_what_to_do(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "environments" / "0" / f"{SCRATCH_PREFIX}left"
    left.mkdir(parents=True)

    def refused(name: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rmdir", refused)
    results = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works), job(works, "held")]), 1)
    said = f"{left} cannot be removed (Operation not permitted): remove it, and run it again"
    assert [(result.record, result.error) for result in results] == [(None, said)] * 2


def test_a_worker_that_dies_leaves_its_jobs_to_the_others(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = iter([InfrastructureError("no folder"), *[None] * 9])

    @contextmanager
    def claimed(root: Path) -> Iterator[Path]:
        if failure := next(claims):
            raise failure
        with claimed_folder(root) as folder:
            yield folder

    monkeypatch.setattr(scheduler, "claimed_folder", claimed)
    results = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works), job(works, "held")]), 2)
    assert [result.error for result in results] == ["", ""]


def test_where_no_worker_can_be_started_every_job_is_listed(
    works: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    (result,) = scheduled(works.project, Notes(), tmp_path).run(Queue([job(works)]), 2)
    assert (result.record, result.error) == (None, "a worker could not be started: can't start new thread")


class Endings:
    """Cells that end as they are told to; notes what was tried, with how many at work at once, and what was discarded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **tries: Sequence[Raw]) -> None:
        self.tried: list[str] = []
        self.at_once: list[int] = []
        self.discarded: list[str] = []
        self._left = {subject.replace("_", "."): list(raws) for subject, raws in tries.items()}
        self._at_work = 0
        self.looks = 1  # of 10 ms each, at how many cells run at once
        monkeypatch.setattr(Workspace, "bring_to", lambda workspace, cell: Path("environment/bin/python"))
        monkeypatch.setattr(Workspace, "discard", lambda workspace, python: self.discarded.append(python))
        monkeypatch.setattr(scheduler.cell_runner, "run", self._run)  # type: ignore[attr-defined]

    def _run(self, config: Config, cell: Cell, *more: object) -> Raw:
        self._at_work += 1
        most = 0
        for _ in range(self.looks):
            time.sleep(0.01)
            most = max(most, self._at_work)
        self._at_work -= 1
        self.tried.append(cell.subject)
        self.at_once.append(most)
        return self._left[cell.subject].pop(0)


def cells(project: Project, *subjects: str) -> list[Job]:
    probes = {ONE.id: ONE.digest, TWO.id: TWO.digest}
    return [Job(cell=cell(subject, companion=subject), labels=("newest",), probes=probes) for subject in subjects]


@pytest.mark.parametrize(
    ("first", "second", "detail"),
    [
        (ended(0, ""), ended(0, ""), ""),
        (ended(7, "one"), ended(7, "one"), "ended without a complete report, exit code 7 (in one)"),
        (ended(-9, "one"), ended(-9, "one"), "ended by SIGKILL (in one)"),
        (ended(-9, "one"), ended(7, "one"), "ended without a complete report, exit code 7 (in one)"),
        (ended(-15, "two"), ended(-15, "two"), "ended by SIGTERM (in two)"),
    ],
)
def test_defect_a_cell_that_ended_early_stayed_unrecorded_for_ever(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Raw, second: Raw, detail: str
) -> None:
    """It is run once more, alone; what ends at the same probe again is its own doing."""
    early = bool(detail)
    endings = Endings(monkeypatch, **{"1_0": [first, second], "1_1": [ended(0, "")], "1_2": [ended(0, "")]})
    results = scheduled(project, Notes(), tmp_path).run(Queue(cells(project, "1.0", "1.1", "1.2")), 3)
    assert sorted(endings.tried) == ["1.0"] * (1 + early) + ["1.1", "1.2"]
    state = CellState.CRASHED if early else CellState.RAN
    assert [result.record and result.record.state for result in results] == [state, CellState.RAN, CellState.RAN]
    assert results[0].record and results[0].record.detail == detail
    known = ledger.read(project.records).records
    assert sorted(record.subject for record in known.values()) == ["1.0", "1.1", "1.2"]


def test_the_second_try_is_alone_and_in_an_environment_of_its_own(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = {subject: [ended(-9, "one")] * 2 for subject in ("1_0", "1_1", "1_2")}
    endings = Endings(monkeypatch, **tries)
    endings.looks = 20
    todo = cells(project, "1.0", "1.1", "1.2")
    for one in scheduled(project, Notes(), tmp_path).run(Queue(todo), 3):
        assert one.record is not None
    assert sorted(endings.tried[:3]) == sorted(endings.tried[3:]) == ["1.0", "1.1", "1.2"]
    assert max(endings.at_once[:3]) > 1
    assert endings.at_once[3:] == [1, 1, 1]
    assert endings.discarded == ["3.11"] * 6


@pytest.mark.parametrize(
    ("first", "second", "state", "trouble"),
    [
        (ended(-9, "one"), ended(0, ""), CellState.RAN, ""),
        (ended(-9, "one"), ended(-11, "two"), CellState.CRASHED, ""),
        (ended(-9, "one"), ended(-9, "two"), None, "ended early twice, in one and then, alone, in two: run it again"),
        (
            ended(-9, "one"),
            msgspec.structs.replace(ended(-9, "one"), starved=True),
            None,
            "ended by SIGKILL (in one), while the kernel ended processes for want of memory: "
            "run it again with fewer --jobs, or on a machine with more",
        ),
    ],
)
def test_what_the_second_try_does_not_confirm_is_no_fact(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: Raw,
    second: Raw,
    state: CellState | None,
    trouble: str,
) -> None:
    endings = Endings(monkeypatch, **{"1_0": [first, second]})
    (result,) = scheduled(project, Notes(), tmp_path).run(Queue(cells(project, "1.0")), 1)
    assert (result.record and result.record.state, result.error) == (state, trouble)
    assert endings.tried == ["1.0", "1.0"]


def test_where_memory_was_short_there_is_no_second_try(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starved = msgspec.structs.replace(ended(-11, "one"), starved=True)
    endings = Endings(monkeypatch, **{"1_0": [starved, ended(0, "")]})
    (result,) = scheduled(project, Notes(), tmp_path).run(Queue(cells(project, "1.0")), 1)
    assert result.record is None
    assert "for want of memory" in result.error
    assert endings.tried == ["1.0"]


def test_a_second_try_that_is_not_made_says_what_the_first_was(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scheduled(project, Notes(), tmp_path)
    endings = Endings(monkeypatch, **{"1_0": [ended(-9, "one")], "1_1": [ended(0, "")]})
    went = Scheduler._run_on

    def once(self: Scheduler, workers: int, queue: Queue) -> None:
        went(self, workers, queue)
        self.stop()

    monkeypatch.setattr(Scheduler, "_run_on", once)
    result, other = made.run(Queue(cells(project, "1.0", "1.1")), 1)
    assert other.record is not None
    assert result.error == ("ended early (in one), and was not tried again: the run was stopped before it was done")
    assert sorted(endings.tried) == ["1.0", "1.1"]
