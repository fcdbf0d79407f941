"""A module around the Variable: the controls, the way out that works, and the versions of it that look as if they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import nnx_api
import optax
import pytest
import training
from nnx_api import nnx
from yardstick import Check, adam_lands_at


@pytest.mark.probe(title="nnx.Optimizer on a module with a Param", group="ways-out", control=True)
def test_wrapper_param(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer` train an `nnx.Param` held by a module?

    This is what NNX was made for. Where it fails, the environment is broken, and other failures in it mean nothing.
    """
    calibration.require_optimizer()
    known = calibration.calibrated().trained
    if not known:
        check.note("no form of call trains a module that holds an nnx.Param here")
    check.close(training.train(recipe, nnx.Param, nnx_api.module_of, lambda module: module.var), adam_lands_at())
    check.that(known, "no known form of call trains it; the probe's recipe does")


@pytest.mark.probe(title="nnx.Optimizer on a module with a Param, in nnx.jit", group="ways-out", control=True)
def test_wrapper_param_jit(check: Check) -> None:
    """Does training an `nnx.Param` held by a module work inside `nnx.jit`?

    On some pairs of Flax and jax everything eager works and only `nnx.jit` is broken.
    """
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Param))
    optimizer = calibration.make_optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)

    slope = calibration.grad(nnx_api.module_loss)

    @nnx.jit
    def train_step(wrapper: Any, optimizer: Any) -> None:
        calibration.update(optimizer, wrapper, slope(wrapper))

    for _ in range(10):
        train_step(wrapper, optimizer)
    check.close(nnx_api.read(wrapper.var), adam_lands_at())


@pytest.mark.probe(
    title="nnx.Optimizer on a module with a Variable, `wrt=nnx.Variable`",
    group="ways-out",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_wrt(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer` train a plain `nnx.Variable` held by a module, when optimizer and gradient are both told to?"""
    calibration.require_wrt()
    check.close(training.train(recipe, nnx.Variable, nnx_api.module_of, lambda module: module.var), adam_lands_at())


@pytest.mark.probe(
    title="nnx.Optimizer on a module with a Variable, without `wrt`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_as_published(check: Check) -> None:
    """Does the wrapper that articles recommend, a module with a plain `nnx.Variable` and no `wrt`, learn anything?

    The default filter of optimizer and gradient is `nnx.Param`; a plain Variable is not one.
    """
    calibration.require_call("Optimizer", nnx_api.Form(wrt=False, model=False))
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = nnx.Optimizer(wrapper, optax.adam(0.1))
    for _ in range(10):
        grads = nnx.grad(nnx_api.module_loss)(wrapper)
        optimizer.update(grads)
    check.close(nnx_api.read(wrapper.var), adam_lands_at())


@pytest.mark.probe(
    title="nnx.Optimizer on a module with a Variable, `wrt=nnx.Param`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_param_filter(check: Check) -> None:
    """Does a module with a plain `nnx.Variable` learn anything when the optimizer is given `wrt=nnx.Param`?

    The documentation's own calls pass `wrt=nnx.Param`. A plain Variable is not a Param.
    """
    calibration.require_wrt()
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = calibration.make_optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)
    for _ in range(10):
        calibration.update(optimizer, wrapper, calibration.grad(nnx_api.module_loss)(wrapper))
    check.close(nnx_api.read(wrapper.var), adam_lands_at())


@pytest.mark.probe(
    title="nnx.ModelAndOptimizer on a module with a Variable, without `wrt`",
    group="traps",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_wrapper_variable_model_and_optimizer(check: Check) -> None:
    """Does a module with a plain `nnx.Variable` learn anything in an `nnx.ModelAndOptimizer` without a filter?"""
    calibration.require_optimizer("ModelAndOptimizer")
    form = nnx_api.Form(wrt=False, model=calibration.calibrated("ModelAndOptimizer").form.model)
    calibration.require_call("ModelAndOptimizer", form)
    wrapper = nnx_api.module_of(nnx_api.variable(nnx.Variable))
    optimizer = form.construct("ModelAndOptimizer", wrapper, optax.adam(0.1), None)
    for _ in range(10):
        form.update(optimizer, wrapper, nnx.grad(nnx_api.module_loss)(wrapper))
    check.close(nnx_api.read(wrapper.var), adam_lands_at())
