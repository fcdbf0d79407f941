"""The names of some checks before `check` came from the engine, for one release; new probes use the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from yardstick import Check, adam_lands_at, single


@pytest.fixture
def check(check: Check) -> Check:
    """The engine's `check`, with these names besides."""

    def check_single(found: Sequence[Any], expected: float) -> None:
        single(check, found, expected)

    def trained(found: Any) -> None:
        check.close(found, adam_lands_at())

    def same_type(found: Any, expected: type) -> None:
        check.equal(type(found), expected)

    check.number = check.numbers = check.close
    check.single, check.trained, check.same_type = check_single, trained, same_type
    return check
