"""A module around the Variable: the controls, the way out that works, and the versions of it that look as if they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import nnx_api
import optax
import pytest
from nnx_api import nnx
from yardstick import Check


def wrapper_of(kind: Any) -> Any:
    """A module that holds a Variable of that kind. Defined in a function: on a broken pair of Flax and jax even the class may raise."""

    class Wrapper(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.var = kind(jnp.array(0.0))

    return Wrapper()


def loss(wrapper: Any) -> Any:
    return (nnx_api.read(wrapper.var) - 3.0) ** 2


@pytest.mark.probe(title="Module with a Param", group="ways-out", control=True)
def test_wrapper_param(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer` train an `nnx.Param` held by a module?

    This is what NNX was made for. Where it fails, the environment is broken, and other failures in it mean nothing.
    """
    check.trained(recipe(nnx_api.param_form()))


@pytest.mark.probe(title="Module with a Param, jitted", group="ways-out", control=True)
def test_wrapper_param_jit(check: Check) -> None:
    """Does training an `nnx.Param` held by a module work inside `nnx.jit`?

    On some pairs of Flax and jax everything eager works and only `nnx.jit` is broken.
    """
    wrapper = wrapper_of(nnx.Param)
    optimizer = nnx_api.make_optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)

    @nnx.jit
    def train_step(wrapper: Any, optimizer: Any) -> None:
        nnx_api.update(optimizer, wrapper, nnx_api.grad(loss)(wrapper))

    for _ in range(10):
        train_step(wrapper, optimizer)
    check.trained(nnx_api.read(wrapper.var))


@pytest.mark.probe(
    title="Module with a Variable, `wrt` given",
    group="ways-out",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_wrt(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer` train a plain `nnx.Variable` held by a module, when optimizer and gradient are both told to?"""
    nnx_api.require_wrt()
    check.trained(recipe(nnx_api.variable_form()))


@pytest.mark.probe(
    title="Module with a Variable, as published",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_as_published(check: Check) -> None:
    """Does the wrapper that articles recommend, a module with a plain `nnx.Variable` and no `wrt`, learn anything?

    The default filter of optimizer and gradient is `nnx.Param`; a plain Variable is not one.
    """
    nnx_api.require_call_without_wrt()
    wrapper = wrapper_of(nnx.Variable)
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        grads = nnx.grad(loss)(wrapper)
        optimizer.update(grads)
    check.trained(nnx_api.read(wrapper.var))


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
    wrapper = wrapper_of(nnx.Variable)
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
    wrapper = wrapper_of(nnx.Variable)
    optimizer = nnx.ModelAndOptimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        optimizer.update(nnx.grad(loss)(wrapper))
    check.trained(nnx_api.read(wrapper.var))
