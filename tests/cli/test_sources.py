"""What is not released, from end to end on fake commits and fake nightlies: watched, compared, bisected; and the past."""

from __future__ import annotations

import json
import re
from math import ceil, log2
from pathlib import Path

import pytest

from compatmatrix.analysis import support
from compatmatrix.core.model import Record
from compatmatrix.core.pairings import COMMIT_DAY
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.results import ledger
from fixtures import Project, Said
from packages import world
from packages.index import LocalIndex
from repositories import Made, Repository, create, line


def records(project: Project) -> list[Record]:
    return list(ledger.read(project.records).records.values())


def view(project: Project) -> support.View:
    return support.view(ledger.read(project.records), project.config, project.probes)


def watching(project: Project, text: str) -> None:
    """Give matrix.toml a [watch]."""
    project.set("[groups]", f"[watch]\n{text}\n\n[groups]")


def examined(said: Said) -> int:
    """How many cells a bisection ran."""
    found = re.search(r"(\d+) judged, (\d+) cells run", said.out)
    assert found, said
    return int(found[2])


def bisect(project: Project, made: Repository, *arguments: str, good: str = "", bad: str = "main") -> Said:
    ends = ["--good", good or made.commits[0], "--bad", bad]
    return project.main("bisect", "standalone", *ends, "--repository", str(made.path), "--jobs", "1", *arguments)


@pytest.fixture
def project(project: Project, known_cells: None) -> Project:
    return project


@pytest.fixture
def lifted(tmp_path: Path) -> Repository:
    """Raises, cannot be built, works."""
    return create(tmp_path / "lifted", *line(("raises", 3), ("unbuildable", 1), ("works", 2)))


def test_a_source_has_a_row_of_its_own_and_counts_for_nothing(project: Project, lifted: Repository) -> None:
    watching(project, f'sources = ["subject @ git+{lifted.url}@main"]')
    said = project.main("watch")
    assert said.code == 0, said
    (record,) = [record for record in records(project) if record.source]
    assert record.source is not None
    assert (record.source.commit, record.source.reference, record.source.built) == (lifted.commits[-1], "main", True)
    assert record.outcomes["standalone"].state is OutcomeState.SUPPORTED
    assert (project.records / f"git-{lifted.commits[-1][:12]}.jsonl").is_file()
    dossier = project.main("show", f"subject=={record.subject}", "--full")
    assert "uv pip sync --python cell cell.txt" in dossier.out, "what was built has no hash to be held to"
    shown = view(project)
    assert [row.id for row in shown.sources] == [record.cell]
    assert record.cell not in [cell.id for cell in shown.cells]
    assert record.subject not in [release.version for release in shown.releases]
    text = (project.reports / "compatibility.md").read_text()
    assert f"main at {lifted.commits[-1][:12]} (not released, built from source)" in text.replace("\\", "")
    page = (project.reports / "site/table.html").read_text()
    pairing = page.index('id="newest"')
    column = page.index(f"main at {lifted.commits[-1][:12]}", pairing)
    assert 'data-release="0.6.0"' in page[pairing:column], "after the newest release"
    published = json.loads((project.reports / "compatibility.json").read_text())
    assert [row["source"]["commit"] for row in published["sources"]] == [lifted.commits[-1]]
    assert str(lifted.path) not in "".join(path.read_text() for path in project.reports.rglob("*.*") if path.is_file())


def test_what_main_can_do_and_no_release_can_is_said_with_its_commit(project: Project, tmp_path: Path) -> None:
    """The newest stable release on the index of the tests works, so only what came before it is listed here."""
    made = create(tmp_path / "made", *line(("raises", 1), ("works", 1)))
    with LocalIndex() as index:
        world.fill(index, {"only": world.subject("raises", "0.2.0", "2024-03-05")}, world.COMPANIONS, world.HELPERS)
        raising = Project.make(tmp_path / "raising", index.url)
        watching(raising, f'sources = ["subject @ git+{made.url}@main"]')
        assert raising.main("watch").code == 0
        found = view(raising).support["standalone"]["newest"]
        assert found.first_supported is None
        assert found.preview is not None and found.preview.at_latest
        text = (raising.reports / "compatibility.md").read_text().replace("\\", "")
        assert f"on main since {made.commits[1][:12]} or earlier, not released yet" in text
        assert bisect(raising, made).code == 0
        assert raising.main("report").code == 0
        text = (raising.reports / "compatibility.md").read_text().replace("\\", "")
        assert f"on main since {made.commits[1][:12]}, not released yet" in text, (
            "the commit before is known to lack it"
        )


