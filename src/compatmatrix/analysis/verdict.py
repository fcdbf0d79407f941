"""View -> the answer to one probe on one release: yes, no, it depends, or not known, with the reasons. Pure.

The sentence, the color and the badge are made from this value. What counts as a yes is decided in `cells`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from compatmatrix.analysis.cells import NOT_RUN, CellView, unbroken
from compatmatrix.analysis.support import View
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import OutcomeState


class Value(str, Enum):
    """The answer."""

    YES = "yes"
    NO = "no"
    DEPENDS = "depends"
    UNKNOWN = "unknown"

    @property
    def yes(self) -> bool | None:
        """Whether all that say something say yes; None where nothing does."""
        return None if self is Value.UNKNOWN else self is Value.YES


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What one cell answers: with which pairing, and the outcome as far as it counts. ``cell`` is None if there is none."""

    pairing: str
    outcome: Outcome
    cell: CellView | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``probe`` on ``release``, None where there is no stable release.

    ``since`` is set where the answer is yes: the first of the stable releases without interruption up to this one in
    which some pairing says yes and none says otherwise; ``at_latest`` that an earlier release may be it. ``preview`` says
    where it is supported that is not released yet, if the answer is no.
    """

    probe: str
    value: Value
    release: str | None
    reasons: tuple[Reason, ...] = ()
    since: str | None = None
    at_latest: bool = False
    preview: Preview | None = None

    @property
    def known(self) -> tuple[Reason, ...]:
        """The reasons that say something."""
        return tuple(reason for reason in self.reasons if reason.outcome.state.known)

    @property
    def unknown(self) -> tuple[Reason, ...]:
        """Those that say nothing."""
        return tuple(reason for reason in self.reasons if not reason.outcome.state.known)

    @property
    def states(self) -> tuple[OutcomeState, ...]:
        """The distinct states of those that say something, in their order."""
        return tuple(dict.fromkeys(reason.outcome.state for reason in self.known))

    @property
    def state(self) -> OutcomeState:
        """The outcome whose sign and color the answer has: of several that say no, the most dangerous."""
        if self.value is Value.UNKNOWN:
            return OutcomeState.NOT_RUN
        if self.value is Value.DEPENDS:
            return OutcomeState.INCONCLUSIVE
        dangerous = (OutcomeState.NO_EFFECT, OutcomeState.RAISES)
        return next((state for state in dangerous if state in self.states), self.states[0])


def verdict(view: View, probe: str, version: str | None = None) -> Verdict:
    """The answer of all pairings together, on a release or, without one, on the latest."""
    version = version or (view.latest.version if view.latest else None)
    if version is None or probe not in view.support:
        return Verdict(probe=probe, value=Value.UNKNOWN, release=version)
    found = of_cells(probe, version, [(pairing, view.cell(pairing, version)) for pairing in view.pairings])
    if found.value is Value.YES:
        rows = [release.version for release in view.releases if release.stable or release.version == version]
        upto = rows[: rows.index(version) + 1]
        start, at_latest = unbroken([together(view, probe, row).yes for row in upto])
        return msgspec.structs.replace(found, since=upto[start or 0], at_latest=at_latest)
    if found.value is Value.NO and view.latest and version == view.latest.version:
        ahead = (support.preview for support in view.support[probe].values())
        return msgspec.structs.replace(found, preview=next((preview for preview in ahead if preview), None))
    return found


def together(view: View, probe: str, version: str) -> Value:
    """What the pairings say together of a release: the rule of verdicts, of badges and of `bounds`.

    The view's platform only, and no pairs of the grid: these have companions that no rule picks for the release.
    """
    return _value(view.counted(probe, pairing, version) for pairing in view.pairings)


def of_cells(probe: str, version: str, cells: Iterable[tuple[str, CellView | None]]) -> Verdict:
    """The answer of some cells of one release, each with the name of its pairing."""
    reasons = tuple(
        Reason(pairing=pairing, outcome=cell.counted(probe) if cell else NOT_RUN, cell=cell) for pairing, cell in cells
    )
    return Verdict(probe=probe, value=_value(reason.outcome for reason in reasons), release=version, reasons=reasons)


def _value(outcomes: Iterable[Outcome]) -> Value:
    answers = {outcome.state.yes for outcome in outcomes} - {None}
    if not answers:
        return Value.UNKNOWN
    return Value.DEPENDS if len(answers) == 2 else Value.YES if True in answers else Value.NO
