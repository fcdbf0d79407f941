"""compatibility.md, for people who read the repository, and the answer in README.md.

Neighbors of which the same is said share a row, so that the report grows with the answers, not with the releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from compatmatrix.analysis import grid, recommend
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.grid import UNTRIED, Grid
from compatmatrix.analysis.pythons import pythons
from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.model import Outcome
from compatmatrix.core.pairings import NEWEST
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import alike, grouped, spans
from compatmatrix.publish import labels, pair_map
from compatmatrix.publish.labels import groups, sentence
from compatmatrix.publish.pair_map import ASCII
from compatmatrix.publish.render import escaped, filled
from compatmatrix.publish.runs import runs

BEGIN, END = "<!-- answer: made by `nox -s report` -->", "<!-- /answer -->"
"""The lines of README.md between which the answer stands."""


def render(view: View) -> str:
    """compatibility.md."""
    pairs = grid.grid(view)
    examined = [release.version for release in view.releases if recommend.cells_of(view, release.version)]
    found = pythons(view)
    tried = [version for version in pairs.rows if pairs.rows[version]]
    return filled(
        "compatibility.md.j2",
        view=view,
        subject=view.config.subject.display_name,
        groups=groups(view),
        advice=list(alike(examined, lambda version: _advice(view, version))),
        companion=pairs.companion if pairs.columns else "",
        answers_of_pairs=pairs.answers,
        reached=list(alike(tried, lambda version: tuple(pairs.answering(version, word) for word in pairs.answers))),
        reasons=list(alike(tried, lambda version: _reasons(pairs, version))),
        map="\n".join(line for block in pair_map.blocks(pairs, signs=ASCII) for line in block),
        pythons=list(alike(list(found), lambda version: found[version].words)),
        legend=list(pair_map.legend(pairs, ASCII)),
        ranges=lambda probe, pairing: list(_ranges(view, probe, pairing)),
        beside=lambda probe: recommend.beside(view, probe),
        cells=lambda version: _cells(view, version),
        titles=lambda cell: map(view.config.pairing_title, cell.pairings),
        counts=_counts,
        answers=lambda cell: _answers(view, cell),
    )


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
    if view.latest and recommend.cells_of(view, view.latest.version):
        title = escaped(f"{view.config.subject.display_name} {view.latest.version}")
        recipe, _, silent = _advice(view, view.latest.version)
        if recipe:
            lines.append(f"What works on {title}: [`{recipe.probe}`](probes/recipes/{recipe.file}).")
        if silent:
            names = ", ".join(f"`{probe}`" for probe in silent)
            lines.append(f"What runs there without error but has no effect: {names}.")
        lines.append("")
    here = "Run `python -m nox -s report` and open `reports/site/index.html`"
    lines += [f"All answers, with menus and search: {f'<{url}>' if url else here}.", ""]
    return "\n".join(lines)


def shows_sources(view: View) -> str:
    """The pairing above whose releases the sources stand: they are examined with the newest companions."""
    return NEWEST.name if NEWEST.name in view.pairings else view.pairings[-1]


def _advice(view: View, version: str) -> tuple[recommend.Recipe | None, str, tuple[str, ...]]:
    """The recipe that works on a release, under which pairings, and the probes that silently have no effect there."""
    recipe = recommend.recipe(view, version, view.config.publish.recipes)
    silent = recommend.silent(view, recommend.cells_of(view, version).values())
    where = labels.phrases(view, recipe.pairings) if recipe else ""
    return recipe, where, tuple(probe.id for probe in silent)


def _reasons(pairs: Grid, version: str) -> tuple[tuple[str, str], ...]:
    """Why a release gets no further: with which companion versions, and the reason."""
    tried = {other: pair for other, pair in pairs.rows[version].items() if pair.kind not in UNTRIED}
    reasons = grouped((pair.reason, other) for other, pair in tried.items() if pair.reason)
    return tuple((pairs.joined(version, versions), reason) for reason, versions in reasons.items())


def _ranges(view: View, probe: str, pairing: str) -> Iterator[tuple[str, str]]:
    """What a probe came to, newest first, and on which releases: ``✗ raises KeyError``, ``0.9.0 to 0.10.2, 0.11.0``."""
    versions = [release.version for release in view.releases]
    found = [(f"{run.sign} {run.label}", run) for run in reversed(runs(view, probe, pairing))]
    same = grouped((label, version) for label, run in found for version in versions[run.start :][: run.count])
    yield from ((label, spans(chosen, versions)) for label, chosen in same.items())


def _cells(view: View, version: str) -> list[tuple[str, CellView | None]]:
    """The cells of a release, each with the titles of the pairings under which the same is found; None if not examined."""
    cells = {pairing: view.cell(pairing, version) for pairing in view.pairings}
    same = grouped(
        (repr((labels.environment_words(view, cell) if cell else "", _answers(view, cell))), pairing)
        for pairing, cell in cells.items()
    )
    named = view.config.pairing_title
    return [(labels.joined(map(named, pairings)), cells[pairings[0]]) for pairings in same.values()]


def _counts(cell: CellView | None) -> str:
    """``✓ 20, ✗ 8``: how often each outcome came up in a cell; of one that did not run, its state."""
    if cell is None or cell.state is not CellState.RAN:
        state = cell.state if cell else OutcomeState.NOT_RUN
        return f"{state.sign} {state.value}"
    found = [cell.credible(probe).state for probe in cell.outcomes]
    return ", ".join(f"{state.sign} {found.count(state)}" for state in OutcomeState if state in found)


def _answers(view: View, cell: CellView | None) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """By outcome, in words: the reasons, and the probes for each of them."""
    if cell is None or cell.state is not CellState.RAN:
        return [(labels.outcome_words(cell, ""), [(cell.detail if cell else "", [])])]
    found: dict[str, dict[str, list[str]]] = {}
    for probe in sorted(view.probes, key=lambda probe: list(OutcomeState).index(cell.outcome(probe.id).state)):
        reason = _reason(cell.outcome(probe.id), cell.credible(probe.id))
        found.setdefault(labels.outcome_words(cell, probe.id), {}).setdefault(reason, []).append(probe.id)
    return [(words, list(reasons.items())) for words, reasons in found.items()]


def _reason(outcome: Outcome, credible: Outcome) -> str:
    """Why an answer is no yes."""
    words = "" if credible.state is OutcomeState.SUPPORTED else credible.note or outcome.signature or ""
    return sanitize.line(words, sanitize.SIGNATURE)
