"""`check`, `constraints` and `explain` as a user gives them: what is printed, and the exit codes."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.core.model import Record, record_key
from compatmatrix.core.states import CellState
from compatmatrix.publish import findings, json_data
from compatmatrix.results import ledger as ledgers
from factories import PLATFORM, RAISES, SUPPORTED, ledger, record
from fixtures import Project

DATA = Path(__file__).parent.parent / "projects" / "data"
ERROR = "ImportError: cannot import name 'gone' from 'companion.core' (companion/core.py)"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with three pairs on record: good on 3.11, broken beside companion 2.0, good beside 3.0 on 3.12."""
    project = Project.make(tmp_path / "project", "https://example.org/simple/")
    put = {probe.id: probe.digest for probe in project.probes}

    def pair(companion: str, state: CellState = CellState.RAN, python: str = "3.11") -> Record:
        outcomes = {"held": SUPPORTED, "standalone": RAISES} if state is CellState.RAN else {}
        versions = {"subject": "0.2.0", "companion": companion, "helper": "1.0"}
        made = record(
            "0.2.0",
            outcomes,
            companion=companion,
            state=state,
            detail=ERROR,
            pairings={"grid": ("2025-06-01T00:00:00Z",)},
        )
        pins = [f"{name}=={version}" for name, version in (versions | {"pytest": "8.4.2"}).items()]
        return msgspec.structs.replace(
            made, python=python, versions=versions, probes=put, key=record_key(made.cell, put),
            lock=tuple(f"{pin} --hash=sha256:{'0' * 64}" for pin in pins),
        )  # fmt: skip

    records = [pair("1.0"), pair("2.0", CellState.IMPORT_FAILS), pair("3.0", python="3.12")]
    ledgers.append(project.records, ledger(*records))
    return project


def check(project: Project, *arguments: str) -> tuple[int, str]:
    said = project.main("check", "--platform", PLATFORM, *arguments)
    assert said.err == ""
    return said.code, said.out


@pytest.mark.parametrize(
    "path",
    ["uv/uv.lock", "uv/pylock.toml", "uv/requirements.txt", "pip/pylock.toml", "pip/requirements.txt",
     "pip-compile/requirements.txt", "poetry/poetry.lock"],
)  # fmt: skip
def test_known_good_of_every_format_is_0(project: Project, path: str) -> None:
    code, said = check(project, str(DATA / path))
    assert code == 0
    assert (
        ": subject 0.2.0 with companion 1.0: known good\n    seen on linux-x86_64, Python 3.11, with helper 1.0 (2025-06-01)\n"
        in said
    )


@pytest.mark.parametrize(
    ("python", "code", "standing"),
    [("3.11", 3, "companion 2.0: known broken"), ("3.12", 0, "companion 3.0: known good"), ("3.13", 1, "companion 3.0: seen elsewhere")],
)  # fmt: skip
def test_exit_codes_say_broken_good_and_not_known(project: Project, python: str, code: int, standing: str) -> None:
    for path in ("uv-forked/uv.lock", "poetry-forked/poetry.lock"):
        found, said = check(project, "--python-version", python, str(DATA / path))
        assert found == code and standing in said
    assert (ERROR in said) == (code == 3)


def test_allow_unknown_is_0_and_still_says_it(project: Project, tmp_path: Path) -> None:
    arguments = ("--python-version", "3.13", str(DATA / "uv-forked" / "uv.lock"))
    assert check(project, *arguments)[0] == 1
    code, said = check(project, "--allow-unknown", *arguments)
    assert code == 0 and "seen elsewhere\n    known good on Python 3.12" in said


def test_allow_unknown_allows_neither_what_failed_elsewhere_nor_what_cannot_be_read(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "requirements.txt").write_text("subject==0.2.0\ncompanion==2.0\n", encoding="utf-8")
    arguments = ("--python-version", "3.13", "--allow-unknown", str(tmp_path / "requirements.txt"))
    code, said = check(project, *arguments)
    assert code == 1 and "known broken on Python 3.11" in said
    (tmp_path / "uv.lock").write_text("not a lock", encoding="utf-8")
    code, said = check(project, "--allow-unknown", str(tmp_path / "uv.lock"))
    assert code == 1 and said.startswith(f"{tmp_path / 'uv.lock'}: not examined: ") and len(said.splitlines()) == 1


