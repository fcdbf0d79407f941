"""The plan as a file, and its shards: made once, carried out on many machines, in any order.

A plan names every missing cell with its lock and fixes the instant that all findings are dated with. So a machine that
works by it asks no index what there is, and the union of all parts is what one machine would have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from compatmatrix.core import files
from compatmatrix.core.encoding import by_version, digest, parse_instant
from compatmatrix.core.model import CellState, Probe, Record, Release, UserError
from compatmatrix.planning.missing import Job, parts
from compatmatrix.results.ledger import Ledger, merge

SCHEMA = 1
"""Version of the plan's file; raised when a reader of the old one would misread."""

SECONDS_PER_CELL = 20
"""What a cell costs a small machine that runs one at a time, installing included: an upper bound for planning."""

CELLS_PER_SHARD = 30
"""Ten minutes of work: a job's own start, a minute or so, is small beside it, and a shard that is lost costs little."""

MOST_SHARDS = 256
"""What GitHub allows a job's matrix to have."""

SMOKE_CELLS = 4
"""What a pull request runs: enough to see that the engine and the probes work."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has to do, complete: jobs with their locks, records that need no run, and what could not be looked into.

    ``planned`` dates every record and ``instant`` every label; ``listed`` are all versions of the subject that the index
    listed, ``releases`` those that are rows. ``trouble`` says why there is no plan at all.
    """

    schema: int = SCHEMA
    planned: str
    instant: str
    platform: str
    wanted: int = 0
    jobs: tuple[Job, ...] = ()
    ready: tuple[Record, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    listed: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()
    trouble: str = ""

    @property
    def settled(self) -> int:
        """Wishes that are on record or need no cell; one job can answer several."""
        return self.wanted - sum(len(job.labels) for job in self.jobs) - len(self.failed)

    @property
    def facts(self) -> Ledger:
        """What is known without running anything."""
        settled = merge(*(Ledger(records={record.key: record}) for record in self.ready))
        return Ledger(records=settled.records, releases={release.version: release for release in self.releases})

    @property
    def shards(self) -> tuple[Shard, ...]:
        """As many as the work needs, none where there is none."""
        return _shards(self.jobs, CELLS_PER_SHARD)

    @property
    def smoke(self) -> tuple[Shard, ...]:
        """A small shard: the cells with the newest companions."""
        return _shards(self.jobs, SMOKE_CELLS)[-1:]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a plan: its name ``I/N``, a number for file names, the Pythons it needs and what it costs."""

    shard: str
    number: int
    python: tuple[str, ...]
    cells: int

    @property
    def minutes(self) -> float:
        return round(self.cells * SECONDS_PER_CELL / 60, 1)

    def entry(self) -> dict[str, object]:
        """One entry of GitHub's job matrix; several Pythons stand on a line each, as `setup-python` takes them."""
        return {"shard": self.shard, "number": self.number, "python": "\n".join(self.python), "cells": self.cells}


def read(path: Path, probes: Sequence[Probe] | None = None, platform: str = "") -> Plan:
    """Read a plan; with ``probes``, make sure that it asks today's questions on this platform.

    Raises:
        UserError: there is no such file, it is no plan, or it was made for something else.
    """
    plan = files.read_json(path, Plan, SCHEMA, "plan --save")
    if probes is not None:
        if plan.platform != platform:
            raise UserError(f"{path}: the plan is for {plan.platform}, and this machine is {platform}")
        today = {probe.id: probe.digest for probe in probes}
        for job in plan.jobs:
            for name, source in job.probes.items():
                if today.get(name) != source:
                    raise UserError(f"{path}: the probe {name!r} is another than when this was planned; plan again")
    return plan


def save(plan: Plan, path: Path) -> None:
    """Raises InfrastructureError where the disk does not take it."""
    files.write_json(plan, path)


def missing(plan: Plan, known: Ledger) -> tuple[Job, ...]:
    """The planned jobs of which the ledger holds nothing that was found since."""
    done: dict[str, dict[str, str]] = {}
    for record in known.records.values():
        if parse_instant(record.recorded) >= parse_instant(plan.planned):
            done.setdefault(record.cell, {}).update(record.probes)
    return tuple(job for job in plan.jobs if not job.probes.items() <= done.get(job.cell.id(), {}).items())


def accepted(plan: Plan, delivered: Ledger) -> Ledger:
    """What was delivered, as far as it was planned: cells, their labels and locks are the plan's, findings the shard's.

    A shard ran what packages do when they are imported, and whatever that was had its hands on what it delivers.
    """
    records = {}
    for job in plan.jobs:
        key = job.record("", "", CellState.RAN, "", {}).key
        found = delivered.records.get(key)
        if found and found.recorded >= plan.planned:
            record = job.record(plan.instant, plan.planned, found.state, found.detail, found.outcomes)
            records[key] = msgspec.structs.replace(record, network=found.network, oddities=found.oddities)
    evidence = {name: text for name, text in delivered.evidence.items() if digest(text) == name}
    return Ledger(records=records, evidence=evidence, damage=delivered.damage)


def _shards(jobs: Sequence[Job], size: int) -> tuple[Shard, ...]:
    count = min(-(-len(jobs) // size), MOST_SHARDS)
    made = []
    for number, part in enumerate(parts(jobs, count) if count else (), 1):
        pythons = tuple(by_version({job.cell.python for job in part}))
        made.append(Shard(shard=f"{number}/{count}", number=number, python=pythons, cells=len(part)))
    return tuple(made)
