"""What is known of versions beside each other in an environment: a pair's, and that of the pairs of ranges. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum

import msgspec
from packaging.version import Version

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.grid import Kind

Versions = tuple[str, str]
"""A pair: the subject's version and the companion's."""


class Standing(str, Enum):
    """What is known of a pair in an environment."""

    GOOD = "known good"
    BROKEN = "known broken"
    ELSEWHERE = "seen elsewhere"
    UNKNOWN = "not known"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project runs and what it needs, as far as that is given; what is empty excludes nothing.

    Attributes:
        pythons: X.Y of each Python that it may run on.
        platform: name, as in the records.
        others: versions of other packages, by the names in matrix.toml; empty for one that is neither pinned nor installed.
        needs: ids of probes that must be supported, besides the controls.
    """

    pythons: tuple[str, ...] = ()
    platform: str = ""
    others: Mapping[str, str] = {}
    needs: tuple[str, ...] = ()

    def differences(self, cell: CellView) -> Iterator[str]:
        """What a cell has otherwise: ``on Python 3.11``, ``with other 0.2``."""
        if self.platform and cell.platform != self.platform:
            yield f"on {cell.platform}"
        if self.pythons and cell.python not in self.pythons:
            yield f"on Python {cell.python}"
        for name, version in self.others.items():
            seen = cell.versions.get(name)
            if not seen or not version or Version(seen) != public(version):
                words = f"with {name} {seen}" if seen else f"without {name}"
                yield f"{words} (yours: {version or 'neither pinned nor installed'})"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one cell says of a pair.

    Attributes:
        standing: good, broken or not known, wherever the cell ran.
        reason: what fails, with which error, or why nothing is known; empty where it is good.
        differs: the differences from the environment asked about.
        recorded: day (UTC).
    """

    standing: Standing
    kind: Kind
    reason: str
    python: str
    platform: str
    versions: Mapping[str, str]
    recorded: str
    differs: tuple[str, ...] = ()


class PairStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a pair in an environment.

    Attributes:
        versions: those asked about, by package.
        reason: what fails with which error, or why nothing is known; empty where it is known good.
        evidence: what the cells of the pair say: those of the environment or, where there is none, the others.
        nearest: the versions of the nearest pair that is known good in the environment; empty where none is.
        works_with: the companion's versions that are known good beside the same release of the subject, in words.
        neighbors: where nothing is known of the pair: the nearest on both sides of which something is.
        pythons: on which Pythons the release works, in words.
        untried_with: those that are known good on another Python, and were not examined on the ones asked about, in words.
    """

    versions: Mapping[str, str]
    standing: Standing
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    nearest: Mapping[str, str] = {}
    works_with: str = ""
    neighbors: tuple[PairStatus, ...] = ()
    pythons: str = ""
    untried_with: str = ""


class RangeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the pairs that two specifiers admit.

    Attributes:
        specifiers: those asked about, by package.
        good, broken, unknown: the admitted pairs; what the releases' own requirements rule out is in none of them.
        elsewhere: those of the good and the broken that were seen in another environment only.
        reasons: why pairs are broken, each with the pairs that it holds for.
        bounds: the tightest specifiers that admit known good pairs alone, by package; empty where there are none.
        newest: the newest version on record of each package: nothing is known of later ones.
        refused: the admitted releases that run on none of the Pythons asked about, in words.
    """

    specifiers: Mapping[str, str]
    standing: Standing
    good: tuple[Versions, ...]
    broken: tuple[Versions, ...]
    unknown: tuple[Versions, ...]
    elsewhere: tuple[Versions, ...]
    reasons: Mapping[str, tuple[Versions, ...]]
    bounds: Mapping[str, str]
    newest: Mapping[str, str]
    refused: tuple[str, ...] = ()


def public(version: str) -> Version:
    """A version as it is compared: 1.0 is 1.0.0, and a local build (1.0+cuda12) is one of 1.0."""
    return Version(Version(version).public)


def together(evidence: Sequence[Evidence]) -> tuple[Standing, str]:
    """What cells of one pair say together, and why: broken where one is, good where none is and one is good."""
    for standing in (Standing.BROKEN, Standing.GOOD):
        if of_it := [one for one in evidence if one.standing is standing]:
            return standing, "; ".join(dict.fromkeys(one.reason for one in of_it))
    return Standing.UNKNOWN, "; ".join(dict.fromkeys(one.reason for one in evidence)) or "this pair was never run"
