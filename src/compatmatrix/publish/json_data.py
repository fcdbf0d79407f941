"""compatibility.json and its schema: the published form of the view, described by types and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from compatmatrix.analysis import recommend
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.grid import Kind, grid
from compatmatrix.analysis.support import Range, View
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.core.model import SCHEMA, Outcome, Release, Source
from compatmatrix.core.states import CellState, OutcomeState


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


class PublishedRecipe(_Published, frozen=True, kw_only=True):
    """A script of probes/recipes/ that came out supported in every cell of the release that could answer."""

    probe: str
    file: str
    pairings: tuple[str, ...]


class PublishedRelease(_Published, frozen=True, kw_only=True):
    """One release of the subject; ``released`` is the day (UTC) of its upload, null where the index does not say."""

    version: str
    released: str | None
    requires_python: str | None
    yanked: bool
    prerelease: bool
    recipe: PublishedRecipe | None = None


class PublishedCell(_Published, frozen=True, kw_only=True):
    """One (Python X.Y, platform, lock) with what was found there; ``recorded`` is the day (UTC).

    ``network`` is whether it could reach a network, where that is known; ``oddities`` is how it tampered
    with its environment or the test tools.
    """

    id: str
    subject: str
    python: str
    platform: str
    pairings: tuple[str, ...]
    versions: Mapping[str, str]
    state: CellState
    detail: str
    outcomes: Mapping[str, Outcome]
    recorded: str
    network: bool | None = None
    tampering: tuple[str, ...] = msgspec.field(default=(), name="oddities")


class PublishedSource(PublishedCell, frozen=True, kw_only=True):
    """A cell of something that is not released: ``source`` says what and, where there is one, the commit."""

    source: Source
    released: bool = False


class PublishedSupport(_Published, frozen=True, kw_only=True):
    """One probe under one pairing over all releases, in version order; every release is in exactly one range.

    ``first_supported`` is the first stable release in which a yes counts: one beside a control that is supported, in a
    cell without tampering. Where ``first_supported_at_latest`` is true, the stable release before it is not known to lack
    support. ``not_counted`` maps each release before it that came out supported to why it is not the first.
    """

    first_supported: str | None
    latest: OutcomeState
    ranges: tuple[Range, ...]
    first_supported_at_latest: bool = False
    not_counted: Mapping[str, str] = {}
    preview: Preview | None = None


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
    support: Mapping[str, Mapping[str, PublishedSupport]]
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
        probes=tuple(
            PublishedProbe(
                id=probe.id,
                title=probe.title,
                question=probe.question,
                group=probe.group,
                control=probe.control,
                links=probe.links,
            )
            for probe in view.probes
        ),
        releases=tuple(_release(view, release) for release in view.releases),
        cells=tuple(PublishedCell(**_cell(cell)) for cell in view.cells),
        sources=tuple(PublishedSource(**_cell(cell), source=cell.source) for cell in view.sources if cell.source),
        support={
            probe: {
                pairing: PublishedSupport(
                    first_supported=support.first_supported,
                    latest=support.latest,
                    ranges=support.ranges,
                    first_supported_at_latest=support.at_latest,
                    not_counted=support.not_counted,
                    preview=support.preview,
                )
                for pairing, support in pairings.items()
            }
            for probe, pairings in view.support.items()
        },
    )


def compatibility_json(view: View) -> bytes:
    """One line per element of the long lists, keys sorted: small differences in git for small changes."""
    tree = msgspec.to_builtins(published(view), str_keys=True)
    parts = []
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, list):
            body = ",\n".join(f"  {_compact(item)}" for item in value)
            parts.append(f"{json.dumps(key)}: [\n{body}\n ]" if value else f"{json.dumps(key)}: []")
        elif isinstance(value, dict):
            body = ",\n".join(f"  {json.dumps(name)}: {_compact(value[name])}" for name in sorted(value))
            parts.append(f"{json.dumps(key)}: {{\n{body}\n }}" if value else f"{json.dumps(key)}: {{}}")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return ("{\n " + ",\n ".join(parts) + "\n}\n").encode()


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


def _cell(cell: CellView) -> dict[str, Any]:
    told = {name: getattr(cell, name) for name in PublishedCell.__struct_fields__}
    return {
        name: value for name, value in told.items() if name not in ("network", "tampering") or value not in (None, ())
    }


def _release(view: View, release: Release) -> PublishedRelease:
    found = recommend.recipe(view, release.version, view.config.publish.recipes)
    return PublishedRelease(
        version=release.version,
        released=release.day or None,
        requires_python=release.requires_python,
        yanked=release.yanked,
        prerelease=release.prerelease,
        recipe=PublishedRecipe(probe=found.probe, file=found.file, pairings=found.pairings) if found else None,
    )