def test_ranges_of_a_pyproject(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "a"\ndependencies = ["subject>=0.2", "companion"]\n', encoding="utf-8")
    code, said = check(project, str(path))
    assert code == 3
    assert f"{path}:3: subject>=0.2 with companion (any): known broken\n" in said
    assert 'known good throughout: "subject==0.2.0" "companion==3.0"' in said


def test_all_files_are_judged_and_the_worst_counts(project: Project) -> None:
    code, said = check(
        project, "--python-version", "3.11", str(DATA / "uv" / "uv.lock"), str(DATA / "uv-forked" / "uv.lock")
    )
    assert code == 3 and "known good" in said and "known broken" in said


def test_the_files_of_the_folder_are_found(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    monkeypatch.chdir(folder)
    said = project.main("check")
    assert (said.code, said.out) == (2, "") and "there is no uv.lock, pylock.toml" in said.err
    shutil.copy(DATA / "uv" / "uv.lock", folder)
    assert check(project)[1].startswith("uv.lock:")


def test_annotations_and_json(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lock = DATA / "uv-forked" / "uv.lock"
    code, said = check(project, "--format", "github", "--python-version", "3.11", str(lock))
    assert code == 3 and said.startswith(
        f"::error file={lock},title=subject 0.2.0 with companion 2.0%3A known broken,line="
    )
    said_json = project.main("check", "--platform", PLATFORM, "--format", "json", "--python-version", "3.11", str(lock))
    assert json.loads(said_json.out)["findings"][0]["pair"]["standing"] == "known broken"


def test_an_installed_python_is_asked_for_what_it_is(project: Project) -> None:
    said = project.main("check", "--python", sys.executable)
    assert said.code == 1 and "subject is not in " in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--needs", "heldd", "uv.lock"), "there is no such probe"),
        (("--python-version", "3", "uv.lock"), "write X.Y"),
        (("--python", "x", "--platform", "y"), "leave out --python-version and --platform"),
        (("missing.txt",), "there is no such file"),
        (("Pipfile.lock",), "no format is known by this name"),
        (("--python", "/nowhere"), "does not work as a Python"),
    ],
)
def test_wrong_arguments_are_2(project: Project, arguments: tuple[str, ...], said: str) -> None:
    answer = project.main("check", *arguments)
    assert answer.code == 2 and said in answer.err


def test_constraints_are_the_newest_set_that_works_without_the_tools(project: Project) -> None:
    said = project.main("constraints", "subject==0.2.0")
    assert (said.code, said.err) == (0, "")
    comment, environment, *pins = said.out.splitlines()
    assert comment == "# subject 0.2.0, companion 3.0, helper 1.0"
    assert environment == f"# Python 3.12, {PLATFORM}, 2025-06-01; supported in it: held"
    assert pins == ["subject==0.2.0", "companion==3.0", "helper==1.0"]
    assert "companion==1.0" in project.main("constraints", "subject==0.2.0", "--python-version", "3.11").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("subject==0.2.0", "--python-version", "3.13"), "there is one, for Python 3.11 and 3.12"),
        (("subject==0.2.0", "--needs", "standalone"), "no set of versions is known"),
        (("subject==0.2.0", "--needs", "x"), "there is no such probe"),
        (("subject==9.0",), "no set of versions is known in which that works; the nearest: 0.2.0\n"),
        (("subject>=0.2",), "write subject==VERSION"),
        (("other==1",), "write subject==VERSION"),
    ],
)
def test_constraints_that_are_not_known_are_refused(project: Project, arguments: tuple[str, ...], said: str) -> None:
    answer = project.main("constraints", *arguments)
    assert (answer.code, answer.out) == (2, "") and said in answer.err


