"""The command line: which commands there are, which arguments they share, and what is accepted.

Kept free of everything heavy, so that `--help` is there at once.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from compatmatrix import __version__
from compatmatrix.core import pairings

EVERY = ("day", "week", "month", "year")

DONE, UNEXAMINED, WRONG, FAILED_ON, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes, as the help has them."""

EPILOG = """\
exit codes:
  0  the job was done, whatever was found
  1  some cells could not be examined (they are listed, with why)
  2  the arguments or matrix.toml are wrong
  3  a --fail-on condition holds
  130  interrupted; what was done is recorded
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; exits with 2 and a message where it is wrong."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("shared by all commands")
    group.add_argument(
        "--config", type=Path, default=Path("matrix.toml"), metavar="FILE", help="what is tested (default: matrix.toml)"
    )
    group.add_argument(
        "--reports",
        type=Path,
        default=None,
        metavar="DIR",
        help="where records and reports are (default: reports/ beside the configuration)",
    )
    group.add_argument(
        "--only",
        action="append",
        default=[],
        type=_requirement,
        metavar="SPEC",
        help="narrow to versions of the subject or a companion, like 'name==0.12.*'; repeatable, all must hold",
    )
    group.add_argument(
        "--pairing", action="append", default=[], metavar="NAME", help=f"{', '.join(pairings.NAMES)}; repeatable"
    )
    group.add_argument(
        "--as-of",
        type=_span,
        default=(None, None),
        metavar="DATE",
        help="the world as it was at the end of that day (UTC); `run` takes A..B too, with --every",
    )
    group.add_argument(
        "--index", default=None, metavar="URL", help="package index to use instead of the configured one"
    )
    group.add_argument(
        "--extra-index",
        action="append",
        default=[],
        metavar="URL",
        help="further index; the best version over all wins; repeatable",
    )
    group.add_argument("--fresh", action="store_true", help="ignore records: run again what has been run before")
    group.add_argument(
        "--jobs",
        type=_positive,
        default=_default_jobs(),
        metavar="N",
        help=f"cells at once (default here: {_default_jobs()})",
    )
    group.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N", help="run part I of N of what is missing")
    group.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=("changed", "inconclusive"),
        help="exit with 3 if an outcome changed, or one is inconclusive; repeatable",
    )

    parser = argparse.ArgumentParser(
        prog="python -m compatmatrix",
        description="Finds out by running it which releases of a package support what, and publishes the table.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            parents=[common],
            help=text,
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    ran = command("run", "run the cells that are missing, record them, write the reports, show the table")
    ran.add_argument("--timings", action="store_true", help="print where the cells' time went")
    ran.add_argument("--every", choices=EVERY, default=None, help="how far apart the days of --as-of A..B are")
    ran.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="'NAME @ URL'",
        help="examine what is not released, instead of releases: a git repository, a checkout or a wheel; repeatable",
    )
    ran.add_argument(
        "--against",
        choices=("newest",),
        default=None,
        help="print, as Markdown, what is other than in the newest release",
    )
    _plan_argument(ran, "work by this plan (from `plan --save`) instead of asking the index")
    planned = command("plan", "print what `run` would run, and run nothing")
    planned.add_argument(
        "--format",
        choices=("text", "json", "gitlab", "lines"),
        default="text",
        help="how to print it: for people, for programs, as GitLab's child pipeline, as a shell line a shard (default: text)",
    )
    planned.add_argument(
        "--save",
        type=Path,
        default=None,
        metavar="FILE",
        help="keep the plan there, for `run --plan` and `merge --plan`",
    )
    merged = command("merge", "unite what the shards of a plan found with our records, and say what it comes to")
    merged.add_argument("delivered", type=Path, nargs="+", metavar="DIR", help="holds records, at any depth")
    _plan_argument(merged, "the plan that was carried out: what of it is missing is named")
    merged.add_argument(
        "--bulletin", type=Path, metavar="FILE", help="write down there what moved and what is in the way"
    )
    moved = command("changes", "what moved since a day: lifted, regressed, raises differently …")
    moved.add_argument(
        "--since", type=_since, required=True, metavar="DATE", help="from the beginning of that day (UTC)"
    )
    moved.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
    alarmed = command("announce", "bring the issues on GitHub to where things stand, and write the run's summary")
    alarmed.add_argument(
        "bulletin", type=Path, metavar="FILE", help="from `merge --bulletin`; none there is an alarm too"
    )
    published = command("publish", "commit and push what was merged, unless less would be known than before")
    published.add_argument("merged", type=Path, metavar="DIR", help="holds the merged records")
    published.add_argument(
        "--bulletin",
        type=Path,
        required=True,
        metavar="FILE",
        help="from `merge --bulletin`: whether it may be published",
    )
    rebuilt = command("report", "rebuild all reports from the records, without running a probe")
    rebuilt.add_argument("--repair", action="store_true", help="set damaged lines of the records aside first")
    shown = command("show", "everything about one release: outcomes, evidence, lock, how to reproduce it")
    shown.add_argument("release", type=_requirement, metavar="NAME==VERSION", help="like 'name==0.10.4'")
    cooked = command("recipe", "what works on the versions that are installed, or on those that --only names")
    cooked.add_argument(
        "--python", type=Path, default=None, metavar="PATH", help="whose packages (default: the python on PATH)"
    )
    command("watch", "examine what is not released: the sources and nightly builds of [watch] in matrix.toml")
    searched = command("bisect", "find the commit, or the companion's release, at which a probe's outcome changes")
    searched.add_argument("probe", metavar="PROBE", help="a probe's id")
    searched.add_argument("--good", required=True, metavar="REV", help="a tag, commit or version before the change")
    searched.add_argument("--bad", required=True, metavar="REV", help="a tag, branch, commit or version after it")
    searched.add_argument(
        "--repository",
        default=None,
        metavar="URL-OR-PATH",
        help="of the subject (default: the first of [watch] sources)",
    )
    searched.add_argument(
        "--companion",
        default=None,
        metavar="NAME",
        help="search this companion's releases, beside the newest release or --only's",
    )
    searched.add_argument(
        "--linear", action="store_true", help="judge one after the other: finds also what was taken back"
    )
    searched.add_argument(
        "--into-merges", action="store_true", help="if a merge brought the change, search what it merged"
    )
    searched.add_argument(
        "--replay", type=Path, default=None, metavar="LOG", help="take what a log of this search says as judged"
    )
    bounded = command("bounds", "the version specifier under which a probe is supported, for whoever depends on it")
    bounded.add_argument("probe", metavar="PROBE", help="a probe's id")
    asked = parser.parse_args(arguments)
    asked.as_of, asked.as_of_until = asked.as_of
    if asked.as_of_until and (asked.command != "run" or not asked.every):
        parser.error("--as-of A..B is for `run`, with --every " + ", ".join(EVERY))
    if asked.command == "run" and asked.every and not asked.as_of_until:
        parser.error("--every needs --as-of A..B")
    return asked


def _plan_argument(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--plan", type=Path, default=None, metavar="FILE", help=text)


def _default_jobs() -> int:
    return max(1, min(os.cpu_count() or 1, 4))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


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


def _since(text: str) -> datetime:
    """A day stands for its beginning."""
    return _instant(f"{text}T00:00:00" if len(text) == 10 else text)


def _span(text: str) -> tuple[datetime, datetime | None]:
    """One date, or two with `..` between."""
    first, dots, last = text.partition("..")
    span = (_instant(first), _instant(last) if dots else None)
    if span[1] and span[1] < span[0]:
        raise argparse.ArgumentTypeError(f"{text!r} ends before it begins")
    return span


def _instant(text: str) -> datetime:
    """A day stands for its end; an instant for itself. Both in UTC unless an offset is given."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write one like 2025-06-02") from None
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return instant + timedelta(days=1) if _is_day(text) else instant


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
