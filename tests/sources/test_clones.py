"""Clones that lack a part of the history, as CI makes them: what they can answer, what is said of the rest, and no process is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.sources import git
from compatmatrix.sources.history import Repository
from platforms import NEEDS_ROOT, NEEDS_SANDBOX
from repositories import Repository as Made
from repositories import create, line

WHOLE = "`fetch-depth: 0`"
SLEEPER = ["-c", "alias.stay=!sleep {0} & sleep {0}", "stay"]
"""Arguments with which git starts two more processes, for so many seconds."""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return create(tmp_path / "made", *line(("raises", 3), ("works", 3)))


def clone(made: Made, folder: Path, *arguments: str) -> Repository:
    """A clone of it, whose origin is gone."""
    made.git("config", "uploadpack.allowFilter", "true")
    subprocess.run(["git", "clone", "--quiet", *arguments, made.url, str(folder / "clone")], check=True)
    made.path.rename(folder / "gone")
    return Repository((folder / "clone").as_uri(), folder / "cache")


def processes(*words: str) -> list[str]:
    """The command lines that have all these words."""
    lines: list[str] = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return [text for text in lines if all(word in text for word in words)]


def sleepers(seconds: str, count: int) -> int:
    """How many processes sleep for so long, once there are ``count`` or 20 seconds have passed."""
    until = time.monotonic() + 20
    while (found := processes().count(f"sleep {seconds}")) != count and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_defect_a_shallow_clone_starts_a_chain_of_git_processes(made: Made, tmp_path: Path) -> None:
    shallow = clone(made, tmp_path, "--depth=1")
    tip = shallow.fetch("main")
    assert shallow.commit(tip).parents == (made.commits[-2],), "git itself says that it has none"
    with shallow.checkout(tip) as folder:
        assert (folder / "subject/__init__.py").is_file()
    for revision in (made.commits[0], "main~1"):
        with pytest.raises(UserError, match=f"shallow clone.*{WHOLE}"):
            shallow.fetch(revision)
    assert processes("git", str(tmp_path)) == []


def test_a_shallow_clone_answers_what_it_holds(made: Made, tmp_path: Path) -> None:
    shallow = clone(made, tmp_path, "--depth=3")
    tip, before = shallow.fetch("main"), shallow.fetch("main~2")
    assert shallow.between(before, tip) == tuple(made.commits[3:])
    assert shallow.base(before, tip) == before
    with pytest.raises(UserError, match=f"no history before {made.commits[3][:12]}.*{WHOLE}"):
        shallow.version_commit("0.5.0", "subject/__init__.py", tip)


def test_defect_a_shallow_clone_of_two_branches_has_no_merge_base(made: Made, tmp_path: Path) -> None:
    made.git("branch", "topic", made.commits[2])
    shallow = clone(made, tmp_path, "--depth=1", "--no-single-branch")
    with pytest.raises(UserError, match=f"have in common.*{WHOLE}"):
        shallow.base(shallow.fetch("main"), shallow.fetch("topic"))


@pytest.mark.parametrize("filter", ["blob:none", "tree:0"])
def test_defect_a_partial_clone_starts_a_chain_of_git_processes(made: Made, tmp_path: Path, filter: str) -> None:
    partial = clone(made, tmp_path, "--no-checkout", f"--filter={filter}")
    tip = partial.fetch("main")
    assert partial.between(made.commits[0], tip) == tuple(made.commits)
    with (
        pytest.raises(UserError, match=f"no files of {tip[:12]}; it is a partial clone.*{WHOLE}"),
        partial.checkout(tip),
    ):
        pass
    assert processes("git", str(tmp_path)) == []


@NEEDS_SANDBOX
def test_defect_git_outlives_an_engine_that_is_ended(tmp_path: Path) -> None:
    seconds = "600.125"
    arguments = [part.format(seconds) for part in SLEEPER]
    code = f"from pathlib import Path; from compatmatrix.sources import git; git.run({arguments}, folder=Path())"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as engine:
        assert sleepers(seconds, 2) == 2
        engine.terminate()
    assert sleepers(seconds, 0) == 0


@NEEDS_SANDBOX
def test_a_git_that_does_not_end_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "SECONDS", 1)
    with pytest.raises(InfrastructureError, match="did not end within 1 s"):
        git.run([part.format("600.25") for part in SLEEPER], folder=tmp_path)
    assert sleepers("600.25", 0) == 0


def test_a_repository_is_read_in_place_and_left_as_it_was(made: Made, tmp_path: Path) -> None:
    (made.path / "mine.txt").write_text("not committed")
    before = made.git("status", "--porcelain", "--branch"), made.git("for-each-ref")
    found = Repository(made.url, tmp_path / "cache")
    with found.checkout(found.fetch("main~3")) as folder:
        assert (folder / ".git").exists(), "tools that read the version from git work"
    assert (made.git("status", "--porcelain", "--branch"), made.git("for-each-ref")) == before
    assert len(made.git("worktree", "list").splitlines()) == 1
    assert not list((tmp_path / "cache").rglob("*.git"))


@NEEDS_ROOT
def test_defect_a_repository_of_another_user_lacks_every_commit(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (made.path, made.path / ".git"):
        os.chown(path, 12345, -1)
    with pytest.raises(UserError, match=r"git refuses it: .*safe\.directory"):
        Repository(made.url, tmp_path / "cache").fetch("main")
