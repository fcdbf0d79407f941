"""`run --source` and `watch` on repositories made on the spot: what is compared with what, what fails, what is recorded."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compatmatrix.cli import context
from compatmatrix.results import ledger
from fixtures import Project, Said
from packages import world
from packages.index import LocalIndex
from repositories import Made, Repository, create, line

pytestmark = pytest.mark.usefixtures("known_cells")


@pytest.fixture(autouse=True)
def _cache(new_cache: Callable[[], None]) -> None:
    """One for each test: results of sources are kept there, and equal commits have one name."""
    new_cache()


@pytest.fixture(scope="module")
def indexes() -> Iterator[Mapping[str, LocalIndex]]:
    """By behavior, an index with one release that behaves so; no test may change one."""
    with LocalIndex() as raises, LocalIndex() as works:
        indexes = {"raises": raises, "works": works}
        for behavior, index in indexes.items():
            release = world.subject(behavior, "0.2.0", "2024-03-05")
            world.fill(index, {"only": release}, world.COMPANIONS, world.HELPERS)
        yield indexes


@pytest.fixture
def raising(tmp_path: Path, indexes: Mapping[str, LocalIndex]) -> Project:
    """A project whose only release raises."""
    return Project.make(tmp_path / "raising", indexes["raises"].url)


@pytest.fixture
def working(tmp_path: Path, indexes: Mapping[str, LocalIndex]) -> Project:
    """A project whose only release works."""
    return Project.make(tmp_path / "working", indexes["works"].url)


def compare(project: Project, made: Repository, *arguments: str, reference: str = "main") -> Said:
    source = f"subject @ git+{made.url}@{reference}"
    return project.main("run", "--source", source, "--against", "newest", "--jobs", "1", *arguments)


def run(said: Said) -> int:
    """How many cells were run."""
    return len(re.findall(r"^\[\d+/\d+\] ", said.out, re.MULTILINE))


def test_a_pull_request_shows_what_it_changes_as_markdown(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 1), ("works", 1)))
    said = compare(raising, made)
    assert said.code == 0, said
    text = said.out.replace("\\", "")
    assert f"### Subject main at {made.commits[1][:12]}, compared with 0.2.0" in text
    assert "**1 of 3 answers differ: 1 lifted.**" in text
    assert re.search(r"\| standalone: Bare Value \| ✗ raises NotTrainable: .* \| ✓ supported \| lifted \|", text)
    assert "<details><summary>2 the same</summary>" in text
    assert not raising.records.exists(), "a pull request is no row of the reports"


def test_a_lift_fails_on_changed_and_not_on_regressed(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 1), ("works", 1)))
    assert compare(raising, made, "--fail-on", "changed").code == 3
    again = compare(raising, made, "--fail-on", "regressed")
    assert (again.code, run(again)) == (0, 0), "it is not run twice"
    assert raising.main("run", "--against", "newest").code == 2


@pytest.mark.parametrize("behavior", ["import-error", "unbuildable", "control-fails", "raises"])
@pytest.mark.parametrize("condition", ["changed", "regressed"])
def test_defect_the_gate_lets_a_broken_branch_through(
    working: Project, tmp_path: Path, behavior: str, condition: str
) -> None:
    made = create(tmp_path / "made", Made("works"), Made(behavior))
    said = compare(working, made, "--fail-on", condition)
    assert said.code == 3, said
    if behavior in ("import-error", "unbuildable"):
        assert "No answers: " in said.out


def test_defect_what_no_longer_builds_passes_where_its_base_does_not_import(working: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("import-error"), Made("unbuildable", branch="topic", since=1))
    source = f"subject @ git+{made.url}@topic"
    said = working.main("run", "--source", source, "--against", "main", "--fail-on", "regressed")
    assert (said.code, "The other side has none either: import-fails" in said.out) == (3, True), said
    assert "(Python )" not in said.out


def test_defect_where_both_sides_cannot_be_imported_it_passed(working: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("import-error"), Made("import-error", branch="topic", since=1))
    source = f"subject @ git+{made.url}@topic"
    said = working.main("run", "--source", source, "--against", "main", "--format", "json", "--fail-on", "regressed")
    assert said.code == 1, said
    assert len(json.loads(said.out)["not_examined"]) == 1, said


def test_defect_a_broken_main_is_no_change_for_watch(working: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"))
    working.set("[groups]", f'[watch]\nsources = ["subject @ git+{made.url}@main"]\n\n[groups]')
    assert working.main("watch", "--fail-on", "regressed").code == 0
    made.add(Made("import-error"))
    assert working.main("watch", "--fail-on", "regressed").code == 3


def test_defect_a_commit_that_was_examined_under_another_name_is_not_shown(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("raises"), Made("works"))
    made.git("branch", "topic", made.commits[1])
    assert f"main at {made.commits[1][:12]}" in compare(raising, made).out
    said = compare(raising, made, reference="topic")
    assert f"topic at {made.commits[1][:12]}, not released" in said.out, said
    assert "main at" not in said.out
    assert (run(said), "1 lifted" in said.out) == (0, True)


def test_defect_two_clones_with_the_same_branch_name_swallow_each_other(raising: Project, tmp_path: Path) -> None:
    one, other = create(tmp_path / "one", Made("raises")), create(tmp_path / "other", Made("works"))
    sources = [part for made in (one, other) for part in ("--source", f"subject @ git+{made.url}@main")]
    said = raising.main("run", *sources, "--against", "newest", "--record")
    for made in (one, other):
        assert f"main at {made.commits[0][:12]}, not released" in said.out, said
    text = (raising.reports / "compatibility.md").read_text()
    for made in (one, other):
        assert f"main at {made.commits[0][:12]}" in text


Night = Callable[[Project], Said]


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Night:
    """Look at what is watched, each time a day later: records are dated to the second, and looks follow one another faster."""
    nights = 0

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Clock:
            return cls.fromtimestamp(time.time() + 86400 * nights, UTC)

    def look(project: Project) -> Said:
        nonlocal nights
        nights += 1
        return project.main("watch", "--fail-on", "changed", "--jobs", "1")

    monkeypatch.setattr(context, "datetime", Clock)
    return look


def watching(project: Project, *addresses: str) -> None:
    sources = json.dumps([f"subject @ git+{address}@main" for address in addresses])
    project.set("[groups]", f"[watch]\nsources = {sources}\n\n[groups]")


def on_a_server(monkeypatch: pytest.MonkeyPatch, *repositories: Repository) -> list[str]:
    """Addresses by which git reaches them, as if they were not on this machine."""
    addresses = [f"https://{made.path.name}.example.org/r" for made in repositories]
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(addresses)))
    for number, (made, address) in enumerate(zip(repositories, addresses, strict=True)):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", f"url.{made.url}.insteadOf")
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", address)
    return addresses


@pytest.mark.parametrize("local", [True, False])
def test_defect_watch_misses_an_answer_that_changed_back(
    working: Project, tmp_path: Path, night: Night, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    made = create(tmp_path / "made", Made("works"), Made("raises"))
    watching(working, *([made.url] if local else on_a_server(monkeypatch, made)))
    for number, code in ((0, 0), (1, 3), (0, 3), (0, 0)):
        made.git("update-ref", "refs/heads/main", made.commits[number])
        said = night(working)
        assert (said.code, f"main at {made.commits[number][:12]}, not released" in said.out) == (code, True), said
        assert f"main at {made.commits[number][:12]}" in (working.reports / "compatibility.md").read_text()


def test_defect_watch_misses_a_change_behind_a_commit_that_is_broken(
    raising: Project, tmp_path: Path, night: Night
) -> None:
    made = create(tmp_path / "made", Made("raises"))
    watching(raising, made.url)
    assert night(raising).code == 0
    codes = []
    for behavior in ("import-error", "unbuildable", "raises", "unbuildable", "works"):
        made.add(Made(behavior))
        codes.append(night(raising).code)
    assert codes == [3, 3, 0, 3, 3], (
        "what gets less far is lost, once; the same answer again is no change; the lift is one"
    )


def test_defect_two_watched_clones_are_compared_with_one_another(
    working: Project, tmp_path: Path, night: Night
) -> None:
    one, other = create(tmp_path / "one", Made("raises")), create(tmp_path / "other", Made("works"))
    watching(working, one.url, other.url)
    assert [night(working).code for _ in range(2)] == [0, 0]
    other.add(Made("raises"))
    assert [night(working).code for _ in range(2)] == [3, 0]


def test_a_watched_clone_is_compared_with_its_records_also_where_the_cache_is_new(
    working: Project, tmp_path: Path, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(tmp_path / "made", Made("raises"))
    watching(working, made.url)
    assert night(working).code == 0
    made.add(Made("works"))
    monkeypatch.setenv("COMPATMATRIX_CACHE", str(tmp_path / "new"))
    assert night(working).code == 3


def test_defect_a_fork_at_the_same_commit_has_no_row(
    working: Project, tmp_path: Path, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [create(tmp_path / name, Made("works")) for name in ("one", "other")]
    assert made[0].commits == made[1].commits
    watching(working, *on_a_server(monkeypatch, *made))
    first = night(working)
    assert first.out.count(f"main at {made[0].commits[0][:12]}, not released") == 2, first
    made[1].add(Made("raises"))
    assert night(working).code == 3, "the fork's answer changed"
    source = "subject @ git+https://one.example.org/r@main"
    said = working.main("run", "--source", source, "--against", "newest", "--format", "json")
    assert ("one.example.org" in said.out, "other.example.org" in said.out) == (True, False), (
        "the name that was asked for"
    )


def test_the_time_of_the_parts_is_shown(working: Project, tmp_path: Path) -> None:
    said = compare(working, create(tmp_path / "made", Made("works")), "--timings")
    for part in ("environment", "build", "lock"):
        assert re.search(rf"{part} +\d+\.\d\d s a cell", said.out), (part, said)


def test_defect_the_other_side_is_of_another_day(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"))
    assert raising.main("run", "--pairing", "newest").code == 0, "today's record of the release"
    said = compare(raising, made, "--as-of", "2024-12-01")
    assert "Both with companion 2.0" in said.out.replace("\\", ""), said
    assert "2 cells" in said.out or run(said) == 2


def test_both_sides_have_the_same_lock(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"))
    said = compare(raising, made, "--format", "json")
    (comparison,) = json.loads(said.out)["comparisons"]
    locks = [
        {pin for pin in comparison[side]["lock"] if not pin.startswith(("subject", "#"))}
        for side in ("before", "after")
    ]
    assert locks[0] == locks[1] != set()


def test_a_pull_request_is_not_blamed_for_what_was_merged_since(working: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        Made("raises"),
        Made("raises-differently", branch="topic", since=1),
        Made("works", since=1),
    )
    source = f"subject @ git+{made.url}@topic"
    said = working.main("run", "--source", source, "--against", "merge-base", "--fail-on", "regressed")
    text = said.out.replace("\\", "")
    assert f"topic at {made.commits[1][:12]}, compared with merge-base at {made.commits[0][:12]}" in text, said
    assert (said.code, "1 raises differently" in text) == (0, True)
    with_main = working.main("run", "--source", source, "--against", "main", "--fail-on", "regressed")
    assert (with_main.code, f"compared with main at {made.commits[2][:12]}" in with_main.out) == (3, True)
    released = working.main("run", "--source", source, "--against", "0.2.0", "--fail-on", "regressed")
    assert (released.code, "compared with 0.2.0" in released.out) == (3, True)


def test_the_checkout_of_a_pull_request_has_its_merge_base(working: Project, tmp_path: Path) -> None:
    """As `actions/checkout` leaves it: a detached merge commit, and the branches as `origin`'s."""
    made = create(
        tmp_path / "made",
        Made("works"),
        Made("raises", branch="topic", since=1),
        Made("works", since=1),
        Made("raises", branch="merge", since=3, merges=2),
    )
    clone = tmp_path / "clone"
    made.git("clone", "--quiet", made.url, str(clone))
    checkout = Repository(clone)
    checkout.git("checkout", "--quiet", "--detach", made.commits[3])
    checkout.git("branch", "--delete", "--force", "--quiet", "main")
    source = f"subject @ {clone.as_uri()}"
    said = working.main("run", "--source", source, "--against", "merge-base", "--fail-on", "regressed")
    assert (said.code, f"compared with merge-base at {made.commits[2][:12]}" in said.out.replace("\\", "")) == (
        3,
        True,
    ), said


