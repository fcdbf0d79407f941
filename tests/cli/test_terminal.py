"""What a user sees, in terminals of several widths and in a pipe: the screens, as text."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from compatmatrix.results import ledger
from fixtures import NOWHERE, THIS, Project
from packages import world
from packages.index import Fault, LocalIndex
from platforms import NEEDS_TERMINAL
from terminals import Terminal

pytestmark = NEEDS_TERMINAL


@pytest.fixture(scope="module")
def small() -> Iterator[LocalIndex]:
    """An index with four releases: one that raises, two that work, one whose control fails."""
    with LocalIndex() as index:
        behaviors = {"raises": "1.0.0", "works": "1.1.0", "control-fails": "1.2.0"}
        releases = {
            name: world.subject(name, version, f"2025-05-2{number}")
            for number, (name, version) in enumerate(behaviors.items())
        }
        releases["works-again"] = world.subject("works", "1.3.0", "2025-05-24")
        world.fill(index, releases, world.COMPANIONS, world.HELPERS)
        yield index


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, small: LocalIndex) -> Project:
    """A project whose cells are on record; no test may change it."""
    project = Project.make(tmp_path_factory.mktemp("recorded"), small.url, pythons=(THIS,))
    assert project.main("run").code == 0
    return project


@pytest.fixture
def project(tmp_path: Path, small: LocalIndex) -> Project:
    made = Project.make(tmp_path / "project", small.url, pythons=(THIS,))
    made.set("seconds = 20", "seconds = 120")  # a busy machine must not change a screen
    return made


def screen(project: Project, columns: int, *arguments: str) -> str:
    """The screen at the end, with `N` for seconds, whose number of digits decides where a line is cut."""
    _, lines = Terminal(project.folder, columns, *arguments).ended()
    return re.sub(r"(?m)\d+\.\d s: (.*?)( comp.*…)?$", r"N s: \1", "\n".join(lines))


def test_a_run_in_80_columns(project: Project) -> None:
    assert (
        screen(project, 80, "run", "--only", "subject<1.2", "--jobs", "1")
        == f"""\
