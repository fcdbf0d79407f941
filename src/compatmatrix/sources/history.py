"""A repository's commits, in order and with their dates, and checkouts of them.

A repository on this machine is used in place. Of any other there is a bare mirror in the engine's cache, which has commits
and trees; files are fetched only where a checkout needs them, if the server supports that (`git clone --filter=blob:none`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from filelock import FileLock, Timeout

from compatmatrix.config.source_addresses import published, reference_checked
from compatmatrix.core import untrusted_files
from compatmatrix.core.encoding import digest, format_instant
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.sources import git

_NOT_THERE = re.compile(r"couldn't find remote ref|not our ref|unadvertised object")


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit; dates are UTC. The committer's date orders a history, the author's is when it was written."""

    sha: str
    parents: tuple[str, ...]
    author: str
    authored: str
    committed: str
    subject: str

    @property
    def pull_request(self) -> int | None:
        """The number of the pull request that it merges, as GitHub writes it into the subject line."""
        number = re.search(r"^Merge pull request #(\d+)|\(#(\d+)\)$", self.subject)
        return int(number[1] or number[2]) if number else None


class Repository:
    """A repository on this machine, or the mirror of one.

    Raises (all methods):
        UserError: it is not there, has no such commit, or is a clone that lacks what is asked for.
        InfrastructureError: the server is needed and cannot be reached, or git does not work.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self.url = url
        self.local = url.startswith("file:")
        self._mirror = cache / "repositories" / f"{digest(url)}.git"
        self._folder = Path(unquote(urlsplit(url).path)) if self.local else self._mirror
        self.name = str(self._folder) if self.local else published(url)
        self._guard = FileLock(self._mirror.with_suffix(".lock"), timeout=git.SECONDS)

    def fetch(self, reference: str) -> str:
        """Update branches, tags and the reference from the server; returns the commit that the reference is now."""
        if self.local:
            return self._known(reference)
        with self._held():
            self._create()
            self._get("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            if not any(self._commit(f"refs/{kind}/{reference}") for kind in ("heads", "tags")):
                ours = f"refs/compatmatrix/{digest(reference)}"
                if not self._is_commit(reference) or self._commit(reference) is None:
                    self._get(f"+{reference_checked(reference, self.name)}:{ours}")
                    sha = self._known(ours)
                    if reference == "HEAD":  # so that `HEAD~1` means something
                        self._git("update-ref", "--no-deref", "HEAD", sha)
                    return sha
        return self._known(reference)

    def resolve(self, text: str) -> str | None:
        """The commit that a tag, branch, commit or other revision (`v1.0~1`) is; None if it is not there."""
        if not self._folder.is_dir():
            return None
        # A tag before a branch, and a branch that only the clone's origin has, as in the checkout of a pull request.
        for name in (f"refs/tags/{text}", f"refs/heads/{text}", text, f"refs/remotes/origin/{text}"):
            if sha := self._commit(name):
                return sha
        return None

    def settled(self, text: str) -> bool:
        """Whether nothing has to be fetched to know what a name means: in a mirror, a commit or a tag, not a branch."""
        if self.local:
            return True
        return self._folder.is_dir() and (self._is_commit(text) or self._commit(f"refs/tags/{text}") is not None)

    def commit(self, sha: str) -> Commit:
        """A commit, with its true parents also where the clone ends."""
        head, _, message = self._git("cat-file", "commit", sha).partition("\n\n")
        fields = [line.partition(" ") for line in head.splitlines()]
        first = {name: value for name, _, value in reversed(fields)}
        author, authored, _ = first["author"].rsplit(" ", 2)
        return Commit(
            sha=sha,
            parents=tuple(value for name, _, value in fields if name == "parent"),
            author=author.partition(" <")[0],
            authored=_instant(authored),
            committed=_instant(first["committer"].rsplit(" ", 2)[1]),
            subject=message.partition("\n")[0],
        )

    def merged(self, commit: Commit) -> tuple[str, ...]:
        """The commits that a merge brought, oldest first; none for another commit."""
        if len(commit.parents) < 2:
            return ()
        return tuple(self._listed("--reverse", f"{commit.parents[0]}..{commit.sha}")[:-1])

    @cached_property
    def web(self) -> str:
        """The address of its pages, where it has or is a clone of one on a server that shows them."""
        url = self.url
        if self.local:
            with suppress(git.Refused):
                url = self._git("config", "remote.origin.url").strip()
        shown = published(url).removesuffix(".git")
        return shown if shown.startswith("https://") else ""

    def between(self, good: str, bad: str) -> tuple[str, ...]:
        """The commits to ``bad`` along its first parents, oldest first: from ``good``, or from where they leave its history."""
        later = self._listed("--first-parent", "--reverse", f"{good}..{bad}")
        # A commit that a merge brought, given as the good end, is no parent of what comes after it on the way.
        parents = self.commit(later[0]).parents if later else ()
        return (*(parents[:1] or (good,)), *later)

    def base(self, one: str, other: str) -> str | None:
        """The merge base: the newest commit in the history of both, ``one`` itself if it is in the other's."""
        try:
            base = self._git("merge-base", one, other).strip()
        except git.Refused:
            if self._ends:
                raise self.lacking(f"commit that {one[:12]} and {other[:12]} have in common") from None
            return None
        self._listed(one, other, f"^{base}")
        return base

    def version_commit(self, version: str, file: str, tip: str) -> str | None:
        """The first commit, along the first parents of ``tip``, after which the version file names ``version``."""
        pattern = re.compile(rf"(?<![\w.]){re.escape(version)}(?![\w.])")
        first = None
        for sha in self._listed("--first-parent", tip, "--", file):
            try:
                named = pattern.search(self._git("show", f"{sha}:{file}")) is not None
            except git.Refused:  # the file was removed or renamed in this commit
                named = False
            if named:
                first = sha
            elif first:
                break
        return first

    @contextmanager
    def checkout(self, sha: str) -> Iterator[Path]:
        """A folder with the files of a commit, removed afterwards."""
        with untrusted_files.temporary() as scratch:
            folder = scratch / "checkout"
            try:
                with self._held():
                    self._git("worktree", "add", "--quiet", "--detach", "--force", str(folder), sha)
                yield folder
            except git.Refused as refusal:
                if self._incomplete:
                    raise self.lacking(f"files of {sha[:12]}") from None
                raise InfrastructureError(f"{sha[:12]} of {self.name} could not be checked out: {refusal}") from None
            finally:
                with self._held(), suppress(git.Refused):
                    self._git("worktree", "remove", "--force", str(folder))

    def lacking(self, what: str) -> UserError:
        """The error for something that is not there, with what to do where the clone may be why."""
        advice = (
            f"; it is a {self._incomplete} clone: fetch all of it (in a workflow, `fetch-depth: 0` and no `filter`)"
        )
        return UserError(f"{self.name} has no {what}{advice if self._incomplete else ''}")

    @cached_property
    def _incomplete(self) -> str:
        """In what way a repository on this machine is not whole."""
        if self._ends or not self.local:
            return "shallow" if self._ends else ""
        try:
            self._git("config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$")
        except git.Refused:
            return ""
        return "partial"

    @cached_property
    def _ends(self) -> frozenset[str]:
        """The commits whose parents a shallow clone lacks."""
        with suppress(OSError):
            place = self._git("rev-parse", "--git-path", "shallow").strip()
            return frozenset((self._folder / place).read_text(encoding="utf-8").split())
        return frozenset()

    def _listed(self, *arguments: str) -> list[str]:
        """The commits of `git rev-list`; none that a shallow clone cuts short."""
        listed = self._git("rev-list", *arguments).split()
        if not self._ends.isdisjoint(listed):
            raise self.lacking(f"history before {next(sha for sha in listed if sha in self._ends)[:12]}")
        return listed

    def _create(self) -> None:
        if (self._folder / "HEAD").exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare")
        for key, value in (("url", self.url), ("promisor", "true"), ("partialclonefilter", "blob:none")):
            self._git("config", f"remote.origin.{key}", value)

    def _get(self, *refspecs: str) -> None:
        try:
            self._git("fetch", "--quiet", "--force", "--prune", "--no-tags", "--filter=blob:none", "origin", *refspecs)
        except git.Refused as refusal:
            if _NOT_THERE.search(str(refusal)):
                raise self.lacking(refspecs[0].partition(":")[0].removeprefix("+")) from None
            raise InfrastructureError(f"{self.name} could not be reached: {refusal}") from None

    def _known(self, name: str) -> str:
        sha = self.resolve(name)
        if sha is None:
            raise self.lacking(name)
        return sha

    def _commit(self, revision: str) -> str | None:
        if revision.startswith("-"):
            raise UserError(f"{self.name}: {revision!r} is no revision")
        try:
            # A search for a message (`:/text`) takes all that follows for the text; what it finds is a commit.
            commit = revision if revision.startswith(":/") else f"{revision}^{{commit}}"
            return self._git("rev-parse", "--verify", "--quiet", commit).strip() or None
        except git.Refused:
            return None

    @staticmethod
    def _is_commit(text: str) -> bool:
        return re.fullmatch(r"[0-9a-f]{7,40}", text) is not None

    def _git(self, *arguments: str) -> str:
        # What lies on this machine has all that it can have; a lazy fetch of a clone without its remote goes on forever.
        return git.run(arguments, folder=self._read_by_git, network=not self.local)

    @cached_property
    def _read_by_git(self) -> Path:
        """The folder, once git has read it."""
        if self.local:
            if not any((self._folder / name).exists() for name in (".git", "HEAD")):
                raise UserError(f"{self.name}: is no git repository")
            try:
                git.run(("rev-parse", "--git-dir"), folder=self._folder, network=False)
            except git.Refused as refusal:  # it belongs to somebody else, or is damaged
                raise UserError(f"{self.name}: git refuses it: {refusal}") from None
        return self._folder

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Lock the repository, so that no other run of this program changes it."""
        self._mirror.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._guard:
                yield
        except Timeout:
            raise InfrastructureError(f"another run has locked {self.name} for {git.SECONDS} s") from None


def _instant(seconds: str) -> str:
    return format_instant(datetime.fromtimestamp(int(seconds), UTC))
