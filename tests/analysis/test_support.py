"""What the ledger says: ranges with honest bounds, verdicts, and what changed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.analysis import support
from compatmatrix.analysis.changes import between_releases, between_views
from compatmatrix.analysis.support import View, before, summarize
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.results.ledger import Ledger
from factories import (
    ABSENT,
    HELD,
    INCONCLUSIVE,
    NO_EFFECT,
    NOT_RUN,
    PROBES,
    RAISES,
    STANDALONE,
    SUPPORTED,
    answers,
    ledger,
    outcomes,
    probe,
    record,
    release,
)
from factories import config as made_config

OTHERWISE = msgspec.structs.replace(RAISES, exception="TypeError", message="other", signature="TypeError: other")
FIRST, SECOND, THIRD = "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z", "2025-06-03T00:00:00Z"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return made_config(tmp_path)


def versions(count: int) -> list[str]:
    return [f"0.{number}.0" for number in range(count)]


def summary(*found: Outcome) -> support.Support:
    return summarize([release(version) for version in versions(len(found))], found, found)


@given(st.lists(outcomes, min_size=1, max_size=12))
def test_ranges_hold_each_release_exactly_once_and_with_its_own_outcome(found: list[Outcome]) -> None:
    listed = versions(len(found))
    covered: list[str] = []
    for entry in summary(*found).ranges:
        inside = listed[listed.index(entry.first) : listed.index(entry.last) + 1]
        covered += inside
        assert {found[listed.index(version)].state for version in inside} == {entry.state}
    assert covered == listed


@given(st.lists(outcomes, min_size=2, max_size=12))
def test_neighboring_ranges_differ(found: list[Outcome]) -> None:
    ranges = summary(*found).ranges
    assert all((one.state, one.signature) != (other.state, other.signature) for one, other in pairwise(ranges))


@given(st.lists(outcomes, min_size=1, max_size=12))
def test_first_supported_is_the_first_and_its_bound_is_honest(found: list[Outcome]) -> None:
    said = summary(*found)
    states = [outcome.state for outcome in found]
    if OutcomeState.SUPPORTED not in states:
        assert said.first_supported is None
        return
    first = states.index(OutcomeState.SUPPORTED)
    assert said.first_supported == versions(len(found))[first]
    assert said.at_latest == (first > 0 and not states[first - 1].known)


def test_another_signature_is_another_range() -> None:
    ranges = summary(RAISES, RAISES, OTHERWISE).ranges
    assert [(entry.first, entry.last, entry.signature) for entry in ranges] == [
        ("0.0.0", "0.1.0", "NotTrainable: no"),
        ("0.2.0", "0.2.0", "TypeError: other"),
    ]


def test_support_that_was_lost_again_holds_no_longer() -> None:
    said = summary(ABSENT, SUPPORTED, RAISES)
    assert (said.first_supported, said.since, said.latest) == ("0.1.0", None, OutcomeState.RAISES)


def test_support_holds_since_the_range_that_the_latest_release_is_in() -> None:
    assert summary(SUPPORTED, NO_EFFECT, SUPPORTED, SUPPORTED).since == "0.2.0"


@pytest.mark.parametrize("newer", [NOT_RUN, RAISES, INCONCLUSIVE])
def test_defect_a_candidate_without_an_answer_took_away_since_when_it_is_supported(newer: Outcome) -> None:
    """The verdict then read "since None"."""
    listed = [release("0.1.0"), release("0.2.0"), release("0.3.0rc1", prerelease=True)]
    said = summarize(listed, [RAISES, SUPPORTED, newer], [RAISES, SUPPORTED, newer])
    assert (said.since, said.latest) == ("0.2.0", OutcomeState.SUPPORTED)


def test_since_is_a_bound_as_honest_as_the_first() -> None:
    said = summary(SUPPORTED, NOT_RUN, SUPPORTED)
    assert (said.since, said.since_at_latest, said.first_supported, said.at_latest) == ("0.2.0", True, "0.0.0", False)
    assert not summary(SUPPORTED, RAISES, SUPPORTED).since_at_latest


def test_a_signature_is_made_as_of_today_whatever_the_record_says(config: Config) -> None:
    """How like is told from unlike may improve, and is no reason to run anything again."""
    old = msgspec.structs.replace(RAISES, message="no at line 7", signature="NotTrainable: no at line 7")
    seen = support.view(ledger(record("0.1.0", answers(standalone=old))), config, PROBES)
    assert seen.outcome("standalone", "newest", "0.1.0").signature == "NotTrainable: no at line …"


def test_outcomes_count_only_for_todays_probes(config: Config) -> None:
    changed = probe("standalone", source="2")
    known = ledger(record("0.1.0", answers(standalone=RAISES)))
    seen = support.view(known, config, (HELD, changed))
    assert seen.outcome("standalone", "newest", "0.1.0").state is OutcomeState.NOT_RUN
    assert seen.outcome("held", "newest", "0.1.0") == SUPPORTED


def test_records_of_one_cell_are_put_together(config: Config) -> None:
    changed = probe("standalone", source="2")
    old = record("0.1.0", answers(standalone=RAISES), recorded=FIRST)
    new = record("0.1.0", {"standalone": SUPPORTED}, probes=[changed], recorded=SECOND)
    (cell,) = support.view(ledger(old, new), config, (HELD, changed)).cells
    assert {name: outcome.state.value for name, outcome in cell.outcomes.items()} == {
        "held": "supported",
        "standalone": "supported",
    }
    assert cell.recorded == "2025-06-02"


def test_defect_a_probe_that_is_gone_left_its_crash_to_the_whole_cell(config: Config) -> None:
    """Nothing was left to run, and the answers to today's questions stayed hidden for good."""
    ran = record("0.1.0", answers(standalone=RAISES), recorded=FIRST)
    crashed = record("0.1.0", probes=[probe("gone")], state=CellState.CRASHED, recorded=SECOND)
    seen = support.view(ledger(ran, crashed), config, PROBES)
    assert seen.outcome("standalone", "newest", "0.1.0") == RAISES
    assert seen.cells[0].state is CellState.RAN


