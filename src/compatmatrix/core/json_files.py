"""Files that one job of a run writes and another reads: JSON that says what form it has, or word of what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import InfrastructureError, UserError


class Handed(Protocol):
    """What is handed over; its schema is raised when a reader of the old one would misread."""

    @property
    def schema(self) -> int: ...


_Handed = TypeVar("_Handed", bound=Handed)


def read(path: Path, kind: type[_Handed], schema: int, writer: str) -> _Handed:
    """Raises UserError where there is none, it cannot be read or has another schema; ``writer`` is what makes one."""
    name = kind.__name__.lower()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise UserError(f"{path}: no {name} can be read ({str(error)[:200]}); `{writer}` writes one") from None
    if found.schema != schema:
        raise UserError(f"{path}: a {name} of schema {found.schema}; this version reads {schema}")
    return found


def save(handed: Handed, path: Path) -> None:
    """Raises InfrastructureError where the disk does not take it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(canonical(handed) + b"\n")
    except OSError as error:
        raise InfrastructureError(
            f"the {type(handed).__name__.lower()} cannot be written to {path}: {error.strerror}"
        ) from None