def test_the_site_has_a_constraints_file_for_each_python(project: Project) -> None:
    assert project.main("report").code == 0
    folder = project.reports / "site" / "constraints"
    assert sorted(path.name for path in folder.iterdir()) == ["subject-0.2.0-py3.11.txt", "subject-0.2.0-py3.12.txt"]
    said = project.main("constraints", "subject==0.2.0", "--python-version", "3.11").out
    assert (folder / "subject-0.2.0-py3.11.txt").read_text(encoding="utf-8") == said


def give(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make it the standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def test_defect_explain_lost_the_end_of_a_long_log_and_broke_on_bytes_that_are_no_text(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = b"\xff\xfe step\n" * 300_000 + ERROR.encode()
    (project.folder / "log.txt").write_bytes(log)
    give(monkeypatch, log)
    expected = project.main("explain", ERROR)
    assert expected.code == 0
    assert project.main("explain") == project.main("explain", str(project.folder / "log.txt")) == expected


def test_explain_takes_arguments_or_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    said = project.main("explain", ERROR)
    assert said.code == 0 and 'works: pip install "subject==0.2.0" "companion==3.0"\n' in said.out
    assert "\n    subject 0.2.0 with companion 2.0; works with companion 1.0, 3.0" in said.out
    give(monkeypatch, f"Traceback (most recent call last):\n  File ...\n{ERROR}\n".encode())
    assert project.main("explain").out == said.out
    give(monkeypatch, b"")
    file = project.folder / "traceback.txt"
    file.write_text(f"Traceback (most recent call last):\n  File ...\n{ERROR}\n", encoding="utf-8")
    assert project.main("explain", str(file)).out == said.out
    nothing = project.main("explain")
    assert nothing.code == 1 and "nothing on record is like this error" in nothing.out


def test_explain_says_what_is_known_of_the_installed_versions(project: Project, tmp_path: Path) -> None:
    python = tmp_path / "python"
    answer = {"python": "3.11", "platform": PLATFORM, "versions": {"subject": "0.2.0", "companion": "2.0"}}
    python.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n", encoding="utf-8")
    python.chmod(0o755)
    said = project.main("explain", ERROR, "--python", str(python))
    assert said.code == 0 and said.out.startswith(project.main("explain", ERROR).out)
    assert "subject 0.2.0 with companion 2.0: known broken" in said.out
    assert "nearest that works: subject==0.2.0 companion==1.0" in said.out


def test_a_cause_is_shown_as_written_by_a_person(project: Project) -> None:
    """It stands beside the probes, and published data brings it along."""
    (project.folder / "probes" / "errors.toml").write_text(
        "[[error]]\npattern = \"^ImportError: .*'gone'\"\ncause = 'It has left.'\nlinks = ['https://example.org/1']\n",
        encoding="utf-8",
    )
    said = project.main("explain", ERROR).out
    assert "explained by a person: It has left. https://example.org/1" in said
    assert project.main("report").code == 0
    known = Compatibility(json_data.read((project.reports / "compatibility.json").read_bytes()))
    assert "".join(f"{findings.explanation(known, found)}\n" for found in known.explain(ERROR)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[error]]\npattern = '('\ncause = 'x'\n", "errors.toml:2: `error[0].pattern`: no regular expression"),
        ("[[error]]\npattern = 'x'\n", "`error[0].cause`: is missing. A sentence or two."),
        ("[error", "not valid TOML"),
    ],
)
def test_wrong_causes_are_2(project: Project, text: str, said: str) -> None:
    (project.folder / "probes" / "errors.toml").write_text(text, encoding="utf-8")
    answer = project.main("explain", ERROR)
    assert answer.code == 2 and said in answer.err


def test_defect_a_file_that_is_not_there_was_explained_as_an_error(project: Project, tmp_path: Path) -> None:
    for name in (tmp_path / "missing" / "trace.log", "traceback.txt", tmp_path):
        said = project.main("explain", str(name))
        assert said.code == 2 and f"{name}: cannot be read" in said.out + said.err


def test_defect_a_package_in_the_place_of_a_probe_was_answered_with_all_probes(project: Project) -> None:
    ended = project.main("bounds", "Companion")
    assert ended.code == 2
    assert ended.err.startswith("error: bounds Companion: that is a package, not the id of a probe")
