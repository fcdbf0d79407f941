"""Finds and reads a project's files, each by the format that its name says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from packaging.pylock import PylockValidationError, is_valid_pylock_path

from compatmatrix.core.errors import UserError
from compatmatrix.core.sanitize import line
from compatmatrix.core.untrusted_files import opened
from compatmatrix.projects import lock_files, pyproject, requirement_files
from compatmatrix.projects.entries import NotReadable, ProjectFile

MOST = 16_000_000
"""Longest file that is read, in bytes; a uv.lock of 300 packages has under a million."""

_NAMED: Mapping[str, Callable[[str, str], ProjectFile]] = {
    "uv.lock": lock_files.uv,
    "poetry.lock": lock_files.poetry,
    "pyproject.toml": pyproject.read,
}


def found(folder: Path) -> list[Path]:
    """What says most exactly what a project has: its lock files, else its requirements.txt, else its pyproject.toml."""
    locks = [folder / "uv.lock", *sorted(folder.glob("pylock*.toml")), folder / "poetry.lock"]
    for files in (locks, [folder / "requirements.txt"], [folder / "pyproject.toml"]):
        if there := [file for file in files if file.is_file() and _reader(file)]:
            return there
    return []


def read(path: Path) -> ProjectFile:
    """Read one file.

    Raises:
        UserError: there is no such file, or its name says no format.
        NotReadable: it is not what its name says, too long, or no regular file.
    """
    reader = _reader(path)
    if reader is None:
        raise UserError(
            f"{path}: no format is known by this name; give a uv.lock, pylock.toml, poetry.lock, pyproject.toml "
            "or a requirements file (*.txt, *.in)"
        )
    if not path.is_symlink() and not path.exists():
        raise UserError(f"{path}: there is no such file")
    if reader is requirement_files.read:
        return requirement_files.read(path, content)
    try:
        text = content(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotReadable(f"{path}: is not text in UTF-8") from None
    try:
        return reader(str(path), text)
    except RecursionError:
        raise NotReadable(f"{path}: is nested too deeply") from None
    except (ValueError, PylockValidationError) as error:
        raise NotReadable(f"{path}: is no {path.name} that can be read: {line(error, 120)}") from None


def content(path: Path) -> bytes:
    """The bytes of a regular file.

    Raises:
        NotReadable: there is none, it is something else, or it is longer than `MOST`.
    """
    try:
        if path.is_symlink():
            raise NotReadable(f"{path}: is a link; name the file that it stands for")
        with opened(path) as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror or 'is not a regular file'}") from None
    except ValueError:  # a null character
        raise NotReadable(f"{path}: is no name of a file") from None
    if len(data) > MOST:
        raise NotReadable(f"{path}: is longer than {MOST // 1_000_000} MB")
    return data


def _reader(path: Path) -> Callable[..., ProjectFile] | None:
    if path.name in _NAMED:
        return _NAMED[path.name]
    if is_valid_pylock_path(path):
        return lock_files.pylock
    return requirement_files.read if path.suffix in (".txt", ".in") else None
