"""A made-up world with a release for every outcome and every cell state, and a project that runs over it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from compatmatrix.analysis import support
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome
from compatmatrix.results import ledger
from fixtures import NOWHERE, Project
from packages import world
from packages.index import LocalIndex
from packages.wheels import Artifact, artifacts

DURING = "2025-05-20"
"""The day of the releases beside the history: all companions are out, so that both pairings mean one cell."""

BESIDE = {
    "raises": world.subject("raises", "1.0.0", DURING),
    "raises-in-companion": world.subject("raises-in-companion", "1.1.0", DURING),
    "wrong-number": world.subject("wrong-number", "1.2.0", DURING),
    "control-fails": world.subject("control-fails", "1.3.0", DURING),
    "import-error": world.subject("import-error", "1.5.0", DURING),
    "hangs-at-import": world.subject("hangs-at-import", "1.6.0", DURING),
    "segfaults": world.subject("segfaults", "1.7.0", DURING),
    "exits-at-import": world.subject("exits-at-import", "1.8.0", DURING),
    "unresolvable": replace(world.MISFITS["unresolvable"], version="1.9.0"),
    "no-python-here": replace(world.subject("works", "2.0.0", DURING), requires_python=f">={NOWHERE}"),
    "no-python-listed": replace(world.subject("works", "2.1.0", DURING), requires_python=">=3.100"),
    "broken-wheel": world.subject("works", "2.2.0", DURING),
    "works": world.subject("works", "2.3.0", DURING),
    "candidate": world.subject("works", "2.4.0rc1", "2025-06-01"),
}


def broken(name: str) -> Artifact:
    """A wheel that is half there, listed as it is."""
    (good,) = artifacts(BESIDE[name])
    return replace(good, content=good.content[:500])


class Story:
    """A project over that world, and what happens to it."""

    def __init__(self, folder: Path, index: LocalIndex) -> None:
        history = {key: made for key, made in world.SUBJECT.items() if key not in ("needs-newer-python", "candidate")}
        world.fill(index, history, BESIDE, world.COMPANIONS, world.HELPERS)
        index._publish([broken("broken-wheel")])
        self.index = index
        self.project = Project.make(folder, index.url)
        self.project.set("seconds = 20", "seconds = 8")
        self.first = self.project.main("run", "--jobs", "2")

    def view(self) -> View:
        return support.view(ledger.read(self.project.records), self.project.config, self.project.probes)

    def cell(self, version: str, pairing: str = "newest") -> CellView:
        found = self.view().cell(pairing, version)
        assert found is not None, f"no cell of {version}"
        return found

    def outcome(self, version: str, probe: str = "standalone", pairing: str = "newest") -> Outcome:
        return self.view().outcome(probe, pairing, version)

    def files(self) -> dict[str, bytes]:
        """All reports, records included."""
        return {
            str(path.relative_to(self.project.reports)): path.read_bytes()
            for path in sorted(self.project.reports.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def plan(self) -> dict[str, object]:
        tree: dict[str, object] = json.loads(self.project.main("plan", "--format", "json").out)
        return tree


@contextlib.contextmanager
def restored(folder: Path) -> Iterator[None]:
    """Puts a folder back as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        yield
    finally:
        for path in folder.rglob("*"):
            if path.is_file() and path not in before:
                path.unlink()
        for path, content in before.items():
            path.write_bytes(content)
