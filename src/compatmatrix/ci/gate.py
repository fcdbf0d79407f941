"""Never publish less than is known: what speaks against publishing what a run brought, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.support import CellView, view
from compatmatrix.config.matrix_file import Config
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import CellState, OutcomeState, Probe
from compatmatrix.planning.plan_file import Plan, missing
from compatmatrix.results.ledger import Ledger


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One reason; ``kind`` stays the same from day to day while the words may not."""

    kind: str
    why: str


def refusals(
    config: Config, probes: Sequence[Probe], plan: Plan, before: Ledger, delivered: Ledger, after: Ledger
) -> tuple[Refusal, ...]:
    """Everything that speaks against publishing ``after``, nothing if it may be.

    Args:
        before: what is published.
        delivered: what this run brought.
        after: both together, as it is on disk.
    """
    found = [
        *_nothing_examined(plan, after),
        *_fewer_releases(config, plan, before),
        *_controls(config, probes, plan, after, delivered),
        *(
            Refusal(kind="damage", why=f"the records are damaged: {part}")
            for part in (*after.damage, *delivered.damage)
        ),
    ]
    if lost := before.records.keys() - after.records.keys():
        found.append(Refusal(kind="lost", why=f"{len(lost)} records that are published would be gone"))
    return tuple(found)


def _nothing_examined(plan: Plan, after: Ledger) -> Iterable[Refusal]:
    """A run that could look into nothing knows nothing: also not that nothing is new."""
    if plan.error:
        yield Refusal(kind="no plan", why=f"nothing could be planned: {plan.error}")
    elif plan.jobs and len(missing(plan, after)) == len(plan.jobs):
        yield Refusal(kind="nothing examined", why=f"none of the {len(plan.jobs)} cells planned was examined")
    elif plan.failed and len(plan.failed) == plan.requested:
        why = f"none of the {plan.requested} cells wanted could be looked into, the first because {plan.failed[0][1]}"
        yield Refusal(kind="nothing examined", why=why)


def _fewer_releases(config: Config, plan: Plan, before: Ledger) -> Iterable[Refusal]:
    """The index listed fewer releases than are on record: more likely its trouble than their end."""
    if plan.error:
        return
    specifier = SpecifierSet(config.subject.releases)
    gone = [
        version
        for version in by_version(before.releases.keys() - set(plan.listed))
        if specifier.contains(version, prereleases=True)
    ]
    if gone:
        name = config.subject.name
        why = f"the index no longer lists {name} {', '.join(gone)}, which the records know"
        advice = "if that is meant, leave them out in `[subject] releases` of matrix.toml"
        yield Refusal(kind="fewer releases", why=f"{why}; {advice}")


def _controls(
    config: Config, probes: Sequence[Probe], plan: Plan, after: Ledger, delivered: Ledger
) -> Iterable[Refusal]:
    """Where the control does not work, no other answer means anything: many such cells are trouble of ours."""
    run = {job.cell.id() for job in plan.jobs} & {record.cell for record in delivered.records.values()}
    asked = [cell for cell in view(after, config, probes).cells if cell.id in run and _could_answer(config, cell)]
    failed = [cell for cell in asked if not _control_works(config, cell)]
    allowed = config.publish.control_failures
    if asked and len(failed) > allowed * len(asked):
        why = f"the control {config.subject.control!r} failed in {len(failed)} of the {len(asked)} cells of this run"
        told = ", ".join(f"{config.subject.name} {cell.subject} ({', '.join(cell.pairings)})" for cell in failed[:10])
        limit = f"`[publish] control_failures` of matrix.toml allows a share of {allowed:g}"
        yield Refusal(kind="control", why=f"{why} ({told}{', …' if len(failed) > 10 else ''}); {limit}")


def _could_answer(config: Config, cell: CellView) -> bool:
    """Cells that got to the control, or died before; not those that lack its API or whose packages do not go together."""
    if cell.state in (CellState.TIMEOUT, CellState.CRASHED):
        return True
    states = (OutcomeState.ABSENT, OutcomeState.NOT_RUN)
    return cell.state is CellState.RAN and cell.outcome(config.subject.control).state not in states


def _control_works(config: Config, cell: CellView) -> bool:
    return cell.outcome(config.subject.control).state is OutcomeState.SUPPORTED
