"""Constraints files: a set of versions that works, for `pip install -c` and `uv pip install -c`."""

from __future__ import annotations

from collections.abc import Mapping

from compatmatrix.analysis import known_good
from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.known_good import KnownGood

FOLDER = "constraints"
"""Below the site; the addresses in it are a contract with those who install from them."""


def files(compatibility: Compatibility) -> Mapping[str, KnownGood]:
    """Path below the site -> the set, for each release and Python: ``constraints/NAME-1.0-py3.11.txt``."""
    sets = known_good.every(compatibility)
    return {f"{FOLDER}/{compatibility.subject}-{one.subject}-py{one.python}.txt": one for one in sets}


def text(known: KnownGood) -> str:
    """The file: in comments what is known of the set, then a pin a line."""
    supported = (
        f"supported in it: {', '.join(known.asked)}" if known.asked else "it imports; the control's API does not exist"
    )
    head = [
        f"# {', '.join(known.versions)}",
        f"# Python {known.python}, {known.platform}, {known.recorded}; {supported}",
    ]
    return "".join(f"{line}\n" for line in (*head, *known.pins))
