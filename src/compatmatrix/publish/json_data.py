"""compatibility.json and its schema: the published form of the view, described by types and nothing else."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from functools import partial

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.cells import CellView, PublishedCell
from compatmatrix.analysis.grid import Kind, grid
from compatmatrix.analysis.pythons import pythons
from compatmatrix.analysis.recommend import Recipe
from compatmatrix.analysis.support import Support, View, by_pairing, pairings
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.config.causes import Cause
from compatmatrix.config.tables import Companion, Config, Pairings, Publish, Python, Reported, Subject
from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import Probe, Release, Source
from compatmatrix.core.sanitize import line
from compatmatrix.core.states import OutcomeState

SCHEMA = 1
"""Version of compatibility.json; raised when a reader of the old one would misread."""


class _Published(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class PublishedProbe(_Published, frozen=True, kw_only=True):
    """One question."""

    id: str
    title: str
    question: str
    group: str
    control: bool
    links: tuple[str, ...]
    recipes: Mapping[str, str] = {}


class PublishedConfiguration(_Published, frozen=True, kw_only=True):
    """What of matrix.toml the answers depend on; nothing of it says where packages came from."""

    subject: Subject
    companions: tuple[Companion, ...]
    reported: tuple[Reported, ...] = ()
    pairings: Pairings
    python: Python
    platform: dict[str, str]
    tools: dict[str, str]
    environment: dict[str, str] = {}
    groups: dict[str, str]
    recipes: tuple[str, ...]
    causes: tuple[Cause, ...] = ()


class PublishedRelease(_Published, frozen=True, kw_only=True):
    """One release of the subject; ``released`` is the day (UTC) of its upload, null where the index does not say."""

    version: str
    released: str | None
    requires_python: str | None
    yanked: bool
    prerelease: bool
    recipe: Recipe | None = None


class PublishedSource(PublishedCell, frozen=True, kw_only=True):
    """A cell of something that is not released: ``source`` says what and, where there is one, the commit."""

    source: Source
    released: bool = False


class PublishedVerdict(_Published, frozen=True, kw_only=True):
    """The answer to the headline's question: on ``release``, the newest stable one, null where there is none.

    ``answers`` has for each pairing the outcome, as far as it counts. Where ``value`` is yes, ``since`` is the first release
    of the unbroken run up to it in which some pairing says yes and none says otherwise.
    """

    value: Value
    release: str | None
    answers: Mapping[str, OutcomeState]
    since: str | None = None
    since_at_latest: bool = False


class Published(_Published, frozen=True, kw_only=True):
    """The whole of compatibility.json.

    ``as_of`` is the day of the newest record, null without one; ``platform`` the one that ``verdict``, ``support`` and
    ``pairs`` speak of; ``pairs`` is how far each release gets beside each release of the map's companion, ``answers`` what
    of the map's questions is known of them, and ``depends`` the questions to which their environments give both answers,
    each with the packages, in words, with which it is yes; ``pythons`` is how far each release gets on each Python beside the newest
    version of that companion that works, null where it was not examined; ``locks`` maps the id of a cell to the places in
    ``pins`` of what was installed in it.
    """

    schema: int
    subject: str
    as_of: str | None
    verdict: PublishedVerdict
    probes: tuple[PublishedProbe, ...]
    releases: tuple[PublishedRelease, ...]
    cells: tuple[PublishedCell, ...]
    support: Mapping[str, Mapping[str, Support]]
    platform: str = ""
    sources: tuple[PublishedSource, ...] = ()
    pairs: Mapping[str, Mapping[str, Kind]] = {}
    answers: Mapping[str, Mapping[str, Mapping[str, bool]]] = {}
    depends: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {}
    pythons: Mapping[str, Mapping[str, Kind | None]] = {}
    configuration: PublishedConfiguration | None = None
    pins: tuple[str, ...] = ()
    locks: Mapping[str, tuple[int, ...]] = {}


def published(view: View) -> Published:
    """The view in the published form."""
    locks = {cell.id: [line.partition(" --hash")[0] for line in cell.lock] for cell in view.cells if cell.lock}
    rows = grid(view).rows
    places = {pin: place for place, pin in enumerate(sorted({pin for lock in locks.values() for pin in lock}))}
    return Published(
        schema=SCHEMA,
        subject=view.config.subject.name,
        as_of=view.as_of or None,
        platform=view.platform,
        verdict=_verdict(view),
        pairs={subject: {other: pair.kind for other, pair in row.items()} for subject, row in rows.items() if row},
        answers={subject: {other: pair.answers for other, pair in row.items()} for subject, row in rows.items() if row},
        depends={
            subject: depending
            for subject, row in rows.items()
            if (depending := {other: pair.depends for other, pair in row.items() if pair.depends})
        },
        pythons={
            version: {python: one[0] if one else None for python, one in known.found.items()}
            for version, known in pythons(view).items()
            if known.beside
        },
        probes=msgspec.convert(view.probes, tuple[PublishedProbe, ...], from_attributes=True),
        releases=tuple(_release(view, release) for release in view.releases),
        cells=msgspec.convert(view.cells, tuple[PublishedCell, ...], from_attributes=True),
        sources=msgspec.convert(view.sources, tuple[PublishedSource, ...], from_attributes=True),
        support=view.support,
        configuration=_configuration(view.config),
        pins=tuple(places),
        locks={cell: tuple(places[pin] for pin in lock) for cell, lock in locks.items()},
    )


def read(content: bytes) -> View:
    """The view that a compatibility.json was made of, without what is not in it: tracebacks, and unreleased sources.

    Raises:
        ValueError: it is none, or of another schema, or it was written before it held all that is needed.
    """
    try:
        data = msgspec.json.decode(content, type=Published)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"is no compatibility.json: {line(error, 200)}") from None
    if data.schema != SCHEMA or data.configuration is None:
        raise ValueError(f"is a compatibility.json of another version of this program; this one reads schema {SCHEMA}")
    parts = {name: getattr(data.configuration, name) for name in PublishedConfiguration.__struct_fields__}
    config = Config(**parts | {"publish": Publish(recipes=parts.pop("recipes"))})
    try:
        cells = tuple(
            CellView(
                **{name: getattr(cell, name) for name in PublishedCell.__struct_fields__},
                lock=tuple(data.pins[place] for place in data.locks.get(cell.id, ())),
                control=config.subject.control,
            )
            for cell in data.cells
        )
    except IndexError:
        raise ValueError("is a compatibility.json whose locks name pins that are not in it") from None
    paired = by_pairing(cell for cell in cells if cell.platform == data.platform)
    releases = tuple(msgspec.convert(release, Release, from_attributes=True) for release in data.releases)
    return View(
        config=config,
        probes=tuple(
            Probe(**{name: getattr(probe, name) for name in PublishedProbe.__struct_fields__}, file="", digest="")
            for probe in data.probes
        ),
        releases=releases,
        pairings=pairings(config, paired),
        cells=cells,
        by_pairing=paired,
        support=data.support,
        evidence={},
        as_of=data.as_of or "",
        latest=next((release for release in reversed(releases) if release.stable), None),
        platform=data.platform,
    )


def compatibility_json(view: View) -> bytes:
    """One line per element of the long lists, keys sorted: small differences in git for small changes."""
    tree = msgspec.to_builtins(published(view), str_keys=True)
    return ("{\n " + ",\n ".join(f"{json.dumps(key)}: {_lines(tree[key])}" for key in sorted(tree)) + "\n}\n").encode()


def compact_json(view: View) -> bytes:
    """The same for programs alone: on one line, without what only points to tracebacks that are not in it."""
    data = published(view)
    without = partial(msgspec.structs.replace, evidence=None, where=None)
    cells = tuple(
        msgspec.structs.replace(cell, outcomes={name: without(outcome) for name, outcome in cell.outcomes.items()})
        for cell in data.cells
    )
    return canonical(msgspec.structs.replace(data, cells=cells, sources=()))


@functools.cache
def schema_json() -> bytes:
    """JSON Schema 2020-12 of compatibility.json, generated from the types above."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Compatibility",
        **msgspec.json.schema(Published),
    }
    return (json.dumps(schema, indent=1, sort_keys=True) + "\n").encode()