def test_a_source_that_cannot_be_reached_is_listed_and_the_rest_goes_on(project: Project, lifted: Repository) -> None:
    gone = "subject @ git+file:///nowhere/at/all@main"
    watching(project, f'sources = ["{gone}", "subject @ git+{lifted.url}@main"]')
    said = project.main("watch")
    assert said.code == 1
    assert f"not examined: {gone}: /nowhere/at/all: is no git repository" in said.out
    assert [record.source.commit for record in records(project) if record.source] == [lifted.commits[-1]]


def test_a_nightly_companion_comes_from_its_own_index_and_nothing_else_does(project: Project) -> None:
    with LocalIndex(html_only=True) as nightly:
        nightly.add(
            *world.companion("4.0.dev20250701", "2025-07-01", "A nightly."),
            *world.companion("4.0.dev20250702", "2025-07-02", "The newest nightly."),
            world.helper("9.9", "2025-07-02", "Not asked for, so not taken."),
        )
        watching(project, f'[watch.nightly]\ncompanion = "{nightly.url}"')
        project.set('releases = ">=0.1"', 'releases = ">=0.1,<0.5"')
        said = project.main("watch")
        assert said.code == 0, said
        (record,) = [record for record in records(project) if record.source]
        assert record.versions == {
            "subject": "0.4.0", "companion": "4.0.dev20250702", "companionlib": "4.0.dev20250702", "helper": "0.2",
        }  # fmt: skip
        assert record.source is not None
        assert (record.source.package, record.source.version) == ("companion", "4.0.dev20250702")
        assert "subject 0.4.0 with companion 4.0.dev20250702, not released" in said.out
        assert [cell.subject for cell in view(project).by_pairing["newest"].values()] == ["0.4.0"]
        assert "nightly" not in view(project).pairings
        again = project.main("watch")
        assert (again.code, len(records(project))) == (0, 2), again


def test_64_commits_are_bisected_with_cells(served: LocalIndex, tmp_path: Path) -> None:
    project = Project.make(tmp_path / "project", served.url)
    made = create(tmp_path / "made", *line(("raises", 40), ("unbuildable", 1), ("raises", 4), ("works", 19)))
    said = bisect(project, made)
    assert said.code == 0, said
    assert f"standalone changes with\n{made.commits[45]}\n  2024-07-01T12:46:00Z, A. Nonymous\n  46: works" in said.out
    assert f"before ({made.commits[44][:12]}): raises NotTrainable" in said.out
    assert 'raise NotTrainable(f"cannot train a bare Value' in said.out, "the evidence"
    assert (
        f"after ({made.commits[45][:12]}): supported (subject 0.5.0+g{made.commits[45][:12]}, companion 2.0" in said.out
    )
    assert examined(said) <= 2 + ceil(log2(63)) + 1
    labels = {label for record in records(project) for label in record.pairings}
    assert labels == {COMMIT_DAY.name}
    assert view(project).sources == (), "the steps are no rows"
    again = bisect(project, made)
    assert (again.code, examined(again)) == (0, 0), "everything is on record"


def test_commits_that_cannot_be_judged_make_the_answer_a_range(project: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        *line(("raises", 3), ("unbuildable", 1), ("control-fails", 1), ("import-error", 1), ("works", 2)),
    )
    said = bisect(project, made)
    assert said.code == 0, said
    assert "standalone changes in one of 4" in said.out
    for number, why in ((3, "cannot be built"), (4, "the control held came out raises"), (5, "ImportError")):
        assert re.search(rf"{made.commits[number]}\n.*\n.*\n  skipped: .*{why}", said.out), why
    states = {record.source.commit: record.state for record in records(project) if record.source}
    assert states[made.commits[3]] is CellState.INSTALL_FAILED
    assert examined(bisect(project, made)) == 0, "nor is it built again"


