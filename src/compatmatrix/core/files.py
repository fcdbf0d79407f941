"""Files of the engine: the cache folder, folders claimed by one worker, files replaced as a whole, JSON files with a schema."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from filelock import FileLock, Timeout

from compatmatrix.core.encoding import canonical
from compatmatrix.core.errors import InfrastructureError, UserError

SCRATCH_PREFIX = "cell-"
"""Prefix of the folders that cells write to; identifies what an interrupted run left behind."""

MAX_CLAIMS = 256
"""Folders below one root that can be claimed at a time."""


def cache_folder() -> Path:
    """``COMPATMATRIX_CACHE``, else the platform's folder for caches (XDG on Linux).

    It holds what can be made again: lists of releases, locks, interpreters, environments.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("COMPATMATRIX_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("compatmatrix")


def replace(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part.

    Args:
        durable: flush the content to the disk first, so that it survives a power failure; not needed for what can be
            made again.

    Raises:
        OSError: the disk does not take it; the old content is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


@contextmanager
def claimed_folder(root: Path) -> Iterator[Path]:
    """A folder below ``root`` that no other worker, of this run or another, uses meanwhile; its content is kept.

    Raises:
        InfrastructureError: all are in use, or the disk does not take one.
    """
    for number in range(MAX_CLAIMS):
        guard = FileLock(root / f"{number}.lock", timeout=0)
        folder = root / str(number)
        try:
            root.mkdir(parents=True, exist_ok=True)
            guard.acquire()
            folder.mkdir(exist_ok=True)
        except Timeout:
            continue
        except OSError as error:
            guard.release()
            raise InfrastructureError(f"{root} cannot be written: {error.strerror}") from None
        try:
            yield folder
        finally:
            guard.release()
        return
    raise InfrastructureError(f"all folders below {root.name}/ are in use")


class HasSchema(Protocol):
    """Content of a JSON file that one job writes and another reads."""

    @property
    def schema(self) -> int:
        """Version of the format; raised when a reader of the old one would misread."""


_Content = TypeVar("_Content", bound=HasSchema)


def read_json(path: Path, kind: type[_Content], schema: int, writer: str) -> _Content:
    """Read a JSON file of a known schema.

    Args:
        writer: the command that writes such a file, for the message.

    Raises:
        UserError: the file cannot be read, is not of this kind, or has another schema.
    """
    name = kind.__name__.lower()
    try:
        content = msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: no {name} can be read ({str(error)[:200]}); `{writer}` writes one") from None
    if content.schema != schema:
        raise UserError(f"{path}: a {name} of schema {content.schema}; this version reads {schema}")
    return content


def write_json(content: HasSchema, path: Path) -> None:
    """Write a JSON file, keys sorted.

    Raises:
        InfrastructureError: the disk does not take it.
    """
    try:
        replace(path, canonical(content) + b"\n")
    except OSError as error:
        name = type(content).__name__.lower()
        raise InfrastructureError(f"the {name} cannot be written to {path}: {error.strerror}") from None
