"""matrix.toml -> Config.

Every error names the file, the line, the key, what is wrong there and what is accepted instead.
"""

from __future__ import annotations

import os
import platform as machine
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.config import source_addresses
from compatmatrix.config.toml_errors import explain, place
from compatmatrix.core.model import Probe, UserError
from compatmatrix.core.pairings import NAMES, NEWEST, RELEASE_DAY

Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Subject(_Table, frozen=True, kw_only=True):
    """The package whose releases are the rows."""

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


class Companion(_Table, frozen=True, kw_only=True):
    """A package installed beside the subject whose version matters."""

    name: str
    requirement: str = ""
    follows: tuple[str, ...] = ()
    oldest: bool = False

    def pinned(self, version: str | None = None) -> str:
        """The requirement, with its extras, on one version or on any."""
        base = self.requirement or self.name
        return f"{base}=={version}" if version else base


class Grid(_Table, frozen=True, kw_only=True):
    """The explicit pairing: every release of one companion that the specifier admits."""

    companion: str
    releases: str = ""
    probes: tuple[str, ...] = ()


class Pairings(_Table, frozen=True, kw_only=True):
    """Which pairings a run takes if none is asked for, and what the grid is made of."""

    default: tuple[str, ...] = (RELEASE_DAY.name, NEWEST.name)
    grid: Grid | None = None


class Python(_Table, frozen=True, kw_only=True):
    """The Pythons that a cell may have, in order of preference."""

    versions: tuple[str, ...]


class Limits(_Table, frozen=True, kw_only=True):
    """Bounds of one cell: wall time, resident memory of all its processes, what is kept of its output.

    ``disk_gb`` bounds all that the engine keeps on disk: package cache, environments, lists, locks.
    """

    seconds: Positive = 180
    memory_mb: Positive = 4096
    output_kb: Positive = 256
    disk_gb: float = 20


class Index(_Table, frozen=True, kw_only=True):
    """Where packages come from; with extra indexes the best version over all wins.

    ``only`` binds a package to one index, whatever others offer under its name (dependency confusion).
    """

    url: str = "https://pypi.org/simple/"
    extra: tuple[str, ...] = ()
    only: dict[str, str] = {}

    def of(self, package: str) -> tuple[str, ...]:
        """Where the package may come from."""
        bound = {canonicalize_name(name): address for name, address in self.only.items()}
        name = canonicalize_name(package)
        return (bound[name],) if name in bound else (self.url, *self.extra)


class Watch(_Table, frozen=True, kw_only=True):
    """What is not released yet: ``sources`` of the subject and, for a companion, the index of its ``nightly`` builds.

    ``version_file`` is the file in the subject's repository that says its version.
    """

    sources: tuple[str, ...] = ()
    nightly: dict[str, str] = {}
    version_file: str = msgspec.field(name="version-file", default="")


class Publish(_Table, frozen=True, kw_only=True):
    """What the reports show: ``recipes`` is the order of preference, nearest to the headline first.

    ``url`` is where the pages are read and ``repository`` where the project's files are, both once they are
    known; ``schedule`` says in a sentence how often the matrix runs. ``control_failures`` is the share of a run's
    cells in which the control may fail before nothing of that run is published.
    """

    recipes: tuple[str, ...] = ()
    url: str = ""
    repository: str = ""
    schedule: str = ""
    control_failures: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class Config(_Table, frozen=True, kw_only=True):
    """All of matrix.toml; the order of tables and of what they list is kept."""

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

    @property
    def named(self) -> tuple[str, ...]:
        """The packages whose versions a reader is told: the subject, then companions and what follows them."""
        names = [self.subject.name]
        for companion in self.companions:
            names += [companion.name, *companion.follows]
        return tuple(names)


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check matrix.toml; index addresses may come from uv's and pip's variables.

    Raises:
        UserError: the file is missing, is no TOML, or says something that is not accepted.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); name another file with --config") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise UserError(explain(path, text, str(error), _fields)) from None
    _check(path, text, config)
    return msgspec.structs.replace(config, index=_index(config.index, environ))


def host_platform(config: Config) -> str:
    """This machine's name in ``[platform]``."""
    system = {"darwin": "macos"}.get(machine.system().lower(), machine.system().lower())
    name = f"{system}-{machine.machine().lower()}"
    if name not in config.platform:
        raise UserError(
            f"this machine is {name}; [platform] of matrix.toml knows {', '.join(config.platform)}: add a line for it"
        )
    return name


