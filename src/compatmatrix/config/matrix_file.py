"""Reads matrix.toml and checks it. Errors name the file, the line, the key, what is wrong there and what is accepted."""

from __future__ import annotations

import os
import platform as machine
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from compatmatrix.config import source_addresses, toml_errors
from compatmatrix.config.causes import read as read_causes
from compatmatrix.config.defaults import TOOLS
from compatmatrix.config.probe_files import read as read_probes
from compatmatrix.config.tables import Config, Index, MatrixFile, Publish, Python, Subject
from compatmatrix.config.toml_errors import Problem, raise_all, structure_problems
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Probe
from compatmatrix.core.pairings import NAMES

RUNNERS = ("pytest", "pytest-json-report")
"""The tools that every matrix needs."""


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check matrix.toml, and probes/errors.toml beside it.

    Args:
        environ: environment variables; those of uv and pip replace the index addresses; ``COMPATMATRIX_REPOSITORY`` is the
            address of the repository whose workflow this is, for what `[publish]` does not set.

    Raises:
        UserError: the file is missing, is not TOML, or holds something that is not accepted.
    """
    text, tree = toml_errors.read(path, "; name another file with --config")
    problems = list(structure_problems(tree, MatrixFile))
    with suppress(msgspec.ValidationError):
        config = Config(**msgspec.structs.asdict(msgspec.convert(tree, MatrixFile)))
        problems += [*_package_problems(config), *_run_problems(config)]
        if problems and (folder := path.parent / "probes").is_dir():  # without any, `check_probes` looks for these
            with suppress(UserError):
                problems += _probe_problems(config, [probe.id for probe in read_probes(folder)], folder)
    raise_all(path, text, problems)
    if tested := _is_tool(config, config.tools):
        # Which of them fit beside it is the resolver's to find, and not bound by the day of a release.
        config = msgspec.structs.replace(config, tools={tool: "" for tool in TOOLS if tool not in tested})
    causes = read_causes(path.parent / "probes" / "errors.toml")
    publish = _publish(config.publish, environ.get("COMPATMATRIX_REPOSITORY", ""))
    return msgspec.structs.replace(config, index=_index(config.index, environ), publish=publish, causes=causes)


def blank(name: str, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a library of which nothing but its name is known; `load` says what ``environ`` is for."""
    subject = Subject(name=name, releases="", import_="", headline="", control="")
    return Config(subject=subject, python=Python(versions=()), index=_index(Index(), environ))


def _is_tool(config: Config, tools: Iterable[str]) -> list[str]:
    """Those of the tools that are the subject, a companion, or come with one: they have another version in every cell."""
    named = set(map(canonicalize_name, config.named))
    return [tool for tool in tools if canonicalize_name(tool) in named]


def machine_name() -> str:
    """The name that ``[platform]`` has for machines of this kind: system and processor."""
    system = {"darwin": "macos"}.get(machine.system().lower(), machine.system().lower())
    return f"{system}-{machine.machine().lower()}"


def host_platform(config: Config) -> str:
    """This machine's name in ``[platform]``; raises UserError where it is not there."""
    name = machine_name()
    if name not in config.platform:
        raise UserError(
            f"this machine is {name}; [platform] of matrix.toml knows {', '.join(config.platform)}: add a line for it"
        )
    return name


def check_probes(path: Path, config: Config, probes: Iterable[Probe], folder: Path) -> None:
    """Check the names in matrix.toml (``path``) that refer to the probes of a folder.

    Raises:
        UserError: a probe, or a module of the folder, is not there.
    """
    problems = _probe_problems(config, [probe.id for probe in probes], folder)
    raise_all(path, path.read_text(encoding="utf-8"), problems)


def with_words(config: Config, probes: Iterable[Probe]) -> Config:
    """The configuration with the headline's question and answers, as far as they are not in it, in the probe's words."""
    subject = config.subject
    headline = next(probe for probe in probes if probe.id == subject.headline)
    words = {
        "question": subject.question or headline.question,
        "yes": subject.yes or f"{headline.title} is supported",
        "no": subject.no or f"{headline.title} is not supported",
    }
    return msgspec.structs.replace(config, subject=msgspec.structs.replace(subject, **words))


def _index(index: Index, environ: Mapping[str, str]) -> Index:
    def first(*names: str) -> list[str]:
        value = next((environ[name] for name in names if environ.get(name)), "")
        # uv's variables may carry a name before the address (`name=https://…`).
        return [re.sub(r"^[A-Za-z0-9_.-]+=(?=[a-z+]+://)", "", address) for address in value.split()]

    url = first("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL") or [index.url]
    extra = first("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL") or index.extra
    return Index(url=url[0], extra=tuple(extra), only=index.only)


