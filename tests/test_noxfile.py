"""What noxfile.py says before any session begins; nox itself is a stand-in, for the tests have none."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import write

ROOT = Path(__file__).parents[1]

NOX = """\
class options:
    pass


class Session:
    pass


def session(function=None, **settings):
    return function or (lambda decorated: decorated)


def parametrize(name, values):
    print(name, *values)
    return lambda decorated: decorated
"""


def loaded(folder: Path, files: dict[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Load noxfile.py beside these files."""
    write(folder, {"nox.py": NOX, "matrix.toml": '[subject]\nname = "subject"\n', "pyproject.toml": "", **files})
    shutil.copy(ROOT / "noxfile.py", folder)
    command = [sys.executable, "-c", f"import sys\n{before}\nimport noxfile"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[subject\n", "matrix.toml: Expected ']' at the end of a table declaration (at line 1, column 9)"),
        ("name = 1\n", "matrix.toml: has no [subject] name"),
        ("subject = 1\n", "matrix.toml: has no [subject] name"),
    ],
)
def test_defect_a_wrong_matrix_toml_ended_in_a_traceback_of_nox(tmp_path: Path, text: str, said: str) -> None:
    done = loaded(tmp_path, {"matrix.toml": text})
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said}\n")


def test_defect_a_wrong_pyproject_toml_ended_in_a_traceback_of_nox(tmp_path: Path) -> None:
    done = loaded(tmp_path, {"pyproject.toml": "fix(\n"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("pyproject.toml: ")


def test_defect_an_old_python_ended_in_a_traceback_of_nox(tmp_path: Path) -> None:
    done = loaded(tmp_path, {}, before="sys.modules['tomllib'] = None  # as before Python 3.11")
    assert done.returncode == 2
    assert done.stderr.endswith("and this project needs 3.11 or newer: install nox there\n")
    assert done.stderr.count("\n") == 1


def test_defect_one_damaged_line_of_the_releases_broke_every_session_the_one_that_repairs_it_too(
    tmp_path: Path,
) -> None:
    lines = [
        '{"released":null,"version":"1.0.0","check":"a"}',
        "<<<<<<< ours",
        '{"version":"1.1.0","che',
        '{"released":"',
    ]
    done = loaded(tmp_path, {"reports/records/releases.jsonl": "\n".join(lines)})
    assert (done.returncode, done.stdout, done.stderr) == (0, "subject 1.1.0 1.0.0\n", "")
