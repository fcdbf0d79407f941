"""What a probe's `check` passes, what it refuses, and what it records."""

from __future__ import annotations

import array
import math
from collections.abc import Callable
from typing import Any

import pytest

from compatmatrix.execution.in_cell import old_checks, probe_harness
from compatmatrix.execution.in_cell.probe_harness import Check, NoEffect


class Variable:
    """Holds a number and can be made one, as a library's own class."""

    def __float__(self) -> float:
        return 3.0


class Recorded(dict[str, object]):
    """The properties of a probe, and its `check`."""

    def __init__(self) -> None:
        super().__init__()
        self.check = Check(self.__setitem__)


PASSES: dict[str, tuple[Callable[[Check], None], object]] = {
    "a number": (lambda check: check.close(2.999999999, 3.0), 3.0),
    "an integer": (lambda check: check.close(3, 3), 3.0),
    "within the tolerance": (lambda check: check.close(3.4, 3, tolerance=0.5), 3.4),
    "a list": (lambda check: check.close([1, 2.0], (1.0, 2)), "1, 2"),
    "an array": (lambda check: check.close(array.array("d", [1.0, 2.5]), [1.0, 2.5]), "1, 2.5"),
    "a dict": (lambda check: check.close({"a": [1.0], "b": 2.0}, {"a": [1.0], "b": 2.0}), "1, 2"),
    "equal words": (lambda check: check.equal("a", "a"), "'a'"),
    "equal numbers": (lambda check: check.equal(3, 3), 3),
    "equal types": (lambda check: check.equal(int, int), "int"),
    "a condition": (lambda check: check.that(True, "wrong", value="words"), "words"),
}


@pytest.mark.parametrize("case", PASSES)
def test_what_is_right_passes_and_is_recorded(case: str) -> None:
    recorded = Recorded()
    PASSES[case][0](recorded.check)
    assert recorded == {"value": PASSES[case][1]}


FAILS: dict[str, tuple[Callable[[Check], None], str]] = {
    "a number": (lambda check: check.close(2.0, 3.0), "found 2, expected 3"),
    "nan": (lambda check: check.close(math.nan, 3.0), "found nan, expected 3"),
    "an object": (lambda check: check.close(Variable(), 3.0), "found a Variable where the number 3 should be"),
    "an object in a list": (lambda check: check.close([Variable()], [3.0]), "found a Variable where the number 3"),
    "a truth value": (lambda check: check.close(True, 1), "found a bool where the number 1 should be"),
    "words": (lambda check: check.close("3", 3), "found a str where the number 3 should be"),
    "too few": (lambda check: check.close([1.0], [1.0, 2.0]), "found 1, expected 1, 2"),
    "none": (lambda check: check.close([], [1.0]), "found nothing, expected 1"),
    "another key": (lambda check: check.close({"b": 1.0}, {"a": 1.0}), "found 1, expected 1"),
    "other words": (lambda check: check.equal("a", "b"), "found 'a', expected 'b'"),
    "another type": (lambda check: check.equal(int, str), "found int, expected str"),
    "a condition": (lambda check: check.that(0, "it is wrong"), "it is wrong"),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_is_wrong_has_no_effect(case: str) -> None:
    with pytest.raises(NoEffect) as caught:
        FAILS[case][0](Recorded().check)
    assert str(caught.value).startswith(FAILS[case][1])


class Expression:
    """Compares as a column of a table does: the result is a query, which is true."""

    def __eq__(self, other: object) -> Any:
        return Expression()

    __hash__ = None  # type: ignore[assignment]


FAULTS: dict[str, Callable[[Check], None]] = {
    "a comparison that is no truth value": lambda check: check.equal(Expression(), 3),
    "nothing is expected": lambda check: check.close([], []),
    "words are expected": lambda check: check.close("a", "a"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_comparison_that_would_pass_by_accident_is_the_probes_fault(case: str) -> None:
    with pytest.raises(TypeError):
        FAULTS[case](Recorded().check)


def test_an_exception_inside_an_answer_is_marked_and_a_failed_check_is_not() -> None:
    check = Recorded().check
    with pytest.raises(ZeroDivisionError) as caught, check.answer():
        1 / 0  # noqa: B018
    with pytest.raises(NoEffect), check.answer():
        check.that(False, "wrong")
    with pytest.raises(SystemExit), check.answer():
        raise SystemExit
    assert [caught.value] == probe_harness.ANSWERS
    probe_harness.ANSWERS.clear()


def test_defect_a_large_array_timed_out_and_its_report_was_too_long_to_be_read() -> None:
    """Every number compared all keys anew, and all numbers were recorded."""
    recorded = Recorded()
    many = [[1.0] * 300] * 300
    recorded.check.close(many, many)
    recorded.check.equal(many, many)
    with pytest.raises(NoEffect) as failure:
        recorded.check.close(many, [[2.0] * 300] * 300)
    assert max(len(str(recorded)), len(str(failure.value))) < 2000


class CheckOfEarlierProbes(Check):
    """A `Check` with the old names as well, apart from the one that other tests use."""


old_checks.add_to(CheckOfEarlierProbes)

OLD_NAMES: dict[str, tuple[tuple[object, ...], tuple[object, ...], str]] = {
    "number": ((3.0, 3.0), (2.0, 3.0), "found 2, expected 3"),
    "numbers": (([1.0, 2.0], (1.0, 2.0)), ([1.0], (1.0, 2.0)), "found 1, expected 1, 2"),
    "single": (([3.0], 3.0), ([], 3.0), "found nothing, expected 3"),
    "same_type": ((3, int), (True, int), "found bool, expected int"),
}


@pytest.mark.parametrize("name", OLD_NAMES)
def test_the_names_of_earlier_probes_check_the_same(name: str) -> None:
    right, wrong, message = OLD_NAMES[name]
    recorded: dict[str, object] = {}
    check: Any = CheckOfEarlierProbes(recorded.__setitem__)
    getattr(check, name)(*right)
    assert "value" in recorded
    with pytest.raises(NoEffect, match=message):
        getattr(check, name)(*wrong)
