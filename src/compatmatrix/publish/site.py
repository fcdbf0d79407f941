"""The published site: every file below `reports/site/`, a pure function of the view.

Pages link to each other by relative paths only, so that the folder works wherever it is put. A page names counts and days
only of what it is about: it changes when an answer on it does, and not with every record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from markupsafe import Markup

from compatmatrix.analysis import grid, recommend, remedies
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.history import Sort, entries
from compatmatrix.analysis.pythons import pythons
from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import verdict
from compatmatrix.bisect.result import Bisection
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import GRID
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import address, grouped
from compatmatrix.publish import (
    badge,
    cell_pages,
    companion_ranges,
    comparison,
    constraints,
    csv_files,
    error_pages,
    feed,
    json_data,
    labels,
    markdown,
    render,
    terminal,
    timeline,
    version_picker,
)
from compatmatrix.publish.render import path_part
from compatmatrix.publish.runs import runs
from compatmatrix.publish.status import Status
from compatmatrix.publish.timeline import STATIC


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What the site shows beside the records: bisections on file, the job's status, a picture (PNG) for link previews."""

    bisections: tuple[Bisection, ...] = ()
    status: Status | None = None
    picture: bytes = b""


NOTHING = Beside()

PICTURE = "picture.png"
"""The picture, below the site."""


class Site:
    """What the pages of a view share, computed once."""

    def __init__(self, view: View, beside: Beside) -> None:
        self.view, self.beside = view, beside
        self.compatibility = Compatibility(view)
        self.grid, self.pythons = self.compatibility.grid, pythons(view)
        self.constraints = constraints.files(self.compatibility)
        self.errors = error_pages.pages(self.compatibility)
        self.ranges = {
            one.version: companion_ranges.of_release(self.compatibility, one.version, self.constraints)
            for one in view.releases
        }
        self.answers = {
            one.version: version_picker.for_release(self.compatibility, one.version) for one in view.releases
        }
        self.news = entries(view)
        self.runs = {
            pairing: {probe.id: runs(view, probe.id, pairing) for probe in view.probes} for pairing in view.pairings
        }
        self.shared = {
            "view": view,
            "config": view.config,
            "subject": view.config.subject.display_name,
            "companion": self.grid.companion,
            "pairs": self.grid,
            "ranges": self.ranges,
            "groups": labels.groups(view),
            "runs": self.runs,
            "verdict": labels.sentence(view),
            "probe_of": {probe.id: probe for probe in view.probes},
            "recipe_text": lambda file: version_picker.recipe_text(view.probes, file),
            "pytest": terminal.pytest_words(view),
            "shows_sources": markdown.shows_sources(view),
            "command": lambda version: error_pages.command(self.compatibility, version),
            "picture": PICTURE if beside.picture else "",
        }

    def pages(self) -> Iterator[tuple[str, str]]:
        """Path and text of every page."""
        view = self.view
        for name, values in (
            ("index", self._index),
            ("table", self._table),
            *([("grid", self._grid)] if self.grid.companion else []),
            ("changes", self._changes),
            ("compare", self._compare),
            ("data", lambda: {"badges": {probe.id: badge.badge(view, probe) for probe in view.probes}}),
            ("about", self._about),
            ("errors", lambda: {"errors": self.errors}),
            ("status", lambda: {"status": self.beside.status}),
        ):
            yield f"{name}.html", self._page(name, f"{name}.html", **values())
        for page in self.errors:
            yield page.path, self._page("error", page.path, page=page)
        # It is shown at any address, so that its links are absolute where that is known.
        yield "404.html", self._page("404", "404.html", root=address(view.config.publish.url, ""))
        if view.sources:
            cells = self._cells(cell_pages.of_sources(view))
            yield "unreleased.html", self._page("unreleased", "unreleased.html", **cells)
        for release in view.releases:
            path = f"release/{release.version}.html"
            yield path, self._page("release", path, **self._release(release))
        for probe in view.probes:
            path = f"probe/{probe.id}.html"
            yield path, self._page("probe", path, **self._probe(probe))

    def _page(self, template: str, path: str, **values: Any) -> str:
        values = {"root": "../" * path.count("/"), **self.shared, **values}
        return render.filled(f"{template}.html.j2", path=path, **values)

    def _index(self) -> dict[str, Any]:
        view, shown = self.view, self.view.latest
        return {
            "answer": self.answers[shown.version] if shown else None,
            "shown": shown,
            "state": verdict(view, view.config.subject.headline).state,
            "choices": Markup(version_picker.document(self.compatibility, self.answers)),  # escaped there, for a script
            "timeline": Markup(timeline.render(view, view.pairings[0])),
            "news": [entry for entry in self.news if entry.sort is Sort.OUTCOME][:8],
            "errors": self.errors,
            "search": Markup(error_pages.document(self.errors)),
        }

    def _table(self) -> dict[str, Any]:
        view = self.view
        present = {run.kind for found in self.runs.values() for one in found.values() for run in one}
        present |= {cell.shown(probe.id).value for cell in view.sources for probe in view.probes}
        states = [*OutcomeState, *(state for state in CellState if state is not CellState.RAN)]
        return {"states": [state for state in states if state.value in present]}

    def _grid(self) -> dict[str, Any]:
        present = {pair.kind for row in self.grid.rows.values() for pair in row.values()}
        return {
            "kinds": [kind for kind in grid.Kind if kind in present],
            "fully": remedies.WORKS,
            "untried": grid.UNTRIED,
            "pythons": self.pythons,
            "nearest_words": lambda pair: companion_ranges.nearest_words(self.compatibility, pair),
        }

    def _changes(self) -> dict[str, Any]:
        """Every release with its changes, those of each sort apart."""
        return {
            "by_release": [
                (release, {sort: [entry for entry in found if entry.sort is sort] for sort in Sort})
                for release in reversed(self.view.releases)
                if (found := [entry for entry in self.news if entry.release == release.version])
            ],
            "Sort": Sort,
        }

    def _compare(self) -> dict[str, Any]:
        """The latest release and the one before, as the page shows them at first; and all that its script needs."""
        newer = self.view.latest.version if self.view.latest else ""
        older = self.view.stable_before(newer) if newer else None
        return {
            "newer": newer,
            "older": older,
            "rows": comparison.rows(self.view, older, newer) if older else [],
            "compared": [one.version for one in reversed(self.view.releases) if self.view.stable_before(one.version)],
            "document": Markup(comparison.document(self.view)) if older else "",  # escaped there, for a script
        }

    def _about(self) -> dict[str, Any]:
        """The environments there are, and what of every release and pairing is not known, and why."""
        view, ran = self.view, [cell for cell in self.view.cells if cell.state is CellState.RAN]
        versions = [release.version for release in view.releases]
        cells = [(pairing, version, view.cell(pairing, version)) for pairing in view.pairings for version in versions]
        return {
            "missing": grouped((pairing, version) for pairing, version, cell in cells if cell is None),
            "unexamined": grouped(
                ((pairing, cell.state, cell.detail), version)
                for pairing, version, cell in cells
                if cell and cell.state is not CellState.RAN
            ),
            "ran_on": sorted({cell.platform for cell in ran}),
            "ran_with": by_version({cell.python for cell in ran}),
        }

    def _release(self, release: Release) -> dict[str, Any]:
        view, order = self.view, [known.version for known in self.view.releases]
        before = view.stable_before(release.version)
        place = order.index(release.version)
        asked = view.config.pairings.grid
        # Of the others the map's words tell.
        beside = {*asked.probes} - {*asked.answers.values()} if asked else set()
        grid_probes = [probe for probe in view.probes if probe.id in beside]
        return {
            "release": release,
            "before": before,
            "rows": comparison.rows(view, before, release.version) if before else [],
            **self._cells(cell_pages.of_release(view, release.version)),
            "answer": self.answers[release.version],
            "row": cell_pages.pair_rows(self.grid, release.version, grid_probes),
            "pythons": self.pythons.get(release.version),
            "grid_pairing": GRID.name,
            "grid_probes": grid_probes,
            "older": order[place - 1] if place else None,
            "newer": order[place + 1] if place + 1 < len(order) else None,
        }

    def _cells(self, columns: Sequence[cell_pages.Column]) -> dict[str, Any]:
        known = self.compatibility.errors
        return {"columns": columns, "errors": cell_pages.page_errors(self.view.probes, columns, known)}

    def _probe(self, probe: Probe) -> dict[str, Any]:
        view = self.view
        return {
            "probe": probe,
            "group": view.config.groups.get(probe.group, probe.group),
            "bounds": self.compatibility.supported(probe.id),
            "commits": [one for one in self.beside.bisections if one.question.probe == probe.id],
            "recipes": [(name, probe.recipes[name], tested) for name, tested in recommend.tested(view, probe).items()],
            "news": [entry for entry in self.news if entry.probe.id == probe.id],
            "badge": badge.badge(view, probe),
            "test": f"probes/{probe.file}::{probe.node}",
        }


