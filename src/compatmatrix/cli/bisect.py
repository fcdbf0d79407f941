"""The command `bisect`: at which commits, or which releases of a companion, the outcome of a probe changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.bisect.judge import needed_probes
from compatmatrix.bisect.result import ALL, FIRST, HALVE, Item, Judged, Question
from compatmatrix.cli import options
from compatmatrix.cli.bisection import Ahead, Search
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.options import DONE, UNEXAMINED
from compatmatrix.config import source_addresses
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import CellRequest, Probe, Record, Release
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, GRID
from compatmatrix.core.text import alternatives
from compatmatrix.index import releases
from compatmatrix.planning.selection import Selection, check_selection, no_match
from compatmatrix.sources import git
from compatmatrix.sources.history import Repository


def bisect(context: Context, chosen: options.Bisect) -> int:
    """Search, print the changes with their evidence, and write the result."""
    probe = next((probe for probe in context.probes if probe.id == chosen.probe), None)
    if probe is None:
        known = alternatives(chosen.probe, [probe.id for probe in context.probes])
        raise UserError(f"bisect {chosen.probe}: there is no such probe{known}")
    examiner = Examiner(context, chosen.jobs, chosen.fresh, chosen.as_of)
    with Ahead(context, examiner) as ahead:
        search = (_releases if chosen.companion else _commits)(context, chosen, probe, ahead)
        search.run()
    return _print_result(context, chosen, search, examiner)


def _method(chosen: options.Bisect) -> str:
    return ALL if chosen.all else FIRST if chosen.linear else HALVE


def _commits(context: Context, chosen: options.Bisect, probe: Probe, ahead: Ahead) -> Search:
    """The search of the commits of the subject's repository."""
    repository = Repository(_address(context, chosen), context.cache)
    bad = _commit(context, repository, chosen.bad, None)
    good = _commit(context, repository, chosen.good, bad)
    base = repository.base(good, bad)
    if base is None or base == bad:
        raise UserError(
            f"--good {chosen.good}: must come before --bad {chosen.bad} in the history of {repository.name}"
        )
    items = repository.between(base, bad)
    base = items[0]
    if base != good:
        context.say(
            f"{chosen.good} is not in the first-parent history of {chosen.bad}: searching from {base[:12]}, where they part"
        )
    probes = needed_probes(context.config, context.probes, probe)

    def request(sha: str) -> CellRequest:
        built = ahead.examiner.builder.commit(repository, sha, chosen.bad)
        return ahead.examiner.source_request(built, COMMIT_DAY.name, probes)

    def commit(record: Record) -> str:
        return record.source.commit if record.source else ""

    question = Question(
        probe=probe.id,
        digest=probe.digest,
        good=base,
        bad=bad,
        method=_method(chosen),
        origin="" if repository.local else repository.name,
    )
    return Search(
        judge=ahead.judge(probe, COMMIT_DAY.name, commit, request),
        question=question,
        items=items,
        describe=lambda sha: _item(repository, sha),
        ahead=ahead,
        repository=repository,
        into_merges=chosen.into_merges,
    )


def _releases(context: Context, chosen: options.Bisect, probe: Probe, ahead: Ahead) -> Search:
    """The search of the releases of a companion, beside one release of the subject."""
    config, examiner = context.config, ahead.examiner
    names = {canonicalize_name(companion.name): companion.name for companion in config.companions}
    companion = names.get(canonicalize_name(chosen.companion or ""))
    if companion is None:
        raise UserError(
            f"--companion {chosen.companion}: is no companion{alternatives(chosen.companion or '', names.values())}"
        )
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

    def item(record: Record) -> str:
        same = record.subject == subject.version and record.source is None
        return record.versions.get(companion, "") if same else ""

    def request(version: str) -> CellRequest:
        return examiner.release_request(subject, pairing, probes, {companion: version})

    dates = {one.version: one.released or "" for one in listed}
    context.say(f"beside {config.subject.name} {subject.version}")
    question = Question(
        probe=probe.id,
        digest=probe.digest,
        good=items[0],
        bad=items[-1],
        method=_method(chosen),
        subject=subject.version,
        companion=companion,
    )
    return Search(
        judge=ahead.judge(probe, pairing, item, request),
        question=question,
        items=items,
        describe=lambda version: Item(id=version, title=f"{companion} {version}", date=dates[version]),
        ahead=ahead,
    )


