"""All records on disk: read, merge, append, repair. Every report is made from the result of `read`.

`<subject version>.jsonl` has one record a line, sorted by key, and one for each cell as far as its answers can stand in
one (see `folding`); `pins.txt` what these lines abbreviate;
`releases.jsonl` one release of the subject a line, as the index listed it; `evidence/<digest>.txt` each distinct traceback
once. Merging is a union: in any order, any number of times, the result is the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from compatmatrix.core import pairings
from compatmatrix.core.encoding import canonical, digest
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.files import replace
from compatmatrix.core.model import Record, Release
from compatmatrix.core.states import CellState
from compatmatrix.core.text import grouped
from compatmatrix.results.folding import folded
from compatmatrix.results.records import (
    PINS,
    RELEASES,
    Damage,
    Lines,
    file_content,
    pins_content,
    pins_of,
    read_lines,
    read_pins,
)

LOCK_SECONDS = 600
"""How long to wait for another process that writes the records."""

_NOT_ITS_TEXT = "not the text that its name is the digest of"


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Records by key, the subject's releases by version, tracebacks by digest, and the lines that cannot be used."""

    records: Mapping[str, Record] = {}
    releases: Mapping[str, Release] = {}
    evidence: Mapping[str, str] = {}
    damage: tuple[Damage, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record], releases: Iterable[Release] = ()) -> Ledger:
        """A ledger of these records, merged where they have a key in common, and releases."""
        merged: dict[str, Record] = {}
        for record in records:
            merged[record.key] = _merged(merged[record.key], record) if record.key in merged else record
        return cls(records=merged, releases={release.version: release for release in releases})


def merge(*ledgers: Ledger) -> Ledger:
    """The union. Where two have one key, their labels are united and the later run's outcomes kept."""
    releases: dict[str, Release] = {}
    evidence: dict[str, str] = {}
    for ledger in ledgers:
        for version, release in ledger.releases.items():
            releases[version] = max(releases.get(version, release), release, key=_release_order)
        evidence |= ledger.evidence
    return Ledger(
        records=Ledger.of(record for ledger in ledgers for record in ledger.records.values()).records,
        releases=releases,
        evidence=evidence,
        damage=tuple(part for ledger in ledgers for part in ledger.damage),
    )


def read(folder: Path, refuse_formats: bool = True) -> Ledger:
    """Read everything in a folder (`reports/records`). Damaged lines are listed in the result, the others used.

    Args:
        folder: Where the records are; it need not exist.
        refuse_formats: Whether a record of another format is an error, and not one damaged line among others.

    Raises:
        UserError: There is a record of another format.
        InfrastructureError: The folder is there but cannot be read.
    """
    files: list[Lines] = []
    try:
        pins = read_pins(folder)
        files = [read_lines(path, pins, refuse_formats) for path in sorted(folder.glob("*.jsonl"))]
        texts = {path.stem: _text(path) for path in sorted((folder / "evidence").glob("*.txt"))}
    except OSError as error:
        raise InfrastructureError(f"the records in {folder} cannot be read: {error}") from None
    known = Ledger.of(
        (record for lines in files for record in lines.records),
        (release for lines in files for release in lines.releases),
    )
    evidence = {name: text for name, text in texts.items() if _is_digest_of(name, text)}
    damage = [part for lines in files for part in lines.damage]
    damage += [_damaged_evidence(name) for name in texts if name not in evidence]
    return msgspec.structs.replace(known, evidence=evidence, damage=tuple(damage))


def holders(records: Iterable[Record], companion: str = "") -> dict[tuple[str, ...], Record]:
    """The record that stands for each slot: the one for which its pairing was resolved last.

    A record of a Python that was missing gives way to any other.

    Args:
        records: Those to choose from.
        companion: The one that the map is about; each of its releases has a slot of its own.

    Returns:
        Records by slot: platform, subject version, pairing, and what the pairing is over.
    """
    ranked: dict[tuple[str, ...], tuple[tuple[bool, str, str], Record]] = {}
    for record in records:
        for label, instants in record.pairings.items():
            source = record.source.name if record.source else ()
            version = record.versions.get(companion, "")
            slot = pairings.slot(record.platform, record.subject, label, record.python, version, source)
            rank = (record.state is not CellState.NO_PYTHON, max(instants, default=""), record.cell)
            if slot not in ranked or ranked[slot][0] < rank:
                ranked[slot] = (rank, record)
    return {slot: record for slot, (_, record) in ranked.items()}


def append(folder: Path, additions: Ledger) -> None:
    """Merge ``additions`` into the files of a folder, under its lock; each file is replaced atomically.

    A record that only says again that a Python is missing is not written: the day on which that was seen is no fact.

    Raises:
        UserError: A file to be written has a record of another format.
        InfrastructureError: A file cannot be written; what was there before is unchanged.
    """
    try:
        with held(folder):
            # Evidence first, and pins before each file: a record never names a text that is not there.
            for name, text in additions.evidence.items():
                path = folder / "evidence" / f"{name}.txt"
                if not path.exists():
                    path.parent.mkdir(exist_ok=True)
                    replace(path, text.encode())
            files = grouped((_file(record), record) for record in additions.records.values())
            gone = set[str]()
            for name, records in files.items():
                gone |= _rewrite(folder / name, Ledger.of(records))
            _sweep(folder, gone)
            if additions.releases:
                _rewrite(folder / RELEASES, Ledger(releases=additions.releases))
    except OSError as error:
        raise InfrastructureError(f"the records cannot be written to {folder}: {error}") from None


