"""The answer as a value, and the sentence, badge and page that are made from it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compatmatrix.analysis import changes, history, recommend, support
from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import TABLE, CellState, OutcomeState
from compatmatrix.publish import badge, change_words, labels, site
from factories import ABSENT, DAY, NO_EFFECT, PROBES, RAISES, STANDALONE, SUPPORTED, answers, ledger, record, release
from factories import config as made_config
from outputs import one, plain

LATER = "2025-06-02T00:00:00Z"
TAMPERED = ("put another module in the place of json",)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made_config(tmp_path_factory.mktemp("verdict"))


def tampered(made: Record) -> Record:
    return msgspec.structs.replace(made, tampering=TAMPERED)


def of(version: str, standalone: Outcome, control: Outcome = SUPPORTED) -> Record:
    return record(version, {"held": control, "standalone": standalone})


def beside(day: Outcome, newest: Outcome) -> tuple[Record, Record]:
    """One release under both pairings."""
    return (
        record("0.1.0", answers(standalone=day), companion="1.0", pairings={"release-day": (DAY,)}),
        record("0.1.0", answers(standalone=newest), companion="2.0", pairings={"newest": (DAY,)}),
    )


def lead(view: View) -> tuple[str, str]:
    """The front page's answer: its class, and what it says."""
    page = site.contents(view)["index.html"].decode()
    tag = one(r'<p class="lead"><span class="tag (.*?)</span>', page)
    return one(r"^k-([\w-]+)", tag), plain(tag.split(">", 1)[1])


@pytest.mark.parametrize("control", [RAISES, NO_EFFECT, ABSENT])
def test_defect_a_yes_beside_a_control_that_does_not_work_was_published(configured: Config, control: Outcome) -> None:
    view = support.view(ledger(of("0.1.0", RAISES), of("0.2.0", SUPPORTED, control)), configured, PROBES)
    assert verdict(view, "standalone").value is Value.UNKNOWN
    assert badge.badge(view, STANDALONE).message == "not known"
    assert str(labels.sentence(view)).startswith("Not known for Subject 0.2.0: ")
    assert view.support["standalone"]["newest"].first_supported is None
    assert recommend.bounds(view, "standalone").specifier is None
    assert not [entry for entry in history.entries(view) if entry.probe.id == "standalone"]


def test_defect_a_yes_of_a_release_that_tampered_with_the_test_was_published(configured: Config) -> None:
    old, new = of("0.1.0", RAISES), tampered(of("0.2.0", SUPPORTED))
    listed = [release("0.1.0"), release("0.2.0", day="2025-02-01")]
    before, view = (support.view(ledger(*one, releases=listed), configured, PROBES) for one in ([old], [old, new]))
    assert verdict(view, "standalone").value is Value.UNKNOWN
    assert badge.badge(view, STANDALONE).message == "not known"
    assert f"the release tampered with the test ({TAMPERED[0]})" in str(labels.sentence(view))
    assert view.support["standalone"]["newest"].first_supported is None
    assert not [move for move in changes.between_views(before, view) if move.kind is changes.Kind.LIFTED]
    assert changes.last_answers(view, "standalone")["newest"].release == "0.1.0"
    assert labels.outcome_words(view.cell("newest", "0.2.0"), "standalone") == "✓ supported (not counted)"
    tampering_no = support.view(ledger(tampered(of("0.2.0", RAISES))), configured, PROBES)
    assert verdict(tampering_no, "standalone").value is Value.NO


def test_tampering_that_an_earlier_record_of_the_cell_names_is_not_forgotten(configured: Config) -> None:
    first = tampered(record("0.1.0", answers(standalone=SUPPORTED)))
    later = record("0.1.0", {"held": SUPPORTED}, probes=PROBES[:1], recorded=LATER)
    view = support.view(ledger(first, later), configured, PROBES)
    assert view.cells[0].tampering == TAMPERED
    assert verdict(view, "standalone").value is Value.UNKNOWN


