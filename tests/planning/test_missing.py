"""What is on record is not run again, and whatever is missing is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from compatmatrix.config.tables import Config
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import Cell, CellRequest, Record, record_key
from compatmatrix.core.states import CellState
from compatmatrix.planning import missing
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.missing import MissingWork, Options, find_missing
from compatmatrix.planning.recorded import Slot
from compatmatrix.planning.selection import Selection
from compatmatrix.resolve.lock import Unresolvable
from compatmatrix.results.ledger import Ledger
from factories import DAY, PLATFORM, PROBES, cell, config, ledger, probe

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def request(subject: str = "0.1.0", pairing: str = "newest", **more: object) -> CellRequest:
    fields: dict[str, object] = {
        "subject": subject,
        "pairing": pairing,
        "platform": PLATFORM,
        "pythons": ("3.11",),
        "requirements": (f"subject=={subject}",),
        "probes": {one.id: one.digest for one in PROBES},
    }
    return CellRequest(**{**fields, **more})  # type: ignore[arg-type]


class Search:
    """A search whose resolver answers from a table: (release, pairing) -> cell, reason, or error.

    ``deleted`` are versions of the package that nobody names of which the index lists no wheel any more.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config: Config = config(folder)
        self.answers: dict[tuple[str, str], Cell | Unresolvable | InfrastructureError] = {}
        self.resolved: list[str] = []
        self.deleted: set[str] = set()
        monkeypatch.setattr(missing, "installable", self._installable)
        self._patch = monkeypatch
        self.patch(self._resolve)

    def patch(self, resolve: Callable[..., object]) -> None:
        self._patch.setattr(missing.lock, "resolve", resolve)  # type: ignore[attr-defined]

    def _resolve(self, config: Config, request: CellRequest, cache: Path, connections: int) -> Cell | Unresolvable:
        self.resolved.append(request.title)
        answer = self.answers.get((request.subject, request.pairing), cell(request.subject))
        if isinstance(answer, InfrastructureError):
            raise answer
        return answer

    def _installable(self, config: Config, cells: Mapping[Slot, Cell], cache: Path) -> dict[Slot, Cell]:
        return {slot: one for slot, one in cells.items() if one.lock[1].version not in self.deleted}

    def __call__(
        self,
        *requests: CellRequest,
        known: Ledger | None = None,
        fresh: bool = False,
        queue: Queue | None = None,
        **more: object,
    ) -> MissingWork:
        selection = Selection(**more)  # type: ignore[arg-type]
        options = Options(config=self.config, selection=selection, cache=Path("unused"), now=NOW, fresh=fresh)
        return find_missing(options, requests, known or Ledger(), queue=queue)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    return Search(tmp_path, monkeypatch)


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
        "lock": held.listed(),
        "probes": put,
        "recorded": DAY,
    }
    return Record(**{**fields, **more})  # type: ignore[arg-type]


NEWEST = {"newest": (DAY,)}


def test_a_wish_that_nobody_has_answered_is_a_job(search: Search) -> None:
    found = search(request())
    expected = Job(cell=cell("0.1.0"), labels=("newest",), probes=request().probes, why=("new release",))
    assert found.jobs == (msgspec.structs.replace(expected, environment={"PLANTED": "by matrix.toml"}),)
    assert (len(found.answers), found.ready, found.failed) == (1, (), ())


def test_two_wishes_that_come_to_one_cell_are_one_job_with_two_labels(search: Search) -> None:
    found = search(request(pairing="release-day"), request(pairing="newest"))
    assert [job.labels for job in found.jobs] == [("release-day", "newest")]


def test_what_is_on_record_is_not_run_again(search: Search) -> None:
    found = search(request(), known=ledger(recorded(cell("0.1.0"), NEWEST)))
    assert (found.jobs, found.ready) == ((), ())


def test_another_version_of_a_reported_package_is_no_reason_for_a_new_cell(search: Search) -> None:
    """Nor is a record from before it was reported; of a companion it is."""
    for version, before in (("1.1", {"other": "1.0"}), ("1.0", {})):
        today = cell("0.1.0", other=version)
        search.answers["0.1.0", "newest"] = msgspec.structs.replace(
            today, versions={**today.versions, "other": version}
        )
        held = cell("0.1.0")
        known = ledger(recorded(held, NEWEST, versions={**held.versions, **before}))
        assert search(request(), known=known).jobs == ()
    search.answers["0.1.0", "newest"] = cell("0.1.0", companion="4.0")
    (job,) = search(request(), known=known).jobs
    assert job.why == ("moved: companion 3.0 -> 4.0",)


