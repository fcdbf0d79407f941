"""Locks on record: a changed question is put in the environment of the others, though the index has moved since."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from compatmatrix.core.model import Cell, Record
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.index import releases
from compatmatrix.planning.recorded import Slot, cell_of, installable
from compatmatrix.results import ledger
from fixtures import THIS, Project
from packages import world
from packages.index import Fault, LocalIndex
from packages.wheels import FakeRelease

ALL = ("--pairing", "release-day", "--pairing", "newest", "--pairing", "grid", "--only", "companion>=2")
CELLS = 2
"""Release day, newest and the grid's pair with companion 3.0 have a lock in common; the other pair is with 2.0."""


def other(version: str, uploaded: str) -> FakeRelease:
    """A package that the subject requires and nobody names."""
    helper = world.helper(version, uploaded, "Required by the subject.")
    return replace(helper, name="other", requires=(), modules={"other.py": ""})


class Days:
    """A project over an index that moves from one day to the next."""

    def __init__(self, folder: Path, index: LocalIndex, new_cache: Callable[[], None]) -> None:
        self.index, self._new_cache, self._day = index, new_cache, 0
        new_cache()
        world.fill(index, world.COMPANIONS, world.HELPERS)
        index.add(other("1.0", "2025-01-01"), other("1.1", "2025-02-01"))
        made = world.subject("works", "1.0.0", "2025-05-20")
        index.add(replace(made, requires=(*made.requires, "other")))
        self.project = Project.make(folder / "project", index.url, pythons=(THIS,))

    def next(self) -> None:
        """Another day: nothing that was read of the index is current any more, and one probe is another."""
        self._day += 1
        self._new_cache()
        path = self.project.folder / "probes/test_value.py"
        call = "check.close(subject_api.trained(value, value)"
        path.write_text(path.read_text().replace(call, f"assert {self._day}\n    {call}"))

    def plan(self) -> list[Mapping[str, object]]:
        tree = json.loads(self.project.main("plan", *ALL, "--format", "json").out)
        jobs: list[Mapping[str, object]] = tree["run"]
        return jobs

    def run(self) -> dict[str, Record]:
        """The records, by key, after a run that did all that it was to do."""
        said = self.project.main("run", *ALL)
        assert said.code == 0, said.out + said.err
        return dict(ledger.read(self.project.records).records)

    def cells(self) -> dict[Slot, Cell]:
        """The cells of the records after a run, as those on record."""
        cells = {key: cell_of(self.project.config, record) for key, record in self.run().items()}
        return {(key,): cell for key, cell in cells.items() if cell}

    def pages(self) -> list[str]:
        """The projects that the index was asked about."""
        return [request.path for request in self.index.requests if request.path.startswith("/simple/")]


@pytest.fixture
def days(tmp_path: Path, index: LocalIndex, new_cache: Callable[[], None]) -> Days:
    return Days(tmp_path, index, new_cache)


def others(records: Mapping[str, Record]) -> set[str]:
    return {line.split()[0] for record in records.values() for line in record.lock if line.startswith("other==")}


def test_defect_a_changed_probe_was_put_in_other_locks_once_the_index_had_moved(days: Days) -> None:
    """All probes ran again, for in today's lock there was no answer to any."""
    before = days.run()
    assert len(before) == CELLS
    days.index.add(other("2.0", "2025-08-01"))
    days.next()
    jobs = days.plan()
    assert {job["cell"] for job in jobs} == {record.cell for record in before.values()}
    assert [job["probes"] for job in jobs] == [["standalone"]] * CELLS
    after = days.run()
    new = {key: record for key, record in after.items() if key not in before}
    assert len(new) == len(after) == CELLS
    assert all("held" in record.outcomes for record in new.values()), "the old answers are in it"
    assert {record.outcomes["standalone"].state for record in new.values()} == {OutcomeState.SUPPORTED}
    assert others(after) == {"other==1.1"}
    assert days.plan() == []


def test_a_lock_of_which_a_wheel_was_deleted_is_resolved_anew(days: Days) -> None:
    before = days.run()
    days.index.add(other("2.0", "2025-08-01"))
    days.index.remove("other", "1.1")
    days.next()
    after = days.run()
    new = {key: record for key, record in after.items() if key not in before}
    assert {record.state for record in new.values()} == {CellState.RAN}
    assert others(new) == {"other==1.0", "other==2.0"}, "that of release day, and today's"
    assert {tuple(sorted(record.probes)) for record in new.values()} == {
        ("arithmetic", "held", "standalone"),
        ("held", "standalone"),
    }


def test_a_yanked_wheel_can_still_be_installed(days: Days) -> None:
    days.run()
    days.index.add(replace(other("1.1", "2025-02-01"), yanked="broken"))
    days.next()
    assert [job["probes"] for job in days.plan()] == [["standalone"]] * CELLS
    assert others(days.run()) == {"other==1.1"}


def test_what_the_index_lists_is_asked_once_and_only_where_a_lock_on_record_is_to_be_run(
    days: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = days.cells()
    assert len(held) == CELLS
    days.index.requests.clear()
    assert days.plan() == []
    assert "/simple/other/" not in days.pages()
    assert installable(days.project.config, held, tmp_path / "lists") == held
    assert days.pages().count("/simple/other/") == 1
    days.index.fault(Fault.ERROR, "/simple/other/")
    monkeypatch.setattr(releases, "ATTEMPTS", 0)  # to wait between them would take seconds
    assert installable(days.project.config, held, tmp_path / "more") == {}, "unknown: to resolve it will tell"


def test_a_wheel_with_another_hash_is_not_the_one_of_the_lock(days: Days, tmp_path: Path) -> None:
    held = days.cells()
    days.index.add(replace(other("1.1", "2025-02-01"), modules={"other/__init__.py": "again = True\n"}))
    assert installable(days.project.config, held, tmp_path / "lists") == {}
