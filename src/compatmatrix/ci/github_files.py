"""What a CI runner offers a step: outputs, a summary, and a log that reads commands. Without one, nothing happens.

What a package put into a text must command nothing: outputs have a delimiter that nobody can guess, and the log's
commands are switched off while a command of ours writes to it.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compatmatrix.core.model import InfrastructureError
from compatmatrix.core.sanitize import cut

SUMMARY = 900_000
"""Characters of a step's summary: GitHub shows nothing of one that is longer than 1 MiB."""


def output(name: str, value: str) -> None:
    """Set an output of this step."""
    delimiter = f"end-{secrets.token_hex(16)}"
    _append("GITHUB_OUTPUT", f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def summary(markdown: str) -> None:
    """Add to what the run's page shows; hostile text has to be escaped before."""
    _append("GITHUB_STEP_SUMMARY", cut(markdown, SUMMARY) + "\n")


@contextmanager
def commands_off() -> Iterator[None]:
    """Have the runner take every line of the log as text, whatever it begins with.

    Said on standard error, which the runner reads too: standard output may be a plan that goes to a file.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(f"::{token}::", file=sys.stderr, flush=True)


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if file:
        try:
            with Path(file).open("a", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise InfrastructureError(f"{variable} cannot be written: {error.strerror}") from None
