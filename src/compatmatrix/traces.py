"""What a cell changed in its environment, named.

Where the cell's changes went to a layer of their own (`confine`), the environment itself is as it was. Elsewhere it is
held against what it was before the cell.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path

Snapshot = Mapping[str, tuple[int, int, int, int, int]]
"""Path -> inode, size, time of the content, time of any change, number of names."""


def changes(layer: Path) -> tuple[str, ...]:
    """What the cell changed of its environment, sorted."""
    return tuple(sorted(path.replace(os.sep, "/") for path, _ in _files(layer)))


def snapshot(environment: Path) -> Snapshot:
    """All files of the environment."""
    found = {}
    for path, entry in _files(environment):
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
