"""How git is called: its environment, what it may do, and its ways to fail."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from compatmatrix.config.source_addresses import SCHEMES
from compatmatrix.core import processes
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.text import without_credentials

SECONDS = 900
"""The first fetch of a large repository takes minutes."""

# What the user has set about identity, certificates, proxies and keys stays; what would redirect git is left out.
_INHERITED = ("GIT_SSL_", "GIT_SSH", "GIT_PROXY_", "GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_AUTHOR_", "GIT_COMMITTER_")

_SETTINGS = (
    "core.hooksPath=" + os.devnull,  # code of a repository must not run because it is read
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "gc.auto=0",
    "advice.detachedHead=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
)


class Refused(Exception):
    """git ended with an error."""


def run(arguments: Sequence[str | Path], *, folder: Path, network: bool = True) -> str:
    """Run git in a folder and return its standard output.

    Args:
        network: whether it may reach other repositories; where not, missing objects are an error. It never prompts.

    Raises:
        Refused: it ended with an error; the text is the end of its message, without credentials.
        InfrastructureError: it is not installed, or did not end in time.
    """
    program = shutil.which("git")
    if program is None:
        raise InfrastructureError("git is not installed; sources and bisection need it")
    settings = (part for setting in _SETTINGS for part in ("-c", setting))
    # For the network git starts further processes (ssh, remote helpers): they end with it, with this engine, and in time.
    ending = processes.tree if network else processes.die_with_parent
    command = ending([program, *settings, *map(str, arguments)])
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environ(network),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise InfrastructureError(f"git cannot be run in {folder} ({error.strerror})") from None
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except BaseException as error:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                raise InfrastructureError(f"git {arguments[0]} did not end within {SECONDS} s") from None
            raise
    if process.returncode:
        lines = [line for line in err.splitlines() if line.strip() and not line.startswith("hint:")]
        text = " ".join(lines[-3:]) or f"exit code {process.returncode}"
        raise Refused(without_credentials(text)[:500])
    return out


def _environ(network: bool) -> dict[str, str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_INHERITED)
    }
    environ |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # set and empty: no program is asked for a password either
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES) if network else "none",
        "GIT_NO_LAZY_FETCH": "0" if network else "1",  # git 2.45 and later; for others, no protocol is allowed
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }
    environ.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    return environ
