"""What the numbers are compared with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

Check = Any
"""The engine's fixture `check`; in a cell, no module of the engine can be imported for its type."""


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


def single(check: Check, found: Sequence[Any], expected: float) -> None:
    """Pass where there is exactly one array and its number is right."""
    count = len(found)
    wrong = f"found {count} arrays, expected one, of {expected:.6g}"
    check.that(count == 1, wrong, value=None if count == 1 else f"{count} arrays" if found else "empty")
    check.close(found[0], expected)
