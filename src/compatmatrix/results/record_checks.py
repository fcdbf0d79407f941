"""What cannot be true of a line of the records, though it has the form of one: a bit that flipped, an edit gone wrong."""

from __future__ import annotations

from packaging.version import Version

from compatmatrix.core.encoding import digest, parse_instant
from compatmatrix.core.model import Record, Release, record_key


def flaw(item: Record | Release) -> str | None:
    """Why it cannot be used, or None: its version, its instants, its key."""
    try:
        if isinstance(item, Release):
            Version(item.version)
            if item.released is not None:
                parse_instant(item.released)
            return None
        Version(item.subject)
        for instant in (item.recorded, *(one for found in item.pairings.values() for one in found)):
            parse_instant(instant)
    except ValueError as error:
        return f"no valid record ({str(error)[:120]})"
    if item.key != record_key(item.cell, item.probes):
        return "no valid record (its key is not that of its cell and its probes)"
    return None


def is_text_of(name: str, text: str) -> bool:
    """Whether a piece of evidence is what its name, its digest, says."""
    try:
        return digest(text) == name
    except UnicodeEncodeError:
        return False
