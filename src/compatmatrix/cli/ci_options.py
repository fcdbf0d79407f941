"""The options of the scheduled job's commands."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from compatmatrix.cli import argument_types
from compatmatrix.cli.options import FAIL_ON, Options, ReadingOptions, RecordsOptions, choice, path, value


class Merge(RecordsOptions):
    """Merge the records of a plan's shards into ours, and summarize the run."""

    examples = ("merge shards --plan plan.json", "merge shards --plan plan.json --bulletin bulletin.json")
    delivered: tuple[Path, ...] = path("DIR", "holds records, at any depth", nargs="+", positional=True)
    plan: Path | None = path("FILE", "the plan that was run: its cells without a record are listed")
    bulletin: Path | None = path("FILE", "write there what changed and what prevents publishing")
    fail_on: tuple[str, ...] = FAIL_ON


class Changes(ReadingOptions):
    """List the answers that changed since a day: lifted, regressed, raises differently …."""

    heading = "what and how"
    examples = ("changes --since 2025-06-02", "changes --since 2025-06-02 --format markdown")
    since: datetime = value("DATE", "from the beginning of that day (UTC)", type=argument_types.past, required=True)
    format: str = choice("default: text", "text", "markdown", "json", default="text")


class Announce(Options):
    """Create, update or close the GitHub issues, and write the run's summary."""

    examples = ("announce bulletin.json", "announce bulletin.json --config other.toml")
    bulletin: Path = path("FILE", "from `merge --bulletin`; the run failed if it is missing", positional=True)


class Comment(Options):
    """Write a comparison into the job's summary, and as the one comment of a pull request."""

    examples = ("comment comparison.json", "comment comparison.json --head OWNER:BRANCH@COMMIT")
    comparison: Path = path("FILE", "from `run --source … --against … --format json`", positional=True)
    head: str | None = value("OWNER:BRANCH@COMMIT", "the pull request of this branch gets the comment")


class Publish(RecordsOptions):
    """Commit and push the merged reports; refuse if records would be lost."""

    examples = ("publish merged --bulletin bulletin.json", "publish merged --bulletin bulletin.json --reports reports")
    merged: Path = path("DIR", "holds the merged records", positional=True)
    bulletin: Path = path("FILE", "from `merge --bulletin`: whether it may be published", required=True)
