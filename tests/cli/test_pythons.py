"""The pairing `python`: on which Pythons each release works, from the run to every place that says so."""

from __future__ import annotations

import json

import pytest

from compatmatrix.config.matrix_file import host_platform
from compatmatrix.results import ledger
from fixtures import NOWHERE, THIS, Project, write

ONLY = ("--only", "subject==0.5.0", "--jobs", "1")
WORDS = f"with companion 2.0: works on Python {THIS}; not examined on Python {NOWHERE}"
"""Beside companion 3.0, the newest, its import fails."""


@pytest.fixture
def asked(project: Project) -> Project:
    """A project that asks about a Python that is here and one that is nowhere, with the default pairings on record."""
    project.set("[python]", f'[pairings.python]\nversions = ["{THIS}", "{NOWHERE}"]\n\n[python]')
    assert project.main("run", *ONLY).code == 0
    return project


def published(project: Project) -> dict[str, object]:
    """What is concluded from the records."""
    data = json.loads((project.reports / "compatibility.json").read_bytes())
    return {name: data[name] for name in ("verdict", "support", "pairs", "answers", "releases")}


def test_the_pythons_of_a_release_are_run_recorded_and_told(asked: Project) -> None:
    before = published(asked)
    said = asked.main("run", "--pairing", "python", *ONLY)
    assert said.code == 1
    assert f"needs Python {NOWHERE}: install it, or `uv python install {NOWHERE}`" in said.out
    assert f"subject 0.5.0 {WORDS}" in said.out
    found = [one for one in ledger.read(asked.records).records.values() if "python" in one.pairings]
    assert [(one.python, one.versions["companion"]) for one in found] == [(THIS, "2.0")]

    assert published(asked) == before, "nothing that is said of another pairing is another"
    data = json.loads((asked.reports / "compatibility.json").read_bytes())
    assert data["pythons"] == {"0.5.0": {THIS: "headline", NOWHERE: None}}
    assert f"| 0.5.0 | {WORDS} |" in (asked.reports / "compatibility.md").read_text(encoding="utf-8")
    for page in ("grid.html", "release/0.5.0.html"):
        assert WORDS in (asked.reports / "site" / page).read_text(encoding="utf-8")


def test_the_python_pairing_is_asked_once_and_makes_no_other_cell_anew(asked: Project) -> None:
    asked.main("run", "--pairing", "python", *ONLY)
    planned = json.loads(asked.main("plan", "--pairing", "python", *ONLY[:2], "--format", "json").out)
    assert [job["python"] for job in planned["run"]] == [NOWHERE], "this Python's answer is on record"
    everything = ("--pairing", "release-day", "--pairing", "newest")
    assert json.loads(asked.main("plan", *everything, *ONLY[:2], "--format", "json").out)["run"] == []


def test_check_says_on_which_pythons_a_release_works(asked: Project) -> None:
    asked.main("run", "--pairing", "python", *ONLY)
    write(asked.folder, {"requirements.txt": "subject==0.5.0\ncompanion==2.0\n"})
    arguments = ("--platform", host_platform(asked.config), "--python-version", THIS)
    said = asked.main("check", *arguments, str(asked.folder / "requirements.txt"))
    assert said.code == 0
    assert f"    subject 0.5.0 {WORDS}\n" in said.out


def test_pythons_need_a_companion_on_record_that_works(project: Project) -> None:
    project.set("[python]", f'[pairings.python]\nversions = ["{THIS}"]\n\n[python]')
    said = project.main("run", "--pairing", "python", *ONLY)
    assert said.code == 1
    assert "not examined: subject python (0.5.0): no companion is on record beside which it works" in said.out


def test_defect_a_python_that_a_release_does_not_admit_looked_like_one_that_was_not_examined(project: Project) -> None:
    project.set("[python]", f'[pairings.python]\nversions = ["3.4", "{THIS}"]\n\n[python]')
    assert project.main("run", *ONLY).code == 0
    said = project.main("run", "--pairing", "python", "--table", *ONLY)
    assert said.code == 0
    assert f"not installable on Python 3.4 (subject 0.5.0 needs Python >=3.8); works on Python {THIS}" in said.out
