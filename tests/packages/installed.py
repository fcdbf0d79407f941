"""Wheels made again from what is installed: the tests' cells run the very pytest that the suite itself runs on."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from .wheels import Artifact, normalize, zip_wheel

UPLOADED = datetime(2020, 1, 1, tzinfo=UTC)
"""Before every fake release, so that no ``--as-of`` date hides the test tools."""

# What an installer leaves beside the wheel's own files; RECORD is written anew.
_INSTALLERS_OWN = frozenset(
    {"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
)

# Two thirds of the files of a cell: languages that pytest does not show.
_LEXERS = {("pygments", "lexers"), ("pygments", "styles")}
_LEXERS_OF_PYTEST = {"__init__", "_mapping", "diff", "python", "default"}


class CannotRebuildError(LookupError):
    """The distribution is not installed, or not in a way that a wheel could be made from."""


def rebuild_with_requirements(name: str) -> tuple[Artifact, ...]:
    """Rebuilds a distribution and everything installed that it requires here, each once.

    Args:
        name: A distribution installed in the running interpreter.

    Raises:
        CannotRebuildError: It, or something that it requires, cannot be made into a wheel.
    """
    found: dict[str, Artifact] = {}
    wanted = [normalize(name)]
    while wanted:
        project = wanted.pop()
        if project not in found:
            found[project] = rebuild(project)
            wanted += _requirements(project)
    return tuple(found.values())


@functools.cache
def rebuild(name: str) -> Artifact:
    """Makes one installed distribution into a wheel; kept for the life of the process, as pytest is a megabyte.

    Raises:
        CannotRebuildError: It is not installed, or installed without its files (editable, or by a distributor).
    """
    dist = _find(name)
    info, members = _members(dist)
    if f"{info}/WHEEL" not in members or len(members) < 3 or any(path.endswith(".pth") for path in members):
        raise CannotRebuildError(
            f"{name} {dist.version} is not installed from a wheel of its own, so none can be made of it"
        )
    return Artifact(
        project=normalize(name),
        version=dist.version,
        filename=f"{normalize(name).replace('-', '_')}-{dist.version}-{_tag(members[f'{info}/WHEEL'])}.whl",
        content=zip_wheel(members, info),
        uploaded=UPLOADED,
        metadata=members[f"{info}/METADATA"],
        requires_python=next(iter(dist.metadata.get_all("Requires-Python") or ()), None),
    )


def _find(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise CannotRebuildError(f"{name} is not installed in the interpreter that runs the tests") from error


def _members(dist: Distribution) -> tuple[str, dict[str, bytes]]:
    """Returns the dist-info folder's name, and the wheel's files but scripts, byte code, and what is seldom imported."""
    members: dict[str, bytes] = {}
    info = ""
    for path in dist.files or ():
        own = path.parts[0].endswith(".dist-info") and path.name in _INSTALLERS_OWN
        left_out = path.parts[:-1] in _LEXERS and path.stem not in _LEXERS_OF_PYTEST
        if ".." in path.parts or "__pycache__" in path.parts or own or left_out:
            continue
        if path.parts[0].endswith(".dist-info"):
            info = path.parts[0]
        members[path.as_posix()] = path.read_binary()
    return info, members


def _tag(wheel_file: bytes) -> str:
    """Compresses the WHEEL file's tags as the file name had them: ``py2.py3-none-any``."""
    lines = wheel_file.decode().splitlines()
    tags = [line.removeprefix("Tag:").strip().split("-") for line in lines if line.startswith("Tag:")]
    return "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))


def _requirements(name: str) -> list[str]:
    """Names what the distribution requires in this interpreter; extras are left out."""
    needed = (Requirement(line) for line in _find(name).requires or ())
    return [normalize(need.name) for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
