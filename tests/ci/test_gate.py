"""Never publish less than is known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compatmatrix.ci.gate import Ledgers, refusals
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import CellState
from compatmatrix.planning.plan_file import Plan
from compatmatrix.results.ledger import Ledger, merge
from compatmatrix.results.records import Damage
from factories import ABSENT, DAY, PROBES, RAISES, SUPPORTED, config, ledger, numbered_job, plan, record, release


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("configured"))


def kinds(configured: Config, made: Plan, before: Ledger, delivered: Ledger) -> list[str]:
    """The kinds of what speaks against publishing."""
    ledgers = Ledgers(before=before, delivered=delivered, after=merge(before, delivered))
    return [refusal.kind for refusal in refusals(configured, PROBES, made, ledgers)]


def planned(*cells: Record, **more: object) -> Plan:
    """A plan that asked for the cells of these records."""
    jobs = []
    for number, one in enumerate(cells):
        made = numbered_job(number)
        jobs.append(msgspec.structs.replace(made, probes=one.probes))
    return msgspec.structs.replace(plan(*jobs, planned=DAY), **more)


def run(*found: tuple[Outcome, CellState]) -> tuple[Plan, Ledger]:
    """A run whose cells came to these controls and states."""
    made = [record(f"0.{number}", {"held": outcome}, state=state) for number, (outcome, state) in enumerate(found)]
    todo = planned(*made)
    delivered = [msgspec.structs.replace(one, cell=asked.cell.id()) for one, asked in zip(made, todo.jobs, strict=True)]
    return todo, ledger(*delivered)


RAN = CellState.RAN


def test_nothing_new_may_be_published(configured: Config) -> None:
    before = ledger(record("0.1.0", {"held": SUPPORTED}))
    assert kinds(configured, plan(listed=("0.1.0",)), before, Ledger()) == []


def test_without_a_plan_nothing_is_known_of_today(configured: Config) -> None:
    assert kinds(configured, plan(error="the index did not answer"), ledger(record("0.1.0")), Ledger()) == ["no plan"]


def test_a_run_that_examined_nothing(configured: Config) -> None:
    todo, delivered = run((SUPPORTED, RAN), (SUPPORTED, RAN))
    assert kinds(configured, todo, Ledger(), Ledger()) == ["nothing examined"]
    one = dict(list(delivered.records.items())[:1])
    assert kinds(configured, todo, Ledger(), Ledger(records=one)) == []
    assert kinds(configured, plan(requested=2, failed=(("a", "why"), ("b", "why"))), Ledger(), Ledger()) == [
        "nothing examined"
    ]


def test_an_index_that_lists_fewer_releases_than_are_known(configured: Config) -> None:
    before = ledger(record("0.1.0"), record("0.2.0"))
    (refusal,) = refusals(
        configured, PROBES, plan(listed=("0.2.0",)), Ledgers(before=before, delivered=Ledger(), after=before)
    )
    assert refusal.kind == "fewer releases"
    assert "no longer lists subject 0.1.0" in refusal.why
    assert kinds(configured, plan(listed=("0.1.0", "0.2.0", "0.3.0")), before, Ledger()) == []
    without = msgspec.structs.replace(
        configured, subject=msgspec.structs.replace(configured.subject, releases=">=0.1,!=0.1.0")
    )
    assert kinds(without, plan(listed=("0.2.0",)), before, Ledger()) == []


def test_a_candidate_that_a_stable_release_has_replaced_is_still_listed(configured: Config) -> None:
    before = ledger(releases=[release("0.2.0rc1", prerelease=True), release("0.2.0")])
    assert kinds(configured, plan(listed=("0.2.0rc1", "0.2.0")), before, Ledger()) == []


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        ([(SUPPORTED, RAN), (RAISES, RAN)], False),  # half, which is allowed
        ([(SUPPORTED, RAN), (RAISES, RAN), (RAISES, RAN)], True),
        ([(SUPPORTED, RAN), (RAISES, CellState.TIMEOUT), (RAISES, CellState.CRASHED)], True),
        ([(RAISES, RAN)], True),
        ([(ABSENT, RAN), (ABSENT, RAN)], False),  # releases without the API
        ([(SUPPORTED, CellState.IMPORT_FAILS), (SUPPORTED, CellState.INSTALL_FAILED)], False),
    ],
)
def test_a_control_that_fails_in_too_many_cells(
    configured: Config, found: list[tuple[Outcome, CellState]], refused: bool
) -> None:
    todo, delivered = run(*found)
    assert kinds(configured, todo, Ledger(), delivered) == (["control"] if refused else [])


def test_controls_of_earlier_runs_are_not_counted(configured: Config) -> None:
    before = ledger(*(record(f"1.{number}", {"held": RAISES}) for number in range(5)))
    todo, delivered = run((SUPPORTED, RAN))
    assert kinds(configured, msgspec.structs.replace(todo, listed=tuple(before.releases)), before, delivered) == []


def test_the_share_is_matrix_tomls(configured: Config) -> None:
    todo, delivered = run((SUPPORTED, RAN), (RAISES, RAN), (RAISES, RAN))
    allowing = msgspec.structs.replace(
        configured, publish=msgspec.structs.replace(configured.publish, control_failures=1.0)
    )
    assert kinds(allowing, todo, Ledger(), delivered) == []


def test_damage(configured: Config) -> None:
    broken = Ledger(damage=(Damage(file="0.1.0.jsonl", line=3, problem="a merge-conflict marker"),))
    assert kinds(configured, plan(), broken, Ledger()) == ["damage"]


def test_what_is_published_is_never_lost(configured: Config, tmp_path: Path) -> None:
    before = ledger(record("0.1.0"))
    ledgers = Ledgers(before=before, delivered=Ledger(), after=Ledger())
    made = refusals(configured, PROBES, plan(listed=("0.1.0",)), ledgers)
    assert [refusal.kind for refusal in made] == ["lost"]
