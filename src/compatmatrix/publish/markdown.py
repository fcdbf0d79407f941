"""compatibility.md: the table for people who read the repository."""

from __future__ import annotations

import functools
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from compatmatrix.analysis import changes, grid, recommend
from compatmatrix.analysis.grid import UNTRIED, Grid
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish import labels, version_picker


def escaped(text: object) -> Markup:
    """Text as text in GitHub's Markdown: HTML's characters as entities, Markdown's with a backslash, one line."""
    # By hand: markupsafe's entity of a quotation mark has a # in it, which is Markdown's again.
    html = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$@^-])", r"\\\1", html)
    # Two more would become links by themselves.
    return Markup(re.sub(r"(www)\.", r"\1\\.", escaped, flags=re.IGNORECASE).replace("://", "\\://"))


def render(view: View, earlier: View | None) -> str:
    """The report; ``earlier`` is the view of the last state on record before this one, for what changed since."""
    return (
        environment()
        .get_template("compatibility.md.j2")
        .render(
            view=view,
            words=labels,
            groups=grouped(view),
            changes=list(reversed(changes.between_releases(view))),
            news=changes.alarming(changes.between_views(earlier, view)) if earlier else (),
            grid=grid.grid(view),
            kinds=grid.Kind,
            grid_words=_pair_words,
            todo=to_do(view),
            # What is not released is examined with the newest companions, so it stands above the releases with theirs.
            shows_sources=NEWEST.name if NEWEST.name in view.pairings else view.pairings[-1],
            OutcomeState=OutcomeState,
            CellState=CellState,
        )
    )


@functools.cache
def environment() -> Environment:
    """Templates of Markdown: the filter `md` makes text of whatever it is given."""
    made = Environment(
        loader=PackageLoader("compatmatrix.publish"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    made.filters["md"] = escaped
    return made


def grouped(view: View) -> list[tuple[str, list[Probe]]]:
    """Title of each group with its probes, in order; a group that is not in ``[groups]`` keeps its own name."""
    found: dict[str, list[Probe]] = {}
    for probe in view.probes:
        found.setdefault(probe.group, []).append(probe)
    return [(view.config.groups.get(group, group), probes) for group, probes in found.items()]


def to_do(view: View) -> list[tuple[Release, recommend.Recipe | None, tuple[Probe, ...]]]:
    """For each examined release, newest first: the recipe that works, and the probes that silently do nothing there."""
    rows = []
    for release in reversed(view.releases):
        cells = [cell for pairing in view.pairings if (cell := view.cell(pairing, release.version)) is not None]
        if cells:
            recipe = recommend.recipe(view, release.version, view.config.publish.recipes)
            rows.append((release, recipe, recommend.silent(view, cells)))
    return rows


def _pair_words(grid: Grid, version: str) -> str:
    """How far a release gets with which companion versions, and why no further."""
    told = [f"imports {version_picker.levels(grid, version)}"]
    reasons: dict[str, list[str]] = {}
    for other, pair in grid.rows[version].items():
        if pair.reason and pair.kind not in UNTRIED:
            reasons.setdefault(pair.reason, []).append(other)
    for reason, versions in reasons.items():
        told.append(f"with {grid.companion} {grid.joined(version, versions)}: {reason}")
    return "; ".join(told)
