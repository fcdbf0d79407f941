"""What the numbers are held against, and how a probe says that they do not agree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


class NoEffect(AssertionError):
    """Nothing raised, and yet nothing or the wrong thing was learned."""


@functools.cache
def adam_lands_at(steps: int = 10) -> float:
    """Where adam(0.1) takes a plain array from 0 on (v - 3)^2, in this very process."""
    tx = optax.adam(0.1)
    value = jnp.array(0.0)
    state = tx.init(value)
    slope = jax.grad(lambda v: (v - 3.0) ** 2)
    for _ in range(steps):
        updates, state = tx.update(slope(value), state, value)
        value = optax.apply_updates(value, updates)
    landed = float(value)
    # adam moves by about its rate per step. A yardstick that stands still would call everything supported.
    assert 0.08 * steps < landed < 0.12 * steps, f"plain optax landed at {landed}: no yardstick in this environment"
    return landed


class Check:
    """Holds what a probe found against what it should be, and writes down what was found."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def note(self, sentence: str) -> None:
        """Keep a short remark with the answer."""
        self._record("note", sentence)

    def number(self, found: Any, expected: float, tolerance: float = 1e-5) -> None:
        """Pass where the number is right, and is a number."""
        # float() would also take a Variable, even one that was left inside another in place of the value.
        if not isinstance(found, (float, jax.Array, np.ndarray, np.generic)):
            self._record("value", f"a {type(found).__name__}")
            raise NoEffect(f"found a {type(found).__name__} where the number {expected:.6g} should be")
        value = float(found)
        # Five digits: the ones after those differ between machines.
        self._record("value", float(f"{value:.5g}"))
        if not abs(value - expected) <= tolerance:
            raise NoEffect(f"found {value:.6g}, expected {expected:.6g}")

    def trained(self, found: Any) -> None:
        """Pass where ten steps took the value as far as they take a plain array."""
        self.number(found, adam_lands_at(10))

    def single(self, found: Sequence[Any], expected: float) -> None:
        """Pass where there is exactly one array and its number is right."""
        if len(found) != 1:
            self._record("value", "empty" if not found else f"{len(found)} arrays")
            raise NoEffect(f"found {len(found)} arrays, expected one, of {expected:.6g}")
        self.number(found[0], expected)

    def numbers(self, found: Sequence[Any], expected: Sequence[float], tolerance: float = 1e-5) -> None:
        """Pass where every number is right, in order."""
        values = [float(value) for value in found]
        self._record("value", ", ".join(f"{value:.4g}" for value in values))
        if len(values) != len(expected) or not np.allclose(values, expected, rtol=0, atol=tolerance):
            wanted = ", ".join(f"{value:.6g}" for value in expected)
            raise NoEffect(f"found {', '.join(f'{value:.6g}' for value in values)}, expected {wanted}")

    def same_type(self, found: Any, expected: type) -> None:
        """Pass where the thing is of exactly that type."""
        if type(found) is not expected:
            raise NoEffect(f"found a {type(found).__name__}, expected a {expected.__name__}")

    def that(self, condition: bool, wrong: str) -> None:
        """Pass where the condition holds; `wrong` says what it means if it does not."""
        if not condition:
            raise NoEffect(wrong)
