"""pyproject.toml: the ranges of PEP 621 and of the dependency groups (PEP 735). No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import tomli
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from compatmatrix.projects.entries import Entry, ProjectFile

MOST = 10_000
"""Requirements that are read, those of included groups counted in each that includes them."""


class _Project(msgspec.Struct, frozen=True):
    requires_python: str = msgspec.field(name="requires-python", default="")
    dependencies: tuple[str, ...] = ()
    optional: Mapping[str, tuple[str, ...]] = msgspec.field(name="optional-dependencies", default={})


class _File(msgspec.Struct, frozen=True):
    project: _Project = _Project()
    groups: Mapping[str, tuple[str | Mapping[str, Any], ...]] = msgspec.field(name="dependency-groups", default={})


def read(name: str, text: str) -> ProjectFile:
    """Read the requirements of a pyproject.toml: its own, its extras' and its groups', with the groups that those include.

    Raises:
        ValueError: it is not TOML, one of its requirements is none, a group includes one that is not there, or there are
            more than `MOST` requirements.
    """
    file = msgspec.convert(tomli.loads(text), _File)
    entries = []
    for group, written in islice(_written(file), MOST + 1):
        requirement = Requirement(written)
        entries.append(
            Entry(
                name=canonicalize_name(requirement.name),
                specifier=str(requirement.specifier),
                marker=str(requirement.marker or ""),
                line=text.count("\n", 0, place) + 1 if (place := text.find(written)) >= 0 else 0,
                source="url" if requirement.url else "",
                group=group,
            )
        )
    if len(entries) > MOST:
        raise ValueError(f"it has more than {MOST} requirements")
    return ProjectFile(name=name, entries=tuple(entries), requires_python=file.project.requires_python)


def _written(file: _File) -> Iterator[tuple[str, str]]:
    """Each requirement, after the extra or group that it is in; an extra and a group may have the same name."""
    yield from (("", one) for one in file.project.dependencies)
    for extra, listed in file.project.optional.items():
        yield from ((f"extra {extra}", one) for one in listed)
    groups = {canonicalize_name(name): listed for name, listed in file.groups.items()}
    for group in groups:
        yield from ((f"group {group}", one) for one in _of_group(groups, group))


def _of_group(
    groups: Mapping[NormalizedName, Sequence[str | Mapping[str, Any]]], name: NormalizedName
) -> Iterator[str]:
    """The requirements of a group and of all that it includes, each group once."""
    included = [name]
    for group in included:  # grows meanwhile
        if group not in groups:
            raise ValueError(f"there is no dependency group {group}")
        for entry in groups[group]:
            if isinstance(entry, str):
                yield entry
            elif (further := canonicalize_name(str(entry.get("include-group", "")))) not in included:
                included.append(further)
