"""What all commands about sources share: the index's lists, a builder, and requests brought to records. Each on first use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from compatmatrix.cli import run
from compatmatrix.cli.context import Setting
from compatmatrix.config.matrix_file import host_platform
from compatmatrix.config.source_addresses import published
from compatmatrix.core.encoding import digest, format_instant
from compatmatrix.core.model import (
    CellRequest,
    CellState,
    InfrastructureError,
    Probe,
    Record,
    Release,
    Source,
    record_key,
)
from compatmatrix.core.pairings import NIGHTLY
from compatmatrix.environment.interpreters import Interpreters
from compatmatrix.index import releases
from compatmatrix.index.releases import Projects
from compatmatrix.planning import missing
from compatmatrix.planning.requests import Planner, subject_releases
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from compatmatrix.sources.build_environment import Yard
from compatmatrix.sources.builder import Builder, Built, Unbuildable

Failure = tuple[str, str]
"""What could not be examined, and why."""


class Desk:
    """Makes requests of sources and releases, and has them examined."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.config = setting, setting.config
        self.platform = host_platform(setting.config)
        self.ran = 0

    @cached_property
    def projects(self) -> Projects:
        return releases.fetch(self.config.index, self.config.named, self.setting.cache / "index", self.setting.say)

    @cached_property
    def rows(self) -> tuple[Release, ...]:
        return subject_releases(self.config, self.projects, self.setting.selection.as_of)

    @cached_property
    def newest(self) -> Release:
        """The release that a plain install gives."""
        found = next((release for release in reversed(self.rows) if release.stable), None)
        if found is None:
            raise InfrastructureError(f"the index lists no stable release of {self.config.subject.name}")
        return found

    @cached_property
    def builder(self) -> Builder:
        find = Interpreters(self.setting.cache / "interpreters").find
        yard = Yard(index=self.config.index, pythons=self.config.python.versions, find=find)
        return Builder(self.config.subject.name, yard, self.setting.cache)

    def release_request(
        self, release: Release, pairing: str, probes: Sequence[Probe], explicit: dict[str, str] | None = None
    ) -> CellRequest:
        """A release with the companions of a pairing, or with one that is named."""
        planner = Planner(
            config=self.config,
            projects=self.projects,
            probes=probes,
            platform=self.platform,
            as_of=self.setting.selection.as_of,
        )
        return planner.request(release, pairing, explicit or {})

    def source_request(self, built: Built, pairing: str, probes: Sequence[Probe]) -> CellRequest:
        """A source as if it were a release."""
        request = self.release_request(built.release, pairing, probes)
        return msgspec.structs.replace(request, subject=built.source.row, source=built.source, wheel=built.url)

    def nightly(self, request: CellRequest) -> CellRequest:
        """The same with the nightly builds of the companions that have some."""
        name, address = next(iter(self.config.watch.nightly.items()))
        source = request.source or Source(package=name, origin=published(address), reference=NIGHTLY.name)
        return msgspec.structs.replace(request, pairing=NIGHTLY.name, source=source, nightly=self.config.watch.nightly)

    def unbuildable(self, failure: Unbuildable, pairing: str) -> Record:
        """The record of a source of which no wheel can be made: a fact, so it is not tried again."""
        source, setting = failure.source, self.setting
        cell = digest(["unbuildable", source.reference, source.identity, self.platform])
        return Record(
            key=record_key(cell, {}),
            cell=cell,
            subject=source.row,
            python="",
            platform=self.platform,
            versions={self.config.subject.name: source.row},
            pairings={pairing: (format_instant(setting.selection.as_of or setting.now),)},
            state=CellState.INSTALL_FAILED,
            detail=f"cannot be built from source: {failure}",
            recorded=format_instant(setting.now),
            source=source,
        )

    def record(self, *records: Record) -> None:
        """Write facts that no cell had to be run for."""
        ledger.append(self.setting.records, Ledger.of(records))

    def examine(self, requests: Sequence[CellRequest]) -> list[Failure]:
        """Bring every request to a record, running what is missing; returns what could not be examined."""
        setting = self.setting
        known = ledger.merge(setting.ledger(), Ledger(releases={release.version: release for release in self.rows}))
        options = missing.Options(
            config=self.config,
            selection=setting.selection,
            cache=setting.cache,
            now=setting.now,
            fresh=setting.asked.fresh,
        )
        todo = missing.find_missing(options, requests, known)
        ledger.append(setting.records, Ledger.of(todo.ready, known.releases.values()))
        results = run.run_jobs(setting, todo.jobs) if todo.jobs else []
        self.ran += sum(result.record is not None for result in results)
        return [*todo.failed, *((result.job.title, result.error) for result in results if result.record is None)]
