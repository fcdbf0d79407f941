"""The commands that answer from the records alone: `show`, `recipe`, `bounds`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from compatmatrix.analysis import grid, recommend
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE
from compatmatrix.core.errors import UserError
from compatmatrix.core.text import alternatives, aside, grouped, spans
from compatmatrix.planning.selection import Selection, check_selection, nearest
from compatmatrix.projects import installed
from compatmatrix.publish import labels, terminal


def show(context: Context, chosen: options.Show) -> int:
    """Print the cells of the releases that a requirement admits: a summary, or with `--full` everything."""
    requirement, name = Requirement(chosen.release), context.config.subject.name
    if canonicalize_name(requirement.name) != canonicalize_name(name):
        raise UserError(f"{chosen.release}: the subject here is {name}; write {name}==VERSION")
    selection = Selection(only=chosen.only, pairings=chosen.pairing)
    check_selection(context.config, selection)
    view = context.view()
    cells = [
        cell
        # A local version (`+g1a2b3c4d5e6f`) is that of a source, and `==0.5.0` admits it too (PEP 440).
        for cell in (view.sources if "+" in chosen.release else view.cells)
        if requirement.specifier.contains(cell.subject, prereleases=True)
        and selection.admits(cell.versions)
        and ({*cell.pairings} & {*(chosen.pairing or view.pairings)})
    ]
    if not cells:
        narrowed = " that --only and --pairing admit; drop one" if chosen.only or chosen.pairing else ""
        near = narrowed or _nearest(view, requirement.specifier)
        raise UserError(f"show {chosen.release}: nothing is recorded of it{near}")
    subjects = list(dict.fromkeys(cell.subject for cell in cells))
    places = {pairing: place for place, pairing in enumerate(view.pairings)}
    cells.sort(key=lambda cell: (subjects.index(cell.subject), min(places.get(one, 99) for one in cell.pairings)))
    terminal.print_release(context.console, view, cells, chosen.full)
    if not chosen.full:
        context.say("\n`--full` adds tracebacks, the lock, and the commands that rebuild each cell")
    return DONE


def recipe(context: Context, chosen: options.Recipe) -> int:
    """Print what works on the versions that a Python has installed, or on those that ``--only`` names."""
    check_selection(context.config, Selection(only=chosen.only))
    view, name = context.view(), context.config.subject.name
    names = [name, *(companion.name for companion in context.config.companions)]
    versions = _pinned(chosen.only) if chosen.only else _installed(names, chosen.python)
    version = versions.pop(name, None)
    if version is None:
        where = (
            f"--only names no {name}" if chosen.only else f"{name} is not installed in {chosen.python or 'this Python'}"
        )
        raise UserError(f"{where}; name a release with --only '{name}==VERSION'")
    cells = [cell for cell in view.cells if cell.subject == version]
    if not cells:
        near = _nearest(view, SpecifierSet(f"=={version}"))
        raise UserError(f"nothing is recorded of {name} {version}{near}")
    exact = recommend.cells_for(view, version, versions) if versions else []
    beside = ", ".join(f"{other} {number}" for other, number in versions.items())
    context.say(f"{name} {version}" + (f" with {beside}" if beside else ""))
    if versions:
        context.say("import: " + _import(exact, view, version))
    headline = context.config.subject.headline
    by_id = {cell.id: cell for cell in (exact or [*recommend.cells_of(view, version).values(), *cells])}
    for cell in [cell for cell in by_id.values() if headline in cell.outcomes][:3]:
        context.say(f"{headline}: {labels.outcome_words(cell, headline)}{aside(labels.companions_words(view, cell))}")
    for probe in recommend.silent(view, cells):
        context.say(f"does nothing here, silently: {probe.id}: {probe.title}")
    _say_recipes(context, view, version, exact)
    return DONE


def _say_recipes(context: Context, view: View, version: str, exact: list[CellView]) -> None:
    """Print the first recipe that works with the user's versions, else with the pairings', and name the others."""
    order, paired = context.config.publish.recipes, recommend.cells_of(view, version)
    found = [
        *(("with exactly these versions", one) for one in recommend.recipes({cell.id: cell for cell in exact}, order)),
        *((labels.phrases(view, one.pairings), one) for one in recommend.recipes(paired, order)),
    ]
    if not found:
        context.say("no recipe came out supported on this release")
        return
    beside, best = found[0]
    context.say(f"\nrecipe {best.probe} (ran as it is, supported {beside}):\n")
    code = next(one.recipes.get(best.file, "") for one in context.probes if one.id == best.probe)
    terminal.line(context.console, code)
    others = grouped((beside, one.probe) for beside, one in found if one.probe != best.probe)
    for beside, probes in others.items():
        context.say(f"also supported {beside}: {', '.join(probes)}")


def bounds(context: Context, chosen: options.Bounds) -> int:
    """Print the specifier under which a probe is supported, and where the releases in it are known to import."""
    if canonicalize_name(chosen.probe) in map(canonicalize_name, context.config.recorded):
        package = "that is a package, not the id of a probe; `check` judges the versions of packages"
        raise UserError(f"bounds {chosen.probe}: {package}")
    view, probe, name = context.view(), chosen.probe, context.config.subject.name
    if probe not in view.support:
        raise UserError(f"bounds {probe}: there is no such probe{alternatives(probe, view.support)}")
    known, beside = recommend.bounds(view, probe), labels.phrases(view, view.pairings)
    releases = [release.version for release in view.releases]
    if known.specifier:
        context.say(f"{name}{known.specifier}")
    else:
        lacking = f"supported in no release of {name} {beside}" if known.refuted else "known of no release"
        context.say(f"{probe} is {lacking}")
    apart = labels.joined(map(context.config.pairing_phrase, view.pairings), "or")
    for what, versions in (("not supported", known.refuted), ("not known (not run, or inconclusive)", known.unknown)):
        if versions:
            context.say(f"  {what} {apart}: {spans(versions, releases)}")
    for other in known.beside:
        context.say(f"  {other.words}; with other versions of it, the bounds may be others")
    pairs = grid.grid(view)
    otherwise = grouped(
        ((cell.subject, cell.counted(probe).state.value, cell.platform), cell.versions.get(pairs.companion, ""))
        for cell in known.otherwise
    )
    lines = [
        (f"{state} with {pairs.companion} {spans(others, pairs.columns)} ({platform})", version)
        for (version, state, platform), others in otherwise.items()
    ]
    _say_ranges(context, releases, lines)
    if known.specifier and pairs.companion:
        admitted = SpecifierSet(known.specifier).filter(releases, prereleases=True)
        _say_ranges(context, releases, [(_imports(pairs, version), version) for version in admitted])
    return DONE


def _say_ranges(context: Context, releases: Sequence[str], lines: Sequence[tuple[str, str]]) -> None:
    """Print what is said of releases, each given before the release, those of which the same is said in one line."""
    for words, versions in grouped(lines).items():
        context.say(f"  {context.config.subject.name} {spans(versions, releases)}: {words}")


def _imports(pairs: grid.Grid, version: str) -> str:
    good, bad = (pairs.answering(version, grid.IMPORTING, yes) for yes in (True, False))
    return f"imports with {pairs.companion} {good or '(none known)'}" + (f"; not with {bad}" if bad else "")


def _nearest(view: View, specifier: SpecifierSet) -> str:
    return nearest(specifier, {cell.subject for cell in view.cells})


def _pinned(only: tuple[str, ...]) -> dict[str, str]:
    """The versions that requirements pin exactly."""
    versions = {}
    for requirement in map(Requirement, only):
        pins = [part.version for part in requirement.specifier if part.operator == "=="]
        if len(pins) != 1 or pins[0].endswith(".*"):
            raise UserError(f"--only {requirement}: a recipe is for one version; write {requirement.name}==VERSION")
        versions[requirement.name] = pins[0]
    return versions


def _installed(names: list[str], python: Path | None) -> dict[str, str]:
    """The versions of packages in a Python."""
    found = {entry.name: entry.version for entry in installed.read(python).entries}
    return {name: found[canonicalize_name(name)] for name in names if canonicalize_name(name) in found}


def _import(exact: list[CellView], view: View, version: str) -> str:
    """Whether the import works with exactly these versions, or with which it is known to work."""
    found = [grid.classify(view, cell) for cell in exact]
    if any(kind in grid.IMPORTS for kind, _ in found):
        return "works"
    for kind, reason in found:
        return f"{kind.value}: {reason}"
    pairs = grid.grid(view)
    good = pairs.answering(version, grid.IMPORTING) if version in pairs.rows else ""
    return f"not recorded for exactly these versions; known to work with {pairs.companion} {good or '(none)'}"
