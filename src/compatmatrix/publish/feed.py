"""Atom feeds of the changes: one entry a change, with ids and dates that do not move when reports are rebuilt."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from compatmatrix.analysis.history import Entry
from compatmatrix.analysis.support import View
from compatmatrix.core.encoding import format_instant, parse_instant
from compatmatrix.core.text import address
from compatmatrix.publish import render


def feeds(view: View, entries: Sequence[Entry]) -> Mapping[str, bytes]:
    """Path below the site -> feed: of all changes, and of each probe's."""
    subject = view.config.subject.display_name
    made = {"changes.atom": _feed(view, "changes.atom", f"{subject} compatibility: changes", entries, "")}
    for probe in view.probes:
        own = [entry for entry in entries if entry.probe.id == probe.id]
        title = f"{subject} compatibility: {probe.title.replace('`', '')}"
        name = f"feeds/{probe.id}.atom"
        made[name] = _feed(view, name, title, own, "../")
    return made


def _feed(view: View, name: str, title: str, entries: Sequence[Entry], root: str) -> bytes:
    subject = view.config.subject.name
    base = view.config.publish.url
    # A feed has to have a date; where there is neither a release's nor a record's, it is the epoch.
    first = next((release.day for release in view.releases if release.day), view.as_of or "1970-01-01")
    updated = max((entry.at for entry in entries), default=f"{first}T00:00:00Z")
    text = render.filled(
        "feed.atom.j2",
        view=view,
        title=title,
        name=name,
        id=uuid.uuid5(uuid.NAMESPACE_URL, f"compatmatrix:{subject}/{name}"),
        updated=format_instant(parse_instant(updated)),
        entries=[(entry, format_instant(parse_instant(entry.at))) for entry in entries],
        # Without a known address links are relative: to the feed's own, as RFC 4287 resolves them.
        root=address(base, "") or root,
        here=address(base, name),
    )
    return text.encode()
