"""Interpreters: found wherever they are, each looked for once; what is nowhere is said to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compatmatrix.environment import interpreters as room
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.resolve import uv
from fixtures import NOWHERE, THIS


def test_the_python_that_runs_the_tests_is_found_and_is_what_it_says(interpreters: Interpreters) -> None:
    found = interpreters.find(THIS)
    assert found is not None
    assert found.is_absolute()
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"
    assert subprocess.check_output([found, "-I", "-c", code], text=True).split() == [THIS, "cpython"]


def test_a_python_that_nobody_has_is_not_found_and_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    really = room._download

    def download(python: str) -> Path | None:
        asked.append(python)
        return really(python)

    monkeypatch.setattr(room, "_download", download)
    seeker = Interpreters(tmp_path)
    assert seeker.find(NOWHERE) is None
    assert seeker.find(NOWHERE) is None
    assert asked == [NOWHERE]


def test_a_version_managers_folder_is_searched_newest_patch_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for version in ("3.11.9", "3.11.10", "3.11-dev", "3.1.1"):
        (tmp_path / "versions" / version).mkdir(parents=True)
    found = [path.relative_to(tmp_path).parts[1] for path in room._likely("3.11") if tmp_path in path.parents]
    assert found == ["3.11.10", "3.11.9"]


def test_defect_another_users_folder_of_interpreters_ended_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, pattern: str) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "glob", refuse)
    assert Path("/usr/bin/python3.11") in room._likely("3.11")


def test_a_cache_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Interpreters(tmp_path / "file").find(THIS) is not None


def test_what_uv_has_fetched_is_taken_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"install": "", "find": f"{sys.executable}\n"}
    monkeypatch.setattr(uv, "run", lambda arguments: told[arguments[1]])
    assert room._download("3.12") == Path(sys.executable)
    told["find"] = "/gone/python\n"
    assert room._download("3.12") is None
