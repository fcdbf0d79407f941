"""The published site: every file below `reports/site/`, a pure function of the view.

Pages link to each other by relative paths only, so that the folder works wherever it is put.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from compatmatrix.analysis import grid
from compatmatrix.analysis.changes import Entry, entries
from compatmatrix.analysis.support import CellView, View
from compatmatrix.analysis.verdict import verdict
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import GRID
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish import (
    badge,
    csv_files,
    feed,
    json_data,
    labels,
    render,
    terminal,
    timeline,
    version_picker,
)
from compatmatrix.publish.runs import bands, shades

STATIC = Path(__file__).parent / "static"
NAVIGATION = (
    ("index.html", "Answer"),
    ("table.html", "Table"),
    ("grid.html", "Pairs"),
    ("changes.html", "Changes"),
    ("data.html", "Data"),
    ("about.html", "About"),
)


def contents(view: View) -> Mapping[str, bytes]:
    """Path below the site -> bytes."""
    site = Site(view)
    files = {**_static(), **site.machine_files()}
    files |= {name: text.encode() for name, text in site.pages()}
    return files


class Site:
    """What all pages share, computed once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.templates = render.environment()
        self.grid = grid.grid(view)
        self.answers = {
            release.version: version_picker.for_release(view, release.version, self.grid) for release in view.releases
        }
        self.news = entries(view)
        self.groups = _groups(view)
        self.sentence = labels.sentence(view)
        self.state = verdict(view, view.config.subject.headline).state

    def pages(self) -> Iterator[tuple[str, str]]:
        """Every HTML page."""
        view, shown = self.view, self.view.latest
        yield (
            "index.html",
            self._page(
                "index",
                "index.html",
                answer=self.answers[shown.version] if shown else None,
                shown=shown,
                choices=Markup(
                    version_picker.document(view, self.grid, self.answers)
                ),  # escaped there, for a script element
                timelines={pairing: Markup(self._timeline(pairing)) for pairing in view.pairings[:1]},
                news=self.news[:8],
            ),
        )
        yield "table.html", self._page("table", "table.html", **self._table())
        yield (
            "grid.html",
            self._page(
                "grid",
                "grid.html",
                grid=self.grid,
                present={pair.kind for row in self.grid.rows.values() for pair in row.values()},
                levels=(grid.IMPORTS, grid.TRAINS, grid.FULLY),
            ),
        )
        yield "changes.html", self._page("changes", "changes.html", by_release=_by_release(view, self.news))
        yield (
            "data.html",
            self._page("data", "data.html", badges={probe.id: badge.badge(view, probe) for probe in view.probes}),
        )
        ran = [cell for cell in view.cells if cell.state is CellState.RAN]
        yield (
            "about.html",
            self._page(
                "about",
                "about.html",
                unexamined=_unexamined(view),
                missing=_missing(view),
                ran_on=sorted({cell.platform for cell in ran}),
                ran_with=by_version({cell.python for cell in ran}),
            ),
        )
        if view.sources:
            yield (
                "unreleased.html",
                self._page("unreleased", "unreleased.html", environment=terminal.variables_words(view)),
            )
        for release in view.releases:
            yield f"release/{release.version}.html", self._release(release)
        for probe in view.probes:
            yield f"probe/{probe.id}.html", self._probe(probe)

    def machine_files(self) -> Mapping[str, bytes]:
        """Feeds, badges, tables, locks and pictures."""
        view = self.view
        files = {
            "compatibility.json": json_data.compatibility_json(view),
            "compatibility.schema.json": json_data.schema_json(),
            "compatibility.csv": csv_files.table(view),
            **feed.feeds(self.templates, view, self.news),
        }
        style = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("palette.css", "timeline.css"))
        for number, pairing in enumerate(view.pairings):
            name = "timeline.svg" if number == 0 else f"timeline-{pairing}.svg"
            files[name] = self._timeline(pairing, style).encode()
        for probe in view.probes:
            made = badge.badge(view, probe)
            files[f"badges/{probe.id}.json"] = made.endpoint()
            files[f"badges/{probe.id}.svg"] = made.picture(self.templates)
        for cell in view.cells:
            if cell.lock and cell.source is None and set(cell.pairings) & set(view.pairings):
                files[f"lock/{cell.id}.txt"] = "".join(f"{pin}\n" for pin in cell.lock).encode()
        return files

    def _page(self, template: str, path: str, **more: Any) -> str:
        view = self.view
        return self.templates.get_template(f"{template}.html.j2").render(
            view=view,
            config=view.config,
            subject=view.config.subject.title or view.config.subject.name,
            companion=self.grid.companion,
            groups=self.groups,
            navigation=NAVIGATION,
            path=path,
            root="../" * path.count("/"),
            verdict=self.sentence,
            verdict_state=self.state,
            recipe_text=lambda file: version_picker.recipe_text(view.probes, file),
            probe_of={probe.id: probe for probe in view.probes},
            kinds=grid.Kind,
            **more,
        )

    def _timeline(self, pairing: str, style: str | None = None) -> str:
        return timeline.render(self.templates, self.view, self.groups, pairing, self.sentence, style)

    def _table(self) -> dict[str, Any]:
        """Signatures by number, so that a cell names its own in a few letters; the pairs of the map are not in the table."""
        found: dict[str, int] = {}
        for cell in self.view.cells:
            if cell.pairings == (GRID.name,):
                continue
            for outcome in cell.outcomes.values():
                if outcome.signature:
                    found.setdefault(outcome.signature, len(found))
        return {"signatures": found, "newest_first": self.view.releases[::-1]}

    def _release(self, release: Release) -> str:
        view = self.view
        cells: dict[str, CellView] = {}
        for pairing in view.pairings:
            if (cell := view.cell(pairing, release.version)) is not None:
                cells[cell.id] = cell
        order = [known.version for known in view.releases]
        place = order.index(release.version)
        return self._page(
            "release",
            f"release/{release.version}.html",
            release=release,
            cells=[
                (cell, [pairing for pairing in view.pairings if pairing in cell.pairings]) for cell in cells.values()
            ],
            answer=self.answers[release.version],
            row=self.grid.rows[release.version],
            environment=terminal.variables_words(view),
            older=order[place - 1] if place else None,
            newer=order[place + 1] if place + 1 < len(order) else None,
            grid_probes=[
                probe
                for probe in view.probes
                if view.config.pairings.grid and probe.id in view.config.pairings.grid.probes
            ],
        )

    def _probe(self, probe: Probe) -> str:
        view, colours = self.view, shades(self.view)
        ran: dict[str, list[str]] = {}
        for cell in view.cells:
            outcome = cell.credible(probe.id)
            if outcome.recipe and outcome.state is OutcomeState.SUPPORTED:
                versions = ran.setdefault(outcome.recipe, [])
                if cell.subject not in versions:
                    versions.append(cell.subject)
        return self._page(
            "probe",
            f"probe/{probe.id}.html",
            probe=probe,
            group=view.config.groups.get(probe.group, probe.group),
            bands={pairing: bands(view, probe.id, pairing, colours)[::-1] for pairing in view.pairings},
            recipes=[(name, probe.recipes[name], ran.get(name, [])) for name in probe.recipes],
            news=[entry for entry in self.news if entry.probe.id == probe.id],
            badge=badge.badge(view, probe),
            test=f"probes/{probe.file}::test_{probe.id.replace('-', '_')}",
        )


