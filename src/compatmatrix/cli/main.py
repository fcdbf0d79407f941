"""Arguments -> one of the commands. Turns every failure into a message and the exit code that it stands for."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from compatmatrix.cli.options import DONE, INTERRUPTED, UNEXAMINED, WRONG, parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    asked = parse(arguments)
    # Only now what is heavy: `--help` and a wrong argument should be answered at once.
    from rich.console import Console
    from rich.text import Text

    from compatmatrix.ci import github_files
    from compatmatrix.cli import bisect, plan, query, run
    from compatmatrix.cli import ci as automate
    from compatmatrix.cli import sources as upstream
    from compatmatrix.cli.context import Setting
    from compatmatrix.core.model import InfrastructureError, UserError

    # In a pipe nothing is folded to a width that nobody has.
    console = Console() if sys.stdout.isatty() else Console(width=250, force_terminal=False)
    errors = Console(stderr=True)
    with github_files.commands_off():
        try:
            return {
                "run": upstream.run,
                "watch": upstream.watch,
                "bisect": bisect.bisect,
                "plan": plan.show_plan,
                "merge": automate.merge,
                "changes": automate.changes,
                "announce": automate.raise_alarm,
                "publish": automate.publish,
                "report": run.rebuild_reports,
                "show": query.show,
                "recipe": query.recipe,
                "bounds": query.bounds,
            }[asked.command](Setting(asked, console))
        except UserError as error:
            errors.print(Text(f"error: {error}"), soft_wrap=True)
            return WRONG
        except InfrastructureError as error:
            errors.print(Text(f"could not be done: {error}"), soft_wrap=True)
            return UNEXAMINED
        except KeyboardInterrupt as interrupt:
            recorded = str(interrupt) or "what was finished is recorded"
            errors.print(Text(f"interrupted: {recorded}, and the same command goes on from there"), soft_wrap=True)
            return INTERRUPTED
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone: nothing is left to say, nobody to say it to
            return DONE
