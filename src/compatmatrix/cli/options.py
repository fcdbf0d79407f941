"""The options of each command: a class whose docstring is its help, and whose fields are the settings of argparse.

Imports nothing heavy (not even dataclasses), so that `--help` answers at once.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from compatmatrix.cli import argument_types
from compatmatrix.core.pairings import NAMES

DONE, UNEXAMINED, WRONG, FAILED_ON, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes, as `--help` explains them."""

CONFIG = Path("matrix.toml")

CONDITIONS = {
    "changed": "an answer changed",
    "regressed": "an answer changed for the worse",
    "unexamined": "a cell could not be examined",
    "inconclusive": "a control failed, or a probe is at fault, in a cell of this run",
}
"""What `--fail-on` takes, and when it holds."""


def _value(metavar: str, text: str, **settings: Any) -> Any:
    """The settings of an option with a value, for ``add_argument``."""
    return {"metavar": metavar, "help": text, **settings}


def _path(metavar: str, text: str, **settings: Any) -> Any:
    return _value(metavar, text, type=Path, **settings)


def _repeated(metavar: str, text: str, **settings: Any) -> Any:
    return _value(metavar, f"{text}; repeatable", action="append", default=[], **settings)


def _flag(text: str) -> Any:
    return {"help": text, "action": "store_true"}


def _choice(text: str, *choices: str, **settings: Any) -> Any:
    return {"help": text, "choices": choices, **settings}


_ONLY: Any = _repeated(
    "SPEC",
    "narrow to versions of the subject or a companion, like 'name==0.12.*'; all must hold",
    type=argument_types.requirement,
)
_PAIRING: Any = _repeated("NAME", f"{', '.join(NAMES[:-1])} or {NAMES[-1]}")
_AS_OF: Any = _value("DATE", "use what was on the index at the end of that day (UTC)", type=argument_types.end)
_FRESH: Any = _flag("ignore records: run again what has been run before")
_CELLS = max(1, min(os.cpu_count() or 1, 4))
_JOBS: Any = _value("N", f"cells at once (default here: {_CELLS})", type=argument_types.positive, default=_CELLS)
_FAIL_ON: Any = _choice(
    "exit with 3 if " + "; ".join(f"{name}: {text}" for name, text in CONDITIONS.items()) + "; repeatable",
    *CONDITIONS,
    action="append",
    default=[],
)
_PROBE: Any = _value("PROBE", "a probe's id", positional=True)


class Options:
    """What every command takes. A field whose settings say ``"positional"`` is no option.

    Attributes:
        heading: above the fields of a class in `--help`.
        examples: two commands, for the end of `--help`.
    """

    heading = "files"
    examples: tuple[str, ...] = ()
    config: Path = _path("FILE", f"what is tested (default: {CONFIG})", default=CONFIG)

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: options do not change")

    def conflict(self) -> str:
        """What is wrong with the options together; empty if nothing is."""
        return ""


class RecordsOptions(Options):
    """What a command takes that reads or writes records."""

    reports: Path | None = _path("DIR", "where records and reports are (default: reports/ beside the configuration)")


class ReadingOptions(RecordsOptions):
    """Of a command that answers from records; there must be some."""


class DataOptions(ReadingOptions):
    """What a command takes that published data can answer too."""

    data: Path | None = _path("FILE", "answer from this compatibility.json, instead of matrix.toml, probes and records")


class IndexOptions(RecordsOptions):
    """What a command takes that asks the package index."""

    heading = "package index"
    index: str | None = _value("URL", "package index to use instead of the configured one")
    extra_index: tuple[str, ...] = _repeated("URL", "further index; the best version of all wins")


class PlanningOptions(IndexOptions):
    """What a command takes that selects cells."""

    heading = "selection of cells"
    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    as_of: datetime | None = _AS_OF
    fresh: bool = _FRESH
    shard: tuple[int, int] = _value(
        "I/N", "only part I of N of what is missing", type=argument_types.shard, default=(1, 1)
    )


class Plan(PlanningOptions):
    """Print what `run` would run and why, and run nothing."""

    heading = "output"
    examples = ("plan --only 'name==0.12.*'", "plan --save plan.json --format lines")
    format: str = _choice("default: text; lines is a command a shard", "text", "json", "lines", default="text")
    save: Path | None = _path("FILE", "write the plan there, for `run --plan` and `merge --plan`")

    def conflict(self) -> str:
        if self.format == "lines" and self.save is None:
            return "--format lines needs --save FILE: its commands read the plan from that file"
        every = self.format == "lines" and self.shard != (1, 1)
        return "--format lines is a command for each shard; leave out --shard" if every else ""


