"""Faults that take their time: real processes, killed, filled up and run side by side. `nox -s faults` runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.engine import Figures, Site
from fixtures import Project
from packages import world
from packages.index import LocalIndex


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless named: `pytest tests` is for every change."""
    return None if any("faults" in str(argument) for argument in config.invocation_params.args) else True


@pytest.fixture(scope="session")
def small() -> Iterator[LocalIndex]:
    """Few releases, each of another fate."""
    with LocalIndex() as index:
        world.fill(index, world.COMPANIONS, world.HELPERS)
        for number, behavior in enumerate(("works", "raises", "no-effect", "segfaults")):
            index.add(world.subject(behavior, f"1.{number}.0", "2025-08-01"))
        yield index


@pytest.fixture
def site(tmp_path: Path, small: LocalIndex) -> Site:
    """A project with a cache of its own, driven by processes."""
    project = Project.make(tmp_path / "project", small.url)
    return Site(project, tmp_path / "cache")


@pytest.fixture(scope="session")
def figures() -> Figures:
    """Where each fault says what was done how many times, and what was lost."""
    return Figures()