def check_probes(path: Path, config: Config, probes: Iterable[Probe], folder: Path) -> None:
    """Raises UserError where matrix.toml names a probe, or a module of the probes' folder, that is not there."""
    known = [probe.id for probe in probes]
    named: dict[str, tuple[str, ...]] = {
        "subject.headline": (config.subject.headline,),
        "subject.control": (config.subject.control,),
    }
    named["publish.recipes"] = config.publish.recipes
    if config.pairings.grid:
        named["pairings.grid.probes"] = config.pairings.grid.probes
    text = path.read_text(encoding="utf-8")
    if not (folder / f"{config.subject.import_}.py").is_file():
        module = (
            f"{config.subject.import_!r} is no module of {folder.name}/; name the one that imports what the probes need"
        )
        raise UserError(f"{place(path, text, 'subject.import')}: `subject.import`: {module}")
    for key, names in named.items():
        for name in names:
            if name not in known:
                raise UserError(
                    f"{place(path, text, key)}: `{key}`: {name!r} is no probe; there are {', '.join(known)}"
                )


def _index(index: Index, environ: Mapping[str, str]) -> Index:
    url = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or environ.get("PIP_INDEX_URL") or index.url
    extra = (
        environ.get("UV_INDEX") or environ.get("UV_EXTRA_INDEX_URL") or environ.get("PIP_EXTRA_INDEX_URL") or ""
    ).split()
    # uv's variables may carry a name before the address (`name=https://…`).
    return Index(url=_unnamed(url), extra=tuple(map(_unnamed, extra)) or index.extra, only=index.only)


def _unnamed(address: str) -> str:
    return re.sub(r"^[A-Za-z0-9_.-]+=(?=[a-z+]+://)", "", address)


def _check(path: Path, text: str, config: Config) -> None:
    """What a type cannot say: specifiers, requirements, names that must refer to something."""

    def wrong(key: str, problem: str) -> UserError:
        return UserError(f"{place(path, text, key)}: `{key}`: {problem}")

    specifiers = {"subject.releases": config.subject.releases}
    if grid := config.pairings.grid:
        specifiers["pairings.grid.releases"] = grid.releases
    for key, specifier in specifiers.items():
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier:
            raise wrong(key, f"{specifier!r} is no version specifier; write one like '>=0.8.0,!=0.9.1'") from None
    for number, companion in enumerate(config.companions):
        key = f"companion[{number}].requirement"
        try:
            named = Requirement(companion.pinned()).name
        except InvalidRequirement:
            raise wrong(key, f"{companion.requirement!r} is no requirement; write one like 'name[extra]'") from None
        if canonicalize_name(named) != canonicalize_name(companion.name):
            raise wrong(key, f"{companion.requirement!r} is not about {companion.name!r}")
    for pairing in config.pairings.default:
        if pairing not in NAMES:
            raise wrong("pairings.default", f"{pairing!r} is no pairing; there are {', '.join(NAMES)}")
    names = [companion.name for companion in config.companions]
    if grid and grid.companion not in names:
        raise wrong("pairings.grid.companion", f"{grid.companion!r} is no companion; there are {', '.join(names)}")
    for version in config.python.versions:
        if not re.fullmatch(r"3\.\d+", version):
            raise wrong("python.versions", f'{version!r} is not accepted; write versions like "3.12"')
    if not config.python.versions:
        raise wrong("python.versions", 'is empty; list at least one version like "3.12"')
    for source in config.watch.sources:
        source_addresses.parse(source, config.subject.name, f"{place(path, text, 'watch.sources')}: `watch.sources`:")
    for companion_name in config.watch.nightly:
        if companion_name not in names:
            raise wrong(f"watch.nightly.{companion_name}", f"is no companion; there are {', '.join(names)}")
    if "pytest" not in config.tools or "pytest-json-report" not in config.tools:
        raise wrong("tools", "must pin pytest and pytest-json-report, which run the probes")
    for tool, version in config.tools.items():
        try:
            Version(version)
        except InvalidVersion:
            raise wrong(f"tools.{tool}", f"{version!r} is no version; pin an exact one like '8.4.2'") from None


def _fields(key: str) -> tuple[str, ...]:
    table: type[msgspec.Struct] = Config
    tables: dict[str, type[msgspec.Struct]] = {
        "subject": Subject,
        "companion": Companion,
        "pairings": Pairings,
        "grid": Grid,
        "python": Python,
        "limits": Limits,
        "index": Index,
        "publish": Publish,
        "watch": Watch,
    }
    for part in re.sub(r"\[.*?\]", "", key).split("."):
        table = tables.get(part, table)
    return tuple(field.encode_name for field in msgspec.structs.fields(table))
