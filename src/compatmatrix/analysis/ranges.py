"""The largest ranges of two packages' versions in which every pair is good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

Versions = tuple[str, str]
"""A pair: the subject's version and the companion's."""


def widest(
    rows: Sequence[str], columns: Sequence[str], good: Collection[Versions], ruled_out: Collection[Versions]
) -> tuple[Sequence[str], Sequence[str]] | None:
    """The versions next to each other, of both packages, that make the most good pairs and no other.

    They include the newest row that is good with anything: what a resolver takes first. A pair that the releases' own
    requirements rule out does no harm, for no resolver takes it; but each row has a good pair.

    Args:
        rows: the subject's versions, in order.
        columns: the companion's, in order.
        good: the pairs that are known good.
        ruled_out: the pairs that no resolver takes.
    """
    best: tuple[tuple[int, int], Sequence[str], Sequence[str]] = ((0, 0), (), ())
    last = next(
        (place for place in range(len(rows) - 1, -1, -1) if any((rows[place], one) in good for one in columns)), -1
    )
    for first in range(last, -1, -1):
        taken = rows[first : last + 1]
        harmless = [all((row, one) in good or (row, one) in ruled_out for row in taken) for one in columns]
        for fine, run in groupby(zip(columns, harmless, strict=True), key=lambda part: part[1]):
            between = [column for column, _ in run]
            useful = [any((row, one) in good for row in taken) for one in between]
            if not fine or not any(useful):
                continue
            between = between[useful.index(True) : len(useful) - useful[::-1].index(True)]
            counts = [sum((row, one) in good for one in between) for row in taken]
            rank = (sum(counts), columns.index(between[-1]))  # of as many pairs, those with the newest columns
            if all(counts) and rank > best[0]:
                best = (rank, taken, between)
    return best[1:] if best[1] else None


def specifier(chosen: Sequence[str], every: Sequence[str]) -> str:
    """The specifier of versions that follow each other; no further than the last, which may be the newest that is known.

    Args:
        chosen: the versions, in order.
        every: all that are known, in order.
    """
    if len(chosen) == 1:
        return f"=={chosen[0]}"
    after = next(iter(every[every.index(chosen[-1]) + 1 :]), None)
    return f">={chosen[0]}," + (f"<{after}" if after else f"<={chosen[-1]}")
