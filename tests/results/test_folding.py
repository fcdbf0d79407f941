"""One cell, one record: folding loses no answer that counts, in whatever order records come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factories
from compatmatrix.analysis import support
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record, record_key
from compatmatrix.core.states import CellState
from compatmatrix.results.folding import folded
from compatmatrix.results.ledger import Ledger
from factories import NOT_RUN, RAISES, SUPPORTED, instants, outcomes, probe, record, release

FIRST, SECOND, THIRD = (f"2025-06-0{day}T00:00:00Z" for day in (1, 2, 3))
NAMES = ("held", "standalone", "third")
PROBES = tuple(probe(name, control=name == "held") for name in NAMES)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return factories.config(tmp_path_factory.mktemp("project"))


def answered(at: str, outcome: Outcome = SUPPORTED, forms: Mapping[str, str] = {"held": "1"}, **more: Any) -> Record:
    """A record of one cell with the same outcome of some probes, each given with its form."""
    put = [probe(name, source=form) for name, form in forms.items()]
    made = record("0.1.0", dict.fromkeys(forms, outcome), probes=put, recorded=at)
    return msgspec.structs.replace(made, **more)


@st.composite
def several(draw: st.DrawFn, forms: str = "12") -> list[Record]:
    """Records of two cells, each with some probes in some form, under some variables."""
    made = []
    for _ in range(draw(st.integers(0, 6))):
        put = [
            probe(name, source=draw(st.sampled_from(forms)))
            for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
        ]
        one = record(
            "0.1.0",
            {one.id: draw(outcomes) for one in put},
            probes=put,
            recorded=draw(instants),
            companion=draw(st.sampled_from(["1.0", "2.0"])),
        )
        made.append(msgspec.structs.replace(one, network=draw(st.sampled_from([None, False]))))
    return made


def ordered(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda one: one.key)


@given(several(), several())
def test_folding_is_the_same_in_any_order_and_any_number_of_times(one: list[Record], other: list[Record]) -> None:
    both = ordered(folded([*one, *other]))
    assert ordered(folded([*other, *one])) == both
    assert ordered(folded([*folded(one), *other])) == both
    assert ordered(folded([*one, *folded(other), *one])) == both
    assert ordered(folded(both)) == both


@given(several())
def test_every_probe_has_its_last_answer_and_every_label_stays(records: list[Record]) -> None:
    for cell in {one.cell for one in records}:
        before, after = ([one for one in some if one.cell == cell] for some in (records, folded(records)))
        for name in {name for one in before for name in one.probes}:
            last = max(one.recorded for one in before if name in one.probes)
            (holder,) = (one for one in after if name in one.probes)
            assert holder.answered_at(name) == last
            assert (holder.probes[name], holder.outcomes[name]) in [
                (one.probes[name], one.outcomes[name]) for one in before if name in one.probes and one.recorded == last
            ]
        assert {at for one in before for at in one.pairings["newest"]} == {*after[0].pairings["newest"]}
        assert all(one.key == record_key(cell, one.probes) for one in after)


def _answers(records: Iterable[Record]) -> dict[tuple[str, str], Outcome]:
    return {(one.cell, name): outcome for one in records for name, outcome in one.outcomes.items()}


@given(several(forms="1"))
def test_a_view_of_folded_records_is_that_of_the_records(config: Config, records: list[Record]) -> None:
    # Two runs are never of one instant, and what a run records is labeled with no later one.
    days = [f"2025-06-01T00:00:{number:02}Z" for number in range(len(records))]
    apart = [
        msgspec.structs.replace(one, recorded=day, pairings={"newest": (day,)})
        for one, day in zip(records, days, strict=True)
    ]
    known = [Ledger.of(some, [release("0.1.0")]) for some in (apart, folded(apart))]
    whole, short = (support.view(one, config, PROBES) for one in known)
    assert short == whole
    for at in days:
        old, new = ([*support.before(one, at).records.values()] for one in known)
        assert {one.cell for one in new} == {one.cell for one in old}
        # An answer that was given again is known only as it is now.
        assert _answers(new).items() <= _answers(folded(old)).items()


def test_a_partial_rerun_leaves_one_record_with_the_instants_of_its_answers() -> None:
    old = answered(FIRST, RAISES, {"held": "1", "standalone": "1", "third": "1"})
    (one,) = folded([old, answered(THIRD, SUPPORTED, {"standalone": "2"})])
    assert one.outcomes == {"held": RAISES, "standalone": SUPPORTED, "third": RAISES}
    assert (one.recorded, one.answered) == (THIRD, {FIRST: ("held", "third")})
    assert one.pairings == {"newest": (FIRST, THIRD)}
    (again,) = folded([one, answered(SECOND, NOT_RUN, {"third": "2"})])
    assert (again.outcomes["third"], again.answered) == (NOT_RUN, {FIRST: ("held",), SECOND: ("third",)})


APART: dict[str, dict[str, Any]] = {
    "another state": {"state": CellState.CRASHED, "outcomes": {}},
    "other variables": {"environment": {"FLAG": "1"}},
    "another network": {"network": True},
    "tampering": {"tampering": ("the probes were changed",)},
}


@pytest.mark.parametrize("kind", APART)
def test_records_that_differ_in_more_than_answers_stay_apart(kind: str) -> None:
    one, other = answered(FIRST), answered(SECOND, forms={"third": "1"}, **APART[kind])
    assert len(folded([one, other])) == 2


def test_answers_under_other_variables_go_where_there_are_later_ones() -> None:
    later = answered(SECOND, RAISES, {"held": "2"}, environment={"FLAG": "1"})
    (one,) = folded([answered(FIRST), later])
    assert (one.environment, one.outcomes) == ({"FLAG": "1"}, {"held": RAISES})
