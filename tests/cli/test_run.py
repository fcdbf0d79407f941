"""The whole story on a made-up world: what a first run finds, and how it is told."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from compatmatrix.core.model import Release
from compatmatrix.core.states import CellState, OutcomeState
from fixtures import NOWHERE, THIS, write
from platforms import NEEDS_SHELL, NEEDS_SIGNALS
from story import Story


def test_the_job_is_done_whatever_was_found(story: Story) -> None:
    assert (story.first.code, story.first.err) == (1, ""), "one release needs a Python that is not here"
    assert "40 cells requested" in story.first.out
    assert len([line for line in story.first.out.splitlines() if line.startswith("[")]) == 24


@pytest.mark.parametrize(
    ("version", "state", "detail"),
    [
        ("2.3.0", CellState.RAN, ""),
        ("1.9.0", CellState.UNRESOLVABLE, "companion>=99"),
        ("2.1.0", CellState.NO_PYTHON, f"needs Python >=3.100; matrix.toml lists Python {THIS}, {NOWHERE}"),
        ("2.2.0", CellState.INSTALL_FAILED, "Failed to extract archive: subject-2.2.0"),
        ("1.5.0", CellState.IMPORT_FAILS, "ImportError: cannot import name 'never_there'"),
        ("0.2.0", CellState.IMPORT_FAILS, "AttributeError: module 'companion' has no attribute 'ancient'"),
        ("1.6.0", CellState.TIMEOUT, "no end within the time limit (at the import)"),
        pytest.param("1.7.0", CellState.CRASHED, "ended by SIGSEGV (in standalone)", marks=NEEDS_SIGNALS),
        ("1.8.0", CellState.CRASHED, "ended without a complete report, exit code 0 (at the import)"),
    ],
)
def test_every_cell_state_appears_with_its_reason(story: Story, version: str, state: CellState, detail: str) -> None:
    cell = story.cell(version)
    assert cell.state is state
    assert detail in cell.detail


def test_defect_a_python_that_this_machine_lacks_was_recorded_as_a_result_and_told_nobody(story: Story) -> None:
    last = story.first.out[story.first.out.index("23 cells run and recorded, 1 not examined") :]
    assert "not examined: subject 2.0.0, release-day, newest (Python" in last
    assert f"needs Python {NOWHERE}: install it, or `uv python install {NOWHERE}`" in last
    assert story.view().cell("newest", "2.0.0") is None
    row = next(line for line in story.first.out.splitlines() if line.startswith("2.0.0"))
    assert re.split(r"\s{2,}", row)[1:3] == ["both", "not examined"]


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
    verdict = "Yes: A bare Value can be trained since Subject 2.3.0 or earlier"
    assert verdict in story.first.out
    page = (story.project.reports / "compatibility.md").read_text()
    assert "A bare Value can be trained since Subject 2.3.0 or earlier" in page
    assert "0.2.1 (yanked)" in page
    tree = json.loads((story.project.reports / "compatibility.json").read_bytes())
    assert {cell["state"] for cell in tree["cells"]} == {state.value for state in CellState}


def test_defect_show_began_with_the_pairing_that_is_first_by_name(story: Story) -> None:
    """Of an old release that is the one in which nothing works any more."""
    told = story.project.main("show", "subject==0.2.0").out
    titles = [line for line in told.splitlines() if line.startswith("subject 0.2.0")]
    assert titles == ["subject 0.2.0, at release", "subject 0.2.0, latest companion"]


@NEEDS_SHELL
def test_show_prints_the_evidence_and_a_command_that_really_rebuilds_the_cell(story: Story, tmp_path: Path) -> None:
    shown = story.project.main("show", "subject==1.0.0", "--full")
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
