"""View -> what to do: the recipe that works on a release, and the bounds under which a probe holds.

Nothing is said that no cell showed: a recipe is named where it came out supported in every cell of the release
that could answer, and a bound leaves out what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.support import CellView, View
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState


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
        answers = {cell.id: cell.credible(probe) for cell in cells if cell.credible(probe).state.known}
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
    """The newest run of stable releases, interrupted by no other answer, in which a yes counts in some recorded cell.

    A release is refuted if any cell of it says otherwise. What the specifier would admit and is unknown or yanked is
    excluded by name; the run begins and ends with a yes that counts.
    """
    stable = [release.version for release in view.releases if release.stable]
    answers = {version: _answer(view, version, probe) for version in stable}
    refuted = tuple(version for version in stable if answers[version] is False)
    unknown = tuple(version for version in stable if answers[version] is None)
    good = [place for place, version in enumerate(stable) if answers[version]]
    if not good:
        return Bounds(specifier=None, unknown=unknown, refuted=refuted)
    first = last = good[-1]
    for place in reversed(good):
        if any(answers[version] is False for version in stable[place:last]):
            break
        first = place
    after = next((version for version in stable[last + 1 :] if answers[version] is False), None)
    run = f">={stable[first]}" + (f",<{after}" if after else "")
    admitted = [release for release in view.releases if SpecifierSet(run).contains(release.version, prereleases=False)]
    left_out = [f"!={release.version}" for release in admitted if release.yanked or release.version in unknown]
    return Bounds(specifier=",".join([run, *left_out]), unknown=unknown, refuted=refuted)


def cells_for(view: View, version: str, companions: Mapping[str, str]) -> list[CellView]:
    """The cells of a release that hold exactly these companion versions, as far as they are given."""
    return [
        cell
        for cell in view.cells
        if cell.subject == version and all(cell.versions.get(name) == wanted for name, wanted in companions.items())
    ]


def _answer(view: View, version: str, probe: str) -> bool | None:
    """Whether every cell of a release that could answer says a yes that counts; None where none could."""
    states = [cell.counted(probe).state for cell in view.cells if cell.subject == version]
    known = [state is OutcomeState.SUPPORTED for state in states if state.known]
    return all(known) if known else None
