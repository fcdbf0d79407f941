"""Reads, lists and removes what a cell could have written.

That can be anything: links, FIFOs, sockets and devices in the place of files, files without an end, folders nested
deeper than a path can name, names that are no text. Nothing here follows a link, waits for what it opens, or takes in
more than it is told to.
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
"""Folders in folders that are looked into: no package nests deeper, and a path has an end."""

_UNKNOWN = os.stat_result((0,) * 10)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open for reading.

    Raises:
        OSError: there is none, or it is something else.
    """
    with open(path, "rb", opener=_opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no regular file")
        yield file


def _opener(path: str, flags: int) -> int:
    # Opened without O_NONBLOCK, a FIFO waits until somebody writes to it. Windows has neither flag nor FIFO.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def read(path: Path, most: int) -> bytes:
    """The content of a regular file; nothing where there is none, or where it is longer than ``most`` bytes."""
    try:
        with opened(path) as file:
            content = file.read(most + 1)
    except OSError:
        return b""
    return content if len(content) <= most else b""


def files(folder: Path, most: int = sys.maxsize) -> Iterator[tuple[str, os.stat_result]]:
    """What is below a folder and is no folder: its path from there, and its status.

    A folder that lies deeper than `DEPTH`, that cannot be listed, or that is not listed to its end because ``most``
    entries have been looked at, is an entry itself. What vanishes meanwhile is none.

    Raises:
        OSError: there is no such folder, or something else in its place, be it a link to one.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise NotADirectoryError(f"{folder} is no folder")
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
    """A new folder, below ``root`` or where the system has such folders; removed afterwards whatever is in it by then.

    Raises:
        InfrastructureError: it cannot be made, or cannot be removed.
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
    """Remove what has this path, if anything has: a folder with all that is below it.

    Raises:
        InfrastructureError: something of it cannot be removed; what can be is gone.
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
        _Removal(top).all()
    finally:
        os.close(top)
    path.rmdir()


_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


class _Removal:
    """Empties one folder, which is open as ``top``.

    Each folder's own folders are moved to the top before it is removed itself, so that no depth is too much: not for
    the stack, nor for the number of open files, nor for the length of a path.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        mark = secrets.token_hex(8)
        self._names = (f"{mark}-{number}" for number in itertools.count())

    def all(self) -> None:
        """Pass by pass, as long as one gets anywhere: with every file that goes there is room for a folder that comes."""
        while True:
            gone, failure = False, None
            with os.scandir(self._top) as entries:
                for entry in entries:
                    try:
                        self._one(entry)
                        gone = True
                    except OSError as error:
                        failure = error
            if gone:
                continue
            if failure:
                raise failure
            return

    def _one(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=self._top)
            return
        _unlock(entry.name, self._top)
        folder = os.open(entry.name, _FOLDER, dir_fd=self._top)
        try:
            while self._emptied(folder):
                pass
        finally:
            os.close(folder)
        os.rmdir(entry.name, dir_fd=self._top)

    def _emptied(self, folder: int) -> bool:
        """Whether there was anything in it."""
        found = False
        with os.scandir(folder) as entries:
            for entry in entries:
                found = True
                if entry.is_dir(follow_symlinks=False):
                    _unlock(entry.name, folder)
                    os.rename(entry.name, next(self._names), src_dir_fd=folder, dst_dir_fd=self._top)
                else:
                    os.unlink(entry.name, dir_fd=folder)
        return found


def _unlock(name: str, parent: int | None) -> None:
    """A folder of ours whose mode keeps us out of it lets us in again."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IMODE(mode) | stat.S_IRWXU, dir_fd=parent)
