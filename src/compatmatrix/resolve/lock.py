"""Cell wanted -> lock: the exact set with hashes that its pairing means, resolved by uv from wheels alone.

A lock is kept in a cache under the question that was put, because a question that is bounded by a date has one
answer for good, and one about "now" has one for as long as the lists of releases count as current.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from compatmatrix.config.matrix_file import Config
from compatmatrix.core.encoding import digest, parse_instant
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import Cell, CellRequest, Lock, Pin, Source
from compatmatrix.index.releases import FRESH_SECONDS
from compatmatrix.resolve import uv

ROUNDS = 5
"""How often the resolver is asked at most, each time with more packages that the index is asked for anew."""


class Unresolvable(msgspec.Struct, frozen=True, kw_only=True):
    """There is no set that meets the requirements; ``why`` is the resolver's reason, ``python`` the first that was tried."""

    python: str
    why: str


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    resolved: float
    python: str
    lock: Lock | None
    why: str = ""


def resolve(config: Config, wanted: CellRequest, cache: Path, connections: int = 2) -> Cell | Unresolvable:
    """The cell that the wish comes to: the first candidate Python on which a complete set exists.

    Args:
        connections: how many the resolver may have with the index.

    Raises:
        InfrastructureError: the resolver could not work (index, network, disk).
    """
    question: list[object] = [wanted.request_id(), config.index.url, config.index.extra]
    question += filter(None, [wanted.wheel, config.index.only])
    kept = cache / f"{digest(question)}.json"
    known = _read(kept, wanted)
    if known is None:
        known = _resolve(config, wanted, connections)
        _write(kept, known)
    if known.lock is None:
        return Unresolvable(python=known.python, why=known.why)
    versions = named_versions(config, known.lock)
    return Cell(
        subject=wanted.subject,
        python=known.python,
        platform=wanted.platform,
        lock=known.lock,
        versions=versions | ({config.subject.name: wanted.subject} if wanted.wheel else {}),
        companions=tuple(name for name in versions if name != config.subject.name),
        source=_seen(wanted, known.lock),
        wheel=wanted.wheel,
        indexes=tuple(wanted.nightly.values()),
    )


def _seen(wanted: CellRequest, lock: Lock) -> Source | None:
    """The source of the cell; of a nightly, now that it is known, with its version."""
    source = wanted.source
    if source is None or wanted.wheel:
        return source
    versions = {pin.name: pin.version for pin in lock}
    return msgspec.structs.replace(source, version=versions.get(canonicalize_name(source.package), ""))


def named_versions(config: Config, lock: Lock) -> dict[str, str]:
    """Versions of the subject, the companions and what follows them, as far as the lock holds them."""
    versions = {pin.name: pin.version for pin in lock}
    return {name: versions[canonicalize_name(name)] for name in config.named if canonicalize_name(name) in versions}


def _resolve(config: Config, wanted: CellRequest, connections: int) -> _Kept:
    if not wanted.pythons:
        raise ValueError(f"{wanted.title} has no candidate Python")
    # The resolver goes by what it asked some minutes ago, which can be older than the lists that the wish was made
    # from: a no is believed only where the index was asked just now for all that it turns on.
    asked_now: set[NormalizedName] = set()
    refusals: list[_Kept] = []
    for _ in range(ROUNDS):
        refusals = []
        named = set(map(canonicalize_name, config.named))
        for python in wanted.pythons:
            try:
                text = _compiled(config, wanted, python, connections, sorted(asked_now))
            except uv.Refused as refusal:
                # Without upload times a date bound leaves nothing: that is the index's doing, not the release's.
                if "No solution found" not in str(refusal) or "missing an upload date" in str(refusal):
                    raise InfrastructureError(
                        f"the resolver failed for {wanted.title}: {str(refusal)[-1000:]}"
                    ) from None
                refusals.append(_Kept(resolved=time.time(), python=python, lock=None, why=_reason(str(refusal))))
                named |= _named(str(refusal))
            else:
                return _Kept(resolved=time.time(), python=python, lock=parse_pylock(text))
        if named <= asked_now:
            break
        asked_now |= named
    return refusals[0]


def _named(refusal: str) -> set[NormalizedName]:
    """The packages that a refusal speaks of; what only looks like one does no harm."""
    found = re.findall(
        r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?(?:[=<>!~]=|[<>])|(?:versions? of|Because) ([A-Za-z0-9][\w.-]*)", refusal
    )
    return {canonicalize_name(one or other) for one, other in found}


