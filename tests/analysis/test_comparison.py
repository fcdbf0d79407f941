"""A source compared with a release: what changed, what did not, what cannot be said; as Markdown nobody can break out of."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compatmatrix.analysis.cells import CellView, united
from compatmatrix.analysis.changes import Comparison, Kind, between_cells
from compatmatrix.analysis.support import View, view
from compatmatrix.core.model import Outcome, Source
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish.change_words import markdown, summary
from factories import ABSENT, HELD, NO_EFFECT, PROBES, RAISES, STANDALONE, SUPPORTED, answers, config, ledger, record

SOURCE = Source(package="subject", origin="https://example.org/r", reference="refs/pull/7/head", commit="1a2b" * 10)


@pytest.fixture
def shown(tmp_path: Path) -> View:
    return view(ledger(record("0.1.0", answers(standalone=RAISES))), config(tmp_path), PROBES)


def cell(shown: View, standalone: Outcome, *, source: Source | None = None, **more: object) -> CellView:
    made = record("0.1.0", answers(standalone=standalone), **more)  # type: ignore[arg-type]
    found = united([msgspec.structs.replace(made, source=source)], ("newest",), shown.config, PROBES)
    assert found.outcome(HELD.id) == SUPPORTED or found.state is not CellState.RAN
    return found


def held(shown: View, before: Outcome, after: Outcome, **more: object) -> Comparison:
    return between_cells(cell(shown, before), cell(shown, after, source=SOURCE, **more), PROBES)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (RAISES, SUPPORTED, Kind.LIFTED),
        (SUPPORTED, RAISES, Kind.REGRESSED),
        (RAISES, NO_EFFECT, Kind.STARTS_NO_EFFECT),
        (RAISES, msgspec.structs.replace(RAISES, message="other"), Kind.RAISES_DIFFERENTLY),
        (ABSENT, RAISES, Kind.APPEARS_OR_GOES),
    ],
)
def test_what_changed_is_named_by_how_it_changed(shown: View, before: Outcome, after: Outcome, kind: Kind) -> None:
    found = held(shown, before, after)
    assert (found.changed, found.kinds[STANDALONE.id]) == ((STANDALONE.id,), kind)


def test_that_nothing_changed_is_said_in_a_sentence(shown: View) -> None:
    assert summary(held(shown, RAISES, RAISES)) == "Nothing changed: all 2 answers are the same."


def test_what_is_unknown_in_one_is_neither_changed_nor_the_same(shown: View) -> None:
    found = held(shown, Outcome(state=OutcomeState.INCONCLUSIVE), RAISES)
    assert (found.changed, found.of(Kind.SAME), found.of(Kind.UNKNOWN)) == ((), (HELD.id,), (STANDALONE.id,))
    assert summary(found) == "Nothing changed: all 1 answers are the same; 1 cannot be compared."


def test_what_was_known_and_is_not_any_more_is_lost(shown: View) -> None:
    found = held(shown, RAISES, Outcome(state=OutcomeState.INCONCLUSIVE))
    assert (found.changed, found.kinds[STANDALONE.id].worse) == ((STANDALONE.id,), True)
    broken = held(shown, RAISES, SUPPORTED, state=CellState.IMPORT_FAILS, detail="ImportError: no")
    assert set(broken.changed) == {HELD.id, STANDALONE.id}


def test_a_source_that_does_not_import_gives_no_answers(shown: View) -> None:
    found = held(shown, RAISES, SUPPORTED, state=CellState.IMPORT_FAILS, detail="ImportError: no")
    assert summary(found).startswith("No answers: import-fails")
    assert "ImportError: no" in markdown(shown, found)


def test_other_companions_are_pointed_out(shown: View) -> None:
    assert "Not the same companions" not in markdown(shown, held(shown, RAISES, RAISES))
    found = held(shown, RAISES, RAISES, companion="2.0")
    assert "Not the same companions: 0.1.0 was tested with companion 1.0" in markdown(shown, found)


def test_the_comment_is_a_table_of_what_changed(shown: View) -> None:
    text = markdown(shown, held(shown, RAISES, SUPPORTED))
    assert text.splitlines()[0].replace("\\", "") == "### Subject refs/pull/7/head at 1a2b1a2b1a2b, compared with 0.1.0"
    assert "**1 of 2 answers differ: 1 lifted.**" in text.replace("\\", "")
    assert text.endswith("\n") and "Both with companion 1.0" in text


def test_what_a_package_says_is_text_in_the_comment(shown: View) -> None:
    hostile = "| <script>x</script> | [x](http://evil) ` @everyone #1"
    evil = Outcome(state=OutcomeState.RAISES, exception="E", message=hostile, signature=hostile)
    text = markdown(shown, held(shown, SUPPORTED, evil))
    assert "<script>" not in text
    assert "\\](http\\://evil)" in text
    for sign in ("\\|", "\\`", "\\@everyone"):
        assert sign in text
