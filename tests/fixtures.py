"""A project of the tests: its matrix.toml, its probes, and the cells that the fake world makes of them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent, indent

import msgspec
import pytest

from compatmatrix.cli import main as cli
from compatmatrix.config import matrix_file, probe_files
from compatmatrix.config.matrix_file import host_platform
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Cell, CellRequest, Lock, Probe
from compatmatrix.environment.bytecode import ByteCode
from compatmatrix.environment.workspace import Workspace
from compatmatrix.execution import cell_runner
from compatmatrix.execution.cell_runner import Raw
from compatmatrix.resolve import lock
from compatmatrix.results.interpretation import Reading, interpret

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that is there for certain: the one that runs the tests."""

NOWHERE = "3.99"
"""A Python that a configuration may list and no machine has."""

TOOLS = ("pytest", "pytest-json-report", "pytest-metadata", "iniconfig", "pluggy", "packaging", "pygments")

MATRIX = """\
[subject]
name = "subject"
title = "Subject"
releases = ">=0.1"
import = "subject_api"
headline = "standalone"
control = "held"
question = "Can a bare Value be trained?"
yes = "A bare Value can be trained"
no = "A bare Value cannot be trained"

[[companion]]
name = "companion"
requirement = "companion[cpu]"
follows = ["companionlib"]
oldest = true

[[companion]]
name = "helper"

[pairings.grid]
companion = "companion"
releases = ">=1.0"
probes = ["held", "standalone"]

[python]
versions = ["{this}", "{nowhere}"]

[platform]
linux-x86_64 = "x86_64-manylinux_2_28"
linux-aarch64 = "aarch64-manylinux_2_28"
macos-arm64 = "aarch64-apple-darwin"
windows-amd64 = "x86_64-pc-windows-msvc"

[tools]
{tools}

[limits]
seconds = 20
memory_mb = 1024

[environment]
PLANTED = "by matrix.toml"

[index]
url = "{url}"

[groups]
headline = "The question"
"""

PROBES: Mapping[str, str] = {
    "subject_api.py": '''\
"""What the probes ask of a release, whatever its API."""
import subject
import helper


def trainer(thing):
    import pytest

    if not hasattr(subject, "Trainer"):
        pytest.skip("there is no subject.Trainer")
    return subject.Trainer(thing)


def trained(thing, value):
    training = trainer(thing)
    for _ in range(10):
        training.step(2 * (value.number - 3.0))
    return value.number


def expected():
    number = 0.0
    for _ in range(10):
        number = helper.step(number, 2 * (number - 3.0))
    return number
''',
    "test_value.py": '''\
import pytest
import subject
import subject_api


@pytest.mark.probe(title="Held Value", group="headline", control=True)
def test_held(check):
    """Can a Value in a Holder be trained?"""
    value = subject.Value(0.0)
    check.close(subject_api.trained(subject.Holder(value), value), subject_api.expected())


@pytest.mark.probe(title="Bare Value", group="headline", links=("https://example.org/1",))
def test_standalone(check):
    """Can a bare Value be trained?

    It is given to the trainer as it is.
    """
    value = subject.Value(0.0)
    check.close(subject_api.trained(value, value), subject_api.expected())


def test_arithmetic():
    """Does addition work?"""
    import companion

    assert companion.add(1, 2) == 3
''',
}
"""The probes of the fake world, by file name."""


def matrix(url: str = "https://example.org/simple/", pythons: tuple[str, ...] = (THIS, NOWHERE)) -> str:
    """The text of a matrix.toml whose tools are those installed here, for the local index serves these."""
    tools = "\n".join(f'{name} = "{version(name)}"' for name in TOOLS)
    text = MATRIX.format(this="THIS", nowhere="NOWHERE", tools=tools, url=url)
    return text.replace('["THIS", "NOWHERE"]', str(list(pythons)).replace("'", '"'))


