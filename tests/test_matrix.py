"""The whole story on a made-up world: run, run again, change a question, add one, break off, look it up."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from uv import find_uv_bin

from compatmatrix import ledger, support
from compatmatrix.model import CellState, Outcome, OutcomeState, Release
from compatmatrix.support import CellView, View
from ground import NOWHERE, THIS, Project, write
from packages import world
from packages.behaviours import Behaviour
from packages.index import LocalIndex
from packages.wheels import Artefact, artefacts

DURING = "2025-05-20"
"""The day of the releases beside the history: all companions are out, so that both pairings mean one cell."""

BESIDE = {
    "raises": world.subject("raises", "1.0.0", DURING),
    "raises-in-companion": world.subject("raises-in-companion", "1.1.0", DURING),
    "wrong-number": world.subject("wrong-number", "1.2.0", DURING),
    "control-fails": world.subject("control-fails", "1.3.0", DURING),
    "probe-at-fault": world.subject(Behaviour("Works.", on_bare="return thing"), "1.4.0", DURING),
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


def broken(name: str) -> Artefact:
    """A wheel that is half there, listed as it is."""
    (good,) = artefacts(BESIDE[name])
    return replace(good, content=good.content[:500])


class Story:
    """A project over that world, and what happens to it."""

    def __init__(self, folder: Path, index: LocalIndex) -> None:
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


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The matrix after its first run; the tests below are chapters that leave it as they found it."""
    with LocalIndex() as index, pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPATMATRIX_CACHE", str(tmp_path_factory.mktemp("cache")))
        history = {
            name: made for name, made in world.SUBJECT.items() if name not in ("needs-newer-python", "candidate")
        }
        world.fill(index, history, BESIDE, world.COMPANIONS, world.HELPERS)
        index._publish([broken("broken-wheel")])
        yield Story(tmp_path_factory.mktemp("story"), index)


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


def test_the_job_is_done_whatever_was_found(story: Story) -> None:
    assert (story.first.code, story.first.err) == (0, "")
    assert "42 cells wanted" in story.first.out
    assert len([line for line in story.first.out.splitlines() if line.startswith("[")]) == 25


@pytest.mark.parametrize(
    ("version", "state", "detail"),
    [
        ("2.3.0", CellState.RAN, ""),
        ("1.9.0", CellState.UNRESOLVABLE, "companion>=99"),
        ("2.0.0", CellState.NO_PYTHON, f"needs Python {NOWHERE}, which is not on this machine"),
        ("2.1.0", CellState.NO_PYTHON, f"needs Python >=3.100; matrix.toml lists Python {THIS}, {NOWHERE}"),
        ("2.2.0", CellState.INSTALL_FAILED, "Failed to extract archive: subject-2.2.0"),
        ("1.5.0", CellState.IMPORT_FAILS, "ImportError: cannot import name 'never_there'"),
        ("0.2.0", CellState.IMPORT_FAILS, "AttributeError: module 'companion' has no attribute 'ancient'"),
        ("1.6.0", CellState.TIMEOUT, "no end within the time limit (at the import)"),
        ("1.7.0", CellState.CRASHED, "ended by SIGSEGV (in standalone)"),
        ("1.8.0", CellState.CRASHED, "ended without a complete report, exit code 0 (at the import)"),
    ],
)
def test_every_cell_state_appears_with_its_reason(story: Story, version: str, state: CellState, detail: str) -> None:
    cell = story.cell(version)
    assert cell.state is state
    assert detail in cell.detail


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("2.3.0", OutcomeState.SUPPORTED),
        ("1.0.0", OutcomeState.RAISES),
        ("1.1.0", OutcomeState.RAISES),
        ("0.3.0", OutcomeState.NO_EFFECT),
        ("1.2.0", OutcomeState.NO_EFFECT),
        ("0.1.0", OutcomeState.ABSENT),
        ("1.3.0", OutcomeState.INCONCLUSIVE),
        ("1.5.0", OutcomeState.NOT_RUN),
    ],
)
def test_every_outcome_appears(story: Story, version: str, outcome: OutcomeState) -> None:
    assert story.outcome(version).state is outcome


def test_what_raises_says_what_where_and_by_which_mark(story: Story) -> None:
    found = story.outcome("1.0.0")
    assert found.exception == "subject.core.NotTrainable"
    assert (found.message or "").startswith("cannot train a bare Value at 0x…: it")
    assert (found.where or "").startswith("subject/core.py:")
    assert found.signature == "NotTrainable: cannot train a bare Value at 0x…: it stands outside a Holder"
    assert "subject/core.py:" in story.view().evidence[found.evidence or ""]
    assert (story.outcome("1.1.0").where or "").startswith("companion/__init__.py:")


