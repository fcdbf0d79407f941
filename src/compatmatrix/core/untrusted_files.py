"""Reads, lists and removes files that a cell could have written.

They can be anything: links, FIFOs, sockets and devices in the place of files, files without an end, folders nested
deeper than a path can name, names that are not text. Nothing here follows a link, blocks when it opens a file, or reads
more than its caller allows.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from compatmatrix.core.errors import InfrastructureError

DEPTH = 64
"""How deep folders are listed: no package nests deeper, and the length of a path is limited."""

_UNKNOWN = os.stat_result((0,) * 10)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading.

    Raises:
        OSError: The file does not exist, or is not a regular file.
    """
    with open(path, "rb", opener=_opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a regular file")
        yield file


def _opener(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO blocks until another process writes to it. Windows has neither flag nor FIFO.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def read(path: Path, most: int) -> bytes:
    """The content of a regular file; empty if there is none, or if it is longer than ``most`` bytes."""
    try:
        with opened(path) as file:
            content = file.read(most + 1)
    except OSError:
        return b""
    return content if len(content) <= most else b""


def files(folder: Path, most: int = sys.maxsize) -> Iterator[tuple[str, os.stat_result]]:
    """List everything below a folder that is not a folder: the relative path and the status.

    A folder that is deeper than `DEPTH`, that cannot be listed, or whose listing was cut off after ``most`` entries in
    all, is listed itself. Entries that vanish meanwhile are left out.

    Raises:
        OSError: ``folder`` does not exist, or is not a folder; a link to one is not.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    return _below(os.fspath(folder), "", DEPTH, iter(range(most)))


def _below(root: str, folder: str, depth: int, left: Iterator[int]) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            if next(left, None) is None:
                yield folder or ".", _UNKNOWN
                return
            path = os.path.join(folder, entry.name)
            if depth and entry.is_dir(follow_symlinks=False):
                try:
                    yield from _below(root, path, depth - 1, left)
                    continue
                except OSError:
                    pass
            try:
                yield path, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:  # a path that is too long
                yield path, _UNKNOWN


@contextmanager
def temporary(root: Path | None = None, prefix: str = "compatmatrix-") -> Iterator[Path]:
    """Make a temporary folder, below ``root`` or in the system's place, and remove it with all its content afterwards.

    Raises:
        InfrastructureError: The folder cannot be made or removed.
    """
    try:
        folder = Path(tempfile.mkdtemp(dir=root, prefix=prefix))
    except OSError as error:
        raise InfrastructureError(f"no temporary folder can be made: {error}") from None
    try:
        yield folder
    finally:
        remove(folder)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all its content; nothing happens if the path does not exist.

    Raises:
        InfrastructureError: A part cannot be removed; the rest is removed all the same.
    """
    try:
        _remove(path)
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be removed ({error.strerror}): remove it, and run it again") from None


def _remove(path: Path) -> None:
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            path.unlink()
            return
    except FileNotFoundError:
        return
    if os.rename not in os.supports_dir_fd:  # Windows
        shutil.rmtree(path)
        return
    _unlock(os.fspath(path), None)
    top = os.open(path, _FOLDER)
    try:
        _empty(top)
    finally:
        os.close(top)
    path.rmdir()


_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_BATCH = 1000


def _empty(top: int) -> None:
    """Empty an open folder; what cannot be removed does not stop the rest.

    The folders in a folder are moved to ``top`` before it is removed itself. So no depth is too much for the stack, for
    the number of open files, or for the length of a path.
    """
    mark = secrets.token_hex(8)
    names = (f"{mark}-{number}" for number in itertools.count())
    failure: OSError | None = None
    progress = True
    while progress:  # every file that is removed makes room for a folder that is moved
        progress, failure = False, None
        with os.scandir(top) as entries:
            for entry in entries:
                try:
                    _remove_entry(entry, top, names)
                    progress = True
                except OSError as error:
                    failure = error
    if failure:
        raise failure


def _remove_entry(entry: os.DirEntry[str], top: int, names: Iterator[str]) -> None:
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.name, dir_fd=top)
        return
    _unlock(entry.name, top)
    folder = os.open(entry.name, _FOLDER, dir_fd=top)
    try:
        while batch := _batch(folder):
            for inner in batch:
                if inner.is_dir(follow_symlinks=False):
                    _unlock(inner.name, folder)
                    os.rename(inner.name, next(names), src_dir_fd=folder, dst_dir_fd=top)
                else:
                    os.unlink(inner.name, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(entry.name, dir_fd=top)


def _batch(folder: int) -> list[os.DirEntry[str]]:
    """Some entries of an open folder; an empty list where it is empty."""
    with os.scandir(folder) as entries:
        return list(itertools.islice(entries, _BATCH))


def _unlock(name: str, parent: int | None) -> None:
    """Give the owner of a folder all rights to it."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IMODE(mode) | stat.S_IRWXU, dir_fd=parent)
