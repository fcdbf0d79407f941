"""Cell request -> lock: the exact set of releases with hashes, resolved by uv from wheels alone.

Answers are cached under their question. A question bounded by a past instant has one answer for good; one about "now"
keeps its answer as long as the lists of releases count as current.
"""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from packaging.pylock import Pylock, PylockValidationError
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from compatmatrix.config.defaults import TOOLS, TOOLS_NEED
from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import digest, parse_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import replace
from compatmatrix.core.model import Cell, CellRequest, Lock, Pin, Source
from compatmatrix.core.untrusted_files import temporary
from compatmatrix.index.releases import FRESH_SECONDS
from compatmatrix.resolve import uv, uv_errors

ROUNDS = 5
"""Upper bound of the attempts for one request, each with more packages whose index data is refreshed."""


class UndatedError(InfrastructureError):
    """Below a bound nothing is left, because the index gives no upload times of ``packages``."""

    def __init__(self, packages: frozenset[NormalizedName]) -> None:
        super().__init__(f"the index gives no upload times of {', '.join(sorted(packages))}")
        self.packages = packages


class _NoSolutionError(Exception):
    """No set of releases meets the requirements of one call of the resolver."""

    def __init__(self, found: uv_errors.NoSolution) -> None:
        super().__init__(found.reason)
        self.found = found


class Unresolvable(msgspec.Struct, frozen=True, kw_only=True):
    """No set of releases meets the requirements: the first Python that was tried, and the resolver's reason for it."""

    python: str
    why: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The resolver's answer as cached: ``resolved`` in seconds since the epoch; no ``lock`` where there is no solution."""

    resolved: float
    python: str
    lock: Lock | None
    why: str = ""


def resolve(config: Config, request: CellRequest, cache: Path, connections: int = 2) -> Cell | Unresolvable:
    """Resolve a request on the first of its Pythons that has a solution.

    Args:
        cache: folder of the cached answers.
        connections: how many the resolver may open to the index.

    Returns:
        The cell, or why there is none.

    Raises:
        UndatedError: the index gives no upload times of what is to be picked by day.
        InfrastructureError: the resolver could not work (index, network, disk).
    """
    question: list[object] = [request.request_id(), config.index.url, config.index.extra]
    question += filter(None, [request.wheel, config.index.only])
    path = cache / f"{digest(question)}.json"
    answer = _cached(path, request)
    if answer is None:
        answer = _resolve(config, request, connections)
        with suppress(OSError):  # the cache only saves time
            replace(path, msgspec.json.encode(answer), durable=False)
    if answer.lock is None:
        return Unresolvable(python=answer.python, why=answer.why)
    versions = named_versions(config, answer.lock)
    if request.wheel:
        versions[config.subject.name] = request.subject
    return Cell(
        subject=request.subject,
        python=answer.python,
        platform=request.platform,
        lock=answer.lock,
        versions=versions,
        named=tuple(name for name in config.named if name in versions),
        source=_with_version(request.source, answer.lock) if request.source and not request.wheel else request.source,
        wheel=request.wheel,
        indexes=tuple(request.nightly.values()),
    )


def named_versions(config: Config, lock: Lock) -> dict[str, str]:
    """Versions of the packages whose versions are recorded, as far as the lock holds them."""
    versions = {pin.name: pin.version for pin in lock}
    return {name: versions[canonicalize_name(name)] for name in config.recorded if canonicalize_name(name) in versions}


def parse_pylock(text: str) -> Lock:
    """Read a pylock.toml (PEP 751) as pins, sorted by name.

    Raises:
        InfrastructureError: it is none, or a package has no wheel with a SHA-256, so what would be installed is open.
    """
    try:
        packages = Pylock.from_dict(tomllib.loads(text)).packages
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise InfrastructureError(f"uv's lock is not usable; does the index give SHA-256 hashes? {error}") from None
    pins = []
    for package in packages:
        # A requirement with an address of its own is an archive, not one wheel of several.
        hashes = [file.hashes for file in (package.wheels or [])] + (
            [package.archive.hashes] if package.archive else []
        )
        sha256 = sorted(each["sha256"] for each in hashes if "sha256" in each)
        if not sha256 or package.version is None:
            raise InfrastructureError(f"the index gives no SHA-256 for any wheel of {package.name} {package.version}")
        pins.append(Pin(name=package.name, version=str(package.version), sha256=tuple(sha256)))
    return tuple(sorted(pins, key=lambda pin: pin.name))


def _cached(path: Path, request: CellRequest) -> _Answer | None:
    try:
        answer = msgspec.json.decode(path.read_bytes(), type=_Answer)
    except (OSError, msgspec.DecodeError):
        return None
    settled = request.bound is not None and parse_instant(request.bound).timestamp() < answer.resolved
    return answer if settled or 0 <= time.time() - answer.resolved < FRESH_SECONDS else None


def _with_version(source: Source, lock: Lock) -> Source:
    """A nightly's source with the version that was resolved."""
    versions = {pin.name: pin.version for pin in lock}
    return msgspec.structs.replace(source, version=versions.get(canonicalize_name(source.package), ""))


