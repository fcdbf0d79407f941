"""View -> what to do: the recipe that works on a release, and the bounds under which a probe holds.

Nothing is said that no cell showed: a recipe is named where it came out supported in every cell of the release
that could answer, and a bound leaves out what is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import together
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState
from compatmatrix.core.text import spans


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A script that works on a release: the probe that ran it, the file, and the pairings under which it did."""

    probe: str
    file: str
    pairings: tuple[str, ...]


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A package that is only reported and decides a probe's answer too, with the versions that were seen, in words."""

    name: str
    supported: str
    failing: str

    @property
    def words(self) -> str:
        """``other decides it too: supported with 1.0 to 1.6 (5 versions tried); never seen to work with 0.9``."""
        parts = (
            f"supported with {self.supported}" if self.supported else "",
            f"never seen to work with {self.failing}" if self.failing else "",
        )
        return f"{self.name} decides it too: {'; '.join(filter(None, parts)) or 'no version was tried'}"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a probe is supported.

    Attributes:
        specifier: Of PEP 440; None where no release is known to support it.
        unknown: The stable releases of which nothing is known; the specifier excludes them.
        refuted: Those that are known to lack it, with all pairings or with one.
        otherwise: Cells of admitted releases that lack it: pairs of the grid, and other platforms.
        beside: The reported packages that decide it too: with other versions of them, these bounds may be others.
    """

    specifier: str | None
    unknown: tuple[str, ...] = ()
    refuted: tuple[str, ...] = ()
    otherwise: tuple[CellView, ...] = ()
    beside: tuple[Beside, ...] = ()


def recipe(view: View, version: str, order: Iterable[str]) -> Recipe | None:
    """The first recipe in the order of preference that is supported in every cell of the release that could answer."""
    return next(recipes(cells_of(view, version), order), None)


def cells_of(view: View, version: str) -> dict[str, CellView]:
    """The cells of a release, by pairing."""
    return {pairing: cell for pairing in view.pairings if (cell := view.cell(pairing, version))}


def recipes(cells: Mapping[str, CellView], order: Iterable[str]) -> Iterator[Recipe]:
    """The recipes, in the order of preference, that are supported in each of these cells that could answer."""
    for probe in order:
        answers = {pairing: cell.credible(probe) for pairing, cell in cells.items() if cell.credible(probe).state.known}
        files = {outcome.recipe for outcome in answers.values()} - {None}
        if len(files) == 1 and all(outcome.state.yes for outcome in answers.values()):
            yield Recipe(probe=probe, file=str(files.pop()), pairings=tuple(answers))


def silent(view: View, cells: Iterable[CellView]) -> tuple[Probe, ...]:
    """The probes whose question is answered by nothing happening: advice that fails without a word."""
    without = {
        probe for cell in cells for probe in cell.outcomes if cell.outcome(probe).state is OutcomeState.NO_EFFECT
    }
    return tuple(probe for probe in view.probes if probe.id in without)


def tested(view: View, probe: Probe) -> Mapping[str, tuple[str, ...]]:
    """For each recipe of a probe the releases on which it came out supported, in some cell."""
    outcomes = [(cell.subject, cell.credible(probe.id)) for cell in view.cells if probe.id in cell.outcomes]
    return {
        file: tuple(dict.fromkeys(version for version, found in outcomes if found.recipe == file and found.state.yes))
        for file in probe.recipes
    }


def bounds(view: View, probe: str) -> Bounds:
    """The newest stable releases in a row of which none is known to lack it, from the first that has it to the last.

    Whether a release has it is decided as for the verdict, by `together`. What the specifier would admit and is unknown
    or yanked is excluded by name.
    """
    stable = [release.version for release in view.releases if release.stable]
    answers = {version: together(view, probe, version).yes for version in stable}
    unknown, refuted = (tuple(v for v in stable if answers[v] is answer) for answer in (None, False))
    good, after = _newest_run({version: yes for version, yes in answers.items() if yes is not None})
    if not good:
        return Bounds(specifier=None, unknown=unknown, refuted=refuted, beside=beside(view, probe))
    run = f">={good[0]}" + (f",<{after}" if after else "")
    excluded = (release.version for release in view.releases if release.yanked or release.version in unknown)
    admitted = SpecifierSet(run, prereleases=False).filter(excluded)
    compared = (cell for cell in view.cells if cell.subject in good and not cell.for_python)
    return Bounds(
        specifier=",".join([run, *(f"!={version}" for version in admitted)]),
        unknown=unknown,
        refuted=refuted,
        otherwise=tuple(cell for cell in compared if cell.counted(probe).state.yes is False),
        beside=beside(view, probe),
    )


def beside(view: View, probe: str) -> tuple[Beside, ...]:
    """The reported packages that decide a probe's answer too, with the versions beside which it came out so or so."""
    found = []
    for name in view.config.deciding([probe]):
        cells = [
            cell for cell in view.cells if name in cell.versions and cell.counted(view.config.subject.control).state.yes
        ]
        seen = [(cell.versions[name], cell.counted(probe).state) for cell in cells]
        supported = {one for one, state in seen if state.yes}
        # Where it was supported with something else, the version is not what fails.
        failing = {one for one, state in seen if state.negative} - supported
        every = by_version(supported | failing)
        found.append(Beside(name=name, supported=_tried(supported, every), failing=_tried(failing, every)))
    return tuple(found)


def _tried(versions: Collection[str], every: Sequence[str]) -> str:
    """Versions in words; where some are drawn together, how many there are, for those between were not all tried."""
    words = spans(versions, every)
    return f"{words} ({len(versions)} versions tried)" if " to " in words else words


def _newest_run(answers: Mapping[str, bool]) -> tuple[list[str], str | None]:
    """The last releases in a row that say yes, and the one after them; none where none does."""
    runs = [(yes, [*run]) for yes, run in groupby(answers, key=answers.__getitem__)]
    after = runs.pop()[1][0] if runs and not runs[-1][0] else None
    return (runs[-1][1] if runs else []), after


def cells_for(view: View, version: str, companions: Mapping[str, str]) -> list[CellView]:
    """The cells of a release that hold exactly these companion versions, as far as they are given."""
    return [
        cell
        for cell in view.cells
        if cell.subject == version and all(cell.versions.get(name) == wanted for name, wanted in companions.items())
    ]
