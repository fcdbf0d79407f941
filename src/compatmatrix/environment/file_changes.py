"""Names the files of its environment that a cell changed.

In the sandbox, the changes are in the upper layer of an overlay. Elsewhere the environment is compared with a snapshot.
"""

from __future__ import annotations

import hashlib
import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

from compatmatrix.core import untrusted_files

MOST = 1000
"""How many changed files are named, at most."""

WALKED = 20 * MOST
"""How many entries that a cell may have made are looked at, folders included."""

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
    digests = _record_digests(environment, before) if touched else {}
    return _named(changed | {path for path in touched if digests.get(path) != _digest(environment / path)})


def _named(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(path.replace(os.sep, "/") for path in paths)[:MOST])


def _record_digests(environment: Path, installed: Iterable[str]) -> dict[str, str]:
    """Path -> digest, from the RECORD of each installed distribution (PyPA, Recording installed projects)."""
    digests = {}
    for path in map(Path, installed):
        if path.name != "RECORD" or path.parent.suffix != ".dist-info" or path.parents[1].name != "site-packages":
            continue
        content = untrusted_files.read(environment / path, RECORD_BYTES).decode("utf-8", "replace")
        for line in content.splitlines():
            name, _, rest = line.rpartition(",")[0].rpartition(",sha256=")
            if name:
                digests[os.path.normpath(path.parents[1] / name.strip('"'))] = rest
    return digests


def _digest(path: Path) -> str:
    try:
        with untrusted_files.opened(path) as file:
            return urlsafe_b64encode(hashlib.file_digest(file, "sha256").digest()).rstrip(b"=").decode()
    except OSError:
        return ""
