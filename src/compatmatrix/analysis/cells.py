"""Records -> cells: what all records of one cell together show, for today's probes, and what of it counts. Pure.

A *no* counts only where no control failed (`weigh`). A *yes* counts only beside a main control that is `supported`, in a
cell whose records name no tampering: everything that is concluded from cells goes by `CellView.counted`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from packaging.version import Version

from compatmatrix.config.tables import Config
from compatmatrix.core import sanitize
from compatmatrix.core.model import Outcome, Probe, Record, Source
from compatmatrix.core.pairings import BISECT, Over, named
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.core.text import grouped
from compatmatrix.results.ledger import Ledger, holders

NOT_RUN = Outcome(state=OutcomeState.NOT_RUN)


class PublishedCell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One (Python X.Y, platform, lock) with what was found there; ``recorded`` is the day (UTC).

    ``outcomes`` are weighed by the controls and answer today's probes only. ``network`` is whether the cell could reach a
    network, where that is known; ``tampering`` (``oddities`` in JSON) is how it tampered with its environment or the test
    tools.
    """

    id: str
    subject: str
    python: str
    platform: str
    pairings: tuple[str, ...]
    versions: Mapping[str, str]
    state: CellState
    detail: str
    outcomes: Mapping[str, Outcome]
    recorded: str
    network: bool | None = None
    tampering: tuple[str, ...] = msgspec.field(default=(), name="oddities")


class CellView(PublishedCell, frozen=True, kw_only=True):
    """A cell as all its records together show it; ``control`` is the probe that must be supported for a yes to count."""

    lock: tuple[str, ...]
    source: Source | None = None
    control: str = ""

    def outcome(self, probe: str) -> Outcome:
        """What the probe found."""
        return self.outcomes.get(probe, NOT_RUN) if self.state is CellState.RAN else NOT_RUN

    def credible(self, probe: str) -> Outcome:
        """What the probe found, as it is shown: a yes beside tampering or a control that failed is `inconclusive`."""
        control = self.outcome(self.control).state
        return self._doubted(probe, control.negative or control is OutcomeState.INCONCLUSIVE)

    def shown(self, probe: str) -> OutcomeState | CellState:
        """The state that stands for the answer: what is credible of it; of a cell that did not run, its own."""
        return self.credible(probe).state if self.state is CellState.RAN else self.state

    def counted(self, probe: str) -> Outcome:
        """What the probe found, as far as anything is concluded from it: a yes that no control confirms is `inconclusive`."""
        return self._doubted(probe, self.outcome(self.control).state is not OutcomeState.SUPPORTED)

    @property
    def for_python(self) -> bool:
        """Whether it was run for nothing but to see whether its Python holds the pair."""
        return _for_python(self.pairings)

    @property
    def inconclusive(self) -> bool:
        """Whether any of its answers is, a yes in doubt included."""
        return any(self.credible(probe).state is OutcomeState.INCONCLUSIVE for probe in self.outcomes)

    def _doubted(self, probe: str, doubtful: bool) -> Outcome:
        outcome = self.outcome(probe)
        if outcome.state is not OutcomeState.SUPPORTED or not (self.tampering or doubtful):
            return outcome
        why = f"the control {self.control} {self.outcome(self.control).state.clause}"
        if self.tampering:
            why = f"the release tampered with the test ({self.tampering[0]})"
        return msgspec.structs.replace(outcome, state=OutcomeState.INCONCLUSIVE, note=why)


@functools.cache
def _for_python(pairings: tuple[str, ...]) -> bool:
    return all(named(pairing).over is Over.PYTHON for pairing in pairings)


def read(ledger: Ledger, config: Config, probes: Sequence[Probe]) -> tuple[CellView, ...]:
    """The cells that stand for something today, in version order; those of one bisection's pairs do not."""
    held: dict[str, set[str]] = defaultdict(set)
    for slot, record in holders(ledger.records.values(), config.map_companion).items():
        if slot[2] != BISECT.name:
            held[record.cell].add(slot[2])
    by_cell = grouped((record.cell, record) for record in ledger.records.values())
    cells = [united(records, held[cell], config, probes) for cell, records in by_cell.items() if cell in held]
    return tuple(sorted(cells, key=lambda cell: (Version(cell.subject), cell.pairings, cell.id)))


