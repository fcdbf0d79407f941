"""Requests and records: whether a record answers a request, which probes are missing, and in which lock these are to run.

A lock on record stays a cell's lock while it meets what is required today: a new probe runs in the environment in which the
others ran, even if the index has changed since. Where a wheel of it is gone, the request is resolved anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compatmatrix.config.tables import Config
from compatmatrix.core import pairings
from compatmatrix.core.encoding import digest, format_instant, parse_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, CellRequest, Pin, Record, record_key
from compatmatrix.core.states import CellState
from compatmatrix.core.text import shortened
from compatmatrix.index import releases
from compatmatrix.resolve.lock import Unresolvable, named_versions
from compatmatrix.resolve.uv_errors import deciding_requirement
from compatmatrix.results.ledger import Ledger, holders

Slot = tuple[str, ...]
"""What one record stands for at a time; see `pairings.slot`."""


class OnRecord:
    """The ledger, for questions about requests.

    Args:
        config: The configuration.
        known: What is on record.
        fresh: Whether no record counts.
    """

    def __init__(self, config: Config, known: Ledger, fresh: bool) -> None:
        self._config, self._fresh = config, fresh
        self._holders = holders(known.records.values(), config.map_companion)
        self.by_cell: dict[str, list[Record]] = defaultdict(list)
        # Pairs of a probe and the digest of its source: one cell can have answered an old form of a probe and the new.
        self._answered: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._subjects = {record.subject for record in known.records.values()}
        for record in known.records.values():
            self.by_cell[record.cell].append(record)
            if record.state is not CellState.NO_PYTHON and not fresh:
                self._answered[record.cell] |= record.probes.items()

    def slot(self, request: CellRequest) -> Slot:
        version = request.companions.get(self._config.map_companion, "")
        source = request.source.name if request.source else ()
        return pairings.slot(request.platform, request.subject, request.pairing, request.python, version, source)

    def current(self, request: CellRequest) -> Record | None:
        """The record that stands for the request."""
        return self._holders.get(self.slot(request))

    def holds(self, cell: str, probes: Mapping[str, str]) -> bool:
        """Whether the cell has answered all of these probes, each given with the digest of its code."""
        return probes.items() <= self._answered[cell]

    def missing(self, request: CellRequest, cell: str) -> dict[str, str]:
        """The request's probes, with their digests, that the cell has not answered in today's form."""
        answered = self._answered[cell]
        return {probe: source for probe, source in request.probes.items() if (probe, source) not in answered}

    def answers(self, request: CellRequest) -> bool:
        """Whether a request that is not asked again has its answers."""
        record = self._for_good(request)
        if record is None:
            return False
        if record.state is CellState.NO_PYTHON:
            return request.refused is not None
        return record.state is CellState.UNRESOLVABLE or not self.missing(request, record.cell)

    def pinned(self, request: CellRequest) -> Cell | None:
        """The cell on record of a request that is not asked again, if it meets what is required today."""
        record = self._for_good(request)
        return self._meeting(request, record) if record else None

    def why(self, request: CellRequest, cell: Cell, probes: Iterable[str]) -> str:
        """Why the cell is to be run for the request, with these of its probes."""
        if self._fresh:
            return "asked fresh"
        record = self.current(request)
        if record is None:
            return "not run before" if request.subject in self._subjects else "new release"
        if record.cell == cell.id() or cell.id() in self.by_cell:
            return f"new or changed: {shortened(probes)}"
        if not record.lock:
            return f"was {record.state.value}"
        return f"moved: {shortened(_differences(record, cell))}"

    def still_answers(self, request: CellRequest, resolved: Cell, instant: str) -> bool:
        """Whether the record has all of the request's probes, and stands though its lock would be another today."""
        record = self.current(request)
        if record is None or self.missing(request, record.cell):
            return False
        return self._stands(request, record, resolved, instant)

    def behind(self, request: CellRequest, resolved: Cell, instant: str) -> Cell | None:
        """The cell on record where it stands, lacks probes, and its lock would be another today."""
        record = self.current(request)
        if record is None or record.cell == resolved.id() or not self.missing(request, record.cell):
            return None
        return self._meeting(request, record) if self._stands(request, record, resolved, instant) else None

    def _for_good(self, request: CellRequest) -> Record | None:
        """The record of a request that is not asked again: one for explicit or lowest versions."""
        asked_again = pairings.named(request.pairing).asked_again or not (request.companions or request.lowest)
        record = None if self._fresh or asked_again else self.current(request)
        return record if record and request.companions.items() <= record.versions.items() else None

    def _stands(self, request: CellRequest, record: Record, resolved: Cell, instant: str) -> bool:
        """Whether a record is still what its pairing means.

        Some package that is neither subject nor companion is released, or yanked, every other day. A cell is run again
        when subject, companion or Python is another, and when its pairing says that the record expires: often enough to
        notice what breaks meanwhile, seldom enough for a ledger in git.
        """
        names = self._config.named
        before, now = ([versions.get(name) for name in names] for versions in (record.versions, resolved.versions))
        if self._fresh or (record.python, before) != (resolved.python, now):
            return False
        expires = pairings.named(request.pairing).expires
        if expires is None:
            return self._meeting(request, record) is not None
        age = parse_instant(instant) - parse_instant(max(record.pairings[request.pairing]))
        return timedelta() <= age < expires

    def _meeting(self, request: CellRequest, record: Record) -> Cell | None:
        """The record's cell, if it was run, has released packages alone, and meets what is required today."""
        cell = cell_of(self._config, record)
        unusable = request.source or record.state is CellState.NO_PYTHON
        if cell is None or unusable or cell.python not in request.pythons:
            return None
        versions = {pin.name: pin.version for pin in cell.lock}
        for requirement in map(Requirement, request.requirements):
            version = versions.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                return None
        return cell


