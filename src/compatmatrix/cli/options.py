"""The options of a command: a class whose docstring is its help, and whose fields are the settings of argparse.

Here are those of the commands that run cells or show records; the others are in `ci_options` and `project_options`.
`value`, `path`, `repeated`, `flag` and `choice` make the settings of a field.

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


def value(metavar: str, text: str, **settings: Any) -> Any:
    """The settings of an option with a value."""
    return {"metavar": metavar, "help": text, **settings}


def path(metavar: str, text: str, **settings: Any) -> Any:
    """The same with a path."""
    return value(metavar, text, type=Path, **settings)


def repeated(metavar: str, text: str, **settings: Any) -> Any:
    """The same for an option that may be given more than once."""
    return value(metavar, f"{text}; repeatable", action="append", default=[], **settings)


def flag(text: str) -> Any:
    """The settings of an option without a value."""
    return {"help": text, "action": "store_true"}


def choice(text: str, *choices: str, **settings: Any) -> Any:
    """The settings of an option with one of some values."""
    return {"help": text, "choices": choices, **settings}


_ONLY: Any = repeated(
    "SPEC",
    "narrow to versions of the subject or a companion, like 'name==0.12.*'; all must hold",
    type=argument_types.requirement,
)
_PAIRING: Any = repeated("NAME", f"{', '.join(NAMES[:-1])} or {NAMES[-1]}")
_AS_OF: Any = value("DATE", "use what was on the index at the end of that day (UTC)", type=argument_types.end)
_FRESH: Any = flag("ignore records: run again what has been run before")
_CELLS = max(1, min(os.cpu_count() or 1, 4))
_JOBS: Any = value("N", f"cells at once (default here: {_CELLS})", type=argument_types.positive, default=_CELLS)
FAIL_ON: Any = choice(
    "exit with 3 if " + "; ".join(f"{name}: {text}" for name, text in CONDITIONS.items()) + "; repeatable",
    *CONDITIONS,
    action="append",
    default=[],
)
_INDEX: Any = value("URL", "package index to use instead of the configured one", type=argument_types.web_address)
_EXTRA_INDEX: Any = repeated("URL", "further index; the best version of all wins", type=argument_types.web_address)
_PROBE: Any = value("PROBE", "a probe's id", positional=True)


class Options:
    """What every command takes. A field whose settings say ``"positional"`` is no option.

    Attributes:
        heading: above the fields of a class in `--help`.
        examples: two commands, for the end of `--help`.
    """

    heading = "files"
    examples: tuple[str, ...] = ()
    config: Path = path("FILE", f"what is tested (default: {CONFIG})", default=CONFIG)

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: options do not change")

    def conflict(self) -> str:
        """What is wrong with the options together; empty if nothing is."""
        return ""


class RecordsOptions(Options):
    """What a command takes that reads or writes records."""

    reports: Path | None = path("DIR", "where records and reports are (default: reports/ beside the configuration)")


class ReadingOptions(RecordsOptions):
    """Of a command that answers from records; there must be some."""


class DataOptions(ReadingOptions):
    """What a command takes that published data can answer too."""

    data: Path | None = path("FILE", "answer from this compatibility.json, instead of matrix.toml, probes and records")


class IndexOptions(RecordsOptions):
    """What a command takes that asks the package index."""

    heading = "package index"
    index: str | None = _INDEX
    extra_index: tuple[str, ...] = _EXTRA_INDEX


class PlanningOptions(IndexOptions):
    """What a command takes that selects cells."""

    heading = "selection of cells"
    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    as_of: datetime | None = _AS_OF
    fresh: bool = _FRESH
    shard: tuple[int, int] = value(
        "I/N", "only part I of N of what is missing", type=argument_types.shard, default=(1, 1)
    )


class Init(Options):
    """Start a matrix of a library: matrix.toml, a probe and its control, sessions for nox, a workflow, a README."""

    heading = "the library and the engine"
    examples = ("init NAME", "init NAME --engine git+https://github.com/OWNER/REPOSITORY@COMMIT")
    config: Path = path("FILE", f"write {CONFIG} there, and all else beside it", default=CONFIG)
    name: str = value("NAME", "its name on the index", type=argument_types.name, positional=True)
    engine: str | None = value(
        "REQUIREMENT", "what the project requires of the engine (default: exactly this one)", type=argument_types.engine
    )
    index: str | None = _INDEX
    extra_index: tuple[str, ...] = _EXTRA_INDEX

    def conflict(self) -> str:
        return "" if self.config.name == CONFIG.name else f"--config: the file has to be named {CONFIG}, in any folder"


class Plan(PlanningOptions):
    """Print what `run` would run and why, and run nothing."""

    heading = "output"
    examples = ("plan --only 'name==0.12.*'", "plan --save plan.json --format lines")
    format: str = choice("default: text; lines is a command a shard", "text", "json", "lines", default="text")
    save: Path | None = path("FILE", "write the plan there, for `run --plan` and `merge --plan`")

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
    fail_on: tuple[str, ...] = FAIL_ON
    format: str = choice(
        "default: text; markdown is for --source; with json, messages go to standard error",
        "text", "markdown", "json",
        default="text",
    )  # fmt: skip
    quiet: bool = flag("print no progress, only the answer and what was not examined")
    table: bool = flag("show the table also where nothing was run")
    timings: bool = flag("print how long the parts of the cells took")
    plan: Path | None = path("FILE", "run this plan (from `plan --save`) instead of making one")
    source: tuple[str, ...] = repeated(
        "'NAME @ URL'", "examine an unreleased source instead of releases: a git repository, a checkout or a wheel"
    )
    against: str | None = value("REF", "compare it with `newest`, a release, `merge-base` or a git reference")
    record: bool = flag("put what was found of a source into the records and reports")

    def conflict(self) -> str:
        narrowed = self.only or self.pairing
        if self.plan and (narrowed or self.as_of or self.fresh):
            return "--plan says what is run; give --only, --pairing, --as-of and --fresh when planning"
        if self.source and (narrowed or self.plan or self.shard != (1, 1) or self.table):
            return "--source examines sources alone: without --only, --pairing, --plan, --shard and --table"
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
    fail_on: tuple[str, ...] = FAIL_ON
    quiet: bool = flag("print no progress")


class Bisect(IndexOptions):
    """Find the commit, or the companion's release, at which a probe's outcome changes."""

    heading = "the search"
    examples = (
        "bisect PROBE --good v0.11.0 --bad main",
        "bisect PROBE --companion NAME --good 0.4.30 --bad 0.6.0 --only 'name==0.10.4'",
    )
    probe: str = _PROBE
    good: str = value("REV", "a tag, commit or version before the change", required=True)
    bad: str = value("REV", "a tag, branch, commit or version after it", required=True)
    repository: str | None = value("URL-OR-PATH", "of the subject (default: the first of [watch] sources)")
    companion: str | None = value("NAME", "search this companion's releases, beside the newest release or --only's")
    only: tuple[str, ...] = _ONLY
    as_of: datetime | None = _AS_OF
    fresh: bool = _FRESH
    linear: bool = flag("judge one after the other up to the first change")
    all: bool = flag("judge the whole range, and find every change: also one that was taken back")
    into_merges: bool = flag("search what a merge brought, also where it is more than two commits")
    timings: bool = flag("print how long the parts of the cells took")
    jobs: int = _JOBS
    quiet: bool = flag("print no progress of single cells")

    def conflict(self) -> str:
        if self.linear and self.all:
            return "--all goes on where --linear stops; give one of them"
        if self.companion and (self.repository or self.into_merges):
            return "--companion searches releases on the index; --repository and --into-merges are about commits"
        return "--only is for --companion: it names the release beside it" if self.only and not self.companion else ""


class Report(ReadingOptions):
    """Rebuild all reports from the records, without running a probe."""

    examples = ("report", "report --repair")
    repair: bool = flag("move damaged lines of the records aside first")


class Show(ReadingOptions):
    """Summarize the cells of a release: state, versions, each outcome in a line."""

    heading = "what and how"
    examples = ("show 'name==0.10.4'", "show 'name==0.10.4' --pairing newest --full")
    release: str = value("NAME==VERSION", "like 'name==0.10.4'", type=argument_types.requirement, positional=True)
    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    full: bool = flag("add tracebacks, the lock, and the commands that rebuild each cell")


class Recipe(DataOptions):
    """What works on the installed versions, or on those that --only names."""

    heading = "whose versions"
    examples = ("recipe --only 'name==0.10.4' --only 'companion==0.4.30'", "recipe --python .venv/bin/python")
    only: tuple[str, ...] = _ONLY
    python: Path | None = path("PATH", "whose packages (default: the python on PATH)")

    def conflict(self) -> str:
        return "--only names the versions; --python would read them" if self.only and self.python else ""


class Bounds(DataOptions):
    """The version specifier under which a probe is supported."""

    heading = "what"
    examples = ("bounds PROBE", "bounds PROBE --reports ../try")
    probe: str = _PROBE