def test_a_crash_of_todays_probe_is_the_cells_state(config: Config) -> None:
    ran = record("0.1.0", answers(), probes=[HELD], recorded=FIRST)
    crashed = record("0.1.0", probes=[STANDALONE], state=CellState.CRASHED, recorded=SECOND)
    assert support.view(ledger(ran, crashed), config, PROBES).cells[0].state is CellState.CRASHED


def test_defect_the_data_had_outcomes_of_a_cell_that_timed_out_since(config: Config) -> None:
    """Beside the state `timeout`: in compatibility.json, in the CSV, and for `explain`."""
    ran = record("0.1.0", answers(standalone=RAISES), probes=[HELD, STANDALONE], recorded=FIRST)
    crashed = record("0.1.0", probes=[probe("new")], state=CellState.TIMEOUT, recorded=SECOND)
    (cell,) = support.view(ledger(ran, crashed), config, (*PROBES, probe("new"))).cells
    assert (cell.state, cell.outcomes) == (CellState.TIMEOUT, {})


@pytest.mark.parametrize("state", [state for state in CellState if state is not CellState.RAN])
def test_a_cell_that_did_not_run_says_nothing_of_any_probe(config: Config, state: CellState) -> None:
    seen = support.view(ledger(record("0.1.0", answers(standalone=RAISES), state=state)), config, PROBES)
    assert seen.outcome("standalone", "newest", "0.1.0") == NOT_RUN
    assert seen.support["standalone"]["newest"].latest is OutcomeState.NOT_RUN


def test_the_control_weighs_in_the_view_and_not_in_the_record(config: Config) -> None:
    known = ledger(record("0.1.0", {"held": NO_EFFECT, "standalone": RAISES}))
    assert support.view(known, config, PROBES).outcome("standalone", "newest", "0.1.0").state is (
        OutcomeState.INCONCLUSIVE
    )
    assert next(iter(known.records.values())).outcomes["standalone"] == RAISES


