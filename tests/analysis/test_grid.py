"""How a pair is classed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from compatmatrix.analysis import support
from compatmatrix.analysis.grid import FAILS, IMPORTS, Kind, Pair, grid
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import CellState
from compatmatrix.publish import markdown, version_picker
from factories import ABSENT, DAY, HELD, INCONCLUSIVE, NO_EFFECT, NOT_RUN, RAISES, SUPPORTED, ledger, record
from factories import config as made_config
from histories import PUT


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made_config(tmp_path_factory.mktemp("grid"))


def cell(outcomes: Mapping[str, Outcome], pairing: str = "grid", state: CellState = CellState.RAN) -> Record:
    detail = "" if state is CellState.RAN else "AttributeError: module 'numpy' has no attribute 'trapz'"
    return record(
        "0.1.0", outcomes, probes=PUT, pairings={pairing: (DAY,)}, cell=f"cell-{pairing}", state=state, detail=detail
    )


def pair(configured: Config, *cells: Record) -> Pair:
    return grid(support.view(ledger(*cells), configured, PUT)).rows["0.1.0"]["1.0"]


@pytest.mark.parametrize(
    ("held", "jitted", "standalone", "kind"),
    [
        (SUPPORTED, SUPPORTED, SUPPORTED, Kind.HEADLINE),
        (SUPPORTED, SUPPORTED, RAISES, Kind.WORKS),
        (SUPPORTED, ABSENT, RAISES, Kind.WORKS),
        (SUPPORTED, RAISES, SUPPORTED, Kind.PARTLY),
        (SUPPORTED, NOT_RUN, RAISES, Kind.PARTLY),
        (ABSENT, ABSENT, ABSENT, Kind.ABSENT),
        (ABSENT, RAISES, ABSENT, Kind.BROKEN),
        (RAISES, RAISES, RAISES, Kind.BROKEN),
        (NO_EFFECT, SUPPORTED, SUPPORTED, Kind.BROKEN),
        (INCONCLUSIVE, SUPPORTED, SUPPORTED, Kind.UNKNOWN),
        (NOT_RUN, NOT_RUN, RAISES, Kind.UNKNOWN),
    ],
)
def test_a_pair_gets_as_far_as_its_controls(
    configured: Config, held: Outcome, jitted: Outcome, standalone: Outcome, kind: Kind
) -> None:
    found = pair(configured, cell({"held": held, "jitted": jitted, "standalone": standalone}))
    assert found.kind is kind


def test_defect_a_control_that_raises_was_hidden_by_one_whose_api_is_absent(configured: Config) -> None:
    """Markdown then said that the main control does not work, the page that nothing is there to be asked for."""
    found = pair(configured, cell({"held": ABSENT, "jitted": RAISES}))
    assert (found.kind, found.reason) == (Kind.BROKEN, "Jitted: raises, NotTrainable: no")


def test_defect_a_pair_that_two_cells_hold_was_classed_by_either(configured: Config) -> None:
    """It imports with the packages of its day, and with today's it does not: both are said."""
    day, today = cell({"held": ABSENT}, "release-day"), cell({}, state=CellState.IMPORT_FAILS)
    for cells in ((day, today), (today, day)):
        found = pair(configured, *cells)
        assert found.kind is Kind.ABSENT
        assert found.cell.pairings == ("release-day",)
        assert (
            "(with the packages of the release day); with the latest packages: import-fails (AttributeError: module"
            in found.reason
        )
    view = support.view(ledger(day, today), configured, PUT)
    assert "Subject **0.1.0**: imports with companion 1.0;" in markdown.render(view)
    assert version_picker.for_release(view, "0.1.0", grid(view)).imports.text.startswith("with companion 1.0")


def test_what_a_pair_answers_is_what_all_its_cells_answer(configured: Config) -> None:
    works = {"held": SUPPORTED, "jitted": SUPPORTED}
    yes, no = cell({**works, "standalone": SUPPORTED}), cell({**works, "standalone": RAISES}, "newest")
    view = support.view(ledger(yes, no), configured, PUT)
    found = grid(view)
    said = version_picker.for_pair(
        view, found, found.rows["0.1.0"]["1.0"], version_picker.for_release(view, "0.1.0", found)
    )
    assert (said.imports.word, said.headline.word) == ("yes", "depends on companion and helper")


def test_a_pair_of_a_release_that_tampered_is_not_known_to_work(configured: Config) -> None:
    made = cell({"held": SUPPORTED, "jitted": SUPPORTED, "standalone": SUPPORTED})
    found = pair(configured, msgspec.structs.replace(made, tampering=("changed files",)))
    assert found.kind is Kind.UNKNOWN
    assert "tampered with the test (changed files)" in found.reason


def test_another_platforms_pairs_are_not_on_the_map(configured: Config) -> None:
    here = cell({"held": RAISES})
    there = msgspec.structs.replace(cell({"held": SUPPORTED}, "newest"), platform="macos-arm64")
    assert pair(configured, here, there).kind is Kind.BROKEN


def test_defect_a_release_imported_with_a_range_and_not_with_a_version_inside_it(configured: Config) -> None:
    """A version that was never installed was inside the good range, and among those that fail."""
    states = {
        "1.0": CellState.IMPORT_FAILS,
        "1.1": CellState.UNRESOLVABLE,
        "1.2": CellState.RAN,
        "1.3": CellState.UNRESOLVABLE,
        "1.4": CellState.RAN,
        "1.5": CellState.NO_PYTHON,
        "1.6": CellState.IMPORT_FAILS,
    }
    records = [
        record(
            "0.1.0",
            {HELD.id: SUPPORTED} if state is CellState.RAN else {},
            probes=PUT,
            pairings={"grid": (DAY,)},
            state=state,
            companion=version,
        )
        for version, state in states.items()
    ]
    pairs = grid(support.view(ledger(*records), configured, PUT))
    assert pairs.spans("0.1.0", IMPORTS) == "1.2 to 1.4"
    assert pairs.spans("0.1.0", FAILS) == "1.0, 1.6"
