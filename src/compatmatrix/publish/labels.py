"""Signs, words and sentences that all reports share, so that table, page and terminal say the same."""

from __future__ import annotations

from compatmatrix.analysis.support import CellView, Range, Support, View
from compatmatrix.core.model import CellState, Outcome, OutcomeState

SIGNS = {
    OutcomeState.SUPPORTED: "✓",
    OutcomeState.RAISES: "✗",
    OutcomeState.NO_EFFECT: "∅",
    OutcomeState.ABSENT: "–",
    OutcomeState.INCONCLUSIVE: "?",
    OutcomeState.NOT_RUN: "·",
}

MEANINGS = {
    OutcomeState.SUPPORTED: "it ran and the number came out right",
    OutcomeState.RAISES: "an exception came up through the subject or a companion",
    OutcomeState.NO_EFFECT: "no exception, but nothing or the wrong thing was learned: the dangerous one",
    OutcomeState.ABSENT: "the API asked about does not exist in this release",
    OutcomeState.INCONCLUSIVE: "the control failed here, or the probe itself is at fault: no statement",
    OutcomeState.NOT_RUN: "not examined, or the cell did not get as far as the probes: no statement",
}

CELL_SIGNS = {
    CellState.RAN: "✓",
    CellState.IMPORT_FAILS: "⊘",
    CellState.UNRESOLVABLE: "∦",
    CellState.NO_PYTHON: "○",
    CellState.INSTALL_FAILED: "!",
    CellState.TIMEOUT: "⧖",
    CellState.CRASHED: "☓",
}

CELL_MEANINGS = {
    CellState.RAN: "installed, imported, and the probes ran",
    CellState.IMPORT_FAILS: "installs, but the import that the probes need fails",
    CellState.UNRESOLVABLE: "no set of packages meets the requirements",
    CellState.NO_PYTHON: "no Python can hold it, or none was to be had",
    CellState.INSTALL_FAILED: "what the index delivered cannot be installed",
    CellState.TIMEOUT: "no end within the time limit",
    CellState.CRASHED: "the process died or left no complete report",
}


def outcome_words(outcome: Outcome, cell: CellView | None) -> str:
    """``✗ raises``; for a cell that did not run, its state in the outcome's place."""
    if cell is not None and cell.state is not CellState.RAN:
        return f"{CELL_SIGNS[cell.state]} {cell.state.value}"
    return f"{SIGNS[outcome.state]} {outcome.state.value}"


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


def preview_words(support: Support) -> str:
    """``on main since 1a2b3c4d5e6f, not released yet``; nothing where there is no such thing."""
    preview = support.preview
    if preview is None:
        return ""
    return f"on {preview.reference} since {preview.commit[:12]}{' at the latest' if preview.at_latest else ''}, not released yet"


def verdict(view: View) -> str:
    """The answer to the question in one sentence, with its bounds as exact as what was run."""
    subject, headline = view.config.subject, view.config.subject.headline
    title = subject.title or subject.name
    latest = view.latest
    if latest is None or headline not in view.support:
        return f"Not known yet: no release of {title} has been examined."
    told = []
    for pairing, support in view.support[headline].items():
        outcome, cell = view.outcome(headline, pairing, latest.version), view.cell(pairing, latest.version)
        told.append((pairing, support, outcome, cell))
    with_answer = [entry for entry in told if entry[2].state not in (OutcomeState.NOT_RUN, OutcomeState.INCONCLUSIVE)]
    if not with_answer:
        return f"Not known for {title} {latest.version}: no cell of it has answered yet."
    pairing, support, outcome, cell = with_answer[-1]
    beside = f" ({companions_words(view, cell)}; {view.as_of})" if cell else ""
    if all(entry[2].state is OutcomeState.SUPPORTED for entry in with_answer):
        bound = f"{support.since}" + (" at the latest" if support.since_at_latest else "")
        return f"Yes: {subject.yes or headline} since {title} {bound}{beside}."
    if any(entry[2].state is OutcomeState.SUPPORTED for entry in with_answer):
        return (
            f"It depends: {headline} on {title} {latest.version} is "
            + ", ".join(f"{entry[2].state.value} with {entry[0]} companions" for entry in with_answer)
            + "."
        )
    reason = f"it {outcome.state.value} {outcome.exception}" if outcome.exception else f"it is {outcome.state.value}"
    ahead = preview_words(support)
    return f"No: {subject.no or headline} as of {title} {latest.version}{beside}; {reason}." + (
        f" It can be {ahead}." if ahead else ""
    )


def range_sentence(entry: Range) -> str:
    """``0.10.0 to 0.10.7 raises ValueError: …``."""
    span = entry.first if entry.first == entry.last else f"{entry.first} to {entry.last}"
    what = {
        OutcomeState.SUPPORTED: "supported",
        OutcomeState.RAISES: f"raises {entry.signature}",
        OutcomeState.NO_EFFECT: "has no effect, silently",
        OutcomeState.ABSENT: "absent",
        OutcomeState.INCONCLUSIVE: "inconclusive",
        OutcomeState.NOT_RUN: "not run",
    }[entry.state]
    return f"{span}: {what}"


def first_supported_words(support: Support) -> str:
    """``since 0.12.1``, ``since 0.12.1 at the latest``, ``only in 0.9.0 to 0.10.2 …``, ``never so far``."""
    ahead = preview_words(support)
    if support.first_supported is None:
        return ahead or "in no release examined"
    bound = support.first_supported + (" at the latest" if support.at_latest else "")
    if support.since is not None and support.since == support.first_supported:
        return f"since {bound}"
    spans = [
        f"{entry.first} to {entry.last}" if entry.first != entry.last else entry.first
        for entry in support.ranges
        if entry.state is OutcomeState.SUPPORTED
    ]
    return f"first in {bound}; supported in {', '.join(spans)}" + (f"; {ahead}" if ahead else "")