def test_the_companions_are_those_of_the_commits_day(project: Project, lifted: Repository) -> None:
    assert bisect(project, lifted).code == 0
    assert {record.versions["companion"] for record in records(project) if record.state is CellState.RAN} == {"2.0"}


def test_what_was_lifted_and_taken_back_is_found_by_looking_at_each(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 2), ("works", 2), ("raises", 2)))
    said = bisect(project, made)
    assert (said.code, "both ends answer alike" in said.out) == (1, True)
    said = bisect(project, made, "--linear")
    assert f"standalone changes first with\n{made.commits[2]}" in said.out
    regressed = bisect(project, made, good=made.commits[2])
    assert f"standalone changes with\n{made.commits[4]}" in regressed.out
    assert examined(regressed) <= 2, "the rest is on record"


def test_a_change_of_signature_is_found(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 2), ("raises-differently", 3)))
    assert f"changes with\n{made.commits[2]}" in bisect(project, made).out


def test_a_merge_of_two_commits_is_searched_without_being_asked(project: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        Made("raises"),
        Made("raises", branch="topic", since=1),
        Made("works", branch="topic", message="the change itself"),
        Made("raises", since=1),
        Made("works", merges=3, message="the merge"),
        Made("works"),
    )
    said = bisect(project, made)
    assert f"changes with\n{made.commits[2]}" in said.out, said
    assert f"merged by\n{made.commits[4]}" in said.out, "two commits are searched without being asked"
    assert "the change itself" in said.out


def test_a_release_without_a_tag_is_found_by_the_version_file(project: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        Made("raises", version="0.1.0"),
        Made("raises", version="0.2.0"),
        Made("works", version="0.2.0"),
        Made("works", version="0.3.0"),
    )
    nothing = bisect(project, made, good="0.2.0", bad="0.3.0")
    assert (nothing.code, "has no tag, branch or commit 0.3.0" in nothing.err) == (2, True)
    watching(project, 'version-file = "subject/__init__.py"')
    said = bisect(project, made, good="0.2.0", bad="0.3.0")
    assert f"changes with\n{made.commits[2]}" in said.out, said


def test_a_companions_releases_are_searched_for_an_import_that_broke(project: Project) -> None:
    ends = ["--companion", "companion", "--good", "1.0", "--bad", "3.0", "--only", "subject==0.5.0"]
    said = project.main("bisect", "held", *ends)
    assert said.code == 0, said
    assert "held changes with\n3.0\n  2025-01-15" in said.out
    assert "import-fails ImportError" in said.out
    assert {label for record in records(project) for label in record.pairings} == {"grid"}, "pairs of the grid"
    assert examined(project.main("bisect", "held", *ends)) == 0


def test_another_companions_releases_are_searched_too_and_are_no_rows(project: Project) -> None:
    said = project.main(
        "bisect", "held", "--companion", "helper", "--good", "0.1", "--bad", "0.2", "--only", "subject==0.4.0"
    )
    assert (said.code, "both ends answer alike" in said.out) == (1, True)
    assert (view(project).cells, len(records(project))) == ((), 2)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nothing", "--good", "a", "--bad", "b"), "there is no such probe"),
        (("held", "--good", "a", "--bad", "b"), "name a repository"),
        (("held", "--good", "1.0", "--bad", "3.0", "--companion", "other"), "is no companion"),
        (("held", "--good", "1.0", "--bad", "99", "--companion", "companion"), "lists no such release"),
        (("held", "--good", "--upload-pack=x", "--bad", "b"), "expected one argument"),
    ],
)
def test_a_search_that_means_nothing_is_refused(project: Project, arguments: tuple[str, ...], why: str) -> None:
    said = project.main("bisect", *arguments)
    assert (said.code, why in said.err) == (2, True), said
