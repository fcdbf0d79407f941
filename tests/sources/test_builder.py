"""Sources: what is built, from what, with what in its environment, and what is said where it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compatmatrix.config.source_addresses import parse
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.sources.build_environment import BuildTools
from compatmatrix.sources.builder import Builder, Built, Unbuildable
from fixtures import THIS, Project
from packages.index import Fault, LocalIndex
from repositories import BACKEND, Made, Repository, create


def builder_of(
    project: Project,
    cache: Path,
    pythons: tuple[str, ...] = (THIS,),
    find: Callable[[str], Path] = lambda version: Path(sys.executable),
) -> Builder:
    return Builder("subject", BuildTools(index=project.config.index, pythons=pythons, find=find), cache)


@pytest.fixture
def builder(project: Project, tmp_path: Path) -> Builder:
    return builder_of(project, tmp_path / "cache")


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    return create(tmp_path / "made", Made("raises"), Made("unbuildable"), Made("works", version="0.6.0.dev1+local"))


def build(builder: Builder, text: str) -> Built:
    return builder.address(parse(text, "subject"))


def test_a_branch_is_built_and_named_with_its_commit(builder: Builder, made: Repository) -> None:
    built = build(builder, f"subject @ git+{made.url}@main")
    source = built.source
    assert (source.commit, source.parent, source.reference) == (made.commits[2], made.commits[1], "main")
    assert (source.committed, source.built, source.origin) == ("2024-07-01T12:03:00Z", True, "")
    assert source.row == f"0.6.0.dev1+local.g{made.commits[2][:12]}"
    assert built.release.requires_python == ">=3.8"


def test_nothing_that_is_recorded_of_a_source_names_this_machine(builder: Builder, made: Repository) -> None:
    assert str(made.path) not in repr(build(builder, f"subject @ git+{made.url}@main").source)


def test_a_commit_is_built_once(builder: Builder, made: Repository) -> None:
    first = build(builder, f"subject @ git+{made.url}@main")
    assert build(builder, f"subject @ git+{made.url}@{made.commits[2]}").url == first.url


def test_a_commit_that_cannot_be_built_says_why_without_this_machines_folders(
    builder: Builder, made: Repository
) -> None:
    with pytest.raises(Unbuildable) as failure:
        build(builder, f"subject @ git+{made.url}@{made.commits[1]}")
    assert "this commit cannot be built" in str(failure.value)
    assert "/" not in str(failure.value).replace("build_wheel", "")
    assert failure.value.source.commit == made.commits[1]


def test_a_build_sees_nothing_of_the_user(
    builder: Builder, made: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = tmp_path / "seen"
    spy = BACKEND.replace(
        "import zipfile", f"import zipfile, os\npathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)))"
    )
    subprocess.run(["git", "checkout", "-q", "-f", "main"], cwd=made.path, check=True)
    (made.path / "build_backend/backend.py").write_text(spy)
    build(builder, f"subject @ {made.path.as_uri()}")
    assert "secret" not in seen.read_text()
    assert repr(os.environ["HOME"]) not in seen.read_text()


def test_a_clean_checkout_is_its_commit_and_a_changed_one_its_files(builder: Builder, made: Repository) -> None:
    made.git("checkout", "-q", "-f", "main")
    clean = build(builder, f"subject @ {made.path.as_uri()}").source
    assert (clean.commit, clean.reference) == (made.commits[2], "main")
    (made.path / "subject/core.py").write_text("changed = True\n")
    changed = build(builder, f"subject @ {made.path.as_uri()}").source
    assert (changed.commit, changed.reference) == ("", "main, changed")
    assert changed.row == f"0.6.0.dev1+local.w{changed.content[:12]}"
    again = build(builder, f"subject @ {made.path.as_uri()}").source
    assert again == changed, "the files count, not the time of the build"
    assert made.git("status", "--porcelain", "--ignored").split() == ["M", "subject/core.py"], "nothing is left behind"


def test_defect_a_file_that_the_users_git_does_not_show_is_left_out(builder: Builder, made: Repository) -> None:
    made.git("checkout", "-q", "-f", "main")
    made.git("config", "status.showUntrackedFiles", "no")
    (made.path / "subject/more.py").write_text("")
    assert build(builder, f"subject @ {made.path.as_uri()}").source.reference == "main, changed"


def test_a_wheel_is_taken_as_it_is(builder: Builder, made: Repository) -> None:
    wheel = build(builder, f"subject @ git+{made.url}@main").url.partition("#")[0]
    source = build(builder, f"subject @ {wheel}").source
    assert (source.reference, source.built, source.version) == ("wheel", False, "0.6.0.dev1+local")


def test_what_only_calls_itself_a_wheel_is_refused(builder: Builder, made: Repository, tmp_path: Path) -> None:
    (tmp_path / "other-1.0-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(Unbuildable, match="is no wheel"):
        build(builder, f"subject @ {(tmp_path / 'other-1.0-py3-none-any.whl').as_uri()}")


@pytest.mark.parametrize(
    "text",
    [
        "subject @ git+file:///nowhere@main",
        "subject @ file:///nowhere",
        "subject @ file:///nowhere.whl",
        "subject @ git+{url}@nowhere",
    ],
)
def test_what_is_not_there_is_the_users_mistake(builder: Builder, made: Repository, text: str) -> None:
    with pytest.raises(UserError, match="nowhere"):
        build(builder, text.format(url=made.url))


def test_build_tools_that_cannot_be_fetched_make_no_commit_unbuildable(
    index: LocalIndex, made: Repository, tmp_path: Path
) -> None:
    made.git("checkout", "-q", "-f", "main")
    (made.path / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools"]\n')
    project = Project.make(tmp_path / "its", index.url)
    builder = builder_of(project, tmp_path / "cache")
    index.fault(Fault.ERROR)
    with pytest.raises(InfrastructureError, match="could not be built"):
        build(builder, f"subject @ {made.path.as_uri()}")


def test_the_python_that_builds_is_one_that_the_source_admits(
    project: Project, made: Repository, tmp_path: Path
) -> None:
    made.git("checkout", "-q", "-f", "main")
    with (made.path / "pyproject.toml").open("a") as file:
        file.write('[project]\nname = "subject"\ndynamic = ["version"]\nrequires-python = ">=3.11"\n')
    asked: list[str] = []

    def find(version: str) -> Path:
        asked.append(version)
        return Path(sys.executable)

    builder = builder_of(project, tmp_path / "cache", ("3.9", "3.11", "3.12"), find)
    build(builder, f"subject @ {made.path.as_uri()}")
    assert asked == ["3.11"]
