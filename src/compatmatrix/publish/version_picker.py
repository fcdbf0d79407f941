"""What the page says to somebody with certain versions: does the pair import, the headline, what to do, what to mind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.grid import FAILS, FULLY, IMPORTS, TRAINS, Grid, Kind, Pair
from compatmatrix.analysis.support import CellView, View
from compatmatrix.analysis.verdict import Value, Verdict, of_cells, verdict
from compatmatrix.core import sanitize
from compatmatrix.core.model import Probe
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.publish import labels


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A sign, a word, and what more there is to say; ``kind`` colours it."""

    kind: str
    sign: str
    word: str
    text: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said to one choice of versions."""

    imports: Said
    headline: Said
    recipe: str | None = None
    recipe_title: str = ""
    recipe_note: str = ""
    traps: tuple[str, ...] = ()


def for_release(view: View, version: str, grid: Grid) -> Answer:
    """The answer to somebody who knows only the subject's version."""
    found = recommend.recipe(view, version, view.config.publish.recipes)
    note = f"Ran as it is and came out right with {_and(found.pairings)} companions." if found else _NO_RECIPE
    return Answer(
        imports=_row(grid, version),
        headline=_headline(view, verdict(view, view.config.subject.headline, version)),
        recipe=found.file if found else None,
        recipe_title=_title(view, found.probe) if found else "",
        recipe_note=note,
        traps=tuple(probe.id for probe in recommend.silent(view, _full(view, version))),
    )


def for_pair(view: View, grid: Grid, pair: Pair, general: Answer) -> Answer:
    """The answer for one pair; what was not tried with it is borrowed from the release and said to be."""
    name, headline = grid.companion, view.config.subject.headline
    imports = Said(
        kind=pair.kind.value, sign=pair.kind.sign, word=pair.kind.word, text=pair.reason or pair.kind.meaning
    )
    exact = [cell for cell in _full(view, pair.subject) if cell.versions.get(name) == pair.companion]
    asked = [(", ".join(cell.pairings), cell) for cell in pair.cells if headline in cell.outcomes]
    own = _headline(view, of_cells(headline, pair.subject, asked)) if asked else general.headline
    if exact:
        cell = exact[-1]
        for probe in view.config.publish.recipes:
            outcome = cell.credible(probe)
            if outcome.state is OutcomeState.SUPPORTED and outcome.recipe:
                return Answer(
                    imports=imports,
                    headline=own,
                    recipe=outcome.recipe,
                    recipe_title=_title(view, probe),
                    recipe_note=f"Ran as it is and came out right with {labels.companions_words(view, cell)}.",
                    traps=tuple(probe.id for probe in recommend.silent(view, exact)),
                )
    if pair.kind not in (*TRAINS, Kind.ABSENT, Kind.UNKNOWN):
        return msgspec.structs.replace(
            general,
            imports=imports,
            headline=_said(OutcomeState.NOT_RUN, "no statement", f"nothing can be trained with this {name}"),
            recipe=None,
            recipe_title="",
            recipe_note=f"No recipe can work with this pair: take a {name} from those that work.",
            traps=(),
        )
    note = f"Not tried with exactly this {name}, but on this release: {general.recipe_note[:1].lower()}{general.recipe_note[1:]}"
    return msgspec.structs.replace(
        general, imports=imports, headline=own, recipe_note=note if general.recipe else general.recipe_note
    )