def _static(_: Site) -> dict[str, bytes]:
    names = ("palette", "site", "errors", "map", "table", "timeline")
    sheets = [(STATIC / f"{name}.css").read_bytes() for name in names]
    scripts = {path.name: path.read_bytes() for path in sorted(STATIC.glob("*.js"))}
    return {"site.css": b"".join(sheets), "icon.svg": (STATIC / "icon.svg").read_bytes(), ".nojekyll": b"", **scripts}


def _pages(site: Site) -> dict[str, bytes]:
    """Every page; where the address of the site is known, a map of them."""
    pages = {name: text.encode() for name, text in site.pages()}
    url = site.view.config.publish.url
    listed = [address(url, *map(path_part, name.split("/"))) for name in pages if name != "404.html"]
    return pages | ({"sitemap.xml": render.filled("sitemap.xml.j2", pages=listed).encode()} if url else {})


def _beside(site: Site) -> dict[str, bytes]:
    status, picture = site.beside.status, site.beside.picture
    return ({"status.json": status.json()} if status else {}) | ({PICTURE: picture} if picture else {})


def _data(site: Site) -> dict[str, bytes]:
    return {
        "compatibility.json": json_data.compatibility_json(site.view),
        "compatibility.schema.json": json_data.schema_json(),
        "compatibility.csv": csv_files.table(site.view),
    }


def _locks(site: Site) -> dict[str, bytes]:
    return {
        f"lock/{cell.id}.txt": "".join(f"{pin}\n" for pin in cell.lock).encode()
        for cell in site.view.cells
        if cell.lock and set(cell.pairings) & set(site.view.pairings)
    }


OUTPUTS: tuple[Callable[[Site], Mapping[str, bytes]], ...] = (
    _static,
    _pages,
    _beside,
    _data,
    _locks,
    lambda site: feed.feeds(site.view, site.news),
    lambda site: badge.files(site.view),
    lambda site: {path: constraints.text(known).encode() for path, known in site.constraints.items()},
    lambda site: timeline.files(site.view),
)
"""What makes the files below the site; another output is another line."""


def contents(view: View, beside: Beside = NOTHING) -> Mapping[str, bytes]:
    """Path below the site -> bytes."""
    site = Site(view, beside)
    return {name: content for output in OUTPUTS for name, content in output(site).items()}
