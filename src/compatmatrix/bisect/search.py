"""Finds where the answer changes in an ordered sequence, by halving it or by scanning; knows neither commits nor cells.

What cannot be judged is skipped as `git bisect skip` does; where only such items are left between the two sides, the
result is a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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

    @property
    def text(self) -> str:
        """The answer in a line."""
        if self.kind is None:
            return f"cannot be judged: {self.why}"
        return " ".join(part for part in self.kind if part)


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
Ahead = Callable[[Sequence[str]], None]
"""Told which items may be judged next, the likelier first, while one is judged."""


def halve(
    items: Sequence[str],
    judge: Judge,
    on_step: OnStep = lambda step: None,
    recorded: Callable[[str], bool] = lambda item: False,
    ahead: Ahead = lambda items: None,
) -> Change:
    """Find two neighbors of which one answers like the first item and the other does not.

    Where the answer changes several times, it is one of the changes: the first that is on record, and of several in a
    stretch without records any. Judges both ends and about log2 of what is between.

    Args:
        items: in order, from the good end to the bad end.
        on_step: called after each verdict.
        recorded: whether an item is on record, so that to judge it costs nothing.
        ahead: called before each verdict, for what can be prepared meanwhile.

    Raises:
        Undecided: an end cannot be judged, or both answer alike and no record between them differs.
    """
    low, high, skipped, tries = 0, len(items) - 1, set[int](), 0

    def middle(low: int, high: int) -> int | None:
        candidates = [number for number in range(low + 1, high) if number not in skipped]
        return candidates[int(len(candidates) * _fraction(tries))] if candidates else None

    def prepare(*numbers: int | None) -> None:
        ahead([items[number] for number in numbers if number is not None])

    prepare(high, middle(low, high))
    sides = _Sides(items, judge, on_step)
    for number in filter(lambda number: recorded(items[number]), range(1, high)):
        side = sides.step(items[number]).side
        if side == BAD:
            high = number
            break
        low = number if side == GOOD else low
    if sides.step(items[high]).verdict.kind == sides.good.kind:
        raise Undecided("both ends answer alike; name others, or judge every item with --all")
    while (chosen := middle(low, high)) is not None:
        prepare(middle(chosen, high), middle(low, chosen))
        side = sides.step(items[chosen]).side
        if side == SKIP:
            skipped.add(chosen)
            tries += 1
        else:
            low, high, tries = (chosen, high, 0) if side == GOOD else (low, chosen, 0)
    return Change(good=items[low], bad=items[high], between=tuple(items[low + 1 : high]))


def scan(
    items: Sequence[str],
    judge: Judge,
    on_step: OnStep = lambda step: None,
    ahead: Ahead = lambda items: None,
) -> Iterator[Change]:
    """Find every change, also one that is taken back before the last item: judges both ends, then one after the other.

    Raises:
        Undecided: an end cannot be judged, or no item answers otherwise than the first.
    """
    ahead([items[-1], *items[1:2]])
    sides = _Sides(items, judge, on_step)
    low, before, found = 0, sides.good, False
    for number in range(1, len(items)):
        ahead(items[number + 1 : number + 3])
        step = sides.step(items[number])
        if step.side == SKIP:
            continue
        if step.verdict.kind != before.kind:
            found = True
            yield Change(good=items[low], bad=items[number], between=tuple(items[low + 1 : number]))
        low, before = number, step.verdict
    if not found:
        raise Undecided("every commit or release that can be judged answers like the first")


class _Sides:
    """Assigns items to sides: like the good end, not like it, or skipped. Judges each once, and both ends first."""

    def __init__(self, items: Sequence[str], judge: Judge, on_step: OnStep) -> None:
        self._judge, self._on_step = judge, on_step
        self._steps: dict[str, Step] = {}
        self.good, bad = self._end(items[0], GOOD), self._end(items[-1], BAD)
        self._broken_counts = self.good.broken or bad.broken

    def _end(self, item: str, side: str) -> Verdict:
        verdict = self._judge(item)
        self._add(Step(item=item, verdict=verdict, side=side if verdict.kind else SKIP))
        if verdict.kind is None:
            raise Undecided(f"the {side} end, {item[:12]}, cannot be judged: {verdict.why}")
        return verdict

    def _add(self, step: Step) -> Step:
        self._steps[step.item] = step
        self._on_step(step)
        return step

    def step(self, item: str) -> Step:
        """The judgment of an item. A broken one counts if one of the ends is broken."""
        if known := self._steps.get(item):
            return known
        verdict = self._judge(item)
        if verdict.kind is None or (verdict.broken and not self._broken_counts):
            side = SKIP
        else:
            side = GOOD if verdict.kind == self.good.kind else BAD
        return self._add(Step(item=item, verdict=verdict, side=side))


def _fraction(tries: int) -> float:
    """1/2, 1/4, 3/4, 1/8, 5/8 …: the van der Corput sequence, which leaves a broken stretch in ever longer steps."""
    fraction, unit, number = 0.0, 0.5, tries + 1
    while number:
        fraction += unit * (number & 1)
        number >>= 1
        unit /= 2
    return fraction