def test_a_shallow_checkout_says_what_it_needs(working: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"), Made("works"))
    clone = tmp_path / "clone"
    made.git("clone", "--quiet", "--depth=1", made.url, str(clone))
    source = f"subject @ {clone.as_uri()}"
    assert working.main("run", "--source", source, "--against", "newest").code == 0, "it holds what is built"
    said = working.main("run", "--source", source, "--against", "v1.0")
    assert (said.code, "fetch-depth: 0" in said.err) == (2, True), said


@pytest.mark.parametrize(
    ("reference", "against"), [("nowhere", "newest"), ("0" * 40, "newest"), ("main", "nowhere"), ("main", "9.9.9")]
)
def test_defect_an_unknown_reference_is_network_trouble(
    raising: Project, tmp_path: Path, reference: str, against: str
) -> None:
    made = create(tmp_path / "made", Made("works"))
    source = f"subject @ git+{made.url}@{reference}"
    said = raising.main("run", "--source", source, "--against", against)
    assert (said.code, f"has no {reference if against == 'newest' else against}" in said.err) == (2, True), said


def test_markdown_is_all_that_is_printed_for_a_comment(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"))
    said = compare(raising, made, "--format", "markdown")
    assert said.out.startswith("### Subject "), said.out
    assert raising.main("run", "--format", "markdown").code == 2


def test_a_source_is_recorded_on_request(raising: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("works"))
    compare(raising, made)
    said = compare(raising, made, "--record")
    assert run(said) == 0
    (record,) = [record for record in ledger.read(raising.records).records.values() if record.source]
    assert record.source is not None and record.source.commit == made.commits[0]
    assert f"main at {made.commits[0][:12]}" in (raising.reports / "compatibility.md").read_text()