def test_the_latest_release_is_neither_yanked_nor_a_candidate(config: Config) -> None:
    listed = [release("0.1.0"), release("0.2.0", yanked=True), release("0.3.0rc1", prerelease=True)]
    known = ledger(*(record(one.version, answers(standalone=SUPPORTED)) for one in listed), releases=listed)
    seen = support.view(known, config, PROBES)
    assert seen.latest == listed[0]
    assert [row.version for row in seen.releases] == ["0.1.0", "0.2.0", "0.3.0rc1"]


def test_a_candidate_without_a_cell_is_no_row_and_a_release_without_one_is(config: Config) -> None:
    listed = [release("0.1.0"), release("0.2.0"), release("0.3.0rc1", prerelease=True)]
    seen = support.view(ledger(record("0.1.0", answers()), releases=listed), config, PROBES)
    assert [row.version for row in seen.releases] == ["0.1.0", "0.2.0"]
    assert seen.cell("newest", "0.2.0") is None


def test_probes_stand_in_the_order_of_their_groups(config: Config) -> None:
    other = msgspec.structs.replace(probe("aside"), group="unlisted")
    seen = support.view(ledger(record("0.1.0")), config, (other, *PROBES))
    assert [one.id for one in seen.probes] == ["held", "standalone", "aside"]


def test_one_table_shows_one_platform(config: Config) -> None:
    here = record("0.1.0", answers(standalone=RAISES))
    there = record("0.1.0", answers(standalone=SUPPORTED), cell="other", platform="macos-arm64")
    seen = support.view(ledger(here, there), config, PROBES)
    assert len(seen.cells) == 2
    assert seen.outcome("standalone", "newest", "0.1.0") == RAISES


def history(config: Config, *found: Outcome) -> View:
    made = [record(version, answers(standalone=one)) for version, one in zip(versions(9), found, strict=False)]
    return support.view(ledger(*made), config, PROBES)


def test_changes_are_the_moves_from_one_release_to_the_next(config: Config) -> None:
    moved = between_releases(history(config, RAISES, RAISES, NOT_RUN, OTHERWISE, INCONCLUSIVE, SUPPORTED))
    assert [(one.release, one.probe, one.before.state.value, one.after.state.value) for one in moved] == [
        ("0.3.0", "standalone", "raises", "raises"),
        ("0.5.0", "standalone", "raises", "supported"),
    ]


def test_between_two_views_what_becomes_known_or_unknown_is_no_change(config: Config) -> None:
    old = history(config, RAISES, SUPPORTED, RAISES, NOT_RUN)
    new = history(config, RAISES, NO_EFFECT, NOT_RUN, SUPPORTED)
    moved = [one for one in between_views(old, new) if one.probe == "standalone"]
    assert [(one.release, one.before.state.value, one.after.state.value) for one in moved] == [
        ("0.1.0", "supported", "no-effect"),
    ]
    assert between_views(new, new) == ()


def test_before_takes_away_later_records_and_later_labels() -> None:
    moved = record("0.1.0", companion="1.0", pairings={"newest": (FIRST, THIRD)}, recorded=FIRST)
    later = record("0.1.0", companion="2.0", pairings={"newest": (SECOND,)}, recorded=SECOND)
    (kept,) = before(ledger(moved, later), SECOND).records.values()
    assert (kept.cell, kept.pairings) == (moved.cell, {"newest": (FIRST,)})


def test_before_takes_away_later_answers_of_a_record() -> None:
    united = msgspec.structs.replace(
        record("0.1.0", answers(standalone=SUPPORTED), pairings={"newest": (FIRST, THIRD)}, recorded=THIRD),
        answered={FIRST: ("held",)},
    )
    (kept,) = before(ledger(united), SECOND).records.values()
    assert (kept.outcomes, kept.recorded, kept.pairings) == ({"held": SUPPORTED}, FIRST, {"newest": (FIRST,)})
    again = msgspec.structs.replace(united, answered={})
    (kept,) = before(ledger(again), SECOND).records.values()
    assert not kept.outcomes, "the cell was there; what it answered then is not known any more"


def test_a_view_of_nothing_is_empty(config: Config) -> None:
    seen = support.view(Ledger(), config, PROBES)
    assert (seen.releases, seen.cells, seen.latest) == ((), (), None)
    assert seen.support["standalone"]["newest"].ranges == ()
