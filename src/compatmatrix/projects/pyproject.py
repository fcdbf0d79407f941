"""pyproject.toml: the ranges of PEP 621 and of the dependency groups (PEP 735). No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compatmatrix.projects.entries import Entry, ProjectFile


class _Project(msgspec.Struct, frozen=True):
    requires_python: str = msgspec.field(name="requires-python", default="")
    dependencies: tuple[str, ...] = ()
    optional: Mapping[str, tuple[str, ...]] = msgspec.field(name="optional-dependencies", default={})


class _File(msgspec.Struct, frozen=True):
    project: _Project = _Project()
    groups: Mapping[str, tuple[str | Mapping[str, Any], ...]] = msgspec.field(name="dependency-groups", default={})


def read(name: str, text: str) -> ProjectFile:
    """Read the requirements of a pyproject.toml: its own, its extras' and its groups'.

    A group that includes another (``{include-group = …}``) adds nothing here: all groups are read.

    Raises:
        ValueError: it is not TOML, or one of its requirements is none.
    """
    file = msgspec.convert(tomli.loads(text), _File)
    lines = text.splitlines()
    entries = []
    for written in _written(file):
        requirement = Requirement(written)
        entries.append(
            Entry(
                name=canonicalize_name(requirement.name),
                specifier=str(requirement.specifier),
                marker=str(requirement.marker or ""),
                line=next((number for number, line in enumerate(lines, 1) if written in line), 0),
                source="url" if requirement.url else "",
            )
        )
    return ProjectFile(name=name, entries=tuple(entries), requires_python=file.project.requires_python)


def _written(file: _File) -> Iterator[str]:
    yield from file.project.dependencies
    for extra in file.project.optional.values():
        yield from extra
    for group in file.groups.values():
        yield from (entry for entry in group if isinstance(entry, str))