def _compiled(config: Config, wanted: CellRequest, python: str, connections: int, asked_now: Iterable[str]) -> str:
    """uv's answer, a pylock.toml."""
    more = [part for name in asked_now for part in ("--refresh-package", name)]
    requirements = list(wanted.requirements)
    if wanted.wheel:
        requirements[0] = f"{config.subject.name} @ {wanted.wheel}"
    if not wanted.nightly and not config.index.only:
        arguments = [*_arguments(config, wanted, python, "-"), *more]
        return uv.run(arguments, stdin="\n".join(requirements) + "\n", connections=connections)
    with tempfile.TemporaryDirectory(prefix="compatmatrix-") as scratch:
        project = Path(scratch) / "pyproject.toml"
        while True:
            project.write_text(_project(config, wanted, requirements), encoding="utf-8")
            text = uv.run([*_arguments(config, wanted, python, str(project)), *more], connections=connections)
            # It says so only of packages that the project asks for itself: what others asked for has to be added.
            further = _unbound(config, requirements, text)
            if not further:
                return text
            requirements += further


def _project(config: Config, wanted: CellRequest, requirements: list[str]) -> str:
    """A project that takes the nightly companions, and what follows them, from their own indexes: pre-releases too."""
    dependencies = list(requirements)
    bound: dict[str, str] = {}
    for companion in config.companions:
        if address := wanted.nightly.get(companion.name):
            dependencies = [f"{line}>=0.dev0" if line == companion.pinned() else line for line in dependencies]
            dependencies += [f"{name}>=0.dev0" for name in companion.follows]
            bound |= dict.fromkeys((companion.name, *companion.follows), address)
    nightly = set(map(canonicalize_name, bound))
    for name, address in config.index.only.items():
        if canonicalize_name(name) not in nightly and not (wanted.wheel and name == config.subject.name):
            bound[name] = address
    return uv.project(dependencies, bound)


def _unbound(config: Config, requirements: list[str], text: str) -> list[str]:
    """Packages of a pylock.toml that are bound to an index, and that the project did not ask for itself."""
    asked = {canonicalize_name(Requirement(line).name) for line in requirements}
    bound = set(map(canonicalize_name, config.index.only)) - asked
    return [package["name"] for package in tomllib.loads(text).get("packages", []) if package["name"] in bound]


def _arguments(config: Config, wanted: CellRequest, python: str, requirements: str) -> list[str]:
    arguments = [
        "pip",
        "compile",
        requirements,
        "--format",
        "pylock.toml",
        "--no-header",
        "--no-annotate",
        "--no-build",
        "--python",
        sys.executable,
        "--python-version",
        f"{python}.99",  # X.Y alone is taken for X.Y.0, and refuses what needs a later patch release
        "--python-platform",
        config.platform[wanted.platform],
        *uv.index_arguments(config.index),
    ]
    if wanted.lowest:
        arguments += ["--resolution", "lowest-direct"]
    if wanted.bound:
        arguments += ["--exclude-newer", wanted.bound]
        # The tools that run the probes are ours, not the subject's day's.
        for tool in config.tools:
            arguments += ["--exclude-newer-package", f"{tool}=false"]
    return arguments


def parse_pylock(text: str) -> Lock:
    """A pylock.toml (PEP 751) as pins, sorted by name.

    Raises:
        InfrastructureError: a package has no wheel with a SHA-256, so what would be installed is not determined.
    """
    pins = []
    for package in tomllib.loads(text).get("packages", []):
        # What was asked for by its address stands as an archive, not as one wheel of several.
        files = [*package.get("wheels", []), *filter(None, [package.get("archive")])]
        digests = sorted(file["hashes"]["sha256"] for file in files if "sha256" in file.get("hashes", {}))
        if not digests:
            raise InfrastructureError(
                f"the index gives no SHA-256 for any wheel of {package['name']} {package.get('version')}"
            )
        pins.append(Pin(name=package["name"], version=package["version"], sha256=tuple(digests)))
    return tuple(sorted(pins, key=lambda pin: pin.name))


def _reason(text: str) -> str:
    """The resolver's first sentence of cause, without its hints."""
    body = text.split("\nhint:")[0]
    cause = body.split("cause:", 1)[-1] if "cause:" in body else body.split("\n", 1)[-1]
    return " ".join(cause.replace("╰─▶", " ").split())


def _read(kept: Path, wanted: CellRequest) -> _Kept | None:
    try:
        known = msgspec.json.decode(kept.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None
    age = time.time() - known.resolved
    settled = wanted.bound is not None and parse_instant(wanted.bound).timestamp() < known.resolved
    return known if settled or 0 <= age < FRESH_SECONDS else None


def _write(kept: Path, known: _Kept) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(msgspec.json.encode(known))
        os.replace(partial, kept)
    except OSError:
        pass  # The cache only saves time; the run itself has the lock.
