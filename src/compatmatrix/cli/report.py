"""The command `report`, and how all commands write the reports."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import msgspec

from compatmatrix.bisect.result import FOLDER, Bisection
from compatmatrix.cli import options, project_options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE
from compatmatrix.core.encoding import digest
from compatmatrix.core.files import replace
from compatmatrix.core.sanitize import line
from compatmatrix.core.untrusted_files import read
from compatmatrix.publish import distribution, markdown, site, write
from compatmatrix.publish.site import Beside
from compatmatrix.publish.status import Status
from compatmatrix.results import ledger
from compatmatrix.results.ledger import Ledger


def report(context: Context, chosen: options.Report) -> int:
    """Rebuild every report from the records."""
    if chosen.repair:
        for damage in ledger.repair(context.records):
            context.say(f"set aside: {context.records / damage.file}:{damage.line}: {damage.problem}")
    known, count = write_reports(context, anew=True)
    context.say_damage(known)
    context.say(f"{count} files in {context.reports} are up to date with the records")
    return DONE


def package(context: Context, chosen: project_options.Package) -> int:
    """Write the project of the distribution of the data."""
    view = context.view()
    write.write(chosen.folder, distribution.files(view))
    context.say(
        f"{distribution.name(view)} of {view.as_of} is in {chosen.folder}: build it with `uv build {chosen.folder}`"
    )
    return DONE


def write_reports(context: Context, *, anew: bool = False) -> tuple[Ledger, int]:
    """Write every report, and the answer in the README beside the project's own reports.

    The records are locked meanwhile, and read only then: of several runs, the last to write reports all of them. Nothing
    is written where all reports are there as they were last written here, and all that they are made of is the same.

    Args:
        anew: Whether they are made in any case.

    Returns:
        The records, and the number of files.

    Raises:
        InfrastructureError: a file cannot be written.
    """
    project = context.probes_folder.parent
    page = project / "README.md"
    has_page = context.reports == project / "reports" and page.is_file()
    stamp = context.cache / "reports" / digest(str(context.reports.resolve()))
    with ledger.held(context.records), _without_garbage_collection():
        known, beside = ledger.read(context.records), _beside(context)
        sources = [known, context.config, context.probes, beside]
        readme = page.read_text(encoding="utf-8") if has_page else ""
        files: Mapping[str, bytes] = write.written(context.reports)
        if not anew and read(stamp, 100) == write.state([*sources, readme], files).encode():
            return known, len(files)
        view = context.view(known)
        files = write.contents(view, beside)
        write.write(context.reports, files)
        if has_page:
            readme = markdown.readme(readme, view)
            write.write(project, {page.name: readme.encode()})
        with suppress(OSError):  # it only saves time
            replace(stamp, write.state([*sources, readme], files).encode(), durable=False)
    return known, len(files)


def write_site(context: Context, known: Ledger, status: Status) -> None:
    """Write the site again as these records make it, with the status of the job.

    Raises:
        InfrastructureError: a file cannot be written.
    """
    files = site.contents(context.view(known), msgspec.structs.replace(_beside(context), status=status))
    write.write(context.reports, {f"{write.SITE}/{name}": content for name, content in files.items()})


def _beside(context: Context) -> Beside:
    picture = context.probes_folder.parent / context.config.publish.picture
    return Beside(bisections=_bisections(context), picture=picture.read_bytes() if picture.is_file() else b"")


def _bisections(context: Context) -> tuple[Bisection, ...]:
    """Those on file, in the order of their names; one of an earlier form is left out, and that is said."""
    found = []
    for path in sorted((context.reports / FOLDER).glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Bisection))
        except (OSError, msgspec.DecodeError) as error:
            context.say(f"{path}: left out, cannot be read: {line(error, 200)}")
    return tuple(found)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Nothing becomes garbage before all reports are made, and searching for some takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
