"""Decides whether what a run brought may be published: never less than what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from packaging.specifiers import SpecifierSet

from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.support import view
from compatmatrix.config.tables import Config
from compatmatrix.core.encoding import by_version
from compatmatrix.core.model import Probe
from compatmatrix.core.states import CellState, OutcomeState
from compatmatrix.planning.plan_file import Plan, unrecorded
from compatmatrix.results.ledger import Ledger


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A reason not to publish; ``kind`` stays the same from day to day while ``why`` may not."""

    kind: str
    why: str


class Ledgers(msgspec.Struct, frozen=True, kw_only=True):
    """What is published, what a run brought, and the union of both as it is on disk."""

    before: Ledger
    delivered: Ledger
    after: Ledger


def refusals(config: Config, probes: Sequence[Probe], plan: Plan, ledgers: Ledgers) -> tuple[Refusal, ...]:
    """Every reason not to publish; none if the run may be published."""
    damage = (*ledgers.after.damage, *ledgers.delivered.damage)
    lost = ledgers.before.records.keys() - ledgers.after.records.keys()
    return (
        *_nothing_examined(plan, ledgers.after),
        *_fewer_releases(config, plan, ledgers.before),
        *_controls(config, probes, plan, ledgers),
        *(Refusal(kind="damage", why=f"the records are damaged: {part}") for part in damage),
        *([Refusal(kind="lost", why=f"{len(lost)} published records would be lost")] if lost else []),
    )


def _nothing_examined(plan: Plan, after: Ledger) -> Iterator[Refusal]:
    """Refuse a run that examined nothing: it does not even know that nothing is new."""
    if plan.error:
        yield Refusal(kind="no plan", why=f"nothing could be planned: {plan.error}")
    elif plan.jobs and len(unrecorded(plan, after)) == len(plan.jobs):
        yield Refusal(kind="nothing examined", why=f"none of the {len(plan.jobs)} planned cells was examined")
    elif plan.failed and len(plan.failed) == plan.requested:
        why = f"none of the {plan.requested} cells could be planned, the first because {plan.failed[0][1]}"
        yield Refusal(kind="nothing examined", why=why)


def _fewer_releases(config: Config, plan: Plan, before: Ledger) -> Iterator[Refusal]:
    """Refuse where the index lists fewer releases than are on record: an index that fails is likelier than deletions."""
    specifier = SpecifierSet(config.subject.releases)
    gone = [
        version
        for version in by_version(before.releases.keys() - set(plan.listed))
        if specifier.contains(version, prereleases=True)
    ]
    if gone and not plan.error:
        why = f"the index no longer lists {config.subject.name} {', '.join(gone)}, which the records hold"
        advice = "if that is right, exclude them in `[subject] releases` of matrix.toml"
        yield Refusal(kind="fewer releases", why=f"{why}; {advice}")


def _controls(config: Config, probes: Sequence[Probe], plan: Plan, ledgers: Ledgers) -> Iterator[Refusal]:
    """Refuse where the control fails in many cells of the run: likelier a fault of the probes than of all releases."""
    control = config.subject.control
    run = {job.cell.id() for job in plan.jobs} & {record.cell for record in ledgers.delivered.records.values()}
    cells = [
        cell for cell in view(ledgers.after, config, probes).cells if cell.id in run and _could_answer(control, cell)
    ]
    failed = [cell for cell in cells if cell.outcome(control).state is not OutcomeState.SUPPORTED]
    allowed = config.publish.control_failures
    if cells and len(failed) > allowed * len(cells):
        why = f"the control {control!r} failed in {len(failed)} of the {len(cells)} cells of this run"
        first = [f"{config.subject.name} {cell.subject} ({', '.join(cell.pairings)})" for cell in failed[:10]]
        first += ["…"] if len(failed) > 10 else []
        limit = f"`[publish] control_failures` of matrix.toml allows a share of {allowed:g}"
        yield Refusal(kind="control", why=f"{why} ({', '.join(first)}); {limit}")


def _could_answer(control: str, cell: CellView) -> bool:
    """Whether a cell ran the control, or died before; not where its API is missing or the packages do not go together."""
    if cell.state in (CellState.TIMEOUT, CellState.CRASHED):
        return True
    states = (OutcomeState.ABSENT, OutcomeState.NOT_RUN)
    return cell.state is CellState.RAN and cell.outcome(control).state not in states
