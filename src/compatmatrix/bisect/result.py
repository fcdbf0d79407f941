"""What a bisection found, as it is written to `reports/bisections/<id>.json`, and its log for `git bisect replay`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from compatmatrix.bisect.search import SKIP, Step, Verdict
from compatmatrix.core.encoding import canonical, digest
from compatmatrix.core.model import Outcome

SCHEMA = 1
"""Version of the file; raised when a reader of the old one would misread."""

FOLDER = "bisections"
"""Below the reports."""

HALVE, FIRST, ALL = "halve", "first", "all"
"""How it was searched: by halving, one after the other up to the first change, or through the whole range."""


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Question(_Frozen, frozen=True, kw_only=True):
    """What a bisection is about.

    Attributes:
        digest: the probe's.
        good, bad: the ends: commits, or releases of the companion.
        origin: the address of the repository, empty for one on a machine.
        subject: the release beside which a companion is searched.
    """

    probe: str
    digest: str
    good: str
    bad: str
    method: str = HALVE
    origin: str = ""
    subject: str = ""
    companion: str = ""

    @property
    def id(self) -> str:
        """Names its files: those of another method, another repository or another form of the probe are others."""
        beside = f"{self.subject}-{self.companion}-" if self.companion else ""
        return f"{beside}{self.probe}-{self.good[:12]}-{self.bad[:12]}-{digest(self)[:8]}"


class Item(_Frozen, frozen=True, kw_only=True):
    """A commit, or a release of a companion.

    Attributes:
        id: the commit, or the version.
        date: when the commit was written, or the release uploaded.
        pull_request: the number of the pull request that brought it, ``link`` its address, else the commit's.
        merged: of a merge, the commits that it brought: each with its subject line.
    """

    id: str
    date: str = ""
    title: str = ""
    author: str = ""
    pull_request: int | None = None
    link: str = ""
    merged: tuple[str, ...] = ()


class Judged(_Frozen, frozen=True, kw_only=True):
    """An item, its verdict, and the cell that it comes from; ``evidence`` is the traceback."""

    item: Item
    verdict: Verdict
    cell: str = ""
    python: str = ""
    versions: Mapping[str, str] = {}
    outcome: Outcome | None = None
    evidence: str = ""


class Found(_Frozen, frozen=True, kw_only=True):
    """A change: the last item before it, the first after it, those between that cannot be judged, and the merge that brought it."""

    before: Judged
    after: Judged
    between: tuple[Judged, ...] = ()
    merge: Item | None = None


class Bisection(_Frozen, frozen=True, kw_only=True):
    """A bisection: its ends as they were resolved, the changes, or why there is none.

    ``answers`` are of all items that were judged, or are on record, from the good end to the bad one; those that a merge
    brought follow.
    """

    schema: int = SCHEMA
    id: str
    question: Question
    ends: tuple[Item, Item]
    changes: tuple[Found, ...] = ()
    why: str = ""
    answers: tuple[Step, ...] = ()

    @property
    def further(self) -> int:
        """How many more changes the answers show."""
        kinds = [step.verdict.kind for step in self.answers if step.side != SKIP]
        return max(0, sum(one != other for one, other in pairwise(kinds)) - len(self.changes))

    def files(self, steps: Sequence[Step]) -> dict[str, bytes]:
        """The files below the reports. The log has the steps in their order, which records on file make another."""
        files = {f"{FOLDER}/{self.id}.json": canonical(self) + b"\n"}
        # Neither releases nor a range in which the answer changes back and forth are anything that git could replay.
        if not self.question.companion and self.question.method != ALL:
            files[f"{FOLDER}/{self.id}.log"] = self._log(steps).encode()
        return files

    def _log(self, steps: Sequence[Step]) -> str:
        lines = ["# bisect: " + canonical(self.question).decode(), "git bisect start '--first-parent'"]
        for step in steps:
            lines += ["# judged: " + canonical(step).decode(), f"git bisect {step.side} {step.item}"]
        return "".join(f"{line}\n" for line in lines)
