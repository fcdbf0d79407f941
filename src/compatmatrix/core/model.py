"""The project's terms as types: frozen data and the identities that belong to it, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.core.encoding import digest, parse_instant
from compatmatrix.core.pairings import Over, named
from compatmatrix.core.states import CellState, OutcomeState


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Release(_Frozen, frozen=True, kw_only=True):
    """One published version of a package.

    Attributes:
        released: upload time (UTC, ISO 8601) of its first file; None where the index says none.
        wheels: file names of its wheels, for their tags; not stored in the ledger.
    """

    version: str
    released: str | None = None
    requires_python: str | None = None
    yanked: bool = False
    prerelease: bool = False
    wheels: tuple[str, ...] = ()

    @property
    def uploaded(self) -> datetime | None:
        return parse_instant(self.released) if self.released else None

    @property
    def day(self) -> str:
        """The day (UTC) of its upload, empty where the index says none."""
        return (self.released or "")[:10]

    @property
    def stable(self) -> bool:
        """Whether a plain install may choose it: neither a pre-release nor yanked."""
        return not self.prerelease and not self.yanked


class Pin(_Frozen, frozen=True, kw_only=True):
    """One package of a lock: exact version, and the SHA-256 of each of its wheels that uv locked."""

    name: str
    version: str
    sha256: tuple[str, ...]

    def __str__(self) -> str:
        """The line of a requirements file (pip's hash-checking mode)."""
        return f"{self.name}=={self.version} " + " ".join(f"--hash=sha256:{sha256}" for sha256 in self.sha256)


Lock = tuple[Pin, ...]


class Source(_Frozen, frozen=True, kw_only=True):
    """Origin of a package that is not a release on the index; contains nothing that depends on the machine.

    Attributes:
        origin: address of the repository or index; empty for a folder or file on a machine.
        reference: what was requested there: a branch, a tag, ``nightly``, ``wheel``, ``checkout``.
        commit: the commit that it was built from, ``parent`` its first parent, ``committed`` its instant.
        content: digest of the source where there is no commit.
        version: the version in the wheel's metadata.
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
    def name(self) -> tuple[str, str, str]:
        """The source as it was asked for, whatever commit it is today."""
        return (self.package, self.origin, self.reference)

    @property
    def identity(self) -> str:
        """The commit or digest that identifies the source; the bytes of a wheel differ from build to build."""
        return self.commit or self.content

    @property
    def short(self) -> str:
        return self.identity[:12]

    @property
    def row(self) -> str:
        """The subject's version in records and reports: the built one and the commit as a local version (PEP 440)."""
        base, _, local = (self.version or "0").partition("+")
        return f"{base}+{f'{local}.' if local else ''}{'g' if self.commit else 'w'}{self.short}"

    @property
    def file(self) -> str:
        """Name (without suffix) of its file of records in the ledger."""
        return f"{'git' if self.commit else 'wheel'}-{self.short}" if self.identity else f"nightly-{self.package}"


class CellRequest(_Frozen, frozen=True, kw_only=True):
    """A cell that is asked for, before it is resolved.

    Attributes:
        pythons: candidates (X.Y) in order of preference; of a pairing over Pythons, the one that is asked about.
        bound: instant; files uploaded after it are left out.
        companions: explicit versions of companions (a grid pair).
        lowest: the requirements of which the oldest version is taken.
        probes: the probes to run, with the digests of their code.
        refused: why no Python of the configuration can hold the cell, where that is so.
        source: set where the subject or a companion is not a release on the index.
        wheel: address of the wheel that was built of the subject's source.
        nightly: companions that come as nightly builds, with the index of these.
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
        return f"{self.subject} {self.pairing}{f' {self.python}' if self.python else ''}{explicit}"

    @property
    def python(self) -> str:
        """The Python (X.Y) that is asked about; empty where any of the candidates will do."""
        return self.pythons[0] if named(self.pairing).over is Over.PYTHON else ""

    def request_id(self) -> str:
        """Digest of everything that decides the lock; the probes do not."""
        content: list[object] = [self.platform, self.pythons, self.requirements, self.bound, self.lowest]
        if self.source:
            content += [self.source.reference, self.source.identity, self.nightly]
        return digest(content)


class Cell(_Frozen, frozen=True, kw_only=True):
    """One (Python X.Y, platform, lock): the unit that is installed and run.

    Attributes:
        versions: of the subject, its companions, and what is only reported.
        named: the subject's name, then the companions' in the order of matrix.toml, which a stored mapping loses.
        source: as in the request; its commit, not the wheel's bytes, identifies the cell.
        wheel, indexes: addresses of the wheel built of the source, and of indexes with companions; not recorded.
    """

    subject: str
    python: str
    platform: str
    lock: Lock
    versions: Mapping[str, str]
    named: tuple[str, ...]
    source: Source | None = None
    wheel: str = ""
    indexes: tuple[str, ...] = ()

    def id(self) -> str:
        """Digest that identifies the cell on every machine."""
        if self.source is None:
            return digest([self.python, self.platform, [*map(str, self.lock)]])
        built = f"{canonicalize_name(self.source.package)} {self.source.identity}"
        pins = [built if self._is_built(pin) else str(pin) for pin in self.lock]
        parts = [part for part in (self.source.package, self.source.reference, self.source.origin) if part]
        return digest([self.python, self.platform, pins, parts])

    def listed(self) -> tuple[str, ...]:
        """The lock as it is recorded: lines of a requirements file, the same on every machine."""
        return tuple(self._from_source() if self._is_built(pin) else str(pin) for pin in self.lock)

    def installed(self) -> tuple[str, ...]:
        """The lock as it is installed on this machine."""
        address = self.wheel.partition("#")[0]
        return tuple(
            f"{pin.name} @ {address} --hash=sha256:{pin.sha256[0]}" if self._is_built(pin) else str(pin)
            for pin in self.lock
        )

    def _is_built(self, pin: Pin) -> bool:
        return bool(self.wheel) and self.source is not None and pin.name == canonicalize_name(self.source.package)

    def _from_source(self) -> str:
        assert self.source is not None
        if self.source.commit and self.source.origin:
            return f"{self.source.package} @ git+{self.source.origin}@{self.source.commit}"
        what = "commit" if self.source.commit else "content"
        return f"# {self.source.package} from a source on the machine that ran it, {what} {self.source.identity}"


class Outcome(_Frozen, frozen=True, kw_only=True):
    """Result of one probe in one cell.

    Attributes:
        where: the innermost frame in the subject or a companion (``path:line in function``, path relative to
            site-packages).
        signature: of the exception; the same across releases and machines (see `sanitize.signature`).
        evidence: name of the stored traceback.
        recipe: the script that ran.
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

    ``pairings`` maps each label to the instants at which the pairing was found to mean this cell; ``probes`` maps each
    probe that was put to the digest of its source, so that a changed question never meets an old answer; ``environment``
    has the variables of ``[environment]``; ``answered`` has probes that were answered before ``recorded``, by instant;
    ``lock`` holds requirement lines with hashes; ``source`` says what was not released; ``network`` whether the cell could
    reach one; ``tampering`` (stored as ``oddities``) what it did to its environment or the test tools.
    """

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
    environment: Mapping[str, str] = {}
    outcomes: Mapping[str, Outcome] = {}
    recorded: str
    answered: Mapping[str, tuple[str, ...]] = {}
    source: Source | None = None
    network: bool | None = None
    tampering: tuple[str, ...] = msgspec.field(default=(), name="oddities")

    def answered_at(self, probe: str) -> str:
        return next((instant for instant, probes in self.answered.items() if probe in probes), self.recorded)


class Probe(_Frozen, frozen=True, kw_only=True):
    """One probe, as read from the files in ``probes/``.

    Attributes:
        digest: covers all code that decides the answer.
        control: whether its answer decides if the others of a cell mean anything.
        needs: ids of the probes that must be supported for its answer to mean anything.
        source: the function's text.
        recipes: the scripts that it may run: file name and text.
        test: pytest's name of one case of a function with parameters.
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
    test: str = ""

    @property
    def node(self) -> str:
        """pytest's name of the test."""
        return self.test or f"test_{self.id.replace('-', '_')}"


def record_key(cell: str, probes: Mapping[str, str]) -> str:
    """Key of a record: the cell's id (lock, Python, platform) and the digests of the probes' code."""
    return digest([cell, dict(probes)])
