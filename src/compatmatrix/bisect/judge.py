"""Judges one commit or release of a companion by the outcome of one probe in its cell.

Each is an ordinary cell with a record; what is on record is not built, locked or run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from compatmatrix.analysis.cells import CellView, kind, united
from compatmatrix.bisect.search import Verdict
from compatmatrix.config.matrix_file import host_platform
from compatmatrix.config.tables import Config
from compatmatrix.core import sanitize
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Probe, Record
from compatmatrix.core.states import CellState
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger

_BROKEN = (CellState.IMPORT_FAILS, CellState.TIMEOUT, CellState.CRASHED)
"""The cell was installed, but the probe did not run."""


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """How the items of a search are examined, and how their records are recognized.

    Attributes:
        pairing: the label of the cells.
        item: the item that a record is about, empty for none.
        examine: brings an item to a record, and returns what could not be examined, each with the reason.
        records: the folder of the records.
        fresh: whether every item is examined again, once.
    """

    pairing: str
    item: Callable[[Record], str]
    examine: Callable[[str], Sequence[tuple[str, str]]]
    records: Path
    fresh: bool


class Judge:
    """Judges items by one probe; ``cells`` has the cell behind each verdict, ``evidence`` the tracebacks by digest."""

    def __init__(
        self, config: Config, probes: Sequence[Probe], probe: Probe, examination: Examination, known: Ledger
    ) -> None:
        self._config, self._probes, self._probe, self._examination = config, probes, probe, examination
        self._needed = {one.id: one.digest for one in needed_probes(config, probes, probe)}
        self._renewed: set[str] = set()
        self.cells: dict[str, CellView] = {}
        self._take(known)

    def __call__(self, item: str) -> Verdict:
        """Judge an item, examining it if it is not on record.

        Raises:
            InfrastructureError: the item cannot be examined now, which says nothing about it.
        """
        if not self.recorded(item):
            if failed := self._examination.examine(item):
                raise InfrastructureError("; ".join(f"{title}: {why}" for title, why in failed))
            self._renewed.add(item)
            self._take(ledger.read(self._examination.records))
        cell = self._recorded(item)
        if cell is None:
            raise InfrastructureError(f"{item} was examined and left no record")
        self.cells[item] = cell
        return verdict(cell, self._probe.id)

    def recorded(self, item: str) -> bool:
        """Whether to judge the item costs nothing."""
        return (not self._examination.fresh or item in self._renewed) and self._recorded(item) is not None

    def _take(self, known: Ledger) -> None:
        platform = host_platform(self._config)
        self.evidence = known.evidence
        self._known: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in known.records.values():
            if record.platform == platform and self._examination.pairing in record.pairings:
                self._known[self._examination.item(record)][record.cell].append(record)

    def _recorded(self, item: str) -> CellView | None:
        """The newest cell of the item in which today's version of every needed probe ran."""
        complete = []
        for records in self._known[item].values() if item in self._known else ():
            digests = {name: source for record in records for name, source in record.probes.items()}
            # A cell that was never installed ran no probe; only a missing Python may be there by now.
            if self._needed.items() <= digests.items() or not (digests or records[0].state is CellState.NO_PYTHON):
                complete.append(records)
        if not complete:
            return None
        newest = max(complete, key=lambda records: max(record.recorded for record in records))
        return united(newest, (self._examination.pairing,), self._config, self._probes)


def needed_probes(config: Config, probes: Sequence[Probe], probe: Probe) -> tuple[Probe, ...]:
    """The probe, the control, and the probes that it needs to mean anything."""
    names = {config.subject.control, *probe.needs, probe.id}
    return tuple(one for one in probes if one.id in names)


def verdict(cell: CellView, probe: str) -> Verdict:
    """The answer of a probe in a cell, or why there is none."""
    if cell.state in _BROKEN:
        name, _, message = cell.detail.partition(": ")
        return Verdict(kind=(cell.state.value, sanitize.signature(name, message)), broken=True, why=cell.detail)
    if cell.state is not CellState.RAN:
        return Verdict(why=f"{cell.state.value}: {cell.detail}")
    outcome = cell.counted(probe)
    if not outcome.state.known:
        return Verdict(why=outcome.note or outcome.state.value)
    state, signature = kind(outcome)
    return Verdict(kind=(state.value, signature))
