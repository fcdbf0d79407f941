"""The command `report`, and how all commands write the reports."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE
from compatmatrix.publish import distribution, markdown, write
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def report(context: Context, chosen: options.Report) -> int:
    """Rebuild every report from the records."""
    if chosen.repair:
        for damage in ledger.repair(context.records):
            context.say(f"set aside: {context.records / damage.file}:{damage.line}: {damage.problem}")
    known, count = write_reports(context)
    context.say_damage(known)
    context.say(f"{count} files in {context.reports} are up to date with the records")
    return DONE


def package(context: Context, chosen: options.Package) -> int:
    """Write the project of the distribution of the data."""
    view = context.view()
    write.write(chosen.folder, distribution.files(view))
    context.say(
        f"{distribution.name(view)} of {view.as_of} is in {chosen.folder}: build it with `uv build {chosen.folder}`"
    )
    return DONE


def write_reports(context: Context) -> tuple[Ledger, int]:
    """Write every report, and the answer in the README beside the project's own reports.

    The records are locked meanwhile, and read only then: of several runs, the last to write reports all of them.

    Returns:
        The records, and the number of files.

    Raises:
        InfrastructureError: a file cannot be written.
    """
    with ledger.held(context.records), _without_garbage_collection():
        known = ledger.read(context.records)
        view = context.view(known)
        files = write.contents(view)
        write.write(context.reports, files)
        project = context.probes_folder.parent
        page = project / "README.md"
        if context.reports == project / "reports" and page.is_file():
            text = markdown.readme(page.read_text(encoding="utf-8"), view)
            write.write(project, {page.name: text.encode()})
    return known, len(files)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nothing becomes garbage before all reports are made, and searching for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
