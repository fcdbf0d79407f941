"""One cell, one record: of each probe the answer that was given last. Pure.

A run asks a cell only what it has not answered, and leaves a record of that. What was answered before in the same cell
stays, with its instant; an answer to an earlier form of a probe goes when there is a later one. So files of records may be
folded in any order and any number of times: `folded(folded(a) + b)` is `folded(a + b)`. Records of sources and of cells
that tampered with the test are left as they are, and so are those that have no probe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from compatmatrix.core.encoding import canonical
from compatmatrix.core.model import Record, record_key
from compatmatrix.core.states import CellState
from compatmatrix.core.text import grouped


def folded(records: Iterable[Record]) -> list[Record]:
    """The records without answers that have a later one, those of a cell that are alike but for their answers united."""
    kept: list[Record] = []
    cells: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        alone = record.source or record.tampering or not record.probes
        (kept if alone else cells[record.cell]).append(record)
    for together in cells.values():
        kept += _of_cell(together) if len(together) > 1 else together
    return kept


def _of_cell(records: Iterable[Record]) -> Iterator[Record]:
    latest: dict[str, tuple[tuple[bool, str, bytes, bytes], Record]] = {}
    labels: dict[str, set[str]] = defaultdict(set)
    for record in records:
        alike = _without_answers(record)
        for probe, source in record.probes.items():
            # Like the later record of one key: a missing Python is never the later.
            answer = canonical([source, record.outcomes.get(probe)])
            rank = (record.state is not CellState.NO_PYTHON, record.answered_at(probe), alike, answer)
            if probe not in latest or latest[probe][0] < rank:
                latest[probe] = (rank, record)
        for label, instants in record.pairings.items():
            labels[label] |= {*instants}
    groups: dict[bytes, dict[str, Record]] = defaultdict(dict)
    for probe, ((_, _, alike, _), record) in sorted(latest.items()):
        groups[alike][probe] = record
    pairings = {label: tuple(sorted(labels[label])) for label in sorted(labels)}
    for answers in groups.values():
        yield msgspec.structs.replace(_united(answers), pairings=pairings)


def _united(answers: dict[str, Record]) -> Record:
    """One record of these answers, each given with the record that has it; these are alike in everything else."""
    dates = grouped((record.answered_at(probe), probe) for probe, record in answers.items())
    one, recorded = next(iter(answers.values())), max(dates)
    probes = {probe: record.probes[probe] for probe, record in answers.items()}
    return msgspec.structs.replace(
        one,
        key=record_key(one.cell, probes),
        probes=probes,
        outcomes={probe: record.outcomes[probe] for probe, record in answers.items() if probe in record.outcomes},
        recorded=recorded,
        answered={instant: tuple(dates[instant]) for instant in sorted(dates) if instant != recorded},
    )


def _without_answers(record: Record) -> bytes:
    return canonical(
        msgspec.structs.replace(record, key="", probes={}, outcomes={}, pairings={}, recorded="", answered={})
    )