def _resolve(config: Config, request: CellRequest, connections: int) -> _Answer:
    if not request.pythons:
        raise ValueError(f"{request.title} has no candidate Python")
    # uv reuses what other resolutions have read, which can be older than the lists that the request was made from.
    # Before accepting "no solution", refresh the index data of every package that the message names.
    refreshed: set[str] = set()
    for _ in range(ROUNDS):
        refusals: list[_Answer] = []
        involved: set[str] = set(map(canonicalize_name, config.named))
        for python in request.pythons:
            try:
                lock = _compile_freely(config, request, python, connections, sorted(refreshed))
            except _NoSolutionError as refusal:
                refusals.append(_Answer(resolved=time.time(), python=python, lock=None, why=refusal.found.reason))
                involved |= refusal.found.packages
            else:
                return _Answer(resolved=time.time(), python=python, lock=lock)
        if involved <= refreshed:
            break
        refreshed |= involved
    for answer in refusals:
        # Requests are made of what the index lists, so a page without it is the index's fault, not the release's.
        if lacking := uv_errors.not_on_the_index(answer.why, config.named, f"{config.subject.name}=={request.subject}"):
            raise InfrastructureError(f"the index lists {lacking}, but the resolver did not find it there: try again")
    _blame_tools(config, request, refusals[0].python, connections)
    return refusals[0]


def _blame_tools(config: Config, request: CellRequest, python: str, connections: int) -> None:
    """Raises InfrastructureError if there is a solution without what runs the probes: then the release is not at fault."""
    tools = config.tool_requirements
    alone = msgspec.structs.replace(
        request, requirements=tuple(one for one in request.requirements if one not in tools)
    )
    if len(alone.requirements) < len(request.requirements):
        with suppress(_NoSolutionError):
            _compile(config, alone, python, connections, ())
            release = f"{config.subject.name} {request.title}"
            raise InfrastructureError(
                f"what runs the probes does not fit beside {release}: other versions in [tools] of matrix.toml may"
            )


def _compile_freely(
    config: Config, request: CellRequest, python: str, connections: int, refresh: Sequence[str]
) -> Lock:
    """As `_compile`; where nothing is left below a bound, what the tools require may be newer than that."""
    try:
        return _compile(config, request, python, connections, refresh)
    except _NoSolutionError as refusal:
        if not request.bound:
            raise
        with suppress(_NoSolutionError):
            return _compile(config, request, python, connections, refresh, (*TOOLS, *TOOLS_NEED))
        raise refusal


def _compile(
    config: Config,
    request: CellRequest,
    python: str,
    connections: int,
    refresh: Sequence[str],
    unbound: Iterable[str] = (),
) -> Lock:
    """Run uv's resolver for one Python. Raises as `_pip_compile`.

    Args:
        refresh: packages whose index data is not to be taken from uv's cache.
        unbound: packages, besides the tools, that the bound is not about.
    """
    requirements = list(request.requirements)
    if request.wheel:
        requirements[0] = f"{config.subject.name} @ {request.wheel}"
    with temporary() as scratch:
        options = _options(config, request, python, unbound)
        options += uv.index_arguments(config.index) if refresh else uv.sharing_arguments(config.index, scratch)
        options += [part for name in refresh for part in ("--refresh-package", name)]
        if not request.nightly and not config.index.only:
            return _pip_compile(request, ["-", *options], connections, "\n".join(requirements) + "\n")
        project = scratch / "pyproject.toml"
        while True:
            project.write_text(_project(config, request, requirements), encoding="utf-8")
            lock = _pip_compile(request, [str(project), *options], connections)
            # A project binds only its own requirements to an index: add the bound packages that others require.
            direct = {canonicalize_name(Requirement(line).name) for line in requirements}
            bound = set(map(canonicalize_name, config.index.only)) - direct
            missing = [pin.name for pin in lock if pin.name in bound]
            if not missing:
                return lock
            requirements += missing


def _pip_compile(request: CellRequest, arguments: Sequence[str], connections: int, stdin: str | None = None) -> Lock:
    """Run ``uv pip compile``.

    Raises:
        _NoSolutionError: nothing meets the requirements.
        UndatedError: the index gives no upload times.
        InfrastructureError: it could not be run, or its failure says nothing about the releases.
    """
    try:
        return parse_pylock(uv.run(["pip", "compile", *arguments], stdin=stdin, connections=connections))
    except uv.Refused as refusal:
        text = str(refusal)
        if undated := uv_errors.undated(text):
            raise UndatedError(undated) from None
        if found := uv_errors.no_solution(text):
            raise _NoSolutionError(found) from None
        raise InfrastructureError(f"the resolver failed for {request.title}: {text[-1000:]}") from None


def _project(config: Config, request: CellRequest, requirements: list[str]) -> str:
    """A project that takes nightly companions, and what follows them, from their own indexes, pre-releases included."""
    dependencies = list(requirements)
    bound: dict[str, str] = {}
    for companion in config.companions:
        if address := request.nightly.get(companion.name):
            dependencies = [f"{line}>=0.dev0" if line == companion.pinned() else line for line in dependencies]
            dependencies += [f"{name}>=0.dev0" for name in companion.follows]
            bound |= dict.fromkeys((companion.name, *companion.follows), address)
    nightly = set(map(canonicalize_name, bound))
    for name, address in config.index.only.items():
        if canonicalize_name(name) not in nightly and not (request.wheel and name == config.subject.name):
            bound[name] = address
    return uv.project(dependencies, bound)


def _options(config: Config, request: CellRequest, python: str, unbound: Iterable[str]) -> list[str]:
    options = ["--format", "pylock.toml", "--no-header", "--no-annotate", "--no-build", "--python", sys.executable]
    # X.Y alone means X.Y.0 to uv, which excludes releases that need a later patch release.
    options += ["--python-version", f"{python}.99", "--python-platform", config.platform[request.platform]]
    if request.lowest:
        options += ["--resolution", "lowest-direct"]
    if request.bound:
        options += ["--exclude-newer", request.bound]
        # The bound is about the subject and its companions, not about the tools that run the probes.
        bound = set(map(canonicalize_name, config.named))
        unbound = [tool for tool in (*config.tools, *unbound) if canonicalize_name(tool) not in bound]
        options += [part for tool in unbound for part in ("--exclude-newer-package", f"{tool}=false")]
    return options
