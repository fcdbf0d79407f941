"""InfrastructureError with the index in the middle of a run: bounded in time, listed, exit 1, and never a record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compatmatrix.results import ledger
from faults.engine import Figures, Site
from fixtures import Project
from packages import world
from packages.index import Fault, LocalIndex

SECONDS = 120
"""Retries and their pauses included; uv and the engine make a few each."""


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as opened:
        world.fill(opened, world.COMPANIONS, world.HELPERS)
        opened.add(world.subject("works", "1.0.0", "2025-08-01"), world.subject("raises", "1.1.0", "2025-08-02"))
        yield opened


@pytest.fixture
def site(tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv("UV_HTTP_RETRIES")
    return Site(Project.make(tmp_path / "project", index.url), tmp_path / "cache")


@pytest.mark.parametrize("where", ["*", "*subject-1.1.0*.whl"])
@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.ERROR, Fault.TRUNCATED, Fault.CUT, Fault.TAMPERED])
def test_a_fault_of_the_index_is_no_record(
    site: Site, index: LocalIndex, figures: Figures, fault: Fault, where: str
) -> None:
    if fault is Fault.TAMPERED and where == "*":
        pytest.skip("it is about files")
    index.fault(fault, where)
    began = time.monotonic()
    said = site.run("run", "--jobs", "2")
    took = time.monotonic() - began
    assert said.returncode == 1, said.stdout
    assert took < SECONDS
    assert "could not be done: " in said.stdout or "not examined: subject 1.1.0" in said.stdout
    assert "1.1.0" not in {record.subject for record in ledger.read(site.project.records).records.values()}
    asked = len(index.requests)
    index.heal()
    assert site.run("run", "--jobs", "2").returncode == 0
    assert len(ledger.read(site.project.records).records) == 2
    assert site.quiet() == []
    place = "one wheel" if where != "*" else "everything"
    figures.tell(f"index: {fault.value} ({place})", f"once; gave up after {took:.0f} s and {asked} requests, exit 1")


def test_a_slow_index_is_waited_for(site: Site, index: LocalIndex, figures: Figures) -> None:
    index.fault(Fault.SLOW, "*", seconds=2.0)
    assert site.run("run", "--jobs", "2").returncode == 0
    assert len(ledger.read(site.project.records).records) == 2
    figures.tell("index: every answer comes after 2 s", "once; all cells examined")


def test_a_release_that_is_deleted_between_plan_and_install(
    site: Site, index: LocalIndex, figures: Figures, tmp_path: Path
) -> None:
    plan = str(tmp_path / "plan.json")
    assert site.run("plan", "--save", plan).returncode == 0
    index.remove("subject", "1.1.0")
    said = site.run("run", "--plan", plan)
    assert said.returncode == 1, said.stdout
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("not examined: ")]
    assert "subject 1.1.0" in line
    assert {record.subject for record in ledger.read(site.project.records).records.values()} == {"1.0.0"}
    figures.tell("a release deleted between plan and install", "once; listed, exit 1, the others examined")
