"""The agenda: what is on record is not run again, whatever is missing is, and shards divide it without a rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import agenda as room
from compatmatrix.agenda import Agenda, Job, agenda, group, shard
from compatmatrix.config import Config
from compatmatrix.ledger import Ledger
from compatmatrix.lock import Unresolvable
from compatmatrix.model import Cell, CellState, Pin, Record, Trouble, Wanted, record_key
from compatmatrix.plan import Selection
from made import DAY, HELD, PLATFORM, PROBES, config, ledger, probe

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def cell(subject: str, companion: str = "3.0", python: str = "3.11") -> Cell:
    return Cell(
        subject=subject,
        python=python,
        platform=PLATFORM,
        lock=(Pin(name="companion", version=companion, sha256=()), Pin(name="subject", version=subject, sha256=())),
        versions={"subject": subject, "companion": companion},
        companions=("companion",),
    )


def wish(subject: str = "0.1.0", pairing: str = "newest", **more: object) -> Wanted:
    fields: dict[str, object] = {
        "subject": subject,
        "pairing": pairing,
        "platform": PLATFORM,
        "pythons": ("3.11",),
        "requirements": (f"subject=={subject}",),
        "probes": {one.id: one.digest for one in PROBES},
    }
    return Wanted(**{**fields, **more})  # type: ignore[arg-type]


class Office:
    """An agenda whose resolver answers from a table: (release, pairing) -> cell, reason, or trouble."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config: Config = config(folder)
        self.answers: dict[tuple[str, str], Cell | Unresolvable | Trouble] = {}
        self.resolved: list[str] = []
        monkeypatch.setattr(room.lock, "resolve", self._resolve)  # type: ignore[attr-defined]

    def _resolve(self, config: Config, wanted: Wanted, cache: Path, connections: int) -> Cell | Unresolvable:
        self.resolved.append(wanted.title)
        answer = self.answers.get((wanted.subject, wanted.pairing), cell(wanted.subject))
        if isinstance(answer, Trouble):
            raise answer
        return answer

    def __call__(self, *wishes: Wanted, known: Ledger | None = None, fresh: bool = False, **more: object) -> Agenda:
        selection = Selection(**more)  # type: ignore[arg-type]
        return agenda(self.config, wishes, known or Ledger(), selection, Path("unused"), NOW, fresh)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(tmp_path, monkeypatch)


def recorded(
    held: Cell, labels: Mapping[str, tuple[str, ...]], probes: tuple[str, ...] = ("held", "standalone"), **more: object
) -> Record:
    """A record of a cell as a run would have made it."""
    put = {one.id: one.digest for one in PROBES if one.id in probes}
    fields: dict[str, object] = {
        "key": record_key(held.id(), put),
        "cell": held.id(),
        "subject": held.subject,
        "python": held.python,
        "platform": held.platform,
        "versions": held.versions,
        "pairings": labels,
        "state": CellState.RAN,
        "probes": put,
        "recorded": DAY,
    }
    return Record(**{**fields, **more})  # type: ignore[arg-type]


NEWEST = {"newest": (DAY,)}


def test_a_wish_that_nobody_has_answered_is_a_job(office: Office) -> None:
    found = office(wish())
    assert found.jobs == (Job(cell=cell("0.1.0"), labels=("newest",), probes=wish().probes),)
    assert (found.wanted, found.ready, found.failed) == (1, (), ())


def test_two_wishes_that_come_to_one_cell_are_one_job_with_two_labels(office: Office) -> None:
    found = office(wish(pairing="release-day"), wish(pairing="newest"))
    assert [job.labels for job in found.jobs] == [("release-day", "newest")]


def test_what_is_on_record_is_not_run_again(office: Office) -> None:
    found = office(wish(), known=ledger(recorded(cell("0.1.0"), NEWEST)))
    assert (found.jobs, found.ready) == ((), ())


def test_fresh_runs_it_all_the_same(office: Office) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST))
    assert len(office(wish(), known=known, fresh=True).jobs) == 1


def test_only_the_probes_without_an_answer_are_put(office: Office) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST, probes=("held",)))
    (job,) = office(wish(), known=known).jobs
    assert set(job.probes) == {"standalone"}


def test_a_changed_probe_is_put_again(office: Office) -> None:
    changed = probe("held", source="2")
    known = ledger(recorded(cell("0.1.0"), NEWEST))
    (job,) = office(wish(probes={"held": changed.digest, "standalone": PROBES[1].digest}), known=known).jobs
    assert job.probes == {"held": changed.digest}


