"""What is known of the pairs that ranges of two packages' versions admit, and the largest in which every pair is good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby

from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.grid import Grid
from compatmatrix.analysis.standing import RangeStatus, Standing, Versions
from compatmatrix.core.text import grouped

InBrief = tuple[Standing | None, str, bool]
"""What is known of a pair, None where the releases' own requirements rule it out; why; whether in this environment."""


def status(
    specifiers: Mapping[str, str], found: Mapping[Versions, InBrief], pairs: Grid, refused: tuple[str, ...] = ()
) -> RangeStatus:
    """What is known of the pairs that two specifiers admit, and which ranges admit good ones alone.

    Args:
        specifiers: those of the subject and of the companion, by package.
        found: what is known of each pair that they admit, in the order of the versions.
        pairs: the map of all pairs.
        refused: which admitted releases need another Python, in words.
    """
    good, broken, unknown, ruled_out = (
        tuple(pair for pair, (standing, _, _) in found.items() if standing is wanted)
        for wanted in (Standing.GOOD, Standing.BROKEN, Standing.UNKNOWN, None)
    )
    elsewhere = tuple(pair for pair in (*good, *broken) if not found[pair][2])
    standing = Standing.UNKNOWN if unknown or not good else Standing.GOOD
    if elsewhere:
        standing = Standing.ELSEWHERE
    if set(broken) - set(elsewhere):
        standing = Standing.BROKEN
    # No range is proposed that has releases in it which were never examined.
    fine = set(good) - set(elsewhere) if pairs.complete else set()
    rows, columns = (list(dict.fromkeys(pair[place] for pair in found)) for place in (0, 1))
    best = widest(rows, columns, fine, set(ruled_out)) or ()
    every = dict(zip(specifiers, (tuple(pairs.rows), pairs.columns), strict=True))
    return RangeStatus(
        specifiers=specifiers,
        standing=standing,
        good=good,
        broken=broken,
        unknown=unknown,
        elsewhere=elsewhere,
        reasons={why: tuple(pairs) for why, pairs in grouped((found[pair][1], pair) for pair in broken).items()},
        bounds={name: specifier(chosen, every[name]) for name, chosen in zip(every, best, strict=bool(best))},
        newest={name: versions[-1] for name, versions in every.items() if versions},
        refused=refused,
    )


def admits(specifier: str, version: str, stable: Iterable[str]) -> bool:
    """Whether an installer may take a version; a yanked one or a pre-release only where it is named."""
    return SpecifierSet(specifier).contains(version, prereleases=True) and (
        version in stable or f"=={version}" in specifier
    )


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
