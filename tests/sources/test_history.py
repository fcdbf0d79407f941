"""A repository's history: the order of commits, dates, versions, references, and what git is never given."""

from __future__ import annotations

from math import ceil, log2
from pathlib import Path

import pytest

from compatmatrix.bisect.search import Verdict, halve
from compatmatrix.config.source_addresses import parse, published, repository
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.sources import git
from compatmatrix.sources.history import Repository
from repositories import Made, create, line
from repositories import Repository as Made_


@pytest.fixture
def merged(tmp_path: Path) -> Made_:
    """main: 1 2 . . 5 6; a branch 3 4 from 2, merged by 5."""
    return create(
        tmp_path / "merged",
        Made("raises", version="0.1.0", tag="v0.1.0"),
        Made("raises", version="0.2.0"),
        Made("works", version="0.2.0", branch="topic", since=2),
        Made("works", version="0.2.0", branch="topic"),
        Made("works", version="0.2.0", merges=4),
        Made("works", version="0.3.0", message="subject line\n\nand more"),
    )


SERVER = "https://server.invalid"
"""Stands for this machine's files: git reads the address of a repository as one on a server, and gets it from the disk."""


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COUNT": "1", "KEY_0": "url.file:///.insteadOf", "VALUE_0": f"{SERVER}/"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)


def mirror(made: Made_, folder: Path) -> Repository:
    return Repository(f"{SERVER}{made.path}", folder / "cache")


def test_the_order_is_that_of_first_parents(merged: Made_, tmp_path: Path) -> None:
    found = mirror(merged, tmp_path)
    tip = found.fetch("main")
    one, two, _, four, five, six = merged.commits
    assert found.between(one, tip) == (one, two, five, six)
    assert found.commit(five).parents == (two, four)
    assert found.base(two, four) == two


def test_a_commit_has_its_dates_in_utc_and_its_subject_line(merged: Made_, tmp_path: Path) -> None:
    found = mirror(merged, tmp_path)
    commit = found.commit(found.fetch("main"))
    assert (commit.authored, commit.committed) == ("2024-07-01T12:06:00Z", "2024-07-01T12:06:00Z")
    assert commit.subject == "subject line"


def test_a_version_is_the_first_commit_that_says_so(merged: Made_, tmp_path: Path) -> None:
    found = mirror(merged, tmp_path)
    tip = found.fetch("main")
    file = "subject/__init__.py"
    assert found.version_commit("0.2.0", file, tip) == merged.commits[1]
    assert found.version_commit("0.3.0", file, tip) == merged.commits[5]
    assert found.version_commit("0.3", file, tip) is None, "not the beginning of another"
    assert found.version_commit("0.2.0", "elsewhere.py", tip) is None


def test_a_pull_request_is_a_reference_like_any_other(merged: Made_, tmp_path: Path) -> None:
    merged.git("update-ref", "refs/pull/7/head", merged.commits[3])
    assert mirror(merged, tmp_path).fetch("refs/pull/7/head") == merged.commits[3]


def test_what_moved_is_fetched_again_and_what_is_settled_needs_nobody(merged: Made_, tmp_path: Path) -> None:
    found = mirror(merged, tmp_path)
    assert found.resolve("main") is None, "nothing is known before the first fetch"
    assert found.fetch("main") == merged.commits[-1]
    merged.add(Made("raises", version="0.4.0"))
    assert found.resolve("main") == merged.commits[5]
    assert found.fetch("main") == merged.commits[6]
    assert found.settled("v0.1.0") and found.settled(merged.commits[0]) and not found.settled("main")
    merged.path.rename(tmp_path / "gone")
    assert found.resolve("v0.1.0") == merged.commits[0]
    with pytest.raises(InfrastructureError, match=r"server\.invalid.* could not be reached"):
        found.fetch("main")


def test_a_checkout_is_the_commits_files_and_gone_afterwards(merged: Made_, tmp_path: Path) -> None:
    found = mirror(merged, tmp_path)
    found.fetch("main")
    with found.checkout(merged.commits[0]) as folder:
        assert "0.1.0" in (folder / "subject/__init__.py").read_text()
    assert not folder.exists()
    assert (
        len(git.run(["worktree", "list"], folder=next((tmp_path / "cache/repositories").glob("*.git"))).splitlines())
        == 1
    )