def test_the_python_pairing_is_asked_again_beside_a_newer_companion_that_works(search: Search) -> None:
    asked = {"pairing": "python", "companions": {"companion": "3.0"}}
    known = ledger(recorded(cell("0.1.0"), {"python": (DAY,)}))
    assert search(request(**asked), known=known).jobs == ()  # type: ignore[arg-type]
    assert search.resolved == [], "what is on record is not so much as resolved again"
    asked["companions"] = {"companion": "4.0"}
    search.answers["0.1.0", "python"] = cell("0.1.0", companion="4.0")
    (job,) = search(request(**asked), known=known).jobs  # type: ignore[arg-type]
    assert job.labels == ("python",)


def test_the_cells_of_a_release_can_be_run_while_others_are_still_locked(search: Search) -> None:
    """All of its requests have been resolved by then: a pairing that means the same cell is on the job."""
    queue, there = Queue(closed=False), list[list[str]]()
    wanted = [request(version, pairing) for version in ("0.2.0", "0.1.0") for pairing in ("release-day", "newest")]
    resolving = search._resolve

    def resolve(config: Config, asked: CellRequest, cache: Path, connections: int) -> Cell | Unresolvable:
        if asked.subject == "0.1.0":
            there.append([job.cell.subject for job in queue.jobs])
        return resolving(config, asked, cache, connections)

    search.patch(resolve)
    found = search(*wanted, queue=queue)
    assert there == [["0.2.0"], ["0.2.0"]]
    assert tuple(queue.jobs) == found.jobs
    assert [job.labels for job in found.jobs] == [("release-day", "newest")] * 2


def test_an_interrupt_ends_the_resolving(search: Search) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(request(), request("0.2.0"), queue=Queue())


def test_fresh_runs_it_all_the_same(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST))
    assert len(search(request(), known=known, fresh=True).jobs) == 1


def test_only_the_probes_without_an_answer_are_put(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST, probes=("held",)))
    (job,) = search(request(), known=known).jobs
    assert set(job.probes) == {"standalone"}


def test_a_changed_probe_is_put_again(search: Search) -> None:
    changed = probe("held", source="2")
    known = ledger(recorded(cell("0.1.0"), NEWEST))
    (job,) = search(request(probes={"held": changed.digest, "standalone": PROBES[1].digest}), known=known).jobs
    assert job.probes == {"held": changed.digest}