def _publish(publish: Publish, repository: str) -> Publish:
    """With the repository's address, and that of its pages where it is on GitHub, in the place of those that are not set."""
    pages = ""
    if match := re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", repository):
        host, name = f"{match[1].lower()}.github.io", match[2]
        pages = f"https://{host}/" + ("" if name.lower() == host else f"{name}/")
    return msgspec.structs.replace(publish, url=publish.url or pages, repository=publish.repository or repository)


def _package_problems(config: Config) -> Iterator[Problem]:
    """Invalid specifiers and requirements, unknown companions."""
    names = [companion.name for companion in config.companions]
    there_are = f"there are {', '.join(names)}" if names else "there is none: add a table [[companion]]"
    grid = config.pairings.grid
    specifiers = [("subject.releases", config.subject.releases)]
    specifiers += [("pairings.grid.releases", grid.releases)] if grid else []
    for key, specifier in specifiers:
        if not _parses(SpecifierSet, specifier):
            yield key, f"{specifier!r} is no version specifier; write one like '>=0.8.0,!=0.9.1'"
    for number, companion in enumerate(config.companions):
        key, requirement = f"companion[{number}].requirement", companion.pinned()
        if not _parses(Requirement, requirement):
            yield key, f"{requirement!r} is no requirement; write one like 'name[extra]'"
        elif canonicalize_name(Requirement(requirement).name) != canonicalize_name(companion.name):
            yield key, f"{requirement!r} is not about {companion.name!r}"
    for number, package in enumerate(config.reported):
        if canonicalize_name(package.name) in map(canonicalize_name, config.named):
            yield (
                f"reported[{number}].name",
                f"{package.name!r} is the subject or a companion, whose version is recorded",
            )
    if grid and grid.companion not in names:
        yield "pairings.grid.companion", f"{grid.companion!r} is no companion; {there_are}"
    for name in config.watch.nightly:
        if name not in names:
            yield f"watch.nightly.{name}", f"is no companion; {there_are}"


def _run_problems(config: Config) -> Iterator[Problem]:
    """Invalid pairings, Pythons, sources and tools."""
    for pairing in config.pairings.default:
        if pairing not in NAMES:
            yield "pairings.default", f"{pairing!r} is no pairing; there are {', '.join(NAMES)}"
    for key, python in (("python.versions", config.python), ("pairings.python.versions", config.pairings.python)):
        for version in python.versions if python else ():
            if not re.fullmatch(r"3\.\d+", version):
                yield key, f'{version!r} is not accepted; write versions like "3.12"'
        if python and not python.versions:
            yield key, 'is empty; list at least one version like "3.12"'
    for source in config.watch.sources:
        try:
            source_addresses.parse(source, config.subject.name, key="")
        except UserError as error:
            yield "watch.sources", str(error).strip()
    if any(tool not in config.tools for tool in RUNNERS):
        yield "tools", f"must pin {' and '.join(RUNNERS)}, which run the probes"
    for tool in _is_tool(config, config.tools if config.tools != TOOLS else ()):
        yield (
            f"tools.{tool}",
            "is what is tested: leave [tools] out, and what runs the probes is picked to fit beside it",
        )
    for tool, version in config.tools.items():
        if not _parses(Version, version):
            yield f"tools.{tool}", f"{version!r} is no version; pin an exact one like '8.4.2'"


def _probe_problems(config: Config, known: Sequence[str], folder: Path) -> Iterator[Problem]:
    subject, grid = config.subject, config.pairings.grid
    if not (folder / f"{subject.import_}.py").is_file():
        problem = f"{subject.import_!r} is no module of {folder.name}/; name the one that imports what the probes need"
        yield "subject.import", problem
    named = {
        "subject.headline": [subject.headline],
        "subject.control": [subject.control],
        "publish.recipes": config.publish.recipes,
        "pairings.grid.probes": grid.probes if grid else (),
        **{f"reported[{number}].probes": package.probes for number, package in enumerate(config.reported)},
    }
    for key, names in named.items():
        for name in names:
            if name not in known:
                yield key, f"{name!r} is no probe; there are {', '.join(known)}"
    if grid and grid.probes and subject.control not in grid.probes:
        yield "pairings.grid.probes", f"add the control, {subject.control!r}: no answer counts without it"
    for word, name in grid.answers.items() if grid else ():
        if name not in (grid.probes if grid and grid.probes else known):
            yield f"pairings.grid.answers.{word}", f"{name!r} is none of `[pairings.grid] probes`; add it there"


def _parses(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
