"""What is known of a project's versions: pairs, ranges, errors; and what `check` makes of a project's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from compatmatrix.analysis import pythons, ranges, remedies, support
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.standing import Environment, Standing
from compatmatrix.config.tables import Config, PythonPairing, Reported
from compatmatrix.core.model import Outcome, Record
from compatmatrix.core.states import CellState
from compatmatrix.projects import entries, findings
from compatmatrix.projects.entries import Entry, ProjectFile
from compatmatrix.publish import findings as words
from factories import ABSENT, DAY, INCONCLUSIVE, NO_EFFECT, PLATFORM, PROBES, RAISES, SUPPORTED, ledger, record, release
from factories import config as made_config

MISSING = "ImportError: cannot import name 'gone' from 'companion.core' (companion/core.py)"
EVERY = ("3.11", "3.12")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return made_config(tmp_path_factory.mktemp("compatibility"))


def cell(subject: str, companion: str, outcomes: Mapping[str, Outcome] | None = None, state: CellState = CellState.RAN,
         detail: str = "", platform: str = PLATFORM) -> Record:  # fmt: skip
    good = {"held": SUPPORTED, "standalone": RAISES}
    return record(
        subject,
        (good if outcomes is None else outcomes) if state is CellState.RAN else {},
        pairings={"grid": (DAY,)},
        companion=companion,
        state=state,
        detail=detail,
        platform=platform,
    )


RECORDS = (
    cell("0.1.0", "1.0"),
    cell("0.1.0", "2.0"),
    cell("0.1.0", "3.0", state=CellState.IMPORT_FAILS, detail=MISSING),
    cell("0.2.0", "1.0", state=CellState.UNRESOLVABLE, detail="subject==0.2.0 depends on companion>=2"),
    cell("0.2.0", "2.0"),
    cell("0.2.0", "3.0"),
    cell("0.2.0", "5.0", {"held": RAISES}),
    cell("0.3.0", "3.0", {"held": ABSENT}),
)


@pytest.fixture(scope="module")
def known(configured: Config) -> Compatibility:
    return Compatibility(support.view(ledger(*RECORDS), configured, PROBES))


@pytest.mark.parametrize(
    ("subject", "companion", "standing"),
    [
        ("0.1.0", "1.0", Standing.GOOD),
        ("0.1", "1.0.0", Standing.GOOD),
        ("0.1.0", "1.0+cuda12", Standing.GOOD),
        ("0.1.0", "3.0", Standing.BROKEN),
        ("0.2.0", "5.0", Standing.BROKEN),
        ("0.2.0", "1.0", Standing.UNKNOWN),
        ("0.3.0", "3.0", Standing.UNKNOWN),
        ("0.2.0", "4.0", Standing.UNKNOWN),
        ("9.0", "9.0", Standing.UNKNOWN),
    ],
)
def test_a_pair_is_known_good_only_where_its_controls_are(
    known: Compatibility, subject: str, companion: str, standing: Standing
) -> None:
    assert known.pair(subject=subject, companion=companion).standing is standing


@pytest.mark.parametrize("outcome", [NO_EFFECT, RAISES, INCONCLUSIVE, ABSENT])
def test_no_outcome_of_a_control_but_supported_is_known_good(configured: Config, outcome: Outcome) -> None:
    view = support.view(ledger(cell("0.1.0", "1.0", {"held": outcome})), configured, PROBES)
    assert Compatibility(view).pair(subject="0.1.0", companion="1.0").standing is not Standing.GOOD


def test_a_broken_pair_names_the_error_and_the_nearest_that_works(known: Compatibility) -> None:
    status = known.pair(subject="0.1.0", companion="3.0")
    assert status.reason == f"import-fails: {MISSING}"
    assert status.nearest == {"subject": "0.1.0", "companion": "2.0"}
    assert status.works_with == "1.0 to 2.0"
    assert [(one.platform, one.python) for one in status.evidence] == [(PLATFORM, "3.11")]


def test_an_unknown_pair_names_the_nearest_known_on_both_sides(known: Compatibility) -> None:
    status = known.pair(subject="0.2.0", companion="4.0")
    assert [(dict(one.versions)["companion"], one.standing) for one in status.neighbors] == [
        ("3.0", Standing.GOOD),
        ("5.0", Standing.BROKEN),
    ]
    above = known.pair(subject="0.1.5", companion="3.0")
    assert [(dict(one.versions)["subject"], one.standing) for one in above.neighbors] == [
        ("0.1.0", Standing.BROKEN),
        ("0.2.0", Standing.GOOD),
    ]


def test_defect_nothing_on_record_was_named_where_both_versions_are_new(known: Compatibility) -> None:
    def near(subject: str, companion: str) -> list[tuple[str, ...]]:
        neighbors = known.pair(subject=subject, companion=companion).neighbors
        return [(*one.versions.values(), one.standing.value) for one in neighbors]

    assert near("0.4.0", "6.0") == [("0.2.0", "5.0", "known broken")]
    assert near("0.1.5", "2.5") == [("0.1.0", "2.0", "known good"), ("0.2.0", "3.0", "known good")]


@pytest.mark.parametrize(
    ("where", "differs"),
    [
        ({"python": "3.12"}, "on Python 3.11"),
        ({"platform": "macos-arm64"}, f"on {PLATFORM}"),
        ({"other": "1.0"}, "without other (yours: 1.0)"),
    ],
)
def test_another_environment_is_seen_elsewhere(
    known: Compatibility, configured: Config, where: dict[str, str], differs: str
) -> None:
    if "other" in where:
        place = Environment(others=where)
        good, broken = known.status("0.1.0", "1.0", place), known.status("0.1.0", "3.0", place)
    else:
        good = known.pair(subject="0.1.0", companion="1.0", **where)
        broken = known.pair(subject="0.1.0", companion="3.0", **where)
    assert (good.standing, good.reason) == (Standing.ELSEWHERE, f"known good {differs}")
    assert (broken.standing, broken.reason) == (Standing.ELSEWHERE, f"known broken {differs}")


def test_what_is_needed_must_be_supported(known: Compatibility) -> None:
    status = known.pair(subject="0.1.0", companion="1.0", needs=["standalone"])
    assert (status.standing, status.reason) == (Standing.BROKEN, "standalone: raises, NotTrainable: no")
    assert known.pair(subject="0.1.0", companion="1.0", needs=["held"]).standing is Standing.GOOD
    with pytest.raises(ValueError, match="there is no such probe"):
        known.pair(subject="0.1.0", companion="1.0", needs=["heldd"])


def test_wrong_questions_are_refused(known: Compatibility) -> None:
    for wrong in (
        {"subject": "1"},
        {"subject": "1", "companion": "x.y"},
        {"subject": "1", "companion": "1", "numpy": "1"},
    ):
        with pytest.raises(ValueError, match=r"give the versions of subject and companion|is no version"):
            known.pair(**wrong)


@pytest.mark.parametrize(
    ("subject", "companion", "standing", "bounds"),
    [
        ("", "", Standing.BROKEN, {"subject": ">=0.1.0,<0.3.0", "companion": ">=1.0,<3.0"}),
        ("==0.1.0", ">=2.0", Standing.BROKEN, {"subject": "==0.1.0", "companion": "==2.0"}),
        (">=0.1,<0.3", "<3", Standing.GOOD, {"subject": ">=0.1.0,<0.3.0", "companion": ">=1.0,<3.0"}),
        ("==0.3.0", "", Standing.UNKNOWN, {}),
        (">=4", "", Standing.UNKNOWN, {}),
    ],
)
def test_ranges_name_what_is_broken_and_the_bounds_that_leave_it_out(
    known: Compatibility, subject: str, companion: str, standing: Standing, bounds: Mapping[str, str]
) -> None:
    found = known.ranges(subject, companion, Environment(pythons=EVERY, platform=PLATFORM))
    assert (found.standing, dict(found.bounds)) == (standing, bounds)
    if bounds:
        within = known.ranges(bounds["subject"], bounds["companion"], Environment(pythons=EVERY, platform=PLATFORM))
        assert within.standing is Standing.GOOD


def test_ranges_on_another_platform_are_seen_elsewhere(known: Compatibility) -> None:
    found = known.ranges("", "", Environment(platform="macos-arm64"))
    assert (found.standing, found.bounds) == (Standing.ELSEWHERE, {})


def test_defect_ranges_were_known_good_beside_a_pin_that_was_never_seen(known: Compatibility) -> None:
    where = Environment(pythons=EVERY, platform=PLATFORM, others={"other": "9.0"})
    found = known.ranges(">=0.1,<0.3", "<3", where)
    assert (found.standing, found.bounds) == (Standing.ELSEWHERE, {}) and set(found.elsewhere) == set(found.good)
    assert known.ranges("", "", where).standing is Standing.BROKEN


def test_a_yanked_release_is_admitted_only_where_it_is_named(configured: Config) -> None:
    records = ledger(cell("0.1.0", "1.0"), releases=[release("0.1.0", yanked=True)])
    found = Compatibility(support.view(records, configured, PROBES))
    assert found.ranges("", "", Environment()).good == ()
    assert found.ranges("==0.1.0", "", Environment()).good == (("0.1.0", "1.0"),)


def test_bounds_close_where_the_records_end() -> None:
    assert ranges.specifier(["1.0", "2.0"], ["1.0", "2.0"]) == ">=1.0,<=2.0"
    assert ranges.specifier(["1.0", "2.0"], ["1.0", "2.0", "3.0"]) == ">=1.0,<3.0"


@pytest.mark.parametrize(
    ("text", "exact", "probes"),
    [
        (MISSING, True, ()),
        (f"Traceback (most recent call last):\n  File \"/home/u/x.py\", line 3, in <module>\n    import subject\n{MISSING}\n", True, ()),
        ("ImportError: cannot import name 'gone' from 'companion.core' (/home/u/lib/python3.12/companion/core.py)", True, ()),
        ("subject.core.NotTrainable: no", True, ("held", "standalone")),
        ("ImportError: cannot import name 'away' from 'companion.core' (companion/core.py)", False, ()),
    ],
)  # fmt: skip
def test_an_error_on_record_is_explained(known: Compatibility, text: str, exact: bool, probes: tuple[str, ...]) -> None:
    (found,) = known.explain(text)
    assert (found.exact, found.probes) == (exact, probes)
    assert all("subject" in versions for versions in found.versions)


@pytest.mark.parametrize(
    "text", ["", "it does not work", "OSError: disk full", "\x00" * 1000, "Error: " + "(" * 100_000, "a." * 200_000]
)
def test_an_unknown_or_hostile_text_is_not_explained(known: Compatibility, text: str) -> None:
    assert known.explain(text) == ()


def test_supported_is_what_bounds_says(known: Compatibility, configured: Config) -> None:
    records = ledger(record("0.1.0", {"held": SUPPORTED}), record("0.2.0", {"held": RAISES}))
    found = Compatibility(support.view(records, configured, PROBES)).supported("held")
    assert found.specifier == ">=0.1.0,<0.2.0"
    assert known.supported("held").specifier is None  # pairs of the grid alone
    with pytest.raises(ValueError, match="there is no such probe"):
        known.supported("heldd")


def file(*listed: Entry, **more: Any) -> ProjectFile:
    return ProjectFile(name="uv.lock", entries=listed, **more)


def pin(name: str, version: str, **more: Any) -> Entry:
    return Entry(name=name, specifier=f"=={version}", **more)


def test_each_set_of_versions_of_a_file_is_judged(known: Compatibility) -> None:
    forked = file(
        pin("subject", "0.1.0"),
        pin("companion", "2.0", marker="python_version < '3.12'"),
        pin("companion", "3.0", marker="python_version >= '3.12'"),
        requires_python=">=3.11",
    )
    found = list(findings.judge(known, forked, "", PLATFORM, ()))
    assert [(one.pythons, one.standing) for one in found] == [
        (("3.11",), Standing.GOOD),
        (("3.12", "3.13", "3.14"), Standing.ELSEWHERE),
    ]
    assert [one.standing for one in findings.judge(known, forked, "3.11", PLATFORM, ())] == [Standing.GOOD]


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ((pin("companion", "1.0"),), "subject is not in uv.lock"),
        ((pin("subject", "0.1.0", source="git"), pin("companion", "1.0")), "subject is not a release on an index, it comes from: git"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(known: Compatibility, listed: tuple[Entry, ...], reason: str) -> None:
    (found,) = findings.judge(known, file(*listed), "3.11", PLATFORM, ())
    assert (found.standing, found.reason) == (Standing.UNKNOWN, reason)


def test_a_companion_without_a_pin_is_a_range(known: Compatibility) -> None:
    (found,) = findings.judge(known, file(pin("subject", "0.1.0")), "3.11", PLATFORM, ())
    assert found.standing is Standing.BROKEN and found.ranges is not None
    assert found.ranges.bounds == {"subject": "==0.1.0", "companion": ">=1.0,<3.0"}


def test_an_annotation_cannot_be_another_command(known: Compatibility) -> None:
    hostile = "x%0A::set-env name=A::b\n::error::c:,"
    line = words.as_annotation(findings.Finding(file=hostile, line=3, reason=hostile))
    assert len(line.splitlines()) == 1
    assert line.startswith("::warning file=x%250A%3A%3Aset-env name=A%3A%3Ab%0A%3A%3Aerror%3A%3Ac%3A%2C,title=")


def test_defect_a_file_wrote_to_the_terminal_by_what_it_names() -> None:
    hostile = "\x1b]0;title\x07\x1b[31mx\u202e\nsecond"
    for examined in (True, False):
        found = findings.Finding(file="uv.lock", reason=f"it comes from: {hostile}", examined=examined)
        for said in (words.as_text(found), words.as_annotation(found)):
            assert said.isprintable() and "it comes from" in said


def test_defect_another_version_of_a_reported_package_was_not_said(configured: Config) -> None:
    made = cell("0.1.0", "1.0")
    made = msgspec.structs.replace(made, versions={**made.versions, "storage": "2.0"})
    config = msgspec.structs.replace(configured, reported=(Reported(name="storage"),))
    found = Compatibility(support.view(ledger(made), config, PROBES))

    def said(version: str) -> str:
        pins = file(pin("subject", "0.1.0"), pin("companion", "1.0"), pin("storage", version))
        (finding,) = findings.judge(found, pins, "3.11", PLATFORM, ())
        assert finding.standing is Standing.GOOD
        return words.as_text(finding)

    assert "not seen with storage 1.0" in said("1.0")
    assert "not seen" not in said("2.0")


def stored(configured: Config, *beside: tuple[str, Outcome]) -> Compatibility:
    """A pair for each version of the reported package, whose probe `standalone` came out so."""
    config = msgspec.structs.replace(configured, reported=(Reported(name="storage", probes=("standalone",)),))
    records = [
        msgspec.structs.replace(made, versions={**made.versions, "storage": version}, pairings={"release-day": (DAY,)})
        for number, (version, outcome) in enumerate(beside)
        for made in [cell(f"0.{number + 1}.0", "1.0", {"held": SUPPORTED, "standalone": outcome})]
    ]
    return Compatibility(support.view(ledger(*records), config, PROBES))


def test_defect_a_bound_of_the_subject_was_that_of_a_reported_package(configured: Config) -> None:
    known = stored(configured, ("1.0", RAISES), ("2.0", SUPPORTED), ("3.0", SUPPORTED))
    assert [one.words for one in known.supported("standalone").beside] == [
        "storage decides it too: supported with 2.0 to 3.0 (2 versions tried); never seen to work with 1.0"
    ]
    assert known.supported("held").beside == (), "no probe that it decides"
    both = stored(configured, ("1.0", RAISES), ("2.0", SUPPORTED), ("2.0", RAISES))
    assert [one.failing for one in both.supported("standalone").beside] == ["1.0"], "2.0 is not what fails"
    (error,) = known.explain("NotTrainable: no")
    assert remedies.complete(known, error, "standalone") == ("subject==0.2.0", "companion==1.0", "storage==2.0")
    said = words.explanation(known, error)
    assert "standalone is supported in subject>=0.2.0; storage decides it too: supported with 2.0 to 3.0" in said
    assert 'standalone works with: pip install "subject==0.2.0" "companion==1.0" "storage==2.0"' in said


def test_defect_a_version_that_nobody_names_of_what_decides_a_need_was_known_good(configured: Config) -> None:
    """What an installer takes may be another version than the one that was seen."""
    known = stored(configured, ("2.0", SUPPORTED))
    pins = (pin("subject", "0.1.0"), pin("companion", "1.0"))
    for more in ((), (Entry(name="storage", specifier=">=2.0"),)):
        (finding,) = findings.judge(known, file(*pins, *more), "3.11", PLATFORM, ("standalone",))
        assert finding.standing is Standing.ELSEWHERE
        assert next(iter(findings.judge(known, file(*pins, *more), "3.11", PLATFORM, ()))).standing is Standing.GOOD


@pytest.mark.parametrize(
    ("storage", "needs", "standing", "reason"),
    [
        ("2.0", ("standalone",), Standing.GOOD, ""),
        ("1.0", ("standalone",), Standing.ELSEWHERE, "known good with storage 2.0 (yours: 1.0)"),
        ("", ("standalone",), Standing.ELSEWHERE, "known good with storage 2.0 (yours: neither pinned nor installed)"),
        ("1.0", (), Standing.GOOD, ""),
    ],
)
def test_defect_what_a_reported_package_decides_was_known_good_with_another_version_of_it(
    configured: Config, storage: str, needs: tuple[str, ...], standing: Standing, reason: str
) -> None:
    known = stored(configured, ("2.0", SUPPORTED))
    pins = [pin("subject", "0.1.0"), pin("companion", "1.0"), *([pin("storage", storage)] if storage else [])]
    (finding,) = findings.judge(known, file(*pins, python="3.11"), "", PLATFORM, needs)
    assert finding.pair and (finding.standing, finding.pair.reason) == (standing, reason)
    assert ("standalone: storage decides it too: supported with 2.0" in words.as_text(finding)) == bool(needs)
    if standing is Standing.ELSEWHERE:
        assert finding.pair.nearest["storage"] == "2.0"
    loose = file(Entry(name="subject", specifier=">=0.1.0"), *pins[1:], python="3.11")
    (ranged,) = findings.judge(known, loose, "", PLATFORM, needs)
    assert ranged.standing is standing


def test_a_pair_is_asked_for_beside_a_reported_package(configured: Config) -> None:
    known = stored(configured, ("2.0", SUPPORTED))
    assert known.pair(subject="0.1.0", companion="1.0", storage="2.0").standing is Standing.GOOD
    assert known.pair(subject="0.1.0", companion="1.0", storage="3.0").standing is Standing.ELSEWHERE


def test_defect_a_python_that_cannot_hold_the_pair_was_shown_as_one_that_it_was_seen_on(configured: Config) -> None:
    good, none = cell("0.1.0", "1.0"), cell("0.1.0", "1.0", state=CellState.UNRESOLVABLE)
    none = msgspec.structs.replace(none, python="3.10", cell="another", key="another", pairings={"python": (DAY,)})
    found = Compatibility(support.view(ledger(good, none), configured, PROBES))
    pins = file(pin("subject", "0.1.0"), pin("companion", "1.0"), requires_python=">=3.10,<3.12")
    (finding,) = findings.judge(found, pins, "", PLATFORM, ())
    said = words.as_text(finding)
    assert finding.standing is Standing.GOOD and "not seen on Python 3.10" in said
    assert f"not installable on {PLATFORM}, Python 3.10" in said and f" seen on {PLATFORM}, Python 3.10" not in said


def on(python: str, made: Record) -> Record:
    """The same cell on another Python, as the pairing `python` has it."""
    name = f"{made.cell}-{python}"
    return msgspec.structs.replace(made, python=python, pairings={"python": (DAY,)}, cell=name, key=name)


def test_defect_another_release_was_proposed_where_an_older_companion_was_not_tried_on_that_python(
    configured: Config,
) -> None:
    refused = "companion 2.0 needs Python >=3.11"
    none = cell("0.2.0", "2.0", state=CellState.NO_PYTHON, detail=refused)
    cells = (cell("0.1.0", "1.0"), *(cell("0.2.0", other) for other in ("1.0", "1.1", "2.0")))
    found = Compatibility(support.view(ledger(*cells, on("3.10", cells[0]), on("3.10", none)), configured, PROBES))
    status = found.pair(subject="0.2.0", companion="2.0", python="3.10")
    assert (status.nearest["subject"], status.untried_with) == ("0.1.0", "1.0 to 1.1")
    finding = findings.Finding(file="uv.lock", pair=status, standing=status.standing)
    assert "known good on another Python: subject 0.2.0 with companion 1.0 to 1.1" in words.as_text(finding)
    assert not found.pair(subject="0.2.0", companion="2.0", python="3.11").untried_with


def test_defect_a_release_that_admits_no_such_python_was_only_seen_elsewhere(configured: Config) -> None:
    needy = msgspec.structs.replace(release("0.1.0"), requires_python=">=3.11")
    view = support.view(ledger(cell("0.1.0", "1.0"), releases=[needy]), configured, PROBES)
    status = Compatibility(view).pair(subject="0.1.0", companion="1.0", python="3.10")
    assert status.reason == "known good on Python 3.11; subject 0.1.0 needs Python >=3.11"
    assert status.untried_with == ""
    ranges = Compatibility(view).ranges("", "", Environment(pythons=("3.10",)))
    assert ranges.refused == ("subject 0.1.0 needs Python >=3.11",)
    finding = findings.Finding(file="uv.lock", ranges=ranges, standing=ranges.standing)
    assert "subject 0.1.0 needs Python >=3.11" in words.as_text(finding)
    several = Compatibility(view).status("0.1.0", "1.0", Environment(pythons=("3.10", "3.12")))
    assert several.reason == "known good on Python 3.11", "on one of these it can be installed"


def test_defect_a_release_was_missing_where_the_pythons_are_told(configured: Config) -> None:
    table = msgspec.structs.replace(configured.pairings, python=PythonPairing(versions=("3.10", "3.11")))
    asking = msgspec.structs.replace(configured, pairings=table)
    cells = [cell("0.1.0", "1.0", {"held": ABSENT}), cell("0.2.0", "1.0"), cell("0.3.0", "1.0")]
    view = support.view(ledger(*cells), asking, PROBES)
    assert pythons.pythons(view) == {}, "no Python is on record at all"
    view = support.view(ledger(*cells, on("3.10", cells[2])), asking, PROBES)
    assert [known.words for known in pythons.pythons(view).values()] == [
        "not examined on each Python: no companion is on record beside which it works",
        "not examined on each Python",
        "with companion 1.0: works on Python 3.10; not examined on Python 3.11",
    ]


def test_defect_one_line_stood_there_for_each_of_several_cells_that_show_the_same(known: Compatibility) -> None:
    (found,) = findings.judge(known, file(pin("subject", "0.1.0"), pin("companion", "1.0")), "3.11", PLATFORM, ())
    assert found.pair is not None
    twice = msgspec.structs.replace(found.pair, evidence=(*found.pair.evidence, *found.pair.evidence))
    assert words.as_text(msgspec.structs.replace(found, pair=twice)) == words.as_text(found)


def test_json_holds_what_the_text_says(known: Compatibility) -> None:
    found = list(findings.judge(known, file(pin("subject", "0.1.0"), pin("companion", "3.0")), "3.11", PLATFORM, ()))
    tree = json.loads(words.as_json(known, found))
    assert tree["findings"][0]["standing"] == "known broken"
    assert tree["findings"][0]["pair"]["nearest"] == {"subject": "0.1.0", "companion": "2.0"}
    assert MISSING in words.as_text(found[0])
    assert entries.PYTHONS[0] == "3.8"


def test_defect_versions_were_said_to_help_a_release_on_which_a_probe_alone_raises_the_error(
    configured: Config,
) -> None:
    """Where another release raises it in the control, its versions do not fit each other; this one's do."""
    rows = (
        cell("0.1.0", "1.0"),
        cell("0.1.0", "2.0", {"held": SUPPORTED, "standalone": RAISES}),
        cell("0.2.0", "1.0"),
        cell("0.2.0", "2.0", {"held": RAISES}),
    )
    some = Compatibility(support.view(ledger(*rows), configured, PROBES))
    (error,) = some.errors.values()
    assert error.of_versions == {"0.2.0"}
    found = {remedy.release: remedy for remedy in remedies.remedies(some, error)}
    assert found["0.2.0"].requirements and not found["0.1.0"].requirements
    said = words.explanation(some, error).splitlines()
    assert any(line.strip().startswith("subject 0.2.0") and "works with" in line for line in said)
    assert not any(line.strip().startswith("subject 0.1.0") and "works with" in line for line in said)
