"""What a test needs of the operating system: one mark for each need, with the reason that pytest prints when it skips.

The suite runs on Linux, macOS and Windows (.github/workflows/checks.yml). Mark the smallest part that needs something:
a test, or one of its parameters with `pytest.param(..., marks=NEEDS_...)`.
"""

from __future__ import annotations

import os
import sys

import pytest

_WINDOWS = sys.platform == "win32"

NEEDS_SANDBOX = pytest.mark.skipif(
    sys.platform != "linux", reason="the sandbox needs Linux: namespaces, prctl and /proc"
)
NEEDS_SIGNALS = pytest.mark.skipif(
    _WINDOWS, reason="Windows has no POSIX signals: a crash has an exit code only, and no process can be sent SIGINT"
)
NEEDS_POSIX_FILES = pytest.mark.skipif(
    _WINDOWS,
    reason="Windows has no FIFOs, no symbolic links for every user and no time of a file's last change of status",
)
NEEDS_SHELL = pytest.mark.skipif(
    _WINDOWS, reason="Windows has no POSIX shell and does not run scripts by their `#!` line"
)
NEEDS_TERMINAL = pytest.mark.skipif(_WINDOWS, reason="Windows has no pseudo-terminals of POSIX")
NEEDS_ROOT = pytest.mark.skipif(_WINDOWS or os.geteuid() != 0, reason="only root can give a file to another user")


def skip_module_without(need: pytest.MarkDecorator) -> None:
    """Skip the calling module as a whole.

    For modules whose definitions already use what is missing, such as `signal.SIGKILL` in a list of parameters; a
    `pytestmark` would come too late.
    """
    (missing,) = need.args
    if missing:
        pytest.skip(need.kwargs["reason"], allow_module_level=True)
