"""What is read of a project's files: those of the real tools, malformed ones, and hostile ones."""

from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

from compatmatrix.core.errors import UserError
from compatmatrix.projects import installed, project_files, requirement_files
from compatmatrix.projects.entries import NotReadable, ProjectFile, chosen, environment, pythons
from platforms import NEEDS_POSIX_FILES

DATA = Path(__file__).parent / "data"
NAMES = ("subject", "companion")
LINUX = "x86_64-manylinux_2_28"


def versions(file: ProjectFile, python: str = "3.11", tag: str = LINUX) -> list[dict[str, str]]:
    """What a file comes to on a Python, each choice of versions once."""
    return [
        {name: entry.version or entry.specifier for name, entry in choice.items()}
        for choice in chosen(file, NAMES, environment(python, tag))
    ]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def requirements(folder: Path, content: str) -> ProjectFile:
    return project_files.read(written(folder, "requirements.txt", content))


@pytest.mark.parametrize(
    "path",
    ["uv/uv.lock", "uv/pylock.toml", "uv/requirements.txt", "pip/pylock.toml", "pip/requirements.txt",
     "pip-compile/requirements.txt", "pip-compile/requirements.in", "poetry/poetry.lock"],
)  # fmt: skip
def test_pins_of_every_tool_are_read_with_their_lines(path: str) -> None:
    file = project_files.read(DATA / path)
    assert versions(file) == [{"subject": "0.2.0", "companion": "1.0"}]
    lines = (DATA / path).read_text(encoding="utf-8").splitlines()
    for entry in file.entries:
        assert entry.name in lines[entry.line - 1]


@pytest.mark.parametrize("path", ["uv-forked/uv.lock", "poetry-forked/poetry.lock"])
def test_a_lock_with_another_version_for_another_python(path: str) -> None:
    file = project_files.read(DATA / path)
    assert pythons(file)[0] == "3.11"
    assert versions(file, "3.11") == [{"subject": "0.2.0", "companion": "2.0"}]
    assert versions(file, "3.13") == [{"subject": "0.2.0", "companion": "3.0"}]


def test_extras_that_exclude_each_other_are_both_judged() -> None:
    found = versions(project_files.read(DATA / "uv-extras" / "uv.lock"))
    assert found == [{"subject": "0.2.0", "companion": "1.0"}, {"subject": "0.2.0", "companion": "2.0"}]


def test_defect_a_package_that_only_some_extras_leave_out_was_missing(tmp_path: Path) -> None:
    package = '[[packages]]\nname = "{}"\nversion = "1.0"\nmarker = "{}"\narchive = {{url = "x.zip", hashes = {{sha256 = "0"}}}}\n'
    lock = 'lock-version = "1.0"\ncreated-by = "x"\nextras = ["a", "b"]\n'
    lock += package.format("subject", "'a' in extras") + package.format("companion", "'b' not in extras")
    assert versions(project_files.read(written(tmp_path, "pylock.toml", lock))) == [
        {"subject": "1.0", "companion": "1.0"}
    ]


def test_what_does_not_come_from_an_index_says_so(tmp_path: Path) -> None:
    lock = 'version = 1\n[[package]]\nname = "subject"\nversion = "1"\nsource = { git = "https://example.org/x?rev=1#1" }\n'
    assert project_files.read(written(tmp_path, "uv.lock", lock)).entries[0].source == "git"
    file = requirements(tmp_path, "subject @ git+https://example.org/owner/subject@main\n-e ./here\n")
    assert [(entry.name, entry.source) for entry in file.entries] == [("subject", "git")]