def document(view: View, grid: Grid, general: Mapping[str, Answer]) -> str:
    """Everything the two menus can ask for, as JSON for the page: equal answers and recipes once each."""
    answers: list[dict[str, Any]] = []
    numbers: dict[bytes, int] = {}

    def number(answer: dict[str, Any]) -> int:
        key = msgspec.json.encode(answer)
        if key not in numbers:
            numbers[key] = len(answers)
            answers.append(answer)
        return numbers[key]

    releases: dict[str, Any] = {}
    files: set[str] = set()
    traps: set[str] = set()
    for version, answer in general.items():
        whole = msgspec.to_builtins(answer)
        row = {}
        for other, pair in [*grid.rows[version].items()][::-1]:
            own = for_pair(view, grid, pair, answer)
            files |= {own.recipe} if own.recipe else set()
            traps |= {*own.traps}
            # Only what differs from the release's answer: over a thousand pairs, most of it does not.
            row[other] = number({key: value for key, value in msgspec.to_builtins(own).items() if whole[key] != value})
        files |= {answer.recipe} if answer.recipe else set()
        traps |= {*answer.traps}
        releases[version] = {"any": number(whole), "pairs": row}
    tree = {
        "subject": view.config.subject.name,
        "companion": grid.companion,
        "releases": releases,
        "answers": answers,
        "recipes": {name: text for probe in view.probes for name, text in probe.recipes.items() if name in files},
        "probes": {probe.id: probe.title for probe in view.probes if probe.id in traps},
    }
    # `<` never stands in the page's text: no content of a string can end the element that holds it.
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def recipe_text(probes: Sequence[Probe], file: str | None) -> str:
    """The script of that name."""
    return next((probe.recipes[file] for probe in probes if file in probe.recipes), "") if file else ""


_NO_RECIPE = "No recipe came out right in every environment of this release that could answer."


def _full(view: View, version: str) -> list[CellView]:
    """The release's cells, beside its default companions, in which the probes ran."""
    cells = [cell for pairing in view.pairings if (cell := view.cell(pairing, version)) is not None]
    return [cell for cell in cells if cell.state is CellState.RAN]


def _headline(view: View, found: Verdict) -> Said:
    """What cells come to together, with what each of those that could answer says."""
    if found.value is Value.UNKNOWN:
        return _said(OutcomeState.NOT_RUN, "not known", "no environment of this release could answer")
    told: dict[str, str] = {}
    for one in found.known:
        outcome, beside = one.outcome, labels.companions_words(view, one.cell) if one.cell else ""
        reason = (
            f"{outcome.exception}: {outcome.message or ''}" if outcome.exception else outcome.note or outcome.message
        )
        state = outcome.state.value if len(found.states) > 1 else ""
        reason = ": ".join(filter(None, (state, sanitize.line(reason or ""))))
        beside = f"with {beside}" if beside else ""
        told.setdefault(reason, f"{reason}{labels.aside(beside)}" if reason else beside)
    word = "depends on companions" if found.value is Value.DEPENDS else " or ".join(s.value for s in found.states)
    return _said(found.state, word, "; ".join(told.values()))


def _said(state: OutcomeState, word: str, text: str) -> Said:
    return Said(kind=state.value, sign=state.sign, word=word, text=text)


def _row(grid: Grid, version: str) -> Said:
    """With which companion versions a release imports, in words."""
    if not grid.rows[version]:
        return _said(OutcomeState.NOT_RUN, "not examined", "")
    text = levels(grid, version)
    if not grid.spans(version, IMPORTS):
        kind = Kind.IMPORT_FAILS
        return Said(kind=kind.value, sign=kind.sign, word=kind.word, text=text)
    return Said(kind=Kind.WORKS.value, sign=Kind.WORKS.sign, word="imports", text=text)


def levels(grid: Grid, version: str) -> str:
    """``with companion 1.0 to 1.6; trains with 1.2 to 1.6; …; not with 1.7``: how far a release gets with which versions."""
    good, trains, fully = (grid.spans(version, level) for level in (IMPORTS, TRAINS, FULLY))
    if not good:
        return f"with no {grid.companion} release examined"
    text = f"with {grid.companion} {good}"
    if trains != good:
        text += f"; trains with {trains or 'none'}"
    if fully != trains:
        text += f"; every control works with {fully or 'none'}"
    bad = grid.spans(version, FAILS)
    return text + (f"; not with {bad}" if bad else "")


def _title(view: View, probe: str) -> str:
    return next((known.title.replace("`", "") for known in view.probes if known.id == probe), probe)


def _and(parts: Sequence[str]) -> str:
    return " and ".join(parts)
