"""Finds where the answer changes in an ordered sequence, by halving it or by scanning; knows neither commits nor cells.

What cannot be judged is skipped as `git bisect skip` does; where only such items are left between the two sides, the
result is a range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

Kind = tuple[str, str | None]
"""What makes two answers the same: the state and, where something was raised, its signature."""

GOOD, BAD, SKIP = "good", "bad", "skip"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of one item; without a ``kind`` it cannot be judged, and ``why`` is the reason.

    ``broken``: the probe did not run (an import that fails, a crash). That is an answer where one of the two ends is
    broken, and otherwise a reason to skip.
    """

    kind: Kind | None = None
    why: str = ""
    broken: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One item that was judged, and the side that it is on."""

    item: str
    verdict: Verdict
    side: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The last item that answers like the good end, the first that does not, and the unjudged ones between them."""

    good: str
    bad: str
    between: tuple[str, ...] = ()


class Undecided(Exception):
    """No change can be found: an end cannot be judged, or both ends answer alike."""


Judge = Callable[[str], Verdict]
OnStep = Callable[[Step], None]


def halve(items: Sequence[str], judge: Judge, on_step: OnStep = lambda step: None) -> Change:
    """Find two neighbors of which one answers like the first item and the other does not.

    Where the answer changes several times, it is one of the changes. Judges both ends and about log2 of what is between.

    Args:
        items: in order, from the good end to the bad end.
        on_step: called after each verdict.

    Raises:
        Undecided: an end cannot be judged, or both answer alike.
    """
    sides = _Sides(judge, on_step)
    good = sides.open(items[0])
    if sides.open(items[-1], BAD).kind == good.kind:
        raise Undecided("both ends answer alike; name others, or judge one after the other with --linear")
    low, high, skipped, tries = 0, len(items) - 1, set[int](), 0
    while candidates := [number for number in range(low + 1, high) if number not in skipped]:
        chosen = candidates[int(len(candidates) * _fraction(tries))]
        side = sides.of(items[chosen])
        if side == SKIP:
            skipped.add(chosen)
            tries += 1
        else:
            low, high, tries = (chosen, high, 0) if side == GOOD else (low, chosen, 0)
    return Change(good=items[low], bad=items[high], between=tuple(items[low + 1 : high]))


def scan(items: Sequence[str], judge: Judge, on_step: OnStep = lambda step: None) -> Change:
    """Find the first change by judging one item after the other, also one that was taken back before the last item.

    Raises:
        Undecided: the first item cannot be judged, or no other answers differently.
    """
    sides = _Sides(judge, on_step)
    sides.open(items[0])
    low = 0
    for number in range(1, len(items)):
        side = sides.of(items[number])
        if side == BAD:
            return Change(good=items[low], bad=items[number], between=tuple(items[low + 1 : number]))
        if side == GOOD:
            low = number
    raise Undecided("every commit or release that can be judged answers like the first")


class _Sides:
    """Assigns items to sides: like the good end, not like it, or skipped."""

    def __init__(self, judge: Judge, on_step: OnStep) -> None:
        self._judge, self._on_step = judge, on_step
        self._good, self._broken_counts = Verdict(), False

    def open(self, item: str, side: str = GOOD) -> Verdict:
        """Judge an end; from then on, a broken item counts if this one is broken."""
        verdict = self._judge(item)
        self._on_step(Step(item=item, verdict=verdict, side=side if verdict.kind else SKIP))
        if verdict.kind is None:
            raise Undecided(f"the {side} end, {item[:12]}, cannot be judged: {verdict.why}")
        self._broken_counts |= verdict.broken
        if side == GOOD:
            self._good = verdict
        return verdict

    def of(self, item: str) -> str:
        """Judge an item between the ends."""
        verdict = self._judge(item)
        if verdict.kind is None or (verdict.broken and not self._broken_counts):
            side = SKIP
        else:
            side = GOOD if verdict.kind == self._good.kind else BAD
        self._on_step(Step(item=item, verdict=verdict, side=side))
        return side


def _fraction(tries: int) -> float:
    """1/2, 1/4, 3/4, 1/8, 5/8 …: the van der Corput sequence, which leaves a broken stretch in ever longer steps."""
    fraction, unit, number = 0.0, 0.5, tries + 1
    while number:
        fraction += unit * (number & 1)
        number >>= 1
        unit /= 2
    return fraction