def test_requirements_with_includes_constraints_markers_extras_hashes_and_options(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    written(tmp_path, "sub/base.txt", "-r ../requirements.txt\nhelper[fast]==1.0\n")
    written(tmp_path, "limits.txt", "Companion==2.0\n")
    file = requirements(
        tmp_path,
        "--index-url https://example.org/simple\n-r sub/base.txt\n-c limits.txt\n-c https://example.org/c.txt\n"
        "subject[all]==0.2.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        'companion>=1.0 ; python_version >= "3.8"  # why\ncompanion==9.0 ; sys_platform == "win32"\n'
        'other==1 --config-settings "a=b"\n--some-day-an-option 1\n',
    )
    assert versions(file) == [{"subject": "0.2.0", "companion": "2.0"}]
    assert versions(file, tag="x86_64-pc-windows-msvc")[0]["companion"] == "9.0"
    assert {entry.name: entry.line for entry in file.entries if entry.line} == {
        "subject": 5,
        "companion": 9,
        "other": 10,
    }
    assert len(file.notes) == 1 and "https://example.org/c.txt" in file.notes[0]


def test_defect_ranges_of_a_project_were_hidden_by_a_pin_in_one_of_its_groups(tmp_path: Path) -> None:
    file = project_files.read(
        written(
            tmp_path,
            "pyproject.toml",
            '[project]\nname = "a"\nrequires-python = ">=3.11"\ndependencies = ["subject>=0.2"]\n'
            '[project.optional-dependencies]\nmore = ["companion>=1.0"]\n'
            '[dependency-groups]\ntest = [{include-group = "Oldest"}]\noldest = ["companion==1.0", {include-group = "test"}]\n',
        )
    )
    project = {"subject": ">=0.2"}
    assert versions(file) == [project, {**project, "companion": ">=1.0"}, {**project, "companion": "1.0"}]
    assert [entry.line for entry in file.entries] == [4, 6, 9, 9]


@pytest.mark.parametrize(
    ("required", "admitted"),
    [("==3.11.9", ("3.11",)), (">=3.11.4,<3.12.2", ("3.11", "3.12")), ("~=3.12.0", ("3.12",)), ("!=3.13.*,>=3.12", ("3.12", "3.14"))],
)  # fmt: skip
def test_defect_one_patch_release_of_python_was_no_python(
    tmp_path: Path, required: str, admitted: tuple[str, ...]
) -> None:
    lock = f'version = 1\nrequires-python = "{required}"\n'
    assert pythons(project_files.read(written(tmp_path, "uv.lock", lock))) == admitted


@pytest.mark.parametrize(
    ("constraint", "first", "last"),
    [("^3.11", "3.11", "3.14"), ("~3.11", "3.11", "3.11"), (">=3.9,<3.13", "3.9", "3.12"), ("3.12.*", "3.12", "3.12"), ("*", "3.8", "3.14"),
     (">= 3.10", "3.10", "3.14"), ("^3.10 || ^2.7", "3.8", "3.14")],
)  # fmt: skip
def test_pythons_as_poetry_writes_them(tmp_path: Path, constraint: str, first: str, last: str) -> None:
    lock = f'package = []\n[metadata]\nlock-version = "2.1"\npython-versions = "{constraint}"\n'
    admitted = pythons(project_files.read(written(tmp_path, "poetry.lock", lock)))
    assert (admitted[0], admitted[-1]) == (first, last)


@pytest.mark.parametrize(
    "name", ["uv.lock", "poetry.lock", "pylock.toml", "pylock.dev.toml", "pyproject.toml", "requirements.txt"]
)
@pytest.mark.parametrize("content", [b"\xff\xfe\x00nonsense \x80", b"= = =", b"<html>404</html>\n", b"\x00" * 100])
def test_a_file_that_is_not_what_its_name_says_gets_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(NotReadable) as raised:
        versions(project_files.read(path))
    assert str(raised.value).startswith(str(path)) and len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("uv.lock", "version = 7\n"),
        ("uv.lock", "version = 1\npackage = 3\n"),
        ("uv.lock", 'version = 1\n[[package]]\nname = ["subject"]\n'),
        ("uv.lock", 'version = 1\nrequires-python = "never"\n[[package]]\nname = "subject"\nversion = "1"\n'),
        ("uv.lock", 'version = 1\n[[package]]\nname = "subject"\nversion = "one"\n'),
        ("uv.lock", 'version = 1\n[[package]]\nname = "subject"\nversion = "1"\nresolution-markers = ["hello"]\n'),
        ("poetry.lock", "version = 1\n"),
        ("poetry.lock", '[metadata]\nlock-version = "9.0"\n'),
        ("pylock.toml", 'lock-version = "2.0"\ncreated-by = "x"\npackages = []\n'),
        ("pyproject.toml", "[project]\ndependencies = 1\n"),
        ("pyproject.toml", '[project]\ndependencies = ["subject = 1"]\n'),
        ("pyproject.toml", '[dependency-groups]\na = [{include-group = "b"}]\n'),
        ("requirements.txt", "-r missing.txt\n"),
        ("requirements.txt", "subject = 1.0\n"),
    ],
)
def test_malformed_content_gets_one_line(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(NotReadable) as raised:
        file = project_files.read(written(tmp_path, name, content))
        pythons(file)
        versions(file)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("wrong", ["subject = 1.0", "two words", "subject==", "???"])
def test_defect_a_line_that_is_no_requirement_was_not_shown(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "sub").mkdir()
    written(tmp_path, "sub/base.txt", f"helper==1.0\n{wrong}\n")
    with pytest.raises(NotReadable) as raised:
        requirements(tmp_path, "-r sub/base.txt\n")
    assert str(raised.value).startswith(f"{tmp_path / 'sub' / 'base.txt'}:2: {wrong!r} is no requirement")


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml"])
@pytest.mark.parametrize(
    "content", ["version = " + "[" * 100_000, "a = " + "{b=" * 100_000, ".".join("a" * 100_000) + " = 1"]
)
def test_deep_nesting_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(NotReadable, match="nested too deeply"):
        project_files.read(written(tmp_path, name, content))


def test_defect_a_version_with_thousands_of_digits_ended_in_a_traceback(tmp_path: Path) -> None:
    digits = "1" * 10_000
    for name, content in (
        ("requirements.txt", f"subject=={digits}\n"),
        ("requirements.txt", f"subject==1 ; python_version < '{digits}'\n"),
        ("uv.lock", f'version = 1\nrequires-python = ">={digits}"\n'),
    ):
        with pytest.raises(NotReadable):
            file = project_files.read(written(tmp_path, name, content))
            pythons(file)
            versions(file)


def test_defect_a_file_that_is_made_to_take_long_was_not_bounded(tmp_path: Path) -> None:
    many = "\n".join(f'[[package]]\nname = "subject"\nversion = "0.{number}"' for number in range(2_000))
    marker = " or ".join(["python_version > '3'"] * 5_000)
    groups = "\n".join(f'g{number} = [{{include-group = "g{number + 1}"}}, "x>{number}"]' for number in range(2_000))
    for name, content, said in (
        ("uv.lock", f"version = 1\n{many}\n", "more than 1000 times"),
        ("requirements.txt", f"subject==1 ; {marker}\n", "too long"),
        ("pyproject.toml", f"[dependency-groups]\n{groups}\ng2000 = []\n", "more than 10000 requirements"),
    ):
        with pytest.raises(NotReadable, match=said):
            versions(project_files.read(written(tmp_path, name, content)))


def test_deep_markers_are_refused(tmp_path: Path) -> None:
    marker = "(" * 20_000 + "python_version > '3'" + ")" * 20_000
    lock = f'version = 1\n[[package]]\nname = "subject"\nversion = "1"\nresolution-markers = ["{marker}"]\n'
    with pytest.raises(NotReadable, match="marker"):
        versions(project_files.read(written(tmp_path, "uv.lock", lock)))


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "requirements.txt"])
def test_a_file_that_is_too_long_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, b"")
    os.truncate(path, project_files.MOST + 1)
    with pytest.raises(NotReadable, match="longer than"):
        project_files.read(path)


