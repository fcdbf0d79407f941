"""Records on disk: read, append, merge. Facts only; every report is made from what this room returns.

`records/<subject version>.jsonl`: one record a line, sorted by key. `records/pins.txt`: what the locks in them are made
of. `records/releases.jsonl`: what the index listed of the subject, one release a line. `records/evidence/<digest>.txt`:
tracebacks, each distinct text once. Merging is a union: in any order, any number of times, the result is the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import CellState, InfrastructureError, Record, Release
from compatmatrix.results import pins, record_checks, record_files
from compatmatrix.results.record_files import Damage, Lines

LOCK_SECONDS = 600


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known: records by key, the subject's releases by version, evidence by digest."""

    records: Mapping[str, Record] = {}
    releases: Mapping[str, Release] = {}
    evidence: Mapping[str, str] = {}
    damage: tuple[Damage, ...] = ()


def merge(*ledgers: Ledger) -> Ledger:
    """The union. Where two hold one key, the labels are united and the later run's findings kept."""
    records: dict[str, Record] = {}
    releases: dict[str, Release] = {}
    evidence: dict[str, str] = {}
    for ledger in ledgers:
        for key, record in ledger.records.items():
            records[key] = _united(records[key], record) if key in records else record
        for version, release in ledger.releases.items():
            releases[version] = max(releases.get(version, release), release, key=_release_order)
        evidence |= ledger.evidence
    return Ledger(
        records=records,
        releases=releases,
        evidence=evidence,
        damage=tuple(part for ledger in ledgers for part in ledger.damage),
    )


def read(folder: Path) -> Ledger:
    """Read everything below ``folder`` (`reports/records`); lines that are damaged are named and the rest used.

    Raises:
        InfrastructureError: the folder is there but cannot be read.
    """
    records: dict[str, Record] = {}
    releases: dict[str, Release] = {}
    damage: list[Damage] = []
    try:
        known = record_files.pins_of(folder)
        for path in sorted(folder.glob("*.jsonl")):
            lines = record_files.read(path, known)
            damage += lines.damage
            releases |= {release.version: release for release in lines.releases}
            for record in lines.records:
                records[record.key] = _united(records[record.key], record) if record.key in records else record
        evidence = {path.stem: _text(path) for path in sorted((folder / "evidence").glob("*.txt"))}
        for name in [name for name, text in evidence.items() if not record_checks.is_text_of(name, text)]:
            del evidence[name]
            damage.append(Damage(file=f"evidence/{name}.txt", line=1, problem=_NOT_ITS_TEXT))
    except OSError as error:
        raise InfrastructureError(f"the records in {folder} cannot be read: {error}") from None
    return Ledger(records=records, releases=releases, evidence=evidence, damage=tuple(damage))


def holders(records: Iterable[Record], grid_companion: str | None = None) -> dict[tuple[str, ...], Record]:
    """Which record stands for (platform, subject, pairing[, companion version]): the one last found to be that.

    A cell for which this or that machine lacked the Python gives way to any other.
    """
    found: dict[tuple[str, ...], tuple[tuple[bool, str, str], Record]] = {}
    for record in records:
        for label, instants in record.pairings.items():
            slot: tuple[str, ...] = (record.platform, record.subject, label)
            if label == "grid" and grid_companion:
                slot += (record.versions.get(grid_companion, ""),)
            rank = (record.state is not CellState.NO_PYTHON, max(instants, default=""), record.cell)
            if slot not in found or found[slot][0] < rank:
                found[slot] = (rank, record)
    return {slot: record for slot, (_, record) in found.items()}


