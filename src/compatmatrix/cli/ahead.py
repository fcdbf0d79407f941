"""Prepares the items that a search may need next while the probes of another run: builds and locks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType

from compatmatrix.bisect.judge import Examination, Judge
from compatmatrix.cli.context import Context
from compatmatrix.cli.examine import Examiner
from compatmatrix.cli.exit_codes import Failure
from compatmatrix.core.errors import InfrastructureError
from compatmatrix.core.model import CellRequest, Probe, Record
from compatmatrix.resolve import lock, uv
from compatmatrix.results import ledger
from compatmatrix.sources.builder import Unbuildable

WORKERS = 2
"""A search that halves has two items that may be next."""


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
