"""A comparison as a job's summary, and as the one comment of a pull request.

It is read from the file that another job wrote. That job ran the code of the pull request, so nothing in the file is
trusted: what it says is shown as text.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.changes import Comparison
from compatmatrix.analysis.support import View
from compatmatrix.ci.github import GitHub
from compatmatrix.core import files
from compatmatrix.core.errors import UserError
from compatmatrix.core.sanitize import cut
from compatmatrix.publish import change_words
from compatmatrix.publish.render import escaped

MARK = "<!-- compatmatrix -->"
"""The first line of our comment, by which it is found again."""

LENGTH = 60_000
"""Characters of a comment; GitHub takes 65,536."""

SCHEMA = 1


class Comparisons(msgspec.Struct, frozen=True, kw_only=True):
    """Sources that were examined, how they differ from what they were compared with, and what could not be examined."""

    schema: int = SCHEMA
    subject: str
    sources: tuple[CellView, ...]
    comparisons: tuple[Comparison, ...] = ()
    not_examined: tuple[tuple[str, str], ...] = ()


def text(path: Path, view: View) -> str:
    """What is said of the comparisons in a file, or of there being none."""
    try:
        return markdown(view, _read(path, view))
    except UserError as error:
        return f"Nothing was compared: {escaped(error)}. The log of the job that was to compare says why.\n"


def _read(path: Path, view: View) -> Comparisons:
    """The comparisons, of today's probes; raises UserError where there are none, or they are about another library."""
    compared = files.read_json(path, Comparisons, SCHEMA, "run --source … --against … --format json")
    if compared.subject != view.config.subject.name or not all(one.after.source for one in compared.comparisons):
        raise UserError(f"{path}: is no comparison of a source of {view.config.subject.name}")
    known = {probe.id for probe in view.probes}
    comparisons = [
        msgspec.structs.replace(one, kinds={probe: kind for probe, kind in one.kinds.items() if probe in known})
        for one in compared.comparisons
    ]
    return msgspec.structs.replace(compared, comparisons=tuple(comparisons))


def markdown(view: View, compared: Comparisons) -> str:
    """All comparisons, then what could not be examined."""
    parts = [change_words.markdown(view, comparison) for comparison in compared.comparisons]
    parts += [f"Not examined: {escaped(title)}: {escaped(why)}\n" for title, why in compared.not_examined]
    return "\n".join(parts) or "Nothing was compared.\n"


def put(github: GitHub, head: str, text: str) -> bool:
    """Create or update the one comment of the pull request of a branch; False where it has none, or has moved on.

    Args:
        head: ``OWNER:BRANCH@COMMIT``, as GitHub itself names what was run.
    """
    branch, _, commit = head.rpartition("@")
    number = github.pull_request(branch, commit)
    if number is not None:
        github.put_comment(number, MARK, cut(f"{MARK}\n{text}", LENGTH))
    return number is not None
