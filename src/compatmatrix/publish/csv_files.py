"""compatibility.csv: a row for every outcome, and one for every cell without; safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import functools
import io

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "|")
"""What a spreadsheet may take for the beginning of a formula or a command."""


def safe(value: object) -> str:
    """A cell's text; where a program might compute it, an apostrophe in front makes it text. Numbers stay numbers."""
    return str(value) if isinstance(value, int | float) else _text(str(value))


@functools.lru_cache(maxsize=4096)
def _text(value: str) -> str:
    """Cached: most texts stand in many rows."""
    text = sanitize.line(value)
    return f"'{text}" if text.startswith(DANGEROUS) else text


def table(view: View) -> bytes:
    """RFC 4180, UTF-8, with a header row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    named = view.config.recorded
    writer.writerow(
        [
            *named, "python", "platform", "pairings", "cell", "recorded", "state", "detail",
            "probe", "outcome", "exception", "message", "where", "value", "note",
        ]
    )  # fmt: skip
    for cell in view.cells:
        row = [cell.versions.get(name, "") for name in named]
        row += [cell.python, cell.platform, " ".join(cell.pairings), cell.id, cell.recorded, cell.state.value]
        row = [safe(text) for text in row]
        if not cell.outcomes:
            writer.writerow([*row, safe(cell.detail), *[""] * 7])
        for probe in view.probes:
            if probe.id in cell.outcomes:
                writer.writerow([*row, "", safe(probe.id), *map(safe, _answer(cell, probe.id))])
    return out.getvalue().encode()


def _answer(cell: CellView, probe: str) -> list[object]:
    outcome, shown = cell.outcome(probe), cell.credible(probe)
    value = "" if outcome.value is None else outcome.value
    parts = (outcome.exception, outcome.message, outcome.where)
    note = outcome.note if shown == outcome else f"not counted: {shown.note}"
    return [outcome.state.value, *(part or "" for part in parts), value, note or ""]
