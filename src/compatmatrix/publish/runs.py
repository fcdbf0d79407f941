"""Runs of releases with one answer, as the pictures and the pages of single questions draw them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import msgspec

from compatmatrix.analysis.cells import NOT_RUN
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.states import TABLE, CellState, OutcomeState

SHADES = 5
"""How many colors tell signatures apart; after that they begin again, never with a neighbour's."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive releases in which a probe comes out the same.

    ``kind`` is an outcome's or a cell state's spelling, ``shade`` tells signatures apart where it raises, ``label``
    is a word or two, ``reason`` the signature or what the cells said.
    """

    start: int
    count: int
    first: str
    last: str
    kind: str
    sign: str
    label: str
    reason: str = ""
    shade: int = 0

    @property
    def span(self) -> str:
        return self.first if self.count == 1 else f"{self.first} to {self.last}"

    @property
    def sentence(self) -> str:
        """``0.9.0 to 0.10.2: raises KeyError: …``."""
        return f"{self.span}: {self.kind}" + (f", {self.reason}" if self.reason else "")


def shades(view: View) -> Mapping[str, int]:
    """A number for every signature, in order of first appearance: one signature has one color everywhere."""
    found: dict[str, int] = {}
    for probe in view.probes:
        for pairing in view.pairings:
            for entry in view.support[probe.id][pairing].ranges:
                if entry.signature is not None:
                    found.setdefault(entry.signature, len(found) % SHADES)
    return found


def bands(view: View, probe: str, pairing: str, colors: Mapping[str, int]) -> tuple[Band, ...]:
    """One probe under one pairing over all releases; a cell that did not run shows its state in the answer's place."""
    answers = [_answer(view, probe, pairing, release.version) for release in view.releases]
    made: list[Band] = []
    for (kind, reason), group in groupby(enumerate(answers), key=lambda pair: pair[1]):
        members = [number for number, _ in group]
        shade = colors.get(reason, 0)
        if made and made[-1].kind == kind and made[-1].shade == shade:
            shade = (shade + 1) % SHADES
        made.append(
            Band(
                start=members[0],
                count=len(members),
                first=view.releases[members[0]].version,
                last=view.releases[members[-1]].version,
                kind=kind,
                sign=TABLE[kind].sign,
                label=_label(kind, reason),
                reason=reason,
                shade=shade,
            )
        )
    return tuple(made)


def _answer(view: View, probe: str, pairing: str, version: str) -> tuple[str, str]:
    cell = view.cell(pairing, version)
    if cell is not None and cell.state is not CellState.RAN:
        return cell.state.value, sanitize.line(cell.detail, sanitize.SIGNATURE)
    outcome = cell.credible(probe) if cell is not None else NOT_RUN
    return outcome.state.value, (outcome.signature or "") if outcome.state is OutcomeState.RAISES else ""


def _label(kind: str, reason: str) -> str:
    if kind == OutcomeState.RAISES.value:
        return f"raises {sanitize.line(reason.partition(':')[0], 40)}"
    return TABLE[kind].label
