"""Configuration + releases -> the cells that are wanted. Pure: no I/O, the same answer on every machine.

A pairing is a rule that picks the companions of a subject release:
`release-day` as of the end of the day (UTC) on which it was uploaded, `newest` as of now, `oldest` the lowest
its metadata admits, `grid` every release of one companion in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.config.matrix_file import PAIRINGS, Companion, Config
from compatmatrix.core.encoding import format_instant
from compatmatrix.core.model import COMMIT_DAY, RELEASE_DAY, CellRequest, InfrastructureError, Probe, Release, UserError
from compatmatrix.index.releases import Projects, releases
from compatmatrix.index.wheel_tags import admits, pythons_of


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What the arguments narrow the run to; empty means everything the configuration says."""

    only: tuple[str, ...] = ()
    pairings: tuple[str, ...] = ()
    as_of: datetime | None = None

    def admits(self, versions: Mapping[str, str]) -> bool:
        """Whether all ``--only`` specifiers hold for the versions known; a package not known does not object."""
        named = {canonicalize_name(name): version for name, version in versions.items()}
        for requirement in map(Requirement, self.only):
            version = named.get(canonicalize_name(requirement.name))
            if version is not None and not requirement.specifier.contains(version, prereleases=True):
                return False
        return True


def subject_releases(config: Config, projects: Projects, as_of: datetime | None = None) -> tuple[Release, ...]:
    """The rows, oldest version first: what the specifier admits, and a pre-release only if newer than all stable ones."""
    specifier = SpecifierSet(config.subject.releases)
    listed = releases(projects[canonicalize_name(config.subject.name)], as_of)
    inside = [release for release in listed if specifier.contains(release.version, prereleases=True)]
    newest = max((Version(release.version) for release in inside if release.stable), default=None)
    return tuple(
        release for release in inside if not release.prerelease or newest is None or Version(release.version) > newest
    )


def check_selection(config: Config, selection: Selection) -> None:
    """Raises UserError for an ``--only`` or ``--pairing`` that cannot mean anything here."""
    names = {canonicalize_name(name) for name in config.named}
    for text in selection.only:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) not in names:
            raise UserError(
                f"--only {text}: {requirement.name!r} is neither the subject nor a companion; there are {', '.join(config.named)}"
            )
    for pairing in selection.pairings:
        if pairing not in PAIRINGS:
            raise UserError(f"--pairing {pairing}: there is no such pairing; there are {', '.join(PAIRINGS)}")
        if pairing == "grid" and config.pairings.grid is None:
            raise UserError("--pairing grid: matrix.toml has no [pairings.grid] that says over which companion")


def plan(
    config: Config, projects: Projects, probes: Sequence[Probe], platform: str, selection: Selection
) -> tuple[CellRequest, ...]:
    """Every cell that is wanted, newest subject release first. What no Python can hold is said in ``refused``.

    What cannot be asked at all, because the index does not say when something was uploaded, is left to `undated`.
    """
    check_selection(config, selection)
    wanted: list[CellRequest] = []
    for release in reversed(subject_releases(config, projects, selection.as_of)):
        if not selection.admits({config.subject.name: release.version}):
            continue
        for pairing in selection.pairings or config.pairings.default:
            if pairing == RELEASE_DAY and _undated(config, projects, release):
                continue
            for explicit in _explicit(config, projects, pairing, selection):
                wanted.append(wish(config, projects, probes, platform, release, pairing, explicit, selection.as_of))
    return tuple(wanted)


def undated(config: Config, projects: Projects, selection: Selection) -> tuple[tuple[str, str], ...]:
    """What of `release-day` cannot be asked, and why, said once for all releases; nothing where every day is known."""
    if RELEASE_DAY not in (selection.pairings or config.pairings.default):
        return ()
    found: dict[str, list[str]] = {}
    for release in subject_releases(config, projects, selection.as_of):
        if selection.admits({config.subject.name: release.version}):
            for name in _undated(config, projects, release):
                found.setdefault(name, []).append(release.version)
    if not found:
        return ()
    releases_ = list(dict.fromkeys(version for versions in found.values() for version in versions))
    span = releases_[0] if len(releases_) == 1 else f"{releases_[0]} to {releases_[-1]}, {len(releases_)} releases"
    why = f"the index gives no upload times of {', '.join(found)}, so nothing is known of the release's day"
    advice = "name an index that does, or leave release-day out of `[pairings] default` of matrix.toml"
    return ((f"{config.subject.name} {RELEASE_DAY} ({span})", f"{why}; {advice}"),)


def _undated(config: Config, projects: Projects, release: Release) -> tuple[str, ...]:
    """The packages of which the index does not say what `release-day` has to know of a release."""
    companions = [companion.name for companion in config.companions]
    dateless = [name for name in companions if not any(file.uploaded for file in projects[canonicalize_name(name)])]
    return (*([] if release.released else [config.subject.name]), *dateless)


