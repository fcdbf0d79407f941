"""What a cell changed in its environment, named.

Where the cell's changes went to a layer of their own (`confine`), the environment itself is as it was. Elsewhere it is
held against what it was before the cell.
"""

from __future__ import annotations

import hashlib
import os
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from compatmatrix.core import untrusted_files

MOST = 1000
"""How many changed files are named: more make no difference to a reader."""

WALKED = 20 * MOST
"""How many entries that a cell may have made are looked at, folders included."""

RECORD_BYTES = 50_000_000

Snapshot = Mapping[str, tuple[int, int, int, int, int]]
"""Path -> inode, size, mode, time of the content, time of any change."""


def changes(layer: Path) -> tuple[str, ...]:
    """What the cell changed of its environment, sorted, `MOST` files at most; the whole of it where the layer is gone."""
    try:
        return _named(path for path, _ in untrusted_files.files(layer, WALKED))
    except OSError:
        return (".",)


def snapshot(environment: Path, most: int = sys.maxsize) -> Snapshot:
    """The files of the environment; ``most`` entries are looked at."""
    return {
        path: (status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
        for path, status in untrusted_files.files(environment, most)
    }


def differences(before: Snapshot, environment: Path) -> tuple[str, ...]:
    """What is not as it was, sorted, `MOST` files at most.

    A file that another environment was given or has lost meanwhile is looked into: that, too, counts as a change of it.
    """
    try:
        after = snapshot(environment, 2 * len(before) + WALKED)
    except OSError:  # something else is in its place
        after = {}
    changed = before.keys() ^ after.keys()
    listed: Mapping[str, str] | None = None
    for path in before.keys() & after.keys():
        if before[path] == after[path]:
            continue
        if before[path][:-1] == after[path][:-1]:
            listed = _listed(environment, before) if listed is None else listed
            if listed.get(path) == _digest(environment / path):
                continue
        changed |= {path}
    return _named(changed)


def _named(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(sorted(path.replace(os.sep, "/") for path in paths), MOST))


def _listed(environment: Path, installed: Iterable[str]) -> dict[str, str]:
    """Path -> digest, as the RECORD of each installed distribution has it."""
    found = {}
    for path in map(Path, installed):
        if path.name != "RECORD" or path.parent.suffix != ".dist-info" or path.parents[1].name != "site-packages":
            continue
        content = untrusted_files.read(environment / path, RECORD_BYTES).decode("utf-8", "replace")
        for line in content.splitlines():
            name, _, rest = line.rpartition(",")[0].rpartition(",sha256=")
            if name:
                found[os.path.normpath(path.parents[1] / name.strip('"'))] = rest
    return found


def _digest(path: Path) -> str:
    try:
        with untrusted_files.opened(path) as file:
            return urlsafe_b64encode(hashlib.file_digest(file, "sha256").digest()).rstrip(b"=").decode()
    except OSError:
        return ""
