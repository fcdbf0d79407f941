"""Signs, words and sentences that all reports share, so that table, page and terminal say the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from compatmatrix.analysis.support import CellView, Range, Support, View
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.analysis.verdict import Reason, Value, Verdict, verdict
from compatmatrix.core import sanitize
from compatmatrix.core.model import Outcome, Release
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import aside as aside
from compatmatrix.core.text import marks as marks

REASON = 160
"""Characters of a reason within a sentence."""


class Sentence(NamedTuple):
    """An answer in words: what it comes to, and the rest. One string where it is shown as one."""

    lead: str
    rest: str

    def __str__(self) -> str:
        return f"{self.lead}: {self.rest}"


def outcome_words(cell: CellView | None, probe: str) -> str:
    """``✗ raises``; for a cell that did not run, its state in the outcome's place; a yes that is in doubt says so."""
    if cell is None:
        state: OutcomeState | CellState = OutcomeState.NOT_RUN
    else:
        state = cell.outcome(probe).state if cell.state is CellState.RAN else cell.state
    doubted = cell is not None and cell.credible(probe) != cell.outcome(probe)
    return f"{state.sign} {state.value}" + (" (not counted)" if doubted else "")


def kind(cell: CellView | None, probe: str) -> str:
    """The state whose color an answer has: what is credible of it, or the state of a cell that did not run."""
    if cell is None:
        return OutcomeState.NOT_RUN.value
    return cell.credible(probe).state.value if cell.state is CellState.RAN else cell.state.value


def answer_words(outcome: Outcome) -> str:
    """``raises ValueError: …``: the state and, where there is one, the signature."""
    return f"{outcome.state.value} {outcome.signature}" if outcome.signature else outcome.state.value


def release_words(release: Release) -> str:
    """``0.5.0``, ``0.5.1 (yanked)``, ``0.6.0rc1 (pre-release)``."""
    return f"{release.version}{aside(marks(release))}"


def environment_words(view: View, cell: CellView) -> str:
    """``companion 1.2, other 0.3; Python 3.12``, without what the cell does not have."""
    return "; ".join(
        part for part in (companions_words(view, cell), f"Python {cell.python}" if cell.python else "no Python") if part
    )


def recorded_words(view: View) -> str:
    """``last new record 2025-01-31``."""
    return f"last new record {view.as_of}" if view.as_of else "nothing is recorded yet"


def dotted(*parts: str) -> str:
    """``2025-01-31 · companion 1.2``, without the parts that are empty."""
    return " · ".join(part for part in parts if part)


def upper(text: str) -> str:
    """The text as it begins a sentence."""
    return text[:1].upper() + text[1:]


def examined_words(view: View) -> str:
    """How many environments there are on record, and how far they got; what was never installed is told apart."""
    states = [cell.state for cell in view.cells]
    installed, ran = sum(state.installed for state in states), states.count(CellState.RAN)
    failed = states.count(CellState.INSTALL_FAILED)
    told = f"{installed} environments installed, the probes ran in {ran}"
    if failed:
        told += f"; {failed} could not be installed"
    if ruled_out := len(states) - installed - failed:
        told += f"; {ruled_out} more ruled out by package metadata"
    return told


def companions_words(view: View, cell: CellView) -> str:
    """``companion 1.2, other 0.3``: the companions, without what merely follows them."""
    names = [companion.name for companion in view.config.companions]
    return ", ".join(f"{name} {cell.versions[name]}" for name in names if name in cell.versions)


def source_words(cell: CellView) -> str:
    """``main at 1a2b3c4d5e6f``; ``0.12.12 with companion 1.3.dev20261123`` where it is the companion that is not released."""
    source = cell.source
    if source is None:
        return cell.subject
    if not source.identity:
        return f"{cell.subject} with {source.package} {source.version or source.reference}"
    return f"{source.reference} at {source.short}" if source.commit else f"{source.reference} {cell.subject}"


def preview_words(preview: Preview | None) -> str:
    """``on main since 1a2b3c4d5e6f, not released yet``; nothing where there is no such thing."""
    if preview is None:
        return ""
    return f"on {preview.reference} since {preview.commit[:12]}{' at the latest' if preview.at_latest else ''}, not released yet"


