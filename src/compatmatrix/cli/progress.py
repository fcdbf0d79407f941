"""Shows the progress of a run: a line for each finished cell, and in a terminal a bar below them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from compatmatrix.core import sanitize
from compatmatrix.core.states import OutcomeState
from compatmatrix.planning.job_queue import Job
from compatmatrix.planning.scheduler import Result

BAR = 56
"""Columns of the bar and its numbers. The line is shorter than a terminal's: `^C` is echoed at its end."""


class Display:
    """Called by the workers when a cell starts and ends, from any thread; with ``quiet``, only messages are printed."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console, self._quiet = console, quiet
        self._mutex = threading.Lock()
        self._total: int | None = None
        self._finished: list[Result] = []
        self._live = Progress(
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left:"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._cells = self._live.add_task("")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Remove the bar at the end of the block."""
        try:
            yield
        finally:
            self._live.stop()

    def planned(self, total: int) -> None:
        """So many cells are to be run: show the bar, and print the lines of those that have finished meanwhile."""
        with self._mutex:
            self._total = total
            self._live.update(self._cells, total=total)
            self._live.start()
            for result in self._finished:
                self._print(result)

    def started(self, worker: int, job: Job) -> None:
        self._live.update(self._cells, description=sanitize.line(job.title, max(10, self._console.width - BAR)))

    def finished(self, worker: int, result: Result) -> None:
        with self._mutex:  # the numbers of the lines are in their order
            if self._total is None:
                self._finished.append(result)
            else:
                self._print(result)

    def _print(self, result: Result) -> None:
        self._live.advance(self._cells)
        if not self._quiet:
            text = Text(f"[{self._live.tasks[0].completed:.0f}/{self._total}] {result_line(result)}")
            in_one_line = self._console.is_terminal
            self._console.print(text, no_wrap=in_one_line, overflow="ellipsis", soft_wrap=not in_one_line)

    def message(self, text: str) -> None:
        """Print a message of the engine."""
        self._console.print(Text(sanitize.line(text)), soft_wrap=True)


def result_line(result: Result) -> str:
    """One line: the cell's state, how many of each outcome, the seconds, and which cell."""
    title, record = sanitize.line(result.job.title), result.record
    if record is None:
        return f"not examined: {title}: {sanitize.line(result.error, 200)}"
    counts = {state: sum(outcome.state is state for outcome in record.outcomes.values()) for state in OutcomeState}
    outcomes = " ".join(f"{state.sign}{count}" for state, count in counts.items() if count)
    why = "" if outcomes else f": {sanitize.line(record.detail, 120)}"
    return f"{record.state.value} {outcomes}".strip() + f" {result.seconds:.1f} s: {title}{why}"


def timings(results: Sequence[Result]) -> Iterator[str]:
    """How long the parts of the cells took: seconds a cell on average, and the share of each part."""
    totals: dict[str, float] = {}
    for result in results:
        for part, seconds in result.parts.items():
            totals[part] = totals.get(part, 0.0) + seconds
    whole = sum(result.seconds for result in results)
    for part, seconds in totals.items():
        yield f"  {part:12} {seconds / len(results):6.2f} s a cell  {seconds / whole:5.0%}"
    if results:
        yield f"  {'all':12} {whole / len(results):6.2f} s a cell"
