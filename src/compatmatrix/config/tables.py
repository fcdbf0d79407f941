"""The tables of matrix.toml as types. What a key means, and an example, stand with it: docs/matrix-toml.md is made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from packaging.utils import canonicalize_name

from compatmatrix.config.causes import Cause
from compatmatrix.config.defaults import PLATFORMS, TOOLS
from compatmatrix.core.pairings import NEWEST, RELEASE_DAY, named


def _key(meaning: str, example: Any) -> Meta:
    """What a key means, in sentences, and a value that it may have."""
    return Meta(description=meaning, examples=[example])


Positive = Annotated[int, Meta(ge=1)]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The package whose releases are the rows."""

    name: Annotated[str, _key("Its name on the index.", "fastapi")]
    releases: Annotated[str, _key("Specifier (PEP 440) of the releases that are tested.", ">=0.100")]
    import_: Annotated[
        str,
        _key(
            "Module of `probes/` that imports what the probes need. Where it fails, the cell is `import-fails`.",
            "needed",
        ),
    ] = msgspec.field(name="import")
    headline: Annotated[str, _key("Id of the probe that the verdict is about.", "generic-response")]
    control: Annotated[
        str, _key("Id of the probe that must be supported in a cell for its other answers to count.", "plain-response")
    ]
    title: Annotated[str, _key("What readers see instead of the name.", "FastAPI")] = ""
    question: Annotated[str, _key("The headline's question.", "Can a generic model be a response?")] = ""
    yes: Annotated[str, _key("The answer, as a sentence without a full stop.", "A generic model can be a response")] = (
        ""
    )
    no: Annotated[str, _key("The same for the other answer.", "A generic model cannot be a response")] = ""
    issue: Annotated[str, _key("Address of the issue that asks for it.", "https://example.org/issues/1")] = ""

    @property
    def display_name(self) -> str:
        """The name as a reader sees it."""
        return self.title or self.name


class Companion(msgspec.Struct, frozen=True, kw_only=True):
    """A package installed beside the subject whose version matters. There may be several of these tables, or none."""

    name: Annotated[str, _key("Its name on the index.", "pydantic")]
    requirement: Annotated[str, _key("The name with extras, where it has some.", "pydantic[email]")] = ""
    follows: Annotated[
        tuple[str, ...], _key("Packages that are released with it, whose versions are shown too.", ["pydantic-core"])
    ] = ()
    oldest: Annotated[bool, _key("Whether the pairing `oldest` takes its oldest version.", True)] = False

    def pinned(self, version: str | None = None) -> str:
        """The requirement on one version, or on any."""
        base = self.requirement or self.name
        return f"{base}=={version}" if version else base


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """A package whose version is recorded with every cell that holds it, and to which an exception can be attributed.

    Nothing is required of it, no pairing picks it, and another version of it is no reason for another cell.
    """

    name: Annotated[str, _key("Its name on the index.", "anyio")]
    probes: Annotated[
        tuple[str, ...],
        _key(
            "Ids of the probes whose answers its version decides too: what is said of them names the versions that were seen.",
            ["streaming-response"],
        ),
    ] = ()


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The pairing `grid`: each release of one companion beside each release of the subject."""

    companion: Annotated[str, _key("Name of the companion.", "pydantic")]
    releases: Annotated[str, _key("Specifier of its releases; all, where it is empty.", ">=2")] = ""
    probes: Annotated[
        tuple[str, ...], _key("Ids of the probes that run in these cells; all, where it is empty.", ["plain-response"])
    ] = ()
    answers: Annotated[
        dict[str, str],
        _key(
            "What the map says of a pair, beside whether it imports: the word = the probe that decides it.",
            {"responds": "plain-response"},
        ),
    ] = {}


class PythonPairing(msgspec.Struct, frozen=True, kw_only=True):
    """The pairing `python`: each release beside the newest of the map's companion that works, on each of these Pythons."""

    versions: Annotated[tuple[str, ...], _key("All that are asked about.", ["3.11", "3.12", "3.13"])]


