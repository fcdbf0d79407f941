"""The commands that answer from the records alone: about a release, a probe, or what a person has installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from compatmatrix.analysis import grid, recommend, support
from compatmatrix.analysis.support import View
from compatmatrix.cli.context import Setting
from compatmatrix.cli.options import DONE
from compatmatrix.core.model import CellState, UserError
from compatmatrix.publish import labels, terminal


def show(setting: Setting) -> int:
    """Everything about the releases that a requirement admits."""
    asked = _subject_requirement(setting, setting.asked.release)
    view = _view(setting)
    cells = [
        cell
        # A local version (`+g1a2b3c4d5e6f`) is a source's: whoever asks for a release is not told of what is none.
        for cell in (view.sources if "+" in setting.asked.release else view.cells)
        if asked.contains(cell.subject, prereleases=True)
        and setting.selection.admits(cell.versions)
        and ({*cell.pairings} & {*(setting.selection.pairings or view.pairings)})
    ]
    if not cells:
        known = ", ".join(release.version for release in view.releases) or "no releases at all (run the matrix first)"
        raise UserError(f"show {setting.asked.release}: nothing is recorded of it; recorded are {known}")
    terminal.print_release(setting.console, view, cells)
    return DONE


def recipe(setting: Setting) -> int:
    """What works on the versions that a Python has installed, or on those that ``--only`` names."""
    view = _view(setting)
    name = setting.config.subject.name
    versions = _named_versions(setting) if setting.selection.only else _installed(setting, setting.asked.python)
    version = versions.pop(name, None)
    if version is None:
        raise UserError(f"{name} is not installed there; name a release with --only '{name}==VERSION'")
    cells = [cell for cell in view.cells if cell.subject == version]
    if not cells:
        known = ", ".join(release.version for release in view.releases) or "none"
        raise UserError(f"nothing is recorded of {name} {version}; recorded are {known}")
    exact = recommend.cells_for(view, version, versions)
    beside = ", ".join(f"{other} {number}" for other, number in versions.items())
    setting.say(f"{name} {version}" + (f" with {beside}" if beside else ""))
    if versions:
        setting.say("import: " + _import_words(exact, view, version, setting))
    headline = setting.config.subject.headline
    for cell in [cell for cell in (exact or cells) if headline in cell.outcomes][:3]:
        told = labels.outcome_words(cell, headline)
        setting.say(f"{headline}: {told}{labels.aside(labels.companions_words(view, cell))}")
    found = recommend.recipe(view, version, setting.config.publish.recipes)
    for probe in recommend.silent(view, cells):
        setting.say(f"does nothing here, silently: {probe.id}: {probe.title}")
    if found is None:
        setting.say("no recipe came out supported on this release")
    else:
        text = next(probe.recipes.get(found.file, "") for probe in setting.probes if probe.id == found.probe)
        setting.say(
            f"\nrecipe {found.probe} (ran as it is, supported with {' and '.join(found.pairings)} companions):\n"
        )
        setting.say(text)
    return DONE


def bounds(setting: Setting) -> int:
    """The specifier under which a probe is supported, and where each release in it is known to import."""
    view = _view(setting)
    probe = setting.asked.probe
    if probe not in view.support:
        raise UserError(f"bounds {probe}: there is no such probe; there are {', '.join(view.support)}")
    name = setting.config.subject.name
    found = recommend.bounds(view, probe)
    setting.say(
        f"{name}{found.specifier}" if found.specifier else f"{probe} is supported in no recorded release of {name}"
    )
    if found.unknown:
        setting.say(f"not known (not run, or inconclusive): {', '.join(found.unknown)}")
    pairs = grid.grid(view)
    for release in view.releases if found.specifier else ():
        if pairs.companion and SpecifierSet(found.specifier or "").contains(release.version, prereleases=True):
            good, bad = (pairs.spans(release.version, kinds) for kinds in (grid.IMPORTS, grid.FAILS))
            told = f"  {name} {labels.release_words(release)} imports with {pairs.companion} {good or '(none known)'}"
            setting.say(told + (f"; not with {bad}" if bad else ""))
    return DONE


def _view(setting: Setting) -> View:
    return support.view(setting.ledger(), setting.config, setting.probes)


def _subject_requirement(setting: Setting, text: str) -> SpecifierSet:
    asked, name = Requirement(text), setting.config.subject.name
    if canonicalize_name(asked.name) != canonicalize_name(name):
        raise UserError(f"{text}: the subject here is {name}; write {name}==VERSION")
    return asked.specifier


def _named_versions(setting: Setting) -> dict[str, str]:
    """Versions that ``--only`` pins exactly."""
    versions = {}
    for text in setting.selection.only:
        requirement = Requirement(text)
        pins = [part.version for part in requirement.specifier if part.operator == "=="]
        if len(pins) != 1 or pins[0].endswith(".*"):
            raise UserError(f"--only {text}: a recipe is for one version; write it as {requirement.name}==VERSION")
        versions[requirement.name] = pins[0]
    return versions


def _installed(setting: Setting, python: Path | None) -> dict[str, str]:
    """Versions of subject and companions in a Python: asked of its metadata, nothing is imported."""
    found = str(python) if python else shutil.which("python3") or shutil.which("python")
    names = [setting.config.subject.name, *(companion.name for companion in setting.config.companions)]
    code = (
        "import importlib.metadata as m, json, sys\n"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:] if any(True for _ in m.distributions(name=n))}))"
    )
    if found is None:
        raise UserError("there is no python on PATH; name one with --python PATH")
    try:
        done = subprocess.run([found, "-c", code, *names], capture_output=True, text=True, timeout=60, check=True)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise UserError(f"{found} does not answer as a Python does; name another with --python PATH") from None
    return {str(name): str(version) for name, version in answer.items()}


def _import_words(exact: list[support.CellView], view: View, version: str, setting: Setting) -> str:
    if any(cell.state is CellState.RAN for cell in exact):
        return "works"
    if exact:
        return f"{exact[0].state.value}: {exact[0].detail}"
    pairs = grid.grid(view)
    good = pairs.spans(version, grid.IMPORTS) if version in pairs.rows else ""
    return f"not recorded for exactly these versions; known to work with {pairs.companion} {good or '(none)'}"