def test_a_pairing_that_now_means_a_cell_on_record_gives_it_a_label_and_no_run(office: Office) -> None:
    known = ledger(recorded(cell("0.1.0"), {"release-day": ("2024-01-01T00:00:00Z",)}))
    found = office(wish(), known=known)
    assert found.jobs == ()
    assert [record.pairings for record in found.ready] == [{"release-day": ("2024-01-01T00:00:00Z",), "newest": (DAY,)}]


def test_a_new_companion_is_a_new_cell(office: Office) -> None:
    known = ledger(recorded(cell("0.1.0", "2.0"), NEWEST))
    (job,) = office(wish(), known=known).jobs
    assert job.cell.versions["companion"] == "3.0"


def test_what_cannot_be_resolved_is_recorded_without_a_run_and_once(office: Office) -> None:
    office.answers["0.1.0", "newest"] = Unresolvable(python="3.11", why="Because it cannot be.")
    (record,) = office(wish()).ready
    assert (record.state, record.detail, record.python) == (CellState.UNRESOLVABLE, "Because it cannot be.", "3.11")
    assert office(wish(), known=ledger(record)).ready == ()


def test_what_no_python_can_hold_is_recorded_without_asking_the_resolver(office: Office) -> None:
    refused = wish(pythons=(), refused="subject 0.1.0 needs Python >=3.99")
    (record,) = office(refused).ready
    assert (record.state, record.detail) == (CellState.NO_PYTHON, "subject 0.1.0 needs Python >=3.99")
    assert office.resolved == []
    assert office(refused, known=ledger(record)).ready == ()


def test_trouble_is_listed_and_never_a_record(office: Office) -> None:
    office.answers["0.1.0", "newest"] = Trouble("the index did not answer")
    found = office(wish(), wish("0.2.0"))
    assert found.failed == (("0.1.0 newest", "the index did not answer"),)
    assert found.ready == ()
    assert [job.cell.subject for job in found.jobs] == ["0.2.0"]


def test_a_python_that_was_missing_somewhere_is_looked_for_again(office: Office) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST, state=CellState.NO_PYTHON))
    assert len(office(wish(), known=known).jobs) == 1


def test_an_explicit_pair_on_record_is_not_so_much_as_resolved(office: Office) -> None:
    pair = wish(pairing="grid", companions={"companion": "1.0"})
    known = ledger(recorded(cell("0.1.0", "1.0"), {"grid": (DAY,)}))
    assert office(pair, known=known).jobs == ()
    assert office.resolved == []
    other = wish(pairing="grid", companions={"companion": "2.0"})
    assert len(office(other, known=known).jobs) == 1


def test_only_narrows_by_what_a_cell_turns_out_to_hold(office: Office) -> None:
    assert office(wish(), only=("companion<3",)).jobs == ()
    assert len(office(wish(), only=("companion>=3",)).jobs) == 1


def test_labels_bear_the_instant_of_the_world_that_was_asked_about(office: Office) -> None:
    as_of = datetime(2024, 3, 1, tzinfo=UTC)
    known = ledger(recorded(cell("0.1.0"), {"release-day": (DAY,)}))
    (record,) = office(wish(), known=known, as_of=as_of).ready
    assert record.pairings["newest"] == ("2024-03-01T00:00:00Z",)


jobs = st.lists(
    st.builds(
        cell, st.sampled_from(["0.1.0", "0.2.0", "0.10.0"]), st.sampled_from("123"), st.sampled_from(["3.11", "3.12"])
    ),
    max_size=14,
    unique_by=lambda one: one.id(),
).map(lambda cells: [Job(cell=one, labels=("newest",), probes={HELD.id: HELD.digest}) for one in cells])
"""Different cells, of few groups."""


@given(jobs, st.integers(1, 20))
def test_shards_are_disjoint_and_complete_for_any_number(todo: list[Job], count: int) -> None:
    parts = [shard(todo, index, count) for index in range(1, count + 1)]
    together = [job for part in parts for job in part]
    assert len(together) == len(todo)
    assert all(job in together for job in todo)


@given(jobs, st.integers(1, 5))
def test_a_shard_is_the_same_whatever_the_order_of_the_jobs(todo: list[Job], count: int) -> None:
    turned = list(reversed(todo))
    for index in range(1, count + 1):
        assert shard(todo, index, count) == shard(turned, index, count)


@given(jobs, st.integers(1, 6))
def test_shards_are_even_and_keep_groups_together(todo: list[Job], count: int) -> None:
    parts = [shard(todo, index, count) for index in range(1, count + 1)]
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    order = [group(job) for part in parts for job in part]
    assert order == sorted(order)
