"""A pull request of the tested library, from the ten lines of docs/upstream.md to the comment; and the watch's days."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from fake_github.workflow import FakeGitHub, Run, git
from fixtures import THIS, Project
from packages import world
from packages.index import LocalIndex
from packages.world import subject
from platforms import NEEDS_SHELL
from repositories import Made, Repository, create

pytestmark = [pytest.mark.story, NEEDS_SHELL]

ROOT = Path(__file__).parents[2]
FOLDER = ".github/workflows"
MATRIX = "OWNER/flax-matrix"


def ten_lines(called: str) -> str:
    """The workflow that the documentation tells people to add, which calls one of ours."""
    texts = [path.read_text() for path in (ROOT / "docs").glob("*.md")]
    blocks = [block for text in texts for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (text,) = [block for block in blocks if f"{MATRIX}/{FOLDER}/{called}" in block]
    assert len(text.splitlines()) <= 10
    return str(text)


@pytest.fixture
def matrix(tmp_path: Path, index: LocalIndex) -> FakeGitHub:
    """The repository of the matrix, on an index whose only release raises."""
    world.fill(index, world.HELPERS)
    index.add(world.COMPANIONS["companion-1.0"], world.COMPANIONS["companionlib-1.0"])
    index.add(subject("raises", "0.2.0", "2025-02-10"))
    files, folder = tmp_path / "files", tmp_path / "matrix"
    Project.make(files, index.url, pythons=(THIS,))
    for name in ("compare.yml", "comment.yml", "watch.yml", "compatibility.yml"):
        (files / FOLDER).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / FOLDER / name, files / FOLDER / name)
    shutil.copy(ROOT / ".gitignore", files / ".gitignore")
    folder.mkdir()
    return FakeGitHub(folder, files, f"{FOLDER}/watch.yml")


class Library:
    """The library's repository, with the two workflows that the documentation shows."""

    def __init__(self, folder: Path, matrix: FakeGitHub) -> None:
        workflows = {f"{FOLDER}/{name}": ten_lines(name) for name in ("compare.yml", "comment.yml")}
        self.made = create(folder / "library", Made("raises", more=workflows))
        self.github = FakeGitHub(
            folder, None, f"{FOLDER}/compare.yml", repository=self.made.path, others={MATRIX: matrix.bare}
        )

    def pull_request(self, behavior: str, branch: str = "topic") -> str:
        """Push a commit to a branch from main, as the head of a pull request."""
        since = len(self.made.commits) if self.made.git("branch", "--list", branch) else 1
        self.made.add(Made(behavior, branch=branch, since=since))
        return self.made.git("rev-parse", branch).strip()

    def compare(self, commit: str) -> Run:
        event = {"pull_request": {"head": {"sha": commit}}}
        return self.github.run("pull_request", "7/merge", payload=event)

    def comment(self, commit: str, owner: str = "an", branch: str = "topic") -> Run:
        """Run the second workflow, after the first."""
        about: dict[str, Any] = {"event": "pull_request", "id": str(self.github.runs), "head_sha": commit}
        about |= {"head_branch": branch, "head_repository": {"owner": {"login": owner}}}
        return self.github.run("workflow_run", workflow=f"{FOLDER}/comment.yml", payload={"workflow_run": about})


@pytest.fixture
def library(tmp_path: Path, matrix: FakeGitHub) -> Library:
    folder = tmp_path / "of-the-library"
    folder.mkdir()
    return Library(folder, matrix)


@pytest.mark.parametrize(
    ("behavior", "result", "words"),
    [
        ("works", "success", "1 lifted"),
        ("import-error", "failure", "No answers: import-fails"),
        ("unbuildable", "failure", "this commit cannot be built"),
        ("raises-differently", "success", "1 raises differently"),
    ],
)
def test_a_pull_request_gets_a_summary(library: Library, behavior: str, result: str, words: str) -> None:
    commit = library.pull_request(behavior)
    run = library.compare(commit)
    assert run["compare / examine"].result == result, run.log
    assert run["compare / summary"].result == "success", run.log
    summary = run["compare / summary"].summary.replace("\\", "")
    assert words in summary, summary
    assert f"HEAD at {commit[:12]}, compared with merge-base at {library.made.commits[0][:12]}" in summary
    assert library.github.issues == [], "without the second workflow nothing is written"


def test_a_pull_request_of_a_fork_has_one_comment_that_is_updated(library: Library) -> None:
    commit = library.pull_request("import-error")
    number = library.github.pull_request("somebody:topic", commit)
    for behavior, words in (("", "No answers: import-fails"), ("works", "1 lifted")):
        if behavior:
            commit = library.pull_request(behavior)
            library.github.pull_request("somebody:topic", commit)
        library.compare(commit)
        run = library.comment(commit, owner="somebody")
        assert not run.failed, run.log
        (comment,) = library.github.issues[number - 1]["comments"]
        assert words in comment.replace("\\", "")


def test_a_run_without_a_result_says_so_in_the_comment(library: Library) -> None:
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    commit = library.made.git(*author, "commit-tree", "-m", "Alone", "main^{tree}").strip()
    library.made.git("branch", "topic", commit)
    number = library.github.pull_request("an:topic", commit)
    assert library.compare(commit)["compare / examine"].result == "failure"
    run = library.comment(commit)
    assert not run.failed, run.log
    assert "Nothing was compared" in library.github.issues[number - 1]["comments"][0]


def test_what_has_moved_on_gets_no_comment(library: Library) -> None:
    commit = library.pull_request("works")
    library.github.pull_request("somebody:topic", "0" * 40)
    library.compare(commit)
    run = library.comment(commit, owner="somebody")
    assert (run.failed, library.github.issues[0]["comments"]) == (False, []), run.log


def test_any_library_has_the_scheduled_job_with_ten_lines(matrix: FakeGitHub, tmp_path: Path) -> None:
    files, folder, name = tmp_path / "its-files", tmp_path / "its", f"{FOLDER}/scheduled.yml"
    shutil.copytree(tmp_path / "files", files, ignore=shutil.ignore_patterns(".github"))
    (files / FOLDER).mkdir(parents=True)
    (files / name).write_text(ten_lines("compatibility.yml"))
    folder.mkdir()
    its = FakeGitHub(folder, files, name, others={MATRIX: matrix.bare})
    day = its.run()
    assert not day.failed, day.log
    assert "A bare Value cannot be trained" in its.file("reports/compatibility.md")
    assert (its.page / "index.html").is_file()


def test_watch_records_publishes_and_is_red_where_an_answer_changed(matrix: FakeGitHub, tmp_path: Path) -> None:
    upstream: Repository = create(tmp_path / "upstream", Made("raises"))
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(matrix.bare), str(work))
    file = work / "matrix.toml"
    file.write_text(file.read_text() + f'\n[watch]\nsources = ["subject @ git+{upstream.url}@main"]\n')
    git(work, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qam", "Watch")
    git(work, "push", "-q", "origin", "main")

    day = matrix.run()
    assert not day.failed, day.log
    assert f"main at {upstream.commits[0][:12]}" in matrix.file("reports/compatibility.md").replace("\\", "")
    first = matrix.head

    day = matrix.run()
    assert not day.failed, day.log
    assert matrix.head == first, "nothing is new"

    upstream.add(Made("works"))
    day = matrix.run()
    assert (day["watch"].result, day["publish"].result) == ("failure", "success"), day.log
    assert f"main at {upstream.commits[1][:12]}" in matrix.file("reports/compatibility.md").replace("\\", "")

    day = matrix.run()
    assert not day.failed, day.log
