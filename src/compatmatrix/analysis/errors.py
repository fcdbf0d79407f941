"""View -> what is on record of error messages: the texts, who raises them, with which versions. Pure.

A text is normalized by the rules of signatures (`sanitize.signature`), so that paths, numbers and shapes do not matter.
The pages search in the same way (`static/errors.js`); a test holds the two against each other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import View
from compatmatrix.config.causes import Cause
from compatmatrix.core import sanitize
from compatmatrix.core.encoding import digest
from compatmatrix.core.states import CellState

MOST_TEXT = 200_000
"""Characters of a text that are looked at, from its end: a traceback ends in its error."""

MOST_LINES = 40
"""Lines that are looked at, from the end, of a text in which no line names an exception."""

CLOSE = 0.6
"""Share of what a line says that must stand in a signature for it to be shown as the closest one."""

ERRORS = (
    r"(?:E )?((?:\w+\.)*[A-Za-z]\w*)(?:: (.*))?",
    r".*?[ \]]((?:\w+\.)*[A-Za-z]\w*(?:Error|Exception))(?:: (.*))?",  # after what a log puts before it
)
"""Patterns of a line that is an error's: class and message. Of the first, a line without a message needs a class that ends so."""

TEXTS = 5
"""Raw texts that are kept of one error, the most frequent first."""


class Sighting(NamedTuple):
    """Where an error was seen: the probe that raised it, empty at the import; the cell; the text as it was raised."""

    probe: str
    cell: CellView
    text: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """An error on record.

    Attributes:
        signature: the error without what differs between releases and machines.
        exact: whether the text has this signature; if not, it is the closest one on record.
        texts: as it was raised, the most frequent text first.
        probes: ids of the probes that raise it; none where it comes up at the import.
        versions: of the subject and the companions of each cell that it was seen in.
        import_fails: whether it comes up at the import.
        of_versions: releases of the subject on which it comes up at the import or in a control: the versions do not fit
            each other there.
        cause: what somebody wrote about it, if anybody did.
    """

    signature: str
    exact: bool = True
    texts: tuple[str, ...]
    probes: tuple[str, ...]
    versions: tuple[Mapping[str, str], ...]
    import_fails: bool
    of_versions: frozenset[str]
    cause: Cause | None = None

    @property
    def name(self) -> str:
        """Its name in addresses; it depends on nothing but the signature."""
        words = re.sub(r"[^a-z0-9_]+", "-", self.signature.lower()).strip("-")
        return f"{words[:60].strip('-')}-{digest(self.signature)[:6]}".lstrip("-")


def on_record(view: View) -> Mapping[str, Explanation]:
    """Every error on record by its signature, those seen in most cells first."""
    seen = sightings(view)
    order = sorted(seen, key=lambda signature: (-len(seen[signature]), signature))
    return {signature: _explanation(view, signature, seen[signature]) for signature in order}


def sightings(view: View) -> Mapping[str, Sequence[Sighting]]:
    """Signature -> where it was seen."""
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for cell in (*view.cells, *view.sources):
        if cell.state is CellState.IMPORT_FAILS:
            for line in cell.detail.splitlines():
                for signature in _signatures([line]):
                    seen[signature].append(Sighting("", cell, sanitize.line(line)))
        for probe, outcome in cell.outcomes.items():
            if outcome.signature:
                text = f"{outcome.exception}: {outcome.message or ''}".rstrip(": ")
                seen[outcome.signature].append(Sighting(probe, cell, sanitize.line(text)))
    return seen


def explain(known: Mapping[str, Explanation], text: str) -> tuple[Explanation, ...]:
    """The errors of a text that are on record, the last one in it first; where none is, the closest; else nothing.

    Args:
        known: what is on record, by signature.
        text: a traceback, or a line of one.
    """
    lines = text[-MOST_TEXT:].splitlines()
    asked = list(dict.fromkeys(reversed(list(_signatures(lines)))))
    if exact := [signature for signature in asked if signature in known]:
        return tuple(known[signature] for signature in exact)
    if not asked:
        lines = [line for line in lines if line.strip()][-MOST_LINES:]
        asked = [sanitize.signature("", line) for line in reversed(lines)]
    closest = _closest(asked, known)
    return (msgspec.structs.replace(known[closest], exact=False),) if closest else ()


def _explanation(view: View, signature: str, seen: Sequence[Sighting]) -> Explanation:
    probes = {one.probe for one in seen}
    of_versions = {"", *(probe.id for probe in view.probes if probe.control)}
    return Explanation(
        signature=signature,
        texts=tuple(text for text, _ in Counter(one.text for one in seen).most_common(TEXTS)),
        probes=tuple(probe.id for probe in view.probes if probe.id in probes),
        versions=tuple({tuple(one.cell.versions.items()): one.cell.versions for one in seen}.values()),
        import_fails="" in probes,
        of_versions=frozenset(one.cell.subject for one in seen if one.probe in of_versions),
        cause=next((cause for cause in view.config.causes if re.search(cause.pattern, signature)), None),
    )


def _signatures(lines: Iterable[str]) -> Iterator[str]:
    """The signature of each line that can be an error's."""
    for raw in lines:
        line = sanitize.line(raw, 20 * sanitize.SIGNATURE)
        match = re.fullmatch(ERRORS[0], line)
        if not match or not (match[2] or match[1].endswith(("Error", "Exception"))):
            match = re.fullmatch(ERRORS[1], line)
        if match:
            yield sanitize.signature(match[1], match[2] or "")


def _closest(asked: Sequence[str], known: Iterable[str]) -> str:
    """The signature on record that says most of what one of these says; empty where none says enough.

    A word counts the more, the fewer signatures it stands in.
    """
    others = {signature: _words(signature) for signature in known}
    count = Counter(word for words in others.values() for word in words)

    def weight(words: Iterable[str]) -> float:
        return sum(1 / count.get(word, 1) for word in words)

    best, closest = (CLOSE, 0.0), ""
    for words in map(_words, asked):
        for signature, said in others.items():
            shared = weight(word for word in words if word in said)
            rank = (shared / (weight(words) or 1), shared / (weight(said) or 1))
            if rank > best:
                best, closest = rank, signature
    return closest


def _words(text: str) -> dict[str, None]:
    return dict.fromkeys(re.findall(r"\w+", text.lower()))