def _compact(value: object) -> str:
    # Characters beyond ASCII are escaped: the file is the same text for every reader, whatever a package put in it.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _lines(value: object) -> str:
    if isinstance(value, (list, tuple)):
        rows, (first, last) = [_compact(item) for item in value], "[]"
    elif isinstance(value, dict):
        rows, (first, last) = [f"{json.dumps(name)}: {_compact(value[name])}" for name in sorted(value)], "{}"
    else:
        return json.dumps(value)
    return f"{first}\n  " + ",\n  ".join(rows) + f"\n {last}" if rows else first + last


def _configuration(config: Config) -> PublishedConfiguration:
    names = {*PublishedConfiguration.__struct_fields__} - {"recipes"}
    return PublishedConfiguration(**{name: getattr(config, name) for name in names}, recipes=config.publish.recipes)


def _verdict(view: View) -> PublishedVerdict:
    found = verdict(view, view.config.subject.headline)
    return PublishedVerdict(
        value=found.value,
        release=found.release,
        answers={one.pairing: one.outcome.state for one in found.reasons},
        since=found.since,
        since_at_latest=found.at_latest,
    )


def _release(view: View, release: Release) -> PublishedRelease:
    recipe = recommend.recipe(view, release.version, view.config.publish.recipes)
    published = msgspec.convert(release, PublishedRelease, from_attributes=True)
    return msgspec.structs.replace(published, released=release.day or None, recipe=recipe)
