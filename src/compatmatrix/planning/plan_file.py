"""The plan as a file, and its shards, which are run on many machines in any order.

A plan has every missing cell with its lock, and the instants that records are dated with. So a machine that runs a shard
asks no index for releases, and the union of all shards is what one machine would have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
from packaging.version import Version

from compatmatrix.core import files
from compatmatrix.core.encoding import by_version, digest, parse_instant
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.states import CellState
from compatmatrix.planning.job_queue import Job
from compatmatrix.planning.missing import MissingWork
from compatmatrix.results.ledger import Ledger

SCHEMA = 3
"""Version of the plan's file; raised when a reader of the old one would misread."""

SECONDS_PER_CELL = 20
"""Seconds that a cell takes on a small machine that runs one at a time, installing included: an upper bound."""

CELLS_PER_SHARD = 30
"""Ten minutes of work, beside the minute or so in which a machine starts."""

MOST_SHARDS = 256
"""How many jobs GitHub allows in a matrix."""

SMOKE_CELLS = 4
"""How many cells a pull request runs."""


class Plan(MissingWork, frozen=True, kw_only=True):
    """All that a run has to do.

    ``planned`` dates every record and ``instant`` every label; ``listed`` are all versions of the subject that the index
    listed, ``releases`` those that are rows. ``error`` says why there is no plan at all.
    """

    schema: int = SCHEMA
    planned: str
    instant: str
    platform: str
    listed: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()
    error: str = ""

    @property
    def settled(self) -> int:
        """How many requests are on record or need no cell; one job can answer several."""
        return self.requested - sum(len(job.labels) for job in self.jobs) - len(self.failed)

    @property
    def facts(self) -> Ledger:
        """What is known without running anything."""
        return Ledger.of(self.ready, self.releases)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """As many as there is work for, none where there is none."""
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
    """Read a plan; with ``probes``, make sure that it was made for these on this platform.

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


def unrecorded(plan: Plan, known: Ledger) -> tuple[Job, ...]:
    """The planned jobs of which the ledger has no record since the plan was made."""
    done: dict[str, dict[str, str]] = {}
    for record in known.records.values():
        if parse_instant(record.recorded) >= parse_instant(plan.planned):
            done.setdefault(record.cell, {}).update(
                (name, source)
                for name, source in record.probes.items()
                if parse_instant(record.answered_at(name)) >= parse_instant(plan.planned)
            )
    return tuple(job for job in plan.jobs if not job.probes.items() <= done.get(job.cell.id(), {}).items())


def accepted(plan: Plan, delivered: Ledger) -> Ledger:
    """The delivered records that were planned: cells, labels and locks are the plan's, outcomes the shard's.

    A shard runs what packages do on import, and that can have changed anything that it delivers.
    """
    records = {}
    for job in plan.jobs:
        key = job.record("", "", CellState.RAN, "", {}).key
        record = delivered.records.get(key)
        if record and record.recorded >= plan.planned:
            planned = job.record(plan.instant, plan.planned, record.state, record.detail, record.outcomes)
            records[key] = msgspec.structs.replace(planned, network=record.network, tampering=record.tampering)
    evidence = {name: text for name, text in delivered.evidence.items() if digest(text) == name}
    return Ledger(records=records, evidence=evidence, damage=delivered.damage)


def shard(jobs: Sequence[Job], index: int, count: int) -> tuple[Job, ...]:
    """Part ``index`` (from 1) of ``count``: every job is in exactly one, groups stay together where sizes allow."""
    return _parts(jobs, count)[index - 1]


def _parts(jobs: Sequence[Job], count: int) -> list[tuple[Job, ...]]:
    """All parts of ``count``, each as large as the others or by one job larger."""
    ordered = sorted(jobs, key=lambda job: (job.group, Version(job.cell.subject), job.cell.id()))
    bounds = [len(ordered) * number // count for number in range(count + 1)]
    return [tuple(ordered[first:last]) for first, last in pairwise(bounds)]


def _shards(jobs: Sequence[Job], size: int) -> tuple[Shard, ...]:
    count = min(-(-len(jobs) // size), MOST_SHARDS)
    return tuple(
        Shard(
            shard=f"{number}/{count}",
            number=number,
            python=tuple(by_version({job.cell.python for job in part})),
            cells=len(part),
        )
        for number, part in enumerate(_parts(jobs, count) if count else (), 1)
    )
