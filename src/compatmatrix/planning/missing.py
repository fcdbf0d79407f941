"""Requests and ledger -> what is missing: jobs to run, records that need no run, requests that could not be resolved.

What is on record for today's probes is not run again; a probe that is missing of a cell on record runs in its lock.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby, repeat
from pathlib import Path

import msgspec
from packaging.utils import NormalizedName

from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, CellRequest, Record
from compatmatrix.planning.job_queue import Job, Queue
from compatmatrix.planning.recorded import OnRecord, installable, unrunnable
from compatmatrix.planning.requests import undated_failure
from compatmatrix.planning.selection import Selection, no_match
from compatmatrix.resolve import lock, uv
from compatmatrix.results.ledger import Ledger

RESOLVERS = 12
"""Resolutions at once. Each mostly waits for the index, which stalls some where there are more connections."""

Resolved = Cell | lock.Unresolvable | InfrastructureError | str
"""The cell of a request, or why there is none; text where no Python of matrix.toml can hold it."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The cell that a request means; empty where it could not be resolved. ``companions`` are its explicit versions."""

    subject: str
    pairing: str
    cell: str
    companions: Mapping[str, str] = {}


class MissingWork(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has to do: jobs, records that need no run, and the titles of requests that could not be resolved, with why.

    ``answers`` has an entry for each request that the selection admits; ``requested`` is their number, those that fail
    for one common reason counted once.
    """

    requested: int = 0
    answers: tuple[Answer, ...] = ()
    jobs: tuple[Job, ...] = ()
    ready: tuple[Record, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to look for missing work: ``now`` dates the records, ``fresh`` is whether no record counts."""

    config: Config
    selection: Selection
    cache: Path
    now: datetime
    fresh: bool = False

    @property
    def instant(self) -> str:
        """The instant as of which requests are resolved."""
        return format_instant(self.selection.as_of or self.now)


def find_missing(
    options: Options,
    requests: Sequence[CellRequest],
    known: Ledger,
    progress: Callable[[int], None] = lambda count: None,
    queue: Queue | None = None,
) -> MissingWork:
    """Resolve the requests that are not answered on record, and compare their cells with the ledger.

    Args:
        options: See there.
        requests: Those of the run; those of one release stand together.
        known: All records.
        progress: Called with the number of requests that are resolved so far, from several threads.
        queue: Gets each job as soon as no other request can mean its cell: when those of its release are resolved.

    Raises:
        UserError: The selection admits none of the cells.
    """
    found = _Found(options, known)

    def resolved_one(count: int) -> None:
        if queue and queue.closed:  # interrupted: nothing more is to be run
            raise KeyboardInterrupt
        progress(count)

    def settled() -> None:
        if queue:
            queue.add([*found.jobs.values()][len(queue.jobs) :])

    left = [request for request in requests if not found.on_record_alone(request)]
    batches = _batches(options, left, found.on_record, queue)
    for request, resolved, since in _resolve(options, batches, found.on_record, resolved_one, settled):
        found.add(request, resolved, since)
    return found.work()


class _Found:
    """The missing work, as it is found request by request."""

    def __init__(self, options: Options, known: Ledger) -> None:
        self._options, self._known = options, known
        self.on_record = OnRecord(options.config, known, options.fresh)
        self.jobs: dict[str, Job] = {}
        self._ready: list[Record] = []
        self._failed: list[tuple[str, str]] = []
        self._answers: list[Answer] = []
        self._passed_over: list[Mapping[str, str]] = []
        self._undated: dict[str, dict[str, frozenset[NormalizedName]]] = defaultdict(dict)

    def on_record_alone(self, request: CellRequest) -> bool:
        """Whether the request need not be resolved: what is on record of it is taken."""
        record = self.on_record.current(request)
        if record is None or not self.on_record.answers(request):
            return False
        if self._admits(record.versions):
            self._answer(request, record.cell)
        return True

    def add(self, request: CellRequest, resolved: Resolved, since: str) -> None:
        """Take a request with what `_resolve` yields of it."""
        options = self._options
        if isinstance(resolved, lock.UndatedError):
            self._undated[request.pairing][request.subject] = resolved.packages
            self._answer(request, "")
        elif isinstance(resolved, InfrastructureError):
            self._failed.append((request.title, str(resolved)))
            self._answer(request, "")
        elif not isinstance(resolved, Cell):
            record = unrunnable(options.config, request, resolved, options.now, options.selection.as_of)
            self._answer(request, record.cell)
            current = self.on_record.current(request) or record
            if options.fresh or record.key not in self._known.records or current.cell != record.cell:
                self._ready.append(record)
        elif self._admits(resolved.versions):
            self._answer(request, self._answering(request, resolved, since))

    def _answering(self, request: CellRequest, cell: Cell, since: str) -> str:
        """The cell that answers the request: the resolved one, which is run where probes are missing, or that on record."""
        probes, current = self.on_record.missing(request, cell.id()), self.on_record.current(request)
        if not probes:
            self._ready += self._labeled(request, cell)
        elif current and self.on_record.still_answers(request, cell, self._options.instant):
            return current.cell
        else:
            job = Job(
                cell=cell,
                labels=(request.pairing,),
                probes=probes,
                since={request.pairing: since} if since else {},
                why=(self.on_record.why(request, cell, probes),),
                environment=self._options.config.environment,
            )
            self.jobs[cell.id()] = self.jobs[cell.id()].united(job) if cell.id() in self.jobs else job
        return cell.id()

    def _labeled(self, request: CellRequest, cell: Cell) -> Iterator[Record]:
        """The records of a cell that is answered, with the request's pairing as one more label, where that is new."""
        current, label, instant = self.on_record.current(request), request.pairing, self._options.instant
        # As of a day of the past, the label is a fact even where the pairing means the same cell today.
        if current is None or current.cell != cell.id() or self._options.selection.as_of:
            for record in self.on_record.by_cell[cell.id()]:
                if instant not in record.pairings.get(label, ()):
                    instants = tuple(sorted([*record.pairings.get(label, ()), instant]))
                    yield msgspec.structs.replace(record, pairings={**record.pairings, label: instants})

    def work(self) -> MissingWork:
        """All that was found. Raises UserError where the selection admits none of the cells."""
        if self._passed_over and not self._answers:
            raise no_match(self._options.selection, self._passed_over)
        # One for each pairing, like what was not requested for the same reason.
        for pairing, subjects in self._undated.items():
            packages = sorted(frozenset().union(*subjects.values()))
            self._failed.append(undated_failure(self._options.config, pairing, packages, list(reversed(subjects))))
        return MissingWork(
            requested=len(self._answers) - sum(len(subjects) - 1 for subjects in self._undated.values()),
            answers=tuple(self._answers),
            jobs=tuple(self.jobs.values()),
            ready=tuple(self._ready),
            failed=tuple(self._failed),
        )

    def _admits(self, versions: Mapping[str, str]) -> bool:
        admitted = self._options.selection.admits(versions)
        if not admitted:
            self._passed_over.append(versions)
        return admitted

    def _answer(self, request: CellRequest, cell: str) -> None:
        answer = Answer(subject=request.subject, pairing=request.pairing, cell=cell, companions=request.companions)
        self._answers.append(answer)


def _batches(
    options: Options, requests: Sequence[CellRequest], on_record: OnRecord, queue: Queue | None
) -> list[list[CellRequest]]:
    """Requests that are settled together: where there is a queue, those of each release of which nothing is on record.

    For all others the index is asked once whether their locks can still be installed.
    """
    alone, together = [], []
    for _, group in groupby(requests, key=lambda request: request.subject):
        batch = [*group]
        if queue and (options.fresh or not any(map(on_record.current, batch))):
            alone.append(batch)
        else:
            together += batch
    return [*alone, together]


def _resolve(
    options: Options,
    batches: Sequence[Sequence[CellRequest]],
    on_record: OnRecord,
    progress: Callable[[int], None],
    settled: Callable[[], None],
) -> Iterator[tuple[CellRequest, Resolved, str]]:
    """Each request with its cell and, where that is the lock on record, the instant at which it was resolved to it.

    The lock on record is used where probes are missing and it can still be installed: for explicit versions without
    asking the resolver, and for a pairing whose lock would be another today while the record still stands. ``settled``
    is called after each batch.
    """
    slot, config, cache = on_record.slot, options.config, options.cache
    pinned = {slot(one): cell for batch in batches for one in batch if (cell := on_record.pinned(one))}
    kept = installable(config, pinned, cache)
    left = [[request for request in batch if slot(request) not in kept] for batch in batches]
    answers = _resolve_all(options, left, progress)
    for batch, asked in zip(batches, left, strict=True):
        resolved = {slot(request): next(answers) for request in asked}
        behind = {
            slot(request): cell
            for request in asked
            if isinstance(outcome := resolved[slot(request)], Cell)
            and (cell := on_record.behind(request, outcome, options.instant))
        }
        kept |= installable(config, behind, cache) if behind else {}
        for request in batch:
            current = on_record.current(request)
            if current and slot(request) in kept:
                yield request, kept[slot(request)], max(current.pairings[request.pairing])
            else:
                yield request, resolved[slot(request)], ""
        settled()


def _resolve_all(
    options: Options, batches: Sequence[Sequence[CellRequest]], progress: Callable[[int], None]
) -> Iterator[Resolved]:
    """The answers in order; those of the first batch first, with all connections, for cells to run meanwhile."""
    done = 0
    mutex = threading.Lock()
    rest = [request for batch in batches[1:] for request in batch]

    def resolve(request: CellRequest, connections: int) -> Resolved:
        nonlocal done
        try:
            return request.refused or lock.resolve(options.config, request, options.cache / "locks", connections)
        except InfrastructureError as error:
            return error
        finally:
            with mutex:
                done += 1
                progress(done)

    with ThreadPoolExecutor(max_workers=RESOLVERS) as pool:
        try:
            for part in (*batches[:1], rest):
                connections = RESOLVERS // max(1, min(RESOLVERS, len(part)))
                yield from pool.map(resolve, part, repeat(connections))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            uv.stop()
            raise
