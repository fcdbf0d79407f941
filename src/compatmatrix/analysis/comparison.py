"""Two cells -> what their answers differ in: a source held against a release. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from compatmatrix.analysis import changes
from compatmatrix.analysis.cells import CellView
from compatmatrix.core.model import Outcome, Probe


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the two cells answer to one probe; ``kind`` is None where one of the answers is not known."""

    probe: Probe
    before: Outcome
    after: Outcome
    kind: changes.Kind | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All answers of two cells, and which of the companions differ as well."""

    before: CellView
    after: CellView
    answers: tuple[Answer, ...]
    companions: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.kind and answer.kind.alarming)

    @property
    def same(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.kind is changes.Kind.SAME)

    @property
    def unknown(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.kind is None)


def compare(before: CellView, after: CellView, probes: Iterable[Probe], subject: str) -> Comparison:
    """Hold one cell against another, probe by probe; what is unknown in either is neither the same nor moved."""
    answers = []
    for probe in probes:
        old, new = before.counted(probe.id), after.counted(probe.id)
        known = old.state.known and new.state.known
        answers.append(Answer(probe=probe, before=old, after=new, kind=changes.classify(old, new) if known else None))
    others = [name for name in after.versions if name != subject]
    return Comparison(
        before=before,
        after=after,
        answers=tuple(sorted(answers, key=_urgency)),
        companions=tuple(name for name in others if before.versions.get(name) != after.versions.get(name)),
    )


def _urgency(answer: Answer) -> int:
    kinds = list(changes.Kind)
    return kinds.index(answer.kind) if answer.kind else len(kinds)
