"""The pairings: what a reader sees of each, and until when uploads count."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from compatmatrix.core import pairings
from compatmatrix.core.pairings import BISECT, COMMIT_DAY, GRID, NEWEST, NIGHTLY, OLDEST, PYTHON, RELEASE_DAY, Pairing


@pytest.mark.parametrize(
    ("pairing", "title"),
    [(RELEASE_DAY, "at release"), (NEWEST, "latest companion"), (Pairing(name="{x}", words=""), "{x}")],
)
def test_a_reader_sees_words_and_of_a_pairing_that_is_not_known_its_name(pairing: Pairing, title: str) -> None:
    assert pairings.named(pairing.name).title("companion") == title


def test_the_bound_of_a_release_day_is_the_end_of_that_day() -> None:
    uploaded, midnight = datetime(2024, 7, 1, 15, tzinfo=UTC), datetime(2024, 7, 2, tzinfo=UTC)
    for pairing in (RELEASE_DAY, COMMIT_DAY):
        assert pairing.bound(uploaded, None) == midnight
        assert pairing.bound(uploaded, uploaded) == uploaded
        assert pairing.bound(uploaded, datetime(2025, 1, 1, tzinfo=UTC)) == midnight
    for pairing in (NEWEST, OLDEST, GRID, PYTHON, NIGHTLY, BISECT):
        assert pairing.bound(uploaded, None) is None
