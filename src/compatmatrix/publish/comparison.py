"""A comparison as Markdown fit for a comment on a pull request."""

from __future__ import annotations

from collections import Counter

from compatmatrix.analysis.comparison import Comparison
from compatmatrix.analysis.support import View
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import CellState
from compatmatrix.publish import labels
from compatmatrix.publish.markdown import environment


def markdown(view: View, comparison: Comparison) -> str:
    """The difference in answers; whatever a package said in them is text there."""
    template = environment().get_template("comparison.md.j2")
    return template.render(
        view=view, words=labels, comparison=comparison, sentence=sentence(comparison), told=_told, CellState=CellState
    )


def sentence(comparison: Comparison) -> str:
    """``2 of 24 answers differ: 1 lifted, 1 regressed``."""
    if comparison.after.state is not CellState.RAN:
        state = comparison.after.state
        return f"No answers: {state.value}, {state.meaning}. {comparison.after.detail}"
    if comparison.before.state is not CellState.RAN:
        state = comparison.before.state
        return f"Nothing to be held against: {comparison.before.subject} is {state.value}. {comparison.before.detail}"
    known = len(comparison.moved) + len(comparison.same)
    unknown = f"; {len(comparison.unknown)} cannot be compared" if comparison.unknown else ""
    if not comparison.moved:
        return f"Nothing moved: all {known} answers are the same{unknown}."
    kinds = Counter(answer.kind.value for answer in comparison.moved if answer.kind)
    counted = ", ".join(f"{count} {name}" for name, count in kinds.items())
    return f"{len(comparison.moved)} of {known} answers differ: {counted}{unknown}."


def _told(outcome: Outcome) -> str:
    """``✗ raises ValueError: …``."""
    what = outcome.signature or outcome.exception or outcome.note or ""
    return f"{outcome.state.sign} {outcome.state.value} {what}".strip()