4 cells requested: 0 recorded or settled, 2 to run
[1/2] ran ✓3 N s: subject 1.1.0, release-day, newest (Python {THIS},
[2/2] ran ✓2 ✗1 N s: subject 1.0.0, release-day, newest (Python {THIS},
subject  with  standalone   held         companion  helper  Python
1.1.0    both  ✓ supported  ✓ supported  3.0        0.2     {THIS}
1.0.0    both  ✗ raises     ✓ supported  3.0        0.2     {THIS}
Yes: A bare Value can be trained since Subject 1.1.0 (companion 3.0, helper
0.2).
2 cells run and recorded
reports: reports/compatibility.md, compatibility.json; records: reports/records"""
    )


def test_nothing_new_is_the_answer_and_a_line(recorded: Project) -> None:
    assert (
        screen(recorded, 120, "run")
        == """\
8 cells requested: 8 recorded or settled, 0 to run
Yes: A bare Value can be trained since Subject 1.3.0 or earlier (companion 3.0, helper 0.2).
8 cells on record, nothing new; `--table` shows them
reports: reports/compatibility.md, compatibility.json; records: reports/records"""
    )


def test_the_table_has_the_selected_cells_alone_and_its_columns_fit(recorded: Project) -> None:
    wide = screen(recorded, 120, "run", "--table", "--only", "subject>=1.1", "--pairing", "newest").splitlines()
    assert wide[1:5] == [
        "subject  with              standalone      held         companion  helper  Python",
        f"1.3.0    latest companion  ✓ supported     ✓ supported  3.0        0.2     {THIS}",
        f"1.2.0    latest companion  ? inconclusive  ✗ raises     3.0        0.2     {THIS}",
        f"1.1.0    latest companion  ✓ supported     ✓ supported  3.0        0.2     {THIS}",
    ]
    narrow = screen(recorded, 60, "run", "--table", "--only", "subject>=1.1", "--pairing", "newest").splitlines()
    assert narrow[1:6] == [
        "subject  with              standalone      held",
        "1.3.0    latest companion  ✓ supported     ✓ supported",
        "1.2.0    latest companion  ? inconclusive  ✗ raises",
        "1.1.0    latest companion  ✓ supported     ✓ supported",
        "(3 columns hidden: companion, helper, Python; a wider",
    ]


def test_equal_neighbors_are_a_range(recorded: Project) -> None:
    lines = screen(recorded, 80, "run", "--table", "--only", "subject!=1.2.0").splitlines()
    assert [line.split("  ")[0] for line in lines[2:4]] == ["1.1.0 to 1.3.0", "1.0.0"]


def test_the_grid_is_a_map_and_its_rows_in_words(project: Project) -> None:
    arguments = ("run", "--pairing", "grid", "--only", "subject==1.1.0", "--only", "companion<=2")
    lines = screen(project, 80, *arguments).splitlines()
    assert lines[-2] == "3 cells run and recorded"
    first = next(place for place, line in enumerate(lines) if line.startswith("companion  "))
    assert lines[first] == "companion  2. 1."
    assert lines[first + 1 : first + 7] == [
        "           0  2 1 0",
        "1.1.0      ★  ∦ ★ ★",
        "",
        "A column is a companion, its version is read downwards: ★ yes, ∦ unresolvable",
        "subject 1.1.0: imports with companion 1.0 to 2.0",
        "3 cells run and recorded",
    ]
    again = screen(project, 80, *arguments).splitlines()
    assert again[1:] == [
        "subject 1.1.0: imports with companion 1.0 to 2.0",
        "4 cells on record, nothing new; `--table` shows them",
        "reports: reports/compatibility.md, compatibility.json; records: reports/records",
    ], "no verdict, which is about all records"


def test_a_day_of_the_past_has_the_answer_of_that_day(recorded: Project) -> None:
    assert (
        screen(recorded, 80, "run", "--as-of", "2025-05-20")
        == """\
2 cells requested: 2 recorded or settled, 0 to run
2025-05-20: No: A bare Value cannot be trained as of Subject 1.0.0 (companion
3.0, helper 0.2); it raises subject.core.NotTrainable.
2 cells on record, nothing new; `--table` shows them
reports: reports/compatibility.md, compatibility.json; records: reports/records"""
    )


def test_a_missing_python_is_told_with_what_to_do(project: Project) -> None:
    project.set(f'versions = ["{THIS}"]', f'versions = ["{NOWHERE}"]')
    code, lines = Terminal(project.folder, 120, "run", "--only", "subject<1.2", "--jobs", "1").ended()
    assert code == 1
    assert (
        "\n".join(lines)
        == f"""\
4 cells requested: 0 recorded or settled, 2 to run
[1/2] not examined: subject 1.1.0, release-day, newest (Python {NOWHERE}, companion 3.0, companionlib 3.0, helper 0.2): need…
[2/2] not examined: subject 1.0.0, release-day, newest (Python {NOWHERE}, companion 3.0, companionlib 3.0, helper 0.2): need…
subject         with  standalone    held          companion  helper  Python
1.0.0 to 1.1.0  both  not examined  not examined
Not known for Subject 1.1.0: at release and with the latest companion it was not examined.
0 cells run and recorded, 2 not examined
reports: reports/compatibility.md, compatibility.json; records: reports/records
not examined: 2 cells: needs Python {NOWHERE}: install it, or `uv python install {NOWHERE}`
  subject 1.1.0, release-day, newest (Python {NOWHERE}, companion 3.0, companionlib 3.0, helper 0.2)
  subject 1.0.0, release-day, newest (Python {NOWHERE}, companion 3.0, companionlib 3.0, helper 0.2)"""
    )


@pytest.mark.parametrize(
    ("fresh", "goes_on"),
    [
        ((), ["to run the other 3: python -m compatmatrix run --jobs 1"]),
        (
            ("--fresh",),
            [
                "to run all 4 again: python -m compatmatrix run --jobs 1 --fresh",
                "without --fresh, the 3 that are not on record: python -m compatmatrix run --jobs 1",
            ],
        ),
    ],
)
def test_an_interrupted_run_names_the_command_that_goes_on(
    project: Project, fresh: tuple[str, ...], goes_on: list[str]
) -> None:
    terminal = Terminal(project.folder, 100, "run", "--jobs", "1", *fresh)
    bars: set[str] = set()

    def in_the_second_cell(lines: list[str]) -> bool:
        bars.update(line for line in lines if " left: " in line)
        return any(line.startswith("[1/4] ") for line in lines) and any(" 1/4 " in line for line in bars)

    terminal.read(in_the_second_cell)
    terminal.interrupt()
    told = terminal.read(lambda lines: "stopping …" in lines, seconds=1)
    assert "stopping …" in told
    code, lines = terminal.ended()
    assert code == 130
    assert lines[-1 - len(goes_on) :] == ["interrupted: 1 of 4 cells are recorded", *goes_on]
    assert {len(line) <= 98 for line in bars} == {True}, "shorter than the terminal: ^C is echoed at its end"
    assert len(ledger.read(project.records).records) == 1


def test_defect_an_interrupt_while_cells_were_resolved_was_not_answered(tmp_path: Path, index: LocalIndex) -> None:
    """Until the last process of uv had ended, nothing was on the screen."""
    world.fill(index, {"works": world.subject("works", "1.1.0", "2025-05-20")}, world.COMPANIONS, world.HELPERS)
    index.fault(Fault.SLOW, "/files/*", seconds=5)
    project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
    terminal = Terminal(project.folder, 80, "run", "--fresh")
    terminal.read(lambda lines: any("resolving 2 cells" in line for line in lines))
    terminal.interrupt()
    assert "stopping …" in terminal.read(lambda lines: "stopping …" in lines, seconds=2)
    code, lines = terminal.ended()
    assert code == 130
    assert lines[-3:] == [
        "interrupted: what was finished is recorded",
        "to run all again: python -m compatmatrix run --fresh",
        "to run what is not on record: python -m compatmatrix run",
    ]


def test_interrupted_by_way_of_nox_the_command_is_that_of_nox(project: Project) -> None:
    environ = {"COMPATMATRIX_COMMAND": "python -m nox -s matrix --"}
    terminal = Terminal(project.folder, 80, "run", "--jobs", "1", environ=environ)
    terminal.read(lambda lines: any(line.startswith("[1/4] ") for line in lines))
    terminal.interrupt()
    assert terminal.ended()[1][-1] == "to run the other 3: python -m nox -s matrix -- --jobs 1"


def test_no_color_and_quiet_are_honored(recorded: Project) -> None:
    colored = Terminal(recorded.folder, 80, "run", "--table")
    plain = Terminal(recorded.folder, 80, "run", "--table", "--quiet", environ={"NO_COLOR": "1"})
    lines = [terminal.ended()[1] for terminal in (colored, plain)]
    assert b"\x1b[32m" in colored.written
    assert not re.search(rb"\x1b\[\d+m", plain.written.replace(b"\x1b[0m", b"").replace(b"\x1b[1m", b""))
    assert lines[1] == lines[0][1:-1], "without the counts before and the paths after"


def piped(project: Project, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "compatmatrix", *arguments]
    return subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_in_a_pipe_nothing_is_folded_colored_or_moved(recorded: Project) -> None:
    out, err = piped(recorded, "run", "--table", "--only", "subject<1.2").communicate(timeout=60)
    assert err == b""
    assert b"\x1b" not in out
    lines = [line.rstrip() for line in out.decode().splitlines()]
    assert lines[1:4] == [
        "subject  with  standalone   held         companion  helper  Python",
        f"1.1.0    both  ✓ supported  ✓ supported  3.0        0.2     {THIS}",
        f"1.0.0    both  ✗ raises     ✓ supported  3.0        0.2     {THIS}",
    ]
    assert lines[4] == "Yes: A bare Value can be trained since Subject 1.1.0 (companion 3.0, helper 0.2)."


def test_defect_a_reader_that_leaves_early_made_the_exit_code_1(recorded: Project) -> None:
    running = piped(recorded, "show", "subject==1.0.0", "--full")
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert (running.wait(timeout=60), running.stderr.read()) == (0, b"")
    running.stderr.close()
