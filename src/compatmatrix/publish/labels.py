"""Words and sentences that all reports share, so that table, page and terminal say the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import NamedTuple

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.grid import IMPORTING, Grid, Kind, Pair, only
from compatmatrix.analysis.support import Support, View
from compatmatrix.analysis.unreleased import Preview
from compatmatrix.analysis.verdict import Reason, Value, Verdict, verdict
from compatmatrix.core import sanitize
from compatmatrix.core.model import Probe, Release
from compatmatrix.core.pairings import named
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import aside, grouped, marks, span, spans

REASON = 160
"""Characters of a reason within a sentence."""


class Sentence(NamedTuple):
    """An answer in words: what it comes to, and the rest. One string where it is shown as one."""

    lead: str
    rest: str

    def __str__(self) -> str:
        return f"{self.lead}: {self.rest}"


class Group(NamedTuple):
    """The probes that are shown together; a group that is not in ``[groups]`` of matrix.toml has its key as its title."""

    key: str
    title: str
    probes: tuple[Probe, ...]


def groups(view: View) -> list[Group]:
    """All probes by group, in the order of the view."""
    members = grouped((probe.group, probe) for probe in view.probes)
    return [Group(key, view.config.groups.get(key, key), tuple(probes)) for key, probes in members.items()]


def plain(title: str) -> str:
    """A title without the backticks that mark code."""
    return title.replace("`", "")


def phrases(view: View, pairings: Iterable[str]) -> str:
    """Pairings within a sentence: ``at release and with the latest companion``."""
    return joined(view.config.pairing_phrase(pairing) for pairing in pairings)


def meanings(view: View) -> str:
    """``at release: beside the packages that there were on its day; …``: the pairings whose words need it."""
    rules = ((view.config.pairing_title(name), named(name).meaning) for name in view.pairings)
    return "; ".join(f"“{title}”: {meaning}" for title, meaning in rules if meaning)


def joined(parts: Iterable[str], word: str = "and") -> str:
    """``a and b``; ``a, b and c``."""
    listed = list(parts)
    return f" {word} ".join([", ".join(listed[:-1]), *listed[-1:]] if len(listed) > 1 else listed)


def depends_words(view: View) -> str:
    """``depends on companion and other``."""
    return f"depends on {joined(companion.name for companion in view.config.companions) or 'the environment'}"


def outcome_words(cell: CellView | None, probe: str) -> str:
    """``✗ raises``; for a cell that did not run, its state in the outcome's place; a yes that does not count says so."""
    state: OutcomeState | CellState = OutcomeState.NOT_RUN
    if cell is not None:
        state = cell.outcome(probe).state if cell.state is CellState.RAN else cell.state
    doubted = cell is not None and cell.credible(probe) != cell.outcome(probe)
    return f"{state.sign} {state.value}" + (" (not counted)" if doubted else "")


def kind(cell: CellView | None, probe: str) -> str:
    """The state whose color an answer has."""
    state: OutcomeState | CellState = cell.shown(probe) if cell else OutcomeState.NOT_RUN
    return str(state.value)


def versions(view: View, listed: Collection[str]) -> str:
    """``0.1.0 to 0.3.0, 0.5.0``."""
    return spans(listed, [release.version for release in view.releases])


def reason(cell: CellView | None, probe: str) -> str:
    """The signature of an error; of a cell that did not run, what it said."""
    if cell is None:
        return ""
    outcome = cell.counted(probe)
    text = outcome.signature if outcome.state.negative else outcome.note
    return sanitize.line((text if cell.state is CellState.RAN else cell.detail) or "", REASON)


def release_words(release: Release) -> str:
    """``0.5.0``, ``0.5.1 (yanked)``, ``0.6.0rc1 (pre-release)``."""
    return f"{release.version}{aside(marks(release))}"