class Run(PlanningOptions):
    """Run the missing cells, record them, write the reports, show the answer."""

    heading = "the run and its output"
    examples = ("run --only 'name==0.12.*' --pairing newest", "run --fail-on regressed --format json")
    jobs: int = _JOBS
    fail_on: tuple[str, ...] = _FAIL_ON
    format: str = _choice(
        "default: text; markdown is for --source; with json, messages go to standard error",
        "text", "markdown", "json",
        default="text",
    )  # fmt: skip
    quiet: bool = _flag("print no progress, only the answer and what was not examined")
    table: bool = _flag("show the table also where nothing was run")
    timings: bool = _flag("print how long the parts of the cells took")
    plan: Path | None = _path("FILE", "run this plan (from `plan --save`) instead of making one")
    source: tuple[str, ...] = _repeated(
        "'NAME @ URL'", "examine an unreleased source instead of releases: a git repository, a checkout or a wheel"
    )
    against: str | None = _value("REF", "compare it with `newest`, a release, `merge-base` or a git reference")
    record: bool = _flag("put what was found of a source into the records and reports")

    def conflict(self) -> str:
        narrowed = self.only or self.pairing
        if self.plan and (narrowed or self.as_of or self.fresh):
            return "--plan says what is run; give --only, --pairing, --as-of and --fresh when planning"
        if self.source and (narrowed or self.plan or self.shard != (1, 1) or self.timings or self.table):
            return "--source examines sources alone: without --only, --pairing, --plan, --shard, --timings and --table"
        if self.table and self.format == "json":
            return "--format json has all cells; leave out --table"
        of_sources = self.against or self.record or self.format == "markdown"
        problem = "--against, --record and --format markdown are about --source; name one"
        return problem if of_sources and not self.source else ""


class Watch(IndexOptions):
    """Examine what is not released: the sources and nightly builds of [watch] in matrix.toml."""

    heading = "the run and its output"
    examples = ("watch", "watch --fail-on regressed --fail-on unexamined")
    fresh: bool = _FRESH
    jobs: int = _JOBS
    fail_on: tuple[str, ...] = _FAIL_ON
    quiet: bool = _flag("print no progress")


class Bisect(IndexOptions):
    """Find the commit, or the companion's release, at which a probe's outcome changes."""

    heading = "the search"
    examples = (
        "bisect PROBE --good v0.11.0 --bad main",
        "bisect PROBE --companion NAME --good 0.4.30 --bad 0.6.0 --only 'name==0.10.4'",
    )
    probe: str = _PROBE
    good: str = _value("REV", "a tag, commit or version before the change", required=True)
    bad: str = _value("REV", "a tag, branch, commit or version after it", required=True)
    repository: str | None = _value("URL-OR-PATH", "of the subject (default: the first of [watch] sources)")
    companion: str | None = _value("NAME", "search this companion's releases, beside the newest release or --only's")
    only: tuple[str, ...] = _ONLY
    as_of: datetime | None = _AS_OF
    fresh: bool = _FRESH
    linear: bool = _flag("judge one after the other up to the first change")
    all: bool = _flag("judge the whole range, and find every change: also one that was taken back")
    into_merges: bool = _flag("search what a merge brought, also where it is more than two commits")
    timings: bool = _flag("print how long the parts of the cells took")
    jobs: int = _JOBS
    quiet: bool = _flag("print no progress of single cells")

    def conflict(self) -> str:
        if self.linear and self.all:
            return "--all goes on where --linear stops; give one of them"
        if self.companion and (self.repository or self.into_merges):
            return "--companion searches releases on the index; --repository and --into-merges are about commits"
        return "--only is for --companion: it names the release beside it" if self.only and not self.companion else ""


class Merge(RecordsOptions):
    """Merge the records of a plan's shards into ours, and summarize the run."""

    examples = ("merge shards --plan plan.json", "merge shards --plan plan.json --bulletin bulletin.json")
    delivered: tuple[Path, ...] = _path("DIR", "holds records, at any depth", nargs="+", positional=True)
    plan: Path | None = _path("FILE", "the plan that was run: its cells without a record are listed")
    bulletin: Path | None = _path("FILE", "write there what changed and what prevents publishing")
    fail_on: tuple[str, ...] = _FAIL_ON


class Changes(ReadingOptions):
    """List the answers that changed since a day: lifted, regressed, raises differently …."""

    heading = "what and how"
    examples = ("changes --since 2025-06-02", "changes --since 2025-06-02 --format markdown")
    since: datetime = _value("DATE", "from the beginning of that day (UTC)", type=argument_types.instant, required=True)
    format: str = _choice("default: text", "text", "markdown", "json", default="text")


class Announce(Options):
    """Create, update or close the GitHub issues, and write the run's summary."""

    examples = ("announce bulletin.json", "announce bulletin.json --config other.toml")
    bulletin: Path = _path("FILE", "from `merge --bulletin`; the run failed if it is missing", positional=True)


