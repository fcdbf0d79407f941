"""Runs of consecutive releases with one answer, as the timeline, the pages of probes and Markdown show them."""

from __future__ import annotations

from itertools import groupby

import msgspec

from compatmatrix.analysis import cells
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.states import TABLE, CellState, OutcomeState
from compatmatrix.core.text import span


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive releases in which a probe comes out the same.

    Attributes:
        start: Index of the first release.
        kind: The outcome; for cells that did not run, their state.
        reason: The signature, or what the cells said.
    """

    start: int
    count: int
    first: str
    last: str
    kind: str
    reason: str = ""

    @property
    def sign(self) -> str:
        return TABLE[self.kind].sign

    @property
    def exception(self) -> str:
        """Its name, where the probe raises."""
        return sanitize.line(self.reason.partition(":")[0], 40) if self.kind == OutcomeState.RAISES else ""

    @property
    def message(self) -> str:
        """The reason without that name."""
        return self.reason.partition(": ")[2] if self.exception else self.reason

    @property
    def word(self) -> str:
        """What the kind is called."""
        return TABLE[self.kind].label

    @property
    def label(self) -> str:
        """A word or two: ``supported``, ``raises KeyError``."""
        return f"{self.word} {self.exception}".strip()

    @property
    def known(self) -> bool:
        """Whether something was there to say yes or no: the API exists, and the probe ran."""
        return self.kind in {state for state in OutcomeState if state.known} - {OutcomeState.ABSENT}

    @property
    def examined(self) -> bool:
        """Whether the probe ran, so that there is something to be seen of it."""
        return self.kind in {*OutcomeState} - {OutcomeState.NOT_RUN}

    @property
    def span(self) -> str:
        return span([self.first, self.last])

    @property
    def sentence(self) -> str:
        """``0.9.0 to 0.10.2: raises, KeyError: …``."""
        return f"{self.span}: {self.kind}" + (f", {self.reason}" if self.reason else "")


def runs(view: View, probe: str, pairing: str) -> tuple[Run, ...]:
    """One probe under one pairing over all releases, oldest first."""
    answers = [_answer(view, probe, pairing, release.version) for release in view.releases]
    found = []
    for (kind, reason), group in groupby(enumerate(answers), key=lambda pair: pair[1]):
        members = [number for number, _ in group]
        first, last = (view.releases[number].version for number in (members[0], members[-1]))
        found.append(Run(start=members[0], count=len(members), first=first, last=last, kind=kind, reason=reason))
    return tuple(found)


def _answer(view: View, probe: str, pairing: str, version: str) -> tuple[str, str]:
    cell = view.cell(pairing, version)
    if cell is None:
        return OutcomeState.NOT_RUN.value, ""
    ran = cell.state is CellState.RAN
    reason = (cells.kind(cell.outcome(probe))[1] or "") if ran else sanitize.line(cell.detail, sanitize.SIGNATURE)
    return cell.shown(probe).value, reason
