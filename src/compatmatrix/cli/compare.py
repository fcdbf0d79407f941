"""`run --source`: examines what is not released, and compares it with a release or another commit.

Results are kept in the cache, and recorded only on request: a pull request is no row of the reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.analysis.cells import CellView, united
from compatmatrix.analysis.changes import between_cells
from compatmatrix.ci import comment
from compatmatrix.ci.comment import Comparisons
from compatmatrix.cli import options, plan
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.exit_codes import Failure, exit_code
from compatmatrix.cli.report import write_reports
from compatmatrix.config import source_addresses
from compatmatrix.config.source_addresses import Address
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import Cell, CellRequest, Record, Release, Source, record_key
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.text import without_credentials
from compatmatrix.planning.job_queue import Job
from compatmatrix.planning.recorded import unrunnable
from compatmatrix.publish import change_words, terminal
from compatmatrix.resolve import lock
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger
from compatmatrix.sources.builder import Unbuildable
from compatmatrix.sources.history import Repository

MERGE_BASE, LATEST = "merge-base", "newest"
NOT_COMPARED = "neither side has an answer to a probe, so nothing is known of what changed"

Target = Cell | Record
"""A cell to examine, or the record that says why there is none."""


def run_sources(context: Context, chosen: options.Run) -> int:
    """Examine the sources of `--source`, and compare each with what `--against` names."""
    run = _Run(context, chosen)
    pairs: list[tuple[Target, Target | None]] = []
    failed: list[Failure] = []
    for text in chosen.source:
        address = source_addresses.parse(text, context.config.subject.name)
        try:
            pairs.append(run.pair(address))
        except InfrastructureError as error:
            failed.append((without_credentials(address.text), str(error)))
    failed += run.examine([target for pair in pairs for target in pair if target])
    cells = [(run.cell(after), run.cell(before) if before else None) for after, before in pairs]
    comparisons = [between_cells(before, after, context.probes) for after, before in cells if after and before]
    failed += [(one.after.subject, NOT_COMPARED) for one in comparisons if not one.answered]
    compared = Comparisons(
        subject=context.config.subject.name,
        sources=tuple(after for after, _ in cells if after),
        comparisons=tuple(comparisons),
        not_examined=tuple(failed),
    )
    if chosen.record:
        run.record([after for after, _ in pairs])
    _show(context, chosen.format, compared)
    for line in run.examiner.timings() if chosen.timings else ():
        context.say(line)
    kinds = [kind for one in compared.comparisons for kind in one.gated]
    return exit_code(context, chosen.fail_on, kinds, compared.sources, failed)


def _show(context: Context, format: str, compared: Comparisons) -> None:
    if format == "json":
        print(msgspec.json.encode(compared).decode())
        return
    view = context.view(Ledger())
    if format == "markdown":
        print(comment.markdown(view, compared), end="")
        return
    terminal.print_sources(context.console, view, compared.sources)
    for comparison in compared.comparisons:
        terminal.line(context.console, f"\n{change_words.markdown(view, comparison)}")


class _Run:
    """One run: only a record of the very same lock counts, so that both sides are the same day's."""

    def __init__(self, context: Context, chosen: options.Run) -> None:
        self._context, self._chosen = context, chosen
        cached = msgspec.structs.replace(context, reports=context.cache / "unrecorded" / context.config.subject.name)
        self._cached = cached
        self.examiner = Examiner(cached, chosen.jobs, chosen.fresh, chosen.as_of)
        self._known = self._read()

    def _read(self) -> Ledger:
        return ledger.merge(self._context.ledger(), ledger.read(self._cached.records))

    def pair(self, address: Address) -> tuple[Target, Target | None]:
        """What is to be examined for a source, and for what it is compared with."""
        builder = self.examiner.builder
        try:
            with self.examiner.timed("build"):
                built = builder.address(address)
            source = built.source
            after = self._resolved(self.examiner.source_request(built, NEWEST.name, self._context.probes))
        except Unbuildable as failure:
            source, after = failure.source, self.examiner.unbuildable(failure, NEWEST.name)
        return after, self._base(address, source, after) if self._chosen.against else None

    def _base(self, address: Address, source: Source, after: Target) -> Target:
        against, examiner = self._chosen.against or "", self.examiner
        release = examiner.newest if against == LATEST else _named(examiner, against)
        if release:
            return self._beside(examiner.release_request(release, NEWEST.name, self._context.probes), after)
        url = address.url or (address.path.resolve().as_uri() if address.path and address.path.is_dir() else "")
        if not url:
            raise UserError(f"--against {against}: a wheel has no history; name `newest` or a release")
        repository = Repository(url, self._context.cache)
        sha, name = repository.fetch(against) if against != MERGE_BASE else "", against
        if against == MERGE_BASE:
            branch = self._main(repository)
            sha, name = repository.base(source.commit or repository.fetch("HEAD"), branch) or "", MERGE_BASE
            if not sha:
                raise UserError(f"--against {MERGE_BASE}: {source.short} and {branch[:12]} have no commit in common")
        try:
            with examiner.timed("build"):
                built = examiner.builder.commit(repository, sha, name)
        except Unbuildable as failure:
            return examiner.unbuildable(failure, NEWEST.name)
        return self._beside(examiner.source_request(built, NEWEST.name, self._context.probes), after)

    def _main(self, repository: Repository) -> str:
        """The commit of the branch that pull requests are merged into."""
        if not repository.local:
            return repository.fetch("HEAD")
        subject = self._context.config.subject.name
        watched = [source_addresses.parse(text, subject).reference for text in self._context.config.watch.sources]
        for name in ("refs/remotes/origin/HEAD", *filter(None, watched), "main", "master"):
            if sha := repository.resolve(name):
                return sha
        raise repository.lacking("branch `main`; name a reference with --against")

    def _resolved(self, request: CellRequest) -> Target:
        """The request's cell, or the record that there is none."""
        config, now = self._context.config, self._context.now
        with self.examiner.timed("lock"):
            found = request.refused or lock.resolve(config, request, self._context.cache / "locks")
        return found if isinstance(found, Cell) else unrunnable(config, request, found, now, self._chosen.as_of)

    def _beside(self, request: CellRequest, other: Target) -> Target:
        """The request in the lock of another cell but for the subject, where there is one; else in its own."""
        config = self._context.config
        if isinstance(other, Cell) and other.python in request.pythons:
            apart = {canonicalize_name(name) for name in (config.subject.name, *config.tools)}
            pins = [f"{pin.name}=={pin.version}" for pin in other.lock if pin.name not in apart]
            pinned = msgspec.structs.replace(
                request, pythons=(other.python,), requirements=(*request.requirements, *pins)
            )
            if isinstance(cell := self._resolved(pinned), Cell):
                return cell
        return self._resolved(request)

    def examine(self, targets: Sequence[Target]) -> list[Failure]:
        """Run the cells that are not on record; returns what could not be examined."""
        jobs = {}
        for cell in (target for target in targets if isinstance(target, Cell)):
            probes = {probe.id: probe.digest for probe in self._context.probes}
            done = {} if self._chosen.fresh else {k: v for record in self._of(cell) for k, v in record.probes.items()}
            if left := {name: source for name, source in probes.items() if done.get(name) != source}:
                environment = self._context.config.environment
                jobs[cell.id()] = Job(cell=cell, labels=(NEWEST.name,), probes=left, environment=environment)
        todo = msgspec.structs.replace(
            plan.empty(self._cached, plan.selection_of(self._chosen)), jobs=tuple(jobs.values())
        )
        failed = self.examiner.run(todo)
        self._known = self._read()
        return failed

    def cell(self, target: Target) -> CellView | None:
        """What is known of a target, under the name by which it was asked for; None where it could not be examined."""
        records = list(self._of(target))
        return united(records, (NEWEST.name,), self._context.config, self._context.probes) if records else None

    def _of(self, target: Target) -> Iterator[Record]:
        """The records of a target; those of the same commit in the same lock, examined under another name, are its too."""
        if isinstance(target, Record):
            yield target
            return
        cell, listed = target.id(), target.listed()
        for record in self._known.records.values():
            if record.cell == cell:
                yield record
            elif (
                target.source
                and record.source
                and record.source.identity == target.source.identity != ""
                and (record.python, record.platform, record.lock) == (target.python, target.platform, listed)
            ):
                key = record_key(cell, record.probes)
                yield msgspec.structs.replace(record, key=key, cell=cell, source=target.source)

    def record(self, targets: Sequence[Target]) -> None:
        """Put what was found of the sources into the records, and rebuild the reports."""
        records = [record for target in targets for record in self._of(target)]
        names = {outcome.evidence for record in records for outcome in record.outcomes.values()}
        evidence = {name: text for name, text in self._known.evidence.items() if name in names}
        ledger.append(self._context.records, msgspec.structs.replace(Ledger.of(records), evidence=evidence))
        write_reports(self._context)


def _named(examiner: Examiner, text: str) -> Release | None:
    """The release of a version."""
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return next((release for release in examiner.rows if Version(release.version) == version), None)