def test_defect_a_pre_release_was_first_supported_and_bounds_knew_of_none(configured: Config) -> None:
    listed = [release("0.1.0"), release("0.2.0rc1", prerelease=True)]
    known = [of("0.1.0", RAISES), of("0.2.0rc1", SUPPORTED)]
    view = support.view(ledger(*known, releases=listed), configured, PROBES)
    said = view.support["standalone"]["newest"]
    assert (said.first_supported, said.not_counted) == (None, {"0.2.0rc1": "pre-release"})
    assert labels.first_supported_words(said) == "in no release examined; not counted: 0.2.0rc1 (pre-release)"
    assert recommend.bounds(view, "standalone").specifier is None
    final = support.view(
        ledger(*known, of("0.2.0", SUPPORTED), releases=[*listed, release("0.2.0")]), configured, PROBES
    )
    assert final.support["standalone"]["newest"].first_supported == "0.2.0"
    assert recommend.bounds(final, "standalone").specifier == ">=0.2.0"
    told = [
        (entry.release, entry.after.state.value) for entry in history.entries(final) if entry.probe.id == "standalone"
    ]
    assert told == [("0.2.0", "supported"), ("0.2.0rc1", "supported")]


def test_a_yanked_release_is_not_the_first_and_is_said_to_be_supported(configured: Config) -> None:
    listed = [release("0.1.0"), release("0.2.0", yanked=True, day="2025-02-01"), release("0.3.0", day="2025-03-01")]
    known = [of("0.1.0", RAISES), of("0.2.0", SUPPORTED), of("0.3.0", SUPPORTED)]
    view = support.view(ledger(*known, releases=listed), configured, PROBES)
    said = view.support["standalone"]["newest"]
    assert labels.first_supported_words(said) == "since 0.3.0; not counted: 0.2.0 (yanked)"
    assert recommend.bounds(view, "standalone").specifier == ">=0.3.0"
    assert badge.badge(view, STANDALONE).message == "since 0.3.0"
    only = support.view(ledger(*known[:2], releases=listed[:2]), configured, PROBES)
    assert recommend.bounds(only, "standalone").specifier is None
    move = changes.between_views(support.view(ledger(known[0], releases=listed[:1]), configured, PROBES), only)
    assert change_words.sentence(configured, move[0]).startswith(
        "subject 0.2.0 (yanked), standalone (latest companion): lifted"
    )


def test_defect_bounds_went_by_other_cells_than_the_verdict(configured: Config) -> None:
    """By all platforms and by the pairs of the grid, so that the two contradicted each other."""
    grid = {"grid": (DAY,)}
    only = ledger(record("0.1.0", answers(standalone=SUPPORTED), pairings=grid))
    view = support.view(only, configured, PROBES)
    assert verdict(view, "standalone").value is Value.UNKNOWN
    assert recommend.bounds(view, "standalone") == recommend.Bounds(specifier=None, unknown=("0.1.0",))
    yes = of("0.1.0", SUPPORTED)
    pair = record("0.1.0", answers(standalone=RAISES), companion="2.0", pairings=grid)
    there = record("0.1.0", answers(standalone=RAISES), companion="3.0", platform="macos-arm64")
    view = support.view(ledger(yes, pair, there), configured, PROBES)
    found = recommend.bounds(view, "standalone")
    assert (verdict(view, "standalone").value, verdict(view, "standalone").since) == (Value.YES, "0.1.0")
    assert (found.specifier, found.refuted) == (">=0.1.0", ())
    assert sorted(cell.versions["companion"] for cell in found.otherwise) == ["2.0", "3.0"]