def test_nothing_of_a_repository_runs_because_it_is_looked_at(merged: Made_, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    found = mirror(merged, tmp_path)
    sha = found.fetch("main")
    hooks = next((tmp_path / "cache/repositories").glob("*.git")) / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (hooks / "post-checkout").chmod(0o755)
    with found.checkout(sha):
        assert not marker.exists()


def test_a_thousand_commits_are_no_trouble(tmp_path: Path) -> None:
    made = create(tmp_path / "long", *line(("raises", 1000), ("works", 24)))
    found = mirror(made, tmp_path)
    assert found.between(made.commits[0], found.fetch("main")) == tuple(made.commits)


@pytest.mark.parametrize(
    "text",
    ["subject @ git+ext::sh -c touch% x", "subject @ git+https://h/r@--upload-pack=x", "subject @ git+https://h/r@a b",
     "subject @ git+https://-h/r", "subject @ git+gopher://h/r", "subject @ https://h/x.whl", "subject==1", "other @ git+https://h/r",
     "subject @ file://host/x", "subject @ git+https://h/r@a..b"],
)  # fmt: skip
def test_what_git_could_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse(text, "subject")


@pytest.mark.parametrize("text", ["ext::sh -c x", "-c", "--upload-pack=x", "", "nowhere-there", "https://-x/y"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no repository"):
        repository(text)


def test_git_itself_is_kept_from_transports_that_run_commands(tmp_path: Path) -> None:
    with pytest.raises(git.Refused, match="not allowed"):
        git.run(["clone", f"ext::sh -c touch% {tmp_path}/ran", tmp_path / "clone"], folder=tmp_path)


def test_an_address_is_read_with_its_reference() -> None:
    found = parse("Subject @ git+https://user:secret@example.org/a/b@refs/pull/7/head", "subject")
    assert (found.url, found.reference) == ("https://user:secret@example.org/a/b", "refs/pull/7/head")
    assert found.origin == "https://example.org/a/b"
    assert parse("subject @ git+ssh://git@example.org/a/b", "subject").reference == "HEAD"
    local = parse("subject @ git+file:///home/me/subject@topic/x", "subject")
    assert (local.url, local.reference, local.origin) == ("file:///home/me/subject", "topic/x", "")
    assert parse("subject @ file:///a%20b/c.whl", "subject").path == Path("/a b/c.whl")


def test_nothing_of_a_machine_or_a_person_is_published() -> None:
    assert published("file:///home/me/secret") == ""
    assert published("git@example.org:a/b") == "example.org:a/b"
    assert published("https://token@example.org:8443/simple/?key=1") == "https://example.org:8443/simple/"


def test_credentials_are_no_part_of_a_message(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError) as trouble:
        Repository("http://user:secret@127.0.0.1:9/r", tmp_path).fetch("main")
    assert "secret" not in str(trouble.value)


def test_where_the_other_side_can_leave_files_out_they_come_when_they_are_needed(merged: Made_, tmp_path: Path) -> None:
    """As GitHub does; commits and trees are there at once, a file with the checkout, or with the question, that needs it."""
    for setting in ("allowFilter", "allowAnySHA1InWant"):
        merged.git("config", f"uploadpack.{setting}", "true")
    found = mirror(merged, tmp_path)
    tip = found.fetch("main")
    bare = next((tmp_path / "cache/repositories").glob("*.git"))

    def missing() -> int:
        return git.run(["rev-list", "--objects", "--missing=print", tip], folder=bare).count("\n?")

    before = missing()
    assert before > 0, "no file was fetched"
    assert found.between(merged.commits[0], tip)[-1] == tip
    assert missing() == before
    assert found.version_commit("0.3.0", "subject/__init__.py", tip) == tip
    with found.checkout(tip) as folder:
        assert "0.3.0" in (folder / "subject/__init__.py").read_text()
    assert missing() < before


@pytest.mark.parametrize("count", [64, 256, 1024])
def test_a_search_over_a_real_history_takes_the_logarithm(count: int, tmp_path: Path) -> None:
    changed = count * 2 // 3
    made = create(tmp_path / "made", *line(("raises", changed), ("works", count - changed)))
    found = mirror(made, tmp_path)
    asked: list[str] = []

    def judge(sha: str) -> Verdict:
        asked.append(sha)
        return Verdict(kind=(found.commit(sha).subject.partition(": ")[2], None))

    answer = halve(found.between(made.commits[0], found.fetch("main")), judge)
    assert (answer.good, answer.bad) == (made.commits[changed - 1], made.commits[changed])
    assert len(asked) <= 2 + ceil(log2(count))
