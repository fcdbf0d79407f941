"""What the page says to somebody with certain versions: does the pair import, the headline, what to do, what to mind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.support import CellView, View
from compatmatrix.core import sanitize
from compatmatrix.core.model import CellState, OutcomeState, Probe
from compatmatrix.publish import labels
from compatmatrix.publish.pairs import FULLY, IMPORTS, KINDS, TRAINS, Pair, spans, varied


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


def for_release(view: View, version: str, row: Mapping[str, Pair], columns: Sequence[str]) -> Answer:
    """The answer to somebody who knows only the subject's version."""
    cells = _full(view, version)
    found = recommend.recipe(view, version, view.config.publish.recipes)
    note = f"Ran as it is and came out right with {_and(found.pairings)} companions." if found else _NO_RECIPE
    return Answer(
        imports=_row(view, row, columns),
        headline=_headline(view, cells),
        recipe=found.file if found else None,
        recipe_title=_title(view, found.probe) if found else "",
        recipe_note=note,
        traps=tuple(probe.id for probe in recommend.silent(view, cells)),
    )


def for_pair(view: View, pair: Pair, general: Answer) -> Answer:
    """The answer for one pair; what was not tried with it is borrowed from the release and said to be."""
    name = varied(view)
    imports = Said(kind=pair.kind, sign=pair.sign, word=pair.word, text=pair.reason or KINDS[pair.kind][2])
    exact = [cell for cell in _full(view, pair.subject) if cell.versions.get(name) == pair.companion]
    if exact:
        cell = exact[-1]
        for probe in view.config.publish.recipes:
            outcome = cell.outcome(probe)
            if outcome.state is OutcomeState.SUPPORTED and outcome.recipe:
                return Answer(
                    imports=imports,
                    headline=_headline(view, exact),
                    recipe=outcome.recipe,
                    recipe_title=_title(view, probe),
                    recipe_note=f"Ran as it is and came out right with {labels.companions_words(view, cell)}.",
                    traps=tuple(probe.id for probe in recommend.silent(view, exact)),
                )
    asked = pair.cell.outcome(view.config.subject.headline)
    headline = _headline(view, [pair.cell]) if asked.state is not OutcomeState.NOT_RUN else general.headline
    if pair.kind not in (*TRAINS, "imports"):
        return msgspec.structs.replace(
            general,
            imports=imports,
            headline=Said(kind="not-run", sign="·", word="no statement", text=f"nothing can be trained with this {name}"),
            recipe=None,
            recipe_title="",
            recipe_note=f"No recipe can work with this pair: take a {name} from those that work.",
            traps=(),
        )  # fmt: skip
    note = f"Not tried with exactly this {name}, but on this release: {general.recipe_note[:1].lower()}{general.recipe_note[1:]}"
    return msgspec.structs.replace(
        general, imports=imports, headline=headline, recipe_note=note if general.recipe else general.recipe_note
    )


def document(view: View, table: Mapping[str, Mapping[str, Pair]], general: Mapping[str, Answer]) -> str:
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
        for other, pair in [*table[version].items()][::-1]:
            own = for_pair(view, pair, answer)
            files |= {own.recipe} if own.recipe else set()
            traps |= {*own.traps}
            # Only what differs from the release's answer: over a thousand pairs, most of it does not.
            row[other] = number({key: value for key, value in msgspec.to_builtins(own).items() if whole[key] != value})
        files |= {answer.recipe} if answer.recipe else set()
        traps |= {*answer.traps}
        releases[version] = {"any": number(whole), "pairs": row}
    tree = {
        "subject": view.config.subject.name,
        "companion": varied(view),
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


def _headline(view: View, cells: Sequence[CellView]) -> Said:
    """What the headline came to in the first of the cells that could answer."""
    for cell in cells:
        outcome = cell.outcome(view.config.subject.headline)
        if outcome.state in (OutcomeState.NOT_RUN, OutcomeState.INCONCLUSIVE):
            continue
        reason = (
            f"{outcome.exception}: {outcome.message or ''}"
            if outcome.exception
            else outcome.note or outcome.message or ""
        )
        beside = f"with {labels.companions_words(view, cell)}"
        text = f"{sanitize.line(reason)} ({beside})" if reason else beside
        return Said(kind=outcome.state.value, sign=labels.SIGNS[outcome.state], word=outcome.state.value, text=text)
    return Said(kind="not-run", sign="·", word="not known", text="no environment of this release could answer")


def _row(view: View, row: Mapping[str, Pair], columns: Sequence[str]) -> Said:
    """With which companion versions a release imports, in words."""
    name = varied(view)
    good, trains, fully = (spans(row, level, columns) for level in (IMPORTS, TRAINS, FULLY))
    if not row:
        return Said(kind="not-run", sign="·", word="not examined")
    if not good:
        return Said(kind="import-fails", sign="⊘", word="import-fails", text=f"with no {name} release examined")
    text = f"with {name} {good}"
    if trains != good:
        text += f"; trains with {trains or 'none'}"
    if fully != trains:
        text += f"; every control works with {fully or 'none'}"
    bad = spans(row, [kind for kind in KINDS if kind not in IMPORTS], columns)
    return Said(kind="works", sign=KINDS["works"][0], word="imports", text=text + (f"; not with {bad}" if bad else ""))


def _title(view: View, probe: str) -> str:
    return next((known.title.replace("`", "") for known in view.probes if known.id == probe), probe)


def _and(parts: Sequence[str]) -> str:
    return " and ".join(parts)
