"""An ordered sequence and a judge -> where the answer changes. Pure: it knows neither commits nor cells.

Halving and scanning share the judge and the result. What cannot be judged is skipped as `git bisect skip` does, and
where nothing but such items is left between the two sides, the answer is a range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

Kind = tuple[str, str | None]
"""What makes two answers the same: a state and, where something was raised, its signature."""

GOOD, BAD, SKIP = "good", "bad", "skip"


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a judge says of one item; no ``kind``: it cannot be judged, and ``why``.

    ``broken``: it did not get as far as the question (an import that fails, a crash). That is an answer where one of
    the two ends is so, and otherwise a reason to skip.
    """

    kind: Kind | None = None
    why: str = ""
    broken: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One item that was judged, and the side that it was put on."""

    item: str
    verdict: Verdict
    side: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The last item known to answer like the good end, the first known not to, and what lies undecided between."""

    good: str
    bad: str
    between: tuple[str, ...] = ()


class Undecided(Exception):
    """There is no change to be found: an end cannot be judged, or both answer alike."""


Judge = Callable[[str], Verdict]
Told = Callable[[Step], None]


def halve(items: Sequence[str], judge: Judge, told: Told = lambda step: None) -> Found:
    """Find a neighbouring pair of which one answers like the first item and the other does not.

    Where the answer changes once, that is the change; where it changes several times, it is one of them. Judges both
    ends and then about log2 of what is between.

    Raises:
        Undecided: an end cannot be judged, or both answer alike.
    """
    court = _Court(judge, told)
    court.open(items[0])
    court.close(items[-1])
    low, high, skipped, tries = 0, len(items) - 1, set[int](), 0
    while candidates := [number for number in range(low + 1, high) if number not in skipped]:
        chosen = candidates[int(len(candidates) * _fraction(tries))]
        side = court.side(items[chosen])
        if side == GOOD:
            low, tries = chosen, 0
        elif side == BAD:
            high, tries = chosen, 0
        else:
            skipped.add(chosen)
            tries += 1
    return Found(good=items[low], bad=items[high], between=tuple(items[low + 1 : high]))


def scan(items: Sequence[str], judge: Judge, told: Told = lambda step: None) -> Found:
    """Find the first change by judging one item after the other: also one that was taken back before the last item.

    Raises:
        Undecided: the first item cannot be judged, or no other answers differently.
    """
    court = _Court(judge, told)
    court.open(items[0])
    low = 0
    for number in range(1, len(items)):
        side = court.side(items[number])
        if side == BAD:
            return Found(good=items[low], bad=items[number], between=tuple(items[low + 1 : number]))
        if side == GOOD:
            low = number
    raise Undecided("every commit or release that can be judged answers like the first")


class _Court:
    """Puts verdicts on sides: what the good end answered, and whether what is broken counts."""

    def __init__(self, judge: Judge, told: Told) -> None:
        self._judge, self._told = judge, told
        self._good, self._broken_counts = Verdict(), False

    def open(self, item: str) -> None:
        self._good = self._end(item, GOOD)

    def close(self, item: str) -> None:
        bad = self._end(item, BAD)
        if bad.kind == self._good.kind:
            raise Undecided("both ends answer alike; name others, or look at each in turn with --linear")

    def side(self, item: str) -> str:
        verdict = self._judge(item)
        if verdict.kind is None or (verdict.broken and not self._broken_counts):
            side = SKIP
        else:
            side = GOOD if verdict.kind == self._good.kind else BAD
        self._told(Step(item=item, verdict=verdict, side=side))
        return side

    def _end(self, item: str, side: str) -> Verdict:
        verdict = self._judge(item)
        self._told(Step(item=item, verdict=verdict, side=side if verdict.kind else SKIP))
        if verdict.kind is None:
            raise Undecided(f"the {side} end, {item[:12]}, cannot be judged: {verdict.why}")
        self._broken_counts |= verdict.broken
        return verdict


def _fraction(tries: int) -> float:
    """1/2, 1/4, 3/4, 1/8, 5/8 …: after each skip further away, out of a stretch that is broken as a whole."""
    found, unit, number = 0.0, 0.5, tries + 1
    while number:
        found += unit * (number & 1)
        number >>= 1
        unit /= 2
    return found
