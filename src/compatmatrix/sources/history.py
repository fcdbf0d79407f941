"""A repository's commits, in order and with their dates, and checkouts of them.

Works on a bare mirror in the engine's cache that has commits and trees; files are fetched only where a checkout needs
them, if the server supports that (`git clone --filter=blob:none`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from compatmatrix.config.source_addresses import published, reference_checked
from compatmatrix.core import untrusted_files
from compatmatrix.core.encoding import digest, format_instant, parse_instant
from compatmatrix.core.model import InfrastructureError
from compatmatrix.sources import git

_FORMAT = "--format=%H%x00%P%x00%aI%x00%cI%x00%s"


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit; dates are UTC. The committer's date orders a history, the author's is when it was written."""

    sha: str
    parents: tuple[str, ...]
    authored: str
    committed: str
    subject: str


class Repository:
    """A mirror of one repository.

    Raises (all methods):
        InfrastructureError: the server is needed and cannot be reached, or git does not work.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self.url = url
        self.name = published(url) or "the local repository"
        self._folder = cache / "repositories" / f"{digest(url)}.git"
        self._guard = FileLock(self._folder.with_suffix(".lock"), timeout=git.SECONDS)

    def fetch(self, reference: str) -> str:
        """Update branches, tags and the reference from the server; returns the commit that the reference is now."""
        with self._held():
            self._create()
            self._get("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            if not any(self._commit(f"refs/{kind}/{reference}") for kind in ("heads", "tags")):
                ours = f"refs/compatmatrix/{digest(reference)}"
                if not self._is_commit(reference) or self._commit(reference) is None:
                    self._get(f"+{reference}:{ours}")
                    return self._known(ours)
        return self._known(reference)

    def resolve(self, text: str) -> str | None:
        """The commit that a tag, branch, commit or reference is in the mirror; None if it is not there."""
        if not self._folder.is_dir():
            return None
        for name in (f"refs/tags/{text}", f"refs/heads/{text}", text):
            if sha := self._commit(name):
                return sha
        return None

    def settled(self, text: str) -> bool:
        """Whether a name always means the same: a commit or a tag, not a branch."""
        return self._folder.is_dir() and (self._is_commit(text) or self._commit(f"refs/tags/{text}") is not None)

    def commit(self, sha: str) -> Commit:
        """A commit of the mirror."""
        sha, parents, authored, committed, subject = self._git("log", "-1", _FORMAT, sha).rstrip("\n").split("\0", 4)
        return Commit(
            sha=sha,
            parents=tuple(parents.split()),
            authored=format_instant(parse_instant(authored)),
            committed=format_instant(parse_instant(committed)),
            subject=subject,
        )

    def between(self, good: str, bad: str) -> tuple[str, ...]:
        """The commits from ``good`` to ``bad``, both included, along the first parents of ``bad``, oldest first."""
        return (good, *self._git("rev-list", "--first-parent", "--reverse", f"{good}..{bad}").split())

    def base(self, one: str, other: str) -> str | None:
        """The merge base: the newest commit in the history of both, ``one`` itself if it is in the other's."""
        try:
            return self._git("merge-base", one, other).strip() or None
        except git.Refused:
            return None

    def version_commit(self, version: str, file: str, tip: str) -> str | None:
        """The first commit, along the first parents of ``tip``, after which the version file names ``version``."""
        pattern = re.compile(rf"(?<![\w.]){re.escape(version)}(?![\w.])")
        first = None
        for sha in self._git("rev-list", "--first-parent", tip, "--", file).split():
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
            except git.Refused as refusal:
                raise InfrastructureError(f"{sha[:12]} of {self.name} could not be checked out: {refusal}") from None
            try:
                yield folder
            finally:
                with self._held(), suppress(git.Refused):
                    untrusted_files.remove(folder)
                    self._git("worktree", "prune")

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
            raise InfrastructureError(f"{self.name} could not be reached: {refusal}") from None

    def _known(self, name: str) -> str:
        sha = self.resolve(name)
        if sha is None:
            raise InfrastructureError(f"{self.name} has no {name}")
        return sha

    def _commit(self, name: str) -> str | None:
        reference_checked(name, "a reference")
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip() or None
        except git.Refused:
            return None

    @staticmethod
    def _is_commit(text: str) -> bool:
        return re.fullmatch(r"[0-9a-f]{7,40}", text) is not None

    def _git(self, *arguments: str) -> str:
        return git.run(arguments, folder=self._folder)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Lock the mirror, so that no other run changes it."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._guard:
                yield
        except Timeout:
            raise InfrastructureError(f"another run has locked the mirror of {self.name} for {git.SECONDS} s") from None
