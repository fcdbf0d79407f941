"""Shows a run as it goes: a live display in a terminal, one plain line per cell elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from compatmatrix.core import sanitize
from compatmatrix.core.model import OutcomeState
from compatmatrix.planning.missing import Job
from compatmatrix.planning.scheduler import Result


class Display:
    """Told by the workers what starts and ends; safe to call from any thread."""

    def __init__(self, console: Console, total: int, workers: int) -> None:
        self._console, self._total, self._workers = console, total, workers
        self._mutex = threading.Lock()
        self._done = 0
        self._began = time.monotonic()
        self._live: Progress | None = None
        self._all: TaskID | None = None
        self._tasks: dict[int, TaskID] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns, TextColumn("{task.fields[left]}", markup=False), console=self._console, transient=True
        ) as live:
            self._live = live
            self._all = live.add_task("cells", total=self._total, left="")
            yield
        self._live = None

    def started(self, worker: int, job: Job) -> None:
        with self._mutex:
            if self._live is not None:
                if worker not in self._tasks:
                    self._tasks[worker] = self._live.add_task("", total=None, left="")
                self._live.reset(self._tasks[worker], description=sanitize.line(job.title, 100), total=None, left="")

    def finished(self, worker: int, result: Result) -> None:
        with self._mutex:
            self._done += 1
            if self._live is not None and self._all is not None:
                self._live.update(self._all, completed=self._done, left=self._left())
                if worker in self._tasks:
                    self._live.update(self._tasks[worker], description="waiting")
            if self._live is None or result.record is None:
                target = self._live.console if self._live is not None else self._console
                target.print(Text(f"[{self._done}/{self._total}] {result_words(result)}"), soft_wrap=True)

    def message(self, text: str) -> None:
        """A word from the engine between cells."""
        target = self._live.console if self._live is not None else self._console
        target.print(Text(sanitize.line(text)), soft_wrap=True)

    def _left(self) -> str:
        """Honest only once every worker has done its first, slowest cell."""
        if self._done <= self._workers:
            return "about ? left"
        seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def result_words(result: Result) -> str:
    """One line: the cell, its state, how many of each outcome."""
    if result.record is None:
        return f"{sanitize.line(result.job.title)}: NOT EXAMINED: {sanitize.line(result.error, 200)}"
    record = result.record
    counts = {state: sum(outcome.state is state for outcome in record.outcomes.values()) for state in OutcomeState}
    told = " ".join(f"{state.sign}{count}" for state, count in counts.items() if count)
    return f"{sanitize.line(result.job.title)}: {record.state.value} {told or sanitize.line(record.detail, 120)} {result.seconds:.1f} s"


def timings(results: Sequence[Result]) -> Iterator[str]:
    """Where the cells' time went: seconds a cell on the average, and the share of each part."""
    totals: dict[str, float] = {}
    for result in results:
        for part, seconds in result.parts.items():
            totals[part] = totals.get(part, 0.0) + seconds
    whole = sum(result.seconds for result in results)
    for part, seconds in totals.items():
        yield f"  {part:12} {seconds / len(results):6.2f} s a cell  {seconds / whole:5.0%}"
    if results:
        yield f"  {'all':12} {whole / len(results):6.2f} s a cell"