class Pairings(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that pick the companions of a release."""

    default: Annotated[
        tuple[str, ...],
        _key("Those of a run that names none; `compatmatrix run --help` lists all.", [RELEASE_DAY.name, NEWEST.name]),
    ] = (RELEASE_DAY.name, NEWEST.name)
    grid: Grid | None = None
    python: PythonPairing | None = None


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """The Pythons that cells may have."""

    versions: Annotated[
        tuple[str, ...],
        _key("In order of preference: the first that the release and its companions admit is taken.", ["3.11", "3.12"]),
    ]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a cell, and of what all cells together may keep on disk."""

    seconds: Annotated[Positive, _key("Wall time of a cell.", 60)] = 180
    memory_mb: Annotated[Positive, _key("Resident memory of all processes of a cell, in MB.", 2048)] = 4096
    disk_gb: Annotated[float, _key("Packages, environments, lists and locks in the engine's cache, in GB.", 5)] = 20


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The package indexes; the best version over all of them wins. The variables of uv and pip replace the addresses."""

    url: Annotated[str, _key("Address of the simple API.", "https://example.org/simple/")] = "https://pypi.org/simple/"
    extra: Annotated[tuple[str, ...], _key("Further addresses.", ["https://example.org/extra/simple/"])] = ()
    only: Annotated[
        dict[str, str],
        _key(
            "Package = the one index that it may come from, against packages of its name elsewhere (dependency confusion).",
            {"mypackage": "https://example.org/simple/"},
        ),
    ] = {}

    def of(self, package: str) -> tuple[str, ...]:
        """Addresses of the indexes that the package may come from."""
        bound = {canonicalize_name(name): (address,) for name, address in self.only.items()}
        return bound.get(canonicalize_name(package), (self.url, *self.extra))


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What is not released yet: `watch` examines it, `bisect` searches its history."""

    sources: Annotated[
        tuple[str, ...],
        _key("Sources of the subject (PEP 508).", ["fastapi @ git+https://github.com/fastapi/fastapi@master"]),
    ] = ()
    nightly: Annotated[
        dict[str, str],
        _key(
            "Companion = the index of its nightly builds; nothing else is taken from there.",
            {"pydantic": "https://example.org/nightly/simple/"},
        ),
    ] = {}
    version_file: Annotated[
        str, _key("File in the repository that says the version of a commit without a tag.", "fastapi/__init__.py")
    ] = msgspec.field(name="version-file", default="")


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the reports and of the scheduled job."""

    recipes: Annotated[
        tuple[str, ...],
        _key("Ids of probes with recipes, the preferred first: the first supported is shown.", ["generic-response"]),
    ] = ()
    url: Annotated[
        str, _key("Address of the pages; the workflow derives that of GitHub Pages.", "https://example.org/matrix/")
    ] = ""
    repository: Annotated[
        str, _key("Address of the project's files; the workflow derives it.", "https://example.org/repository")
    ] = ""
    picture: Annotated[
        str, _key("File (PNG) beside matrix.toml that previews of links to the pages show.", "docs/page.png")
    ] = ""
    hours: Annotated[
        Positive, _key("Hours between two scheduled runs; the status page calls a run late after twice that.", 24)
    ] = 24
    release_notes: Annotated[
        str,
        _key(
            "Address of a release's notes, with `{version}` in the place of the version.",
            "https://github.com/fastapi/fastapi/releases/tag/{version}",
        ),
    ] = msgspec.field(name="release-notes", default="")
    comparison: Annotated[
        str,
        _key(
            "Address of what changed between two releases, with `{before}` and `{after}`.",
            "https://github.com/fastapi/fastapi/compare/{before}...{after}",
        ),
    ] = ""
    schedule: Annotated[str, _key("A sentence on how often the matrix runs.", "It runs every day.")] = ""
    license: Annotated[str, _key("License of the probes, the recipes and the data.", "CC0-1.0")] = ""
    distribution: Annotated[
        str, _key("Name of the data's distribution; `NAME-compatibility` where it is empty.", "fastapi-compatibility")
    ] = ""
    control_failures: Annotated[
        float,
        Meta(ge=0, le=1),
        _key("Share of a run's cells in which the control may fail; above it, the run is not published.", 0.2),
    ] = 0.5


class MatrixFile(msgspec.Struct, frozen=True, kw_only=True):
    """All of matrix.toml, in the order of the file."""

    subject: Subject
    companions: tuple[Companion, ...] = msgspec.field(default=(), name="companion")
    reported: tuple[Reported, ...] = ()
    pairings: Pairings = Pairings()
    python: Python
    platform: Annotated[
        dict[str, str], _key("Platforms: SYSTEM-PROCESSOR = uv's name of what wheels must fit there.", PLATFORMS)
    ] = msgspec.field(default_factory=PLATFORMS.copy)
    tools: Annotated[
        dict[str, str],
        _key(
            "Exact versions of what runs the probes, the same in every cell: pytest, pytest-json-report, and what they need. "
            "Where it is left out and one of these is the subject or a companion, versions that fit beside it are picked.",
            TOOLS,
        ),
    ] = msgspec.field(default_factory=TOOLS.copy)
    limits: Limits = Limits()
    environment: Annotated[
        dict[str, str], _key("Variables added to every cell; a change makes all answers stale.", {"NO_COLOR": "1"})
    ] = {}
    index: Index = Index()
    groups: Annotated[
        dict[str, str],
        _key("Group of a probe's mark = its title, in the order of the table.", {"main": "The question"}),
    ] = {}
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
        return self.companions[0].name if self.companions else "packages"

    @property
    def map_companion(self) -> str:
        """The companion that the map of pairs is about: that of ``[pairings.grid]``, else the first; empty without one."""
        first = self.companions[0].name if self.companions else ""
        return self.pairings.grid.companion if self.pairings.grid else first

    @property
    def named(self) -> tuple[str, ...]:
        """The packages that make a cell what it is: the subject, then each companion and the packages that follow it."""
        return (self.subject.name, *(name for one in self.companions for name in (one.name, *one.follows)))

    def deciding(self, probes: Iterable[str]) -> tuple[str, ...]:
        """The packages, of those that are only reported, whose version decides one of these probes' answers too."""
        asked = {*probes}
        return tuple(package.name for package in self.reported if asked & {*package.probes})

    @property
    def tool_requirements(self) -> list[str]:
        """What runs the probes, as requirements; without a version where what is tested decides it."""
        return [f"{name}=={version}" if version else name for name, version in self.tools.items()]

    @property
    def recorded(self) -> tuple[str, ...]:
        """The packages whose versions are recorded: these, then those that are only reported."""
        return (*self.named, *(package.name for package in self.reported))


class Config(MatrixFile, frozen=True, kw_only=True):
    """matrix.toml, and what somebody wrote about errors in probes/errors.toml."""

    causes: tuple[Cause, ...] = ()
