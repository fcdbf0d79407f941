"""Runs one command, and turns every failure into a message and an exit code."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

from compatmatrix.cli import options
from compatmatrix.cli.options import DONE, INTERRUPTED, UNEXAMINED, WRONG
from compatmatrix.cli.parser import PROGRAM, parse

if TYPE_CHECKING:
    from rich.console import Console

_COMMANDS: Mapping[type[options.Options], tuple[str, str]] = {
    options.Run: ("run", "run"),
    options.Plan: ("plan", "show_plan"),
    options.Watch: ("sources", "watch"),
    options.Bisect: ("bisect", "bisect"),
    options.Merge: ("ci", "merge"),
    options.Changes: ("ci", "changes"),
    options.Announce: ("ci", "announce"),
    options.Comment: ("ci", "comment"),
    options.Publish: ("ci", "publish"),
    options.Report: ("report", "report"),
    options.Show: ("query", "show"),
    options.Recipe: ("query", "recipe"),
    options.Bounds: ("query", "bounds"),
    options.Check: ("check", "check"),
    options.Constraints: ("check", "constraints"),
    options.Explain: ("check", "explain"),
    options.Package: ("report", "package"),
}
"""The module of this package, and the function in it, that each command runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    ``COMPATMATRIX_COMMAND`` is how the user gives the command, where that is not `compatmatrix COMMAND`.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    chosen = parse(words)
    prefix = os.environ.get("COMPATMATRIX_COMMAND", f"{PROGRAM} {words[0]}")
    given = [*shlex.split(prefix), *words[1:]]
    # Imported only now: `--help` and a wrong argument are answered without loading them.
    from rich.console import Console
    from rich.text import Text

    from compatmatrix.ci import github
    from compatmatrix.cli import context
    from compatmatrix.core.errors import InfrastructureError, UserError

    # No other command's modules either: half a second is much for one that answers from a file.
    module, function = _COMMANDS[type(chosen)]
    command: Callable[[context.Context, Any], int] = getattr(import_module(f"compatmatrix.cli.{module}"), function)
    errors = Console(stderr=True)
    # Where the output is for programs, messages go to standard error. In a pipe, lines are not folded.
    people = Console() if sys.stdout.isatty() else Console(width=250, force_terminal=False)
    form = getattr(chosen, "format", "text")
    console = people if form == "text" else errors
    with nullcontext() if form == "github" else github.workflow_commands_off(), _interrupts(console):
        try:
            return command(context.create(chosen, console, given), chosen)
        except UserError as error:
            errors.print(Text(f"error: {error}"), soft_wrap=not errors.is_terminal)
            return WRONG
        except InfrastructureError as error:
            errors.print(Text(f"could not be done: {error}"), soft_wrap=not errors.is_terminal)
            return UNEXAMINED
        except KeyboardInterrupt as interrupt:
            state = str(interrupt) or f"what was finished is recorded\nto go on: {shlex.join(given)}"
            errors.print(Text(f"interrupted: {state}"), soft_wrap=True)
            return INTERRUPTED
        except (BrokenPipeError, SystemExit):  # the latter is what rich makes of the former
            sys.stderr.close()  # the reader of the output has gone; a flush at exit would raise again
            return DONE


@contextmanager
def _interrupts(console: Console) -> Iterator[None]:
    """Answers Ctrl-C, and a runner that cancels, at once, whatever the command is doing: to end processes takes seconds."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        with suppress(RuntimeError):  # it came while something was being printed
            console.print("stopping …")
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
