"""One search, step by step: prints and writes each step, goes into merges, prepares what may be next, makes the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec

from compatmatrix.bisect import search
from compatmatrix.bisect.judge import Examination, Judge
from compatmatrix.bisect.result import ALL, HALVE, Bisection, Found, Item, Judged, Question
from compatmatrix.bisect.search import BAD, GOOD, SKIP, Change, Step, Undecided
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.exit_codes import Failure
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import CellRequest, Probe, Record
from compatmatrix.publish import write
from compatmatrix.resolve import lock, uv
from compatmatrix.results import ledger
from compatmatrix.sources.builder import Unbuildable
from compatmatrix.sources.history import Repository

WORKERS = 2
"""A search that halves has two items that may be next."""

CHEAP = 2
"""What a merge brought is searched without being asked where that takes at most so many cells."""


class Ahead:
    """Requests of a search's items, each prepared at most once; as a context manager, it ends what is not needed any more.

    Args:
        examiner: Brings a request to a record.
    """

    def __init__(self, context: Context, examiner: Examiner) -> None:
        self.context, self.examiner = context, examiner
        self._pool = ThreadPoolExecutor(max_workers=WORKERS)
        self._futures: dict[str, Future[CellRequest]] = {}
        self._request: Callable[[str], CellRequest]
        self._pairing = ""
        self.unless(lambda item: False)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        uv.stop()

    def unless(self, recorded: Callable[[str], bool]) -> None:
        """Prepare nothing that is on record."""
        self._recorded = recorded

    def __call__(self, items: Sequence[str]) -> None:
        """Begin to prepare items that may be examined next."""
        for item in items:
            if item not in self._futures and not self._recorded(item):
                self._futures[item] = self._pool.submit(self._prepare, item)

    def judge(
        self, probe: Probe, pairing: str, item: Callable[[Record], str], request: Callable[[str], CellRequest]
    ) -> Judge:
        """What judges the items of a search.

        Args:
            probe: by which they are judged.
            pairing: labels their cells.
            item: the item that a record is about, empty for none.
            request: makes the request of an item, building it where it has to be built.
        """
        self._request, self._pairing = request, pairing
        context, fresh = self.context, self.examiner.fresh
        examination = Examination(
            pairing=pairing, item=item, examine=self._examine, records=context.records, fresh=fresh
        )
        return Judge(context.config, context.probes, probe, examination, ledger.read(context.records))

    def _examine(self, item: str) -> list[Failure]:
        try:
            future = self._futures.get(item)
            request = future.result() if future else self._prepare(item)
        except Unbuildable as failure:
            self.examiner.unbuildable(failure, self._pairing)
            return []
        return self.examiner.examine([request])

    def _prepare(self, item: str) -> CellRequest:
        with self.examiner.timed("build"):
            request = self._request(item)
        with self.examiner.timed("lock"), suppress(InfrastructureError):  # it is locked again, from the cache
            if not request.refused:
                lock.resolve(self.context.config, request, self.context.cache / "locks")
        return request


class Search:
    """A search; once it runs, ``result`` has what is known of it so far.

    Args:
        judge: Judges an item.
        items: From the good end to the bad end.
        describe: What is shown of an item.
        ahead: Prepares items while others are judged.
        repository: Of commits, where they are.
        into_merges: Whether a merge is searched however many commits it brought.
    """

    def __init__(
        self,
        *,
        judge: Judge,
        question: Question,
        items: Sequence[str],
        describe: Callable[[str], Item],
        ahead: Ahead,
        repository: Repository | None = None,
        into_merges: bool = False,
    ) -> None:
        self.question = question
        self._context, self._judge, self._items, self._ahead = ahead.context, judge, items, ahead
        self._describe, self._repository, self._into_merges = describe, repository, into_merges
        self._steps: dict[str, Step] = {}

    def run(self) -> None:
        """Search, and write the result after every step."""
        ends = (self._describe(self._items[0]), self._describe(self._items[-1]))
        self.result = Bisection(id=self.question.id, question=self.question, ends=ends)
        self._context.say(f"{len(self._items)} {'releases' if self.question.companion else 'commits'} from good to bad")
        self._ahead.unless(self._judge.recorded)
        self._ranges = [self._items]
        found, why = list[Found](), ""
        try:
            for change in self._changes(self._items, self.question.method):
                found.append(self._found(change))
        except Undecided as undecided:
            why = str(undecided)
        answers = [self._step(item) for items in self._ranges for item in items if self._judge.recorded(item)]
        self._write(changes=tuple(found), why=why, answers=tuple(dict.fromkeys(answers)))

    @property
    def judged(self) -> int:
        """How many items the search has judged."""
        return len(self._steps)

    def _changes(self, items: Sequence[str], method: str) -> Iterator[Change]:
        if method == HALVE:
            yield search.halve(items, self._judge, self._on_step, self._judge.recorded, self._ahead)
            return
        for change in search.scan(items, self._judge, self._on_step, self._ahead):
            yield change
            if method != ALL:
                return

    def _found(self, change: Change) -> Found:
        """A change with its evidence; of a merge, the commit in it where one alone has the change."""
        deeper, merge = change, None
        while inside := self._into_merge(deeper):
            merge = merge or self._describe(deeper.bad)
            deeper = inside
        return Found(
            before=self._judged(deeper.good),
            after=self._judged(deeper.bad),
            between=tuple(map(self._judged, deeper.between)),
            merge=merge,
        )

    def _into_merge(self, change: Change) -> Change | None:
        """If the change is a merge, the change in what it merged; None where no branch alone has it, or it is not searched."""
        if self._repository is None or change.between:
            return None
        before = self._steps[change.good].verdict.kind
        for tip in self._repository.commit(change.bad).parents[1:]:
            base = self._repository.base(change.good, tip)
            if base is None or base == tip:
                continue
            items = self._repository.between(base, tip)
            base = items[0]
            cells = (len(items) - 2).bit_length() + sum(not self._judge.recorded(end) for end in (base, tip))
            if cells > CHEAP and not self._into_merges:
                continue
            if self._judge(tip).kind in (None, before) or self._judge(base).kind != before:
                continue
            self._context.say(f"{change.bad[:12]} is a merge; searching the {len(items) - 1} commits that it brought")
            self._ranges.append(items)
            try:
                return next(self._changes(items, HALVE))
            except Undecided:
                continue
        return None

    def _on_step(self, step: Step) -> None:
        if step.item not in self._steps:
            self._steps[step.item] = step
            self._context.say(f"  {step.side}: {step.item[:12]}: {step.verdict.text}")
            self._write()  # so that an interrupted search leaves its log

    def _step(self, item: str) -> Step:
        """The judgment of an item, also of one that the search did not need but the records have."""
        if known := self._steps.get(item):
            return known
        verdict, good = self._judge(item), self._steps[self._items[0]].verdict
        side = SKIP if verdict.kind is None or verdict.broken else GOOD if verdict.kind == good.kind else BAD
        return Step(item=item, verdict=verdict, side=side)

    def _write(self, **found: Any) -> None:
        self.result = msgspec.structs.replace(self.result, **found)
        write.write(self._context.reports, self.result.files(list(self._steps.values())))

    def _judged(self, item: str) -> Judged:
        verdict, cell = self._judge(item), self._judge.cells[item]
        outcome = cell.outcomes.get(self.question.probe)
        return Judged(
            item=self._describe(item),
            verdict=verdict,
            cell=cell.id,
            python=cell.python,
            versions=cell.versions,
            outcome=outcome,
            evidence=self._judge.evidence.get((outcome and outcome.evidence) or "", ""),
        )
