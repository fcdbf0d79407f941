"""View -> what is on record of an error message: which probes raise it, with which versions. Pure.

A text is normalized by the rules of signatures (`sanitize.signature`), so that paths, numbers and shapes do not matter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from compatmatrix.analysis.support import View
from compatmatrix.core import sanitize
from compatmatrix.core.states import CellState

MOST_TEXT = 200_000
"""Characters of a text that are looked at, from its end: a traceback ends in its error."""

CLOSE = 0.5
"""Share of the words of two messages that must be the same for one to be shown instead of the other."""

_ERROR = re.compile(r"\s*(?:E\s+)?((?:\w+\.)*[A-Za-z]\w*)(?:: (.*))?")


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """An error on record.

    Attributes:
        signature: the error without what differs between releases and machines.
        exact: whether the text has this signature; if not, it is the closest one on record.
        probes: ids of the probes that raise it; none where it comes up at the import.
        versions: of the subject and the companions of each cell that it was seen in.
    """

    signature: str
    exact: bool
    probes: tuple[str, ...]
    versions: tuple[Mapping[str, str], ...]


def explain(view: View, text: str) -> tuple[Explanation, ...]:
    """The errors of a text that are on record, the last one in it first; where none is, the closest; else nothing."""
    known = _recorded(view)
    asked = list(dict.fromkeys(reversed(list(_signatures(text[-MOST_TEXT:])))))
    if exact := [signature for signature in asked if signature in known]:
        return tuple(_explanation(known, signature, True) for signature in exact)
    near = [(_likeness(one, other), other) for one in asked for other in known]
    likeness, signature = max(near, default=(0.0, ""))
    return (_explanation(known, signature, False),) if likeness >= CLOSE else ()


_Seen = tuple[str, Mapping[str, str]]


def _recorded(view: View) -> Mapping[str, list[_Seen]]:
    """Each signature on record -> the probe that raised it (empty at the import) and the versions, for each cell."""
    known: dict[str, list[_Seen]] = defaultdict(list)
    for cell in (*view.cells, *view.sources):
        if cell.state is CellState.IMPORT_FAILS:
            for signature in _signatures(cell.detail):
                known[signature].append(("", cell.versions))
        for probe, outcome in cell.outcomes.items():
            if outcome.signature:
                known[outcome.signature].append((probe, cell.versions))
    return known


def _explanation(known: Mapping[str, list[_Seen]], signature: str, exact: bool) -> Explanation:
    seen = known[signature]
    versions = {tuple(versions.items()): versions for _, versions in seen}
    probes = tuple(sorted({probe for probe, _ in seen} - {""}))
    return Explanation(signature=signature, exact=exact, probes=probes, versions=tuple(versions.values()))


def _signatures(text: str) -> Iterator[str]:
    """The signature of each line that can be an error's: a class, a colon, a message."""
    for line in text.splitlines():
        match = _ERROR.fullmatch(line[: 20 * sanitize.SIGNATURE])
        if match and (match[2] or match[1].endswith(("Error", "Exception"))):
            yield sanitize.signature(match[1], match[2] or "")


def _likeness(one: str, other: str) -> float:
    words, others = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    return len(words & others) / max(1, len(words | others))
