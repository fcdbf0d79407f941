"""The command `bisect`: at which commit, or which release of a companion, the outcome of a probe changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.bisect import log, search
from compatmatrix.bisect.judge import Examination, Judge, needed_probes
from compatmatrix.bisect.log import Question
from compatmatrix.bisect.search import GOOD, SKIP, Change, Step, Undecided, Verdict
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner, Failure
from compatmatrix.cli.options import DONE, UNEXAMINED
from compatmatrix.config import source_addresses
from compatmatrix.core.model import Probe, Record, Release, UserError
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, GRID
from compatmatrix.index import releases
from compatmatrix.planning.requests import Selection
from compatmatrix.publish import write
from compatmatrix.sources.builder import Unbuildable
from compatmatrix.sources.history import Repository


def bisect(context: Context, chosen: options.Bisect) -> int:
    """Search, print the change with its evidence, and write a log."""
    probe = next((probe for probe in context.probes if probe.id == chosen.probe), None)
    if probe is None:
        known = ", ".join(probe.id for probe in context.probes)
        raise UserError(f"bisect {chosen.probe}: there is no such probe; there are {known}")
    return (_companions if chosen.companion else _commits)(context, chosen, probe)


def _commits(context: Context, chosen: options.Bisect, probe: Probe) -> int:
    """Search the commits of the subject's repository."""
    repository = Repository(_address(context, chosen), context.cache)
    bad = _commit(context, repository, chosen.bad, None)
    good = _commit(context, repository, chosen.good, bad)
    base = repository.base(good, bad)
    if base is None or base == bad:
        raise UserError(
            f"--good {chosen.good}: must come before --bad {chosen.bad} in the history of {repository.name}"
        )
    if base != good:
        context.say(
            f"{chosen.good} is not in the history of {chosen.bad}: searching from their merge base, {base[:12]}"
        )
    examiner = Examiner(context, chosen.jobs, chosen.fresh, chosen.as_of)
    probes = needed_probes(context.config, context.probes, probe)

    def examine(sha: str) -> list[Failure]:
        try:
            built = examiner.builder.commit(repository, sha, chosen.bad)
        except Unbuildable as failure:
            examiner.record_unbuildable(failure, COMMIT_DAY.name)
            return []
        return examiner.examine([examiner.source_request(built, COMMIT_DAY.name, probes)])

    def matches(record: Record, sha: str) -> bool:
        return record.source is not None and record.source.commit == sha

    def describe(sha: str) -> str:
        commit = repository.commit(sha)
        return f"{sha}\n  author date: {commit.authored}\n  {commit.subject}"

    examination = Examination(
        pairing=COMMIT_DAY.name, matches=matches, examine=examine, records=context.records, fresh=chosen.fresh
    )
    question = Question(probe=probe.id, digest=probe.digest, good=base, bad=bad)
    one = _Search(context, Judge(context.config, context.probes, probe, examination), question, chosen.linear, describe)
    change = one.run(repository.between(base, bad))
    while change and chosen.into_merges and not change.between and (deeper := one.into_merge(repository, change)):
        change = deeper
    return one.print_result(change, examiner.cells_run)


def _companions(context: Context, chosen: options.Bisect, probe: Probe) -> int:
    """Search the releases of a companion, beside one release of the subject."""
    config = context.config
    names = {canonicalize_name(companion.name): companion.name for companion in config.companions}
    companion = names.get(canonicalize_name(chosen.companion or ""))
    if companion is None:
        raise UserError(f"--companion {chosen.companion}: is no companion; there are {', '.join(names.values())}")
    examiner = Examiner(context, chosen.jobs, chosen.fresh, chosen.as_of)
    subject = _subject(context, chosen, examiner)
    good, bad = (_version(text, key) for text, key in ((chosen.good, "--good"), (chosen.bad, "--bad")))
    listed = releases.releases(examiner.projects[canonicalize_name(companion)], chosen.as_of)
    between = SpecifierSet(f">={min(good, bad)},<={max(good, bad)}")
    items = [one.version for one in listed if one.wheels and not one.yanked and between.contains(one.version)]
    for key, version in (("--good", good), ("--bad", bad)):
        if version not in map(Version, items):
            raise UserError(f"{key} {version}: the index lists no such release of {companion} with a wheel")
    items = items if good < bad else items[::-1]
    grid = config.pairings.grid
    pairing = GRID.name if grid and grid.companion == companion else BISECT.name
    probes = needed_probes(config, context.probes, probe)

    def examine(version: str) -> list[Failure]:
        return examiner.examine([examiner.release_request(subject, pairing, probes, {companion: version})])

    def matches(record: Record, version: str) -> bool:
        same = record.subject == subject.version and record.versions.get(companion) == version
        return same and record.source is None

    examination = Examination(
        pairing=pairing, matches=matches, examine=examine, records=context.records, fresh=chosen.fresh
    )
    dates = {one.version: one.day or "on a day that the index does not say" for one in listed}
    context.say(f"beside {config.subject.name} {subject.version}")
    one = _Search(
        context,
        Judge(config, context.probes, probe, examination),
        Question(
            probe=probe.id,
            digest=probe.digest,
            good=items[0],
            bad=items[-1],
            subject=subject.version,
            companion=companion,
        ),
        chosen.linear,
        lambda version: f"{companion} {version}\n  released {dates[version]}",
    )
    return one.print_result(one.run(items), examiner.cells_run)


