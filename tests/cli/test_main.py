"""Commands: what is said where, and the exit code that each ending has. What is accepted: `test_parser`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from compatmatrix.core.errors import InfrastructureError
from compatmatrix.results import ledger
from fixtures import MATRIX, NOWHERE, THIS, Project, write
from packages import world
from packages.index import Fault, LocalIndex
from platforms import NEEDS_SIGNALS


@pytest.fixture(scope="module")
def small() -> Iterator[LocalIndex]:
    """An index with three releases: one that raises, one that works, one whose control fails."""
    with LocalIndex() as index:
        releases = {
            behavior: world.subject(behavior, f"1.{number}.0", f"2025-05-2{number}")
            for number, behavior in enumerate(("raises", "works", "control-fails"))
        }
        world.fill(index, releases, world.COMPANIONS, world.HELPERS)
        yield index


@pytest.fixture
def project(tmp_path: Path, small: LocalIndex) -> Project:
    return Project.make(tmp_path / "project", small.url, pythons=(THIS,))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--only", "other==1"), "error: --only other==1: 'other' is neither the subject nor a companion"),
        (("plan", "--pairing", "newset"), "error: --pairing newset: there is no such pairing; did you mean newest?"),
        (
            ("plan", "--only", "subjct==1"),
            "error: --only subjct==1: 'subjct' is neither the subject nor a companion; did",
        ),
        (("plan", "--as-of", "2020-01-01"), "error: the index lists no release of subject until 2020-01-02T00:00:00Z"),
        (
            ("bisect", "hold", "--good", "1", "--bad", "2"),
            "error: bisect hold: there is no such probe; did you mean held?",
        ),
        (("plan", "--config", "gone.toml"), "error: gone.toml: cannot be read"),
        (("merge", "gone"), "error: gone: there is no such folder of records"),
    ],
)
def test_what_cannot_mean_anything_here_ends_with_2_and_no_traceback(
    project: Project, arguments: tuple[str, ...], said: str
) -> None:
    ended = project.main(*arguments)
    assert ended.code == 2
    assert ended.err.startswith(said)
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not project.records.exists()


def test_a_wrong_matrix_ends_with_2_and_its_line(project: Project) -> None:
    project.set("[limits]", "[limit]")
    ended = project.main("run")
    assert ended.code == 2
    assert "matrix.toml:" in ended.err
    assert "`limit`: is not known here" in ended.err


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("only", "nearest"),
    [("subject==99", "1.2.0"), ("subject==1.0.5", "1.0.0, 1.1.0"), ("companion==2.5", "3.0"), ("helper<0.1", "0.2")],
)
def test_a_selection_that_matches_nothing_ends_with_2_and_names_the_nearest(
    project: Project, command: str, only: str, nearest: str
) -> None:
    ended = project.main(command, "--only", only)
    assert ended.code == 2
    assert ended.err == f"error: --only {only}: nothing that was asked for has such a version; the nearest: {nearest}\n"
    assert not project.records.exists()


@pytest.mark.parametrize(
    "arguments",
    [("report",), ("show", "subject==1.0.0"), ("recipe",), ("bounds", "held"), ("changes", "--since", "2025-01-01")],
)
def test_defect_a_misspelled_folder_of_reports_was_created_or_taken_for_an_empty_one(
    project: Project, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = project.main(*arguments, "--reports", str(tmp_path / "typo"))
    assert ended.code == 2
    assert ended.err == (
        f"error: {tmp_path / 'typo'}: no records are there; name their folder with --reports, or `run` first\n"
    )
    assert not (tmp_path / "typo").exists()


def test_defect_a_day_before_all_releases_named_none_that_exists(project: Project) -> None:
    ended = project.main("plan", "--as-of", "2020-01-01")
    assert ended.code == 2
    assert ended.err.endswith("; the first is 1.0.0 (2025-05-20)\n")


def test_defect_cells_were_run_whose_records_had_no_place(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("run", "plan"):
        ended = project.main(command, "--reports", str(tmp_path / "file"))
        assert ended.code == 2 and f"{tmp_path / 'file'}: is no folder" in ended.err
        assert "[1/" not in ended.out


def test_an_index_that_has_nothing_ends_with_1_and_with_2_where_it_is_an_argument(
    project: Project, index: LocalIndex
) -> None:
    missing = "no index lists any file of 'companion', 'companionlib', 'helper', 'su"
    ended = project.main("run", "--index", index.url)
    assert (ended.code, ended.err.startswith(f"error: --index {index.url}: {missing}")) == (2, True)
    project.set(project.config.index.url, index.url)
    ended = project.main("run")
    assert (ended.code, ended.err.startswith(f"could not be done: {missing}")) == (1, True)


def test_cells_that_could_not_be_resolved_end_with_1_and_are_listed(
    tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    world.fill(index, {"raises": world.subject("raises", "1.0.0", "2025-05-20")}, world.COMPANIONS, world.HELPERS)
    project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
    index.fault(Fault.ERROR, "*.metadata")
    planned = project.main("plan", "--format", "json")
    assert planned.code == 1
    listed = json.loads(planned.out)["not_examined"]
    assert [one["cell"] for one in listed] == ["1.0.0 release-day", "1.0.0 newest"]
    assert "500 Internal Server Error" in listed[0]["why"]
    ran = project.main("run")
    assert ran.code == 1
    # They stand together where the same file failed first, which differs from run to run.
    lines = [line for line in ran.out.splitlines() if line.startswith(("not examined: ", "  1.0.0 "))]
    for one in ("1.0.0 release-day", "1.0.0 newest"):
        assert f"  {one}" in lines or any(line.startswith(f"not examined: {one}: ") for line in lines)
    assert ledger.read(project.records).records == {}


def test_defect_a_run_whose_workers_died_listed_nothing_and_ended_with_0(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*arguments: object) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr("compatmatrix.planning.scheduler.Workspace", dies)
    ran = project.main("run", "--pairing", "newest")
    assert ran.code == 1
    assert "3 to run" in ran.out
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        assert len([line for line in ran.out.splitlines() if line.startswith(f"  subject {version},")]) == 1
    assert "not examined: 3 cells: RecursionError: maximum recursion depth exceeded" in ran.out
    assert ledger.read(project.records).records == {}


def test_what_was_not_examined_is_listed_also_where_the_reports_cannot_be_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise InfrastructureError("no space")

    monkeypatch.setattr("compatmatrix.planning.scheduler.Workspace", fails)
    monkeypatch.setattr("compatmatrix.cli.run.write_reports", fails)
    ran = project.main("run", "--pairing", "newest")
    assert ran.code == 1
    assert "not examined: 3 cells: no space" in ran.out and ran.out.count("\n  subject 1.") == 3


def test_defect_an_index_without_upload_times_made_releases_of_1970(tmp_path: Path) -> None:
    with LocalIndex(html_only=True) as index:
        world.fill(index, {"works": world.SUBJECT["works"], "raises": world.SUBJECT["raises"]})
        world.fill(index, world.COMPANIONS, world.HELPERS)
        project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
        planned = project.main("plan", "--save", str(tmp_path / "plan.json"))
        ran = project.main("run", "--only", "subject==0.5.0")
    assert f"saved to {tmp_path / 'plan.json'}\n" in planned.out
    for ended in (planned, ran):
        assert ended.code == 1
        told = [line for line in ended.out.splitlines() if line.startswith("not examined: ")]
        assert len(told) == 1 and "the index gives no upload times of subject, companion" in told[0]
    assert "2 cells requested: 0 recorded or settled, 1 to run, 1 could not be planned" in ran.out
    known = ledger.read(project.records)
    assert {label for record in known.records.values() for label in record.pairings} == {"newest"}
    assert known.damage == () and {release.released for release in known.releases.values()} == {None}
    published = json.loads((project.reports / "compatibility.json").read_bytes())
    assert {release["released"] for release in published["releases"]} == {None}
    for path in (*project.reports.rglob("*.*"), tmp_path / "plan.json"):
        assert path.is_dir() or b"1970" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("undated", "code", "told"),
    [
        (
            "other-*",
            1,
            "not examined: subject release-day (0.2.0 to 0.5.0, 2 releases): "
            "the index gives no upload times of other, so nothing is known of the release's day",
        ),
        ("companion-[23]*", 0, "the index gives no upload time of companion 2.0 to 3.1rc1, 3 releases: passed over"),
    ],
)
def test_defect_missing_upload_times_were_told_for_each_release_or_not_at_all(
    tmp_path: Path, undated: str, code: int, told: str
) -> None:
    """Of a package that others require: several lines of uv a release. Of some releases of a companion: nothing."""
    with LocalIndex(undated=undated) as index:
        subjects = {name: world.SUBJECT[name] for name in ("works", "raises")}
        requiring = {name: replace(one, requires=(*one.requires, "other")) for name, one in subjects.items()}
        world.fill(index, requiring, world.COMPANIONS, world.HELPERS)
        index.add(replace(world.helper("1.0", "2023-01-01", "Required by the subject."), name="other", requires=()))
        planned = Project.make(tmp_path / "project", index.url, pythons=(THIS,)).main("plan")
    assert planned.code == code
    assert [line.startswith(told) for line in planned.out.splitlines() if "upload" in line] == [True]


def test_a_plan_runs_nothing_and_says_what_would_be_run(project: Project) -> None:
    told = project.main("plan")
    assert told.code == 0
    assert "6 cells requested" in told.out
    assert "subject 1.1.0, release-day, newest (Python" in told.out
    tree = json.loads(project.main("plan", "--format", "json", "--only", "subject==1.1.0").out)
    assert [job["versions"]["subject"] for job in tree["run"]] == ["1.1.0"]
    assert tree["run"][0]["probes"] == ["arithmetic", "held", "standalone"]
    assert not project.records.exists()


def test_defect_words_for_people_got_into_a_plan_for_programs(project: Project) -> None:
    write(project.records, {"1.0.0.jsonl": "{}\n"})
    told = project.main("plan", "--format", "json")
    assert json.loads(told.out)["wanted"] == 6
    assert "damaged, not used: " in told.err
    assert "1.0.0.jsonl:1: no valid record" in told.err


def test_fail_on_changed_ends_with_3_where_an_answer_moved_and_says_which(project: Project) -> None:
    arguments = ("run", "--fail-on", "changed", "--only")
    first = project.main(*arguments, "subject==1.0.0")
    assert first.code == 0, "a first state is held against nothing"
    moved = project.main(*arguments, "subject==1.1.0")
    assert moved.code == 3
    assert "changed: subject 1.1.0, standalone (latest companion): lifted: raises NotTrainable" in moved.out
    assert project.main(*arguments, "subject==1.1.0").code == 0


def test_another_question_is_no_change_of_an_answer(project: Project) -> None:
    assert project.main("run", "--only", "subject==1.1.0").code == 0
    helper = project.folder / "probes/subject_api.py"
    helper.write_text(helper.read_text().replace("return value.number", "return value.number + 1"))
    assert project.main("run", "--fail-on", "changed", "--only", "subject==1.1.0").code == 0


def test_fail_on_inconclusive_ends_with_3(project: Project) -> None:
    arguments = ("run", "--fail-on", "inconclusive", "--only")
    assert project.main(*arguments, "subject==1.0.0").code == 0
    ended = project.main(*arguments, "subject==1.2.0")
    assert ended.code == 3
    assert "--fail-on inconclusive: a control failed" in ended.out


def test_fail_on_regressed_is_held_by_what_got_worse_alone(tmp_path: Path, index: LocalIndex) -> None:
    days = {"raises": "2025-05-20", "works": "2025-05-21", "no-effect": "2025-05-22"}
    releases = {name: world.subject(name, f"1.{number}.0", days[name]) for number, name in enumerate(days)}
    world.fill(index, releases, world.COMPANIONS, world.HELPERS)
    project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
    codes = [project.main("run", "--fail-on", "regressed", "--only", f"subject==1.{number}.0") for number in range(3)]
    assert [ended.code for ended in codes] == [0, 0, 3], "first, lifted, no effect any more"
    assert "--fail-on regressed: an answer changed for the worse" in codes[2].out


def test_what_holds_and_what_was_not_examined_are_both_told_and_3_comes_before_1(
    tmp_path: Path, index: LocalIndex
) -> None:
    world.fill(index, {"works": world.subject("works", "1.0.0", "2025-05-20")}, world.COMPANIONS, world.HELPERS)
    project = Project.make(tmp_path / "project", index.url, pythons=(NOWHERE,))
    ended = project.main("run")
    assert ended.code == 1
    failing = project.main("run", "--fail-on", "unexamined", "--fail-on", "changed")
    assert failing.code == 3
    assert f"needs Python {NOWHERE}: install it, or `uv python install {NOWHERE}`" in failing.out
    assert "--fail-on unexamined: a cell could not be examined" in failing.out
    assert "--fail-on changed" not in failing.out


def test_defect_what_could_not_be_examined_anew_was_answered_from_the_records(
    tmp_path: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill(index, {"works": world.subject("works", "1.0.0", "2025-05-20")}, world.COMPANIONS, world.HELPERS)
    project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
    assert "✓ supported" in project.main("run").out
    monkeypatch.setenv("COMPATMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    index.fault(Fault.ERROR, "*subject-1.0.0*.whl")
    ended = project.main("run", "--fresh")
    assert ended.code == 1 and "✓ supported" not in ended.out
    assert "Not known for" in ended.out and "0 cells run and recorded, 1 not examined" in ended.out
    found = json.loads(project.main("run", "--fresh", "--format", "json").out)
    assert (found["run"], found["verdict"]["value"]) == (0, "unknown")


def test_without_a_terminal_there_is_one_plain_line_a_cell(project: Project) -> None:
    ran = project.main("run", "--only", "subject<1.2")
    lines = [line for line in ran.out.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == ["[1/2", "[2/2"]
    assert "\x1b" not in ran.out


def test_show_tells_everything_of_one_release_and_of_no_other(project: Project) -> None:
    project.main("run", "--only", "subject<1.2")
    summary, shown = (project.main("show", "subject==1.0.0", *full) for full in ((), ("--full",)))
    assert (summary.code, shown.code) == (0, 0)
    told = summary.out.splitlines()
    assert told[1] == "ran: installed, imported, and the probes ran"
    outcomes = [line.split()[1:3] for line in told if line[:1] in ("✓", "✗")]
    assert outcomes == [["supported", "held"], ["raises", "standalone"], ["supported", "arithmetic"]]
    assert "sha256" not in summary.out and "Traceback" not in summary.out
    assert "subject 1.0.0, latest companion, at release" in shown.out
    assert "✓ supported  held (found" in shown.out
    assert "✗ raises  standalone" in shown.out
    assert "subject==1.0.0 --hash=sha256:" in shown.out
    assert "1.1.0" not in shown.out
    missing = project.main("show", "subject==1.2.0")
    assert missing.code == 2
    assert missing.err == "error: show subject==1.2.0: nothing is recorded of it; the nearest: 1.1.0\n"


def test_repair_sets_damaged_lines_aside_and_what_they_held_is_run_again(project: Project) -> None:
    only = ("--only", "subject==1.1.0")
    project.main("run", *only)
    path = project.records / "1.1.0.jsonl"
    path.write_bytes(path.read_bytes()[:-50] + b"\n")
    told = project.main("report")
    assert f"damaged, not used: {path}:1: no valid record" in told.out
    assert "set aside" in project.main("report", "--repair").out
    assert "[1/1]" in project.main("run", *only).out
    assert len(ledger.read(project.records).records) == 1


@NEEDS_SIGNALS
def test_ctrl_c_ends_with_130_keeps_what_was_done_and_leaves_no_process(tmp_path: Path, index: LocalIndex) -> None:
    releases = {
        "works": world.subject("works", "1.1.0", "2025-05-20"),
        "hangs": world.subject("hangs-at-import", "1.0.0", "2025-05-20"),
    }
    world.fill(index, releases, world.COMPANIONS, world.HELPERS)
    project = Project.make(tmp_path / "project", index.url, pythons=(THIS,))
    command = [sys.executable, "-u", "-m", "compatmatrix", "run", "--jobs", "2"]
    running = subprocess.Popen(
        command, cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert running.stdout is not None
    line = next(line for line in running.stdout if line.startswith("[1/2]"))
    assert "subject 1.1.0" in line
    running.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, said = running.communicate(timeout=20)
    assert "stopping …" in out
    assert time.monotonic() - began < 6
    assert running.returncode == 130, said
    assert said.splitlines() == [
        "interrupted: 1 of 2 cells are recorded",
        "to run the other 1: python -m compatmatrix run --jobs 2",
    ]
    assert [record.subject for record in ledger.read(project.records).records.values()] == ["1.1.0"]


def test_an_index_of_the_command_line_is_taken_before_the_configured_one(project: Project, index: LocalIndex) -> None:
    assert "127.0.0.1" not in MATRIX
    index.add(world.subject("works", "9.0.0", "2025-05-20"))
    planned = project.main("plan", "--format", "json", "--extra-index", index.url)
    assert "9.0.0" in {job["versions"]["subject"] for job in json.loads(planned.out)["run"]}
