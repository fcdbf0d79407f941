"""Reads, lists and removes files that a cell could have written.

They can be links, FIFOs, sockets, devices, files without an end, folders nested deeper than a path can name, names that
are not text. The functions follow no link, do not block on opening, and read no more than their limits.
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
"""How deep nested folders are listed: packages nest less deep, and the length of a path is limited."""

_UNKNOWN = os.stat_result((0,) * 10)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open for reading.

    Raises:
        OSError: there is none, or it is not a regular file.
    """
    with open(path, "rb", opener=_opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no regular file")
        yield file


def _opener(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO blocks until it has a writer. Windows has neither flag nor FIFO.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def read(path: Path, most: int) -> bytes:
    """The content of a regular file; empty where there is none, or where it is longer than ``most`` bytes."""
    try:
        with opened(path) as file:
            content = file.read(most + 1)
    except OSError:
        return b""
    return content if len(content) <= most else b""


def files(folder: Path, most: int = sys.maxsize) -> Iterator[tuple[str, os.stat_result]]:
    """List everything below a folder that is not a folder: its path from there, and its status.

    A folder that lies deeper than `DEPTH`, that cannot be listed, or that is not listed completely because of ``most``,
    is itself in the list. Entries that vanish meanwhile are left out.

    Args:
        most: how many entries are looked at.

    Raises:
        OSError: there is no such folder, or it is something else, such as a link to a folder.
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
    """A new folder, removed at the end with everything in it.

    Args:
        root: the folder that it is made in; by default the system's for temporary files.

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
    """Remove a file, a link, or a folder with everything below it; does nothing where there is none.

    Raises:
        InfrastructureError: a part cannot be removed; the others are removed.
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


def _empty(top: int) -> None:
    """Remove everything below an open folder.

    The folders in a folder are moved to the top before it is removed, so that neither the stack, nor the number of open
    files, nor the length of a path limits the depth. Repeated until nothing changes: removed files make room for moves.
    """
    mark = secrets.token_hex(8)
    names = (f"{mark}-{number}" for number in itertools.count())
    entries: list[tuple[bool, str]] | None = None
    failure: OSError | None = None
    while (remaining := _entries(top)) != entries:
        entries, failure = remaining, None
        for is_folder, name in entries:
            try:
                if is_folder:
                    _flatten(name, top, names)
                    os.rmdir(name, dir_fd=top)
                else:
                    os.unlink(name, dir_fd=top)
            except OSError as error:
                failure = error
    if failure:
        raise failure


def _flatten(name: str, top: int, names: Iterator[str]) -> None:
    """Remove the files of a folder in ``top``, and move its folders to ``top``."""
    _unlock(name, top)
    folder = os.open(name, _FOLDER, dir_fd=top)
    try:
        for is_folder, inner in _entries(folder):
            if is_folder:
                _unlock(inner, folder)
                os.rename(inner, next(names), src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)


def _entries(folder: int) -> list[tuple[bool, str]]:
    """For each entry of an open folder: whether it is a folder, and its name. Files come first."""
    with os.scandir(folder) as entries:
        return sorted((entry.is_dir(follow_symlinks=False), entry.name) for entry in entries)


def _unlock(name: str, parent: int | None) -> None:
    """Give the owner all rights to a folder."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IMODE(mode) | stat.S_IRWXU, dir_fd=parent)
