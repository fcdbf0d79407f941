"""Wishes + ledger -> what is missing: jobs to run, records that need no run, wishes that could not be looked into.

What is in the ledger already, for today's probes, is not run again; what is missing of a cell on record is run in its lock.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
from packaging.version import Version

from compatmatrix.config.matrix_file import Config
from compatmatrix.core.encoding import digest, format_instant
from compatmatrix.core.model import Cell, CellRequest, CellState, InfrastructureError, Outcome, Record, record_key
from compatmatrix.planning.recorded import OnRecord, installable
from compatmatrix.planning.requests import Selection
from compatmatrix.resolve import lock, uv
from compatmatrix.results.ledger import Ledger

RESOLVERS = 12
"""Resolutions at once: each mostly waits for the index. They share as many connections: with more, an index stalls some."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that has to be run, with the labels it answers to and the probes to put.

    ``since`` maps a label to the instant on record at which it was found to mean this cell: where the lock on record is
    run again, that is not found anew.
    """

    cell: Cell
    labels: tuple[str, ...]
    probes: Mapping[str, str]
    since: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        return (
            ", ".join(f"{name} {self.cell.versions[name]}" for name in self.cell.named)
            + f" (Python {self.cell.python}; {', '.join(self.labels)})"
        )

    def record(
        self, instant: str, recorded: str, state: CellState, detail: str, outcomes: Mapping[str, Outcome]
    ) -> Record:
        """What is stored of the job once it is known what came of it."""
        return Record(
            key=record_key(self.cell.id(), self.probes),
            cell=self.cell.id(),
            subject=self.cell.subject,
            python=self.cell.python,
            platform=self.cell.platform,
            versions=self.cell.versions,
            pairings={label: (self.since.get(label, instant),) for label in self.labels},
            state=state,
            detail=detail,
            lock=self.cell.listed(),
            probes=dict(self.probes),
            outcomes=dict(outcomes),
            recorded=recorded,
            source=self.cell.source,
        )


class Agenda(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has to do: jobs, records that need no cell to be run, and wishes that could not be looked into."""

    wanted: int
    jobs: tuple[Job, ...] = ()
    ready: tuple[Record, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def cells(self) -> int:
        return self.wanted - len(self.failed)


def agenda(
    config: Config,
    wanted: Sequence[CellRequest],
    known: Ledger,
    selection: Selection,
    cache: Path,
    now: datetime,
    fresh: bool = False,
    resolved: Callable[[int], None] = lambda count: None,
) -> Agenda:
    """Find out what is missing: find each wish's cell, and hold it against the ledger.

    A wish with explicit or lowest companions that is on record is not resolved again: it asks about those versions,
    and only a new release makes a new question.
    """
    instant = format_instant(selection.as_of or now)
    on_record = OnRecord(config, known, fresh)
    by_cell: dict[str, list[Record]] = defaultdict(list)
    for record in known.records.values():
        by_cell[record.cell].append(record)
    jobs: dict[str, Job] = {}
    ready: list[Record] = []
    failed: list[tuple[str, str]] = []
    open_wishes = [wish for wish in wanted if not on_record.answers(wish)]
    for wish, outcome, since in _cells(config, open_wishes, on_record, instant, cache, resolved):
        current = on_record.current(wish)
        if isinstance(outcome, InfrastructureError):
            failed.append((wish.title, str(outcome)))
        elif isinstance(outcome, Cell):
            if not selection.admits(outcome.versions):
                continue
            identity = outcome.id()
            missing = on_record.missing(wish, identity)
            if missing and on_record.still_answers(wish, outcome, instant):
                continue
            if missing:
                old = jobs.get(identity) or Job(cell=outcome, labels=(), probes={})
                jobs[identity] = Job(
                    cell=outcome,
                    labels=tuple(dict.fromkeys([*old.labels, wish.pairing])),
                    probes={**old.probes, **missing},
                    since={**old.since, **({wish.pairing: since} if since else {})},
                )
            elif current is None or current.cell != identity or selection.as_of:
                # What a day of the past looked like is worth a word even where it looked as today does.
                labelled = [_labelled(record, wish.pairing, instant) for record in by_cell[identity]]
                ready += [record for record in labelled if record != known.records[record.key]]
        else:
            record = _unrunnable(config, wish, outcome, instant, now)
            if fresh or record.key not in known.records or (current or record).cell != record.cell:
                ready.append(record)
    return Agenda(wanted=len(wanted), jobs=tuple(jobs.values()), ready=tuple(ready), failed=tuple(failed))


def group(job: Job) -> tuple[str, ...]:
    """Python and companions: jobs of one group differ in little but the subject."""
    return (job.cell.python, *(job.cell.versions[name] for name in job.cell.companions))


def shard(jobs: Sequence[Job], index: int, count: int) -> tuple[Job, ...]:
    """Part ``index`` (from 1) of ``count``: every job in exactly one part, whole groups together where sizes allow."""
    return parts(jobs, count)[index - 1]


def parts(jobs: Sequence[Job], count: int) -> tuple[tuple[Job, ...], ...]:
    """All parts of ``count``, each as large as the others or by one job larger."""
    ordered = sorted(jobs, key=lambda job: (group(job), Version(job.cell.subject), job.cell.id()))
    bounds = [len(ordered) * number // count for number in range(count + 1)]
    return tuple(tuple(ordered[first:last]) for first, last in pairwise(bounds))


Found = Cell | lock.Unresolvable | InfrastructureError | str
"""What a wish comes to: a cell, or why there is none; text where no Python can hold it."""


def _cells(
    config: Config,
    wishes: Sequence[CellRequest],
    on_record: OnRecord,
    instant: str,
    cache: Path,
    resolved: Callable[[int], None],
) -> Iterator[tuple[CellRequest, Found, str]]:
    """Each wish with what it comes to and, where that is the cell on record as it is there, since when it is.

    The lock on record is used where probes are missing and it can still be installed: for explicit versions without
    asking the resolver, and for a pairing whose lock would be another today while what is on record still stands.
    """
    pinned = {on_record.slot(wish): cell for wish in wishes if (cell := on_record.pinned(wish))}
    kept = installable(config, pinned, cache)
    left = [wish for wish in wishes if on_record.slot(wish) not in kept]
    found: list[tuple[CellRequest, Found]] = [
        (wish, kept[slot]) for wish in wishes if (slot := on_record.slot(wish)) in kept
    ]
    found += zip(left, _resolve_all(config, left, cache, resolved), strict=True)
    drifted = {
        on_record.slot(wish): cell
        for wish, outcome in found
        if isinstance(outcome, Cell) and (cell := on_record.behind(wish, outcome, instant))
    }
    kept |= installable(config, drifted, cache)
    for wish, outcome in found:
        recorded, current = kept.get(on_record.slot(wish)), on_record.current(wish)
        if recorded and current:
            yield wish, recorded, max(current.pairings[wish.pairing])
        else:
            yield wish, outcome, ""


def _resolve_all(
    config: Config, wishes: Sequence[CellRequest], cache: Path, resolved: Callable[[int], None]
) -> list[Found]:
    done = 0
    mutex = threading.Lock()
    connections = RESOLVERS // max(1, min(RESOLVERS, len(wishes)))

    def one(wish: CellRequest) -> Found:
        nonlocal done
        try:
            return wish.refused or lock.resolve(config, wish, cache / "locks", connections)
        except InfrastructureError as trouble:
            return trouble
        finally:
            with mutex:
                done += 1
                resolved(done)

    with ThreadPoolExecutor(max_workers=RESOLVERS) as pool:
        try:
            return list(pool.map(one, wishes))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            uv.stop()
            raise


def _unrunnable(
    config: Config, wish: CellRequest, outcome: lock.Unresolvable | str, instant: str, now: datetime
) -> Record:
    """The record of a wish for which there is no cell: no Python can hold it, or no set of packages meets it."""
    state, detail, python = (
        (CellState.NO_PYTHON, outcome, "")
        if isinstance(outcome, str)
        else (CellState.UNRESOLVABLE, outcome.why, outcome.python)
    )
    cell = digest([wish.request_id(), state.value])
    return Record(
        key=record_key(cell, {}),
        cell=cell,
        subject=wish.subject,
        python=python,
        platform=wish.platform,
        versions={config.subject.name: wish.subject, **wish.companions},
        pairings={wish.pairing: (instant,)},
        state=state,
        detail=detail[:500],
        recorded=format_instant(now),
        source=wish.source,
    )


def _labelled(record: Record, label: str, instant: str) -> Record:
    instants = tuple(sorted({*record.pairings.get(label, ()), instant}))
    return msgspec.structs.replace(record, pairings={**record.pairings, label: instants})
