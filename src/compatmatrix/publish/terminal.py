"""Sources and one release's dossier in a terminal, or as plain text in a pipe."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.core.text import aside
from compatmatrix.publish import labels


def print_sources(console: Console, view: View, rows: Sequence[CellView]) -> None:
    """What is not released: a row each, with all that is said in the table of releases."""
    headline = view.config.subject.headline
    for cell in rows:
        beside = aside(labels.companions_words(view, cell))
        what = f"{view.config.subject.name} {labels.source_words(cell)}, not released{beside}"
        detail = f". {cell.detail}" if cell.detail else ""
        line(console, f"{what}: {headline}: {labels.outcome_words(cell, headline)}{detail}")
        for pairing in cell.pairings:
            if pairing in view.pairings and (preview := view.support[headline][pairing].preview):
                line(console, f"{headline}: {labels.preview_words(preview)}")


def print_release(console: Console, view: View, cells: Sequence[CellView], full: bool) -> None:
    """Cells of one release: state, versions and a line for each outcome; ``full`` is with evidence, lock and commands."""
    for number, cell in enumerate(cells):
        if number:
            line(console, "")
        pairings = ", ".join(map(view.config.pairing_title, cell.pairings))
        console.print(Text(f"{view.config.subject.name} {cell.subject}, {pairings}", style="bold"), soft_wrap=True)
        environment = f"{labels.environment_words(view, cell)}, {cell.platform}"
        line(console, f"{cell.state.value}: {cell.state.meaning}" + (f". {cell.detail}" if cell.detail else ""))
        line(console, f"{environment}; recorded {cell.recorded}; cell {cell.id}")
        if network := labels.network_words(cell):
            line(console, network)
        for text in cell.tampering:
            line(console, f"tampering: {text}")
        probes = [probe.id for probe in view.probes if probe.id in cell.outcomes]
        for probe in probes:
            if full:
                _print_outcome(console, view, cell, probe)
            else:
                _print_in_a_line(console, cell, probe, max(map(len, probes)))
        if full and cell.lock:
            exact = "" if cell.source and cell.source.built else " --require-hashes --no-build"
            line(console, "\nReproduce: save the lines below as cell.txt, then")
            line(console, f"  uv venv --python {cell.python} cell")
            line(console, f"  uv pip sync --python cell{exact} cell.txt")
            line(console, f"  {pytest_words(view)} probes\n")
            for pin in cell.lock:
                line(console, f"  {pin}")


def pytest_words(view: View) -> str:
    """The command that runs probes in a cell: its variables, and the engine's plugin, which the cell does not have."""
    variables = "".join(f"{name}={shlex.quote(value)} " for name, value in view.config.environment.items())
    harness = 'PYTHONPATH=$(python -c "import compatmatrix.execution.in_cell as it; print(*it.__path__)")'
    return f"{variables}{harness} cell/bin/python -m pytest -p probe_harness"


def line(console: Console, text: str) -> None:
    """Plain text: nothing in it is taken for markup, nothing is wrapped."""
    console.print(Text(text), soft_wrap=True)


def _print_in_a_line(console: Console, cell: CellView, probe: str, width: int) -> None:
    outcome, shown = cell.outcome(probe), cell.credible(probe)
    value = "" if outcome.value is None else f"found {outcome.value}"
    why = next(filter(None, (shown.note, outcome.signature, outcome.message, outcome.note, value)), "")
    text = f"{labels.outcome_words(cell, probe):14}  {probe:{width}}  {why}".rstrip()
    console.print(Text(text, style=shown.state.color.terminal), no_wrap=True, overflow="ellipsis")


def _print_outcome(console: Console, view: View, cell: CellView, probe: str) -> None:
    outcome, shown = cell.outcome(probe), cell.credible(probe)
    value = f" (found {outcome.value})" if outcome.value is not None else ""
    words = f"\n{labels.outcome_words(cell, probe)}  {probe}{value}"
    console.print(Text(words, style=shown.state.color.terminal), soft_wrap=True)
    for part in (
        outcome.note,
        f"not counted: {shown.note}" if shown != outcome else None,
        f"{outcome.exception}: {outcome.message}" if outcome.exception else outcome.message,
        outcome.where,
    ):
        if part:
            line(console, f"    {part}")
    for text in view.evidence.get(outcome.evidence or "", "").splitlines():
        line(console, f"    | {text}")