@pytest.mark.parametrize(
    "content",
    [b"# coding: hex\nsubject==0.2.0\n", b"# coding: none\nsubject==0.2.0\n", "subject==0.2.0\n".encode("utf-16"),
     b"\xef\xbb\xbfsubject==0.2.0\n", b" " * 1_000_000 + b"\nsubject==0.2.0" + b"\t" * 1_000_000 + b"\n"],
)  # fmt: skip
def test_defect_an_encoding_broke_the_reader_and_white_space_held_it_up(tmp_path: Path, content: bytes) -> None:
    assert versions(project_files.read(written(tmp_path, "requirements.txt", content))) == [{"subject": "0.2.0"}]


@NEEDS_POSIX_FILES
@pytest.mark.parametrize("name", ["uv.lock", "requirements.txt"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(NotReadable):
        project_files.read(path)
    path.unlink()
    path.symlink_to(written(tmp_path, "secret.txt", "subject==1\n"))
    with pytest.raises(NotReadable, match="is a link"):
        project_files.read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NotReadable):
        project_files.read(path)


@NEEDS_POSIX_FILES
def test_includes_are_bounded_and_never_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for included in ("fifo", "/dev/zero", "/dev/stdin", ".", "a\0b"):
        with pytest.raises(NotReadable):
            requirements(tmp_path, f"-r {included}\n")
    requirements(tmp_path, "-r requirements.txt\n-r ./requirements.txt\n")
    for number in range(requirement_files.MOST_FILES + 2):
        written(tmp_path, f"{number}.txt", f"-r {number + 1}.txt\n")
    with pytest.raises(NotReadable, match="more than"):
        requirements(tmp_path, "-r 0.txt\n")


def test_names_say_the_format(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no format is known by this name; give a uv\.lock"):
        project_files.read(written(tmp_path, "Pipfile.lock", "{}"))
    with pytest.raises(UserError, match="there is no such file"):
        project_files.read(tmp_path / "uv.lock")


def test_the_most_exact_files_of_a_folder_are_found(tmp_path: Path) -> None:
    assert project_files.found(tmp_path) == []
    for name, exact in (("pyproject.toml", 1), ("requirements.txt", 1), ("uv.lock", 1), ("pylock.dev.toml", 2)):
        path = written(tmp_path, name, "")
        found = project_files.found(tmp_path)
        assert path in found and len(found) == exact


def test_what_is_installed_is_read_without_importing_it(tmp_path: Path) -> None:
    file = installed.read(Path(sys.executable))
    assert file.python == "{}.{}".format(*sys.version_info[:2])
    assert "pytest" in {entry.name for entry in file.entries}
    for wrong in (tmp_path, tmp_path / "none", Path("/bin/false")):
        with pytest.raises(UserError, match="does not work as a Python"):
            installed.read(wrong)


@NEEDS_POSIX_FILES
@pytest.mark.parametrize("beside", [False, True])
def test_defect_what_a_broken_uninstallation_left_over_was_read_as_installed(tmp_path: Path, beside: bool) -> None:
    """pip renames what it removes to `~ame`; a folder that it could not empty has no metadata."""
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = tmp_path.glob("venv/lib/*/site-packages")
    (packages / "other-1.0.dist-info").mkdir()
    for folder, version in (("~ubject-0.1.dist-info", "0.1"), *[("subject-0.2.dist-info", "0.2")] * beside):
        (packages / folder).mkdir()
        written(packages / folder, "METADATA", f"Metadata-Version: 2.1\nName: Subject\nVersion: {version}\n")
    found = {entry.name: entry.version for entry in installed.read(python).entries}
    assert found == ({"subject": "0.2"} if beside else {})
