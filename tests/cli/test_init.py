"""`init` asks the index and writes a project that the next command runs; nothing in it is of another library."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from compatmatrix import __version__
from compatmatrix.cli import init
from compatmatrix.config import matrix_file, probe_files
from compatmatrix.index import wheel_modules
from fixtures import THIS, TOOLS, Project, Said
from packages.index import LocalIndex
from packages.wheels import FakeRelease
from packages.world import day

VERSION = '__version__ = "{}"\n'


@pytest.fixture(scope="module")
def index() -> Iterator[LocalIndex]:
    """A library in a namespace, of which a release lost its version; one without wheels for any Python here."""
    with LocalIndex() as index:
        for number in range(1, 14):
            version = f"1.{number}"
            text = VERSION.format(version) if number != 12 else ""
            modules = {"space/things/__init__.py": text, "space/things/inner.py": "", "_space_speedups.py": ""}
            index.add(FakeRelease("Space.Things", version, uploaded=day(f"2024-01-{number:02}"), modules=modules))
        index.add(FakeRelease("space-things", "2.0rc1", uploaded=day("2024-02-01"), modules={"space/things.py": ""}))
        index.add(FakeRelease("elsewhere", "1.0", uploaded=day("2024-01-01"), tags=("cp27-cp27m-win32",)))
        index.add(FakeRelease("empty", "1.0", uploaded=day("2024-01-01")))
        index.add_installed(*TOOLS)
        yield index


def begin(folder: Path, index: LocalIndex, *arguments: str) -> Said:
    return Project(folder).main("init", *arguments, "--index", index.url)


def test_the_project_is_read_and_names_what_the_index_has(tmp_path: Path, index: LocalIndex) -> None:
    done = begin(tmp_path, index, "space-things", "--engine", "compatmatrix==9")
    assert (done.code, done.err) == (0, ""), done
    assert "imported as space.things\n" in done.out and done.out.endswith("next: nox -s matrix\n")
    config = matrix_file.load(tmp_path / "matrix.toml", environ={})
    assert (config.subject.releases, config.index.url, config.companions) == (">=1.4", index.url, ())
    assert config.python.versions[0] == THIS
    probes = probe_files.read(tmp_path / "probes")
    matrix_file.check_probes(tmp_path / "matrix.toml", config, probes, tmp_path / "probes")
    assert {probe.id: probe.control for probe in probes} == {"import": True, "version": False}
    assert {probe.group for probe in probes} == set(config.groups)
    workflow = yaml.safe_load((tmp_path / ".github/workflows/compatibility.yml").read_text(encoding="utf-8"))
    reusable = (Path(__file__).parents[2] / ".github/workflows/compatibility.yml").read_text(encoding="utf-8")
    job = workflow["jobs"]["compatibility"]
    assert job["with"] == {"engine": "compatmatrix==9"}
    assert set(job["with"]) <= set(yaml.safe_load(reusable)[True]["workflow_call"]["inputs"])
    assert 'session.install("compatmatrix==9")' in (tmp_path / "noxfile.py").read_text(encoding="utf-8")


def test_the_next_command_answers(tmp_path: Path, index: LocalIndex, new_cache: Callable[[], None]) -> None:
    new_cache()
    project = Project(tmp_path / "new")
    assert begin(project.folder, index, "space-things").code == 0
    tools = "\n".join(f'{name} = "{metadata.version(name)}"' for name in TOOLS)
    with (project.folder / "matrix.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[tools]\n{tools}\n")
    done = project.main("run", "--pairing", "newest", "--only", "space-things>=1.11")
    assert done.code == 0, done
    shown = project.main("show", "space-things==1.12").out
    assert re.search(r"supported\s+import", shown) and re.search(r"absent\s+version", shown), shown
    assert re.search(r"supported\s+version\s+found '?1.13", project.main("show", "space-things==1.13").out)
    assert "**" in (project.folder / "README.md").read_text(encoding="utf-8"), "the answer"


def test_no_file_is_replaced(tmp_path: Path, index: LocalIndex) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    done = begin(tmp_path, index, "space-things")
    assert f"kept as it was: {tmp_path / 'README.md'}" in done.out
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"
    again = begin(tmp_path, index, "space-things")
    assert again.code == 2 and "matrix.toml is there already" in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("elsewhere",), 2, "elsewhere: no release has a wheel for Python"),
        (("empty",), 2, "empty 1.0: its wheel holds no module"),
        (("nowhere",), 2, "no index lists any file of 'nowhere'"),
        (("not a name",), 2, "is no name of a distribution"),
        (('"; import os',), 2, "is no name of a distribution"),
        (("space-things", "--engine", "x --index-url y"), 2, "has spaces"),
        (("space-things", "--reports", "x"), 2, "it takes no --reports"),
        (("space-things", "--config", "other.toml"), 2, "has to be named matrix.toml"),
    ],
)
def test_what_cannot_be_begun_is_said_and_writes_nothing(
    tmp_path: Path, index: LocalIndex, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = begin(tmp_path, index, *arguments)
    assert done.code == code and said in done.err, done
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("files", "found", "main"),
    [
        (["yaml/__init__.py", "yaml/cyaml.py", "_yaml/__init__.py", "PyYAML-6.0.dist-info/RECORD"], "_yaml yaml", "yaml"),
        (["attr/__init__.py", "attrs/__init__.py", "attrs/py.typed"], "attr attrs", "attrs"),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/blob.py"], "google.cloud.storage", "google.cloud.storage"),
        (["jaraco/functools.py"], "jaraco.functools", "jaraco.functools"),
        (["fast.cpython-311-x86_64-linux-gnu.so", "../../bin/fast"], "fast", "fast"),
        (["pkg.data/scripts/x.py", "a-b.py", "tool.py"], "tool", "tool"),
        (["LICENSE"], "", None),
    ],
)  # fmt: skip
def test_the_module_of_a_distribution(files: list[str], found: str, main: str | None) -> None:
    modules = wheel_modules.modules(files)
    assert modules == tuple(found.split())
    names = {"yaml": "PyYAML", "attrs": "attrs", "tool": "other", None: "none"}
    assert wheel_modules.main_module(names.get(main, str(main)), modules) == main


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, f"compatmatrix=={__version__}"),
        ({"url": "file:///a/b%20c.whl", "archive_info": {}}, "compatmatrix@file:///a/b%20c.whl"),
        (
            {"url": "https://me:token@github.com/o/r", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "compatmatrix@git+https://github.com/o/r@abc",
        ),
        (
            {"url": "https://example.org/a.zip", "subdirectory": "x", "archive_info": {}},
            "compatmatrix@https://example.org/a.zip#subdirectory=x",
        ),
    ],
)
def test_the_engine_is_required_as_it_was_installed(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, object] | None, requirement: str
) -> None:
    monkeypatch.setattr(
        metadata.PathDistribution, "read_text", lambda self, name: origin and json.dumps(origin), raising=True
    )
    assert init.this_engine() == requirement


def test_the_workflow_is_that_of_the_engines_repository() -> None:
    assert init.workflows("compatmatrix@git+https://github.com/o/r.git@abc") == "o/r@abc"
    assert init.workflows("git+https://github.com/o/r#subdirectory=x") == "o/r@main"
    assert init.workflows("compatmatrix==1").endswith(f"@v{__version__}")