def learn_test_tools(byte_code: ByteCode) -> None:
    """Name the modules of pytest that this process has imported, which are those that a cell imports.

    Otherwise every cell compiles them that is in an environment from before the first cell.
    """
    tools = ("pytest", "_pytest", "pytest_jsonreport", "pytest_metadata", "pluggy", "iniconfig", "pygments")
    modules = [module for name, module in sorted(sys.modules.items()) if name.partition(".")[0] in tools]
    byte_code.learn(THIS, [os.path.relpath(module.__file__, sys.prefix) for module in modules if module.__file__])


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Project:
    """A folder with a matrix.toml and probes."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, url: str, pythons: tuple[str, ...] = (THIS, NOWHERE)) -> Project:
        """Write matrix.toml and the probes."""
        write(
            folder, {"matrix.toml": matrix(url, pythons), **{f"probes/{name}": text for name, text in PROBES.items()}}
        )
        return cls(folder)

    @property
    def config(self) -> Config:
        return matrix_file.load(self.folder / "matrix.toml", environ={})

    @property
    def probes(self) -> tuple[Probe, ...]:
        return probe_files.read(self.folder / "probes", self.config.environment)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def records(self) -> Path:
        return self.reports / "records"

    def set(self, old: str, new: str) -> None:
        """Edit matrix.toml."""
        text = (self.folder / "matrix.toml").read_text(encoding="utf-8")
        assert old in text
        (self.folder / "matrix.toml").write_text(text.replace(old, new), encoding="utf-8")

    def main(self, *arguments: str) -> Said:
        """Give a command as a user does, in this process."""
        out, err = io.StringIO(), io.StringIO()
        named = arguments[0].startswith("-") or bool({"--config", "--data"} & {*arguments})
        config_argument = [] if named else ["--config", str(self.folder / "matrix.toml")]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main([arguments[0], *config_argument, *arguments[1:]])
            except SystemExit as leaving:  # argparse leaves by itself
                code = int(str(leaving.code))
        return Said(code, out.getvalue(), err.getvalue())

    def request(self, subject: str, *requirements: str, bound: str | None = None, tools: bool = True) -> CellRequest:
        """A request for one release, as the plan makes it."""
        pinned = [f"{name}=={number}" for name, number in self.config.tools.items()] if tools else []
        return CellRequest(
            subject=subject,
            pairing="newest" if bound is None else "release-day",
            platform=host_platform(self.config),
            pythons=(THIS,),
            requirements=(f"subject=={subject}", *(requirements or ("companion[cpu]", "helper")), *pinned),
            bound=bound,
        )

    def cell(self, subject: str, *requirements: str, bound: str | None = None, tools: bool = True) -> Cell:
        """The cell of one release, locked by uv."""
        request = self.request(subject, *requirements, bound=bound, tools=tools)
        found = lock.resolve(self.config, request, self.folder / "locks")
        assert isinstance(found, Cell), found
        return found


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Ready:
    """A cell whose environment stands."""

    project: Project
    cell: Cell
    python: Path

    def run(self, folder: Path, *, stop: Callable[[], bool] = lambda: False, **limits: int) -> Raw:
        """Run the probes of a folder in it, under these limits."""
        matrix_file = self.project.config
        matrix_file = msgspec.structs.replace(matrix_file, limits=msgspec.structs.replace(matrix_file.limits, **limits))
        return cell_runner.run(matrix_file, self.cell, self.python, probe_files.read(folder), folder, stop)

    def read(self, folder: Path, **limits: int) -> Reading:
        """Run the probes of a folder and read what they found."""
        raw = self.run(folder, stop=lambda: False, **limits)
        return interpret(raw, probe_files.read(folder))


class KnownCells:
    """What cells left, so that a cell that several tests need is installed and run once."""

    def __init__(self) -> None:
        self._left: dict[tuple[Lock, tuple[str, ...]], Raw] = {}

    def provide(self, patch: pytest.MonkeyPatch) -> None:
        """Make the scheduler take what is known of a cell instead of running it."""
        bring_to, run = Workspace.bring_to, cell_runner.run
        postponed: dict[Lock, Workspace] = {}

        def brought(workspace: Workspace, cell: Cell) -> Path:
            if not any(lock == cell.lock for lock, _ in self._left):
                return bring_to(workspace, cell)
            postponed[cell.lock] = workspace
            return Path()

        def left(
            config: Config, cell: Cell, python: Path, probes: Sequence[Probe], folder: Path, stop: Callable[[], bool]
        ) -> Raw:
            key = cell.lock, tuple(probe.digest for probe in probes)
            if key not in self._left:
                python = bring_to(postponed.pop(cell.lock), cell) if cell.lock in postponed else python
                self._left[key] = run(config, cell, python, probes, folder, stop)
            return self._left[key]

        patch.setattr(Workspace, "bring_to", brought)
        patch.setattr(cell_runner, "run", left)


def question(name: str, body: str) -> str:
    """The text of a probe with this body."""
    return f'def test_{name}(check):\n    """Does it?"""\n' + indent(dedent(body).strip(), "    ") + "\n"


def ask(folder: Path, body: str, **more: str) -> Path:
    """A folder with the helpers of the fake world, the probe `it`, and further files."""
    files = {name: text for name, text in PROBES.items() if not name.startswith("test_")}
    write(folder, {**files, "test_it.py": "import subject\nimport subject_api\n\n\n" + question("it", body), **more})
    return folder