def _explicit(config: Config, projects: Projects, pairing: str, selection: Selection) -> Iterator[dict[str, str]]:
    """The explicit companion versions of a pairing: none, or one of the grid after the other, newest first."""
    grid = config.pairings.grid
    if pairing != "grid" or grid is None:
        yield {}
        return
    specifier = SpecifierSet(grid.releases)
    for release in reversed(releases(projects[canonicalize_name(grid.companion)], selection.as_of)):
        explicit = {grid.companion: release.version}
        if (
            release.wheels
            and not release.prerelease
            and specifier.contains(release.version)
            and selection.admits(explicit)
        ):
            yield explicit


def wish(
    config: Config,
    projects: Projects,
    probes: Sequence[Probe],
    platform: str,
    release: Release,
    pairing: str,
    explicit: Mapping[str, str],
    as_of: datetime | None,
) -> CellRequest:
    """The cell that a pairing wants of one release, or of what is to count as one."""
    bound = as_of
    if pairing in (RELEASE_DAY, COMMIT_DAY):
        if release.uploaded is None:
            raise InfrastructureError(f"{config.subject.name} {release.version}: nobody says of which day it is")
        day_after = release.uploaded.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        bound = min(day_after, as_of) if as_of else day_after
    lowest = tuple(companion.name for companion in config.companions if companion.oldest) if pairing == "oldest" else ()
    requirements = [f"{config.subject.name}=={release.version}"]
    for companion in config.companions:
        if not lowest or companion.name in lowest:
            requirements.append(companion.pinned(explicit.get(companion.name)))
    requirements += [f"{name}=={version}" for name, version in config.tools.items()]
    pythons, refused = _pythons(config, projects, platform, release, pairing, explicit, bound)
    chosen = (
        config.pairings.grid.probes
        if pairing == "grid" and config.pairings.grid and config.pairings.grid.probes
        else None
    )
    return CellRequest(
        subject=release.version,
        pairing=pairing,
        platform=platform,
        pythons=pythons,
        requirements=tuple(requirements),
        bound=format_instant(bound) if bound else None,
        companions=dict(explicit),
        lowest=lowest,
        probes={probe.id: probe.digest for probe in probes if chosen is None or probe.id in chosen},
        refused=refused,
    )


def _pythons(
    config: Config,
    projects: Projects,
    platform: str,
    release: Release,
    pairing: str,
    explicit: Mapping[str, str],
    bound: datetime | None,
) -> tuple[tuple[str, ...], str | None]:
    """The candidate Pythons in order: those that the subject and every companion admit, then those that may do.

    The second kind admits the subject and the explicit companion version; the resolver goes back to an older
    release of the others there, where no Python holds the newest of all.
    """
    target = config.platform[platform]
    needed = f"{config.subject.name} {release.version} needs {_needs(release)}"
    mine = [python for python in config.python.versions if admits(release, python, target)]
    if not mine:
        return (), f"{needed}; matrix.toml lists Python {', '.join(config.python.versions)}"
    if pairing == "oldest":
        return tuple(mine), None
    aims = {
        companion.name: list(_aims(projects, companion, explicit.get(companion.name), bound))
        for companion in config.companions
    }
    required = [pair for name in explicit for pair in aims[name]]
    possible = [python for python in mine if all(admits(other, python, target) for _, other in required)]
    if not possible:
        blocking = [
            f"{name} {other.version} needs {_needs(other)}"
            for name, other in required
            if not any(admits(other, python, target) for python in mine)
        ]
        return (), "; ".join([needed, *blocking])
    everything = [other for pairs in aims.values() for _, other in pairs]
    best = [python for python in possible if all(admits(other, python, target) for other in everything)]
    return (*best, *(python for python in possible if python not in best)), None


def _aims(
    projects: Projects, companion: Companion, version: str | None, bound: datetime | None
) -> Iterator[tuple[str, Release]]:
    """The release of the companion that the pairing aims at, and the newest of what follows it that is no newer."""
    listed = releases(projects[canonicalize_name(companion.name)], bound)
    candidates = (
        [release for release in listed if release.version == version]
        if version
        else [release for release in listed if release.stable]
    )
    if not candidates:
        return
    aim = candidates[-1]
    yield companion.name, aim
    for follower in companion.follows:
        known = [
            release
            for release in releases(projects[canonicalize_name(follower)], None if version else bound)
            if Version(release.version) <= Version(aim.version)
        ]
        if known:
            yield follower, known[-1]


def _needs(release: Release) -> str:
    requires = f"Python {release.requires_python}" if release.requires_python else "any Python"
    if any(wheel.endswith("py3-none-any.whl") for wheel in release.wheels):
        return requires
    return f"{requires} (wheels: {pythons_of(release.wheels)})"
