"""Runs one command, and turns every failure into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from compatmatrix.cli.options import DONE, INTERRUPTED, UNEXAMINED, WRONG, parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    chosen = parse(arguments)
    # Imported only now: `--help` and a wrong argument are answered without loading them.
    from rich.console import Console
    from rich.text import Text

    from compatmatrix.ci import github
    from compatmatrix.cli import bisect, ci, context, options, plan, query, report, run, sources
    from compatmatrix.core.errors import InfrastructureError, UserError

    commands: dict[type[options.Options], Callable[[context.Context, Any], int]] = {
        options.Run: run.run,
        options.Plan: plan.show_plan,
        options.Watch: sources.watch,
        options.Bisect: bisect.bisect,
        options.Merge: ci.merge,
        options.Changes: ci.changes,
        options.Announce: ci.announce,
        options.Comment: ci.comment,
        options.Publish: ci.publish,
        options.Report: report.report,
        options.Show: query.show,
        options.Recipe: query.recipe,
        options.Bounds: query.bounds,
    }
    errors = Console(stderr=True)
    # Where the output is for programs, messages go to standard error. In a pipe, lines are not folded.
    people = Console() if sys.stdout.isatty() else Console(width=250, force_terminal=False)
    console = people if getattr(chosen, "format", "text") == "text" else errors
    with github.workflow_commands_off():
        try:
            return commands[type(chosen)](context.create(chosen, console), chosen)
        except UserError as error:
            errors.print(Text(f"error: {error}"), soft_wrap=True)
            return WRONG
        except InfrastructureError as error:
            errors.print(Text(f"could not be done: {error}"), soft_wrap=True)
            return UNEXAMINED
        except KeyboardInterrupt as interrupt:
            recorded = str(interrupt) or "what was finished is recorded"
            errors.print(Text(f"interrupted: {recorded}; the same command continues from there"), soft_wrap=True)
            return INTERRUPTED
        except BrokenPipeError:
            sys.stderr.close()  # the reader of the output has gone; a flush at exit would raise again
            return DONE
