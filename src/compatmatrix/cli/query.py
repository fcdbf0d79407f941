"""The commands that answer from the records alone: `show`, `recipe`, `bounds`."""

from __future__ import annotations

import json
import shutil
import subprocess
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
from compatmatrix.core.encoding import by_version
from compatmatrix.core.errors import UserError
from compatmatrix.core.states import CellState
from compatmatrix.core.text import aside
from compatmatrix.planning.requests import Selection
from compatmatrix.publish import labels, terminal


def show(context: Context, chosen: options.Show) -> int:
    """Print everything about the releases that a requirement admits."""
    requirement, name = Requirement(chosen.release), context.config.subject.name
    if canonicalize_name(requirement.name) != canonicalize_name(name):
        raise UserError(f"{chosen.release}: the subject here is {name}; write {name}==VERSION")
    view, selection = context.view(), Selection(only=chosen.only)
    cells = [
        cell
        # A local version (`+g1a2b3c4d5e6f`) is that of a source, and `==0.5.0` admits it too (PEP 440).
        for cell in (view.sources if "+" in chosen.release else view.cells)
        if requirement.specifier.contains(cell.subject, prereleases=True)
        and selection.admits(cell.versions)
        and ({*cell.pairings} & {*(chosen.pairing or view.pairings)})
    ]
    if not cells:
        raise UserError(f"show {chosen.release}: nothing is recorded of it; recorded are {_recorded(view)}")
    terminal.print_release(context.console, view, cells)
    return DONE


def recipe(context: Context, chosen: options.Recipe) -> int:
    """Print what works on the versions that a Python has installed, or on those that ``--only`` names."""
    view, config = context.view(), context.config
    name, headline = config.subject.name, config.subject.headline
    names = [name, *(companion.name for companion in config.companions)]
    versions = _pinned(chosen.only) if chosen.only else _installed(names, chosen.python)
    version = versions.pop(name, None)
    if version is None:
        raise UserError(f"{name} is not installed there; name a release with --only '{name}==VERSION'")
    cells = [cell for cell in view.cells if cell.subject == version]
    if not cells:
        raise UserError(f"nothing is recorded of {name} {version}; recorded are {_recorded(view)}")
    exact = recommend.cells_for(view, version, versions)
    beside = ", ".join(f"{other} {number}" for other, number in versions.items())
    context.say(f"{name} {version}" + (f" with {beside}" if beside else ""))
    if versions:
        context.say("import: " + _import(exact, view, version))
    for cell in [cell for cell in (exact or cells) if headline in cell.outcomes][:3]:
        outcome = labels.outcome_words(cell, headline)
        context.say(f"{headline}: {outcome}{aside(labels.companions_words(view, cell))}")
    for probe in recommend.silent(view, cells):
        context.say(f"runs without error but trains nothing: {probe.id}: {probe.title}")
    best = recommend.recipe(view, version, config.publish.recipes)
    if best is None:
        context.say("no recipe is known to work on this release")
    else:
        context.say(f"\nrecipe {best.probe} (tested unchanged; correct {labels.phrases(view, best.pairings)}):\n")
        context.say(next(probe.recipes.get(best.file, "") for probe in context.probes if probe.id == best.probe))
    return DONE


def bounds(context: Context, chosen: options.Bounds) -> int:
    """Print the specifier under which a probe is supported, and where each release in it is known to import."""
    view, probe, name = context.view(), chosen.probe, context.config.subject.name
    if probe not in view.support:
        raise UserError(f"bounds {probe}: there is no such probe; there are {', '.join(view.support)}")
    known, beside = recommend.bounds(view, probe), labels.phrases(view, view.pairings)
    context.say(
        f"{name}{known.specifier}" if known.specifier else f"{probe} is supported in no release of {name} {beside}"
    )
    if known.unknown:
        context.say(f"not known {beside} (not run, or inconclusive): {', '.join(known.unknown)}")
    pairs = grid.grid(view)
    otherwise: dict[tuple[str, str, str], set[str]] = {}
    for cell in known.otherwise:
        key = (cell.subject, cell.counted(probe).state.value, cell.platform)
        otherwise.setdefault(key, set()).add(cell.versions.get(pairs.companion, ""))
    for (version, state, platform), companions in otherwise.items():
        context.say(
            f"  {name} {version}: {state} with {pairs.companion} {', '.join(by_version(companions))} ({platform})"
        )
    for release in view.releases if known.specifier else ():
        if pairs.companion and SpecifierSet(known.specifier or "").contains(release.version, prereleases=True):
            good, bad = (pairs.spans(release.version, kinds) for kinds in (grid.IMPORTS, grid.FAILS))
            line = f"  {name} {labels.release_words(release)} imports with {pairs.companion} {good or '(none known)'}"
            context.say(line + (f"; not with {bad}" if bad else ""))
    return DONE


def _recorded(view: View) -> str:
    return ", ".join(release.version for release in view.releases) or "no releases at all (run the matrix first)"


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
    """The versions of packages in a Python, read from its metadata; nothing is imported."""
    interpreter = str(python) if python else shutil.which("python3") or shutil.which("python")
    code = (
        "import importlib.metadata as m, json, sys\n"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if any(True for _ in m.distributions(name=n))}))"
    )
    if interpreter is None:
        raise UserError("there is no python on PATH; name one with --python PATH")
    try:
        done = subprocess.run([interpreter, "-c", code, *names], capture_output=True, text=True, timeout=60, check=True)
        versions = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise UserError(f"{interpreter} does not work as a Python; name another with --python PATH") from None
    return {str(name): str(version) for name, version in versions.items()}


def _import(exact: list[CellView], view: View, version: str) -> str:
    """Whether the import works with exactly these versions, or with which it is known to work."""
    if any(cell.state is CellState.RAN for cell in exact):
        return "works"
    if exact:
        return f"{exact[0].state.value}: {exact[0].detail}"
    pairs = grid.grid(view)
    good = pairs.spans(version, grid.IMPORTS) if version in pairs.rows else ""
    return f"not recorded for exactly these versions; known to work with {pairs.companion} {good or '(none)'}"
