"""Two releases compared, for the page of a release, and for the page that compares any two.

That page only looks up: how any two answers differ is told by `analysis/changes`, for each pair of distinct answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from compatmatrix.analysis.changes import Kind, difference
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.publish import labels
from compatmatrix.publish.render import embedded

TITLES: Mapping[Kind, str] = {
    Kind.LIFTED: "Works now",
    Kind.REGRESSED: "No longer works",
    Kind.STARTS_NO_EFFECT: "Now silently has no effect",
    Kind.STOPS_NO_EFFECT: "Silently had no effect; now fails or is gone",
    Kind.NO_LONGER_KNOWN: "Not known any more",
    Kind.APPEARS_OR_GOES: "The API appears or goes",
    Kind.RAISES_DIFFERENTLY: "Fails with another error",
}
"""What a reader sees of the kinds of a difference, in the order of the page."""


class Row(NamedTuple):
    """A question to which two releases answer otherwise: the kind for each pairing, and the most urgent of them."""

    probe: Probe
    kind: Kind
    kinds: Mapping[str, Kind]

    @property
    def place(self) -> int:
        return list(TITLES).index(self.kind)

    @property
    def title(self) -> str:
        return TITLES[self.kind]


def rows(view: View, before: str, after: str) -> list[Row]:
    """The questions to which two releases answer otherwise, under some pairing; in the order of `TITLES`."""
    order, found = list(TITLES), list[Row]()
    for probe in view.probes:
        kinds = {
            pairing: difference(*(view.counted(probe.id, pairing, version) for version in (before, after)))
            for pairing in view.pairings
        }
        if differing := [one for one in kinds.values() if one.alarming]:
            found.append(Row(probe, min(differing, key=order.index), kinds))
    return sorted(found, key=lambda row: row.place)


def document(view: View) -> str:
    """Everything that the page needs to compare any two releases, as JSON for a script element."""
    numbers: dict[tuple[str, str, str], int] = {}
    counted: list[Outcome] = []
    cells: dict[str, list[list[int]]] = {}
    for pairing in view.pairings:
        cells[pairing] = []
        for release in view.releases:
            cell, row = view.cell(pairing, release.version), []
            for probe in view.probes:
                outcome = view.counted(probe.id, pairing, release.version)
                key = (labels.kind(cell, probe.id), labels.outcome_words(cell, probe.id), labels.reason(cell, probe.id))
                if key not in numbers:
                    numbers[key] = len(numbers)
                    counted.append(outcome)
                row.append(numbers[key])
            cells[pairing].append(row)
    kinds = [*TITLES, Kind.SAME, Kind.UNKNOWN]
    tree = {
        "releases": [release.version for release in view.releases],
        "pairings": {pairing: view.config.pairing_title(pairing) for pairing in view.pairings},
        "probes": {probe.id: probe.title for probe in view.probes},
        "answers": [list(key) for key in numbers],
        "cells": cells,
        "beside": {
            pairing: [_beside(view, pairing, one.version) for one in view.releases] for pairing in view.pairings
        },
        "kinds": [TITLES.get(one, one.value) for one in kinds],
        "alarming": len(TITLES),
        # A digit for each pair of answers: the place in `kinds`.
        "differences": ["".join(str(kinds.index(difference(one, other))) for other in counted) for one in counted],
        "upstream": view.config.publish.comparison,
    }
    return embedded(tree)


def _beside(view: View, pairing: str, version: str) -> str:
    cell = view.cell(pairing, version)
    return labels.companions_words(view, cell) if cell else "not examined"
