"""What constructs and runs without a word, and may train nothing. See also `wrapper-variable-as-published`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import nnx_api
import optax
import pytest
from nnx_api import nnx
from yardstick import Check


class VariableWrapper(nnx.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.var = nnx.Variable(jnp.array(0.0))


def loss(wrapper: Any) -> Any:
    return (nnx_api.read(wrapper.var) - 3.0) ** 2


@pytest.mark.probe(
    title="Module with a Variable, `wrt=nnx.Param`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_param_filter(check: Check) -> None:
    """Does a module with a plain `nnx.Variable` learn anything when the optimizer is given `wrt=nnx.Param`?

    The documentation's own calls pass `wrt=nnx.Param`. A plain Variable is not a Param.
    """
    nnx_api.require_wrt()
    wrapper = VariableWrapper()
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)
    for _ in range(10):
        nnx_api.update(optimizer, wrapper, nnx.grad(loss)(wrapper))
    check.trained(nnx_api.read(wrapper.var))


@pytest.mark.probe(
    title="Module with a Variable, `ModelAndOptimizer`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_model_and_optimizer(check: Check) -> None:
    """Does a module with a plain `nnx.Variable` learn anything in an `nnx.ModelAndOptimizer` without a filter?"""
    nnx_api.require("ModelAndOptimizer")
    wrapper = VariableWrapper()
    optimizer = nnx.ModelAndOptimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        optimizer.update(nnx.grad(loss)(wrapper))
    check.trained(nnx_api.read(wrapper.var))
