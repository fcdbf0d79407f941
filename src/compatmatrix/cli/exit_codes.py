"""The exit code of a command that examines cells, from what it found and what `--fail-on` names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.changes import Kind
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import CONDITIONS, DONE, FAILED_ON, UNEXAMINED

Failure = tuple[str, str]
"""What could not be examined, and why."""


def exit_code(
    context: Context,
    fail_on: Iterable[str],
    changes: Iterable[Kind],
    cells: Iterable[CellView],
    failed: Sequence[Failure],
) -> int:
    """List what could not be examined and the conditions of `--fail-on` that hold, and return the exit code.

    Args:
        context: Prints.
        fail_on: The conditions that were named.
        changes: How answers changed.
        cells: Those of the run.
        failed: What could not be examined.
    """
    kinds = set(changes)
    holds = {
        "changed": any(kind.alarming for kind in kinds),
        "regressed": any(kind.worse for kind in kinds),
        "unexamined": bool(failed),
        "inconclusive": any(cell.inconclusive for cell in cells),
    }
    context.say_failed(failed)
    held = [name for name in dict.fromkeys(fail_on) if holds[name]]
    for name in held:
        context.say(f"--fail-on {name}: {CONDITIONS[name]}")
    if held:
        return FAILED_ON
    return UNEXAMINED if failed else DONE
