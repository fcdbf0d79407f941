"""The tables of matrix.toml as types."""

from __future__ import annotations

from typing import Annotated

import msgspec
from packaging.utils import canonicalize_name

from compatmatrix.core.pairings import NEWEST, RELEASE_DAY, named

Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Subject(_Table, frozen=True, kw_only=True):
    """The package whose releases are the rows.

    Attributes:
        releases: specifier (PEP 440) of the releases that are tested.
        import_: module of the probes' folder that imports what the probes need.
        headline: id of the probe that the verdict is about.
        control: id of the probe that must be supported for the others to mean anything.
        title: of the reports; ``question``, ``yes``, ``no`` are the headline's, ``issue`` its address.
    """

    name: str
    releases: str
    import_: str = msgspec.field(name="import")
    headline: str
    control: str
    title: str = ""
    question: str = ""
    yes: str = ""
    no: str = ""
    issue: str = ""

    @property
    def display_name(self) -> str:
        """The name as a reader sees it."""
        return self.title or self.name


class Companion(_Table, frozen=True, kw_only=True):
    """A package installed beside the subject whose version matters.

    Attributes:
        requirement: the name with extras, where it has some.
        follows: packages that are released with it, whose versions are shown too.
        oldest: whether the pairing `oldest` takes its oldest version.
    """

    name: str
    requirement: str = ""
    follows: tuple[str, ...] = ()
    oldest: bool = False

    def pinned(self, version: str | None = None) -> str:
        """The requirement on one version, or on any."""
        base = self.requirement or self.name
        return f"{base}=={version}" if version else base


class Grid(_Table, frozen=True, kw_only=True):
    """The pairing `grid`: every release of one companion that the specifier admits, with these probes."""

    companion: str
    releases: str = ""
    probes: tuple[str, ...] = ()


class Pairings(_Table, frozen=True, kw_only=True):
    """Pairings of a run that names none, and the content of the grid."""

    default: tuple[str, ...] = (RELEASE_DAY.name, NEWEST.name)
    grid: Grid | None = None


class Python(_Table, frozen=True, kw_only=True):
    """Pythons (X.Y) that a cell may have, in order of preference."""

    versions: tuple[str, ...]


class Limits(_Table, frozen=True, kw_only=True):
    """Limits of a cell: wall time in seconds, resident memory of all its processes in MB.

    ``disk_gb`` limits the engine's cache: packages, environments, lists, locks.
    """

    seconds: Positive = 180
    memory_mb: Positive = 4096
    disk_gb: float = 20


class Index(_Table, frozen=True, kw_only=True):
    """Addresses of the package indexes; the best version over all of them wins.

    ``only`` binds a package to one index, against other packages of its name elsewhere (dependency confusion).
    """

    url: str = "https://pypi.org/simple/"
    extra: tuple[str, ...] = ()
    only: dict[str, str] = {}

    def of(self, package: str) -> tuple[str, ...]:
        """Addresses of the indexes that the package may come from."""
        bound = {canonicalize_name(name): address for name, address in self.only.items()}
        name = canonicalize_name(package)
        return (bound[name],) if name in bound else (self.url, *self.extra)


class Watch(_Table, frozen=True, kw_only=True):
    """Unreleased versions: ``sources`` of the subject, and the index of a companion's ``nightly`` builds.

    ``version_file`` is the file in the subject's repository that holds its version.
    """

    sources: tuple[str, ...] = ()
    nightly: dict[str, str] = {}
    version_file: str = msgspec.field(name="version-file", default="")


class Publish(_Table, frozen=True, kw_only=True):
    """Settings of the reports.

    Attributes:
        recipes: ids of probes whose recipes are recommended, in order of preference.
        url: address of the published pages, empty where there is none; ``repository`` that of the project's files.
        schedule: a sentence on how often the matrix runs.
        control_failures: share of a run's cells in which the control may fail; above it, the run is not published.
        distribution: name of the distribution of the data; ``SUBJECT-compatibility`` if it is empty.
    """

    recipes: tuple[str, ...] = ()
    url: str = ""
    repository: str = ""
    schedule: str = ""
    distribution: str = ""
    control_failures: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class Config(_Table, frozen=True, kw_only=True):
    """All of matrix.toml, in the order of the file."""

    subject: Subject
    companions: tuple[Companion, ...] = msgspec.field(default=(), name="companion")
    pairings: Pairings = Pairings()
    python: Python
    platform: dict[str, str]
    tools: dict[str, str]
    limits: Limits = Limits()
    environment: dict[str, str] = {}
    index: Index = Index()
    groups: dict[str, str] = {}
    publish: Publish = Publish()
    watch: Watch = Watch()

    def pairing_title(self, name: str) -> str:
        """What a reader sees of a pairing: ``at release``, ``latest companion``."""
        return named(name).title(self._first_companion)

    def pairing_phrase(self, name: str) -> str:
        """The same as part of a sentence: ``at release``, ``with the latest companion``."""
        return named(name).phrase(self._first_companion)

    @property
    def _first_companion(self) -> str:
        return self.companions[0].name if self.companions else "companions"

    @property
    def named(self) -> tuple[str, ...]:
        """The packages whose versions are shown: the subject, then each companion and the packages that follow it."""
        names = [self.subject.name]
        for companion in self.companions:
            names += [companion.name, *companion.follows]
        return tuple(names)