def append(folder: Path, news: Ledger) -> None:
    """Unite ``news`` with what is on disk, under a lock, file by file and each file at once.

    Only that a Python which was missing still is makes no difference: the day of it is no news.

    Raises:
        InfrastructureError: the disk does not take it; what was there before still is.
    """
    try:
        with held(folder):
            # Evidence and pins first: a record never names a text that is not there.
            for name, text in news.evidence.items():
                path = folder / "evidence" / f"{name}.txt"
                if not path.exists():
                    path.parent.mkdir(exist_ok=True)
                    record_files.replace(path, text.encode())
            known = record_files.pins_of(folder)
            locked = [line for record in news.records.values() for line in record.lock if pins.HASH in line]
            pinned = {**known, **{pins.name_of(line): line for line in locked}}
            if pinned != known:
                record_files.replace(folder / pins.FILE, pins.text_of(pinned.values()).encode())
            for name in {_file(record) for record in news.records.values()}:
                ours = {key: record for key, record in news.records.items() if _file(record) == name}
                _rewrite(folder / name, Ledger(records=ours), pinned)
            if news.releases:
                _rewrite(folder / record_files.RELEASES, Ledger(releases=news.releases), pinned)
    except OSError as error:
        raise InfrastructureError(f"the records cannot be written to {folder}: {error}") from None


def repair(folder: Path) -> tuple[Damage, ...]:
    """Set every damaged line aside in ``<file>.damaged`` beside its file; what was in it will be run again."""
    damage: list[Damage] = []
    try:
        with held(folder):
            known = record_files.pins_of(folder)
            for path in sorted(folder.glob("*.jsonl")):
                lines = record_files.read(path, known)
                if lines.damage:
                    damage += lines.damage
                    with path.with_name(f"{path.name}.damaged").open("ab") as aside:
                        aside.writelines(line + b"\n" for line in lines.raw)
                    record_files.replace(path, record_files.content(lines.records, lines.releases, ()))
            for path in sorted((folder / "evidence").glob("*.txt")):
                if not record_checks.is_text_of(path.stem, _text(path)):
                    damage.append(Damage(file=f"evidence/{path.name}", line=1, problem=_NOT_ITS_TEXT))
                    os.replace(path, path.with_name(f"{path.name}.damaged"))
    except OSError as error:
        raise InfrastructureError(f"the records in {folder} cannot be repaired: {error}") from None
    return tuple(damage)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from writing: what is read meanwhile stays so, and reports that are made of it are up to date.

    Raises:
        InfrastructureError: another run has held the records for too long, or the disk does not take it.
    """
    lock = FileLock(folder / ".lock", timeout=LOCK_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        # Whoever wrote half a file and was killed does not finish it any more.
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


def _rewrite(path: Path, news: Ledger, known: Mapping[str, str]) -> None:
    """Unite a file with ``news``. Damaged lines stay in it, last, until they are repaired: nothing is lost in passing."""
    lines = record_files.read(path, known) if path.exists() else Lines()
    old = Ledger(records={record.key: record for record in lines.records})
    told = {key: record for key, record in news.records.items() if not _still_missing(old.records.get(key), record)}
    records = merge(old, Ledger(records=told)).records
    # What the index says now replaces what it said before (a release may be yanked later); what it no longer lists stays.
    releases = {release.version: release for release in lines.releases}
    releases |= {version: msgspec.structs.replace(release, wheels=()) for version, release in news.releases.items()}
    content = record_files.content(records.values(), releases.values(), lines.raw)
    if not path.exists() or content != path.read_bytes():
        record_files.replace(path, content)


def _united(one: Record, other: Record) -> Record:
    # That some machine lacks the Python takes nothing back of what another found with it.
    later = max(
        one, other, key=lambda record: (record.state is not CellState.NO_PYTHON, record.recorded, canonical(record))
    )
    pairings = {
        label: tuple(sorted({*one.pairings.get(label, ()), *other.pairings.get(label, ())}))
        for label in sorted({*one.pairings, *other.pairings})
    }
    return msgspec.structs.replace(later, pairings=pairings)


def _file(record: Record) -> str:
    """Name of the file that holds a record: what is not released never stands among a release's."""
    return f"{record.source.file if record.source else record.subject}.jsonl"


def _still_missing(old: Record | None, new: Record) -> bool:
    """Whether all that a record has to say is that a Python which was missing still is: the day it is said is no news."""
    if old is None or not old.state is new.state is CellState.NO_PYTHON:
        return False
    return new.pairings.keys() <= old.pairings.keys()


def _release_order(release: Release) -> tuple[bool, bytes]:
    return (release.yanked, canonical(release))


_NOT_ITS_TEXT = "not the text that its name is the digest of"


def _text(path: Path) -> str:
    """As it was written: with the ends of lines that it had then."""
    return path.read_bytes().decode("utf-8", "replace")
