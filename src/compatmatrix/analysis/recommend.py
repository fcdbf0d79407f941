"""View -> what to do: the recipe that works on a release, the bounds under which a probe holds, where the import works.

Nothing is said that no cell showed: a recipe is named where it came out supported in every cell of the release
that could answer, and a bound leaves out what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from compatmatrix.analysis.support import UNKNOWN, CellView, View
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import CellState, Outcome, OutcomeState, Probe


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A script that works on a release: the probe that ran it, the file, and the pairings under which it did."""

    probe: str
    file: str
    pairings: tuple[str, ...]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a probe is supported: a specifier of PEP 440, None where no release is; ``unknown`` is left out of it."""

    specifier: str | None
    unknown: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()


def recipe(view: View, version: str, order: Iterable[str]) -> Recipe | None:
    """The first recipe in the order of preference that is supported in every cell of the release that could answer."""
    cells = [cell for pairing in view.pairings if (cell := view.cell(pairing, version)) is not None]
    for probe in order:
        answers = {cell.id: cell.outcome(probe) for cell in cells if cell.outcome(probe).state not in UNKNOWN}
        files = {outcome.recipe for outcome in answers.values() if outcome.recipe}
        if len(files) == 1 and all(outcome.state is OutcomeState.SUPPORTED for outcome in answers.values()):
            pairings = [
                pairing for pairing in view.pairings if (cell := view.cell(pairing, version)) and cell.id in answers
            ]
            return Recipe(probe=probe, file=files.pop(), pairings=tuple(pairings))
    return None


def silent(view: View, cells: Iterable[CellView]) -> tuple[Probe, ...]:
    """The probes whose question is answered by nothing happening: advice that fails without a word."""
    held = list(cells)
    return tuple(
        probe for probe in view.probes if any(cell.outcome(probe.id).state is OutcomeState.NO_EFFECT for cell in held)
    )


def bounds(view: View, probe: str) -> Bounds:
    """The newest unbroken run of releases in which no recorded cell says otherwise than supported.

    Pre-releases do not count; a yanked release inside the run is excluded by name, as is one that is unknown.
    """
    verdicts: dict[str, bool | None] = {}
    for release in view.releases:
        if not release.prerelease:
            states = {outcome.state for outcome in _answers(view, release.version, probe)}
            verdicts[release.version] = states == {OutcomeState.SUPPORTED} if states else None
    versions = list(verdicts)
    good = [index for index, version in enumerate(versions) if verdicts[version]]
    refuted = tuple(version for version in versions if verdicts[version] is False)
    if not good:
        return Bounds(
            specifier=None, unknown=tuple(version for version in versions if verdicts[version] is None), refuted=refuted
        )
    last = good[-1]
    after = next((version for version in versions[last + 1 :] if verdicts[version] is False), None)
    first = last
    while first > 0 and verdicts[versions[first - 1]] is not False:
        first -= 1
    while not verdicts[versions[first]]:
        first += 1  # a run does not begin with what is unknown
    yanked = {release.version for release in view.releases if release.yanked}
    inside = versions[first : last + 1]
    left_out = [version for version in inside if verdicts[version] is None or version in yanked]
    parts = [f">={versions[first]}", *([f"<{after}"] if after else []), *(f"!={version}" for version in left_out)]
    unknown = tuple(version for version in versions if verdicts[version] is None)
    return Bounds(specifier=",".join(parts), unknown=unknown, refuted=refuted)


def imports(view: View, companion: str) -> Mapping[str, Mapping[str, CellState]]:
    """Subject version -> companion version -> the best state that any recorded cell of the pair came to."""
    order = [CellState.RAN, CellState.IMPORT_FAILS]
    found: dict[str, dict[str, CellState]] = {}
    for cell in view.cells:
        version = cell.versions.get(companion)
        if version is not None:
            pair = found.setdefault(cell.subject, {})
            known = pair.get(version)
            if known is None or _rank(cell.state, order) < _rank(known, order):
                pair[version] = cell.state
    return {subject: {version: pair[version] for version in by_version(pair)} for subject, pair in found.items()}


def cells_for(view: View, version: str, companions: Mapping[str, str]) -> list[CellView]:
    """The cells of a release that hold exactly these companion versions, as far as they are given."""
    return [
        cell
        for cell in view.cells
        if cell.subject == version and all(cell.versions.get(name) == wanted for name, wanted in companions.items())
    ]


def _answers(view: View, version: str, probe: str) -> list[Outcome]:
    outcomes = [cell.outcome(probe) for cell in view.cells if cell.subject == version]
    return [outcome for outcome in outcomes if outcome.state not in UNKNOWN]


def _rank(state: CellState, order: list[CellState]) -> int:
    return order.index(state) if state in order else len(order)
