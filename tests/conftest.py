"""What every test stands on: caches in temporary folders, no network, and an index of fake releases."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from compatmatrix.environment import bytecode
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.environment.workspace import Workspace
from compatmatrix.resolve import uv
from fixtures import KnownCells, Project, Ready, learn_test_tools
from packages import world
from packages.index import LocalIndex
from story import Story

# Byte code is written whatever the environment says: every worker, and every engine that a test starts, would compile all
# modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No database: what hypothesis keeps between runs would make one checkout's tests another's.
settings.register_profile("suite", deadline=None, max_examples=40, database=None)
settings.load_profile("suite")


@functools.cache
def group(file: Path) -> str:
    """The tests of a group run on one worker, so that a fixture that takes seconds is made once.

    A group are the tests that take the story, those that share cells, and those of a file that has a fixture of its own.
    (The mark `xdist_group` does nothing beside pytest 9.2.)
    """
    text = file.read_text(encoding="utf-8")
    shared = next((name for name in ("story: Story", "known_cells") if name in text), "")
    return shared or (file.name if 'scope="module"' in text else "")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker the next group, or the next test that is in none."""

    def _split_scope(self, nodeid: str) -> str:
        return group(self.config.rootpath / nodeid.partition("::")[0]) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: to look for garbage in it would take a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The engine's cache; keeps the user's caches, index settings and network out of the tests, and the tests out of theirs."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("UV_", "PIP_")):
                patch.delenv(name)
        patch.setenv("UV_CACHE_DIR", str(folder / "uv"))
        patch.setenv("UV_PYTHON_DOWNLOADS", "never")
        patch.setenv("UV_PYTHON_INSTALL_DIR", str(folder / "pythons"))
        patch.setenv("UV_HTTP_RETRIES", "0")
        patch.setenv("COMPATMATRIX_CACHE", str(folder / "engine"))
        # The index of a test changes within seconds.
        patch.setattr(uv, "SHARED_SECONDS", {"api": 0, "files": 0})
        patch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(folder / "hypothesis"))
        yield folder / "engine"


@pytest.fixture
def new_cache(tmp_path: Path, cache: Path, byte_code: ByteCode, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Gives the engine another cache, which holds nothing of a project: only interpreters, byte code, wheels of commits."""
    numbers = itertools.count()

    def change() -> None:
        new = tmp_path / f"cache-{next(numbers)}"
        new.mkdir()
        for name in ("interpreters", bytecode.FOLDER, "wheels"):
            (cache / name).mkdir(exist_ok=True)
            (shutil.copytree if os.name == "nt" else os.symlink)(cache / name, new / name)
        monkeypatch.setenv("COMPATMATRIX_CACHE", str(new))

    return change


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    """An empty index."""
    with LocalIndex() as opened:
        yield opened


@pytest.fixture(scope="session")
def served() -> Iterator[LocalIndex]:
    """The index with the whole world on it; a test that adds or breaks something takes one of its own."""
    with LocalIndex() as opened:
        world.fill(opened, world.SUBJECT, world.COMPANIONS, world.HELPERS, world.MISFITS)
        yield opened


@pytest.fixture(scope="session")
def interpreters(tmp_path_factory: pytest.TempPathFactory) -> Interpreters:
    """Looks for Pythons once in the whole suite: each search starts some processes."""
    return Interpreters(tmp_path_factory.mktemp("interpreters"))


@pytest.fixture(scope="session", autouse=True)
def byte_code(cache: Path) -> ByteCode:
    """That of the engine's cache, with pytest: a cell without it takes twice the time."""
    made = ByteCode(cache / bytecode.FOLDER)
    learn_test_tools(made)
    return made


@pytest.fixture
def project(tmp_path: Path, served: LocalIndex) -> Project:
    """A matrix of its own in a temporary folder, over the whole world."""
    return Project.make(tmp_path / "project", served.url)


@pytest.fixture(scope="session")
def ready(
    tmp_path_factory: pytest.TempPathFactory, served: LocalIndex, interpreters: Interpreters, byte_code: ByteCode
) -> Callable[[str], Ready]:
    """Environments that hold a release of the subject with its release-day companions, made once each.

    No test may change what is in them.
    """
    made: dict[str, Ready] = {}

    def make(behavior: str) -> Ready:
        if behavior not in made:
            folder = tmp_path_factory.mktemp(behavior)
            project = Project.make(folder / "project", served.url)
            release = world.SUBJECT[behavior]
            cell = project.cell(release.version, bound=release.uploaded.strftime("%Y-%m-%dT23:59:59Z"))
            python = Workspace(project.config, folder / "environments", interpreters, byte_code).bring_to(cell)
            made[behavior] = Ready(project, cell, python)
        return made[behavior]

    return make


@pytest.fixture
def works(ready: Callable[[str], Ready]) -> Ready:
    """The environment of a release that works; no test may change what is in it."""
    return ready("works")


@pytest.fixture(scope="session")
def cells_of_the_session() -> KnownCells:
    return KnownCells()


@pytest.fixture
def known_cells(cells_of_the_session: KnownCells, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests on what is made of the answers of cells: what another test has run is not run again."""
    cells_of_the_session.provide(monkeypatch)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The matrix after its first run; whoever takes it leaves it as it was."""
    with LocalIndex() as index:
        yield Story(tmp_path_factory.mktemp("story"), index)
