"""What moved and what did not: each kind of change, and everything that must wake nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.analysis import changes, support
from compatmatrix.analysis.changes import Change, Kind, between_views, last_answers
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import CellState
from compatmatrix.publish.change_words import sentence
from factories import (
    ABSENT,
    INCONCLUSIVE,
    NO_EFFECT,
    PROBES,
    RAISES,
    SUPPORTED,
    answers,
    config,
    ledger,
    outcomes,
    probe,
    record,
    release,
)

DIFFERENTLY = msgspec.structs.replace(RAISES, exception="TypeError", signature="TypeError: no")
OLD, NEW = release("0.1.0", day="2025-01-01"), release("0.2.0", day="2025-02-01")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config(tmp_path_factory.mktemp("configured"))


@pytest.fixture(scope="module")
def compared(configured: Config) -> Callable[..., tuple[Change, ...]]:
    """Compares ledgers of these records."""

    def compared(before: list[Record], after: list[Record], releases=(OLD, NEW)) -> tuple[Change, ...]:  # type: ignore[no-untyped-def]
        views = (support.view(ledger(*one, releases=releases), configured, PROBES) for one in (before, after))
        return between_views(*views)

    return compared


def of(version: str, standalone: Outcome, **more: object) -> Record:
    """A record of one release, with the control at work."""
    return record(version, answers(standalone=standalone), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (RAISES, SUPPORTED, Kind.LIFTED),
        (ABSENT, SUPPORTED, Kind.LIFTED),
        (NO_EFFECT, SUPPORTED, Kind.LIFTED),
        (SUPPORTED, RAISES, Kind.REGRESSED),
        (SUPPORTED, ABSENT, Kind.REGRESSED),
        (SUPPORTED, NO_EFFECT, Kind.STARTS_NO_EFFECT),
        (RAISES, NO_EFFECT, Kind.STARTS_NO_EFFECT),
        (NO_EFFECT, RAISES, Kind.STOPS_NO_EFFECT),
        (RAISES, DIFFERENTLY, Kind.RAISES_DIFFERENTLY),
        (ABSENT, RAISES, Kind.APPEARS_OR_GOES),
        (RAISES, RAISES, Kind.SAME),
        (SUPPORTED, SUPPORTED, Kind.SAME),
    ],
)
def test_a_new_release_is_held_against_the_one_before(
    compared: Callable[..., tuple[Change, ...]], before: Outcome, after: Outcome, kind: Kind
) -> None:
    found = compared([of("0.1.0", before)], [of("0.1.0", before), of("0.2.0", after)])
    (change,) = (change for change in found if change.probe == "standalone")
    assert (change.kind, change.release, change.pairing, change.against) == (kind, "0.2.0", "newest", "0.1.0")
    (control,) = (change for change in found if change.probe == "held")
    assert control.kind is Kind.SAME and not control.kind.alarming


def test_newer_companions_may_move_the_same_release(compared: Callable[..., tuple[Change, ...]]) -> None:
    before = of("0.1.0", RAISES, companion="1.0", recorded="2025-06-01T00:00:00Z")
    after = of("0.1.0", SUPPORTED, companion="2.0", recorded="2025-06-02T00:00:00Z")
    (change,) = compared([before], [before, after])
    assert (change.kind, change.release, change.against, change.versions["companion"]) == (
        Kind.LIFTED,
        "0.1.0",
        "0.1.0",
        "2.0",
    )


@pytest.mark.parametrize("new_release", [False, True])
def test_an_import_that_fails_with_newer_companions(
    compared: Callable[..., tuple[Change, ...]], configured: Config, new_release: bool
) -> None:
    before = of("0.1.0", RAISES, companion="1.0", recorded="2025-06-01T00:00:00Z")
    version = "0.2.0" if new_release else "0.1.0"
    broken = record(
        version,
        companion="2.0",
        state=CellState.IMPORT_FAILS,
        detail="ImportError: gone",
        recorded="2025-06-02T00:00:00Z",
    )
    (change,) = compared([before], [before, broken])
    assert (change.kind, change.release, change.probe) == (Kind.NO_LONGER_IMPORTS, version, "")
    assert (
        sentence(configured, change)
        == f"subject {version} (latest companion): no longer imports with companion 2.0: ImportError: gone"
    )
    # What does not import any more takes no answer back.
    assert compared([before, broken], [before, broken]) == ()


def test_what_is_unknown_moves_nothing(compared: Callable[..., tuple[Change, ...]]) -> None:
    known = of("0.1.0", RAISES)
    later = {"companion": "2.0", "recorded": "2025-06-02T00:00:00Z"}
    unknown = record("0.1.0", {"held": RAISES, "standalone": RAISES}, **later)  # type: ignore[arg-type]
    assert [change.probe for change in compared([known], [known, unknown])] == ["held"]
    for state in (CellState.CRASHED, CellState.TIMEOUT, CellState.INSTALL_FAILED, CellState.UNRESOLVABLE):
        assert compared([known], [known, record("0.1.0", state=state, **later)]) == ()  # type: ignore[arg-type]
    assert compared([of("0.1.0", INCONCLUSIVE)], [of("0.1.0", INCONCLUSIVE), of("0.2.0", SUPPORTED)])[0].probe == "held"


def test_a_first_ledger_is_held_against_nothing(compared: Callable[..., tuple[Change, ...]]) -> None:
    assert compared([], [of("0.1.0", RAISES), of("0.2.0", SUPPORTED)]) == ()


def test_an_older_release_that_is_examined_late_is_no_event(compared: Callable[..., tuple[Change, ...]]) -> None:
    assert compared([of("0.2.0", SUPPORTED)], [of("0.1.0", RAISES), of("0.2.0", SUPPORTED)]) == ()


def test_a_pairing_that_is_new_is_no_event(compared: Callable[..., tuple[Change, ...]]) -> None:
    other = {"release-day": ("2025-06-02T00:00:00Z",)}
    before = of("0.1.0", RAISES)
    assert compared([before], [before, of("0.1.0", SUPPORTED, companion="3.0", pairings=other)]) == ()


def test_a_question_that_was_put_differently_moves_nothing(configured: Config) -> None:
    changed = (PROBES[0], probe("standalone", source="2"))
    old = of("0.1.0", RAISES)
    new = record("0.1.0", answers(standalone=SUPPORTED), probes=changed, recorded="2025-06-02T00:00:00Z")
    views = (support.view(ledger(*one, releases=[OLD]), configured, changed) for one in ([old], [old, new]))
    assert between_views(*views) == ()


def test_a_yanked_release_or_a_candidate_is_never_what_others_are_held_against(
    compared: Callable[..., tuple[Change, ...]],
) -> None:
    between = [release("0.1.5", day="2025-01-15", yanked=True), release("0.2.0rc1", day="2025-01-20", prerelease=True)]
    known = [of("0.1.0", RAISES), of("0.1.5", SUPPORTED), of("0.2.0rc1", SUPPORTED)]
    found = compared(known, [*known, of("0.2.0", RAISES)], releases=(OLD, *between, NEW))
    assert {(change.kind, change.against) for change in found} == {(Kind.SAME, "0.1.0")}


@given(st.lists(outcomes, min_size=1, max_size=5))
def test_nothing_moves_where_nothing_happened(configured: Config, found: list[Outcome]) -> None:
    made = ledger(*(of(f"0.{number}", outcome) for number, outcome in enumerate(found)))
    same = support.view(made, configured, PROBES)
    assert between_views(same, same) == ()


def test_what_stands_is_the_last_answer_that_is_known(configured: Config) -> None:
    known = [of("0.1.0", RAISES), record("0.2.0", state=CellState.IMPORT_FAILS)]
    found = last_answers(support.view(ledger(*known, releases=[OLD, NEW]), configured, PROBES), "standalone")
    assert found == {"newest": changes.LastAnswer(release="0.1.0", answer="raises NotTrainable: no")}


def test_changes_since_a_day(tmp_path: Path) -> None:
    from compatmatrix.results.ledger import append
    from fixtures import Project

    project = Project.make(tmp_path / "project", "https://example.org/simple/")
    put = project.probes
    first = record("0.1.0", answers(standalone=RAISES), probes=put, recorded="2025-06-01T00:00:00Z")
    second = record("0.2.0", answers(standalone=SUPPORTED), probes=put, recorded="2025-06-02T00:00:00Z")
    append(project.records, ledger(first, second, releases=[OLD, NEW]))
    text = project.main("changes", "--since", "2025-06-02").out
    assert (
        "subject 0.2.0, standalone (latest companion): lifted: raises NotTrainable: no in 0.1.0, supported now" in text
    )
    assert "nothing changed" in project.main("changes", "--since", "2025-06-03").out
    markdown = project.main("changes", "--since", "2025-06-02", "--format", "markdown").out
    assert "- **lifted**: Subject 0.2.0, latest companion, `standalone`: `raises NotTrainable: no` in 0.1.0" in markdown
    tree = msgspec.json.decode(project.main("changes", "--since", "2025-06-02", "--format", "json").out)
    assert [(change["kind"], change["probe"]) for change in tree["changes"]] == [
        ("lifted", "standalone"),
        ("same as before", "held"),
    ]
