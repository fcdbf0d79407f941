"""Reports are committed on top of whatever was pushed meanwhile, and nobody's working tree is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compatmatrix.ci import push_reports
from compatmatrix.core.errors import InfrastructureError
from fake_github.workflow import git


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner on which git knows nobody."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def clones(tmp_path: Path) -> tuple[Path, Path]:
    """Two clones of one repository with one commit."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "bare.git")
    for name in ("one", "two"):
        git(tmp_path, "clone", "--quiet", "bare.git", name)
        if name == "one":
            push(tmp_path / "one", "first")
    return tmp_path / "one", tmp_path / "two"


def push(clone: Path, name: str) -> None:
    """Somebody pushes a file of that name."""
    (clone / name).write_text(name)
    git(clone, "add", "--all")
    git(clone, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", name)
    git(clone, "push", "--quiet", "origin", "HEAD:main")


def written(name: str) -> Callable[[Path], str]:
    """Writes a file and names the commit after it."""

    def write(copy: Path) -> str:
        (copy / name).write_text(name)
        return f"Add {name}"

    return write


def test_what_is_new_is_committed_and_pushed_and_the_working_tree_is_left_alone(clones: tuple[Path, Path]) -> None:
    one, two = clones
    (one / "first").write_text("edited, not committed")
    assert push_reports.commit(one, written("report"), print)
    assert (one / "first").read_text() == "edited, not committed"
    assert not (one / "report").exists()
    assert git(two, "pull", "--quiet", "origin", "main") == ""
    assert (two / "report").read_text() == "report"
    assert "github-actions[bot]" in git(two, "log", "-1", "--format=%an %s")
    assert git(one, "worktree", "list").count("\n") == 1


def test_where_nothing_is_new_nothing_is_committed(clones: tuple[Path, Path]) -> None:
    one, _ = clones
    assert not push_reports.commit(one, written("first"), print)


def test_who_was_slower_does_it_once_more_on_top(clones: tuple[Path, Path]) -> None:
    one, two = clones
    asked: list[list[str]] = []

    def write(copy: Path) -> str:
        asked.append(sorted(path.name for path in copy.iterdir() if path.name != ".git"))
        if len(asked) == 1:
            push(two, "faster")
        (copy / "report").write_text("report")
        return "Add report"

    said: list[str] = []
    assert push_reports.commit(one, write, said.append)
    assert asked == [["first"], ["faster", "first"]]
    assert said == ["main has new commits: trying again on top of them"]
    assert git(two, "ls-remote", "origin").count("refs/heads") == 1


def test_a_remote_that_is_gone_is_trouble(clones: tuple[Path, Path]) -> None:
    one, _ = clones
    git(one, "remote", "set-url", "origin", "/nowhere/at/all")
    with pytest.raises(InfrastructureError, match="git fetch failed"):
        push_reports.commit(one, written("report"), print)


def test_without_a_branch_there_is_nothing_to_commit_to(clones: tuple[Path, Path]) -> None:
    one, _ = clones
    git(one, "checkout", "--quiet", "--detach")
    with pytest.raises(InfrastructureError, match="is on no branch"):
        push_reports.commit(one, written("report"), print)