def repair(folder: Path) -> tuple[Damage, ...]:
    """Move every damaged line into ``<file>.damaged`` beside its file; the next run examines again what was in it.

    Raises:
        UserError: There is a record of another format, which is not damage.
        InfrastructureError: A file cannot be read or written.
    """
    damage: list[Damage] = []
    try:
        with held(folder):
            pins = read_pins(folder)
            for path in sorted(folder.glob("*.jsonl")):
                lines = read_lines(path, pins)
                if lines.damage:
                    damage += lines.damage
                    with path.with_name(f"{path.name}.damaged").open("ab") as aside:
                        aside.writelines(line + b"\n" for line in lines.damaged)
                    replace(path, file_content(lines.records, lines.releases, ()))
            for path in sorted((folder / "evidence").glob("*.txt")):
                if not _is_digest_of(path.stem, _text(path)):
                    damage.append(_damaged_evidence(path.stem))
                    os.replace(path, path.with_name(f"{path.name}.damaged"))
    except OSError as error:
        raise InfrastructureError(f"the records in {folder} cannot be repaired: {error}") from None
    return tuple(damage)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder of records: no other process of this program writes to it meanwhile.

    Raises:
        InfrastructureError: Another process has held it for `LOCK_SECONDS`, or the folder cannot be written.
    """
    lock = FileLock(folder / ".lock", timeout=LOCK_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        # Partial files of processes that were killed: only the holder of the lock writes any.
        for left in (*folder.glob(".*.jsonl.*"), *folder.glob(".*.txt.*"), *folder.glob("evidence/.*.txt.*")):
            left.unlink(missing_ok=True)
    except Timeout:
        raise InfrastructureError(
            f"another run has held {folder / '.lock'} for {LOCK_SECONDS} s; if there is none, delete that file"
        ) from None
    except OSError as error:
        lock.release()
        raise InfrastructureError(f"the records cannot be written to {folder}: {error}") from None
    try:
        yield
    finally:
        lock.release()


def _rewrite(path: Path, additions: Ledger) -> set[str]:
    """Merge ``additions`` into a file. Damaged lines stay in it, at its end, until they are repaired.

    Returns:
        The digests of evidence and pins that its records had before, or were added with, and have no more.
    """
    pins = read_pins(path.parent)
    lines = read_lines(path, pins) if path.exists() else Lines()
    known = Ledger.of(lines.records).records
    new = (record for key, record in additions.records.items() if not _still_missing(known.get(key), record))
    records = Ledger.of(folded([*lines.records, *new])).records
    # What the index lists now replaces what is on record (a release may be yanked later); what it no longer lists stays.
    releases = {release.version: release for release in lines.releases}
    releases |= {
        version: msgspec.structs.replace(release, wheels=()) for version, release in additions.releases.items()
    }
    content = file_content(records.values(), releases.values(), lines.damaged)
    if (named := pins | pins_of(records.values())) != pins:
        replace(path.parent / PINS, pins_content(named))
    if not path.exists() or content != path.read_bytes():
        replace(path, content)
    return _named([*lines.records, *additions.records.values()]) - _named(records.values())


def _named(records: Iterable[Record]) -> set[str]:
    """The digests of all evidence and pins that records have."""
    records = [*records]
    evidence = {one.evidence or "" for record in records for one in record.outcomes.values()}
    return {name for name in evidence if re.fullmatch("[0-9a-f]{16}", name)} | pins_of(records).keys()


def _sweep(folder: Path, gone: set[str]) -> None:
    """Remove those of these pieces of evidence and pins that no line of any file has, damaged lines included."""
    text = b"".join(path.read_bytes() for path in folder.glob("*.jsonl")) if gone else b""
    left = {name for name in gone if name.encode() not in text}
    for name in left:
        (folder / "evidence" / f"{name}.txt").unlink(missing_ok=True)
    pins = read_pins(folder) if left else {}
    if left & pins.keys():
        replace(folder / PINS, pins_content({short: line for short, line in pins.items() if short not in left}))


def _merged(one: Record, other: Record) -> Record:
    """The later of two records of one key, with the labels of both; a missing Python is never the later."""
    later = max(
        one, other, key=lambda record: (record.state is not CellState.NO_PYTHON, record.recorded, canonical(record))
    )
    labels = {
        label: tuple(sorted({*one.pairings.get(label, ()), *other.pairings.get(label, ())}))
        for label in sorted({*one.pairings, *other.pairings})
    }
    return msgspec.structs.replace(later, pairings=labels)


def _file(record: Record) -> str:
    """Name of a record's file; sources that are not released have files of their own."""
    return f"{record.source.file if record.source else record.subject}.jsonl"


def _still_missing(old: Record | None, new: Record) -> bool:
    """Whether a record says no more than an older one of the same key: that a Python is missing."""
    if old is None or not old.state is new.state is CellState.NO_PYTHON:
        return False
    return new.pairings.keys() <= old.pairings.keys()


def _release_order(release: Release) -> tuple[bool, bytes]:
    return (release.yanked, canonical(release))


def _text(path: Path) -> str:
    """The text of a file with its line endings unchanged, for the digest covers them."""
    return path.read_bytes().decode("utf-8", "replace")


def _is_digest_of(name: str, text: str) -> bool:
    try:
        return digest(text) == name
    except UnicodeEncodeError:
        return False


def _damaged_evidence(name: str) -> Damage:
    return Damage(file=f"evidence/{name}.txt", line=1, problem=_NOT_ITS_TEXT)
