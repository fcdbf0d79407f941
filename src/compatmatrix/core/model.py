"""The words of the project as types: what every other room speaks in.

Frozen data and the few laws that belong to it (identities); no I/O. The spellings of outcomes and
cell states are a contract with everybody who reads the published files.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.core.encoding import digest, parse_instant

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


class InfrastructureError(Exception):
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


class Source(_Frozen, frozen=True, kw_only=True):
    """Where a package came from that is no release on the index; nothing in it tells of the machine.

    ``origin`` is the address of the repository or index, empty for what lies on a machine; ``reference`` what was
    asked for there (a branch, a tag, ``nightly``, ``wheel``, ``checkout``). A commit identifies what was built from it
    (``parent`` is its first parent); what no commit says is identified by the digest ``content``. ``version`` is what
    the wheel calls itself.
    """

    package: str
    origin: str = ""
    reference: str
    commit: str = ""
    parent: str = ""
    committed: str = ""
    content: str = ""
    version: str = ""
    built: bool = False

    @property
    def identity(self) -> str:
        """What makes two sources the same: not the bytes of a wheel, which differ from build to build."""
        return self.commit or self.content

    @property
    def short(self) -> str:
        return self.identity[:12]

    @property
    def row(self) -> str:
        """The version that the subject counts as: the built one and the commit, as PEP 440 writes a local version."""
        base, _, local = (self.version or "0").partition("+")
        return f"{base}+{f'{local}.' if local else ''}{'g' if self.commit else 'w'}{self.short}"

    @property
    def file(self) -> str:
        """Name of the file of records that it has in the ledger."""
        return (
            f"git-{self.short}" if self.commit else f"wheel-{self.short}" if self.content else f"nightly-{self.package}"
        )


class CellRequest(_Frozen, frozen=True, kw_only=True):
    """A cell that is wanted, before it is known what it holds.

    ``pythons`` are the candidates in order of preference; ``bound`` leaves out what was uploaded after it;
    ``companions`` are explicit companion versions (a grid pair); ``lowest`` takes the oldest version of the
    requirements named there. ``probes`` maps the probes to run to the digest of their source. ``refused`` says
    why no Python of the configuration can hold the cell.

    ``source`` is set where not everything is a release on the index: the subject, whose wheel is at ``wheel`` then, or
    companions, which ``nightly`` maps to the index of their nightly builds.
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
    source: Source | None = None
    wheel: str = ""
    nightly: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        explicit = "".join(f" {name} {version}" for name, version in self.companions.items())
        return f"{self.subject} {self.pairing}{explicit}"

    def request_id(self) -> str:
        """Identity of the question put to the resolver; the probes are no part of it."""
        asked: list[object] = [self.platform, self.pythons, self.requirements, self.bound, self.lowest]
        if self.source:
            asked += [self.source.reference, self.source.identity, self.nightly]
        return digest(asked)


class Cell(_Frozen, frozen=True, kw_only=True):
    """One (Python X.Y, platform, lock): the unit that is installed and run.

    ``versions`` are those of the subject and its companions; ``companions`` names the companions among them, the
    heaviest first, for a mapping that was read from a file has lost its order.

    Where the subject is built from a ``source``, its wheel lies at ``wheel`` and the cell is identified by the commit
    instead of that wheel's bytes; ``indexes`` are further ones that hold companions. Neither place is recorded.
    """

    subject: str
    python: str
    platform: str
    lock: Lock
    versions: Mapping[str, str]
    companions: tuple[str, ...]
    source: Source | None = None
    wheel: str = ""
    indexes: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """The names in ``versions``: the subject's, then the companions'."""
        return (*(name for name in self.versions if name not in self.companions), *self.companions)

    def id(self) -> str:
        told: list[object] = [self.python, self.platform, [self._identity(pin) for pin in self.lock]]
        if self.source:
            told.append([self.source.package, self.source.reference])
        return digest(told)

    def listed(self) -> tuple[str, ...]:
        """The lock as it is recorded: lines of a requirements file, the same on every machine."""
        return tuple(self._from_source() if self._is_built(pin) else str(pin) for pin in self.lock)

    def installed(self) -> tuple[str, ...]:
        """The lock as it is installed here."""
        return tuple(
            f"{pin.name} @ {self.wheel.partition('#')[0]} --hash=sha256:{pin.sha256[0]}"
            if self._is_built(pin)
            else str(pin)
            for pin in self.lock
        )

    def _is_built(self, pin: Pin) -> bool:
        return bool(self.wheel) and self.source is not None and pin.name == canonicalize_name(self.source.package)

    def _identity(self, pin: Pin) -> str:
        return f"{pin.name} {self.source.identity}" if self.source and self._is_built(pin) else str(pin)

    def _from_source(self) -> str:
        assert self.source is not None
        if self.source.commit and self.source.origin:
            return f"{self.source.package} @ git+{self.source.origin}@{self.source.commit}"
        what = "commit" if self.source.commit else "content"
        return f"# {self.source.package} from a source on the machine that ran it, {what} {self.source.identity}"


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
    answer; ``lock`` holds requirement lines with hashes. ``source`` says what in it was not released. ``network`` is
    whether the cell could reach a network, where that is known; ``tampering`` is what it did to its environment or to
    the test tools (stored as ``oddities``).
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
    source: Source | None = None
    network: bool | None = None
    tampering: tuple[str, ...] = msgspec.field(default=(), name="oddities")


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


def record_key(cell: str, probes: Mapping[str, str]) -> str:
    """Key of a record: lock, Python and platform (all in the cell's identity) and the probes' source."""
    return digest([cell, dict(probes)])
