"""Changes in words: a line of plain text for each, and a comparison of two cells as Markdown."""

from __future__ import annotations

from collections import Counter

from compatmatrix.analysis.cells import answer
from compatmatrix.analysis.changes import Change, Comparison, Kind
from compatmatrix.analysis.support import View
from compatmatrix.config.tables import Config
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import CellState
from compatmatrix.core.text import aside, marks
from compatmatrix.publish.render import filled


def sentence(config: Config, change: Change) -> str:
    """``name 0.5.0, probe (newest): lifted: raises … in 0.4.0, supported now with companion 3.0``."""
    names = [companion.name for companion in config.companions if companion.name in change.versions]
    beside = " with " + ", ".join(f"{name} {change.versions[name]}" for name in names) if names else ""
    where = f"{config.subject.name} {change.release}{aside(marks(change))}"
    if not change.probe:
        return f"{where} ({config.pairing_title(change.pairing)}): {change.kind.value}{beside}: {change.detail}"
    held = f"in {change.against}" if change.against != change.release else "until now"
    return (
        f"{where}, {change.probe} ({config.pairing_title(change.pairing)}): {change.kind.value}: "
        f"{answer(change.before)} {held}, {answer(change.after)} now{beside}"
    )


def markdown(view: View, comparison: Comparison) -> str:
    """A comparison, fit for a comment on a pull request; whatever a package said in it is text there."""
    titles = {probe.id: probe.title for probe in view.probes}
    return filled(
        "comparison.md.j2",
        view=view,
        comparison=comparison,
        sentence=summary(comparison),
        told=_told,
        Kind=Kind,
        titles=titles,
    )


def summary(comparison: Comparison) -> str:
    """``2 of 24 answers differ: 1 lifted, 1 regressed``."""
    before, after, changed = comparison.before, comparison.after, comparison.changed
    if after.state is not CellState.RAN:
        other = f" The other side has none either: {before.state.value}. {before.detail}"
        text = f"No answers: {after.state.value}, {after.state.meaning}. {after.detail}"
        return text if before.state is CellState.RAN else text + other
    if before.state is not CellState.RAN:
        return f"Nothing to compare with: {before.subject} is {before.state.value}. {before.detail}"
    unknown = len(comparison.of(Kind.UNKNOWN))
    known, rest = len(comparison.kinds) - unknown, f"; {unknown} {Kind.UNKNOWN.value}" if unknown else ""
    if not changed:
        return f"Nothing changed: all {known} answers are the same{rest}."
    counts = Counter(comparison.kinds[probe].value for probe in changed)
    counted = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"{len(changed)} of {known} answers differ: {counted}{rest}."


def _told(outcome: Outcome) -> str:
    """``✗ raises ValueError: …``."""
    what = outcome.signature or outcome.exception or outcome.note or ""
    return f"{outcome.state.sign} {outcome.state.value} {what}".strip()
