"""The map of pairs in characters: a sign for each pair, for a terminal and for Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from compatmatrix.analysis.grid import Grid, Kind
from compatmatrix.core.text import alike

SIGNS: Mapping[Kind | None, str] = {None: "·", **{kind: kind.sign for kind in Kind}}
"""The sign of each kind; None stands for a pair that was not examined."""

ASCII: Mapping[Kind | None, str] = dict(zip((None, *Kind), " Y+~-x?!TCI.o", strict=True))
"""The same for text whose font may lack other characters, or draw them wider."""

GAP = 2
"""Spaces between the releases and the map."""


def blocks(pairs: Grid, width: int = sys.maxsize, signs: Mapping[Kind | None, str] = SIGNS) -> Iterator[list[str]]:
    """The lines of the map, newest first in both directions, in blocks of columns that fit a width.

    What follows the name of a family of columns is read downwards.
    """
    rows = dict(alike([*pairs.rows], lambda version: _kinds(pairs, version)))
    margin = max(map(len, [pairs.companion, *rows])) + GAP
    columns = list(reversed(pairs.columns))
    while columns:
        fits = (count for count in range(len(columns), 1, -1) if margin + len(_line(columns[:count], {})) <= width)
        block = columns[: next(fits, 1)]
        del columns[: len(block)]
        rest = {column: column.removeprefix(_family(column)) for column in block}
        lines = [pairs.companion.ljust(margin) + "".join(name.ljust(size) for name, size, _ in _families(block))]
        for place in range(max(map(len, rest.values()))):
            lines.append(
                " " * margin + _line(block, {column: text[place : place + 1] for column, text in rest.items()})
            )
        for releases, row in rows.items():
            lines.append(releases.ljust(margin) + _line(block, {column: signs[kind] for column, kind in row.items()}))
        yield [line.rstrip() for line in lines]


def legend(pairs: Grid, signs: Mapping[Kind | None, str] = SIGNS) -> Iterator[tuple[str, str, str]]:
    """What the map has: sign, word and meaning."""
    kinds = {kind for version in pairs.rows for kind in _kinds(pairs, version).values()}
    yield from ((signs[kind], kind.word, kind.meaning) for kind in Kind if kind in kinds)
    if None in kinds:
        yield signs[None], "not examined", ""


def _kinds(pairs: Grid, version: str) -> dict[str, Kind | None]:
    """The kind of each pair of a release, by column."""
    row = pairs.rows[version]
    return {column: row[column].kind if column in row else None for column in pairs.columns}


def _family(version: str) -> str:
    """``0.4.`` of 0.4.30, ``1.`` of 1.2: what columns beside each other share."""
    return "".join(f"{part}." for part in version.split(".")[: min(2, version.count("."))])


def _families(columns: Iterable[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Each family with its width and its columns."""
    for name, group in groupby(columns, key=_family):
        members = list(group)
        yield name, max(2 * len(members), len(name) + 1), members


def _line(columns: Sequence[str], characters: Mapping[str, str]) -> str:
    """A character for each column."""
    parts = (
        ("".join(characters.get(column, "").ljust(2) for column in members), size)
        for _, size, members in _families(columns)
    )
    return "".join(text.ljust(size) for text, size in parts)
