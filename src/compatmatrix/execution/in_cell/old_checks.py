"""The names that methods of `probe_harness.Check` had in the matrices of before 0.1; to be removed in 0.2.

Each only calls the method that took its place, whose code is part of every probe's digest; this module is not. Like
`run_probes`, it keeps to the syntax of the oldest Python that a cell may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def add_to(check: type) -> None:
    """Give the class `probe_harness.Check` its methods' old names as well."""
    for method in (number, numbers, single, same_type):
        setattr(check, method.__name__, method)


def number(check: Any, found: object, expected: float, tolerance: float = 1e-5) -> None:
    """`check.close` of one number."""
    check.close(found, expected, tolerance)


def numbers(check: Any, found: Sequence[object], expected: Sequence[float], tolerance: float = 1e-5) -> None:
    """`check.close` of several numbers, in order."""
    check.close(list(found), list(expected), tolerance)


def single(check: Any, found: Sequence[object], expected: float) -> None:
    """`check.close` of the only element of a sequence."""
    check.close(list(found), [expected])


def same_type(check: Any, found: object, expected: type) -> None:
    """`check.equal` of an object's type and a class."""
    check.equal(type(found), expected)