def test_a_pairing_that_now_means_a_cell_on_record_gives_it_a_label_and_no_run(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0"), {"release-day": ("2024-01-01T00:00:00Z",)}))
    found = search(request(), known=known)
    assert found.jobs == ()
    assert [record.pairings for record in found.ready] == [{"release-day": ("2024-01-01T00:00:00Z",), "newest": (DAY,)}]


def test_a_new_companion_is_a_new_cell(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0", "2.0"), NEWEST))
    (job,) = search(request(), known=known).jobs
    assert job.cell.versions["companion"] == "3.0"


def test_what_cannot_be_resolved_is_recorded_without_a_run_and_once(search: Search) -> None:
    search.answers["0.1.0", "newest"] = Unresolvable(python="3.11", why="Because it cannot be.")
    (record,) = search(request()).ready
    assert (record.state, record.detail, record.python) == (CellState.UNRESOLVABLE, "Because it cannot be.", "3.11")
    assert search(request(), known=ledger(record)).ready == ()


def test_what_no_python_can_hold_is_recorded_without_asking_the_resolver(search: Search) -> None:
    refused = request(pythons=(), refused="subject 0.1.0 needs Python >=3.99")
    (record,) = search(refused).ready
    assert (record.state, record.detail) == (CellState.NO_PYTHON, "subject 0.1.0 needs Python >=3.99")
    assert search.resolved == []
    assert search(refused, known=ledger(record)).ready == ()


def test_trouble_is_listed_and_never_a_record(search: Search) -> None:
    search.answers["0.1.0", "newest"] = InfrastructureError("the index did not answer")
    found = search(request(), request("0.2.0"))
    assert found.failed == (("0.1.0 newest", "the index did not answer"),)
    assert found.ready == ()
    assert [job.cell.subject for job in found.jobs] == ["0.2.0"]


def test_a_python_that_was_missing_somewhere_is_looked_for_again(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST, state=CellState.NO_PYTHON))
    assert len(search(request(), known=known).jobs) == 1


def test_an_explicit_pair_on_record_is_not_so_much_as_resolved(search: Search) -> None:
    pair = request(pairing="grid", companions={"companion": "1.0"})
    known = ledger(recorded(cell("0.1.0", "1.0"), {"grid": (DAY,)}))
    assert search(pair, known=known).jobs == ()
    assert search.resolved == []
    other = request(pairing="grid", companions={"companion": "2.0"})
    assert len(search(other, known=known).jobs) == 1


def test_only_narrows_by_what_a_cell_turns_out_to_hold(search: Search) -> None:
    assert len(search(request(), only=("companion>=3",)).jobs) == 1


def test_defect_a_selection_that_no_cell_meets_was_a_run_of_nothing(search: Search) -> None:
    with pytest.raises(UserError, match=r"--only companion<3: nothing .* has such a version; the nearest: 3\.0"):
        search(request(), only=("companion<3",))


def test_a_job_says_why_it_is_run(search: Search) -> None:
    before = recorded(cell("0.1.0", companion="2.0", other="0.9"), NEWEST)

    def why(known: Ledger, **more: object) -> str:
        (job,) = search(request(), known=known, **more).jobs  # type: ignore[arg-type]
        return "; ".join(job.why)

    assert why(ledger()) == "new release"
    assert why(ledger(recorded(cell("0.1.0", other="0.9"), {"release-day": (DAY,)}))) == "not run before"
    assert why(ledger(before)) == "moved: companion 2.0 -> 3.0, other 0.9 -> 1.0"
    assert why(ledger(recorded(cell("0.1.0"), NEWEST, probes=("held",)))) == "new or changed: standalone"
    assert why(ledger(recorded(cell("0.1.0"), NEWEST)), fresh=True) == "asked fresh"


def test_each_request_is_answered_by_a_cell_on_record_or_of_a_job(search: Search) -> None:
    known = ledger(recorded(cell("0.1.0"), NEWEST))
    found = search(request(), request("0.2.0"), known=known)
    assert [(one.subject, one.pairing, one.cell) for one in found.answers] == [
        ("0.1.0", "newest", cell("0.1.0").id()),
        ("0.2.0", "newest", cell("0.2.0").id()),
    ]


def test_labels_bear_the_instant_of_the_world_that_was_asked_about(search: Search) -> None:
    as_of = datetime(2024, 3, 1, tzinfo=UTC)
    known = ledger(recorded(cell("0.1.0"), {"release-day": (DAY,)}))
    (record,) = search(request(), known=known, as_of=as_of).ready
    assert record.pairings["newest"] == ("2024-03-01T00:00:00Z",)


LATER = {**request().probes, "new": "a digest"}
"""The probes once there is a new one."""

MOVED = cell("0.1.0", other="2.0")
"""What a pairing means once the package that nobody names has moved."""

RELEASE_DAY = {"release-day": ("2024-01-01T00:00:00Z",)}
GRID = {"grid": ("2024-01-01T00:00:00Z",)}


def moved(search: Search, kind: str) -> tuple[CellRequest, Record]:
    """A request with a new probe, and its record from before the index moved."""
    search.answers["0.1.0", kind] = MOVED
    labels = {"newest": NEWEST, "release-day": RELEASE_DAY, "grid": GRID, "oldest": {"oldest": (DAY,)}}[kind]
    explicit = {"companion": "3.0"} if kind == "grid" else {}
    lowest = ("companion",) if kind == "oldest" else ()
    return request(pairing=kind, probes=LATER, companions=explicit, lowest=lowest), recorded(cell("0.1.0"), labels)


KINDS = pytest.mark.parametrize("kind", ["newest", "release-day", "grid", "oldest"])


@KINDS
def test_defect_a_new_probe_ran_all_the_others_again_once_the_index_had_moved(search: Search, kind: str) -> None:
    """What is missing was looked for in the lock that the pairing means today, which had answered nothing."""
    asked, record = moved(search, kind)
    (job,) = search(asked, known=ledger(record)).jobs
    assert (job.cell, job.labels, job.probes) == (cell("0.1.0"), (kind,), {"new": "a digest"})
    # Nor does it say that the lock was found today: that would put the day off on which it is looked for anew.
    assert job.record("2025-06-01T00:00:00Z", DAY, CellState.RAN, "", {}).pairings == record.pairings


@KINDS
def test_a_changed_probe_runs_in_the_lock_on_record_and_no_other_does(search: Search, kind: str) -> None:
    asked, record = moved(search, kind)
    changed = {**request().probes, "held": "another digest"}
    (job,) = search(msgspec.structs.replace(asked, probes=changed), known=ledger(record)).jobs
    assert (job.cell, job.probes) == (cell("0.1.0"), {"held": "another digest"})


@KINDS
def test_a_lock_of_which_a_wheel_is_gone_is_resolved_anew(search: Search, kind: str) -> None:
    asked, record = moved(search, kind)
    search.deleted = {"1.0"}
    (job,) = search(asked, known=ledger(record)).jobs
    assert (job.cell, job.probes) == (MOVED, LATER)
    assert job.record(DAY, DAY, CellState.RAN, "", {}).pairings == {kind: (DAY,)}


@KINDS
@pytest.mark.parametrize(
    "more", [{"requirements": ("subject==0.1.0", "other>=2")}, {"requirements": ("tool==1.0",)}, {"pythons": ("3.12",)}]
)
def test_a_lock_that_does_not_meet_what_is_asked_for_today_is_not_run(
    search: Search, kind: str, more: dict[str, tuple[str, ...]]
) -> None:
    asked, record = moved(search, kind)
    (job,) = search(msgspec.structs.replace(asked, **more), known=ledger(record)).jobs
    assert job.cell == MOVED


@KINDS
def test_with_no_probe_missing_a_lock_that_would_be_another_today_stands(search: Search, kind: str) -> None:
    asked, record = moved(search, kind)
    found = search(msgspec.structs.replace(asked, probes=request().probes), known=ledger(record))
    assert (found.jobs, found.ready) == ((), ())


@pytest.mark.parametrize(
    ("resolved", "instant"),
    [(cell("0.1.0", "3.1"), DAY), (cell("0.1.0", python="3.12"), DAY), (MOVED, "2025-05-02T00:00:00Z")],
)
def test_newest_is_another_cell_once_a_companion_or_its_python_moves_and_after_a_month(
    search: Search, resolved: Cell, instant: str
) -> None:
    record = recorded(cell("0.1.0"), {"newest": (instant,)})
    for probes in (request().probes, LATER):
        search.answers["0.1.0", "newest"] = resolved
        (job,) = search(request(probes=probes), known=ledger(record)).jobs
        assert (job.cell, job.probes) == (resolved, probes)


def test_two_pairings_with_one_lock_on_record_are_one_job(search: Search) -> None:
    search.answers["0.1.0", "newest"] = MOVED
    record = recorded(cell("0.1.0"), {**RELEASE_DAY, **NEWEST})
    found = search(
        request(pairing="newest", probes=LATER), request(pairing="release-day", probes=LATER), known=ledger(record)
    )
    (job,) = found.jobs
    assert (set(job.labels), job.probes) == ({"newest", "release-day"}, {"new": "a digest"})


def test_a_record_that_its_lock_does_not_make_up_is_resolved_anew(search: Search) -> None:
    asked, record = moved(search, "grid")
    built = msgspec.structs.replace(record, lock=("subject @ git+https://example.org/it@abc", *record.lock[:2]))
    (job,) = search(asked, known=ledger(built)).jobs
    assert (job.cell, job.probes) == (MOVED, LATER)


def test_defect_an_old_answer_to_a_changed_probe_hid_the_new_one(search: Search) -> None:
    """Of two records of a cell the one that was read last counted: one order in two ran the probe again, every day."""
    today = request(probes={**request().probes, "held": "another digest"})
    old, new = recorded(cell("0.1.0"), NEWEST), recorded(cell("0.1.0"), NEWEST, probes=("held",))
    new = msgspec.structs.replace(new, key="new", probes={"held": "another digest"})
    for known in (ledger(old, new), ledger(new, old)):
        assert search(today, known=known).jobs == ()