def united(records: Iterable[Record], pairings: Iterable[str], config: Config, probes: Sequence[Probe]) -> CellView:
    """One cell as all its records together show it."""
    current = {probe.id: probe.digest for probe in probes}
    ordered = sorted(records, key=lambda record: (record.recorded, record.key))
    # How far a question of yesterday got, one that nobody asks any more, says nothing of the cell today.
    dated = [(at, record) for record in ordered if (at := _answered_at(record, current))]
    dated.sort(key=lambda one: (one[0], one[1].key))
    relevant = [record for _, record in dated] or ordered
    last = relevant[-1]
    answers = sorted(
        (record.answered_at(name), record.key, name, outcome)
        for record in (ordered if last.state is CellState.RAN else ())
        for name, outcome in record.outcomes.items()
        if record.probes.get(name) == current.get(name)
    )
    outcomes = {name: _signed(outcome) for _, _, name, outcome in answers}
    return CellView(
        id=last.cell, subject=last.subject, python=last.python, platform=last.platform, pairings=tuple(sorted(pairings)),
        versions=last.versions, state=last.state, lock=last.lock, source=last.source, detail=last.detail,
        recorded=(dated[-1][0] if dated else last.recorded)[:10],
        outcomes=weigh(outcomes, probes, config.subject.control), network=last.network, control=config.subject.control,
        tampering=tuple(dict.fromkeys(found for record in relevant for found in record.tampering)),
    )  # fmt: skip


def weigh(outcomes: Mapping[str, Outcome], probes: Iterable[Probe], control: str) -> dict[str, Outcome]:
    """Make negative outcomes `inconclusive` where a control that governs them failed.

    Args:
        outcomes: Outcomes of one cell, by probe.
        probes: All probes; ``needs`` names further controls of a probe.
        control: The control that governs every probe. One that is absent, or was not run, changes nothing.
    """
    weighed = dict(outcomes)
    for probe in probes:
        outcome = outcomes.get(probe.id)
        if outcome is None or not outcome.state.negative:
            continue
        for governor in dict.fromkeys((control, *probe.needs)):
            judged = outcomes.get(governor)
            if governor != probe.id and judged and (judged.state.negative or judged.state is OutcomeState.INCONCLUSIVE):
                note = f"the control {governor} came out {judged.state.value} here; without it: {outcome.state.value}"
                weighed[probe.id] = msgspec.structs.replace(outcome, state=OutcomeState.INCONCLUSIVE, note=note)
                break
    return weighed


def _answered_at(record: Record, current: Mapping[str, str]) -> str:
    """When a record last answered one of these forms of probes; empty where it has none of them, though it has others."""
    if not record.probes:
        return record.recorded
    names = [name for name, source in record.probes.items() if current.get(name) == source]
    return max(map(record.answered_at, names), default="")


def _signed(outcome: Outcome) -> Outcome:
    """With the signature as it is made today: the record keeps what was seen, how like is told from unlike may improve."""
    if outcome.exception is None:
        return outcome
    return msgspec.structs.replace(outcome, signature=sanitize.signature(outcome.exception, outcome.message or ""))


def kind(outcome: Outcome) -> tuple[OutcomeState, str | None]:
    """What makes two outcomes the same answer: the state and, where it raises, the signature."""
    return outcome.state, outcome.signature if outcome.state is OutcomeState.RAISES else None


def answer(outcome: Outcome) -> str:
    """The same in words: ``raises ValueError: …``."""
    state, signature = kind(outcome)
    return f"{state.value} {signature}" if signature else state.value


def unbroken(answers: Sequence[bool | None]) -> tuple[int | None, bool]:
    """Where the run of yes begins that the last answer stands in, and whether it may begin earlier; None without one."""
    start = len(answers)
    while start and answers[start - 1]:
        start -= 1
    if start == len(answers):
        return None, False
    return start, start > 0 and answers[start - 1] is None
