"""Configuration + releases -> the cells that are requested. Pure: no I/O, the same result on every machine.

What each pairing means is in `core/pairings.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.config.tables import Companion, Config
from compatmatrix.core import pairings
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.model import CellRequest, Probe, Release
from compatmatrix.core.pairings import Over, Pairing
from compatmatrix.core.text import aside
from compatmatrix.index.releases import Projects, releases
from compatmatrix.index.wheel_tags import admits, pythons_of
from compatmatrix.planning.selection import Selection, check_selection, no_match


def subject_releases(config: Config, projects: Projects, as_of: datetime | None = None) -> tuple[Release, ...]:
    """The rows, oldest version first: what the specifier admits, and a pre-release only if newer than all stable ones."""
    specifier = SpecifierSet(config.subject.releases)
    listed = releases(projects[canonicalize_name(config.subject.name)], as_of)
    inside = [release for release in listed if specifier.contains(release.version, prereleases=True)]
    newest = max((Version(release.version) for release in inside if release.stable), default=None)
    return tuple(
        release for release in inside if not release.prerelease or newest is None or Version(release.version) > newest
    )


class Planner(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Makes requests of releases, from what the index lists as of an instant.

    ``working`` maps a release of the subject to the newest version of the map's companion beside which it is on record
    to work.
    """

    config: Config
    projects: Projects
    probes: Sequence[Probe]
    platform: str
    as_of: datetime | None = None
    working: Mapping[str, str] = {}

    def requests(self, selection: Selection) -> tuple[CellRequest, ...]:
        """A request for each selected cell, newest subject release first; ``refused`` says why no Python can hold it.

        What cannot be requested is listed by `unrequestable`.

        Raises:
            UserError: The selection names what is neither a package nor a pairing of matrix.toml, or matches nothing.
        """
        check_selection(self.config, selection)
        rows = subject_releases(self.config, self.projects, self.as_of)
        requested = tuple(
            self.request(release, pairing, explicit, pythons)
            for release in reversed(rows)
            if selection.admits({self.config.subject.name: release.version})
            for pairing in selection.pairings or self.config.pairings.default
            if not (pairings.named(pairing).until_upload and self._undated(release))
            for explicit, pythons in self._variants(release, pairing)
            if selection.admits(explicit)
        )
        if not requested and not self.unrequestable(selection):
            raise self._nothing(selection, rows)
        return requested

    def _nothing(self, selection: Selection, rows: Sequence[Release]) -> UserError:
        """The error of a selection that no release, or no pair of the grid, matches."""
        name = self.config.subject.name
        if not rows:
            when = f" until {format_instant(self.as_of)}" if self.as_of else ""
            what = f"the index lists no release of {name}{when} that `[subject] releases` of matrix.toml admits"
            first = next(iter(subject_releases(self.config, self.projects)), None)
            near = f"; the first is {first.version}{aside(first.day)}" if first else ""
            return UserError(f"{what}: {self.config.subject.releases}{near}")
        variants = {
            (release.version, *explicit.items()): {name: release.version, **explicit}
            for release in rows
            for pairing in selection.pairings or self.config.pairings.default
            for explicit, _ in self._variants(release, pairing)
        }
        return no_match(selection, variants.values())

    def request(
        self, release: Release, pairing: str, explicit: Mapping[str, str] = {}, pythons: tuple[str, ...] = ()
    ) -> CellRequest:
        """A request for one release, or for what is to count as one.

        Args:
            release: The subject's.
            pairing: The name of the rule that picks its companions.
            explicit: Versions of companions, by name, that are taken instead.
            pythons: Those that the cell may have; without them, those of ``[python]``.

        Raises:
            InfrastructureError: The pairing needs the day of the release, which the index does not give.
        """
        config, rule = self.config, pairings.named(pairing)
        if rule.until_upload and release.uploaded is None:
            raise InfrastructureError(f"{config.subject.name} {release.version}: its day is not known")
        bound = rule.bound(release.uploaded, self.as_of)
        lowest = tuple(companion.name for companion in config.companions if companion.oldest and rule.lowest)
        requirements = [f"{config.subject.name}=={release.version}"]
        requirements += [
            companion.pinned(explicit.get(companion.name))
            for companion in config.companions
            if not lowest or companion.name in lowest
        ]
        requirements += config.tool_requirements
        candidates, refused = self._pythons(release, rule, explicit, bound, pythons or config.python.versions)
        chosen = config.pairings.grid.probes if rule.over and config.pairings.grid else ()
        return CellRequest(
            subject=release.version,
            pairing=pairing,
            platform=self.platform,
            pythons=pythons if rule.over is Over.PYTHON else candidates,
            requirements=tuple(requirements),
            bound=format_instant(bound) if bound else None,
            companions=dict(explicit),
            lowest=lowest,
            probes={probe.id: probe.digest for probe in self.probes if not chosen or probe.id in chosen},
            refused=refused,
        )

    def unrequestable(self, selection: Selection) -> tuple[tuple[str, str], ...]:
        """What cannot be requested, with the reason and what to do: an entry for each pairing.

        The index gives no upload times of it, or no companion is on record beside which it works.
        """
        rows = subject_releases(self.config, self.projects, self.as_of)
        chosen = [release for release in rows if selection.admits({self.config.subject.name: release.version})]
        undated = {release.version: names for release in chosen if (names := self._undated(release))}
        unknown = [release.version for release in chosen if release.version not in self.working]
        failed = []
        for rule in map(pairings.named, selection.pairings or self.config.pairings.default):
            if rule.until_upload and undated:
                packages = dict.fromkeys(name for names in undated.values() for name in names)
                failed.append(undated_failure(self.config, rule.name, packages, [*undated]))
            if rule.over is Over.PYTHON and unknown:
                why = f"no {self.config.map_companion} is on record beside which it works: run another pairing first"
                failed.append((f"{self.config.subject.name} {rule.name} ({_span(unknown)})", why))
        return tuple(failed)

    def passed_over(self, selection: Selection) -> tuple[str, ...]:
        """A message for each companion of which some releases have no upload time, so that a bound leaves them out."""
        chosen = map(pairings.named, selection.pairings or self.config.pairings.default)
        if not self.as_of and not any(rule.until_upload for rule in chosen):
            return ()
        listed = {name: releases(self.projects[canonicalize_name(name)]) for name in self.config.named[1:]}
        dateless = {name: [one.version for one in known if not one.released] for name, known in listed.items()}
        return tuple(
            f"the index gives no upload time of {name} {_span(versions)}: passed over where companions are picked by day"
            for name, versions in dateless.items()
            if 0 < len(versions) < len(listed[name])
        )

    def _undated(self, release: Release) -> tuple[str, ...]:
        """The packages of which the index does not give the upload times that the companions of its day depend on."""
        names = self.config.named[1:]
        dateless = [name for name in names if not any(file.uploaded for file in self.projects[canonicalize_name(name)])]
        return (*([] if release.released else [self.config.subject.name]), *dateless)

    def _variants(self, release: Release, pairing: str) -> Iterator[tuple[Mapping[str, str], tuple[str, ...]]]:
        """What a pairing requests of a release: explicit companion versions, and the Pythons that the cell may have."""
        over, table = pairings.named(pairing).over, self.config.pairings
        if over is Over.COMPANION and table.grid:
            yield from (({table.grid.companion: version}, ()) for version in self._grid_versions)
        elif over is Over.PYTHON and table.python:
            if version := self.working.get(release.version):
                yield from (({self.config.map_companion: version}, (python,)) for python in table.python.versions)
        else:
            yield {}, ()

    @cached_property
    def _listed(self) -> Callable[[str, datetime | None], tuple[Release, ...]]:
        """What the index lists of a package until an instant; for most requests, that is the same."""
        return cache(lambda name, bound: releases(self.projects[canonicalize_name(name)], bound))

    @cached_property
    def _grid_versions(self) -> tuple[str, ...]:
        """The releases over which the grid goes, newest first."""
        grid = self.config.pairings.grid
        assert grid
        specifier = SpecifierSet(grid.releases)
        listed = releases(self.projects[canonicalize_name(grid.companion)], self.as_of)
        usable = (one for one in reversed(listed) if one.wheels and not one.prerelease)
        return tuple(one.version for one in usable if specifier.contains(one.version))

    def _pythons(
        self,
        release: Release,
        rule: Pairing,
        explicit: Mapping[str, str],
        bound: datetime | None,
        listed: Sequence[str],
    ) -> tuple[tuple[str, ...], str | None]:
        """Those of the listed Pythons that can hold the cell, in order, and why there is none.

        First those that the subject and every companion admit, then those that the subject and the explicit companion
        admit: there the resolver may pick an older release of the others.
        """

        def holding(candidates: Iterable[str], packages: Sequence[Release]) -> tuple[str, ...]:
            target = self.config.platform[self.platform]
            return tuple(python for python in candidates if all(admits(one, python, target) for one in packages))

        mine = holding(listed, [release])
        needed = f"{self.config.subject.name} {release.version} needs {_needs(release)}"
        if not mine:
            why = f"; matrix.toml lists Python {', '.join(listed)}" if rule.over is not Over.PYTHON else ""
            return (), needed + why
        if rule.lowest:
            return mine, None
        aims = {
            companion.name: list(_aims(self._listed, companion, explicit.get(companion.name), bound))
            for companion in self.config.companions
        }
        required = [pair for name in explicit for pair in aims[name]]
        possible = holding(mine, [other for _, other in required])
        if not possible:
            blocking = [
                f"{name} {other.version} needs {_needs(other)}"
                for name, other in required
                if not holding(mine, [other])
            ]
            mine_first = [needed] if rule.over is not Over.PYTHON else []
            return (), "; ".join([*mine_first, *blocking])
        best = holding(possible, [other for pairs in aims.values() for _, other in pairs])
        return tuple(dict.fromkeys((*best, *possible))), None


