"""What a cell left in its environment: byte code of what it imported is kept for the next cell, all else is named.

Where the cell's changes went to a layer of their own (`confine`), the environment itself is as it was, and byte code is
carried over file by file: only what is new there, and only what names its source as it stands. Elsewhere the
environment is held against what it was before the cell.
"""

from __future__ import annotations

import hashlib
import os
import stat
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

PYC_HEADER = 16
CACHE = "__pycache__"

Snapshot = Mapping[str, tuple[int, int, int, int, int]]
"""Path -> inode, size, time of the content, time of any change, number of names."""


def changes(layer: Path) -> tuple[str, ...]:
    """What the cell changed of its environment, byte code aside, sorted."""
    found = [path.replace(os.sep, "/") for path, _ in _files(layer) if not _is_byte_code(path)]
    return tuple(sorted(found))


def carry_over(layer: Path, environment: Path) -> None:
    """Move new byte code from the layer into the environment."""
    for path, entry in _files(layer):
        kept = environment / path
        source = kept.parents[1] / f"{entry.name.split('.')[0]}.py"
        if _is_byte_code(path) and not kept.exists() and _is_of(entry, source):
            kept.parent.mkdir(exist_ok=True)
            os.replace(entry.path, kept)


def snapshot(environment: Path) -> Snapshot:
    """All files of the environment but byte code."""
    found = {}
    for path, entry in _files(environment):
        if not _is_byte_code(path):
            status = entry.stat(follow_symlinks=False)
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_nlink)
    return found


def differences(before: Snapshot, environment: Path) -> tuple[str, ...]:
    """What is not as it was, sorted. A file that another environment was given meanwhile is looked into: that, too, changes its times."""
    after = snapshot(environment)
    changed = before.keys() ^ after.keys()
    listed: Mapping[str, str] | None = None
    for path in before.keys() & after.keys():
        if before[path] == after[path]:
            continue
        if before[path][:3] == after[path][:3] and before[path][4] != after[path][4]:
            listed = _listed(environment) if listed is None else listed
            if listed.get(path) == _digest(environment / path):
                continue
        changed |= {path}
    return tuple(sorted(path.replace(os.sep, "/") for path in changed))


def _files(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below the folder that is no folder, by its path from there; links are not followed."""
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    yield path, entry


def _is_byte_code(path: str) -> bool:
    return os.path.basename(os.path.dirname(path)) == CACHE


def _is_of(compiled: os.DirEntry[str], source: Path) -> bool:
    """Whether byte code says that it was made of the source as it stands. Without a time it would never be looked at again."""
    try:
        if not compiled.is_file(follow_symlinks=False):
            return False
        status = source.lstat()
        with open(compiled.path, "rb") as file:
            header = file.read(PYC_HEADER)
    except OSError:
        return False
    said = [int.from_bytes(header[start : start + 4], "little") for start in (4, 8, 12)]
    return stat.S_ISREG(status.st_mode) and said == [
        0,
        int(status.st_mtime) & 0xFFFFFFFF,
        status.st_size & 0xFFFFFFFF,
    ]


def _listed(environment: Path) -> dict[str, str]:
    """Path -> digest, as the RECORD of each installed distribution has it."""
    found = {}
    for record in environment.glob("[Ll]ib/**/site-packages/*.dist-info/RECORD"):
        base = record.parents[1].relative_to(environment)
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, rest = line.rpartition(",")[0].rpartition(",sha256=")
            if name:
                found[os.path.normpath(base / name.strip('"'))] = rest
    return found


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return urlsafe_b64encode(hashlib.file_digest(file, "sha256").digest()).rstrip(b"=").decode()
    except OSError:
        return ""
