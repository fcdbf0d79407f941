"""Git repositories of the fake subject, made on the spot: each commit behaves as it is told, and builds without a network.

The build backend lies in the repository itself (`backend-path`), so that nothing has to be fetched to build a commit.
A thousand commits take a second: they are written as one stream for `git fast-import`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packages.behaviors import ORDINARY, sources

START = datetime(2024, 7, 1, 12, tzinfo=UTC)
"""The day of the first commit; each is a minute younger than the one before."""

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["build_backend"]
"""

BACKEND = '''\
"""Builds a wheel of the folder `subject`, with nothing but the standard library; the same sources give the same bytes."""
import pathlib
import re
import zipfile


def build_wheel(directory, config_settings=None, metadata_directory=None):
    version = re.search(r"__version__ = '(.*)'", pathlib.Path("subject/__init__.py").read_text())[1]
    info, name = f"subject-{version}.dist-info", f"subject-{version}-py3-none-any.whl"
    requires = "Requires-Dist: companion>=1.0\\nRequires-Dist: helper\\nRequires-Python: >=3.8\\n"
    files = {path.as_posix(): path.read_text() for path in sorted(pathlib.Path("subject").rglob("*.py"))}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: subject\\nVersion: {version}\\n{requires}"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return name
'''

UNBUILDABLE = "raise SystemExit('this commit cannot be built')\n"


@dataclass(frozen=True)
class Made:
    """One commit to be made: a behavior of the fake subject, or `unbuildable`; ``merges`` names the mark of a branch's tip.

    ``more`` are further files, which stay in the commits after it.
    """

    behavior: str
    version: str = "0.5.0"
    branch: str = "main"
    since: int | None = None
    merges: int | None = None
    tag: str = ""
    message: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Repository:
    """A repository on disk; ``commits`` are in the order in which they were made."""

    path: Path
    commits: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def add(self, *made: Made) -> None:
        """Make commits on top of what is there."""
        first = len(self.commits)
        marks = self.path / ".git" / "marks"
        stream = "".join(self._stream(number, commit) for number, commit in enumerate(made, first + 1))
        old = [f"--import-marks={marks}"] if marks.exists() else []
        self.git("fast-import", "--quiet", "--force", *old, f"--export-marks={marks}", stdin=stream)
        found = dict(line.split() for line in marks.read_text().splitlines())
        self.commits = [found[f":{number}"] for number in range(1, len(found) + 1)]

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        """Give git a command in the repository."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, input=stdin, text=True, capture_output=True, check=True
        )
        return done.stdout

    def _stream(self, number: int, commit: Made) -> str:
        when = START + timedelta(minutes=number)
        stamp = f"A. Nonymous <a@example.org> {int(when.timestamp())} +0000"
        message = commit.message or f"{number}: {commit.behavior}"
        lines = [
            f"commit refs/heads/{commit.branch}\nmark :{number}\nauthor {stamp}\ncommitter {stamp}\n{_data(message)}"
        ]
        if commit.since is not None:
            lines.append(f"from :{commit.since}\n")
        if commit.merges is not None:
            lines.append(f"merge :{commit.merges}\n")
        lines += [f"M 100644 inline {name}\n{_data(text)}" for name, text in files(commit)]
        lines.append("\n")
        if commit.tag:
            lines.append(f"reset refs/tags/{commit.tag}\nfrom :{number}\n\n")
        return "".join(lines)


def create(folder: Path, *made: Made) -> Repository:
    """A new repository with these commits; its HEAD is `main`."""
    folder.mkdir(parents=True)
    repository = Repository(folder)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.add(*made)
    return repository


def files(commit: Made) -> Iterator[tuple[str, str]]:
    """The files of a commit."""
    built = commit.behavior != "unbuildable"
    yield "pyproject.toml", PYPROJECT
    yield "build_backend/backend.py", BACKEND if built else UNBUILDABLE
    yield from commit.more.items()
    if built:
        yield from sources(ORDINARY[commit.behavior], commit.version).items()


def line(*spans: tuple[str, int]) -> Sequence[Made]:
    """A linear history: so many commits of a behavior, then so many of the next."""
    return [Made(behavior) for behavior, count in spans for _ in range(count)]


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