def undated_failure(config: Config, pairing: str, packages: Iterable[str], versions: Sequence[str]) -> tuple[str, str]:
    """What cannot be examined of a pairing, and why: the index gives no upload times of these packages.

    Args:
        versions: The subject's releases that are left out, oldest first.
    """
    why = f"the index gives no upload times of {', '.join(packages)}, so nothing is known of the release's day"
    remedy = f"name an index that does, or leave {pairing} out of `[pairings] default` of matrix.toml"
    return f"{config.subject.name} {pairing} ({_span(versions)})", f"{why}; {remedy}"


def _span(versions: Sequence[str]) -> str:
    return versions[0] if len(versions) == 1 else f"{versions[0]} to {versions[-1]}, {len(versions)} releases"


def _aims(
    listed: Callable[[str, datetime | None], Sequence[Release]],
    companion: Companion,
    version: str | None,
    bound: datetime | None,
) -> Iterator[tuple[str, Release]]:
    """The release of the companion that the resolver should pick, and the newest of its followers that is not newer."""
    known = listed(companion.name, bound)
    candidates = [one for one in known if (one.version == version if version else one.stable)]
    if not candidates:
        return
    yield companion.name, candidates[-1]
    newest = Version(candidates[-1].version)
    for follower in companion.follows:
        followers = listed(follower, None if version else bound)
        yield from [(follower, one) for one in followers if Version(one.version) <= newest][-1:]


def _needs(release: Release) -> str:
    requires = f"Python {release.requires_python}" if release.requires_python else "any Python"
    if any(wheel.endswith("py3-none-any.whl") for wheel in release.wheels):
        return requires
    return f"{requires} (wheels: {pythons_of(release.wheels)})"
