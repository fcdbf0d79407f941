"""The options of the commands for somebody else's project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compatmatrix.cli import argument_types
from compatmatrix.cli.options import DataOptions, ReadingOptions, choice, flag, path, repeated, value

_NEEDS: Any = repeated("PROBE", "a probe that must be supported, besides the controls")


class Check(DataOptions):
    """What is known of the versions that a project has: of its lock, its requirements, or an installed Python."""

    heading = "what and how"
    examples = ("check", "check uv.lock --needs PROBE --format github")
    files: tuple[Path, ...] = path(
        "FILE",
        "uv.lock, pylock.toml, poetry.lock, pyproject.toml or a requirements file (default: those of this folder)",
        nargs="*", positional=True,
    )  # fmt: skip
    python: Path | None = path("PATH", "check what is installed in this Python or virtual environment")
    needs: tuple[str, ...] = _NEEDS
    python_version: str | None = value(
        "X.Y", "the project's Python (default: all that a file admits)", type=argument_types.python
    )
    platform: str | None = value("NAME", "where the project runs, like linux-x86_64 (default: as this machine)")
    format: str = choice("default: text; github writes annotations", "text", "json", "github", default="text")
    allow_unknown: bool = flag("exit with 0 also where nothing is known")

    def conflict(self) -> str:
        if self.python and (self.python_version or self.platform):
            return "--python is asked for its version and platform; leave out --python-version and --platform"
        return "--python is checked instead of files; leave out either" if self.python and self.files else ""


class Constraints(DataOptions):
    """Print a constraints file for a release of the subject: a complete set of versions that works."""

    heading = "what"
    examples = ("constraints 'name==0.10.4'", "constraints 'name==0.10.4' --python-version 3.12 --needs PROBE")
    release: str = value("NAME==VERSION", "like 'name==0.10.4'", type=argument_types.requirement, positional=True)
    needs: tuple[str, ...] = _NEEDS
    python_version: str | None = value("X.Y", "of that Python (default: any on record)", type=argument_types.python)
    platform: str | None = value("NAME", "of that platform (default: the one that the map shows)")


class Explain(DataOptions):
    """What is on record of an error: give a traceback, or a line of one, on standard input, in a file or as arguments."""

    heading = "what"
    examples = ("explain 'ImportError: cannot import name …'", "explain traceback.txt --python .venv/bin/python")
    text: tuple[str, ...] = value("TEXT", "the error, or a file (default: standard input)", nargs="*", positional=True)
    python: Path | None = path("PATH", "say too what is known of the versions that this interpreter has installed")


class Package(ReadingOptions):
    """Write the project of a distribution of the data: a wheel that answers without a checkout and without network."""

    examples = ("package build/data", "package build/data --reports ../reports")
    folder: Path = path("DIR", "the folder to write it to", positional=True)
