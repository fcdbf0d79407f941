"""Runs, sources and one release's cells in a terminal or a pipe: one table that fits, the map of pairs, and in words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.grid import Grid
from compatmatrix.analysis.support import View
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Release
from compatmatrix.core.pairings import named
from compatmatrix.core.states import TABLE
from compatmatrix.core.text import alike, aside, grouped, marks, shortened, span
from compatmatrix.publish import labels, pair_map

GAP = 2
"""Spaces between columns."""

NOT_EXAMINED = "not examined"


class _Column(NamedTuple):
    """One column: what it says of a cell, and for a probe's column the color of that."""

    heading: str
    words: Callable[[CellView], str]
    color: Callable[[CellView], str] | None = None


class _Row(NamedTuple):
    """Consecutive releases, oldest first, and the pairings under which they answer the same."""

    releases: tuple[Release, ...]
    pairings: tuple[str, ...]
    cells: tuple[CellView, ...]


def print_table(console: Console, view: View, more: Iterable[str] = ()) -> None:
    """Print the headline's and the controls' outcomes by release and pairing, with as many further columns as fit.

    Adjacent releases that answer the same in all columns are one row.

    Args:
        console: Its width counts.
        view: What was asked for.
        more: Ids of the probes that come before other columns.
    """
    config = view.config
    controls = [probe.id for probe in view.probes if probe.control]
    columns = [_probe(name) for name in dict.fromkeys([config.subject.headline, *controls])]
    always = {column.heading for column in columns}
    facts = [_companion(companion.name) for companion in config.companions]
    further = [probe.id for probe in view.probes if probe.group == "headline"]
    optional = [*map(_probe, more), *facts, _Column("Python", lambda cell: cell.python), *map(_probe, further)]
    hidden = []
    for column in {one.heading: one for one in optional if one.heading not in always}.values():
        if sum(max(map(_width, texts)) + GAP for texts in _texts(view, [*columns, column])) - GAP <= console.width:
            columns.append(column)
        else:
            hidden.append(column.heading)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    texts = _texts(view, columns)
    for heading, *_ in texts:
        table.add_column(heading, overflow="fold", vertical="top")
    for row in zip(*(cells for _, *cells in texts), strict=True):
        table.add_row(*row)
    console.print(table)
    if hidden:
        count = f"{len(hidden)} column{'s' if len(hidden) > 1 else ''} hidden"
        _say(console, f"({count}: {shortened(hidden)}; a wider terminal shows more)")


def _probe(name: str) -> _Column:
    return _Column(
        name, lambda cell: labels.outcome_words(cell, name), lambda cell: TABLE[labels.kind(cell, name)].color.terminal
    )


def _companion(name: str) -> _Column:
    return _Column(name, lambda cell: cell.versions.get(name, ""))


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _texts(view: View, columns: Sequence[_Column]) -> list[list[Text]]:
    """By column: the heading, and what it says in each row."""
    rows = list(_rows(view, [column for column in columns if column.color]))
    texts = [
        [Text(view.config.subject.name), *(Text(_releases(row)) for row in rows)],
        [Text("with"), *(Text(_pairings(view, row)) for row in rows)],
    ]
    for column in columns:
        cells = [_text(column, row) for row in rows]
        lines = wrap(column.heading, max([12, *map(_width, cells)]))
        texts.append([Text("\n".join(lines)), *cells])
    return texts


def _text(column: _Column, row: _Row) -> Text:
    if column.color is None:
        texts = by_version({words for cell in row.cells if (words := column.words(cell))})
        return Text(span(texts) if texts else "")
    if not row.cells:
        return Text(NOT_EXAMINED, style="dim")
    return Text(column.words(row.cells[0]), style=column.color(row.cells[0]))


def _releases(row: _Row) -> str:
    if len(row.releases) == 1:
        return labels.release_words(row.releases[0])
    return span([release.version for release in row.releases])


def _pairings(view: View, row: _Row) -> str:
    """``at release``; for all of several pairings ``both`` or ``all 3``."""
    if len(row.pairings) == len(view.pairings) > 1:
        return "both" if len(row.pairings) == 2 else f"all {len(row.pairings)}"
    companion = view.config.companions[0].name if view.config.companions else ""
    return ", ".join(named(pairing).title(companion) for pairing in row.pairings)


def _rows(view: View, columns: Sequence[_Column]) -> Iterator[_Row]:
    """Newest first; where the pairings differ, a row for each answer."""

    def words(release: Release, pairing: str) -> tuple[str, ...]:
        cell = view.cell(pairing, release.version)
        return tuple(column.words(cell) for column in columns) if cell else ()

    def answers(release: Release) -> tuple[object, ...]:
        return (marks(release), *(words(release, pairing) for pairing in view.pairings))

    for _, group in groupby(reversed(view.releases), key=answers):
        releases = tuple(group)[::-1]
        same = grouped((words(releases[0], pairing), pairing) for pairing in view.pairings)
        for pairings in same.values():
            cells = [view.cell(pairing, release.version) for release in releases for pairing in pairings]
            yield _Row(releases, tuple(pairings), tuple(cell for cell in cells if cell))


def print_map(console: Console, subject: str, pairs: Grid, in_words: bool = False) -> None:
    """Print each row of the map of pairs in words; before that, unless only the words are wanted, the map and its signs."""
    if not in_words:
        for block in pair_map.blocks(pairs, console.width):
            for text in [*block, ""]:
                line(console, text)
        signs = ", ".join(f"{sign} {word}" for sign, word, _ in pair_map.legend(pairs))
        _say(console, f"A column is a {pairs.companion}, its version is read downwards: {signs}")
    for versions, words in alike([*pairs.rows], lambda version: labels.map_words(pairs, version)):
        _say(console, f"{subject} {versions}: {' '.join(words)}")


def _say(console: Console, text: str) -> None:
    """Print a text, in a terminal wrapped between words."""
    console.print(Text(text), soft_wrap=not console.is_terminal)


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
