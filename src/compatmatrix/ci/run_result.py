"""The bulletin of a run, as a file: what changed compared with what is published, and whether it may be published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from compatmatrix.analysis import changes, support
from compatmatrix.analysis.changes import Change, LastAnswer
from compatmatrix.analysis.support import View
from compatmatrix.ci import gate
from compatmatrix.ci.gate import Ledgers, Refusal
from compatmatrix.config.tables import Config
from compatmatrix.core import files
from compatmatrix.core.model import Probe
from compatmatrix.planning.plan_file import Plan, unrecorded
from compatmatrix.publish import labels
from compatmatrix.publish.status import Missing, Status

SCHEMA = 2

NO_RECORD = "it left no record, and is published as not run"


class Bulletin(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs after `merge` need to know.

    Attributes:
        verdict: the answer to the question, as a sentence.
        examined: how many cells this run examined.
        fresh: whether the reports differ from those published.
        missing: planned cells without a record.
        failed: requests that could not be planned, each with the reason.
        before: the headline's published answer by pairing; ``after`` the one now.
        changes: the answers that changed, and those that a new release has in common with the one before.
    """

    schema: int = SCHEMA
    verdict: str
    examined: int
    fresh: bool
    missing: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    refusals: tuple[Refusal, ...]
    before: Mapping[str, LastAnswer]
    after: Mapping[str, LastAnswer]
    changes: tuple[Change, ...]

    @property
    def alarms(self) -> tuple[Change, ...]:
        return changes.alarming(self.changes)

    @property
    def not_examined(self) -> list[tuple[str, str]]:
        """What was to be examined and was not, each with the reason."""
        return [*self.failed, *((title, NO_RECORD) for title in self.missing)]

    @property
    def state(self) -> str:
        """What the workflow does next depends on this: ``refused``, ``changed`` or ``same``."""
        return "refused" if self.refusals else "changed" if self.fresh else "same"


def make(config: Config, probes: Sequence[Probe], plan: Plan | None, ledgers: Ledgers, fresh: bool) -> Bulletin:
    """Compare a run with what is published; without a plan, nothing can be missing or refused."""
    old, new = (support.view(known, config, probes) for known in (ledgers.before, ledgers.after))
    lost = unrecorded(plan, ledgers.after) if plan else ()
    return Bulletin(
        verdict=str(labels.sentence(new)),
        examined=len(plan.jobs) - len(lost) if plan else len(ledgers.delivered.records),
        fresh=fresh,
        missing=tuple(job.title for job in lost),
        failed=plan.failed if plan else (),
        refusals=gate.refusals(config, probes, plan, ledgers) if plan else (),
        before=changes.last_answers(old, config.subject.headline),
        after=changes.last_answers(new, config.subject.headline),
        changes=changes.between_views(old, new),
    )


def status(plan: Plan, bulletin: Bulletin, view: View, run: str) -> Status:
    """The status of the job after a run; ``run`` is the run's address."""
    return Status(
        looked=plan.planned,
        hours=view.config.publish.hours,
        recorded=view.as_of or None,
        planned=len(plan.jobs),
        examined=bulletin.examined,
        missing=tuple(Missing(cell=cell, why=why) for cell, why in bulletin.not_examined),
        refusals=tuple(refusal.why for refusal in bulletin.refusals),
        run=run,
    )


def read(path: Path) -> Bulletin:
    """Read a bulletin; raises UserError where there is none, or none of this schema."""
    return files.read_json(path, Bulletin, SCHEMA, "merge --bulletin")