def test_bounds_exclude_by_name_what_is_unknown_or_yanked(configured: Config) -> None:
    listed = [*map(release, ("0.1.0", "0.2.0", "0.4.0", "0.5.0", "0.6.0")), release("0.3.0", yanked=True)]
    yes = [of(version, SUPPORTED) for version in ("0.2.0", "0.3.0", "0.5.0")]
    view = support.view(ledger(of("0.1.0", RAISES), *yes, releases=listed), configured, PROBES)
    assert recommend.bounds(view, "standalone").specifier == ">=0.2.0,!=0.3.0,!=0.4.0,!=0.6.0"


@pytest.mark.parametrize(
    ("found", "message", "kind", "said"),
    [
        (RAISES, "raises as of 0.1.0", "raises", "it raises subject.core.NotTrainable."),
        (NO_EFFECT, "silently no effect as of 0.1.0", "no-effect", "it silently has no effect."),
        (ABSENT, "absent as of 0.1.0", "absent", "it is absent."),
    ],
)
def test_defect_every_no_was_tagged_as_raising(
    configured: Config, found: Outcome, message: str, kind: str, said: str
) -> None:
    view = support.view(ledger(*beside(found, found)), configured, PROBES)
    assert badge.badge(view, STANDALONE).message == message
    assert str(labels.sentence(view)).endswith(f"; {said}")
    assert lead(view) == (kind, f"{TABLE[kind].sign} No")


def test_defect_two_kinds_of_no_were_a_no_in_the_sentence_and_depended_in_the_badge(configured: Config) -> None:
    view = support.view(ledger(*beside(RAISES, NO_EFFECT)), configured, PROBES)
    found = verdict(view, "standalone")
    assert (found.value, found.states) == (Value.NO, (OutcomeState.RAISES, OutcomeState.NO_EFFECT))
    assert badge.badge(view, STANDALONE).message == "raises or silently no effect as of 0.1.0"
    assert str(labels.sentence(view)).endswith(
        "it raises subject.core.NotTrainable at release and silently has no effect with the latest companion."
    )
    assert lead(view) == ("no-effect", "∅ No")


def test_what_a_pairing_cannot_say_stands_beside_a_yes(configured: Config) -> None:
    made = beside(SUPPORTED, RAISES)[0]
    broken = record("0.1.0", state=CellState.IMPORT_FAILS, companion="2.0", pairings={"newest": (DAY,)})
    sentence = str(labels.sentence(support.view(ledger(made, broken), configured, PROBES)))
    assert sentence.startswith("Yes: A bare Value can be trained since Subject 0.1.0")
    assert sentence.endswith("Not known with the latest companion: it does not import.")


def test_a_yes_of_all_pairings_begins_where_the_last_of_them_stops_saying_otherwise(configured: Config) -> None:
    day = [record(f"0.{n}.0", answers(standalone=SUPPORTED), pairings={"release-day": (DAY,)}) for n in (1, 2, 3)]
    newest = [
        record(f"0.{n}.0", answers(standalone=found), companion="2.0", pairings={"newest": (DAY,)})
        for n, found in ((1, RAISES), (3, SUPPORTED))
    ]
    found = verdict(support.view(ledger(*day, *newest), configured, PROBES), "standalone")
    assert (found.value, found.since, found.at_latest) == (Value.YES, "0.2.0", False)


def test_a_release_of_the_past_has_a_verdict_of_its_own(configured: Config) -> None:
    view = support.view(ledger(of("0.1.0", RAISES), of("0.2.0", SUPPORTED)), configured, PROBES)
    assert [verdict(view, "standalone", version).value.value for version in ("0.1.0", "0.2.0")] == ["no", "yes"]


def test_a_recipe_of_a_release_that_tampered_is_not_offered(tmp_path: Path) -> None:
    config = made_config(tmp_path)
    ran = answers(standalone=msgspec.structs.replace(SUPPORTED, recipe="standalone.py"))
    clean, dirty = record("0.1.0", ran), tampered(record("0.1.0", ran))
    for made, file in ((clean, "standalone.py"), (dirty, None)):
        found = recommend.recipe(support.view(ledger(made), config, PROBES), "0.1.0", ["standalone"])
        assert (found.file if found else None) == file
