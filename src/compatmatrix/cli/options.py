"""The options of each command: a class whose docstring is its help, and whose fields are the settings of argparse.

Imports nothing heavy (not even dataclasses), so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from compatmatrix import __version__

DONE, UNEXAMINED, WRONG, FAILED_ON, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes that EPILOG explains."""

EPILOG = """\
exit codes:
  0  the job was done, whatever was found
  1  some cells could not be examined (they are listed, with the reason)
  2  the arguments or matrix.toml are wrong
  3  a --fail-on condition holds, or `check` found versions that are known to be broken
  130  interrupted; what was done is recorded
"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _python(text: str) -> str:
    major, dot, minor = text.partition(".")
    if not dot or not major.isdigit() or not minor.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; write X.Y, like 3.12")
    return text


def _shard(text: str) -> tuple[int, int]:
    part, slash, count = text.partition("/")
    if not slash or not part.isdigit() or not count.isdigit() or not 1 <= int(part) <= int(count):
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; write I/N with I from 1 to N, like 2/5")
    return int(part), int(count)


def _requirement(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no requirement ({str(error).splitlines()[0]}); write one like 'name==0.12.*'"
        ) from None
    if not requirement.specifier or requirement.url or requirement.extras or requirement.marker:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not accepted; write a name and a version specifier (PEP 440), like 'name>=0.12,!=0.12.3'"
        )
    return text


def _end(text: str) -> datetime:
    """An instant; a day stands for its end."""
    has_time = len(text) > len("2025-06-02")
    return _instant(text) if has_time else _instant(text) + timedelta(days=1)


def _instant(text: str) -> datetime:
    """An instant (ISO 8601), in UTC unless it has an offset; a day stands for its beginning."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write one like 2025-06-02") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


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
    "SPEC", "narrow to versions of the subject or a companion, like 'name==0.12.*'; all must hold", type=_requirement
)
_PAIRING: Any = _repeated("NAME", "release-day, newest, oldest or grid")
_AS_OF: Any = _value("DATE", "use what was on the index at the end of that day (UTC)", type=_end)
_SHARD: Any = _value("I/N", "only part I of N of what is missing", type=_shard, default=(1, 1))
_CELLS = max(1, min(os.cpu_count() or 1, 4))
_JOBS: Any = _value("N", f"cells at once (default here: {_CELLS})", type=_positive, default=_CELLS)
_FAIL_ON: Any = _choice(
    "exit with 3 on this; repeatable", "changed", "regressed", "inconclusive",
    action="append", default=[],
)  # fmt: skip
_PROBE: Any = _value("PROBE", "a probe's id", positional=True)


class Options:
    """What every command takes. A field whose settings say ``"positional"`` is no option."""

    config: Path = _path("FILE", "what is tested (default: matrix.toml)", default=Path("matrix.toml"))

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


class IndexOptions(RecordsOptions):
    """What a command takes that asks the package index."""

    index: str | None = _value("URL", "package index to use instead of the configured one")
    extra_index: tuple[str, ...] = _repeated("URL", "further index; the best version of all wins")
    fresh: bool = _flag("ignore records: run again what has been run before")


class PlanningOptions(IndexOptions):
    """What a command takes that selects cells."""

    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    as_of: datetime | None = _AS_OF
    shard: tuple[int, int] = _SHARD


class Plan(PlanningOptions):
    """Print what `run` would run, and run nothing."""

    format: str = _choice("default: text; lines is a command a shard", "text", "json", "lines", default="text")
    save: Path | None = _path("FILE", "write the plan there, for `run --plan` and `merge --plan`")

    def conflict(self) -> str:
        missing = self.format == "lines" and self.save is None
        return "--format lines needs --save FILE: its commands read the plan from that file" if missing else ""


class Run(PlanningOptions):
    """Run the missing cells, record them, write the reports, show the table."""

    jobs: int = _JOBS
    fail_on: tuple[str, ...] = _FAIL_ON
    timings: bool = _flag("print how long the parts of the cells took")
    source: tuple[str, ...] = _repeated(
        "'NAME @ URL'", "examine an unreleased source instead of releases: a git repository, a checkout or a wheel"
    )
    against: str | None = _value("REF", "compare it with `newest`, a release, `merge-base` or a git reference")
    record: bool = _flag("put what was found of a source into the records and reports")
    format: str = _choice("of a comparison (default: text)", "text", "markdown", "json", default="text")
    plan: Path | None = _path("FILE", "run this plan (from `plan --save`) instead of making one")

    def conflict(self) -> str:
        narrowed = self.only or self.pairing
        if self.plan and (narrowed or self.as_of or self.fresh):
            return "--plan says what is run; give --only, --pairing, --as-of and --fresh when planning"
        if self.source and (narrowed or self.plan or self.shard != (1, 1) or self.timings):
            return "--source examines sources alone: without --only, --pairing, --plan, --shard and --timings"
        of_sources = self.against or self.record or self.format != "text"
        return "--against, --record and --format are about --source; name one" if of_sources and not self.source else ""


class Watch(IndexOptions):
    """Examine what is not released: the sources and nightly builds of [watch] in matrix.toml."""

    jobs: int = _JOBS
    fail_on: tuple[str, ...] = _FAIL_ON


