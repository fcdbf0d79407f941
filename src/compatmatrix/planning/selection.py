"""What the arguments narrow a run to, and the errors of a selection that means nothing or matches nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.config.tables import Config
from compatmatrix.core import pairings
from compatmatrix.core.encoding import by_version
from compatmatrix.core.errors import UserError
from compatmatrix.core.pairings import Over
from compatmatrix.core.text import alternatives, grouped


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What the arguments narrow the run to; empty means everything the configuration says."""

    only: tuple[str, ...] = ()
    pairings: tuple[str, ...] = ()
    as_of: datetime | None = None

    def admits(self, versions: Mapping[str, str]) -> bool:
        """Whether all ``--only`` specifiers hold for these versions; one about a package that is not among them does."""
        named = {canonicalize_name(name): version for name, version in versions.items()}
        for requirement in map(Requirement, self.only):
            version = named.get(canonicalize_name(requirement.name))
            if version is not None and not requirement.specifier.contains(version, prereleases=True):
                return False
        return True


def check_selection(config: Config, selection: Selection) -> None:
    """Raises UserError for an ``--only`` or ``--pairing`` that cannot mean anything here."""
    names = {canonicalize_name(name) for name in config.named}
    for text in selection.only:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) not in names:
            raise UserError(
                f"--only {text}: {requirement.name!r} is neither the subject nor a companion"
                f"{alternatives(requirement.name, config.named)}"
            )
    for pairing in selection.pairings:
        if pairing not in pairings.NAMES:
            raise UserError(f"--pairing {pairing}: there is no such pairing{alternatives(pairing, pairings.NAMES)}")
        over = pairings.named(pairing).over
        if over is Over.COMPANION and config.pairings.grid is None:
            raise UserError(f"--pairing {pairing}: matrix.toml has no [pairings.grid] that says over which companion")
        if over is Over.PYTHON and config.pairings.python is None:
            raise UserError(f"--pairing {pairing}: matrix.toml has no [pairings.python] that lists the Pythons")


def nearest(specifier: SpecifierSet, versions: Iterable[str]) -> str:
    """The end of a message: which of the versions are next to those that a specifier names."""
    ordered, near = by_version(versions), set[str]()
    for part in specifier:
        named = Version(part.version.removesuffix(".*"))
        near |= {
            *[one for one in ordered if Version(one) <= named][-1:],
            *[one for one in ordered if Version(one) > named][:1],
        }
    return f"; the nearest: {', '.join(by_version(near))}" if near else "; there is none at all"


def no_match(selection: Selection, cells: Iterable[Mapping[str, str]]) -> UserError:
    """The error of a selection that admits none of these cells, each given by its versions."""
    held = grouped((canonicalize_name(name), version) for cell in cells for name, version in cell.items())
    for requirement in map(Requirement, selection.only):
        there = {*held.get(canonicalize_name(requirement.name), ())}
        if not any(requirement.specifier.contains(version, prereleases=True) for version in there):
            near = nearest(requirement.specifier, there)
            return UserError(f"--only {requirement}: nothing that was asked for has such a version{near}")
    return UserError(f"--only {' '.join(selection.only)}: no cell meets all of it; drop one, or add a --pairing")
