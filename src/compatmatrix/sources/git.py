"""How git is called: the one place that knows its environment, what it may do, and its ways to fail."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compatmatrix.config.source_addresses import SCHEMES
from compatmatrix.core.model import InfrastructureError

SECONDS = 900
"""The first fetch of a large repository takes minutes."""

# What the user has set about certificates, proxies and keys stays; what would send git to another repository does not.
_INHERITED = ("GIT_SSL_", "GIT_SSH", "GIT_PROXY_", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_EXEC_PATH")

_SETTINGS = (
    "core.hooksPath=" + os.devnull,  # nothing of a repository runs because it is looked at
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "gc.auto=0",
    "advice.detachedHead=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
)


class Refused(Exception):
    """git answered, and the answer is no."""


def run(arguments: Sequence[str | Path], *, folder: Path | None = None) -> str:
    """Run git and return its standard output; it asks nobody anything.

    Raises:
        Refused: it ended with an error; the text is its last word, without credentials.
        InfrastructureError: it is not there, or did not end in time.
    """
    command = ["git", *(part for setting in _SETTINGS for part in ("-c", setting)), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InfrastructureError(f"git {arguments[0]} did not end within {SECONDS} s") from None
    except OSError as error:
        raise InfrastructureError(f"git cannot be run ({error.strerror}); sources and bisection need it") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise Refused(re.sub(r"(?<=://)[^/@\s]+@", "", " ".join(said[-3:]))[:500])
    return done.stdout


def _environ() -> dict[str, str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_INHERITED)
    }
    environ |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # set and empty: no program is asked for a password either
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    environ.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    return environ
