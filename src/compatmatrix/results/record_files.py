"""One file of the records: what its lines hold, which of them are damaged, and how they are written.

Each line ends with a check of itself, so that a byte that flipped is found wherever it is. A line without one, from
elsewhere or from an earlier version, is believed.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from packaging.version import Version

from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import SCHEMA, Record, Release
from compatmatrix.results import pins, record_checks

RELEASES = "releases.jsonl"


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is no record: where, and what is wrong with it."""

    file: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the ledger: what its lines hold, and the lines that hold nothing of ours, as they are."""

    records: tuple[Record, ...] = ()
    releases: tuple[Release, ...] = ()
    damage: tuple[Damage, ...] = ()
    raw: tuple[bytes, ...] = ()


def read(path: Path, known: Mapping[str, str]) -> Lines:
    """All lines of a file, with the locks that the pins (by name) make whole. Raises OSError."""
    records: list[Record] = []
    releases: list[Release] = []
    damage: list[Damage] = []
    raw: list[bytes] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            if path.name == RELEASES:
                releases.append(_sound(line, Release))
            else:
                records.append(pins.restored(_sound(line, Record), known))
        except KeyError as missing:
            problem = f"its lock names {missing}, which {pins.FILE} does not hold"
        except ValueError as error:
            problem = str(error)
        else:
            continue
        damage.append(Damage(file=path.name, line=number, problem=problem))
        raw.append(line)
    return Lines(records=tuple(records), releases=tuple(releases), damage=tuple(damage), raw=tuple(raw))


_Item = TypeVar("_Item", Record, Release)


def _sound(line: bytes, kind: type[_Item]) -> _Item:
    """What the line holds.

    Raises:
        ValueError: why it cannot be used.
    """
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")):
        raise ValueError("a merge-conflict marker")
    check = _CHECK.search(line)
    body = line[: check.start()] if check else b""
    try:
        item = msgspec.json.decode(body + b"}" if check else line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"no valid record ({str(error)[:120]})") from None
    if isinstance(item, Record) and item.schema > SCHEMA:
        raise ValueError(f"a record of schema {item.schema}; this version reads up to {SCHEMA}")
    if check is not None and check[1] != _check(body):
        raise ValueError("no valid record (it is not what its check was made of)")
    if problem := record_checks.flaw(item):
        raise ValueError(problem)
    return item


_CHECK = re.compile(rb',"check":"([0-9a-f]{16})"\}$')


def _check(line: bytes) -> bytes:
    """64 bits of SHA-256 of a line up to its check."""
    return hashlib.sha256(line).hexdigest()[:16].encode()


def _line(item: Record | Release) -> bytes:
    body = canonical(item).removesuffix(b"}")
    return body + b',"check":"' + _check(body) + b'"}\n'


def content(records: Iterable[Record], releases: Iterable[Release], raw: Iterable[bytes]) -> bytes:
    """The file's bytes: records by key, releases by version, then the damaged lines as they are."""
    lines = [_line(pins.shortened(record)) for record in sorted(records, key=lambda record: record.key)]
    lines += [_line(release) for release in sorted(releases, key=lambda release: Version(release.version))]
    return b"".join([*lines, *(line + b"\n" for line in raw)])


def pins_of(folder: Path) -> dict[str, str]:
    """The pins beside the files, by name."""
    path = folder / pins.FILE
    return pins.parse(path.read_text(encoding="utf-8", errors="replace")) if path.exists() else {}


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
