"""The timeline: releases from left to right, a lane for each group of probes, a bar for every run of one answer.

The same picture stands in the page (styled by the page) and in a file of its own, which follows the reader's light or
dark setting and paints its own ground, so that it is legible wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jinja2 import Environment

from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.model import Probe
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish.labels import Sentence
from compatmatrix.publish.runs import Band, bands, shades

WIDTH = 830
"""The width of a README on GitHub: type sizes below are true there."""

LEFT, RIGHT = 248, 8
HEAD, AXIS, LANE, ROW, BAR, FOOT = 62, 62, 26, 18, 14, 46
_SHADES = {OutcomeState.RAISES: ", a shade for each error"}

LETTER = 5.5
"""Mean width of a letter of the bars' labels, in pixels; they are left out where they would not fit."""


def render(
    templates: Environment,
    view: View,
    groups: Sequence[tuple[str, str, Sequence[Probe]]],
    pairing: str,
    verdict: Sentence,
    alone: str | None,
) -> str:
    """The picture; ``alone`` is the style sheet of a file of its own, None within a page that has it."""
    count = max(len(view.releases), 1)
    step = (WIDTH - LEFT - RIGHT) / count
    colours = shades(view)
    lanes: list[dict[str, Any]] = []
    top = HEAD + AXIS
    for key, title, probes in groups:
        rows = []
        start = top
        top += LANE
        for probe in probes:
            bars = [_bar(band, step) for band in bands(view, probe.id, pairing, colours)]
            rows.append(
                {"top": top, "title": sanitize.cut(probe.title.replace("`", ""), 41), "id": probe.id, "bars": bars}
            )
            top += ROW
        lanes.append({"key": key, "title": title, "top": start, "rows": rows})
    every = max(1, -(-11 // max(1, int(step)))) if step < 11 else 1
    ticks = [
        {"x": round(LEFT + step * (number + 0.5), 1), "version": release.version}
        for number, release in enumerate(view.releases)
        if number % every == 0 or number == count - 1
    ]
    return templates.get_template("timeline.svg.j2").render(
        view=view, lanes=lanes, ticks=ticks, years=_years(view, step), pairing=pairing, alone=alone, lead=verdict.lead,
        rest=verdict.rest, legend=_legend(), width=WIDTH, height=top + FOOT, left=LEFT, right=WIDTH - RIGHT, head=HEAD,
        axis=HEAD + AXIS, bottom=top, bar_height=BAR,
    )  # fmt: skip


def _legend() -> list[tuple[str, str]]:
    known = [state for state in OutcomeState if state.known]
    doubt = f"{CellState.IMPORT_FAILS.sign} {OutcomeState.INCONCLUSIVE.sign} no statement"
    return [
        *((state.value, f"{state.sign} {state.label}" + _SHADES.get(state, "")) for state in known),
        (CellState.IMPORT_FAILS.value, doubt),
        (OutcomeState.NOT_RUN.value, f"{OutcomeState.NOT_RUN.sign} {OutcomeState.NOT_RUN.label}"),
    ]


def _bar(band: Band, step: float) -> dict[str, Any]:
    width = round(band.count * step - 1, 1)
    options = [band.label, band.label.removeprefix("raises "), band.sign]
    label = next((text for text in options if len(text) * LETTER + 6 <= width or text == band.sign), "")
    return {
        "x": round(LEFT + band.start * step, 1),
        "width": max(width, 1),
        "label": label if width >= 9 and band.kind != OutcomeState.NOT_RUN else "",
        "kind": band.kind,
        "shade": band.shade if band.kind == OutcomeState.RAISES else None,
        "told": band.sentence,
    }


def _years(view: View, step: float) -> list[dict[str, Any]]:
    found, at = [], 0
    for year, releases in groupby(view.releases, key=lambda release: release.day[:4]):
        width = len(list(releases))
        found.append({"x": round(LEFT + at * step, 1), "width": round(width * step, 1), "year": year})
        at += width
    return found
