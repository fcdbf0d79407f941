"""Badges: one probe's answer for a README, as shields.io's endpoint JSON and as a plain picture."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState
from compatmatrix.publish import labels, render

LETTER = 6.4
"""Mean width of a letter at 11 pixels; the picture sets each text to the width computed here, so it always fits."""


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """What a badge says."""

    label: str
    message: str
    state: OutcomeState

    def endpoint(self) -> bytes:
        """The JSON of shields.io's endpoint badges."""
        tree = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.state.color.shield}
        return (json.dumps(tree) + "\n").encode()

    @property
    def widths(self) -> tuple[int, int]:
        """Of the two parts, in pixels; a page that shows the picture keeps that much room for it."""
        return round(len(self.label) * LETTER + 14), round(len(self.message) * LETTER + 14)

    def picture(self) -> bytes:
        """The badge as SVG."""
        left, right = self.widths
        return render.filled("badge.svg.j2", badge=self, left=left, right=right).encode()


def badge(view: View, probe: Probe) -> Badge:
    """The answer in the newest release: since when, or what it is instead."""
    found = verdict(view, probe.id)
    if found.value is Value.YES:
        message = f"since {labels.bound(found)}"
    elif found.value is Value.NO:
        message = f"{' or '.join(state.label for state in found.states)} as of {found.release}"
    elif found.value is Value.DEPENDS:
        message = f"{labels.depends_words(view)} ({found.release})"
    else:
        message = "not known"
    label = f"{view.config.subject.name}: {labels.plain(probe.title)}"
    return Badge(label=label, message=message, state=found.state)


def files(view: View) -> Mapping[str, bytes]:
    """Path below the site -> badge, as endpoint and as picture, of every probe."""
    badges = {probe.id: badge(view, probe) for probe in view.probes}
    endpoints = {f"badges/{name}.json": made.endpoint() for name, made in badges.items()}
    return endpoints | {f"badges/{name}.svg": made.picture() for name, made in badges.items()}
