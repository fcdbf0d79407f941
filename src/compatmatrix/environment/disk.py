"""Keeps what the engine has on disk within a bound: the package cache gives way first, and what is large in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from compatmatrix.core import untrusted_files
from compatmatrix.core.model import InfrastructureError
from compatmatrix.environment.bytecode import FOLDER as BYTE_CODE
from compatmatrix.resolve import uv


def used(folder: Path) -> int:
    """Bytes of all files below the folder, each once however many names it has; what vanishes meanwhile is not there."""
    seen: set[tuple[int, int]] = set()
    total = 0
    with suppress(OSError):
        for _, status in untrusted_files.files(folder):
            if status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            total += status.st_size
    return total


def keep_within(folder: Path, limit: int, packages: Sequence[str], say: Callable[[str], None]) -> None:
    """Bring the folder under ``limit`` bytes: byte code goes first, then the named packages, then all of the cache.

    What an environment holds stays there; only a later cell has to fetch again what it needs.
    """
    if used(folder) <= limit:
        return
    with suppress(InfrastructureError):  # somebody may be writing to it
        untrusted_files.remove(folder / BYTE_CODE)
    for names in (list(packages), []):
        before = used(folder)
        if before <= limit:
            return
        try:
            uv.run(["cache", "clean", *names])
        except (uv.Refused, InfrastructureError) as error:
            say(f"the package cache could not be pruned: {str(error)[:200]}")
            return
        say(f"package cache pruned: {before / 1e9:.1f} GB before, {used(folder) / 1e9:.1f} GB after")
