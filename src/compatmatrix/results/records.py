"""One file of records: how a line is written and checked, which lines are damaged, and how locks are abbreviated.

Each line ends with a digest of itself, so that a changed byte is found; a line without one, as earlier versions or people
write it, is accepted. The locks of a thousand records name mostly the same packages, so a record's line has
the digest of each requirement line, and `pins.txt` has every distinct line, with its hashes, once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from packaging.version import Version

from compatmatrix.core.encoding import canonical, parse_instant
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import SCHEMA, Record, Release, record_key

RELEASES = "releases.jsonl"
PINS = "pins.txt"

_HASH = " --hash="
"""What the requirement line of a wheel has; that of a package built from source has none."""

_CHECK = re.compile(rb',"check":"([0-9a-f]{16})"\}$')

_Item = TypeVar("_Item", Record, Release)


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A line that cannot be used: its file, its number from 1, and what is wrong with it."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds; ``damaged`` are the lines that cannot be used, as they are, and ``damage`` says why."""

    records: tuple[Record, ...] = ()
    releases: tuple[Release, ...] = ()
    damage: tuple[Damage, ...] = ()
    damaged: tuple[bytes, ...] = ()


class _AnotherFormatError(ValueError):
    """The line is a record of a format that another version of this program writes."""


class _Format(msgspec.Struct):
    """The one field that the records of every format have; lines from before it was written are of format 1."""

    schema: Any = 1


def read_lines(path: Path, pins: Mapping[str, str], refuse_formats: bool = True) -> Lines:
    """Read all lines of a file.

    Args:
        path: `releases.jsonl`, or a file of records.
        pins: Requirement lines by their abbreviation, as `read_pins` returns them.
        refuse_formats: Whether a record of another format is an error, and not one damaged line among others.

    Raises:
        UserError: The file has a record of another format. Without it the cell would seem not to have been run.
        OSError: The file cannot be read.
    """
    records: list[Record] = []
    releases: list[Release] = []
    damage: list[Damage] = []
    damaged: list[bytes] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            if path.name == RELEASES:
                releases.append(_parse(line, Release))
            else:
                records.append(_with_whole_lock(_parse(line, Record), pins))
        except ValueError as problem:
            if refuse_formats and isinstance(problem, _AnotherFormatError):
                raise UserError(f"{path}:{number}: {problem}; use the version that wrote it, or convert it") from None
            damage.append(Damage(file=path.name, line=number, problem=str(problem)))
            damaged.append(line)
    return Lines(records=tuple(records), releases=tuple(releases), damage=tuple(damage), damaged=tuple(damaged))


def file_content(records: Iterable[Record], releases: Iterable[Release], damaged: Iterable[bytes]) -> bytes:
    """The bytes of a file: records by key, releases by version, then the damaged lines unchanged."""
    lines = [_line(record) for record in sorted(records, key=lambda record: record.key)]
    lines += [_line(release) for release in sorted(releases, key=lambda release: Version(release.version))]
    return b"".join([*lines, *(line + b"\n" for line in damaged)])


def read_pins(folder: Path) -> dict[str, str]:
    """Requirement lines by their abbreviation, from the `pins.txt` in a folder; empty without that file."""
    path = folder / PINS
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return pins_of(text.splitlines())


def pins_of(lock: Iterable[str]) -> dict[str, str]:
    """Requirement lines by their abbreviation; those without a hash have none."""
    return {_abbreviated(line): line for line in lock if _HASH in line}


def pins_content(pins: Mapping[str, str]) -> bytes:
    """The bytes of `pins.txt`: sorted, so that git merges two versions of it without a conflict."""
    return "".join(f"{line}\n" for line in sorted(set(pins.values()))).encode()


def _parse(line: bytes, kind: type[_Item]) -> _Item:
    """The record or release of a line.

    Raises:
        ValueError: It cannot be used; the message says why.
    """
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
        raise ValueError("a merge-conflict marker")
    check = _CHECK.search(line)
    body = line[: check.start()] if check else b""
    try:
        item = msgspec.json.decode(body + b"}" if check else line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _refuse_another_format(line)
        raise ValueError(f"no valid record ({str(error)[:120]})") from None
    if isinstance(item, Record) and item.schema != SCHEMA:
        _refuse_another_format(line)
    if check is not None and check[1] != _digest(body):
        raise ValueError("no valid record (its digest is another)")
    try:
        _validate(item)
    except ValueError as error:
        raise ValueError(f"no valid record ({str(error)[:120]})") from None
    return item


def _refuse_another_format(line: bytes) -> None:
    """Raises _AnotherFormatError for a line whose `schema` is not the one that this version writes."""
    try:
        schema = msgspec.json.decode(line, type=_Format).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if schema != SCHEMA:
        raise _AnotherFormatError(f"a record of schema {ascii(schema)[:40]}; this version reads schema {SCHEMA}")


def _validate(item: Record | Release) -> None:
    """Raises ValueError for a version, an instant or a key that cannot be right, though the line has the form."""
    if isinstance(item, Release):
        Version(item.version)
        if item.released is not None:
            parse_instant(item.released)
        return
    Version(item.subject)
    for instant in (item.recorded, *(instant for instants in item.pairings.values() for instant in instants)):
        parse_instant(instant)
    if item.key != record_key(item.cell, item.probes):
        raise ValueError("its key is not that of its cell and its probes")


def _line(item: Record | Release) -> bytes:
    if isinstance(item, Record):
        short = msgspec.structs.replace(item, lock=tuple(map(_abbreviated, item.lock)))
        # Every record names its format, which `canonical` leaves out as it does every default.
        body = canonical(short).removesuffix(b"}") + b',"schema":%d' % SCHEMA
    else:
        body = canonical(item).removesuffix(b"}")
    return body + b',"check":"' + _digest(body) + b'"}\n'


def _digest(line: bytes) -> bytes:
    """64 bits of SHA-256, in hexadecimal."""
    return hashlib.sha256(line).hexdigest()[:16].encode()


@cache
def _abbreviated(line: str) -> str:
    """40 bits of SHA-256, in hexadecimal, for a requirement line with hashes; any other entry of a lock is unchanged."""
    return hashlib.sha256(line.encode()).hexdigest()[:10] if _HASH in line else line


def _with_whole_lock(record: Record, pins: Mapping[str, str]) -> Record:
    """The record with the requirement lines that its lock abbreviates. Raises ValueError where one is not known."""
    if not record.lock:
        return record
    try:
        # Earlier lines have `name==version@` before the digest.
        lock = tuple(entry if " " in entry else pins[entry.rpartition("@")[2]] for entry in record.lock)
    except KeyError as missing:
        raise ValueError(f"its lock names {missing}, which {PINS} does not hold") from None
    return msgspec.structs.replace(record, lock=lock)
