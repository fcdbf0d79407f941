"""Locks on disk: each distinct pin of all records is written out once, and named by the records that hold it.

A record's lock is thirty lines with hashes, nearly the same thirty in hundreds of records. In a record's line an entry is
`name==version@digest`; `records/pins.txt` has the requirement line (with hashes) that it stands for. In memory a lock is
always whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache

import msgspec

from compatmatrix.core.model import Record

FILE = "pins.txt"

HASH = " --hash="
"""What a pin has, and a package that was built from source has not."""


def shortened(record: Record) -> Record:
    """The record as it is written."""
    return msgspec.structs.replace(record, lock=tuple(map(name_of, record.lock))) if record.lock else record


def restored(record: Record, known: Mapping[str, str]) -> Record:
    """The record as it is used.

    Raises:
        KeyError: it names a pin that is not known.
    """
    if not record.lock:
        return record
    lock = tuple(entry if " " in entry else known[entry] for entry in record.lock)
    return msgspec.structs.replace(record, lock=lock)


def parse(text: str) -> dict[str, str]:
    """Name -> requirement line, of the file's text."""
    return {_name(line): line for line in text.splitlines() if HASH in line}


def text_of(lines: Iterable[str]) -> str:
    """The file's text: every line once, sorted, so that two files unite without a conflict."""
    return "".join(f"{line}\n" for line in sorted(set(lines)))


@cache
def name_of(line: str) -> str:
    """``name==version@digest`` of a requirement line with hashes; what is a name already, or has none, stays as it is."""
    return _name(line) if HASH in line else line


def _name(line: str) -> str:
    return f"{line.split(' ', 1)[0]}@{hashlib.sha256(line.encode()).hexdigest()[:10]}"