def test_the_number_that_was_found_is_kept_and_the_control_says_why_nothing_is_known(story: Story) -> None:
    assert story.outcome("0.3.0").value == 0.0
    assert story.outcome("1.3.0").note == "the control held came out raises here; without it: raises"


def test_the_pairings_differ_where_the_companions_do(story: Story) -> None:
    assert story.cell("0.2.0", "release-day").state is CellState.RAN
    assert story.cell("0.2.0", "release-day").versions["companion"] == "1.1"
    assert story.cell("0.5.0", "release-day").versions["companion"] == "2.0"
    assert story.outcome("0.5.0", pairing="release-day").state is OutcomeState.SUPPORTED
    assert story.cell("0.5.0").state is CellState.IMPORT_FAILS


def test_two_pairings_with_one_lock_are_one_cell(story: Story) -> None:
    assert story.cell("2.3.0").pairings == ("newest", "release-day")
    assert story.cell("2.3.0") == story.cell("2.3.0", "release-day")


def test_yanked_and_candidate_are_shown_and_are_not_the_latest(story: Story) -> None:
    rows = {release.version: release for release in story.view().releases}
    assert rows["0.2.1"].yanked
    assert rows["2.4.0rc1"].prerelease
    assert "0.4.0rc1" not in rows
    latest: Release | None = story.view().latest
    assert latest is not None
    assert latest.version == "2.3.0"


def test_the_reports_tell_it(story: Story) -> None:
    verdict = "Yes: A bare Value can be trained since Subject 2.3.0 at the latest"
    assert verdict in story.first.out
    page = (story.project.reports / "compatibility.md").read_text()
    assert "A bare Value can be trained since Subject 2.3.0 at the latest" in page
    assert "0.2.1 (yanked)" in page
    tree = json.loads((story.project.reports / "compatibility.json").read_bytes())
    assert {cell["state"] for cell in tree["cells"]} == {state.value for state in CellState}


def test_a_second_run_runs_nothing_and_changes_nothing(story: Story) -> None:
    before = story.files()
    again = story.project.main("run")
    assert again.code == 0
    # That a Python is missing is asked again of each machine, and is no news.
    tried = [line for line in again.out.splitlines() if line.startswith("[")]
    assert [line.split(": ")[1].split()[0] for line in tried] == ["no-python"]
    assert story.files() == before


def test_reports_are_rebuilt_byte_for_byte_from_the_records_alone(story: Story) -> None:
    before = story.files()
    for path in story.project.reports.iterdir():
        if path.is_file():
            path.unlink()
    story.index.requests.clear()
    assert story.project.main("report").code == 0
    assert story.files() == before
    assert story.index.requests == []


def test_a_changed_probe_is_run_again_and_no_other(story: Story) -> None:
    with restored(story.project.folder):
        path = story.project.folder / "probes/test_value.py"
        path.write_text(path.read_text().replace("companion.add(1, 2) == 3", "companion.add(2, 2) == 4"))
        planned = story.plan()
        assert isinstance(planned["run"], list)
        assert {tuple(job["probes"]) for job in planned["run"] if job["python"] == THIS} == {("arithmetic",)}
        assert story.project.main("run", "--only", "subject==2.3.0").code == 0
        cell = story.cell("2.3.0")
        assert {probe: found.state.value for probe, found in cell.outcomes.items()} == {
            "held": "supported",
            "standalone": "supported",
            "arithmetic": "supported",
        }
        assert set(story.cell("1.0.0").outcomes) == {"held", "standalone"}, "an old answer is none to a new question"


def test_a_new_probe_file_is_all_that_a_new_question_takes(story: Story) -> None:
    with restored(story.project.folder):
        text = 'def test_new_one():\n    """Is it new?"""\n'
        write(story.project.folder / "probes", {"test_new.py": text})
        ran = story.project.main("run", "--only", "subject==1.0.0")
        assert [line.split(": ")[1].split()[:2] for line in ran.out.splitlines() if line.startswith("[1/1]")] == [
            ["ran", "✓1"]
        ]
        assert "new-one" in (story.project.reports / "compatibility.md").read_text().replace("\\", "")
        assert story.outcome("1.0.0", "new-one").state is OutcomeState.SUPPORTED
        assert story.outcome("1.0.0").state is OutcomeState.RAISES


def test_a_run_that_was_broken_off_is_taken_up_where_it_stopped(story: Story, tmp_path: Path) -> None:
    reports = ("--reports", str(tmp_path))
    only = ("--only", "subject>=1.0,<1.3")
    part = story.project.main("run", *reports, "--only", "subject==1.1.0")
    assert part.code == 0
    rest = story.project.main("run", *reports, *only)
    run = [line.split(",")[0] for line in rest.out.splitlines() if line.startswith("[")]
    assert sorted(line.split("] ")[1] for line in run) == ["subject 1.0.0", "subject 1.2.0"]
    whole = {record.subject for record in ledger.read(tmp_path / "records").records.values()}
    assert whole == {"1.0.0", "1.1.0", "1.2.0"}


