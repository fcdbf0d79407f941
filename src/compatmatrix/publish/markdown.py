"""compatibility.md, the table for people who read the repository, and the answer in README.md."""

from __future__ import annotations

import re

from compatmatrix.analysis import changes, grid, recommend
from compatmatrix.analysis.grid import UNTRIED, Grid
from compatmatrix.analysis.pythons import pythons
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import NEWEST
from compatmatrix.publish import labels
from compatmatrix.publish.labels import groups, sentence
from compatmatrix.publish.render import escaped, filled

BEGIN, END = "<!-- answer: made by `nox -s report` -->", "<!-- /answer -->"
"""The lines of README.md between which the answer stands."""


def render(view: View) -> str:
    """compatibility.md."""
    return filled(
        "compatibility.md.j2",
        view=view,
        subject=view.config.subject.display_name,
        groups=groups(view),
        changes=changes.between_releases(view)[::-1],
        grid=grid.grid(view),
        kinds=grid.Kind,
        row_words=_row_words,
        pythons=pythons(view),
        advice=advice(view),
        shows_sources=shows_sources(view),
    )


def shows_sources(view: View) -> str:
    """The pairing above whose releases the sources stand: they are examined with the newest companions."""
    return NEWEST.name if NEWEST.name in view.pairings else view.pairings[-1]


def advice(view: View) -> list[tuple[Release, recommend.Recipe | None, tuple[Probe, ...]]]:
    """For each examined release, newest first: the recipe that works, and the probes that silently have no effect there."""
    rows = []
    for release in reversed(view.releases):
        if cells := recommend.cells_of(view, release.version):
            recipe = recommend.recipe(view, release.version, view.config.publish.recipes)
            rows.append((release, recipe, recommend.silent(view, cells.values())))
    return rows


def readme(text: str, view: View) -> str:
    """README.md with today's answer between its markers; as it was, if it has none."""
    parts = re.split(f"({re.escape(BEGIN)}).*?({re.escape(END)})", text, maxsplit=1, flags=re.DOTALL)
    if len(parts) != 4:
        return text
    return "".join([parts[0], parts[1], "\n", answer(view), parts[2], parts[3]])


def answer(view: View) -> str:
    """The verdict, what to do on the latest release, and where the pages are."""
    lines = [f"**{escaped(sentence(view))}**", ""]
    url = view.config.publish.url
    for release, recipe, silent in advice(view):
        if view.latest and release.version == view.latest.version:
            title = escaped(f"{view.config.subject.display_name} {release.version}")
            if recipe:
                lines.append(f"What works on {title}: [`{recipe.probe}`](probes/recipes/{recipe.file}).")
            if silent:
                names = ", ".join(f"`{probe.id}`" for probe in silent)
                lines.append(f"What runs there without error but trains nothing: {names}.")
            lines.append("")
    here = "Run `python -m nox -s report` and open `reports/site/index.html`"
    lines += [f"All answers, with menus and search: {f'<{url}>' if url else here}.", ""]
    return "\n".join(lines)


def _row_words(grid: Grid, version: str) -> str:
    """How far a release gets with which companion versions, and why no further."""
    words = [" ".join(labels.map_words(grid, version))]
    reasons: dict[str, list[str]] = {}
    for other, pair in grid.rows[version].items():
        if pair.reason and pair.kind not in UNTRIED:
            reasons.setdefault(pair.reason, []).append(other)
    for reason, versions in reasons.items():
        words.append(f"with {grid.companion} {grid.joined(version, versions)}: {reason}")
    return "; ".join(words)
