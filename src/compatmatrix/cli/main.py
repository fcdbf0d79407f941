"""Runs one command, and turns every failure into a message and an exit code."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

from compatmatrix.cli.options import DONE, INTERRUPTED, UNEXAMINED, WRONG
from compatmatrix.cli.parser import COMMANDS, PROGRAM, parse

if TYPE_CHECKING:
    from rich.console import Console


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one command; returns its exit code.

    ``COMPATMATRIX_COMMAND`` is how the user gives the command, where that is not ``program COMMAND``.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    chosen = parse(words, program)
    prefix = os.environ.get("COMPATMATRIX_COMMAND", f"{program} {words[0]}")
    given = [*shlex.split(prefix), *words[1:]]
    # Imported only now: `--help` and a wrong argument are answered without loading them.
    from rich.console import Console
    from rich.text import Text

    from compatmatrix.ci import github
    from compatmatrix.cli import context
    from compatmatrix.core.errors import InfrastructureError, NotAnIndex, UserError

    # No other command's modules either: half a second is much for one that answers from a file.
    module, function = COMMANDS[type(chosen)]
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
            wrong = isinstance(error, NotAnIndex) and getattr(chosen, "index", None)
            lead = f"error: --index {wrong}" if wrong else "could not be done"
            errors.print(Text(f"{lead}: {error}"), soft_wrap=not errors.is_terminal)
            return WRONG if wrong else UNEXAMINED
        except KeyboardInterrupt as interrupt:
            rest = shlex.join(word for word in given if word != "--fresh")
            again = f"to run all again: {shlex.join(given)}\nto run what is not on record: {rest}"
            state = again if "--fresh" in given else f"to go on: {rest}"
            state = str(interrupt) or f"what was finished is recorded\n{state}"
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
