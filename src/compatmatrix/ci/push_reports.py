"""Commits files to the branch that is published, in a worktree of its own: the user's working tree does not change."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from compatmatrix.core.model import InfrastructureError
from compatmatrix.sources import git

ATTEMPTS = 5

_AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
"""The committer where git has no identity configured, as on a runner."""


def commit(folder: Path, change: Callable[[Path], str], say: Callable[[str], None]) -> bool:
    """Commit and push on top of the branch that is checked out in ``folder``.

    Args:
        change: is given a copy of ``folder`` at the remote branch's newest commit, changes files in it and returns the
            commit's message. Called again if another push came first.
        say: prints a message.

    Returns:
        Whether there was anything to commit.

    Raises:
        InfrastructureError: git failed, or other pushes came first each time.
    """
    branch = _git(folder, "branch", "--show-current").strip()
    if not branch:
        raise InfrastructureError(f"{folder} is on no branch, so there is none to commit to")
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    inside = folder.resolve().relative_to(top.resolve())
    for _ in range(ATTEMPTS):
        _git(folder, "fetch", "--quiet", "origin", branch)
        with tempfile.TemporaryDirectory(prefix="compatmatrix-") as scratch:
            copy = Path(scratch) / "copy"
            _git(folder, "worktree", "add", "--quiet", "--detach", str(copy), "FETCH_HEAD")
            try:
                message = change(copy / inside)
                _git(copy, "add", "--all")
                if not _git(copy, "status", "--porcelain"):
                    return False
                _git(copy, *_identity(copy), "commit", "--quiet", "--message", message)
                if _pushed(copy, branch):
                    return True
            finally:
                _git(folder, "worktree", "remove", "--force", str(copy))
        say(f"{branch} has new commits: trying again on top of them")
    raise InfrastructureError(f"{branch} had new commits each of the {ATTEMPTS} times that the reports were pushed")


def _identity(folder: Path) -> list[str]:
    try:
        git.run(["config", "user.email"], folder=folder)
    except git.Refused:
        return ["-c", f"user.name={_AUTHOR[0]}", "-c", f"user.email={_AUTHOR[1]}"]
    return []


def _pushed(folder: Path, branch: str) -> bool:
    """Push; False where the remote branch has new commits."""
    # The token is passed on when git asks for it, and stored nowhere.
    helper = ["-c", "credential.helper=!gh auth git-credential"] if os.environ.get("GH_TOKEN") else []
    try:
        git.run([*helper, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}"], folder=folder)
    except git.Refused as refusal:
        if any(sign in str(refusal) for sign in ("fetch first", "non-fast-forward", "[rejected]", "cannot lock ref")):
            return False
        raise InfrastructureError(f"git push failed: {refusal}") from None
    return True


def _git(folder: Path, *arguments: str) -> str:
    try:
        return git.run(arguments, folder=folder)
    except git.Refused as refusal:
        verb = next(part for part in arguments if not part.startswith("-") and "=" not in part)
        raise InfrastructureError(f"git {verb} failed: {refusal}") from None