class _Search:
    """One search: prints and logs each step, and prints the result."""

    def __init__(
        self, context: Context, judge: Judge, question: Question, linear: bool, describe: Callable[[str], str]
    ) -> None:
        self._context, self._judge, self._question, self._describe = context, judge, question, describe
        self._method = search.scan if linear else search.halve
        self._steps: dict[str, Step] = {}
        self._why = ""

    def run(self, items: Sequence[str]) -> Change | None:
        """Search the items; None where no change can be found."""
        self._context.say(f"{len(items)} {'releases' if self._question.companion else 'commits'} from good to bad")
        try:
            return self._method(items, self._judge, self._on_step)
        except Undecided as undecided:
            self._why = str(undecided)
            return None

    def into_merge(self, repository: Repository, change: Change) -> Change | None:
        """If the change is a merge, search the merged branches; None where no branch alone has the change."""
        for tip in repository.commit(change.bad).parents[1:]:
            base = repository.base(change.good, tip)
            if base is None or base == tip:
                continue
            if self._judge(tip).kind in (None, self._steps[change.good].verdict.kind):
                continue
            self._context.say(f"{change.bad[:12]} is a merge; searching what it merged")
            if deeper := self.run(repository.between(base, tip)):
                return deeper
        return None

    def print_result(self, change: Change | None, cells_run: int) -> int:
        """Print the change and the evidence of both sides; returns the exit code."""
        say, probe = self._context.say, self._question.probe
        log_file = self._context.reports / self._question.file
        count = f"{len(self._steps)} judged, {cells_run} cells run; log: {log_file}"
        if change is None:
            say(f"no change of {probe} was found: {self._why}\n{count}")
            return UNEXAMINED
        if change.between:
            say(f"\n{probe} changes in one of {len(change.between) + 1}; those between cannot be judged:")
            for item in (*change.between, change.bad):
                step = self._steps[item]
                say(self._describe(item) + (f"\n  skipped: {step.verdict.why}" if step.side == SKIP else ""))
        else:
            say(f"\n{probe} changes first with\n{self._describe(change.bad)}")
        for name, item in (("before", change.good), ("after", change.bad)):
            say(f"\n{name} ({item[:12]}): " + "\n".join(self._evidence(item)))
        say(f"\n{count}")
        return DONE

    def _on_step(self, step: Step) -> None:
        if step.item not in self._steps:
            self._steps[step.item] = step
            # Written after every step, so that an interrupted search leaves its log.
            text = log.render(self._question, list(self._steps.values()))
            write.write(self._context.reports, {self._question.file: text.encode()})
            self._context.say(f"  {step.side}: {step.item[:12]}: {_answer(step.verdict)}")

    def _evidence(self, item: str) -> Iterator[str]:
        context, cell = self._context, self._judge.cells[item]
        view = context.view()
        outcome = cell.outcome(self._question.probe)
        versions = ", ".join(f"{name} {cell.versions[name]}" for name in context.config.named if name in cell.versions)
        yield f"{_answer(self._steps[item].verdict)} ({versions}; Python {cell.python})"
        if outcome.message:
            yield f"  {outcome.exception}: {outcome.message}" if outcome.exception else f"  {outcome.message}"
        if outcome.where:
            yield f"  {outcome.where}"
        for line in view.evidence.get(outcome.evidence or "", "").splitlines():
            yield f"    | {line}"


def _answer(verdict: Verdict) -> str:
    if verdict.kind is None:
        return f"cannot be judged: {verdict.why}"
    return " ".join(part for part in verdict.kind if part)


def _address(context: Context, chosen: options.Bisect) -> str:
    if chosen.repository:
        return source_addresses.repository(chosen.repository)
    for text in context.config.watch.sources:
        address = source_addresses.parse(text, context.config.subject.name)
        if address.url:
            return address.url
    raise UserError("bisect: name a repository with --repository, or one in [watch] sources of matrix.toml")


def _commit(context: Context, repository: Repository, text: str, tip: str | None) -> str:
    """The commit that a name stands for: what git calls so, a release's tag, or where the version file changed to it."""
    key = f"--{GOOD if tip else 'bad'} {text}"
    source_addresses.reference_checked(text, key)
    names = (text, f"v{text}")
    for name in names:
        if repository.settled(name) and (known := repository.resolve(name)):
            return known
    head = repository.fetch("HEAD")
    for name in names:
        if known := repository.resolve(name):
            return known
    if text.startswith("refs/") or re.fullmatch(r"[0-9a-f]{40}", text):
        return repository.fetch(text)
    file = context.config.watch.version_file
    try:
        version = str(Version(text))
    except InvalidVersion:
        version = ""
    if version and file and (known := repository.version_commit(version, file, tip or head)):
        return known
    also = f", and no commit changed {file} to it" if version and file else ""
    raise UserError(f"{key}: {repository.name} has no such tag, branch or commit{also}")


def _subject(context: Context, chosen: options.Bisect, examiner: Examiner) -> Release:
    """The release beside which the companion's releases are searched: the one that `--only` names, else the newest."""
    if not chosen.only:
        return examiner.newest
    selection, name = Selection(only=chosen.only), context.config.subject.name
    matching = [release for release in examiner.rows if selection.admits({name: release.version})]
    if not matching:
        raise UserError(f"--only {' '.join(chosen.only)}: no release of {name} matches")
    return matching[-1]


def _version(text: str, key: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UserError(f"{key} {text}: with --companion, name a version") from None
