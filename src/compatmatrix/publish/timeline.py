"""The timeline: releases from left to right, a lane for each group of probes, a bar for every run of one answer.

The picture stands in a page, which has the style sheet, and in files of its own, which follow the reader's light or dark
setting and paint their own ground.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish.labels import groups, plain, sentence
from compatmatrix.publish.render import filled
from compatmatrix.publish.runs import Run, runs

STATIC = Path(__file__).parent / "static"

WIDTH = 830
"""The width of a README on GitHub: type sizes below are true there."""

LEFT, RIGHT = 248, 8
HEAD, AXIS, LANE, ROW, BAR, FOOT = 62, 62, 26, 18, 14, 46

LETTER, PAD = 5.4, 4
"""Mean width of a letter of the bars' labels, and the room around a label, in pixels."""

TICK = 11
"""Least distance between the names of two releases, in pixels."""


def files(view: View) -> Mapping[str, bytes]:
    """Path below the site -> picture, of every pairing; that of the first has the plain name."""
    style = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("palette.css", "timeline.css"))
    names = [f"timeline-{pairing}.svg" if number else "timeline.svg" for number, pairing in enumerate(view.pairings)]
    return {name: render(view, pairing, style).encode() for name, pairing in zip(names, view.pairings, strict=True)}


def render(view: View, pairing: str, style: str | None = None) -> str:
    """The picture as SVG; ``style`` is the style sheet of a file of its own, None within a page."""
    count = max(len(view.releases), 1)
    step = (WIDTH - LEFT - RIGHT) / count
    lanes: list[dict[str, Any]] = []
    top = HEAD + AXIS
    for group in groups(view):
        rows = []
        start = top
        top += LANE
        for probe in group.probes:
            bars = _bars(runs(view, probe.id, pairing), step)
            rows.append({"top": top, "title": sanitize.cut(plain(probe.title), 40), "bars": bars})
            top += ROW
        lanes.append({"title": group.title, "top": start, "rows": rows})
    every = -(-TICK // max(1, int(step)))
    ticks = [
        {"x": round(LEFT + step * (number + 0.5), 1), "version": release.version}
        for number, release in enumerate(view.releases)
        if number % every == 0 or number == count - 1
    ]
    return filled(
        "timeline.svg.j2",
        view=view, lanes=lanes, ticks=ticks, years=_years(view, step), pairing=pairing, style=style,
        verdict=sentence(view), legend=_legend(), width=WIDTH, height=top + FOOT, left=LEFT, right=WIDTH - RIGHT,
        head=HEAD, axis=HEAD + AXIS, bottom=top, bar_height=BAR,
    )  # fmt: skip


def _legend() -> list[tuple[str, str, str]]:
    """Kind, pattern and label of each key."""
    doubt = f"{CellState.IMPORT_FAILS.sign} {OutcomeState.INCONCLUSIVE.sign} no statement"
    shown = [*(state for state in OutcomeState if state.known), OutcomeState.NOT_RUN]
    keys = [(state.value, f"{state.sign} {state.label}") for state in shown]
    keys.insert(-1, (CellState.IMPORT_FAILS.value, doubt))
    return [(kind, _pattern(kind), label) for kind, label in keys]


def _pattern(kind: str) -> str:
    """The pattern that fills a bar beside its color; it tells states apart without color."""
    if kind == OutcomeState.NO_EFFECT:
        return "hatch"
    plain_ones = {state for state in OutcomeState if state.known or state is OutcomeState.NOT_RUN}
    return "" if kind in plain_ones else "dots"


def _bars(found: Sequence[Run], step: float) -> list[dict[str, Any]]:
    bars = [_bar(run, step) for run in found]
    for place, run in enumerate(found):
        beside = [other for other in (place - 1, place + 1) if 0 <= other < len(found) and not found[other].known]
        # A bar without room for the name of its error has it beside itself, where that bar says nothing.
        for other in beside if run.exception and bars[place]["label"] == run.sign else ():
            left, width = bars[other]["x"], bars[other]["width"]
            if _length(run.exception) <= width and not bars[other]["name"]:
                x, anchor = (left + width - 3, "end") if other < place else (left + 3, "start")
                bars[other] |= {"name": run.exception, "name_x": x, "anchor": anchor, "label": ""}
                break
    return bars


def _bar(run: Run, step: float) -> dict[str, Any]:
    width = round(run.count * step - 1, 1)
    name = run.exception or run.label
    # What it is with the name of the error, the name, its beginning, the sign: the longest that fits.
    room = int((width - PAD) / LETTER)
    beginnings = [re.sub("(?:Error|Exception)$", "…", name), *([sanitize.cut(name, room)] if room > 4 else [])]
    labels = (run.label, name, *beginnings, run.sign)
    label = next((text for text in labels if _length(text) <= width), "")
    return {
        "x": round(LEFT + run.start * step, 1),
        "width": max(width, 1),
        "label": label if run.kind != OutcomeState.NOT_RUN else "",
        "name": "",
        "kind": run.kind,
        "pattern": _pattern(run.kind),
        "title": run.sentence,
    }


def _length(text: str) -> float:
    return len(text) * LETTER + PAD


def _years(view: View, step: float) -> list[dict[str, Any]]:
    years, start = [], 0
    for year, releases in groupby(view.releases, key=lambda release: release.day[:4]):
        count = len(list(releases))
        years.append({"x": round(LEFT + start * step, 1), "width": round(count * step, 1), "year": year})
        start += count
    return years
