"""What a bisection asks: the answer of one probe at a commit, or beside a release of a companion, as a verdict.

Each question is an ordinary cell with a record; what is on record is not run again, nor built, nor locked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict

from compatmatrix.analysis.cells import CellView, kind, united
from compatmatrix.bisect.search import Verdict
from compatmatrix.cli.examine import Desk
from compatmatrix.core import sanitize
from compatmatrix.core.model import (
    CellState,
    InfrastructureError,
    OutcomeState,
    Probe,
    Record,
    Release,
)
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, GRID
from compatmatrix.results import ledger
from compatmatrix.sources.builder import Unbuildable
from compatmatrix.sources.history import Repository

_BROKEN = (CellState.IMPORT_FAILS, CellState.TIMEOUT, CellState.CRASHED)
"""The cell was there and did not get as far as the question."""


class Judge(ABC):
    """Judges items by one probe; keeps the cell behind each verdict."""

    def __init__(self, desk: Desk, probe: Probe) -> None:
        self._desk, self._probe = desk, probe
        governors = {desk.config.subject.control, *probe.needs, probe.id}
        self._put = tuple(one for one in desk.setting.probes if one.id in governors)
        self._renewed: set[str] = set()
        self.cells: dict[str, CellView] = {}

    def __call__(self, item: str) -> Verdict:
        """Raises InfrastructureError where the item cannot be examined for reasons of ours: that is no verdict."""
        fresh = self._desk.setting.asked.fresh and item not in self._renewed
        cell = None if fresh else self._recorded(item)
        if cell is None:
            self._examine(item)
            self._renewed.add(item)
            cell = self._recorded(item)
        if cell is None:
            raise InfrastructureError(f"{item} was examined and left no record")
        self.cells[item] = cell
        return verdict(cell, self._probe.id)

    def _recorded(self, item: str) -> CellView | None:
        """The newest cell on record that answers for the item, today's probes all put."""
        grouped: dict[str, list[Record]] = defaultdict(list)
        known = ledger.read(self._desk.setting.records)
        for record in known.records.values():
            if record.platform == self._desk.platform and self._stands_for(record, item):
                grouped[record.cell].append(record)
        needed = {probe.id: probe.digest for probe in self._put}
        found = []
        for records in grouped.values():
            put = {name: source for record in records for name, source in record.probes.items()}
            # What never got to be installed was asked nothing; a Python may be there by now.
            if needed.items() <= put.items() or not (put or records[0].state is CellState.NO_PYTHON):
                found.append(records)
        if not found:
            return None
        last = max(found, key=lambda records: max(record.recorded for record in records))
        return united(last, self._labels(), self._desk.config, self._desk.setting.probes)

    def _have_examined(self, failures: list[tuple[str, str]]) -> None:
        if failures:
            raise InfrastructureError("; ".join(f"{title}: {why}" for title, why in failures))

    @abstractmethod
    def _stands_for(self, record: Record, item: str) -> bool:
        """Whether a record is about the item."""

    @abstractmethod
    def _examine(self, item: str) -> None:
        """Bring the item to a record."""

    @abstractmethod
    def _labels(self) -> tuple[str, ...]:
        """What the cells are labelled with."""


class CommitJudge(Judge):
    """Judges commits, each with the companions of its day."""

    def __init__(self, desk: Desk, probe: Probe, repository: Repository, reference: str) -> None:
        super().__init__(desk, probe)
        self._repository, self._reference = repository, reference

    def _stands_for(self, record: Record, item: str) -> bool:
        return record.source is not None and record.source.commit == item and COMMIT_DAY.name in record.pairings

    def _examine(self, item: str) -> None:
        try:
            built = self._desk.builder.commit(self._repository, item, self._reference)
        except Unbuildable as failure:
            self._desk.record(self._desk.unbuildable(failure, COMMIT_DAY.name))
            return
        self._have_examined(self._desk.examine([self._desk.source_request(built, COMMIT_DAY.name, self._put)]))

    def _labels(self) -> tuple[str, ...]:
        return (COMMIT_DAY.name,)


class CompanionJudge(Judge):
    """Judges releases of a companion beside one release of the subject: pairs of the grid, where the grid is theirs."""

    def __init__(self, desk: Desk, probe: Probe, companion: str, subject: Release) -> None:
        super().__init__(desk, probe)
        grid = desk.config.pairings.grid
        self._companion, self._subject = companion, subject
        self._label = (GRID if grid and grid.companion == companion else BISECT).name

    def _stands_for(self, record: Record, item: str) -> bool:
        about = record.subject == self._subject.version and record.versions.get(self._companion) == item
        return about and record.source is None and self._label in record.pairings

    def _examine(self, item: str) -> None:
        request = self._desk.release_request(self._subject, self._label, self._put, {self._companion: item})
        self._have_examined(self._desk.examine([request]))

    def _labels(self) -> tuple[str, ...]:
        return (self._label,)


def verdict(cell: CellView, probe: str) -> Verdict:
    """What a cell says of a probe, or why it says nothing."""
    if cell.state in _BROKEN:
        name, _, message = cell.detail.partition(": ")
        return Verdict(kind=(cell.state.value, sanitize.signature(name, message)), broken=True, why=cell.detail)
    if cell.state is not CellState.RAN:
        return Verdict(why=f"{cell.state.value}: {cell.detail}")
    outcome = cell.counted(probe)
    if not outcome.state.known:
        return Verdict(why=outcome.note or outcome.state.value)
    state, signature = kind(outcome)
    return Verdict(kind=(OutcomeState(state).value, signature))
