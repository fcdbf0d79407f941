"""A module around the Variable: the way out that always was, the controls, and the version of it that articles copy."""

from __future__ import annotations

from typing import Any, Callable

import jax.numpy as jnp
import nnx_api
import optax
import pytest
from nnx_api import nnx
from yardstick import Check


class ParamWrapper(nnx.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.var = nnx.Param(jnp.array(0.0))


class VariableWrapper(nnx.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.var = nnx.Variable(jnp.array(0.0))


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
    wrapper = ParamWrapper()
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
    wrapper = VariableWrapper()
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        grads = nnx.grad(loss)(wrapper)
        optimizer.update(grads)
    check.trained(nnx_api.read(wrapper.var))
