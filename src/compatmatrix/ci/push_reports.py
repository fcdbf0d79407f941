"""Commits the reports to the branch that is published, from a copy of it: the working tree is left as it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from compatmatrix.core.model import InfrastructureError
from compatmatrix.core.sanitize import line

ATTEMPTS = 5
SECONDS = 300

_AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
"""Who commits where git knows nobody, as on a runner."""


def commit(folder: Path, message: Callable[[Path], str | None], say: Callable[[str], None]) -> bool:
    """Bring the branch that is checked out in ``folder`` up to date on its remote.

    ``message`` is given a copy of ``folder`` at the branch's newest commit, changes files in it and returns the commit's
    message, or None to leave things as they are. Where somebody else was faster, it is asked again on what they pushed.

    Returns:
        Whether anything was committed.

    Raises:
        InfrastructureError: git says no, or others were faster each time.
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
                text = message(copy / inside)
                _git(copy, "add", "--all")
                if text is None or not _git(copy, "status", "--porcelain"):
                    return False
                _git(copy, *_identity(copy), "commit", "--quiet", "--message", text)
                if _pushed(copy, branch):
                    return True
            finally:
                _git(folder, "worktree", "remove", "--force", str(copy))
        say("somebody pushed meanwhile: once more on top of it")
    raise InfrastructureError(f"{branch} moved on {ATTEMPTS} times while the reports were being pushed")


def _identity(folder: Path) -> list[str]:
    try:
        _git(folder, "config", "user.email")
    except InfrastructureError:
        return ["-c", f"user.name={_AUTHOR[0]}", "-c", f"user.email={_AUTHOR[1]}"]
    return []


def _pushed(folder: Path, branch: str) -> bool:
    """False where the remote has moved on."""
    # The token is asked for when it is needed and stored nowhere.
    helper = ["-c", "credential.helper=!gh auth git-credential"] if os.environ.get("GH_TOKEN") else []
    try:
        _git(folder, *helper, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    except InfrastructureError as trouble:
        if any(sign in str(trouble) for sign in ("fetch first", "non-fast-forward", "[rejected]", "cannot lock ref")):
            return False
        raise
    return True


def _git(folder: Path, *arguments: str) -> str:
    environ = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environ, capture_output=True, encoding="utf-8", timeout=SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise InfrastructureError(f"git cannot be run ({type(error).__name__})") from None
    if done.returncode:
        verb = next((part for part in arguments if not part.startswith("-") and "=" not in part), "")
        raise InfrastructureError(f"git {verb} failed: {line(' '.join(done.stderr.split()), 400)}")
    return done.stdout
