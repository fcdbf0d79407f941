"""A complete set of versions that works, for each release of the subject and each Python: the lock of a cell. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.grid import Kind
from compatmatrix.analysis.standing import Standing
from compatmatrix.core.encoding import by_version


class KnownGood(msgspec.Struct, frozen=True, kw_only=True):
    """A set of versions: each package pinned, the tools that run the probes left out.

    ``asked`` has the probes that are supported in it: the controls, and those that were needed. It is empty where the
    API that the main control needs does not exist in the release, so that its import is all that is known.
    """

    subject: str
    python: str
    platform: str
    pins: tuple[str, ...]
    asked: tuple[str, ...]
    versions: tuple[str, ...]
    recorded: str


def known_good(
    compatibility: Compatibility, version: str, *, python: str = "", platform: str = "", needs: Sequence[str] = ()
) -> KnownGood | None:
    """The set with the newest companion, of the cells in which all that is asked for is supported.

    Args:
        compatibility: what is on record.
        version: of the subject.
        python: X.Y; empty for any.
        platform: empty for the one that the map shows.
        needs: ids of probes, besides the controls.

    Returns:
        None where nothing on record fits.
    """
    view, needed = compatibility.view, tuple(needs)
    named = {subject for subject in {cell.subject for cell in view.cells} if Version(subject) == Version(version)}
    cells = [
        cell
        for cell in view.cells
        if cell.subject in named and cell.lock and cell.platform == (platform or view.platform)
    ]
    good = [cell for cell in cells if compatibility.judge(cell, needed)[0] is Standing.GOOD]
    # Where no cell at all has the API, an import without a failing control is the best that can be had.
    if not good and not needed:
        good = [cell for cell in cells if compatibility.judge(cell, ())[1] is Kind.ABSENT]
    fitting = [cell for cell in good if python in ("", cell.python)]
    if not fitting:
        return None
    return _of(compatibility, max(fitting, key=lambda cell: _rank(compatibility, cell)), needed)


def every(compatibility: Compatibility) -> Iterator[KnownGood]:
    """One set for each release and each Python on record for which there is one."""
    view = compatibility.view
    for release, python in product(view.releases, by_version({cell.python for cell in view.cells} - {""})):
        if known := known_good(compatibility, release.version, python=python):
            yield known


def _rank(compatibility: Compatibility, cell: CellView) -> tuple[Version, bool, str, str]:
    return Version(cell.versions.get(compatibility.companion, "0")), not cell.for_python, cell.recorded, cell.id


def _of(compatibility: Compatibility, cell: CellView, needs: tuple[str, ...]) -> KnownGood:
    config = compatibility.view.config
    tools = set(map(canonicalize_name, config.tools))
    pins = [line.partition(" --hash")[0] for line in cell.lock]
    controls = [probe.id for probe in compatibility.view.probes if probe.control]
    absent = compatibility.judge(cell, ())[1] is Kind.ABSENT
    return KnownGood(
        subject=cell.subject,
        python=cell.python,
        platform=cell.platform,
        pins=tuple(pin for pin in pins if canonicalize_name(pin.partition("==")[0]) not in tools),
        asked=() if absent else tuple(dict.fromkeys((*controls, *needs))),
        versions=tuple(f"{name} {cell.versions[name]}" for name in config.named if name in cell.versions),
        recorded=cell.recorded,
    )
