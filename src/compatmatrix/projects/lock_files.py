"""uv.lock, poetry.lock and pylock.toml: text -> entries. Each raises ValueError where the text is something else. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import tomli
from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name

from compatmatrix.projects.entries import Entry, ProjectFile


class _UvPackage(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    source: Mapping[str, Any] = {}
    resolution_markers: tuple[str, ...] = msgspec.field(default=(), name="resolution-markers")


class _UvLock(msgspec.Struct, frozen=True):
    version: int
    requires_python: str = msgspec.field(name="requires-python", default="")
    packages: tuple[_UvPackage, ...] = msgspec.field(name="package", default=())


def uv(name: str, text: str) -> ProjectFile:
    """Read a uv.lock: a package that is there in several versions has the markers of its resolutions."""
    lock = msgspec.convert(tomli.loads(text), _UvLock)
    if lock.version != 1:
        raise ValueError(f"its format is {lock.version}, and 1 is known")
    lines = _lines(text, "package", len(lock.packages))
    entries = [
        Entry(
            name=canonicalize_name(package.name),
            specifier=f"=={package.version}" if package.version else "",
            marker=" or ".join(f"({marker})" for marker in package.resolution_markers),
            line=at,
            source=next((kind for kind in package.source if kind != "registry"), ""),
        )
        for package, at in zip(lock.packages, lines, strict=True)
    ]
    return ProjectFile(name=name, entries=tuple(entries), requires_python=lock.requires_python)


class _PoetryPackage(msgspec.Struct, frozen=True):
    name: str
    version: str
    markers: str | Mapping[str, str] = ""
    source: Mapping[str, str] = {}


class _PoetryMetadata(msgspec.Struct, frozen=True):
    lock_version: str = msgspec.field(name="lock-version")
    python_versions: str = msgspec.field(name="python-versions", default="*")


class _PoetryLock(msgspec.Struct, frozen=True):
    metadata: _PoetryMetadata
    packages: tuple[_PoetryPackage, ...] = msgspec.field(name="package", default=())


def poetry(name: str, text: str) -> ProjectFile:
    """Read a poetry.lock of format 1 or 2; the markers of a package stand in it since 2.1."""
    lock = msgspec.convert(tomli.loads(text), _PoetryLock)
    if lock.metadata.lock_version.partition(".")[0] not in ("1", "2"):
        raise ValueError(f"its format is {lock.metadata.lock_version}, and 1 and 2 are known")
    lines = _lines(text, "package", len(lock.packages))
    entries = [
        Entry(
            name=canonicalize_name(package.name),
            specifier=f"=={package.version}",
            marker=_any_group(package.markers),
            line=at,
            source="" if package.source.get("type", "legacy") == "legacy" else package.source["type"],
        )
        for package, at in zip(lock.packages, lines, strict=True)
    ]
    return ProjectFile(name=name, entries=tuple(entries), requires_python=_pep440(lock.metadata.python_versions))


def _any_group(markers: str | Mapping[str, str]) -> str:
    if isinstance(markers, str):
        return markers
    return " or ".join(f"({marker})" for marker in markers.values()) if all(markers.values()) else ""


def _pep440(constraint: str) -> str:
    """Poetry's caret, tilde and bare versions as a specifier; empty (any) where it is written in another way."""
    parts = []
    for part in filter(None, re.split(r"[,\s]+", re.sub(r"([<>=!~^]+)\s+", r"\1", constraint))):
        match = re.fullmatch(r"(\^|~|[<>=!]=?|)(\d+)(?:\.(\d+))?((?:\.(?:\d+|\*))*)", part)
        if match is None:
            return ""
        sign, major, minor, rest = match[1], int(match[2]), match[3], match[4]
        low = f">={major}.{minor or 0}{'' if '*' in rest else rest}"
        if sign == "^" or (sign == "~" and minor is None):
            parts += [low, f"<{major + 1}"]
        elif sign == "~":
            parts += [low, f"<{major}.{int(minor) + 1}"]
        else:
            parts.append(part if sign and sign != "=" else f"=={part.lstrip('=')}")
    return ",".join(parts)


def pylock(name: str, text: str) -> ProjectFile:
    """Read a pylock.toml (PEP 751)."""
    lock = Pylock.from_dict(tomli.loads(text))
    lines = _lines(text, "packages", len(lock.packages))
    entries = [
        Entry(
            name=package.name,
            specifier=f"=={package.version}" if package.version else "",
            marker=str(package.marker) if package.marker else "",
            line=at,
            source=_origin(package),
        )
        for package, at in zip(lock.packages, lines, strict=True)
    ]
    return ProjectFile(
        name=name,
        entries=tuple(entries),
        requires_python=str(lock.requires_python or ""),
        choices=(*(lock.extras or ()), *(lock.dependency_groups or ())),
    )


def _origin(package: Package) -> str:
    kinds = {"git": package.vcs, "path": package.directory, "url": package.archive}
    return next((kind for kind, origin in kinds.items() if origin), "")


def _lines(text: str, table: str, count: int) -> Sequence[int]:
    """The line of each package's name; zeros where the text is laid out in another way than its tool does."""
    found, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            inside = line.rstrip() == f"[[{table}]]"
        elif inside and line.startswith("name = "):
            found.append(number)
            inside = False
    return found if len(found) == count else [0] * count
