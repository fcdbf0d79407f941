"""The cache is kept within its bound: what is easily made again gives way first, and nothing as long as there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatmatrix.environment import disk
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from fixtures import Project
from packages import world
from packages.index import LocalIndex


def test_byte_code_then_named_packages_then_the_rest_of_the_cache_give_way(
    tmp_path: Path, index: LocalIndex, interpreters: Interpreters, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("UV_CACHE_DIR", str(cache / "uv"))
    world.fill(index, tools=False)
    project = Project.make(tmp_path / "p", index.url)
    workspace = Workspace(project.config, cache / "environments", interpreters)
    python = workspace.bring_to(project.cell("0.5.0", tools=False))
    (cache / "bytecode").mkdir()
    (cache / "bytecode" / "large").write_bytes(b"x" * 1_000_000)
    said: list[str] = []

    disk.keep_within(cache, 100_000_000, ["companion"], said.append)
    assert (cache / "bytecode").exists() and said == []

    disk.keep_within(cache, disk.used(cache) - 500_000, ["companion"], said.append)
    assert not (cache / "bytecode").exists() and said == [], "where that was enough, nothing else goes"

    disk.keep_within(cache, 1, ["companion"], said.append)
    assert [line for line in said if "pruned" in line]
    assert not [path for path in (cache / "uv").rglob("*.py")]
    assert python.exists(), "what an environment holds stays"
