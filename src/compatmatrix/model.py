"""The words of the project as types: what every other room speaks in.

Frozen data and the few laws that belong to it (identities, spellings); no I/O. The spellings of outcomes
and cell states are a contract with everybody who reads the published files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import msgspec
from packaging.version import Version

SCHEMA = 1
"""Version of the stored record and of compatibility.json; raised when a reader of the old one would misread."""


class OutcomeState(str, Enum):
    """What a probe found in a cell."""

    SUPPORTED = "supported"
    RAISES = "raises"
    NO_EFFECT = "no-effect"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not-run"

    @property
    def negative(self) -> bool:
        """Whether it speaks against the capability, and so needs a control that works to mean anything."""
        return self in (OutcomeState.RAISES, OutcomeState.NO_EFFECT)


class CellState(str, Enum):
    """How far a cell got. Any state but ``ran`` says nothing about a capability."""

    RAN = "ran"
    UNRESOLVABLE = "unresolvable"
    NO_PYTHON = "no-python"
    INSTALL_FAILED = "install-failed"
    IMPORT_FAILS = "import-fails"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


class Trouble(Exception):
    """Something of ours failed (network, disk, time): never a statement about the subject, never a record."""


class UserError(Exception):
    """The arguments or matrix.toml are wrong; the message names the thing, what is wrong and what to do."""


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Release(_Frozen, frozen=True, kw_only=True):
    """One published version of a package.

    ``released`` is the upload time (UTC, ISO 8601) of its first file; ``wheels`` are the file names from which
    wheel tags are read (empty where only the fact of the release is kept).
    """

    version: str
    released: str
    requires_python: str | None = None
    yanked: bool = False
    prerelease: bool = False
    wheels: tuple[str, ...] = ()

    @property
    def uploaded(self) -> datetime:
        return parse_instant(self.released)


class Pin(_Frozen, frozen=True, kw_only=True):
    """One package of a lock: exact version and the SHA-256 of every wheel of it that fits the cell."""

    name: str
    version: str
    sha256: tuple[str, ...]

    def __str__(self) -> str:
        """The line of a requirements file (pip's hash-checking mode)."""
        return f"{self.name}=={self.version} " + " ".join(f"--hash=sha256:{digest}" for digest in self.sha256)


Lock = tuple[Pin, ...]


class Wanted(_Frozen, frozen=True, kw_only=True):
    """A cell that is wanted, before it is known what it holds.

    ``pythons`` are the candidates in order of preference; ``bound`` leaves out what was uploaded after it;
    ``companions`` are explicit companion versions (a grid pair); ``lowest`` takes the oldest version of the
    requirements named there. ``probes`` maps the probes to run to the digest of their source. ``refused`` says
    why no Python of the configuration can hold the cell.
    """

    subject: str
    pairing: str
    platform: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...]
    bound: str | None = None
    companions: Mapping[str, str] = {}
    lowest: tuple[str, ...] = ()
    probes: Mapping[str, str] = {}
    refused: str | None = None

    @property
    def title(self) -> str:
        explicit = "".join(f" {name} {version}" for name, version in self.companions.items())
        return f"{self.subject} {self.pairing}{explicit}"

    def request_id(self) -> str:
        """Identity of the question put to the resolver; the probes are no part of it."""
        return digest([self.platform, self.pythons, self.requirements, self.bound, self.lowest])


class Cell(_Frozen, frozen=True, kw_only=True):
    """One (Python X.Y, platform, lock): the unit that is installed and run."""

    subject: str
    python: str
    platform: str
    lock: Lock
    versions: Mapping[str, str]

    def id(self) -> str:
        return digest([self.python, self.platform, [str(pin) for pin in self.lock]])


class Outcome(_Frozen, frozen=True, kw_only=True):
    """What one probe found in one cell.

    ``where`` is the innermost frame in the subject or a companion (``path:line in function``, path relative to
    site-packages); ``signature`` stays the same across releases and machines; ``evidence`` names the stored
    traceback; ``recipe`` the script that ran.
    """

    state: OutcomeState
    exception: str | None = None
    message: str | None = None
    where: str | None = None
    signature: str | None = None
    value: float | str | None = None
    note: str | None = None
    recipe: str | None = None
    evidence: str | None = None


class Record(_Frozen, frozen=True, kw_only=True):
    """The stored, immutable result of one cell.

    ``pairings`` maps each label to the instants at which the pairing was found to mean this cell; ``probes``
    maps each probe that was put to the digest of its source, so that a changed question never meets an old
    answer; ``lock`` holds requirement lines with hashes.
    """

    schema: Annotated[int, msgspec.Meta(ge=1)] = SCHEMA
    key: str
    cell: str
    subject: str
    python: str
    platform: str
    versions: Mapping[str, str]
    pairings: Mapping[str, tuple[str, ...]]
    state: CellState
    detail: str = ""
    lock: tuple[str, ...] = ()
    probes: Mapping[str, str] = {}
    outcomes: Mapping[str, Outcome] = {}
    recorded: str


class Probe(_Frozen, frozen=True, kw_only=True):
    """One question, as the files in ``probes/`` put it; ``digest`` covers all source that decides the answer.

    ``source`` is the function's text, ``recipes`` maps the scripts that it may run (file name) to their text.
    """

    id: str
    title: str
    question: str
    group: str
    file: str
    digest: str
    control: bool = False
    links: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    advice: str = ""
    source: str = ""
    recipes: Mapping[str, str] = {}


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: equal data, equal bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: Any) -> str:
    """Short content address (64 bits of SHA-256) of JSON-like data."""
    return hashlib.sha256(canonical(value)).hexdigest()[:16]


def record_key(cell: str, probes: Mapping[str, str]) -> str:
    """Key of a record: lock, Python and platform (all in the cell's identity) and the probes' source."""
    return digest([cell, dict(probes)])


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """UTC, whole seconds: ``2026-11-24T06:40:00Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def by_version(versions: Iterable[str]) -> list[str]:
    """Versions in the order of PEP 440, oldest first."""
    return sorted(versions, key=Version)
