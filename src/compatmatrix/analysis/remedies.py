"""What to do about an error on record: other versions, or a recipe that works on the same ones. Pure."""

from __future__ import annotations

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.errors import Explanation
from compatmatrix.analysis.grid import IMPORTS, Kind
from compatmatrix.analysis.recommend import Bounds, Recipe
from compatmatrix.analysis.standing import Environment, public
from compatmatrix.core.encoding import by_version

WORKS = (Kind.HEADLINE, Kind.WORKS)


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """What works instead, for those who have one release of the subject.

    Attributes:
        release: of the subject, on which the error was seen.
        requirements: what to install; empty where other versions do not help, or none are known that do.
        recipe: a script that works on this release, where the versions are not at fault.
    """

    release: str
    requirements: tuple[str, ...] = ()
    recipe: Recipe | None = None


def remedies(compatibility: Compatibility, error: Explanation) -> tuple[Remedy, ...]:
    """What works instead on each release that an error was seen on, the newest first."""
    view, releases = compatibility.view, by_version({versions[compatibility.subject] for versions in error.versions})
    recipes = view.config.publish.recipes
    # Where nobody recommends a recipe in the groups of the probes that raise it, none is about what they ask; nor where
    # it also comes up in a control, whose group says nothing of the others.
    groups = {probe.group for probe in view.probes if probe.id in recipes}
    about = not error.of_versions and any(probe.group in groups for probe in view.probes if probe.id in error.probes)
    return tuple(
        Remedy(release=version, requirements=requirements(compatibility, version))
        if version in error.of_versions
        else Remedy(release=version, recipe=recommend.recipe(view, version, recipes) if about else None)
        for version in reversed(releases)
    )


def requirements(compatibility: Compatibility, version: str) -> tuple[str, ...]:
    """The requirements of a release beside what it is known to work with; else those of the nearest pair that works."""
    name, companion = compatibility.subject, compatibility.companion
    if good := works_runs(compatibility, version):
        run = good[-1]
        bounds = f"=={run[0]}" if len(run) == 1 else f">={run[0]},<={run[-1]}"
        return f"{name}=={version}", f"{companion}{bounds}"
    row = compatibility.grid.rows.get(version, {})
    newest = ([other for other, pair in row.items() if pair.kind in IMPORTS] or list(row))[-1:]
    return nearest(compatibility, version, newest[0]) if newest else ()


def works_runs(compatibility: Compatibility, version: str) -> list[list[str]]:
    """The companion's versions with which all that the map asks of a release works; without any, those known to be good."""
    row = compatibility.grid.rows.get(version, {})
    full = [other for other, pair in row.items() if pair.kind in WORKS]
    return compatibility.grid.runs(version, full) if full else compatibility.good_runs(version)


def nearest(compatibility: Compatibility, version: str, other: str) -> tuple[str, ...]:
    """The requirements of the nearest pair that works; none where none is known."""
    names = compatibility.subject, compatibility.companion
    found = compatibility.nearest(version, other)
    return tuple(f"{package}=={number}" for package, number in found.items() if package in names)


def elsewhere(compatibility: Compatibility, error: Explanation) -> dict[str, Bounds]:
    """Each probe that raises the error, controls apart -> where it is supported, if anywhere."""
    probes = [probe.id for probe in compatibility.view.probes if probe.id in error.probes and not probe.control]
    found = {probe: compatibility.supported(probe) for probe in probes}
    return {probe: bounds for probe, bounds in found.items() if bounds.specifier}


def complete(compatibility: Compatibility, error: Explanation, probe: str) -> tuple[str, ...]:
    """The requirements with which a probe is supported that other packages decide too: of the nearest pair, and of these.

    Args:
        compatibility: what is on record.
        error: it is near the newest pair on which this was raised.
        probe: its id.
    """
    subject, companion = compatibility.subject, compatibility.companion
    seen = max(error.versions, key=lambda one: [public(one.get(name, "0")) for name in (subject, companion)])
    if companion not in seen or not compatibility.supported(probe).beside:
        return ()
    found = compatibility.nearest(seen[subject], seen[companion], Environment(needs=(probe,)))
    return tuple(f"{name}=={version}" for name, version in found.items())
