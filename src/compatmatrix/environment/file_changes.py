"""Names the files of its environment that a cell changed.

In the sandbox, the changes are in the upper layer of an overlay. Elsewhere the environment is compared with a snapshot.
"""

from __future__ import annotations

import hashlib
import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from compatmatrix.core import untrusted_files

MOST = 1000
"""How many changed files are named, at most."""

WALKED = 20 * MOST
"""How many entries that a cell may have made are looked at, folders included."""

RECORDS = "site-packages/*.dist-info/RECORD"
RECORD_BYTES = 50_000_000

Snapshot = Mapping[str, tuple[int, int, int, int, int]]
"""Path -> inode, size, mode, time of modification, time of status change (both in nanoseconds)."""


def changes(layer: Path) -> tuple[str, ...]:
    """The files in the upper layer of an overlay: sorted, `MOST` at most; `.` if the layer is gone."""
    try:
        return _named(path for path, _ in untrusted_files.files(layer, WALKED))
    except OSError:
        return (".",)


def snapshot(environment: Path, most: int = sys.maxsize) -> Snapshot:
    """The status of the environment's files; ``most`` entries are looked at."""
    return {
        path: (status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
        for path, status in untrusted_files.files(environment, most)
    }


def differences(before: Snapshot, environment: Path) -> tuple[str, ...]:
    """The files that were added, removed or changed since a snapshot: sorted, `MOST` at most.

    Hard links to another environment, made or removed meanwhile, also change the time of status change. A file where
    only that differs is compared with the digest in its distribution's RECORD.
    """
    try:
        after = snapshot(environment, 2 * len(before) + WALKED)
    except OSError:  # something else is in its place
        after = {}
    changed = before.keys() ^ after.keys()
    touched = set()
    for path in before.keys() & after.keys():
        if before[path][:-1] != after[path][:-1]:
            changed |= {path}
        elif before[path] != after[path]:
            touched.add(path)
    digests = dict(_recorded(environment / path for path in before if touched and Path(path).match(RECORDS)))
    touched = {path for path in touched if digests.get(str(environment / path)) != _digest(environment / path)}
    return _named(changed | touched)


def _named(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(path.replace(os.sep, "/") for path in paths)[:MOST])


def has_shared_files(environment: Path) -> bool:
    """Whether two distributions have a file in common: uv removes it with either, and the other lacks it from then on."""
    folders = ("lib/python*", "Lib")  # POSIX, Windows
    records = (path for folder in folders for path in environment.glob(f"{folder}/{RECORDS}"))
    files = [path for path, _ in _recorded(records)]
    return len(files) != len({*files})


def _recorded(records: Iterable[Path]) -> Iterator[tuple[str, str | None]]:
    """Path and digest of each file in RECORDs (PyPA, Recording installed projects)."""
    for record in records:
        content = untrusted_files.read(record, RECORD_BYTES).decode("utf-8", "replace")
        for line in content.splitlines():
            name, _, digest = line.rpartition(",")[0].rpartition(",")
            if name:
                path = os.path.normpath(record.parents[1] / name.strip('"'))
                yield path, digest.removeprefix("sha256=") or None


def _digest(path: Path) -> str:
    try:
        with untrusted_files.opened(path) as file:
            return urlsafe_b64encode(hashlib.file_digest(file, "sha256").digest()).rstrip(b"=").decode()
    except OSError:
        return ""
