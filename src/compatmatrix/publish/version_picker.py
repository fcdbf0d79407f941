"""What the page shows for chosen versions: whether they import, the headline, a recipe, and what has no effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from compatmatrix.analysis import recommend, remedies
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.grid import IMPORTING, MAY_WORK, Grid, Kind, Pair
from compatmatrix.analysis.recommend import Recipe
from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import Value, Verdict, of_cells, verdict
from compatmatrix.core import sanitize
from compatmatrix.core.model import Outcome, Probe
from compatmatrix.core.states import OutcomeState
from compatmatrix.core.text import aside
from compatmatrix.publish import labels
from compatmatrix.publish.companion_ranges import works_words
from compatmatrix.publish.findings import install
from compatmatrix.publish.render import embedded


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A sign, a word, and what more there is to say; ``kind`` decides the color."""

    kind: str
    sign: str
    word: str
    text: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown for one choice of versions; ``traps`` are the probes that run without error and have no effect."""

    imports: Finding
    headline: Finding
    recipe: str | None = None
    recipe_title: str = ""
    recipe_note: str = "No recipe came out right in every environment of this release that could answer."
    traps: tuple[str, ...] = ()
    install: str = ""
    install_title: str = ""


def for_release(compatibility: Compatibility, version: str) -> Answer:
    """The answer for a release of the subject, whatever is beside it."""
    view, grid = compatibility.view, compatibility.grid
    works = works_words(compatibility, version)
    requirements = remedies.requirements(compatibility, version)
    answer = Answer(
        install=install(requirements) if requirements else "",
        install_title=f"Works with {grid.companion} {works}"
        if works
        else f"The nearest that works with {grid.companion}",
        imports=_imports(grid, version),
        headline=_headline(view, verdict(view, view.config.subject.headline, version)),
        traps=tuple(probe.id for probe in recommend.silent(view, recommend.cells_of(view, version).values())),
    )
    recipe = recommend.recipe(view, version, view.config.publish.recipes)
    if recipe is None:
        return answer
    note = f"Tested unchanged; correct {labels.phrases(view, recipe.pairings)}."
    return _with_recipe(view, answer, recipe, note)


def for_pair(compatibility: Compatibility, pair: Pair, general: Answer) -> Answer:
    """The answer for one pair; what was not tried with it is that of the release, and said to be."""
    view, grid = compatibility.view, compatibility.grid
    name, headline = grid.companion, view.config.subject.headline
    kind = pair.kind
    nearest = remedies.nearest(compatibility, pair.subject, pair.companion)
    itself = nearest == (f"{compatibility.subject}=={pair.subject}", f"{name}=={pair.companion}")
    general = msgspec.structs.replace(
        general,
        install=install(nearest) if nearest else "",
        install_title=f"This pair {'works' if kind in remedies.WORKS else 'works in part'}"
        if itself
        else "The nearest pair that works",
    )
    imports = Finding(kind=kind.value, sign=kind.sign, word=kind.word, text=labels.pair_words(grid, pair))
    answer = msgspec.structs.replace(general, imports=imports)
    by_label = [(", ".join(cell.pairings), cell) for cell in pair.cells if headline in cell.outcomes]
    if by_label:
        own = _headline(view, of_cells(headline, pair.subject, by_label))
        answer = msgspec.structs.replace(answer, headline=own)
    cells = recommend.cells_of(view, pair.subject)
    exact = {pairing: cell for pairing, cell in cells.items() if cell.versions.get(name) == pair.companion}
    for recipe in recommend.recipes(exact, view.config.publish.recipes):
        traps = tuple(probe.id for probe in recommend.silent(view, exact.values()))
        note = f"Tested unchanged; correct with {labels.companions_words(view, exact[recipe.pairings[-1]])}."
        return _with_recipe(view, msgspec.structs.replace(answer, traps=traps), recipe, note)
    if kind not in MAY_WORK:
        return Answer(
            install=general.install,
            install_title=general.install_title,
            imports=imports,
            headline=_finding(OutcomeState.NOT_RUN, "no statement", f"nothing works with this {name}"),
            recipe_note=f"No recipe can work with this pair: take a {name} from those that work.",
        )
    if answer.recipe is None:
        return answer
    note = f"Not tested with this {name}. On this release: {general.recipe_note}"
    return msgspec.structs.replace(answer, recipe_note=note)


def document(compatibility: Compatibility, general: Mapping[str, Answer]) -> str:
    """Everything the two menus can ask for, as JSON for the page: equal answers and recipes once each."""
    view, grid = compatibility.view, compatibility.grid
    numbers: dict[bytes, int] = {}
    releases: dict[str, Any] = {}
    files, traps = set[str | None](), set[str]()

    def number(answer: dict[str, Any]) -> int:
        return numbers.setdefault(msgspec.json.encode(answer), len(numbers))

    for version, answer in general.items():
        whole = msgspec.to_builtins(answer)
        pairs = {}
        own = {other: for_pair(compatibility, pair, answer) for other, pair in grid.rows[version].items()}
        for other in reversed(own):
            # Only what differs from the release's answer: over a thousand pairs, most of it does not.
            changed = {key: value for key, value in msgspec.to_builtins(own[other]).items() if whole[key] != value}
            pairs[other] = number(changed)
        for shown in (answer, *own.values()):
            files.add(shown.recipe)
            traps.update(shown.traps)
        releases[version] = {"any": number(whole), "pairs": pairs}
    tree = {
        "subject": view.config.subject.name,
        "companion": grid.companion,
        "silent": (OutcomeState.NO_EFFECT.sign, OutcomeState.NO_EFFECT.value),
        "releases": releases,
        "answers": [json.loads(answer) for answer in numbers],
        "recipes": {name: text for probe in view.probes for name, text in probe.recipes.items() if name in files},
        "probes": {probe.id: probe.title for probe in view.probes if probe.id in traps},
    }
    return embedded(tree)


def recipe_text(probes: Sequence[Probe], file: str | None) -> str:
    """The script of that name."""
    return next((probe.recipes[file] for probe in probes if file in probe.recipes), "") if file else ""


def _with_recipe(view: View, answer: Answer, recipe: Recipe, note: str) -> Answer:
    title = next((labels.plain(known.title) for known in view.probes if known.id == recipe.probe), recipe.probe)
    return msgspec.structs.replace(answer, recipe=recipe.file, recipe_title=title, recipe_note=note)


def _headline(view: View, found: Verdict) -> Finding:
    """What cells come to together, with what each of those that could answer says."""
    if found.value is Value.UNKNOWN:
        return _finding(OutcomeState.NOT_RUN, "not known", "no environment of this release could answer")
    texts: dict[str, str] = {}
    for one in found.known:
        reason = _reason(one.outcome)
        if len(found.states) > 1:
            reason = ": ".join(filter(None, (one.outcome.state.value, reason)))
        companions = labels.companions_words(view, one.cell) if one.cell else ""
        beside = f"with {companions}" if companions else ""
        texts.setdefault(reason, f"{reason}{aside(beside)}" if reason else beside)
    word = " or ".join(state.value for state in found.states)
    if found.value is Value.DEPENDS:
        word = labels.depends_words(view)
    return _finding(found.state, word, "; ".join(texts.values()))


def _reason(outcome: Outcome) -> str:
    raised = f"{outcome.exception}: {outcome.message or ''}" if outcome.exception else ""
    return sanitize.line(raised or outcome.note or outcome.message or "")


def _finding(state: OutcomeState, word: str, text: str) -> Finding:
    return Finding(kind=state.value, sign=state.sign, word=word, text=text)


def _imports(grid: Grid, version: str) -> Finding:
    """With which companion versions a release imports, in words."""
    if not grid.rows[version]:
        return _finding(OutcomeState.NOT_RUN, "not examined", "")
    lead, ranges = labels.map_words(grid, version)
    works = bool(grid.answering(version, IMPORTING))
    kind = Kind.WORKS if works else Kind.IMPORT_FAILS
    return Finding(kind=kind.value, sign=kind.sign, word=lead if works else kind.word, text=ranges)
