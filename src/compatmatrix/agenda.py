"""Wishes + ledger -> what is missing: jobs to run, records that need no run, wishes that could not be looked into.

What is in the ledger already, for today's probes, is not run again.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
from packaging.version import Version

from compatmatrix import lock, uv
from compatmatrix.config import Config
from compatmatrix.ledger import Ledger, holders
from compatmatrix.model import BISECTED, Cell, CellState, Outcome, Record, Trouble, Wanted, record_key
from compatmatrix.plan import Selection
from compatmatrix.spelling import digest, format_instant, parse_instant

RESOLVERS = 12
"""Resolutions at once: each mostly waits for the index. They share as many connections: with more, an index stalls some."""

DRIFT_DAYS = 30
"""How long a `newest` cell answers while only packages have moved that are neither subject nor companion."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A cell that has to be run, with the labels it answers to and the probes to put."""

    cell: Cell
    labels: tuple[str, ...]
    probes: Mapping[str, str]

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
            pairings={label: (instant,) for label in self.labels},
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
    wanted: Sequence[Wanted],
    known: Ledger,
    selection: Selection,
    cache: Path,
    now: datetime,
    fresh: bool = False,
    resolved: Callable[[int], None] = lambda count: None,
) -> Agenda:
    """Find out what is missing: resolve each wish to its cell and hold it against the ledger.

    A wish with explicit or lowest companions that is on record is not resolved again: it asks about those versions,
    and only a new release makes a new question.
    """
    instant = format_instant(selection.as_of or now)
    grid = config.pairings.grid.companion if config.pairings.grid else None
    held = holders(known.records.values(), grid)
    answered: dict[str, dict[str, str]] = defaultdict(dict)
    by_cell: dict[str, list[Record]] = defaultdict(list)
    for record in known.records.values():
        by_cell[record.cell].append(record)
        if record.state is not CellState.NO_PYTHON and not fresh:
            answered[record.cell] |= record.probes
    open_wishes = [wish for wish in wanted if not (_slot_answered(wish, held, answered, grid) and not fresh)]
    results = _resolve_all(config, open_wishes, cache, resolved)
    jobs: dict[str, Job] = {}
    ready: list[Record] = []
    failed: list[tuple[str, str]] = []
    for wish, outcome in zip(open_wishes, results, strict=True):
        if isinstance(outcome, Trouble):
            failed.append((wish.title, str(outcome)))
        elif isinstance(outcome, Cell):
            if not selection.admits(outcome.versions):
                continue
            identity = outcome.id()
            missing = {
                probe: source for probe, source in wish.probes.items() if answered[identity].get(probe) != source
            }
            current = held.get(_slot(wish, grid))
            if missing and current and _stands(current, answered[current.cell], wish, outcome, instant):
                continue
            if missing:
                old = jobs.get(identity)
                labels = dict.fromkeys([*(old.labels if old else ()), wish.pairing])
                jobs[identity] = Job(
                    cell=outcome, labels=tuple(labels), probes={**(old.probes if old else {}), **missing}
                )
            elif current is None or current.cell != identity or selection.as_of:
                # What a day of the past looked like is worth a word even where it looked as today does.
                labelled = [_labelled(record, wish.pairing, instant) for record in by_cell[identity]]
                ready += [record for record in labelled if record != known.records[record.key]]
        else:
            record = _unrunnable(config, wish, outcome, instant, now)
            if fresh or record.key not in known.records or held.get(_slot(wish, grid), record).cell != record.cell:
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


def _resolve_all(
    config: Config, wishes: Sequence[Wanted], cache: Path, resolved: Callable[[int], None]
) -> list[Cell | lock.Unresolvable | Trouble | str]:
    done = 0
    mutex = threading.Lock()
    connections = RESOLVERS // max(1, min(RESOLVERS, len(wishes)))

    def one(wish: Wanted) -> Cell | lock.Unresolvable | Trouble | str:
        nonlocal done
        try:
            return wish.refused or lock.resolve(config, wish, cache / "locks", connections)
        except Trouble as trouble:
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


def _stands(current: Record, answered: Mapping[str, str], wish: Wanted, cell: Cell, instant: str) -> bool:
    """Whether what is on record of `newest` still answers, though its lock would be another today.

    Some package that nobody names here is released every other day. A cell is asked again when a named package moves,
    or after `DRIFT_DAYS`: often enough to notice what breaks meanwhile, seldom enough for a ledger that is kept in git.
    """
    if wish.pairing != "newest" or any(answered.get(probe) != source for probe, source in wish.probes.items()):
        return False
    age = parse_instant(instant) - parse_instant(max(current.pairings["newest"]))
    same = current.python == cell.python and dict(current.versions) == dict(cell.versions)
    return same and timedelta() <= age < timedelta(days=DRIFT_DAYS)


def _slot(wish: Wanted, grid: str | None) -> tuple[str, ...]:
    slot = (wish.platform, wish.subject, wish.pairing)
    return (*slot, wish.companions.get(grid, "")) if wish.pairing == "grid" and grid else slot


def _slot_answered(
    wish: Wanted, held: Mapping[tuple[str, ...], Record], answered: Mapping[str, Mapping[str, str]], grid: str | None
) -> bool:
    """Whether a wish about explicit versions has its answer on record, for all its probes as they are today."""
    record = held.get(_slot(wish, grid))
    if (
        not (wish.companions or wish.lowest)
        or wish.pairing == BISECTED  # its label says nothing of the companion's version
        or record is None
        or (record.state is CellState.NO_PYTHON and not wish.refused)
    ):
        return False
    if record.state in (CellState.UNRESOLVABLE, CellState.NO_PYTHON):
        return True
    return all(answered.get(record.cell, {}).get(probe) == source for probe, source in wish.probes.items())


def _unrunnable(config: Config, wish: Wanted, outcome: lock.Unresolvable | str, instant: str, now: datetime) -> Record:
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
