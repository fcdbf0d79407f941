"""Support statements in the form of MDN's browser-compat-data, with a pairing in the place of the browser.

``version_added`` is a release, ``≤release`` where an earlier one may have it too, false where it is known to be
nowhere, null where nothing is known. A range that runs without an exception and learns nothing is a
``partial_implementation``. Statements stand newest first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from compatmatrix.analysis.support import Range, View, ranges
from compatmatrix.core import sanitize
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState

SILENT = "accepted without an exception, but nothing, or the wrong thing, is learned"


def statements(view: View, probe: Probe) -> Mapping[str, list[dict[str, Any]]]:
    """Pairing -> statements of one probe, newest first; a pairing with one says it in a list too."""
    stable = [release.version for release in view.releases if release.stable]
    return {
        pairing: of_ranges(ranges(stable, [view.counted(probe.id, pairing, version) for version in stable]))
        for pairing in view.pairings
    }


def document(view: View, probe: Probe) -> bytes:
    """``support/<probe>.json``."""
    compat = {
        "description": probe.question.replace("`", ""),
        **({"spec_url": list(probe.links)} if probe.links else {}),
        "support": statements(view, probe),
    }
    tree = {view.config.subject.name: {probe.id: {"__compat": compat}}}
    return (json.dumps(tree, indent=1, ensure_ascii=True) + "\n").encode()


def of_ranges(entries: tuple[Range, ...]) -> list[dict[str, Any]]:
    """Statements from ranges in version order, newest first."""
    found: list[dict[str, Any]] = []
    known: list[tuple[Range, list[Range]]] = []  # what is known, each with the unknown that stands before it
    gap: list[Range] = []
    for entry in entries:
        if not entry.state.known:
            gap.append(entry)
        else:
            known.append((entry, gap))
            gap = []
    for entry, before in known:
        silent = entry.state is OutcomeState.NO_EFFECT
        if found and "version_removed" not in found[-1]:
            if (entry.state is OutcomeState.SUPPORTED or silent) and found[-1].get(
                "partial_implementation", False
            ) is silent:
                # The same on both sides of a gap: nothing says that it went away in between.
                found[-1].setdefault("notes", []).extend(map(_unexamined, before))
                continue
            found[-1]["version_removed"] = _bound(entry, before)
        if entry.state is OutcomeState.SUPPORTED or silent:
            statement: dict[str, Any] = {"version_added": _bound(entry, before)}
            if silent:
                statement |= {"partial_implementation": True, "notes": [SILENT]}
            found.append(statement)
    if found and gap and "version_removed" not in found[-1]:
        found[-1].setdefault("notes", []).extend(map(_unexamined, gap))
    if found:
        return found[::-1]
    if not known:
        return [{"version_added": None}]
    last = known[-1][0]
    note = f"raises {sanitize.line(last.signature)}" if last.signature else last.state.value
    return [{"version_added": False, "notes": [f"{last.last}: {note}"]}]


def _bound(entry: Range, before: list[Range]) -> str:
    return f"≤{entry.first}" if before else entry.first


def _unexamined(entry: Range) -> str:
    span = entry.first if entry.first == entry.last else f"{entry.first} to {entry.last}"
    return f"{span} {entry.state.value}"