class Comment(Options):
    """Write a comparison into the job's summary, and as the one comment of a pull request."""

    examples = ("comment comparison.json", "comment comparison.json --head OWNER:BRANCH@COMMIT")
    comparison: Path = _path("FILE", "from `run --source … --against … --format json`", positional=True)
    head: str | None = _value("OWNER:BRANCH@COMMIT", "the pull request of this branch gets the comment")


class Publish(RecordsOptions):
    """Commit and push the merged reports; refuse if records would be lost."""

    examples = ("publish merged --bulletin bulletin.json", "publish merged --bulletin bulletin.json --reports reports")
    merged: Path = _path("DIR", "holds the merged records", positional=True)
    bulletin: Path = _path("FILE", "from `merge --bulletin`: whether it may be published", required=True)


class Report(ReadingOptions):
    """Rebuild all reports from the records, without running a probe."""

    examples = ("report", "report --repair")
    repair: bool = _flag("move damaged lines of the records aside first")


class Show(ReadingOptions):
    """Summarize the cells of a release: state, versions, each outcome in a line."""

    heading = "what and how"
    examples = ("show 'name==0.10.4'", "show 'name==0.10.4' --pairing newest --full")
    release: str = _value("NAME==VERSION", "like 'name==0.10.4'", type=argument_types.requirement, positional=True)
    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    full: bool = _flag("add tracebacks, the lock, and the commands that rebuild each cell")


class Recipe(DataOptions):
    """What works on the installed versions, or on those that --only names."""

    heading = "whose versions"
    examples = ("recipe --only 'name==0.10.4' --only 'companion==0.4.30'", "recipe --python .venv/bin/python")
    only: tuple[str, ...] = _ONLY
    python: Path | None = _path("PATH", "whose packages (default: the python on PATH)")

    def conflict(self) -> str:
        return "--only names the versions; --python would read them" if self.only and self.python else ""


class Bounds(DataOptions):
    """The version specifier under which a probe is supported."""

    heading = "what"
    examples = ("bounds PROBE", "bounds PROBE --reports ../try")
    probe: str = _PROBE


class Check(DataOptions):
    """What is known of the versions that a project has: of its lock, its requirements, or an installed Python."""

    heading = "what and how"
    examples = ("check", "check uv.lock --needs PROBE --format github")
    files: tuple[Path, ...] = _path(
        "FILE",
        "uv.lock, pylock.toml, poetry.lock, pyproject.toml or a requirements file (default: those of this folder)",
        nargs="*", positional=True,
    )  # fmt: skip
    python: Path | None = _path("PATH", "check what is installed in this Python or virtual environment")
    needs: tuple[str, ...] = _repeated("PROBE", "a probe that must be supported, besides the controls")
    python_version: str | None = _value(
        "X.Y", "the project's Python (default: all that a file admits)", type=argument_types.python
    )
    platform: str | None = _value("NAME", "where the project runs, like linux-x86_64 (default: as this machine)")
    format: str = _choice("default: text; github writes annotations", "text", "json", "github", default="text")
    allow_unknown: bool = _flag("exit with 0 also where nothing is known")

    def conflict(self) -> str:
        if self.python and (self.python_version or self.platform):
            return "--python is asked for its version and platform; leave out --python-version and --platform"
        return "--python is checked instead of files; leave out either" if self.python and self.files else ""


class Constraints(DataOptions):
    """Print a constraints file for a release of the subject: a complete set of versions that works."""

    heading = "what"
    examples = ("constraints 'name==0.10.4'", "constraints 'name==0.10.4' --python-version 3.12 --needs PROBE")
    release: str = _value("NAME==VERSION", "like 'name==0.10.4'", type=argument_types.requirement, positional=True)
    needs: tuple[str, ...] = _repeated("PROBE", "a probe that must be supported, besides the controls")
    python_version: str | None = _value("X.Y", "of that Python (default: any on record)", type=argument_types.python)
    platform: str | None = _value("NAME", "of that platform (default: the one that the map shows)")


class Explain(DataOptions):
    """What is on record of an error: give a traceback, or a line of one, on standard input, in a file or as arguments."""

    heading = "what"
    examples = ("explain 'ImportError: cannot import name …'", "explain traceback.txt --python .venv/bin/python")
    text: tuple[str, ...] = _value("TEXT", "the error, or a file (default: standard input)", nargs="*", positional=True)
    python: Path | None = _path("PATH", "say too what is known of the versions that this interpreter has installed")


class Package(ReadingOptions):
    """Write the project of a distribution of the data: a wheel that answers without a checkout and without network."""

    examples = ("package build/data", "package build/data --reports ../reports")
    folder: Path = _path("DIR", "the folder to write it to", positional=True)


COMMANDS = (
    *(Run, Plan, Show, Recipe, Bounds, Check, Constraints, Explain, Report, Changes, Watch, Bisect),
    *(Merge, Announce, Comment, Publish, Package),
)
