"""What a page says of cells: each error once, with all that raise it; neighboring pairs that come to the same in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.errors import Explanation
from compatmatrix.analysis.grid import Grid, Pair
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.core.text import grouped, span
from compatmatrix.publish import labels


class Column(NamedTuple):
    """A cell on a page: its title, and the names that its answers have in addresses, as ``name.probe``."""

    title: str
    cell: CellView
    names: Sequence[str]


class Raised(NamedTuple):
    """One probe that raised an error in one cell."""

    probe: Probe
    title: str
    outcome: Outcome


class PageError(msgspec.Struct, frozen=True, kw_only=True):
    """An error in some of a page's cells, as it was raised first, and by which probes in which cells."""

    error: Explanation
    text: str
    raised: tuple[Raised, ...]

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Each probe once."""
        return tuple({one.probe.id: one.probe for one in self.raised}.values())

    @property
    def places(self) -> tuple[str, ...]:
        """The innermost frames in the subject or a companion."""
        return tuple(dict.fromkeys(one.outcome.where for one in self.raised if one.outcome.where))

    @property
    def traces(self) -> Mapping[str, Sequence[Raised]]:
        """Name of a stored traceback, empty where none is, -> whose it is."""
        return grouped((one.outcome.evidence or "", one) for one in self.raised)

    @property
    def notes(self) -> tuple[str, ...]:
        """Why it does not count as a no, where a control failed."""
        return tuple(dict.fromkeys(one.outcome.note for one in self.raised if one.outcome.note))


class PairRow(NamedTuple):
    """Pairs of a release with neighboring versions of the companion that come to the same; one of them for all."""

    versions: Sequence[str]
    span: str
    pair: Pair


def of_release(view: View, version: str) -> list[Column]:
    """The cells of a release, each once, with the pairings that mean it."""
    cells = {cell.id: cell for cell in recommend.cells_of(view, version).values()}
    names = {name: [one for one in view.pairings if one in cell.pairings] for name, cell in cells.items()}
    return [Column(labels.upper(labels.phrases(view, names[name])), cell, names[name]) for name, cell in cells.items()]


def of_sources(view: View) -> list[Column]:
    """The cells of what is not released."""
    return [
        Column(f"{labels.source_words(cell)}, {labels.phrases(view, cell.pairings)}", cell, [f"c-{cell.id}"])
        for cell in view.sources
    ]


def page_errors(
    probes: Sequence[Probe], columns: Sequence[Column], known: Mapping[str, Explanation]
) -> Mapping[str, PageError]:
    """Every error in some cells by its signature, in the order of the probes."""
    raised = grouped(
        (found.signature or "", Raised(probe, column.title, found))
        for probe in probes
        for column in columns
        if (found := column.cell.outcome(probe.id)).signature in known
    )
    return {
        signature: PageError(error=known[signature], text=_text(ones[0].outcome), raised=tuple(ones))
        for signature, ones in raised.items()
    }


def pair_rows(grid: Grid, version: str, probes: Sequence[Probe]) -> list[PairRow]:
    """The pairs of a release, newest companion first, neighbors that come to the same drawn together.

    Args:
        grid: the map.
        version: of the subject.
        probes: whose answers are shown of each pair.
    """

    def same(pair: Pair) -> object:
        answers = [labels.outcome_words(pair.cell, probe.id) for probe in probes]
        return pair.kind, pair.cell.python, labels.pair_words(grid, pair), answers

    found = []
    for _, group in groupby(list(grid.rows[version].values())[::-1], key=same):
        pairs = list(group)
        companions = [pair.companion for pair in pairs]
        found.append(PairRow(companions, span(companions[::-1]), pairs[0]))
    return found


def _text(outcome: Outcome) -> str:
    return f"{outcome.exception}: {outcome.message or ''}".rstrip(": ")
