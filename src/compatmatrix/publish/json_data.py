"""compatibility.json and its schema: the published form of the view, described by types and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.cells import PublishedCell
from compatmatrix.analysis.grid import Kind, grid
from compatmatrix.analysis.recommend import Recipe
from compatmatrix.analysis.support import Support, View
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.core.model import SCHEMA, Release, Source
from compatmatrix.core.states import OutcomeState


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
    ``pairs`` speak of; ``pairs`` is how far each release gets beside each release of the map's companion.
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


def published(view: View) -> Published:
    """The view in the published form."""
    found = verdict(view, view.config.subject.headline)
    return Published(
        schema=SCHEMA,
        subject=view.config.subject.name,
        as_of=view.as_of or None,
        platform=view.platform,
        verdict=PublishedVerdict(
            value=found.value,
            release=found.release,
            answers={one.pairing: one.outcome.state for one in found.reasons},
            since=found.since,
            since_at_latest=found.at_latest,
        ),
        pairs={
            subject: {other: pair.kind for other, pair in row.items()}
            for subject, row in grid(view).rows.items()
            if row
        },
        probes=tuple(msgspec.convert(probe, PublishedProbe, from_attributes=True) for probe in view.probes),
        releases=tuple(_release(view, release) for release in view.releases),
        cells=tuple(msgspec.convert(cell, PublishedCell, from_attributes=True) for cell in view.cells),
        sources=tuple(msgspec.convert(cell, PublishedSource, from_attributes=True) for cell in view.sources),
        support=view.support,
    )


def compatibility_json(view: View) -> bytes:
    """One line per element of the long lists, keys sorted: small differences in git for small changes."""
    tree = msgspec.to_builtins(published(view), str_keys=True)
    return ("{\n " + ",\n ".join(f"{json.dumps(key)}: {_lines(tree[key])}" for key in sorted(tree)) + "\n}\n").encode()


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
    if isinstance(value, list):
        rows, (first, last) = [_compact(item) for item in value], "[]"
    elif isinstance(value, dict):
        rows, (first, last) = [f"{json.dumps(name)}: {_compact(value[name])}" for name in sorted(value)], "{}"
    else:
        return json.dumps(value)
    return f"{first}\n  " + ",\n  ".join(rows) + f"\n {last}" if rows else first + last


def _release(view: View, release: Release) -> PublishedRelease:
    return PublishedRelease(
        version=release.version,
        released=release.day or None,
        requires_python=release.requires_python,
        yanked=release.yanked,
        prerelease=release.prerelease,
        recipe=recommend.recipe(view, release.version, view.config.publish.recipes),
    )