def sentence(view: View) -> Sentence:
    """The answer to the question, with its bounds as exact as what was run."""
    subject, found = view.config.subject, verdict(view, view.config.subject.headline)
    title = subject.title or subject.name
    if found.release is None:
        return Sentence("Not known yet", f"no stable release of {title} has been examined.")
    if found.value is Value.UNKNOWN:
        why = _list([f"with {one.pairing} companions it {_unknown_words(one)}" for one in found.unknown])
        return Sentence(f"Not known for {title} {found.release}", f"{why or 'it has not been examined'}.")
    if found.value is Value.DEPENDS:
        answers = ", ".join(f"{one.outcome.state.value} with {one.pairing} companions" for one in found.known)
        return Sentence("It depends", f"{found.probe} on {title} {found.release} is {answers}.{_unexamined(found)}")
    cell = found.known[-1].cell
    told = [companions_words(view, cell), view.as_of] if cell else []
    beside = aside("; ".join(filter(None, told)))
    if found.value is Value.YES:
        return Sentence(
            "Yes", f"{subject.yes or found.probe} since {title} {bound(found)}{beside}.{_unexamined(found)}"
        )
    ahead = f" It can be {preview_words(found.preview)}." if found.preview else ""
    return Sentence(
        "No", f"{subject.no or found.probe} as of {title} {found.release}{beside}; {_no_words(found)}.{ahead}"
    )


def bound(found: Verdict) -> str:
    """``0.5.0``, or ``0.5.0 at the latest``."""
    return f"{found.since}" + (" at the latest" if found.at_latest else "")


def _no_words(found: Verdict) -> str:
    """``it raises ValueError``; where the pairings differ, what each of them does."""
    told: dict[str, list[str]] = {}
    for one in found.known:
        told.setdefault(f"{one.outcome.state.clause} {one.outcome.exception or ''}".strip(), []).append(one.pairing)
    if len(told) == 1:
        return f"it {next(iter(told))}"
    return _list([f"with {_list(pairings)} companions it {what}" for what, pairings in told.items()])


def _unexamined(found: Verdict) -> str:
    """What the pairings say that say neither yes nor no, as a sentence of its own after one that does not hold for them."""
    told = [f"with {one.pairing} companions it {_unknown_words(one)}" for one in found.unknown]
    return f" Not known otherwise: {_list(told)}." if told else ""


def _unknown_words(reason: Reason) -> str:
    """Why a pairing says neither yes nor no, as what follows "it"."""
    if reason.cell is None:
        return "was not examined"
    if reason.cell.state is not CellState.RAN:
        return reason.cell.state.clause
    note = sanitize.line(reason.outcome.note or "", REASON)
    return reason.outcome.state.clause + aside(note)


def _list(parts: Sequence[str]) -> str:
    return " and ".join(parts)


def range_sentence(entry: Range) -> str:
    """``0.10.0 to 0.10.7 raises ValueError: …``."""
    span = entry.first if entry.first == entry.last else f"{entry.first} to {entry.last}"
    what = f"{entry.state.label} {entry.signature}" if entry.state is OutcomeState.RAISES else entry.state.label
    return f"{span}: {what}"


def first_supported_words(support: Support) -> str:
    """``since 0.12.1``, ``since 0.12.1 at the latest``, ``first in 0.9.0; supported in 0.9.0 to 0.10.2``, ``in no release examined``."""
    ahead = preview_words(support.preview)
    aside = _not_counted(support)
    if support.first_supported is None:
        return "; ".join(part for part in (ahead or "in no release examined", aside) if part)
    first = support.first_supported + (" at the latest" if support.at_latest else "")
    if support.since is not None and support.since == support.first_supported:
        return "; ".join(part for part in (f"since {first}", aside) if part)
    spans = [
        f"{entry.first} to {entry.last}" if entry.first != entry.last else entry.first
        for entry in support.ranges
        if entry.state is OutcomeState.SUPPORTED
    ]
    return "; ".join(part for part in (f"first in {first}", f"supported in {', '.join(spans)}", aside, ahead) if part)


def _not_counted(support: Support) -> str:
    """``not counted: 0.9.0rc1 (pre-release)``: where it came out supported before the release that counts as the first."""
    grouped = groupby(support.not_counted.items(), key=lambda item: item[1])
    told = [f"{', '.join(version for version, _ in group)} ({why})" for why, group in grouped]
    return f"not counted: {', '.join(told)}" if told else ""
