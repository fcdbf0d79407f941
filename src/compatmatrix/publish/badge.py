"""Badges: one probe's answer for a README, as shields.io's endpoint JSON and as a plain picture."""

from __future__ import annotations

import json

import msgspec
from jinja2 import Environment

from compatmatrix.analysis.support import UNKNOWN, View
from compatmatrix.core.model import OutcomeState, Probe

COLOURS = {
    OutcomeState.SUPPORTED: ("brightgreen", "#1a7a4b"),
    OutcomeState.RAISES: ("red", "#b3261e"),
    OutcomeState.NO_EFFECT: ("blueviolet", "#5b21b6"),
    OutcomeState.ABSENT: ("lightgrey", "#59616c"),
    OutcomeState.INCONCLUSIVE: ("lightgrey", "#59616c"),
    OutcomeState.NOT_RUN: ("lightgrey", "#59616c"),
}
LETTER = 6.4
"""Mean width of a letter at 11 pixels; the picture sets each text to the width computed here, so it always fits."""


class Badge(msgspec.Struct, frozen=True, kw_only=True):
    """What a badge says."""

    label: str
    message: str
    state: OutcomeState

    def endpoint(self) -> bytes:
        """The JSON of shields.io's endpoint badges."""
        tree = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": COLOURS[self.state][0]}
        return (json.dumps(tree) + "\n").encode()

    def picture(self, templates: Environment) -> bytes:
        """The badge as SVG."""
        left, right = (round(len(text) * LETTER + 14) for text in (self.label, self.message))
        picture = templates.get_template("badge.svg.j2").render(
            badge=self, left=left, right=right, colour=COLOURS[self.state][1]
        )
        return picture.encode()


def badge(view: View, probe: Probe) -> Badge:
    """The answer in the newest release; where pairings disagree, the worse one, said as a dependence."""
    latest = view.latest.version if view.latest else ""
    states = {
        pairing: support.latest for pairing, support in view.support[probe.id].items() if support.latest not in UNKNOWN
    }
    label = f"{view.config.subject.name}: {probe.title.replace('`', '')}"
    if not states:
        return Badge(label=label, message="not known", state=OutcomeState.NOT_RUN)
    if set(states.values()) == {OutcomeState.SUPPORTED}:
        pairing = next(iter(states))
        support = view.support[probe.id][pairing]
        late = support.since_at_latest
        return Badge(
            label=label,
            message=f"since {support.since}" + (" at the latest" if late else ""),
            state=OutcomeState.SUPPORTED,
        )
    if len(set(states.values())) > 1:
        return Badge(label=label, message=f"depends on companions ({latest})", state=OutcomeState.INCONCLUSIVE)
    state = next(iter(states.values()))
    told = {OutcomeState.NO_EFFECT: "silently nothing", OutcomeState.ABSENT: "absent"}.get(state, state.value)
    return Badge(label=label, message=f"{told} as of {latest}", state=state)
