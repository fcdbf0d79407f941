"""View -> what to do: the recipe that works on a release, and the bounds under which a probe holds.

Nothing is said that no cell showed: a recipe is named where it came out supported in every cell of the release
that could answer, and a bound leaves out what is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import msgspec
from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.support import CellView, View
from compatmatrix.analysis.verdict import together
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A script that works on a release: the probe that ran it, the file, and the pairings under which it did."""

    probe: str
    file: str
    pairings: tuple[str, ...]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a probe is supported.

    Attributes:
        specifier: Of PEP 440; None where no release is known to support it.
        unknown: The stable releases of which nothing is known; the specifier excludes them.
        refuted: Those that are known to lack it, with all pairings or with one.
        otherwise: Cells of admitted releases that lack it: pairs of the grid, and other platforms.
    """

    specifier: str | None
    unknown: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()
    otherwise: tuple[CellView, ...] = ()


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
    """The newest stable releases in a row of which none is known to lack it, from the first that has it to the last.

    Whether a release has it is decided as for the verdict, by `together`. What the specifier would admit and is unknown
    or yanked is excluded by name.
    """
    stable = [release.version for release in view.releases if release.stable]
    answers = {version: together(view, probe, version).yes for version in stable}
    unknown = tuple(version for version in stable if answers[version] is None)
    refuted = tuple(version for version in stable if answers[version] is False)
    known = [version for version in stable if version not in unknown]
    runs = [(yes, [*run]) for yes, run in groupby(known, key=answers.__getitem__)]
    good = next((run for yes, run in reversed(runs) if yes), None)
    if good is None:
        return Bounds(specifier=None, unknown=unknown, refuted=refuted)
    last, newest = runs[-1]
    run = f">={good[0]}" + ("" if last else f",<{newest[0]}")
    admitted = [release for release in view.releases if SpecifierSet(run).contains(release.version, prereleases=False)]
    left_out = [f"!={release.version}" for release in admitted if release.yanked or release.version in unknown]
    otherwise = [cell for cell in view.cells if cell.subject in good and cell.counted(probe).state.yes is False]
    return Bounds(specifier=",".join([run, *left_out]), unknown=unknown, refuted=refuted, otherwise=tuple(otherwise))


def cells_for(view: View, version: str, companions: Mapping[str, str]) -> list[CellView]:
    """The cells of a release that hold exactly these companion versions, as far as they are given."""
    return [
        cell
        for cell in view.cells
        if cell.subject == version and all(cell.versions.get(name) == wanted for name, wanted in companions.items())
    ]
