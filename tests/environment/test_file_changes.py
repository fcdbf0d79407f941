"""What a cell leaves in its environment is named, and kept out of the next cell's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from compatmatrix.core.states import OutcomeState
from compatmatrix.environment import file_changes
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from compatmatrix.execution import sandbox
from fixtures import Project, Ready, ask
from hostile import soon
from packages import world
from packages.hostile import LITTER
from packages.index import LocalIndex
from platforms import NEEDS_POSIX_FILES


def site_packages(python: Path) -> Path:
    """Relative to the environment."""
    environment = python.parents[1]
    return next(environment.glob("[Ll]ib/**/site-packages")).relative_to(environment)


def module(folder: Path, name: str, text: str = "x = 1\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def test_what_is_new_changed_or_gone_is_a_difference(tmp_path: Path) -> None:
    _, changed, gone = (module(tmp_path / "package", name) for name in ("same", "changed", "gone"))
    before = file_changes.snapshot(tmp_path)
    assert file_changes.differences(before, tmp_path) == ()
    changed.write_text("x = 2\n")
    gone.unlink()
    module(tmp_path / "package", "new")
    assert file_changes.differences(before, tmp_path) == ("package/changed.py", "package/gone.py", "package/new.py")


@NEEDS_POSIX_FILES
def test_a_change_that_is_hidden_from_the_clock_is_one_all_the_same(tmp_path: Path) -> None:
    hidden = module(tmp_path / "package", "hidden")
    status, before = hidden.stat(), file_changes.snapshot(tmp_path)
    hidden.write_text("x = 3\n")
    os.utime(hidden, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_changes.differences(before, tmp_path) == ("package/hidden.py",)


def test_defect_a_link_in_the_place_of_the_layer_had_the_hosts_files_named(tmp_path: Path) -> None:
    (tmp_path / "changes").symlink_to("/usr")
    assert file_changes.changes(tmp_path / "changes") == (".",)
    assert file_changes.changes(tmp_path / "not there") == (".",)


def test_a_link_in_the_place_of_the_environment_is_a_change_of_all(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    module(environment / "package", "x")
    before = file_changes.snapshot(environment)
    environment.rename(tmp_path / "elsewhere")
    environment.symlink_to("/usr")
    assert file_changes.differences(before, environment) == ("package/x.py",)


def test_defect_all_that_a_cell_changed_was_named_however_much_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_changes, "MOST", 5)
    monkeypatch.setattr(file_changes, "WALKED", 10)
    environment = tmp_path / "environment"
    module(environment, "x")
    before = file_changes.snapshot(environment)
    for number in range(20):
        module(environment, f"new{number}")
    assert len(file_changes.changes(environment)) == 5
    assert len(file_changes.differences(before, environment)) == 5
    for number in range(20):
        (tmp_path / "folders" / f"{number}").mkdir(parents=True)
    assert file_changes.changes(tmp_path / "folders") == (".",), "nor is more looked at than that"


def test_a_list_of_files_that_is_none_is_not_waited_for(tmp_path: Path) -> None:
    """RECORD is asked for where another environment was given the same file meanwhile."""
    source = module(tmp_path / "lib" / "python3.11" / "site-packages", "x")
    record = source.parent / "x-1.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("")
    before = file_changes.snapshot(tmp_path)
    os.link(source, tmp_path / "elsewhere")
    record.unlink()
    os.mkfifo(record)
    found = soon(lambda: file_changes.differences(before, tmp_path))
    place = "lib/python3.11/site-packages"
    assert found == ("elsewhere", f"{place}/x-1.dist-info/RECORD", f"{place}/x.py")


def test_a_file_that_another_environment_was_given_meanwhile_is_as_it_was(
    ready: Callable[[str], Ready], tmp_path: Path
) -> None:
    environment = ready("works").python.parents[1]
    before = file_changes.snapshot(environment)
    (source,) = environment.rglob("subject/core.py")
    os.link(source, tmp_path / "elsewhere")
    assert file_changes.differences(before, environment) == ()
    (tmp_path / "elsewhere").unlink()
    assert file_changes.differences(before, environment) == (), "nor is one that it has lost again"
    before = file_changes.snapshot(environment)
    mode = source.stat().st_mode
    source.chmod(0)
    assert file_changes.differences(before, environment) == (source.relative_to(environment).as_posix(),)
    source.chmod(mode)


@pytest.mark.parametrize("kept_apart", [True, False])
def test_what_a_cell_leaves_misleads_nobody(
    tmp_path: Path,
    index: LocalIndex,
    interpreters: Interpreters,
    monkeypatch: pytest.MonkeyPatch,
    kept_apart: bool,
) -> None:
    """It writes into its environment, a companion, HOME, the working and the temporary folder."""
    if not kept_apart:
        monkeypatch.setattr(sandbox, "_available", lambda root: frozenset())
    elif "environment" not in sandbox.available(tmp_path):
        pytest.skip("this system has no layers to offer")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    world.fill(index, world.COMPANIONS, world.HELPERS)
    index.add(world.subject("litters", "1.0", "2025-08-01"), world.subject("works", "1.1", "2025-08-02"))
    project = Project.make(tmp_path / "project", index.url)
    byte_code = ByteCode(tmp_path / "bytecode")
    workspace = Workspace(project.config, tmp_path / "environments", interpreters, byte_code)
    cell = project.cell("1.0")
    byte_code.learn(cell.python, [str(site_packages(workspace.bring_to(cell)) / "helper/__init__.py")])
    ran = Ready(project, cell, workspace.bring_to(cell))
    folder = ask(tmp_path / "probes", "value = subject.Value(0.0)\nsubject_api.trained(value, value)")
    reading = ran.read(folder)
    assert reading.outcomes["it"].state is OutcomeState.SUPPORTED
    (text,) = reading.tampering
    assert text.startswith("changed files of its environment: ")
    if not kept_apart:
        workspace.distrust(cell)
    following = workspace.bring_to(project.cell("1.1"))
    again = workspace.bring_to(cell)
    for python in (following, again):
        assert not [path for path in python.parents[1].rglob("*") if LITTER in path.name]
    for held in (tmp_path / "uv", following.parents[1]):
        assert not [path for path in held.rglob("helper/__init__.py") if LITTER in path.read_text()]
    assert not [path for path in tmp_path.rglob(f"{LITTER}*")]
    byte_codes = list(tmp_path.rglob("helper/__pycache__/*.pyc"))
    assert byte_codes
    assert not [path for path in byte_codes if LITTER.encode() in path.read_bytes()]