def environment_words(view: View, cell: CellView) -> str:
    """``companion 1.2, other 0.3; reported 2.1; Python 3.12``, without what the cell does not have."""
    reported = _versions(cell, [package.name for package in view.config.reported])
    python = f"Python {cell.python}" if cell.python else "no Python"
    return "; ".join(filter(None, (companions_words(view, cell), reported, python)))


def recorded_words(view: View) -> str:
    """``last new record 2025-01-31``."""
    return f"last new record {view.as_of}" if view.as_of else "nothing is recorded yet"


def dotted(*parts: str) -> str:
    """``2025-01-31 · companion 1.2``, without the parts that are empty."""
    return " · ".join(filter(None, parts))


def upper(text: str) -> str:
    """The text as it begins a sentence; a name of code at its start stays as it is."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def examined_words(view: View) -> str:
    """How many environments there are on record, and how far they got; those that were never installed are apart."""
    states = [cell.state for cell in view.cells]
    installed, ran = sum(state.installed for state in states), states.count(CellState.RAN)
    failed = states.count(CellState.INSTALL_FAILED)
    words = f"{installed} environments installed, the probes ran in {ran}"
    if failed:
        words += f"; {failed} could not be installed"
    if ruled_out := len(states) - installed - failed:
        words += f"; {ruled_out} more ruled out by package metadata"
    return words


def map_words(pairs: Grid, version: str) -> tuple[str, str]:
    """What the map answers of a release: ``imports and trains``, ``with companion 1.0 to 1.6; saves with 1.2; not with 1.7``.

    The words stand together that hold with the same versions.
    """
    same = grouped((pairs.answering(version, word) or "none known", word) for word in pairs.answers)
    (first, lead), *others = same.items()
    parts = [f"with {pairs.companion} {first}", *(f"{joined(words)} with {range}" for range, words in others)]
    if fails := pairs.answering(version, IMPORTING, False):
        parts.append(f"not with {fails}")
    return joined(lead), "; ".join(parts)


def pair_words(pairs: Grid, pair: Pair) -> str:
    """What the map answers of a pair: ``imports, trains; not: saves (TypeError …)``; of one that does not import, why."""
    if not pair.answers.get(IMPORTING):
        return pair.reason or pair.kind.meaning
    return answers_words(pairs, pair) + aside(pair.reason)


def answers_words(pairs: Grid, pair: Pair) -> str:
    """``imports, trains; saves with the packages of the release day only; not: jits``."""
    answers = {"": True, "not: ": False, "not known: ": None}
    told = {
        lead: [word for word in pairs.answers if word not in pair.depends and pair.answers.get(word) is yes]
        for lead, yes in answers.items()
    }
    plain, *others = (lead + ", ".join(words) if words else "" for lead, words in told.items())
    depends = (f"{word} with the {only(packages)}" for word, packages in pair.depends.items())
    return "; ".join(filter(None, (plain, *depends, *others)))


def mark(pairs: Grid, kind: Kind, pair: Pair | None = None) -> str:
    """What stands in a cell of the map: a sign or, where only some of several answers are yes, how many; "n" in the legend."""
    if kind not in (Kind.PARTLY, Kind.BROKEN) or len(pairs.answers) == 1:
        return kind.sign
    return f"{sum(pair.answers.values()) if pair else 'n'}/{len(pairs.answers)}"


def companions_words(view: View, cell: CellView) -> str:
    """``companion 1.2, other 0.3``: the companions, without what merely follows them."""
    return _versions(cell, [companion.name for companion in view.config.companions])


def _versions(cell: CellView, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {cell.versions[name]}" for name in names if name in cell.versions)


def network_words(cell: CellView) -> str:
    """Whether the cell could reach a network, where that is known."""
    return {None: "", True: "run with the network in reach", False: "run without network"}[cell.network]


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
    return f"on {preview.reference} since {_or_earlier(preview.commit[:12], preview.at_latest)}, not released yet"


def sentence(view: View) -> Sentence:
    """The answer to the question, with its bounds as exact as what was run."""
    subject, found = view.config.subject, verdict(view, view.config.subject.headline)
    title = view.config.subject.display_name
    if found.release is None:
        none = f"no stable release of {title}" + (" is among these." if view.releases else " has been examined.")
        return Sentence("Not known yet", none)
    release = f"{title} {found.release}"
    if found.value is Value.UNKNOWN:
        return Sentence(f"Not known for {release}", f"{_unknown(view, found, '') or 'it has not been examined'}.")
    if found.value is Value.DEPENDS:
        answers = (f"{one.outcome.state.clause} {phrases(view, [one.pairing])}" for one in found.known)
        return Sentence("It depends", f"{found.probe} on {release} {joined(answers)}.{_not_known(view, found)}")
    cell = found.known[-1].cell
    beside = aside(companions_words(view, cell)) if cell else ""
    if found.value is Value.YES:
        since = f"{subject.yes or found.probe} since {title} {bound(found)}"
        return Sentence("Yes", f"{since}{beside}.{_not_known(view, found)}")
    ahead = f" It can be {preview_words(found.preview)}." if found.preview else ""
    return Sentence("No", f"{subject.no or found.probe} as of {release}{beside}; it {_no_words(view, found)}.{ahead}")


def bound(found: Verdict) -> str:
    """``0.5.0``, or ``0.5.0 or earlier``."""
    return _or_earlier(str(found.since), found.at_latest)


def _or_earlier(bound: str, at_latest: bool) -> str:
    return f"{bound} or earlier" if at_latest else bound


def _no_words(view: View, found: Verdict) -> str:
    """``raises ValueError``; where the pairings differ, what comes of each."""
    pairings = grouped(
        (f"{one.outcome.state.clause} {one.outcome.exception or ''}".strip(), one.pairing) for one in found.known
    )
    if len(pairings) == 1:
        return next(iter(pairings))
    return joined(f"{clause} {phrases(view, names)}" for clause, names in pairings.items())


def _not_known(view: View, found: Verdict) -> str:
    """The pairings that say neither yes nor no, as a sentence of its own after one that does not hold for them."""
    words = _unknown(view, found, ":")
    return f" Not known {words}." if words else ""


def _unknown(view: View, found: Verdict, colon: str) -> str:
    """``at release it does not import``: the pairings that say neither yes nor no, and why."""
    pairings = grouped((_why_unknown(one), one.pairing) for one in found.unknown)
    return joined(f"{phrases(view, names)}{colon} it {why}" for why, names in pairings.items())


def _why_unknown(reason: Reason) -> str:
    if reason.cell is None:
        return "was not examined"
    if reason.cell.state is not CellState.RAN:
        return reason.cell.state.clause
    return reason.outcome.state.clause + aside(sanitize.line(reason.outcome.note or "", REASON))


def first_supported_words(support: Support) -> str:
    """``since 0.12.1``, ``since 0.12.1 or earlier``, ``first in 0.9.0; supported in 0.9.0 to 0.10.2``, ``in no release examined``."""
    ahead, first = preview_words(support.preview), support.first_supported
    if first is None:
        parts = [ahead or "in no release examined", _not_counted(support)]
    elif support.since == first:
        parts = [f"since {_or_earlier(first, support.at_latest)}", _not_counted(support)]
    else:
        spans = (span([one.first, one.last]) for one in support.ranges if one.state is OutcomeState.SUPPORTED)
        first = f"first in {_or_earlier(first, support.at_latest)}"
        parts = [first, f"supported in {', '.join(spans)}", _not_counted(support), ahead]
    return "; ".join(filter(None, parts))


def _not_counted(support: Support) -> str:
    """``not counted: 0.9.0rc1 (pre-release)``: where it came out supported before the release that counts as the first."""
    by_reason = groupby(support.not_counted.items(), key=lambda item: item[1])
    words = [f"{', '.join(version for version, _ in group)} ({why})" for why, group in by_reason]
    return f"not counted: {', '.join(words)}" if words else ""
