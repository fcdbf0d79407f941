"""How a pair is classed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from compatmatrix.analysis import remedies, support
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.grid import FAILS, IMPORTS, Kind, Pair, grid, works
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import CellState
from compatmatrix.publish import companion_ranges, json_data, labels, markdown, version_picker
from factories import ABSENT, DAY, HELD, INCONCLUSIVE, NO_EFFECT, NOT_RUN, RAISES, SUPPORTED, ledger, record
from factories import config as made_config
from histories import PUT


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made_config(tmp_path_factory.mktemp("grid"))


def asking(configured: Config) -> Config:
    """The same with three more answers on the map; that of `piece` is about no control."""
    answers = {"trains": "held", "jits": "jitted", "saves": "piece"}
    assert configured.pairings.grid
    grid = msgspec.structs.replace(configured.pairings.grid, answers=answers)
    return msgspec.structs.replace(configured, pairings=msgspec.structs.replace(configured.pairings, grid=grid))


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
        assert (found.kind, found.cell.pairings) == (Kind.IMPORT_FAILS, ("grid",))
        assert "trapz' (with the latest packages); with the packages of the release day: imports (" in found.reason
    view = support.view(ledger(day, today), configured, PUT)
    assert "\n| 0.1.0 | 1.0 (packages of the release day only) |\n" in markdown.render(view)
    said = version_picker.for_release(Compatibility(view), "0.1.0").imports
    assert (said.word, said.text) == ("imports", "with companion 1.0 (packages of the release day only)")


@pytest.mark.parametrize("names", [("release-day", "grid"), ("grid", "release-day")])
def test_defect_a_pair_that_saves_with_the_packages_of_its_day_only_was_said_to_save(
    configured: Config, names: tuple[str, str]
) -> None:
    good = {"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES}
    cells = [cell({**good, "piece": piece}, name) for piece, name in zip((SUPPORTED, RAISES), names, strict=True)]
    known = Compatibility(support.view(ledger(*cells), asking(configured), PUT))
    found = known.grid.rows["0.1.0"]["1.0"]
    with_some = "packages of the release day" if names[0] == "release-day" else "latest packages"
    assert (found.kind, found.depends) == (Kind.PARTLY, {"saves": (with_some,)})
    assert labels.answers_words(known.grid, found) == f"imports, trains, jits; saves with the {with_some} only"
    assert f"| 1.0 | 1.0 | 1.0 ({with_some} only) |" in markdown.render(known.view)
    published = json_data.published(known.view)
    assert published.answers["0.1.0"]["1.0"] == {"imports": True, "trains": True, "jits": True}
    assert published.depends == {"0.1.0": {"1.0": {"saves": (with_some,)}}}
    assert remedies.works_runs(known, "0.1.0") == [["1.0"]], "what the controls ask works with all packages"


@pytest.mark.parametrize("state", [CellState.CRASHED, CellState.TIMEOUT])
def test_defect_a_process_that_died_was_said_not_to_import(configured: Config, state: CellState) -> None:
    found = pair(configured, cell({}, state=state))
    assert (found.kind, found.answers) == (Kind[state.name], {})
    assert pair(configured, cell({}, state=CellState.IMPORT_FAILS)).answers == {"imports": False}


def test_what_is_not_known_of_a_cell_says_nothing_against_another_of_its_pair(configured: Config) -> None:
    good = cell({"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES})
    for state in (CellState.UNRESOLVABLE, CellState.NO_PYTHON):
        found = pair(configured, good, cell({}, "release-day", state))
        assert (found.kind, found.answers, found.depends) == (Kind.WORKS, {"imports": True}, {})


def test_what_a_pair_answers_is_what_all_its_cells_answer(configured: Config) -> None:
    works = {"held": SUPPORTED, "jitted": SUPPORTED}
    yes, no = cell({**works, "standalone": SUPPORTED}), cell({**works, "standalone": RAISES}, "newest")
    view = support.view(ledger(yes, no), configured, PUT)
    found = grid(view)
    said = version_picker.for_pair(
        Compatibility(view), found.rows["0.1.0"]["1.0"], version_picker.for_release(Compatibility(view), "0.1.0")
    )
    assert (said.imports.word, said.headline.word) == ("works", "depends on companion and helper")


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


@pytest.mark.parametrize(
    ("piece", "kind", "words"),
    [
        (SUPPORTED, Kind.WORKS, "imports, trains, jits, saves"),
        (RAISES, Kind.PARTLY, "imports, trains, jits; not: saves (Piece: raises, NotTrainable: no)"),
        (ABSENT, Kind.WORKS, "imports, trains, jits; not: saves"),
        (NOT_RUN, Kind.PARTLY, "imports, trains, jits; not known: saves (Piece: not-run)"),
    ],
)
def test_the_map_answers_what_matrix_toml_asks_of_each_pair(
    configured: Config, piece: Outcome, kind: Kind, words: str
) -> None:
    made = cell({"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES, "piece": piece})
    view = support.view(ledger(made), asking(configured), PUT)
    pairs = grid(view)
    found = pairs.rows["0.1.0"]["1.0"]
    assert (found.kind, labels.pair_words(pairs, found)) == (kind, words)
    assert works(view, found.cell), "what is no control decides nothing else"


def test_the_answers_of_a_release_are_the_same_words_everywhere(configured: Config) -> None:
    good = {"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES}
    records = [
        record("0.1.0", {**good, "piece": piece}, probes=PUT, companion=version, pairings={"grid": (DAY,)})
        for version, piece in (("1.0", RAISES), ("1.1", SUPPORTED))
    ]
    view = support.view(ledger(*records), asking(configured), PUT)
    pairs, words = grid(view), "imports, trains and jits with companion 1.0 to 1.1; saves with 1.1"
    assert " ".join(labels.map_words(pairs, "0.1.0")) == words
    assert "\n| 0.1.0 | 1.0 to 1.1 | 1.0 to 1.1 | 1.0 to 1.1 | 1.1 |\n" in markdown.render(view)
    shown = version_picker.for_release(Compatibility(view), "0.1.0").imports
    assert f"{shown.word} {shown.text}" == words
    published = json_data.published(view).answers["0.1.0"]
    assert published["1.0"] == {"imports": True, "trains": True, "jits": True, "saves": False}
    for name, word in (("1.0", "not: saves"), ("1.1", "imports, trains, jits, saves")):
        said = version_picker.for_pair(
            Compatibility(view), pairs.rows["0.1.0"][name], version_picker.for_release(Compatibility(view), "0.1.0")
        )
        assert word in said.imports.text


def test_defect_what_is_partly_stood_among_what_works(configured: Config) -> None:
    good = {"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES}

    def known(*pieces: Outcome) -> Compatibility:
        records = [
            record("0.1.0", {**good, "piece": piece}, probes=PUT, companion=f"1.{number}", pairings={"grid": (DAY,)})
            for number, piece in enumerate(pieces)
        ]
        return Compatibility(support.view(ledger(*records), asking(configured), PUT))

    some = known(SUPPORTED, RAISES, SUPPORTED, SUPPORTED)
    assert companion_ranges.of_release(some, "0.1.0", {}).works == "1.0, 1.2 to 1.3"
    assert remedies.requirements(some, "0.1.0")[1].endswith(">=1.2,<=1.3")
    assert "with companion 1.0, 1.2 to 1.3" in version_picker.for_release(some, "0.1.0").install_title
    none = known(RAISES, RAISES)
    assert companion_ranges.of_release(none, "0.1.0", {}).works == "1.0 to 1.1", "all that its controls ask works"


def test_a_cell_for_a_python_alone_is_not_on_the_map(configured: Config) -> None:
    on_map = cell({"held": SUPPORTED, "jitted": SUPPORTED, "standalone": RAISES})
    elsewhere = msgspec.structs.replace(cell({}, "python", CellState.IMPORT_FAILS), python="3.13")
    assert pair(configured, on_map, elsewhere) == pair(configured, on_map)
