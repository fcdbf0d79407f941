"""The command `bisect`: at which commit, or which release of a companion, the answer of a probe changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.analysis import support
from compatmatrix.analysis.cells import CellView
from compatmatrix.bisect import log
from compatmatrix.bisect import search as search
from compatmatrix.bisect.judge import CommitJudge, CompanionJudge
from compatmatrix.bisect.judge import Judge as CellJudge
from compatmatrix.bisect.log import Question
from compatmatrix.bisect.search import GOOD, Found, Step, Undecided, Verdict
from compatmatrix.cli.context import Setting
from compatmatrix.cli.examine import Desk
from compatmatrix.cli.options import DONE, UNEXAMINED
from compatmatrix.config import source_addresses
from compatmatrix.core.model import Probe, Release, UserError
from compatmatrix.index import releases
from compatmatrix.publish import write
from compatmatrix.sources.history import Repository


def bisect(setting: Setting) -> int:
    """Search, print what was found with its evidence, and keep a log that replays."""
    probe = next((probe for probe in setting.probes if probe.id == setting.asked.probe), None)
    if probe is None:
        known = ", ".join(probe.id for probe in setting.probes)
        raise UserError(f"bisect {setting.asked.probe}: there is no such probe; there are {known}")
    if setting.asked.companion:
        return _over_releases(setting, probe)
    return _over_commits(setting, probe)


def _over_commits(setting: Setting, probe: Probe) -> int:
    desk, asked = Desk(setting), setting.asked
    repository = Repository(_address(setting), setting.cache)
    bad = _commit(setting, repository, asked.bad, None)
    good = _commit(setting, repository, asked.good, bad)
    base = repository.base(good, bad)
    if base is None or base == bad:
        raise UserError(f"--good {asked.good}: must come before --bad {asked.bad} in the history of {repository.name}")
    if base != good:
        setting.say(
            f"{asked.good} is not in the history of {asked.bad}: the search begins where they part, at {base[:12]}"
        )
    judge = CommitJudge(desk, probe, repository, asked.bad)
    question = Question(probe=probe.id, digest=probe.digest, good=base, bad=bad)
    hunt = _Hunt(setting, desk, judge, question, lambda sha: _commit_words(repository, sha))
    found = hunt.go(repository.between(base, bad))
    while found and asked.into_merges and not found.between and (deeper := hunt.into(repository, found)):
        found = deeper
    return hunt.tell(found)


def _over_releases(setting: Setting, probe: Probe) -> int:
    asked, config = setting.asked, setting.config
    names = {canonicalize_name(companion.name): companion.name for companion in config.companions}
    companion = names.get(canonicalize_name(asked.companion))
    if companion is None:
        raise UserError(f"--companion {asked.companion}: is no companion; there are {', '.join(names.values())}")
    if asked.repository or asked.into_merges:
        raise UserError("--companion searches releases on the index; --repository and --into-merges are about commits")
    desk = Desk(setting)
    subject = _subject(setting, desk)
    good, bad = (_version(text, key) for text, key in ((asked.good, "--good"), (asked.bad, "--bad")))
    listed = releases.releases(desk.projects[canonicalize_name(companion)], setting.selection.as_of)
    between = SpecifierSet(f">={min(good, bad)},<={max(good, bad)}")
    items = [one.version for one in listed if one.wheels and not one.yanked and between.contains(one.version)]
    items = items if good < bad else items[::-1]
    for key, version in (("--good", good), ("--bad", bad)):
        if version not in map(Version, items):
            raise UserError(f"{key} {version}: the index lists no such release of {companion} with a wheel")
    judge = CompanionJudge(desk, probe, companion, subject)
    question = Question(
        probe=probe.id, digest=probe.digest, good=items[0], bad=items[-1], subject=subject.version, companion=companion
    )
    dates = {one.version: one.day or "on a day that the index does not say" for one in listed}
    setting.say(f"beside {config.subject.name} {subject.version}")
    hunt = _Hunt(setting, desk, judge, question, lambda version: f"{companion} {version}\n  released {dates[version]}")
    return hunt.tell(hunt.go(items))


class _Hunt:
    """One search with its log: tells each step as it is made, and what was found."""

    def __init__(
        self, setting: Setting, desk: Desk, judge: CellJudge, question: Question, words: Callable[[str], str]
    ) -> None:
        self._setting, self._desk, self._judge, self._question, self._words = setting, desk, judge, question, words
        self._replayed = log.read(setting.asked.replay, question) if setting.asked.replay else {}
        self._log = f"bisections/{question.probe}-{question.good[:12]}-{question.bad[:12]}.log"
        if question.companion:
            self._log = self._log.replace("/", f"/{question.subject}-{question.companion}-", 1)
        self._steps: list[Step] = []
        self._why = ""

    def go(self, items: Sequence[str]) -> Found | None:
        """Search the items; None where there is no change to be found."""
        self._setting.say(f"{len(items)} {'releases' if self._question.companion else 'commits'} from good to bad")
        method = search.scan if self._setting.asked.linear else search.halve
        try:
            return method(items, self._ask, self._told)
        except Undecided as undecided:
            self._why = str(undecided)
            return None

    def into(self, repository: Repository, found: Found) -> Found | None:
        """If a merge brought the change, search what it merged, branch by branch; None where no branch alone has it."""
        known = {step.item: step.verdict for step in self._steps}
        for tip in repository.commit(found.bad).parents[1:]:
            base = repository.base(found.good, tip)
            if base is None or base == tip or self._ask(tip).kind in (None, known[found.good].kind):
                continue
            self._setting.say(f"{found.bad[:12]} merged it; searching what it merged")
            if deeper := self.go(repository.between(base, tip)):
                return deeper
        return None

    def tell(self, found: Found | None) -> int:
        """Print what was found; a search that could not be decided is one that could not be done."""
        say, probe = self._setting.say, self._question.probe
        ran = self._desk.ran
        count = f"{len(self._steps)} judged, {ran} cells run; log: {self._setting.reports / self._log}"
        if found is None:
            say(f"no change of {probe} was found: {self._why}\n{count}")
            return UNEXAMINED
        if found.between:
            reasons = log.skipped(self._steps)
            say(f"\n{probe} changes in one of {len(found.between) + 1}, for those between cannot be judged:")
            for item in (*found.between, found.bad):
                say(f"{self._words(item)}" + (f"\n  skipped: {reasons[item]}" if item in reasons else ""))
        else:
            say(f"\n{probe} changes first with\n{self._words(found.bad)}")
        for name, item in (("before", found.good), ("after", found.bad)):
            say(f"\n{name} ({item[:12]}): " + "\n".join(self._evidence(item)))
        say(f"\n{count}")
        return DONE

    def _ask(self, item: str) -> Verdict:
        return self._replayed[item] if item in self._replayed else self._judge(item)

    def _told(self, step: Step) -> None:
        if all(step.item != earlier.item for earlier in self._steps):
            self._steps.append(step)
            # Written after every step: a search that is interrupted has its log.
            write.write(self._setting.reports, {self._log: log.render(self._question, self._steps).encode()})
            self._setting.say(f"  {step.side}: {step.item[:12]}: {_answer(step.verdict)}")

    def _evidence(self, item: str) -> Iterator[str]:
        cell: CellView | None = self._judge.cells.get(item)
        if cell is None:  # replayed: what the log holds is all there is
            yield _answer(next(step.verdict for step in self._steps if step.item == item))
            return
        view = support.view(self._setting.ledger(), self._setting.config, self._setting.probes)
        outcome = cell.outcome(self._question.probe)
        named = [name for name in self._setting.config.named if name in cell.versions]
        beside = ", ".join(f"{name} {cell.versions[name]}" for name in named)
        yield f"{_answer(next(step.verdict for step in self._steps if step.item == item))} ({beside}; Python {cell.python})"
        if outcome.message:
            yield f"  {outcome.exception or ''}: {outcome.message}".replace("  : ", "  ")
        if outcome.where:
            yield f"  {outcome.where}"
        for line in view.evidence.get(outcome.evidence or "", "").splitlines():
            yield f"    | {line}"


def _answer(verdict: Verdict) -> str:
    if verdict.kind is None:
        return f"cannot be judged: {verdict.why}"
    return " ".join(part for part in verdict.kind if part)


def _commit_words(repository: Repository, sha: str) -> str:
    commit = repository.commit(sha)
    return f"{sha}\n  author date: {commit.authored}\n  {commit.subject}"


def _address(setting: Setting) -> str:
    if setting.asked.repository:
        return source_addresses.repository(setting.asked.repository)
    for text in setting.config.watch.sources:
        address = source_addresses.parse(text, setting.config.subject.name)
        if address.url:
            return address.url
    raise UserError("bisect: name a repository with --repository, or one in [watch] sources of matrix.toml")


def _commit(setting: Setting, repository: Repository, text: str, tip: str | None) -> str:
    """The commit of a name: what git calls so, a release's tag, or the commit that changed the version file to it."""
    key = f"--{GOOD if tip else 'bad'} {text}"
    source_addresses.reference_checked(text, key)
    names = (text, f"v{text}")
    for name in names:
        if repository.settled(name) and (known := repository.resolve(name)):
            return known
    head = repository.fetch("HEAD")
    for name in names:
        if found := repository.resolve(name):
            return found
    if text.startswith("refs/") or re.fullmatch(r"[0-9a-f]{40}", text):
        return repository.fetch(text)
    file = setting.config.watch.version_file
    try:
        version = str(Version(text))
    except InvalidVersion:
        version = ""
    if version and file and (found := repository.version_commit(version, file, tip or head)):
        return found
    also = f", and no commit changed {file} to it" if version and file else ""
    raise UserError(f"{key}: {repository.name} has no such tag, branch or commit{also}")


def _subject(setting: Setting, desk: Desk) -> Release:
    """The release that the companion's stand beside: the one that `--only` names, else the newest."""
    if not setting.selection.only:
        return desk.newest
    name = setting.config.subject.name
    found = [release for release in desk.rows if setting.selection.admits({name: release.version})]
    if not found:
        raise UserError(f"--only {' '.join(setting.selection.only)}: no release of {name} matches")
    return found[-1]


def _version(text: str, key: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UserError(f"{key} {text}: with --companion, name a version") from None
