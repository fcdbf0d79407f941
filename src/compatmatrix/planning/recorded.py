"""What is on record of a request: whether it answers it, which probes it lacks, and in which lock these are to be run.

A lock on record stays a cell's lock while what it was asked for is what is asked for today. So a new probe runs in the
environment in which the others ran, wherever the index has moved since; where a wheel of it is gone, it is resolved anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compatmatrix.config.matrix_file import Config
from compatmatrix.core import pairings
from compatmatrix.core.encoding import parse_instant
from compatmatrix.core.model import Cell, CellRequest, CellState, InfrastructureError, Pin, Record
from compatmatrix.index import releases
from compatmatrix.resolve.lock import named_versions
from compatmatrix.results.ledger import Ledger, holders

Slot = tuple[str, ...]
"""What one record stands for at a time: platform, subject and pairing, of a grid's pair the companion's version too."""


class OnRecord:
    """The ledger as a plan asks it.

    Args:
        fresh: Whether no answer on record counts.
    """

    def __init__(self, config: Config, known: Ledger, fresh: bool) -> None:
        self._config, self._fresh = config, fresh
        self._grid = config.pairings.grid.companion if config.pairings.grid else None
        self._held = holders(known.records.values(), self._grid)
        # Pairs of a probe and the digest of its source: one cell can have answered an old form of a probe and the new.
        self._answered: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for record in known.records.values():
            if record.state is not CellState.NO_PYTHON and not fresh:
                self._answered[record.cell] |= record.probes.items()

    def slot(self, wish: CellRequest) -> Slot:
        return pairings.slot(wish.platform, wish.subject, wish.pairing, wish.companions, self._grid)

    def current(self, wish: CellRequest) -> Record | None:
        """The record that stands for the wish."""
        return self._held.get(self.slot(wish))

    def missing(self, wish: CellRequest, cell: str) -> dict[str, str]:
        """The wish's probes, with their digests, that the cell has not answered in today's form."""
        return {probe: source for probe, source in wish.probes.items() if (probe, source) not in self._answered[cell]}

    def answers(self, wish: CellRequest) -> bool:
        """Whether a wish with explicit or lowest companions has its answers: only a new release makes a new question."""
        record = self._explicit(wish)
        if record is None:
            return False
        if record.state is CellState.NO_PYTHON:
            return wish.refused is not None
        return record.state is CellState.UNRESOLVABLE or not self.missing(wish, record.cell)

    def pinned(self, wish: CellRequest) -> Cell | None:
        """The cell on record of a wish with explicit or lowest companions, if it is what is asked for today."""
        record = self._explicit(wish)
        return self._meeting(wish, record) if record else None

    def still_answers(self, wish: CellRequest, resolved: Cell, instant: str) -> bool:
        """Whether the cell on record answers all of a pairing's probes, and stands though its lock would be another today."""
        record = self.current(wish)
        return (
            record is not None and not self.missing(wish, record.cell) and self._stands(wish, record, resolved, instant)
        )

    def behind(self, wish: CellRequest, resolved: Cell, instant: str) -> Cell | None:
        """The cell on record where it stands and its lock would be another today, and does not answer all of the probes."""
        record = self.current(wish)
        if record is None or record.cell == resolved.id() or not self.missing(wish, record.cell):
            return None
        return self._meeting(wish, record) if self._stands(wish, record, resolved, instant) else None

    def _explicit(self, wish: CellRequest) -> Record | None:
        """The record of explicit or lowest versions; one bisection's label says nothing of the companion's version."""
        if self._fresh or not (wish.companions or wish.lowest) or pairings.named(wish.pairing).asked_again:
            return None
        return self.current(wish)

    def _stands(self, wish: CellRequest, record: Record, resolved: Cell, instant: str) -> bool:
        """Whether a record still is what its pairing means.

        Some package that nobody names here is released every other day, and one is taken back now and then. A cell is
        asked again when a named package moves, and for `newest` after `DRIFT_DAYS`: often enough to notice what breaks
        meanwhile, seldom enough for a ledger that is kept in git.
        """
        same = record.python == resolved.python and dict(record.versions) == dict(resolved.versions)
        if self._fresh or not same:
            return False
        expires = pairings.named(wish.pairing).expires
        if expires is None:
            return self._meeting(wish, record) is not None
        age = parse_instant(instant) - parse_instant(max(record.pairings[wish.pairing]))
        return timedelta() <= age < expires

    def _meeting(self, wish: CellRequest, record: Record) -> Cell | None:
        """The record's cell, if it was run, holds released packages alone, and meets what is required today."""
        cell = cell_of(self._config, record)
        if cell is None or wish.source or record.state is CellState.NO_PYTHON or cell.python not in wish.pythons:
            return None
        versions = {pin.name: pin.version for pin in cell.lock}
        for requirement in map(Requirement, wish.requirements):
            version = versions.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                return None
        return cell


def cell_of(config: Config, record: Record) -> Cell | None:
    """The cell that a record is of; None where its lock does not make the cell up, as what was built from source."""
    pins = []
    for line in record.lock:
        name, _, hashes = line.partition(" ")
        name, _, version = name.partition("==")
        digests = tuple(part.removeprefix("--hash=sha256:") for part in hashes.split())
        pins.append(Pin(name=name, version=version, sha256=digests))
    versions = named_versions(config, tuple(pins))
    cell = Cell(
        subject=record.subject,
        python=record.python,
        platform=record.platform,
        lock=tuple(pins),
        versions=versions,
        companions=tuple(name for name in versions if name != config.subject.name),
    )
    return cell if cell.id() == record.cell else None


def installable(config: Config, cells: Mapping[Slot, Cell], cache: Path) -> dict[Slot, Cell]:
    """Those cells of which the index still lists a wheel for every pin, yanked or not.

    Where an index does not say what it lists, nothing is on it: to resolve the cell anew will tell what is wrong.
    """

    def listed(name: str) -> Iterable[releases.File]:
        try:
            return releases.fetch(config.index, [name], cache / "index", lambda text: None)[canonicalize_name(name)]
        except InfrastructureError:
            return ()

    names = sorted({pin.name for cell in cells.values() for pin in cell.lock})
    with ThreadPoolExecutor(max_workers=8) as pool:
        files = dict(zip(names, pool.map(listed, names), strict=True))

    def there(pin: Pin) -> bool:
        return any(
            file.sha256 in pin.sha256 if file.sha256 else file.version == pin.version for file in files[pin.name]
        )

    return {slot: cell for slot, cell in cells.items() if all(map(there, cell.lock))}
