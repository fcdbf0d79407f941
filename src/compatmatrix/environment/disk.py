"""Keeps the engine's cache folder within a size: byte code is removed first, then the largest packages, then the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from compatmatrix.core import untrusted_files
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.environment import bytecode
from compatmatrix.resolve import uv


def used(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several hard links counts once."""
    sizes: dict[object, int] = {}
    with suppress(OSError):
        for path, status in untrusted_files.files(folder):
            sizes[(status.st_dev, status.st_ino) if status.st_nlink > 1 else path] = status.st_size
    return sum(sizes.values())


def keep_within(folder: Path, limit: int, packages: Sequence[str], say: Callable[[str], None]) -> None:
    """Bring a cache folder under ``limit`` bytes, as far as possible; environments keep what they hold.

    Args:
        packages: Those that are removed from uv's cache before all others.
        say: Called with a message for the user.
    """
    if used(folder) <= limit:
        return
    with suppress(InfrastructureError):  # another thread may be writing to it
        untrusted_files.remove(folder / bytecode.FOLDER)
    for names in (packages, ()):
        before = used(folder)
        if before <= limit:
            return
        try:
            uv.run(["cache", "clean", *names])
        except (uv.Refused, InfrastructureError) as error:
            say(f"the package cache could not be pruned: {str(error)[:200]}")
            return
        say(f"package cache pruned: {before / 1e9:.1f} GB before, {used(folder) / 1e9:.1f} GB after")