def _print_result(context: Context, chosen: options.Bisect, search: Search, examiner: Examiner) -> int:
    """Print the changes and the evidence of both sides; returns the exit code."""
    say, result, probe = context.say, search.result, search.question.probe
    file = context.reports / next(iter(result.files([])))
    count = f"{search.judged} judged, {examiner.cells_run} cells run; {file}"
    count += "".join(f"\n{text}" for text in examiner.timings()) if chosen.timings else ""
    if not result.changes:
        say(f"no change of {probe} was found: {result.why}\n{count}")
        return UNEXAMINED
    for found in result.changes:
        if found.between:
            say(f"\n{probe} changes in one of {len(found.between) + 1}; those between cannot be judged:")
            for one in (*found.between, found.after):
                skipped = "" if one is found.after else f"\n  skipped: {one.verdict.why}"
                say("\n".join(_described(one.item)) + skipped)
        else:
            first = " first" if search.question.method == FIRST else ""
            say("\n".join([f"\n{probe} changes{first} with", *_described(found.after.item)]))
        if found.merge:
            say("\n".join(["merged by", *_described(found.merge)]))
        for name, side in (("before", found.before), ("after", found.after)):
            say(f"\n{name} ({side.item.id[:12]}): " + "\n".join(_evidence(context, side)))
    if search.question.method == HALVE:
        known = f"the records show {result.further} more between the ends; " if result.further else ""
        say(f"\nHalving finds one change, not whether there are others: {known}--all finds every one.")
    say(f"\n{count}")
    return DONE


def _described(item: Item) -> Iterator[str]:
    yield item.id
    if item.date:
        yield f"  {item.date}{f', {item.author}' if item.author else ''}"
    yield f"  {item.title}"
    if item.pull_request:
        yield f"  pull request #{item.pull_request}"
    if item.link:
        yield f"  {item.link}"
    yield from (f"  merged: {commit}" for commit in item.merged)


def _evidence(context: Context, side: Judged) -> Iterator[str]:
    versions = ", ".join(f"{name} {side.versions[name]}" for name in context.config.named if name in side.versions)
    yield f"{side.verdict.text} ({versions}; Python {side.python})"
    if side.outcome and side.outcome.message:
        exception = f"{side.outcome.exception}: " if side.outcome.exception else ""
        yield f"  {exception}{side.outcome.message}"
    if side.outcome and side.outcome.where:
        yield f"  {side.outcome.where}"
    yield from (f"    | {line}" for line in side.evidence.splitlines())


def _item(repository: Repository, sha: str) -> Item:
    """What is shown of a commit."""
    commit = repository.commit(sha)
    merged: tuple[str, ...] = ()
    with suppress(git.Refused, UserError):  # a clone that does not hold them
        merged = tuple(f"{one} {repository.commit(one).subject}" for one in repository.merged(commit))
    page = f"pull/{commit.pull_request}" if commit.pull_request else f"commit/{sha}"
    return Item(
        id=sha,
        date=commit.authored,
        title=commit.subject,
        author=commit.author,
        pull_request=commit.pull_request,
        link=f"{repository.web}/{page}" if repository.web else "",
        merged=merged,
    )


def _address(context: Context, chosen: options.Bisect) -> str:
    if chosen.repository:
        return source_addresses.repository(chosen.repository)
    for text in context.config.watch.sources:
        address = source_addresses.parse(text, context.config.subject.name)
        if address.url:
            return address.url
    raise UserError("bisect: name a repository with --repository, or one in [watch] sources of matrix.toml")


def _commit(context: Context, repository: Repository, text: str, tip: str | None) -> str:
    """The commit that git understands by a name, or that is the tag of a version; else a guess by the version file."""
    key = f"--{'good' if tip else 'bad'} {text}"
    names = (text, f"v{text}")
    known = next((sha for name in names if repository.settled(name) and (sha := repository.resolve(name))), None)
    head = repository.fetch("HEAD") if known is None else ""
    known = known or next((sha for name in names if (sha := repository.resolve(name))), None)
    if known is None and not repository.local and re.fullmatch(r"refs/.+|[0-9a-f]{40}", text):
        known = repository.fetch(text)
    if known is None:
        file, version = context.config.watch.version_file, _released(text)
        known = repository.version_commit(version, file, tip or head) if version and file else None
        if known is None:
            raise repository.lacking(f"tag, branch or commit {text} ({key})")
        context.say(
            f"{key}: there is no such tag; guessed from {file}, which may be many commits away from the release: "
            "name the commit if it matters"
        )
    context.say(f"{key} is {known[:12]} of {repository.commit(known).committed}")
    return known


def _released(text: str) -> str:
    try:
        return str(Version(text))
    except InvalidVersion:
        return ""


def _subject(context: Context, chosen: options.Bisect, examiner: Examiner) -> Release:
    """The release beside which the companion's releases are searched: the one that `--only` names, else the newest."""
    if not chosen.only:
        return examiner.newest
    selection, name = Selection(only=chosen.only), context.config.subject.name
    check_selection(context.config, selection)
    matching = [release for release in examiner.rows if selection.admits({name: release.version})]
    if not matching:
        raise no_match(selection, [{name: release.version} for release in examiner.rows])
    return matching[-1]


def _version(text: str, key: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UserError(f"{key} {text}: with --companion, name a version") from None