def _static() -> dict[str, bytes]:
    sheets = [(STATIC / name).read_bytes() for name in ("palette.css", "site.css", "timeline.css")]
    scripts = {path.name: path.read_bytes() for path in sorted(STATIC.glob("*.js"))}
    return {"site.css": b"".join(sheets), "icon.svg": (STATIC / "icon.svg").read_bytes(), ".nojekyll": b"", **scripts}


def _groups(view: View) -> list[tuple[str, str, list[Probe]]]:
    """Key, title and probes of each group, in order."""
    found: dict[str, list[Probe]] = {}
    for probe in view.probes:
        found.setdefault(probe.group, []).append(probe)
    return [(key, view.config.groups.get(key, key), probes) for key, probes in found.items()]


def _by_release(view: View, entries: Sequence[Entry]) -> list[tuple[Release, list[Entry]]]:
    found = [(release, [entry for entry in entries if entry.release == release.version]) for release in view.releases]
    return [(release, own) for release, own in reversed(found) if own]


def _unexamined(view: View) -> list[tuple[str, str, str, list[str]]]:
    """Pairing, state, reason and releases of the cells that did not get as far as the probes."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for pairing in view.pairings:
        for release in view.releases:
            cell = view.cell(pairing, release.version)
            if cell is not None and cell.state is not CellState.RAN:
                found.setdefault((pairing, cell.state.value, cell.detail), []).append(release.version)
    return [(*key, versions) for key, versions in found.items()]


def _missing(view: View) -> list[tuple[str, list[str]]]:
    """Pairing and releases for which there is no cell at all."""
    found = [
        (pairing, [release.version for release in view.releases if view.cell(pairing, release.version) is None])
        for pairing in view.pairings
    ]
    return [(pairing, versions) for pairing, versions in found if versions]
