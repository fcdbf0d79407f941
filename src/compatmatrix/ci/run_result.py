"""The bulletin of a run: what it found against what was published, and whether that may be published. One file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from compatmatrix.analysis import changes, support
from compatmatrix.analysis.changes import Move, Standing
from compatmatrix.ci import gate
from compatmatrix.ci.gate import Refusal
from compatmatrix.config.matrix_file import Config
from compatmatrix.core import files
from compatmatrix.core.model import Probe
from compatmatrix.planning.plan_file import Plan, missing
from compatmatrix.publish import labels
from compatmatrix.results.ledger import Ledger

SCHEMA = 1


class Bulletin(msgspec.Struct, frozen=True, kw_only=True):
    """What the jobs after `merge` have to know.

    ``before`` and ``after`` are the headline's answers by pairing; ``missing`` are planned cells that nobody delivered,
    ``failed`` wishes that could not be looked into, ``fresh`` whether anything is on disk that was not before.
    """

    schema: int = SCHEMA
    verdict: str
    examined: int
    fresh: bool
    missing: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    refusals: tuple[Refusal, ...]
    before: Mapping[str, Standing]
    after: Mapping[str, Standing]
    moves: tuple[Move, ...]

    @property
    def alarms(self) -> tuple[Move, ...]:
        return changes.alarming(self.moves)

    @property
    def state(self) -> str:
        """One word for whoever decides what comes next: ``refused``, ``changed`` or ``same``."""
        return "refused" if self.refusals else "changed" if self.fresh else "same"


def make(
    config: Config,
    probes: Sequence[Probe],
    plan: Plan | None,
    before: Ledger,
    delivered: Ledger,
    after: Ledger,
    fresh: bool,
) -> Bulletin:
    """Hold what a run brought against what is published; without a plan there is nothing to miss or to refuse."""
    old, new = (support.view(ledger, config, probes) for ledger in (before, after))
    lost = missing(plan, after) if plan else ()
    return Bulletin(
        verdict=str(labels.sentence(new)),
        examined=len(plan.jobs) - len(lost) if plan else len(delivered.records),
        fresh=fresh,
        missing=tuple(job.title for job in lost),
        failed=plan.failed if plan else (),
        refusals=gate.refusals(config, probes, plan, before, delivered, after) if plan else (),
        before=changes.standing(old, config.subject.headline),
        after=changes.standing(new, config.subject.headline),
        moves=changes.compare(old, new),
    )


def read(path: Path) -> Bulletin:
    """Raises UserError where there is none or it cannot be read."""
    return files.read_json(path, Bulletin, SCHEMA, "merge --bulletin")


def save(bulletin: Bulletin, path: Path) -> None:
    """Raises InfrastructureError where the disk does not take it."""
    files.write_json(bulletin, path)
