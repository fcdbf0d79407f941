"""The published site: every file below `reports/site/`, a pure function of the view.

Pages link to each other by relative paths only, so that the folder works wherever it is put. A page names counts and days
only of what it is about: it changes when an answer on it does, and not with every record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from compatmatrix.analysis import grid, recommend
from compatmatrix.analysis.changes import entries
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.pythons import pythons
from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import verdict
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import GRID
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish import (
    badge,
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
from compatmatrix.publish.runs import runs
from compatmatrix.publish.timeline import STATIC


class Site:
    """What the pages of a view share, computed once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.compatibility = Compatibility(view)
        self.grid, self.pythons = self.compatibility.grid, pythons(view)
        self.constraints = constraints.files(self.compatibility)
        self.errors = error_pages.pages(self.compatibility, list(self.constraints))
        self.answers = {
            release.version: version_picker.for_release(view, release.version, self.grid) for release in view.releases
        }
        self.news = entries(view)
        self.shared = {
            "view": view,
            "config": view.config,
            "subject": view.config.subject.display_name,
            "companion": self.grid.companion,
            "pairs": self.grid,
            "groups": labels.groups(view),
            "verdict": labels.sentence(view),
            "probe_of": {probe.id: probe for probe in view.probes},
            "recipe_text": lambda file: version_picker.recipe_text(view.probes, file),
            "pytest": terminal.pytest_words(view),
            "shows_sources": markdown.shows_sources(view),
            "error_paths": {page.error.signature: page.path for page in self.errors},
            "command": lambda version: error_pages.command(self.compatibility, version, list(self.constraints)),
        }

    def pages(self) -> Iterator[tuple[str, str]]:
        """Path and text of every page."""
        view = self.view
        for name, values in (
            ("index", self._index),
            ("table", self._table),
            ("grid", self._grid),
            ("changes", self._changes),
            ("data", lambda: {"badges": {probe.id: badge.badge(view, probe) for probe in view.probes}}),
            ("about", self._about),
            ("errors", lambda: {"errors": self.errors}),
        ):
            yield f"{name}.html", self._page(name, f"{name}.html", **values())
        for page in self.errors:
            yield page.path, self._page("error", page.path, page=page)
        if view.sources:
            yield "unreleased.html", self._page("unreleased", "unreleased.html")
        for release in view.releases:
            path = f"release/{release.version}.html"
            yield path, self._page("release", path, **self._release(release))
        for probe in view.probes:
            path = f"probe/{probe.id}.html"
            yield path, self._page("probe", path, **self._probe(probe))

    def _page(self, template: str, path: str, **values: Any) -> str:
        return render.filled(f"{template}.html.j2", **self.shared, path=path, root="../" * path.count("/"), **values)

    def _index(self) -> dict[str, Any]:
        view, shown = self.view, self.view.latest
        return {
            "answer": self.answers[shown.version] if shown else None,
            "shown": shown,
            "state": verdict(view, view.config.subject.headline).state,
            "choices": Markup(version_picker.document(view, self.grid, self.answers)),  # escaped there, for a script
            "timeline": Markup(timeline.render(view, view.pairings[0])),
            "news": self.news[:8],
            "errors": self.errors,
            "search": Markup(error_pages.document(self.errors)),
        }

    def _table(self) -> dict[str, Any]:
        """Signatures by number, so that a cell names its own in a few letters; the pairs of the map are not in the table."""
        numbers: dict[str, int] = {}
        for cell in self.view.cells:
            if {*cell.pairings} & {*self.view.pairings}:
                for outcome in cell.outcomes.values():
                    if outcome.signature:
                        numbers.setdefault(outcome.signature, len(numbers))
        states = [*OutcomeState, *(state for state in CellState if state is not CellState.RAN)]
        return {"signatures": numbers, "newest_first": self.view.releases[::-1], "states": states}

    def _grid(self) -> dict[str, Any]:
        present = {pair.kind for row in self.grid.rows.values() for pair in row.values()}
        return {
            "kinds": [kind for kind in grid.Kind if kind in present],
            "pythons": self.pythons,
        }

    def _changes(self) -> dict[str, Any]:
        by_release = (
            (release, [entry for entry in self.news if entry.release == release.version])
            for release in reversed(self.view.releases)
        )
        return {"by_release": [(release, entries) for release, entries in by_release if entries]}

    def _about(self) -> dict[str, Any]:
        """The environments there are, and what of every release and pairing is not known, and why."""
        view, ran = self.view, [cell for cell in self.view.cells if cell.state is CellState.RAN]
        missing: dict[str, list[str]] = {}
        unexamined: dict[tuple[str, CellState, str], list[str]] = {}
        for pairing in view.pairings:
            for release in view.releases:
                cell = view.cell(pairing, release.version)
                if cell is None:
                    missing.setdefault(pairing, []).append(release.version)
                elif cell.state is not CellState.RAN:
                    unexamined.setdefault((pairing, cell.state, cell.detail), []).append(release.version)
        return {
            "missing": missing,
            "unexamined": unexamined,
            "ran_on": sorted({cell.platform for cell in ran}),
            "ran_with": by_version({cell.python for cell in ran}),
        }

    def _release(self, release: Release) -> dict[str, Any]:
        view, order = self.view, [known.version for known in self.view.releases]
        place = order.index(release.version)
        cells = {cell.id: cell for cell in recommend.cells_of(view, release.version).values()}
        asked = view.config.pairings.grid.probes if view.config.pairings.grid else ()
        return {
            "release": release,
            "cells": [(cell, [name for name in view.pairings if name in cell.pairings]) for cell in cells.values()],
            "answer": self.answers[release.version],
            "row": self.grid.rows[release.version],
            "pythons": self.pythons.get(release.version),
            "grid_pairing": GRID.name,
            "grid_probes": [probe for probe in view.probes if probe.id in asked],
            "older": order[place - 1] if place else None,
            "newer": order[place + 1] if place + 1 < len(order) else None,
        }

    def _probe(self, probe: Probe) -> dict[str, Any]:
        view = self.view
        tested = recommend.tested(view, probe)
        return {
            "probe": probe,
            "group": view.config.groups.get(probe.group, probe.group),
            "runs": {pairing: runs(view, probe.id, pairing)[::-1] for pairing in view.pairings},
            "recipes": [(name, text, tested[name]) for name, text in probe.recipes.items()],
            "news": [entry for entry in self.news if entry.probe.id == probe.id],
            "badge": badge.badge(view, probe),
            "test": f"probes/{probe.file}::{probe.node}",
        }


def _static(_: Site) -> dict[str, bytes]:
    sheets = [(STATIC / name).read_bytes() for name in ("palette.css", "site.css", "errors.css", "timeline.css")]
    scripts = {path.name: path.read_bytes() for path in sorted(STATIC.glob("*.js"))}
    return {"site.css": b"".join(sheets), "icon.svg": (STATIC / "icon.svg").read_bytes(), ".nojekyll": b"", **scripts}


def _pages(site: Site) -> dict[str, bytes]:
    return {name: text.encode() for name, text in site.pages()}


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
    _data,
    _locks,
    lambda site: feed.feeds(render.environment(), site.view, site.news),
    lambda site: badge.files(site.view),
    lambda site: site.constraints,
    lambda site: timeline.files(site.view),
)
"""What makes the files below the site; another output is another line."""


def contents(view: View) -> Mapping[str, bytes]:
    """Path below the site -> bytes."""
    site = Site(view)
    return {name: content for output in OUTPUTS for name, content in output(site).items()}
