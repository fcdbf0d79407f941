"""Badges: one probe's answer for a README, as shields.io's endpoint JSON and as a plain picture."""

from __future__ import annotations

import json

import msgspec
from jinja2 import Environment

from compatmatrix.analysis.support import View
from compatmatrix.analysis.verdict import Value, verdict
from compatmatrix.core.model import Probe
from compatmatrix.core.states import OutcomeState
from compatmatrix.publish.labels import bound

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

    def picture(self, templates: Environment) -> bytes:
        """The badge as SVG."""
        left, right = (round(len(text) * LETTER + 14) for text in (self.label, self.message))
        picture = templates.get_template("badge.svg.j2").render(
            badge=self, left=left, right=right, color=self.state.color.hex
        )
        return picture.encode()


def badge(view: View, probe: Probe) -> Badge:
    """The answer in the newest release: since when, or what it is instead."""
    found = verdict(view, probe.id)
    if found.value is Value.YES:
        message = f"since {bound(found)}"
    elif found.value is Value.NO:
        message = f"{' or '.join(state.label for state in found.states)} as of {found.release}"
    elif found.value is Value.DEPENDS:
        message = f"depends on companions ({found.release})"
    else:
        message = "not known"
    label = f"{view.config.subject.name}: {probe.title.replace('`', '')}"
    return Badge(label=label, message=message, state=found.state)
