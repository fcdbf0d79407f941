"""One file of records: how a line is written and checked, which lines are damaged, and what is abbreviated in them.

Each line ends with a digest of itself, so that a changed byte is found; a line without one, as earlier versions or people
write it, is accepted. The locks of a thousand records name mostly the same packages, and most were asked the same probes,
so a record's line has the digest of each requirement line, and of its probes with the variables of `[environment]`;
`pins.txt` has each of these texts once. Signatures are not stored: views make them of what was raised.
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
from compatmatrix.core.model import Record, Release, record_key

SCHEMA = 2
"""Version of a record's line. Lines of the first, which have whole probes and signatures, are read and written anew."""

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


def read_lines(path: Path, pins: Mapping[str, str], refuse_formats: bool = True) -> Lines:
    """Read all lines of a file.

    Args:
        path: `releases.jsonl`, or a file of records.
        pins: The lines of `pins.txt` by their abbreviation, as `read_pins` returns them.
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
                releases.append(_parse(line, Release, pins))
            else:
                records.append(_parse(line, Record, pins))
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
    """The lines of the `pins.txt` in a folder by their abbreviation; empty without that file."""
    path = folder / PINS
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return {_abbreviation(line): line for line in text.split("\n") if line}


def pins_of(records: Iterable[Record]) -> dict[str, str]:
    """What records' lines abbreviate, by the abbreviation: their probes, and the requirement lines that have a hash."""
    records = [*records]
    lines = {line for record in records for line in record.lock if _HASH in line}
    lines |= {_put(record) for record in records if record.probes}
    return {_abbreviation(line): line for line in lines}


def pins_content(pins: Mapping[str, str]) -> bytes:
    """The bytes of `pins.txt`: sorted, so that git merges two versions of it without a conflict."""
    return "".join(f"{line}\n" for line in sorted(set(pins.values()))).encode()


def _parse(line: bytes, kind: type[_Item], pins: Mapping[str, str]) -> _Item:
    """The record or release of a line, with what is abbreviated in it.

    Raises:
        ValueError: It cannot be used; the message says why.
    """
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
        raise ValueError("a merge-conflict marker")
    check = _CHECK.search(line)
    body = line[: check.start()] if check else b""
    try:
        tree = msgspec.json.decode(body + b"}" if check else line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no valid record ({str(error)[:120]})") from None
    if kind is Record and (schema := tree.pop("schema", 1)) not in (1, SCHEMA):
        raise _AnotherFormatError(f"a record of schema {ascii(schema)[:40]}; this version reads schema {SCHEMA}")
    if check is not None and check[1] != _digest(body):
        raise ValueError("no valid record (its digest is another)")
    whole = _whole(tree, pins)
    try:
        item = msgspec.convert(whole, kind)
        _validate(item)
    except ValueError as error:
        raise ValueError(f"no valid record ({str(error)[:120]})") from None
    return item


def _validate(item: Record | Release) -> None:
    """Raises ValueError for a version, an instant or a key that cannot be right, though the line has the form."""
    if isinstance(item, Release):
        Version(item.version)
        if item.released is not None:
            parse_instant(item.released)
        return
    Version(item.subject)
    for instant in (item.recorded, *item.answered, *(at for instants in item.pairings.values() for at in instants)):
        parse_instant(instant)
    if item.key != record_key(item.cell, item.probes):
        raise ValueError("its key is not that of its cell and its probes")


def _line(item: Record | Release) -> bytes:
    if isinstance(item, Record):
        outcomes = {name: msgspec.structs.replace(one, signature=None) for name, one in item.outcomes.items()}
        tree = msgspec.to_builtins(msgspec.structs.replace(item, outcomes=outcomes, environment={}))
        if item.lock:
            tree["lock"] = [_abbreviation(line) if _HASH in line else line for line in item.lock]
        if item.probes:
            tree["probes"] = _abbreviation(_put(item))
        body = canonical(tree).removesuffix(b"}") + b',"schema":%d' % SCHEMA
    else:
        body = canonical(item).removesuffix(b"}")
    return body + b',"check":"' + _digest(body) + b'"}\n'


def _digest(line: bytes) -> bytes:
    """64 bits of SHA-256, in hexadecimal."""
    return hashlib.sha256(line).hexdigest()[:16].encode()


@cache
def _abbreviation(line: str) -> str:
    """40 bits of SHA-256, in hexadecimal."""
    return hashlib.sha256(line.encode()).hexdigest()[:10]


class _Put(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The probes of a record, and the variables that it ran with, as they are in `pins.txt`."""

    environment: Mapping[str, str]
    probes: Mapping[str, str]


def _put(record: Record) -> str:
    return canonical(_Put(record.environment, record.probes)).decode()


def _whole(tree: dict[str, Any], pins: Mapping[str, str]) -> dict[str, Any]:
    """The tree of a line with what it abbreviates. Raises ValueError where that is not known."""
    lock, probes = tree.get("lock"), tree.get("probes")
    try:
        if isinstance(lock, list):
            # Earlier lines have `name==version@` before the digest.
            tree["lock"] = [entry if " " in entry else pins[entry.rpartition("@")[2]] for entry in map(str, lock)]
        if isinstance(probes, str):
            tree |= msgspec.structs.asdict(msgspec.json.decode(pins[probes], type=_Put))
    except (KeyError, msgspec.DecodeError) as missing:
        raise ValueError(f"it names {missing}, which {PINS} does not hold") from None
    return tree