def test_shards_on_machines_of_their_own_come_to_the_same_as_one_run(story: Story, tmp_path: Path) -> None:
    parts = [tmp_path / "one", tmp_path / "two"]
    for number, folder in enumerate(parts, 1):
        arguments = ("--reports", str(folder), "--only", "subject>=1.0,<1.4", "--shard", f"{number}/2")
        assert story.project.main("run", *arguments).code == 0
    united = ledger.merge(*(ledger.read(folder / "records") for folder in parts))
    whole = ledger.read(story.project.records)
    for key, record in united.records.items():
        assert msgspec.structs.replace(record, recorded="", pairings={}) == msgspec.structs.replace(
            whole.records[key], recorded="", pairings={}
        )
    assert {record.subject for record in united.records.values()} == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}


def test_fresh_runs_again_what_is_recorded(story: Story) -> None:
    with restored(story.project.folder):
        ran = story.project.main("run", "--fresh", "--only", "subject==2.3.0")
        assert len([line for line in ran.out.splitlines() if line.startswith("[1/1]")]) == 1


def test_the_world_of_another_day_has_other_cells(story: Story, tmp_path: Path) -> None:
    arguments = ("--as-of", "2024-07-10", "--only", "subject==0.3.0", "--pairing", "newest")
    assert story.project.main("run", "--reports", str(tmp_path), *arguments).code == 0
    (record,) = ledger.read(tmp_path / "records").records.values()
    assert (record.versions["companion"], record.versions["helper"]) == ("2.0", "0.1")
    assert record.pairings == {"newest": ("2024-07-11T00:00:00Z",)}


def test_oldest_and_grid_are_to_be_had_on_demand(story: Story, tmp_path: Path) -> None:
    arguments = ("--reports", str(tmp_path), "--only", "subject==0.3.0", "--pairing", "oldest", "--pairing", "grid")
    assert story.project.main("run", *arguments, "--only", "companion<2").code == 0
    found = ledger.read(tmp_path / "records").records.values()
    labels = {(label, record.versions["companion"]) for record in found for label in record.pairings}
    assert labels == {("oldest", "1.0"), ("grid", "1.0"), ("grid", "1.1"), ("grid", "1.2")}
    planned = json.loads(story.project.main("plan", *arguments, "--format", "json").out)
    # Only the grid without the bound on the companion is left: what is on record is not so much as resolved again.
    assert {job["versions"]["companion"] for job in planned["run"]} == {"2.0", "3.0"}


def test_an_index_that_fails_at_one_cell_leaves_it_for_the_next_run(story: Story, tmp_path: Path) -> None:
    from packages.index import Fault

    arguments = ("run", "--reports", str(tmp_path), "--only", "subject==9.0.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPATMATRIX_CACHE", str(tmp_path / "cache"))
        story.index.add(world.subject("works", "9.0.0", DURING))
        try:
            story.index.fault(Fault.ERROR, "*subject-9.0.0*.whl")
            failed = story.project.main(*arguments)
            assert failed.code == 1
            assert "not examined: subject 9.0.0" in failed.out
            assert "500 Internal Server Error" in failed.out
            assert ledger.read(tmp_path / "records").records == {}
            story.index.heal()
            assert story.project.main(*arguments).code == 0
            assert len(ledger.read(tmp_path / "records").records) == 1
        finally:
            story.index.heal()
            story.index.remove("subject", "9.0.0")


def test_show_prints_the_evidence_and_a_command_that_really_rebuilds_the_cell(story: Story, tmp_path: Path) -> None:
    shown = story.project.main("show", "subject==1.0.0")
    assert shown.code == 0
    assert "✗ raises  standalone" in shown.out
    assert "NotTrainable: cannot train a bare Value" in shown.out
    assert "| Traceback (most recent call last):" in shown.out
    lines = [line.strip() for line in shown.out.splitlines()]
    commands = lines[lines.index(next(line for line in lines if line.startswith("Reproduce:"))) + 1 :]
    write(tmp_path, {"cell.txt": "\n".join(line for line in commands if "--hash=" in line) + "\n"})
    write(tmp_path / "probes", {path.name: path.read_text() for path in (story.project.folder / "probes").glob("*.py")})
    script = "\n".join(line for line in commands if line and "--hash=" not in line)
    environ = {**os.environ, "UV_DEFAULT_INDEX": story.index.url, "PYTHONDONTWRITEBYTECODE": ""}
    environ["PATH"] = os.pathsep.join(
        [str(Path(find_uv_bin()).parent), str(Path(sys.executable).parent), environ["PATH"]]
    )
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in done.stdout, shlex.join(script.splitlines()) + done.stdout + done.stderr
    assert "NotTrainable" in done.stdout
