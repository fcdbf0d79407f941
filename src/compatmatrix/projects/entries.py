"""What a project's file says of packages, and which of it holds in one environment. No I/O."""

from __future__ import annotations

import platform as machine
import sys
from collections.abc import Iterable, Mapping
from itertools import islice, product

import msgspec
from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.core import sanitize

PYTHONS = tuple(f"3.{minor}" for minor in range(8, 15))
"""The Pythons (X.Y) that a file may be meant for, where it does not say."""

MOST_CHOICES = 16
"""Sets of versions that are judged of one file, where it holds several versions of a package."""

MOST_SINGLE = 100
"""Extras and dependency groups of a lock that are tried alone; all are tried together."""

MOST_ENTRIES = 1_000
"""Entries of the packages asked about that are read of one file: far more than any tool writes."""

MOST_MARKER = 50_000
"""Longest marker that is read, in characters."""


class NotReadable(Exception):
    """A file is not what its name says, or cannot be read; the message is one line that names it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One package as a file names it.

    Attributes:
        name: normalized (PEP 503).
        specifier: of PEP 440; of a lock ``==VERSION``, empty where any version will do.
        marker: of PEP 508: where it holds, empty for everywhere.
        line: in the file, 0 where that is not known.
        source: what it comes from, where that is not an index: ``git``, ``path``, ``url`` ….
        group: the extra or dependency group that it is in; empty for what every installation has.
    """

    name: str
    specifier: str = ""
    marker: str = ""
    line: int = 0
    source: str = ""
    group: str = ""

    @property
    def version(self) -> str:
        """The one version that the specifier admits, as far as it names one; empty where it is a range."""
        named = [
            part.strip().lstrip("=").strip() for part in self.specifier.split(",") if part.strip().startswith("==")
        ]
        return named[0] if len(named) == 1 and not named[0].endswith(".*") else ""


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of one file, or of an installed Python.

    Attributes:
        name: of the file, as it was given.
        entries: in the order of the file.
        requires_python: specifier of the Pythons that it is meant for.
        python: X.Y, where it is one.
        platform: its name, where it is one.
        choices: names that its markers may ask for: extras and dependency groups.
        notes: what in it was not read, a line each.
    """

    name: str
    entries: tuple[Entry, ...]
    requires_python: str = ""
    python: str = ""
    platform: str = ""
    choices: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def pythons(file: ProjectFile) -> tuple[str, ...]:
    """The Pythons (X.Y) that a file is meant for.

    Raises:
        NotReadable: its specifier of Pythons is none, or admits no Python.
    """
    if file.python:
        return (file.python,)
    try:
        required = SpecifierSet(file.requires_python)
        # A bound on a patch release (>=3.11.4, ==3.11.9) admits some of 3.11.
        admitted = tuple(
            one for one in PYTHONS if any(required.contains(f"{one}.{patch}") for patch in range(99, -1, -1))
        )
    except ValueError:
        raise NotReadable(
            f"{file.name}: {sanitize.line(file.requires_python, 60)!r} is no specifier of Pythons"
        ) from None
    if not admitted:
        raise NotReadable(f"{file.name}: requires Python {sanitize.line(file.requires_python, 60)}, which none is")
    return admitted


def environment(python: str, tag: str) -> dict[str, str]:
    """The variables of markers (PEP 508) for a Python X.Y.

    Args:
        python: X.Y.
        tag: uv's name of the platform, like ``x86_64-manylinux_2_28``; empty for this machine.
    """
    names = {"python_version": python, "python_full_version": f"{python}.99", "implementation_name": "cpython"}
    names |= {"platform_python_implementation": "CPython", "extra": "", "platform_release": "", "platform_version": ""}
    if not tag:
        return names | {"sys_platform": sys.platform, "platform_machine": machine.machine()}
    processor = tag.partition("-")[0]
    if "windows" in tag:
        processor = {"x86_64": "AMD64", "aarch64": "ARM64"}.get(processor, processor)
        return names | {
            "sys_platform": "win32",
            "os_name": "nt",
            "platform_system": "Windows",
            "platform_machine": processor,
        }
    if "apple" in tag:
        processor = "arm64" if processor == "aarch64" else processor
        return names | {
            "sys_platform": "darwin",
            "os_name": "posix",
            "platform_system": "Darwin",
            "platform_machine": processor,
        }
    return names | {
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_system": "Linux",
        "platform_machine": processor,
    }


def chosen(file: ProjectFile, names: Iterable[str], variables: Mapping[str, str]) -> tuple[Mapping[str, Entry], ...]:
    """The entries of some packages that hold in an environment.

    Requirements of one package are joined: all must hold. Where a lock holds several versions of one, as it does of
    extras that exclude each other, each is a choice of its own. So is each extra or group beside what is in none.

    Args:
        file: what was read.
        names: normalized.
        variables: of markers, from `environment`.

    Returns:
        One mapping from name to entry for each choice; a name that has no entry there is not in it.

    Raises:
        NotReadable: a marker, version or specifier of one of these packages is none, or there are too many.
    """
    normalized = {canonicalize_name(name): name for name in names}
    named = [entry for entry in file.entries if entry.name in normalized]
    if len(named) > MOST_ENTRIES:
        raise NotReadable(f"{file.name}: names {', '.join(normalized)} more than {MOST_ENTRIES} times")
    here = [entry for entry in named if _holds(file, entry, variables)]
    choices: dict[tuple[tuple[str, Entry], ...], None] = {}
    for group in islice(dict.fromkeys(("", *(entry.group for entry in here))), MOST_CHOICES):
        listed = [entry for entry in here if entry.group in ("", group)]
        found = {
            name: _joined(file, of_it)
            for key, name in normalized.items()
            if (of_it := [entry for entry in listed if entry.name == key])
        }
        for entries in islice(product(*found.values()), MOST_CHOICES):
            alike = (msgspec.structs.replace(entry, group="") for entry in entries)
            choices[tuple(zip(found, alike, strict=True))] = None
    return tuple(map(dict, choices))


def _holds(file: ProjectFile, entry: Entry, variables: Mapping[str, str]) -> bool:
    if not entry.marker:
        return True
    # What is there without an extra, or with one of them alone, may not be there with all.
    selections = [frozenset[str](), *(frozenset([one]) for one in file.choices[:MOST_SINGLE]), frozenset(file.choices)]
    if len(entry.marker) > MOST_MARKER:
        raise NotReadable(f"{_place(file, entry)}: the marker of {entry.name} is too long")
    try:
        marker = Marker(entry.marker)
        return any(
            marker.evaluate(
                {**variables, "extra": min(wanted, default=""), "extras": wanted, "dependency_groups": wanted}
            )
            for wanted in selections
        )
    except (ValueError, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        raise NotReadable(f"{_place(file, entry)}: the marker of {entry.name} is none") from None


def _joined(file: ProjectFile, entries: list[Entry]) -> list[Entry]:
    """One entry for requirements that all hold, or one for each of several locked versions."""
    for entry in entries:
        try:
            SpecifierSet(entry.specifier)
            if entry.version:
                Version(entry.version)
        except ValueError:  # of an integer with thousands of digits too
            what = sanitize.line(entry.specifier, 60)
            raise NotReadable(f"{_place(file, entry)}: {what!r} is no version of {entry.name}") from None
    pins = {Version(entry.version): entry for entry in entries if entry.version}
    if pins:
        loose = [SpecifierSet(entry.specifier) for entry in entries if not entry.version]
        fitting = [pin for version, pin in pins.items() if all(one.contains(version, True) for one in loose)]
        return fitting or list(pins.values())
    specifier = ",".join(dict.fromkeys(entry.specifier for entry in entries if entry.specifier))
    return [msgspec.structs.replace(entries[0], specifier=specifier)]


def _place(file: ProjectFile, entry: Entry) -> str:
    return f"{file.name}:{entry.line}" if entry.line else file.name
