"""The pairings: rules that pick the companions of a release, one object each, and labels of cells that no rule asks for.

A request has a pairing's name; a record has the names under which its cell was requested. To add a pairing, add an object
here, to `RULES`; a rule that needs more than these fields is applied in `planning/requests.py`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple


class Over(Enum):
    """What a pairing has a cell of its own for, beside each release of the subject."""

    COMPANION = "each release of the companion that the map is about"
    PYTHON = "each Python of the pairing's own list, beside the newest of the map's companion that works"


class Pairing(NamedTuple):
    """What a pairing means, wherever that matters. (A struct of msgspec would slow down `--help`, which lists the names.)

    Attributes:
        name: As it is stored, published and given on the command line.
        words: What a reader sees; ``{companion}`` stands for the name of the first companion.
        meaning: What the words mean, to somebody who does not know them; empty where they say it.
        preposition: What stands before the words within a sentence.
        until_upload: Whether companions uploaded after the day (UTC) of the release are left out.
        lowest: Whether companions marked `oldest` in matrix.toml are taken at the lowest version that is accepted.
        over: What makes a request, and a slot, of its own for one release; None where a release has one cell. These cells
            are put the map's questions, and no answer of a release is made of them.
        asked_again: Whether a request is resolved again though it is on record. Where it is not, only a new release
            makes a new request.
        expires: How long a record stands while only packages have moved that are neither subject nor companion;
            None where it stands as long as its lock meets what is required.
    """

    name: str
    words: str
    meaning: str = ""
    preposition: str = "with "
    until_upload: bool = False
    lowest: bool = False
    over: Over | None = None
    asked_again: bool = True
    expires: timedelta | None = timedelta()

    def title(self, companion: str) -> str:
        """What a reader sees, with the name of the first companion."""
        return self.words.format(companion=companion)

    def phrase(self, companion: str) -> str:
        """The title as part of a sentence: ``at release``, ``with the latest companion``."""
        return self.preposition + self.title(companion)

    @property
    def packages(self) -> str:
        """The packages that are neither the subject nor a companion in an explicit version, as a reader sees them."""
        return "packages of the release day" if self.until_upload else "latest packages"

    def bound(self, uploaded: datetime | None, as_of: datetime | None) -> datetime | None:
        """The instant (UTC) after which uploads do not count, for a release of which the first file is from `uploaded`."""
        if not self.until_upload or uploaded is None:
            return as_of
        day_after = uploaded.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return min(day_after, as_of) if as_of else day_after


RELEASE_DAY = Pairing(
    name="release-day", words="at release", meaning="beside the packages that there were on the day of the release",
    preposition="", until_upload=True, expires=None,
)  # fmt: skip
NEWEST = Pairing(
    name="newest", words="latest {companion}", meaning="beside the latest packages of today", preposition="with the ",
    expires=timedelta(days=30),
)  # fmt: skip
OLDEST = Pairing(
    name="oldest", words="oldest {companion} accepted", preposition="with the ", lowest=True, asked_again=False
)
GRID = Pairing(name="grid", words="each {companion}", over=Over.COMPANION, asked_again=False)
PYTHON = Pairing(name="python", words="each Python", preposition="on ", over=Over.PYTHON, asked_again=False)

RULES = (RELEASE_DAY, NEWEST, OLDEST, GRID, PYTHON)
"""What `--pairing` and matrix.toml can name."""

COMMIT_DAY = Pairing(name="commit-day", words="on the day of the commit", preposition="", until_upload=True)
"""What release-day is to a release, for a commit."""

NIGHTLY = Pairing(name="nightly", words="nightly {companion}", preposition="with the ")
"""With the nightly builds of the companions that have some."""

BISECT = Pairing(name="bisect", words="in a bisection", preposition="")
"""A pair that a bisection over a companion requested, where that companion is not the grid's."""

BY_NAME = {pairing.name: pairing for pairing in (*RULES, COMMIT_DAY, NIGHTLY, BISECT)}

NAMES = tuple(pairing.name for pairing in RULES)


def named(name: str) -> Pairing:
    """The pairing of a name; for one that this version does not know, a pairing of which nothing is known but its name."""
    return BY_NAME.get(name) or Pairing(name=name, words=name.replace("{", "{{").replace("}", "}}"))


def slot(
    platform: str,
    subject: str,
    pairing: str,
    python: str,
    version: str,
    source: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """What one record stands for at a time: platform, subject and pairing, and what the pairing is over.

    Args:
        python: X.Y of the cell.
        version: That of the map's companion in the cell.
        source: Of what is not released, the name by which it was asked for.
    """
    over = named(pairing).over
    if over is None:
        return (platform, subject, pairing, *source)
    return (platform, subject, pairing, version if over is Over.COMPANION else python)
