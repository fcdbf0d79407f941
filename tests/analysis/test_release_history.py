"""The changes from release to release: what is another error, and what other companions made, is told apart."""

from __future__ import annotations

from pathlib import Path

import msgspec

from compatmatrix.analysis import history, support
from compatmatrix.analysis.history import Entry, Sort
from compatmatrix.core.model import Outcome
from compatmatrix.core.states import OutcomeState
from factories import DAY, PROBES, RAISES, SUPPORTED, answers, ledger, record
from factories import config as made_config

OTHER = msgspec.structs.replace(RAISES, signature="KeyError: x", exception="KeyError")


def entries(folder: Path, **by_pairing: tuple[Outcome, Outcome]) -> list[Entry]:
    """Of two releases; what each pairing finds in the first and in the second."""
    records = [
        record(
            version,
            answers(standalone=found[place]),
            pairings={pairing.replace("_", "-"): (DAY,)},
            companion=f"{number}.{place}",
        )
        for number, (pairing, found) in enumerate(by_pairing.items())
        for place, version in enumerate(("0.1.0", "0.2.0"))
    ]
    view = support.view(ledger(*records), made_config(folder), PROBES)
    return list(history.entries(view))


def test_defect_a_change_that_the_companions_made_was_among_those_of_the_release(tmp_path: Path) -> None:
    alone = entries(tmp_path, release_day=(RAISES, SUPPORTED), newest=(SUPPORTED, SUPPORTED))
    assert [(entry.sort, entry.against) for entry in alone] == [(Sort.COMPANIONS, "0.1.0")]
    unknown = Outcome(state=OutcomeState.NOT_RUN)
    for other in ((RAISES, SUPPORTED), (unknown, SUPPORTED), (unknown, unknown)):
        own = entries(tmp_path, release_day=(RAISES, SUPPORTED), newest=other)
        assert [entry.sort for entry in own] == [Sort.OUTCOME]


def test_defect_another_error_was_listed_like_another_outcome(tmp_path: Path) -> None:
    assert [entry.sort for entry in entries(tmp_path, newest=(RAISES, OTHER))] == [Sort.ERROR]
