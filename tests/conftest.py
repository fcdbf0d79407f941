"""What every test stands on: caches in temporary folders, no network, and an index of fake releases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from compatmatrix.interpreters import Interpreters
from ground import THIS, Project
from packages import world
from packages.index import LocalIndex

# No database: what hypothesis keeps between runs would make one checkout's tests another's.
settings.register_profile("suite", deadline=None, max_examples=60, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _apart_from_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the user's caches, index settings and network out of the tests, and the tests out of theirs."""
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
        patch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(folder / "hypothesis"))
        yield


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


@pytest.fixture
def project(tmp_path: Path, served: LocalIndex) -> Project:
    """A matrix of its own in a temporary folder, over the whole world."""
    return Project.make(tmp_path / "project", served.url)


@dataclass(frozen=True)
class Environment:
    """A real environment that holds the works-everywhere release and the test tools."""

    python: Path
    lock: tuple[str, ...]


assert THIS  # the Python that cells of the tests have
