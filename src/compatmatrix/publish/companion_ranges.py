"""Which versions of the map's companion a release works with, as the pages say it: ranges, and the command that installs them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.grid import IMPORTS, UNTRIED, Kind, Pair
from compatmatrix.analysis.known_good import KnownGood
from compatmatrix.analysis.remedies import WORKS, works_runs
from compatmatrix.core.text import grouped, span
from compatmatrix.publish import labels
from compatmatrix.publish.error_pages import Command, command


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The companion's versions with which a release gets equally far, and no further for the same reason.

    Attributes:
        spans: ``1.0 to 1.6, 2.1``.
        answers: what the map answers, where it imports.
        reason: the error, or another reason; ``path`` is its page, where it has one.
    """

    kind: Kind
    spans: str = ""
    answers: str = ""
    reason: str = ""
    path: str = ""


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """With which versions of the companion a release works, in words; the levels from the best down to what was not tried.

    ``constraints`` has the file of a complete set that works, by Python.
    """

    release: str
    works: str
    command: Command | None
    constraints: Mapping[str, str]
    levels: tuple[Level, ...]


def of_release(compatibility: Compatibility, version: str, constraints: Mapping[str, KnownGood]) -> Ranges:
    """The ranges of a release.

    Args:
        compatibility: what is on record.
        version: of the subject.
        constraints: the sets of all releases, by the paths of their files below the site.
    """
    grid, row = compatibility.grid, compatibility.grid.rows[version]
    same = grouped((_level(compatibility, pair), other) for other, pair in row.items())
    levels = [msgspec.structs.replace(level, spans=grid.joined(version, others)) for level, others in same.items()]
    order = list(Kind)
    return Ranges(
        release=version,
        works=works_words(compatibility, version),
        command=command(compatibility, version),
        constraints={known.python: path for path, known in constraints.items() if known.subject == version},
        levels=tuple(sorted(levels, key=lambda level: order.index(level.kind))),
    )


def works_words(compatibility: Compatibility, version: str) -> str:
    """``1.0 to 1.6, 2.1``: what `remedies.works_runs` gives."""
    return ", ".join(map(span, works_runs(compatibility, version)))


def nearest_words(compatibility: Compatibility, pair: Pair) -> str:
    """``. Nearest that works: subject 1.0 with companion 2.0``, of a pair that does not; else nothing."""
    found = list(compatibility.nearest(pair.subject, pair.companion).values())[:2]
    if not found or found == [pair.subject, pair.companion]:
        return ""
    return f". Nearest that works: {compatibility.view.config.subject.display_name} {found[0]} with {compatibility.companion} {found[1]}"


def _level(compatibility: Compatibility, pair: Pair) -> Level:
    """How far a pair gets, without its version; of a reason that is an error on record, the text and the page of that."""
    grid, reason, path = compatibility.grid, pair.reason, ""
    if pair.kind in (*WORKS, *UNTRIED):
        reason = ""
    elif reason and (found := compatibility.explain(reason)) and found[0].exact:
        reason, path = found[0].texts[0], f"error/{found[0].name}.html"
    answers = labels.answers_words(grid, pair) if pair.kind in IMPORTS and len(grid.answers) > 1 else ""
    return Level(kind=pair.kind, answers=answers, reason=reason, path=path)