class Bisect(IndexOptions):
    """Find the commit, or the companion's release, at which a probe's outcome changes."""

    only: tuple[str, ...] = _ONLY
    as_of: datetime | None = _AS_OF
    jobs: int = _JOBS
    probe: str = _PROBE
    good: str = _value("REV", "a tag, commit or version before the change", required=True)
    bad: str = _value("REV", "a tag, branch, commit or version after it", required=True)
    repository: str | None = _value("URL-OR-PATH", "of the subject (default: the first of [watch] sources)")
    companion: str | None = _value("NAME", "search this companion's releases, beside the newest release or --only's")
    linear: bool = _flag("judge one after the other up to the first change")
    all: bool = _flag("judge the whole range, and find every change: also one that was taken back")
    into_merges: bool = _flag("search what a merge brought, also where it is more than two commits")
    timings: bool = _flag("print how long the parts of the cells took")

    def conflict(self) -> str:
        if self.linear and self.all:
            return "--all goes on where --linear stops; give one of them"
        if self.companion and (self.repository or self.into_merges):
            return "--companion searches releases on the index; --repository and --into-merges are about commits"
        return "--only is for --companion: it names the release beside it" if self.only and not self.companion else ""


class Merge(RecordsOptions):
    """Merge the records of a plan's shards into ours, and summarize the run."""

    delivered: tuple[Path, ...] = _path("DIR", "holds records, at any depth", nargs="+", positional=True)
    plan: Path | None = _path("FILE", "the plan that was run: its cells without a record are listed")
    bulletin: Path | None = _path("FILE", "write there what changed and what prevents publishing")
    fail_on: tuple[str, ...] = _choice("exit with 3 if an outcome changed", "changed", action="append", default=[])


class Changes(RecordsOptions):
    """List the answers that changed since a day: lifted, regressed, raises differently …."""

    since: datetime = _value("DATE", "from the beginning of that day (UTC)", type=_instant, required=True)
    format: str = _choice("default: text", "text", "markdown", "json", default="text")


class Announce(Options):
    """Create, update or close the GitHub issues, and write the run's summary."""

    bulletin: Path = _path("FILE", "from `merge --bulletin`; the run failed if it is missing", positional=True)


class Comment(Options):
    """Write a comparison into the job's summary, and as the one comment of a pull request."""

    comparison: Path = _path("FILE", "from `run --source … --against … --format json`", positional=True)
    head: str | None = _value("OWNER:BRANCH@COMMIT", "the pull request of this branch gets the comment")


class Publish(RecordsOptions):
    """Commit and push the merged reports; refuse if records would be lost."""

    merged: Path = _path("DIR", "holds the merged records", positional=True)
    bulletin: Path = _path("FILE", "from `merge --bulletin`: whether it may be published", required=True)


class Report(RecordsOptions):
    """Rebuild all reports from the records, without running a probe."""

    repair: bool = _flag("move damaged lines of the records aside first")


class Show(RecordsOptions):
    """Everything about one release: outcomes, evidence, lock, how to reproduce it."""

    only: tuple[str, ...] = _ONLY
    pairing: tuple[str, ...] = _PAIRING
    release: str = _value("NAME==VERSION", "like 'name==0.10.4'", type=_requirement, positional=True)


class Recipe(RecordsOptions):
    """What works on the installed versions, or on those that --only names."""

    only: tuple[str, ...] = _ONLY
    python: Path | None = _path("PATH", "whose packages (default: the python on PATH)")


class Bounds(RecordsOptions):
    """The version specifier under which a probe is supported."""

    probe: str = _PROBE


class Check(RecordsOptions):
    """What is known of the versions that a project has: of its lock, its requirements, or an installed Python."""

    files: tuple[Path, ...] = _path(
        "FILE",
        "uv.lock, pylock.toml, poetry.lock, pyproject.toml or a requirements file (default: those of this folder)",
        nargs="*", positional=True,
    )  # fmt: skip
    python: Path | None = _path("PATH", "check what is installed in this Python or virtual environment")
    needs: tuple[str, ...] = _repeated("PROBE", "a probe that must be supported, besides the controls")
    python_version: str | None = _value("X.Y", "the project's Python (default: all that a file admits)", type=_python)
    platform: str | None = _value("NAME", "where the project runs, like linux-x86_64 (default: as this machine)")
    format: str = _choice("default: text; github writes annotations", "text", "json", "github", default="text")
    allow_unknown: bool = _flag("exit with 0 also where nothing is known")

    def conflict(self) -> str:
        if self.python and (self.python_version or self.platform):
            return "--python is asked for its version and platform; leave out --python-version and --platform"
        return ""


COMMANDS = (Run, Plan, Watch, Bisect, Merge, Changes, Announce, Comment, Publish, Report, Show, Recipe, Bounds, Check)


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line.

    Args:
        arguments: those of a command; None for those of this process.

    Raises:
        SystemExit: after `--help` (0), or where the arguments are wrong (2, with a message).
    """
    layout = argparse.RawDescriptionHelpFormatter
    about = "Runs probes against the releases of a package, and publishes what each release supports."
    parser = argparse.ArgumentParser("python -m compatmatrix", None, about, EPILOG, formatter_class=layout)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    kinds = {kind.__name__.lower(): kind for kind in COMMANDS}
    for word, kind in kinds.items():
        text = (kind.__doc__ or "").rstrip(".")
        command = commands.add_parser(word, help=text, description=text, epilog=EPILOG, formatter_class=layout)
        fields = [
            field for part in reversed(kind.__mro__) for field in vars(part).items() if isinstance(field[1], dict)
        ]
        for name, settings in fields:
            if not name.startswith("_"):
                flag = name if settings.get("positional") else f"--{name.replace('_', '-')}"
                command.add_argument(flag, **{key: value for key, value in settings.items() if key != "positional"})
    given, unknown = parser.parse_known_args(arguments)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(given).items()}
    del values["command"]
    chosen: Options = kinds[given.command](**values)
    if problem := f"it takes no {' '.join(unknown)}" if unknown else chosen.conflict():
        commands.choices[given.command].error(problem)
    return chosen
