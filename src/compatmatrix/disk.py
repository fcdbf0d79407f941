"""Keeps what the engine has on disk within a bound: the package cache gives way first, and what is large in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from compatmatrix import uv
from compatmatrix.bytecode import FOLDER as BYTE_CODE
from compatmatrix.model import Trouble


def used(folder: Path) -> int:
    """Bytes of all files below the folder, each once however many names it has; what vanishes meanwhile is not there."""
    seen: set[tuple[int, int]] = set()
    total = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        total += status.st_size
        except OSError:
            continue
    return total


def keep_within(folder: Path, limit: int, packages: Sequence[str], say: Callable[[str], None]) -> None:
    """Bring the folder under ``limit`` bytes: byte code goes first, then the named packages, then all of the cache.

    What an environment holds stays there; only a later cell has to fetch again what it needs.
    """
    if used(folder) <= limit:
        return
    shutil.rmtree(folder / BYTE_CODE, ignore_errors=True)
    for names in (list(packages), []):
        before = used(folder)
        if before <= limit:
            return
        try:
            uv.run(["cache", "clean", *names])
        except (uv.Refused, Trouble) as error:
            say(f"the package cache could not be pruned: {str(error)[:200]}")
            return
        say(f"package cache pruned: {before / 1e9:.1f} GB before, {used(folder) / 1e9:.1f} GB after")
