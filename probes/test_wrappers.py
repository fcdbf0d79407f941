"""A module around the Variable: the controls, the way out that works, and the versions of it that look as if they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nnx_api
import optax
import pytest
from nnx_api import nnx
from yardstick import Check


@pytest.mark.probe(title="Module with a Param", group="ways-out", control=True)
def test_wrapper_param(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer` train an `nnx.Param` held by a module?

    This is what NNX was made for. Where it fails, the environment is broken, and other failures in it mean nothing.
    """
    nnx_api.require_optimizer()
    if not nnx_api.calibrated().trained:
        check.note("no form of call trains a module that holds an nnx.Param here")
    check.trained(nnx_api.train(recipe, nnx.Param, nnx_api.module_of, lambda module: module.var))


@pytest.mark.probe(title="Module with a Param, jitted", group="ways-out", control=True)
def test_wrapper_param_jit(check: Check) -> None:
    """Does training an `nnx.Param` held by a module work inside `nnx.jit`?

    On some pairs of Flax and jax everything eager works and only `nnx.jit` is broken.
    """
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Param))
    optimizer = nnx_api.make_optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)

    @nnx.jit
    def train_step(wrapper: Any, optimizer: Any) -> None:
        nnx_api.update(optimizer, wrapper, nnx_api.grad(nnx_api.module_loss)(wrapper))

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
    check.trained(nnx_api.train(recipe, nnx.Variable, nnx_api.module_of, lambda module: module.var))


@pytest.mark.probe(
    title="Module with a Variable, as published",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_as_published(check: Check) -> None:
    """Does the wrapper that articles recommend, a module with a plain `nnx.Variable` and no `wrt`, learn anything?

    The default filter of optimizer and gradient is `nnx.Param`; a plain Variable is not one.
    """
    nnx_api.require_call("Optimizer", nnx_api.Form(wrt=False, model=False))
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        grads = nnx.grad(nnx_api.module_loss)(wrapper)
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
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)
    for _ in range(10):
        nnx_api.update(optimizer, wrapper, nnx.grad(nnx_api.module_loss)(wrapper))
    check.trained(nnx_api.read(wrapper.var))


@pytest.mark.probe(
    title="Module with a Variable, `ModelAndOptimizer`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_model_and_optimizer(check: Check) -> None:
    """Does a module with a plain `nnx.Variable` learn anything in an `nnx.ModelAndOptimizer` without a filter?"""
    nnx_api.require_optimizer("ModelAndOptimizer")
    form = nnx_api.Form(wrt=False, model=nnx_api.calibrated("ModelAndOptimizer").form.model)
    nnx_api.require_call("ModelAndOptimizer", form)
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = form.construct("ModelAndOptimizer", wrapper, optax.adam(0.1), None)
    for _ in range(10):
        form.update(optimizer, wrapper, nnx.grad(nnx_api.module_loss)(wrapper))
    check.trained(nnx_api.read(wrapper.var))
