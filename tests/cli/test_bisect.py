"""Bisection from end to end on repositories made on the spot: what is found, said, written, and what a name stands for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fixtures import Project, Said
from repositories import Made, Repository, create, line

pytestmark = pytest.mark.usefixtures("known_cells")

ON_OFF_ON = [*line(("raises", 1), ("works", 1), ("raises", 3), ("works", 3))]


def bisect(project: Project, made: Repository, *arguments: str, good: str = "", bad: str = "main") -> Said:
    ends = ["--good", good or made.commits[0], "--bad", bad]
    return project.main("bisect", "standalone", *ends, "--repository", str(made.path), "--jobs", "1", *arguments)


def cells(said: Said) -> int:
    found = re.search(r"(\d+) judged, (\d+) cells run", said.out)
    assert found, said
    return int(found[2])


def results(project: Project) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((project.reports / "bisections").glob("*.json"))]


def test_defect_a_search_by_halving_says_first_where_the_answer_changes_three_times(
    project: Project, tmp_path: Path
) -> None:
    made = create(tmp_path / "made", *ON_OFF_ON)
    halved = bisect(project, made)
    assert f"standalone changes with\n{made.commits[5]}" in halved.out, halved
    assert "changes first" not in halved.out
    assert "Halving finds one change, not whether there are others: --all finds every one." in halved.out
    every = bisect(project, made, "--all")
    places = [every.out.index(f"standalone changes with\n{made.commits[number]}") for number in (1, 2, 5)]
    assert places == sorted(places)
    assert cells(halved) + cells(every) == len(made.commits), "each commit once"
    again = bisect(project, made)
    assert f"standalone changes with\n{made.commits[1]}" in again.out, "the first of those on record"
    assert "the records show 2 more between the ends" in again.out
    assert cells(again) == 0


def test_the_result_is_a_file_that_pages_read(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 3), ("unbuildable", 1), ("works", 3)))
    assert bisect(project, made).code == 0
    (found,) = results(project)
    assert (found["question"]["probe"], found["question"]["good"]) == ("standalone", made.commits[0])
    assert [end["id"] for end in found["ends"]] == [made.commits[0], made.commits[-1]]
    (change,) = found["changes"]
    assert (change["before"]["item"]["id"], change["after"]["item"]["id"]) == (made.commits[2], made.commits[4])
    assert "NotTrainable" in change["before"]["evidence"]
    assert change["after"]["outcome"]["state"] == "supported"
    assert "this commit cannot be built" in change["between"][0]["verdict"]["why"]
    assert str(made.path) not in json.dumps(found), "nothing of this machine"
    assert bisect(project, made).code == 0
    assert results(project) == [found], "the same, however it was searched"


def test_defect_the_logs_of_two_methods_overwrite_each_other(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 2), ("works", 2)))
    for method in ((), ("--linear",), ("--all",)):
        assert bisect(project, made, *method).code == 0
    assert {found["question"].get("method", "halve") for found in results(project)} == {"halve", "first", "all"}
    assert len(list(project.reports.glob("bisections/*.log"))) == 2, "git could not replay the third"


def test_a_pull_request_is_named_with_what_it_merged(project: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        Made("raises"),
        *(Made("raises", branch="topic", since=1 if not number else None) for number in range(6)),
        Made("works", branch="topic", message="The change itself"),
        Made("raises", since=1),
        Made("works", merges=8, message="Merge pull request #4564 from somebody/topic"),
    )
    made.git("config", "remote.origin.url", "https://user:secret@example.org/an/example.git")
    said = bisect(project, made)
    assert f"standalone changes with\n{made.commits[9]}\n  2024-07-01T12:10:00Z, A. Nonymous" in said.out, said
    assert "  pull request #4564\n  https://example.org/an/example/pull/4564\n" in said.out
    assert said.out.count("  merged: ") == 7
    deeper = bisect(project, made, "--into-merges")
    assert f"standalone changes with\n{made.commits[7]}" in deeper.out, deeper
    assert f"merged by\n{made.commits[9]}" in deeper.out
    assert results(project)[0]["changes"][0]["merge"]["pull_request"] == 4564


def test_defect_a_revision_resolves_in_the_users_repository(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 2), ("works", 3)))
    made.git("checkout", "-q", "-f", "main~1")
    made.git("tag", "v1.0", made.commits[2])
    said = bisect(project, made, good="v1.0~2", bad="HEAD")
    assert f"--bad HEAD is {made.commits[3][:12]} of 2024-07-01T12:04:00Z" in said.out, said
    assert f"standalone changes with\n{made.commits[2]}" in said.out


def test_defect_a_search_for_a_message_does_not_resolve(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 2)), Made("works", message="Lift it"), Made("works"))
    made.git("checkout", "-q", "-f", "main")
    said = bisect(project, made, bad=":/^Lift")
    assert f"--bad :/^Lift is {made.commits[2][:12]} of " in said.out, said


def test_defect_a_commit_is_blamed_that_is_no_child_of_the_good_end(project: Project, tmp_path: Path) -> None:
    made = create(
        tmp_path / "made",
        Made("raises"),
        Made("works", branch="topic", since=1),
        Made("raises", since=1),
        Made("works", merges=2),
        Made("raises", branch="main"),
    )
    said = bisect(project, made, "--linear", good="topic")
    assert f"searching from {made.commits[0][:12]}, where they part" in said.out, said
    assert f"changes first with\n{made.commits[2]}" not in said.out, "it answers like its parent"


@pytest.mark.parametrize("bad", ["nowhere", "0" * 40, "main~99", "refs/pull/7/head"])
def test_defect_an_unknown_revision_is_network_trouble(project: Project, tmp_path: Path, bad: str) -> None:
    said = bisect(project, create(tmp_path / "made", *line(("raises", 2))), bad=bad)
    assert (said.code, f"has no tag, branch or commit {bad} (--bad {bad})" in said.err) == (2, True), said


def test_defect_a_folder_without_a_repository_is_network_trouble(project: Project, tmp_path: Path) -> None:
    said = project.main("bisect", "standalone", "--good", "a", "--bad", "b", "--repository", str(tmp_path))
    assert (said.code, "is no git repository" in said.err) == (2, True), said


def test_defect_a_version_without_a_tag_is_resolved_as_if_it_were_known(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", Made("raises", version="0.1.0"), Made("works", version="0.2.0"))
    project.set("[groups]", '[watch]\nversion-file = "subject/__init__.py"\n\n[groups]')
    said = bisect(project, made, bad="0.2.0")
    assert "--bad 0.2.0: there is no such tag; guessed from subject/__init__.py" in said.out, said


def test_defect_a_shallow_clone_takes_the_machine_down(project: Project, tmp_path: Path) -> None:
    made = create(tmp_path / "made", *line(("raises", 3), ("works", 3)))
    made.git("clone", "--quiet", "--depth=2", made.url, str(tmp_path / "clone"))
    shallow = Repository(tmp_path / "clone", made.commits)
    said = bisect(project, shallow)
    assert (said.code, "is a shallow clone" in said.err, "fetch-depth: 0" in said.err) == (2, True, True), said


def test_the_time_of_the_parts_is_shown(project: Project, tmp_path: Path) -> None:
    said = bisect(project, create(tmp_path / "made", *line(("raises", 2), ("works", 2))), "--timings")
    for part in ("environment", "build", "lock"):
        assert re.search(rf"{part} +\d+\.\d\d s a cell", said.out), (part, said)
