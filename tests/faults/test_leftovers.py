"""Releases that leave traps, or end Python, to hold up the engine or to spoil later runs: each has a record of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from compatmatrix.core.files import SCRATCH_PREFIX
from compatmatrix.core.model import Record
from compatmatrix.results import ledger
from faults.engine import Figures, Site
from fixtures import Project
from hostile import nested
from packages import world
from packages.behaviors import Behavior
from packages.index import LocalIndex

SECONDS = 8
"""What a cell has; the two that hang take it all."""

_PLACES = "import os\nevents, report = (os.path.join('..', name) for name in ('events.jsonl', 'report.json'))\n"

_LINKS = """\
import os
for top in ("..", "../.."):
    for name in ("changes", "layer", "layer/changes"):
        for change in (
            lambda path: os.rename(path, path + "-moved"),
            lambda path: os.symlink("/usr", path),
        ):
            try:
                change(os.path.join(top, name))
            except OSError:
                pass
return thing"""

_DEEP = """\
import os, tempfile
here = os.getcwd()
os.chdir(tempfile.gettempdir())
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
os.chmod(".", 0)
os.chdir(here)
return thing"""

_FLOOD = """\
with open(events, "a") as file:
    for number in range(2_000_000):
        print('{"event": "probe of nothing", "number": %d}' % number, file=file)
"""

_PTH = "import os; os._exit(0)\n"
_PTH_FIFO = "import os; os.remove('../events.jsonl'); os.mkfifo('../events.jsonl')\n"

TRAPS: dict[str, tuple[Behavior, str, str]] = {
    "a FIFO for the report": (
        Behavior("Leaves a FIFO for a report.", on_bare=f"{_PLACES}os.remove(report)\nos.mkfifo(report)\nreturn thing"),
        "timeout",
        "no end within the time limit (in arithmetic)",
    ),
    "a FIFO for the report, and gone": (
        Behavior("Leaves a FIFO and leaves.", on_bare=f"{_PLACES}os.remove(report)\nos.mkfifo(report)\nos._exit(0)"),
        "crashed",
        "ended without a complete report, exit code 0 (in standalone)",
    ),
    "a FIFO for the events": (
        Behavior("Leaves a FIFO for events.", on_bare=f"{_PLACES}os.remove(events)\nos.mkfifo(events)\nreturn thing"),
        "supported",
        "",
    ),
    "a FIFO for the events, before the first": (
        Behavior("Leaves a FIFO at Python's start.", modules={"subject.pth": _PTH_FIFO}),
        "timeout",
        "no end within the time limit (at its start)",
    ),
    "links in the place of its layer of changes": (
        Behavior("Leaves links to the system.", on_bare=_LINKS),
        "supported",
        "",
    ),
    "3,000 folders in each other in TMPDIR": (Behavior("Leaves a deep tree.", on_bare=_DEEP), "supported", ""),
    "exit 0 in a .pth file": (
        Behavior("Ends Python at its start.", modules={"subject.pth": _PTH}),
        "crashed",
        "ended with exit code 0 and left no event: something that is installed ends Python at its start, or deletes what the cell writes",
    ),
    "SIGKILL of itself": (
        Behavior("Kills itself.", on_bare="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        "crashed",
        "ended by SIGKILL (in standalone)",
    ),
    "a flood of events": (Behavior("Floods the events.", on_bare=f"{_PLACES}{_FLOOD}return thing"), "supported", ""),
    "a flood of events, and gone": (
        Behavior("Floods the events and leaves.", on_bare=f"{_PLACES}{_FLOOD}os._exit(0)"),
        "crashed",
        "ended without a complete report, exit code 0 (in standalone or later)",
    ),
    "pytest.exit(returncode=0)": (
        Behavior("Ends the session.", on_bare="import pytest\npytest.exit('that is all', returncode=0)"),
        "crashed",
        "ended without a complete report, exit code 0 (in standalone)",
    ),
    "nothing": (Behavior("Works."), "supported", ""),
}
"""What is left or done -> the release, the state of its own that it has, and the detail of that."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("traps")
    with LocalIndex() as index:
        world.fill(index, world.COMPANIONS, world.HELPERS)
        for number, (behavior, _, _) in enumerate(TRAPS.values()):
            index.add(world.subject(behavior, f"1.{number}.0", "2025-08-01"))
        project = Project.make(folder / "project", index.url)
        project.set("seconds = 20", f"seconds = {SECONDS}")
        yield Site(project, folder / "cache")


@pytest.fixture(scope="module")
def found(site: Site) -> dict[str, Record]:
    said = site.run("run", "--jobs", "2")
    assert said.returncode == 0, said.stdout
    numbers = {f"1.{number}.0": name for number, name in enumerate(TRAPS)}
    records = ledger.read(site.project.records).records.values()
    assert len(records) == len(TRAPS)
    return {numbers[record.subject]: record for record in records}


@pytest.mark.parametrize("name", TRAPS)
def test_each_has_the_state_that_is_its_own(found: dict[str, Record], figures: Figures, name: str) -> None:
    record, (_, state, detail) = found[name], TRAPS[name]
    assert (record.outcomes["standalone"].state.value if record.outcomes else record.state.value) == state, record
    assert record.detail == detail
    assert record.tampering == ()
    if name != "nothing":
        figures.tell(f"a release leaves or does this: {name}", f"once; {f'{state}: {detail}' if detail else state}")


def test_nothing_is_left_and_the_next_run_has_nothing_to_do(
    site: Site, found: dict[str, Record], figures: Figures
) -> None:
    assert site.quiet() == []
    assert not list(site.cache.glob(f"environments/*/{SCRATCH_PREFIX}*"))
    began = time.monotonic()
    again = site.run("run", "--jobs", "2")
    assert again.returncode == 0, again.stdout
    assert " 0 to run" in again.stdout
    figures.tell("the run after all of these", f"once; nothing to run, exit 0, {time.monotonic() - began:.0f} s")


def test_what_a_killed_run_left_is_cleared_away(site: Site, found: dict[str, Record], figures: Figures) -> None:
    """The deepest of trees, in the folder that the next worker takes."""
    left = site.cache / "environments" / "0" / f"{SCRATCH_PREFIX}left"
    left.mkdir(parents=True)
    nested(left, 3000)
    said = site.run("run", "--fresh", "--jobs", "1", "--only", f"subject==1.{len(TRAPS) - 1}.0")
    assert said.returncode == 0, said.stdout
    assert " 1 to run" in said.stdout
    assert "not examined" not in said.stdout
    assert not left.exists()
    figures.tell("3,000 folders in each other, left by a run that was killed", "once; cleared away, the cell examined")
