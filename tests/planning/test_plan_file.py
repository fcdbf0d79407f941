"""The sharding law: parts run anywhere, in any order, any number of times, come to what one run would have written."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.cli import context
from compatmatrix.cli.plan import as_lines
from compatmatrix.core import files
from compatmatrix.core.encoding import digest
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Cell, Pin
from compatmatrix.core.states import CellState
from compatmatrix.planning import plan_file
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.plan_file import CELLS_PER_SHARD, MOST_SHARDS, Plan, shard
from factories import DAY, PLATFORM, SUPPORTED, ledger, numbered_job, record
from fixtures import THIS, Project
from packages import world
from packages.index import LocalIndex


def plan(*jobs: Job, **more: object) -> Plan:
    """A plan of these jobs."""
    made = Plan(planned="2025-06-01T00:00:00Z", instant="2025-06-01T00:00:00Z", platform=PLATFORM, jobs=jobs)
    return msgspec.structs.replace(made, **{"requested": len(jobs), **more})


@given(st.integers(0, 40), st.integers(1, 50))
def test_every_job_is_in_exactly_one_shard(count: int, parts: int) -> None:
    jobs = [numbered_job(number) for number in range(count)]
    held = [one for number in range(1, parts + 1) for one in shard(jobs, number, parts)]
    assert sorted(one.cell.subject for one in held) == sorted(one.cell.subject for one in jobs)


@pytest.mark.parametrize(
    ("cells", "count"),
    [(0, 0), (1, 1), (CELLS_PER_SHARD, 1), (CELLS_PER_SHARD + 1, 2), (CELLS_PER_SHARD * MOST_SHARDS * 2, MOST_SHARDS)],
)
def test_there_are_as_many_shards_as_the_work_needs(cells: int, count: int) -> None:
    made = plan(*map(numbered_job, range(cells)))
    assert len(made.shards) == count
    assert sum(part.cells for part in made.shards) == cells


def test_defect_a_request_whose_cell_is_another_s_too_counted_as_settled() -> None:
    both = msgspec.structs.replace(numbered_job(1), labels=("newest", "release-day"))
    made = plan(both, numbered_job(2), requested=5, failed=(("title", "why"),))
    assert made.settled == 1


def test_a_shard_names_the_pythons_that_it_needs_newest_last() -> None:
    (part,) = plan(numbered_job(1, "3.9"), numbered_job(2, "3.12"), numbered_job(3, "3.9")).shards
    assert part.entry() == {"shard": "1/1", "number": 1, "python": "3.9\n3.12", "cells": 3}


def test_the_smoke_shard_is_small() -> None:
    assert plan().smoke == ()
    (part,) = plan(*map(numbered_job, range(100))).smoke
    assert (part.shard, part.cells) == ("25/25", 4)


def test_shell_lines_quote_the_plan(tmp_path: Path) -> None:
    lines = as_lines(plan(numbered_job(1)), Path("a plan.json"))
    assert lines == "python -m compatmatrix run --plan 'a plan.json' --shard 1/1 --reports shards/1\n"
    assert as_lines(plan(), Path("plan.json")) == ""


@given(
    st.lists(
        st.tuples(st.sampled_from(["0.1", "0.2", "0.10"]), st.sampled_from("12"), st.sampled_from("12")),
        unique=True,
        max_size=8,
    )
)
def test_defect_a_plan_that_was_read_from_its_file_had_other_groups(numbers: list[tuple[str, str, str]]) -> None:
    """The file has its keys sorted: a subject that sorts after its companions was taken for one of them."""
    jobs = []
    for version, wheels, axles in numbers:
        versions = {"torch": version, "numpy": wheels, "axles": axles}
        pins = tuple(Pin(name=name, version=number, sha256=()) for name, number in versions.items())
        cell = Cell(
            subject=version,
            python="3.11",
            platform=PLATFORM,
            lock=pins,
            versions=versions,
            named=("torch", "numpy", "axles"),
        )
        jobs.append(Job(cell=cell, labels=("newest",), probes={"held": "1"}))
    made = plan(*jobs)
    with tempfile.TemporaryDirectory() as folder:
        files.write_json(made, Path(folder) / "plan.json")
        read = plan_file.read(Path(folder) / "plan.json")
    assert [one.group for one in read.jobs] == [("3.11", wheels, axles) for _, wheels, axles in numbers]
    assert [one.group for one in made.jobs] == [one.group for one in read.jobs]
    assert [one.title for one in made.jobs] == [one.title for one in read.jobs]
    assert list(drained(made)) == list(drained(read)), "nor is another cell run first"
    assert [shard(made.jobs, number, 3) for number in (1, 2, 3)] == [
        shard(read.jobs, number, 3) for number in (1, 2, 3)
    ]


def drained(made: Plan) -> Iterator[str]:
    """The cells of a plan in the order in which one worker runs them."""
    queue, last = Queue(made.jobs), None
    while last := queue.take(last):
        yield last.cell.id()


def test_a_plan_for_other_probes_or_another_platform_is_refused(tmp_path: Path, project: Project) -> None:
    files.write_json(plan(numbered_job(1)), tmp_path / "plan.json")
    with pytest.raises(UserError, match="the probe 'held' is another"):
        plan_file.read(tmp_path / "plan.json", project.probes, PLATFORM)
    with pytest.raises(UserError, match="this machine is plan9"):
        plan_file.read(tmp_path / "plan.json", project.probes, "plan9")
    with pytest.raises(UserError, match="no plan can be read"):
        plan_file.read(tmp_path / "none.json")


@pytest.fixture
def small(tmp_path: Path, index: LocalIndex) -> Project:
    """Four cells: two releases, and companions that moved on since."""
    world.fill(index, world.HELPERS)
    index.add(
        *(world.COMPANIONS[f"{name}-{version}"] for name in ("companion", "companionlib") for version in ("1.0", "2.0"))
    )
    index.add(world.SUBJECT["raises"], world.subject("raises", "0.2.2", "2024-03-21"))
    return Project.make(tmp_path / "project", index.url, pythons=(THIS,))


STATUS = ("site/status.html", "site/status.json")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, without what says how a run went: that is another for every run."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    kept = {name: path for name, path in found.items() if path.name[:1] != "." and name not in STATUS}
    return {name: path.read_bytes() for name, path in kept.items()}


def test_the_sharding_law(small: Project, tmp_path: Path, known_cells: None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "plan.json"
    assert small.main("plan", "--save", str(file), "--format", "lines").out.count("\n") == 1
    made = plan_file.read(file)
    assert len(made.jobs) == 4

    def run(number: int, count: int, to: Path, *, year: int) -> None:
        """One shard on another machine, whose clock is wrong."""

        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None) -> Clock:
                return cls(year, 1, 1, tzinfo=UTC)

        with monkeypatch.context() as patch:
            patch.setattr(context, "datetime", Clock)
            arguments = ("--plan", str(file), "--shard", f"{number}/{count}", "--reports", str(to))
            assert small.main("run", *arguments).code == 0

    def merge(to: Path, *delivered: Path) -> tuple[int, str]:
        said = small.main("merge", *map(str, delivered), "--plan", str(file), "--reports", str(to))
        return said.code, said.out

    one = tmp_path / "one"
    run(1, 1, one, year=2025)
    expected = tree(one)
    assert "records/0.2.0.jsonl" in expected
    assert merge(tmp_path / "merged", one)[0] == 0
    assert tree(tmp_path / "merged") == expected
    for count in (3, 5):  # the last one has a shard without a job
        parts = {number: tmp_path / f"of-{count}" / str(number) for number in range(1, count + 1)}
        order = random.Random(count).sample(sorted(parts), count)
        for number in order:
            run(number, count, parts[number], year=2000 + number)
        together = tmp_path / f"merged-{count}"
        assert merge(together, *parts.values())[0] == 0
        assert tree(together) == expected

    # One shard is missing: the rest is published, and what is missing is named and stands as not run.
    of_3 = tmp_path / "of-3"
    late = tmp_path / "late"
    code, out = merge(late, of_3 / "1", of_3 / "2")
    missing = shard(made.jobs, 3, 3)
    assert code == 1
    assert "it left no record, and is published as not run" in out
    assert missing and all(job.title in out for job in missing)
    # It comes after all, having been run twice, and is delivered twice.
    run(3, 3, tmp_path / "again", year=2031)
    assert merge(late, of_3 / "3", tmp_path / "again")[0] == 0
    assert merge(late, of_3 / "3", of_3 / "1")[0] == 0
    assert tree(late) == expected


def test_a_shard_delivers_findings_and_nothing_else() -> None:
    """What ran there had its hands on the file: neither a path, nor another release's answer, nor a label is taken."""
    made = plan(numbered_job(1), numbered_job(2), planned=DAY, instant=DAY)
    honest = [one.record(DAY, DAY, CellState.RAN, "", {"held": SUPPORTED}) for one in made.jobs]
    forged = msgspec.structs.replace(honest[0], subject="../../src/x", pairings={"newest": ("2099-01-01T00:00:00Z",)})
    stranger = record("0.9", {"held": SUPPORTED})
    old = msgspec.structs.replace(honest[1], recorded="2020-01-01T00:00:00Z")
    delivered = msgspec.structs.replace(
        ledger(forged, stranger, old), evidence={"../x": "text", digest("true"): "true"}
    )
    taken = plan_file.accepted(made, delivered)
    assert list(taken.records.values()) == honest[:1]
    assert taken.evidence == {digest("true"): "true"}
    assert taken.releases == {}