def _differences(record: Record, cell: Cell) -> Iterator[str]:
    """What a lock has otherwise than a record's, the named packages first: ``companion 1.0 -> 1.1``."""
    if record.python != cell.python:
        yield f"Python {record.python} -> {cell.python}"
    before = {name: version for name, version, _ in map(_pin, record.lock)}
    named = [canonicalize_name(name) for name in cell.named]
    for pin in sorted(cell.lock, key=lambda pin: (pin.name not in named, pin.name)):
        if before.get(pin.name) != pin.version:
            yield f"{pin.name} {before.get(pin.name) or '(none)'} -> {pin.version}"
    yield from (f"{name} {before[name]} -> (none)" for name in before.keys() - {pin.name for pin in cell.lock})


def _pin(line: str) -> tuple[str, str, tuple[str, ...]]:
    """Name, version and SHA-256 digests of a line of a recorded lock."""
    pinned, _, hashes = line.partition(" ")
    name, _, version = pinned.partition("==")
    return name, version, tuple(part.removeprefix("--hash=sha256:") for part in hashes.split())


def cell_of(config: Config, record: Record) -> Cell | None:
    """The cell of a record; None where its lock does not identify it, as for what was built from source."""
    pins = tuple(Pin(name=name, version=version, sha256=digests) for name, version, digests in map(_pin, record.lock))
    versions = named_versions(config, pins)
    cell = Cell(
        subject=record.subject,
        python=record.python,
        platform=record.platform,
        lock=pins,
        versions=versions,
        named=tuple(name for name in config.named if name in versions),
    )
    return cell if cell.id() == record.cell else None


def unrunnable(
    config: Config, request: CellRequest, reason: Unresolvable | str, now: datetime, as_of: datetime | None
) -> Record:
    """The record of a request without a cell: no Python can hold it, or no set of packages satisfies it.

    Args:
        reason: Text where no Python can hold it.
        now: Dates the record.
        as_of: The instant as of which the request was resolved, if not today's.
    """
    state, detail, python = (
        (CellState.NO_PYTHON, reason, request.python)
        if isinstance(reason, str)
        else (CellState.UNRESOLVABLE, deciding_requirement(reason.why), reason.python)
    )
    cell = digest([request.request_id(), state.value])
    return Record(
        key=record_key(cell, {}),
        cell=cell,
        subject=request.subject,
        python=python,
        platform=request.platform,
        versions={config.subject.name: request.subject, **request.companions},
        pairings={request.pairing: (format_instant(as_of or now),)},
        state=state,
        detail=detail[:500],
        recorded=format_instant(now),
        source=request.source,
    )


def installable(config: Config, cells: Mapping[Slot, Cell], cache: Path) -> dict[Slot, Cell]:
    """Those cells of which the index still lists a wheel for every pin, yanked or not.

    Where an index does not answer, none is: the error is reported when the cell is resolved anew.
    """

    def listed(name: str) -> Iterable[releases.File]:
        try:
            return releases.fetch(config.index, [name], cache / "index", lambda text: None)[canonicalize_name(name)]
        except InfrastructureError:
            return ()

    names = sorted({pin.name for cell in cells.values() for pin in cell.lock})
    with ThreadPoolExecutor(max_workers=8) as pool:
        files = dict(zip(names, pool.map(listed, names), strict=True))

    def is_listed(pin: Pin) -> bool:
        return any(
            file.sha256 in pin.sha256 if file.sha256 else file.version == pin.version for file in files[pin.name]
        )

    return {slot: cell for slot, cell in cells.items() if all(map(is_listed, cell.lock))}
