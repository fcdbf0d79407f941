"""Releases that are capable of anything, in one run with some that are not: each spoils its own cell at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compatmatrix.core.model import Record
from compatmatrix.execution import sandbox
from compatmatrix.results import ledger
from faults.engine import Figures, Site
from fixtures import Project
from packages import world
from packages.behaviors import Behavior
from packages.hostile import LITTER, hostile
from packages.index import LocalIndex

SIZES = {"floods-stdout": 1024, "huge-message": 50, "eats-memory": 6000}
"""Mebibytes."""

FORGES_AND_LEAVES = Behavior(
    "Writes a report of passes where the real one is expected, and leaves at once.",
    on_bare="""\
import glob, json, os
for task in glob.glob(os.path.join(os.path.dirname(os.getcwd()), "task.json")):
    told = json.load(open(task))["pytest"]
    passed = [{"nodeid": name, "outcome": "passed", "call": {"outcome": "passed"}} for name in told if "::" in name]
    (report,) = [part.split("=", 1)[1] for part in told if part.startswith("--json-report-file=")]
    json.dump({"exitcode": 0, "tests": passed}, open(report, "w"))
os._exit(0)""",
)

SPIES = Behavior(
    "Looks for a secret in all that it can read of processes and its own places.",
    on_bare="""\
import glob, os
found, sign = [], bytes(reversed(b"nekot-terc3s"))
for name in [*glob.glob("/proc/*/environ"), *glob.glob("/proc/*/cmdline"), *glob.glob("/proc/*/task/*/environ")]:
    try:
        with open(name, "rb") as file:
            found += [name] if sign in file.read() else []
    except OSError:
        pass
for top in (os.path.dirname(os.getcwd()), os.path.dirname(os.path.dirname(os.__file__))):
    for folder, _, names in os.walk(top):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    found += [name] if sign in file.read(1_000_000) else []
            except OSError:
                pass
if found:
    raise NotTrainable(f"found in {found}")
return thing""",
)

EXPECTED = {
    "hangs-at-import": "timeout",
    "hangs-in-call": "timeout",
    "hangs-in-thread": "supported",
    "hangs-with-child": "timeout",
    "segfaults": "crashed",
    "segfaults-at-import": "crashed",
    "aborts": "crashed",
    "overflows-stack": "crashed",
    "exits-at-import": "crashed",
    "exits-in-call": "crashed",
    "raises-system-exit": "raises",
    "ends-session": "crashed",
    "skips": "raises",
    "eats-memory": "crashed",
    "floods-stdout": "supported",
    "huge-message": "raises",
    "hostile-text": "raises",
    "lies-about-version": "supported",
    "brings-plugin": "raises",
    "replaces-tools": "raises",
    "patches-helper": "supported",  # it spoils its own cell: the number that it is held against was its to change
    "patches-probes": "supported",  # so does it, and is told
    "forges-report": "raises",
    "litters": "supported",
    "forges-and-leaves": "crashed",
    "spies": "supported",
    "warns": "supported",
    "works": "supported",
}

TAMPERING = {
    "lies-about-version": "says that it is 99.0",
    "replaces-tools": "put another module in the place of",
    "patches-probes": "put something else in the place of subject_api.expected",
    "litters": "changed files of its environment",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cells")
    with LocalIndex() as index:
        world.fill(index, world.COMPANIONS, world.HELPERS)
        own = {"forges-and-leaves": FORGES_AND_LEAVES, "spies": SPIES}
        for number, name in enumerate(EXPECTED):
            made = own.get(name) or (hostile(SIZES[name])[name] if name in SIZES else name)
            index.add(world.subject(made, f"1.{number}.0", "2025-08-01"))
        project = Project.make(folder / "project", index.url)
        project.set("seconds = 20", "seconds = 30")
        yield Site(project, folder / "cache")


@pytest.fixture(scope="module")
def found(site: Site) -> dict[str, Record]:
    began = time.monotonic()
    said = site.run("run", "--jobs", "2", SECRET_TOKEN="s3cret-token")
    assert said.returncode == 0, said.stdout
    assert time.monotonic() - began < 280
    numbers = {f"1.{number}.0": name for number, name in enumerate(EXPECTED)}
    records = ledger.read(site.project.records).records.values()
    return {numbers[record.subject]: record for record in records}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_has_the_state_that_is_its_own(found: dict[str, Record], name: str) -> None:
    record = found[name]
    state = record.state.value if record.state.value != "ran" else record.outcomes["standalone"].state.value
    assert state == EXPECTED[name], record


@pytest.mark.parametrize("name", EXPECTED)
def test_what_can_be_detected_is_reported(found: dict[str, Record], name: str) -> None:
    told = " ".join(found[name].tampering)
    assert TAMPERING.get(name, "") in told
    assert name in TAMPERING or not told


def test_nothing_large_is_kept(site: Site, found: dict[str, Record]) -> None:
    assert max(path.stat().st_size for path in site.project.reports.rglob("*") if path.is_file()) < 500_000
    assert len(str(found["huge-message"].outcomes["standalone"].message)) <= 300


def test_nothing_is_left_behind(site: Site, found: dict[str, Record], figures: Figures) -> None:
    assert site.quiet() == []
    assert not [path for path in site.cache.parent.rglob(f"{LITTER}*")]
    assert not [path for path in site.cache.rglob("helper/__init__.py") if LITTER in path.read_text()]
    assert not list(site.cache.glob("environments/*/cell-*"))
    had = sandbox.available(site.cache)
    assert {record.network for record in found.values()} == {"network" not in had}
    figures.tell(
        "hostile releases (hang, crash, eat memory, flood, lie, litter, forge, spy)",
        f"{len(EXPECTED)} cells side by side on 2 workers; each with the state of its own, 1 GiB of output and a "
        f"50 MiB message included; cells kept from: {', '.join(sorted(had)) or 'nothing'}",
    )


def test_no_secret_is_anywhere(site: Site, found: dict[str, Record]) -> None:
    assert found["spies"].outcomes["standalone"].exception is None
    for path in [*site.project.folder.rglob("*"), *site.cache.rglob("*")]:
        if path.is_file() and not Path(path).is_symlink() and path.stat().st_size < 5_000_000:
            assert b"s3cret-token" not in path.read_bytes(), path
