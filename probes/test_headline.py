"""The question itself: google/flax issue 4564."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import jax.numpy as jnp
import nnx_api
import optax
import pytest
import training
from nnx_api import nnx
from yardstick import Check, adam_lands_at


@pytest.mark.probe(
    title="nnx.Optimizer on a bare Variable",
    group="headline",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_standalone_variable_optimizer(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can `nnx.Optimizer` train an `nnx.Variable` that stands outside any module?

    The Variable is given to the optimizer, to the gradient (filtered to `nnx.Variable`) and to the update, as a module
    would be. Where the optimizer takes a filter, it gets the same one.
    """
    check.close(training.train(recipe, nnx.Variable), adam_lands_at())


@pytest.mark.probe(
    title="nnx.Optimizer on a bare Param",
    group="headline",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_standalone_param_optimizer(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can `nnx.Optimizer` train an `nnx.Param` that stands outside any module?"""
    check.close(training.train(recipe, nnx.Param), adam_lands_at())


@pytest.mark.probe(
    title="The code of issue 4564, unchanged",
    group="headline",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_issue_4564_verbatim(check: Check) -> None:
    """Does the code of issue 4564 run unchanged, and take the one step it asks for?

    The issue leaves its loss function out; here it is (v + x - 3)^2, summed, read through the Variable's accessor.
    """
    calibration.require_call("Optimizer", nnx_api.Form(wrt=False, model=False), bare=True)
    calibration.require_default_filter("value_and_grad")

    def loss_fn(var: Any, x: Any) -> Any:
        return jnp.sum((nnx_api.read(var) + x - 3.0) ** 2)

    var = nnx.Variable(jnp.array(0.0))
    optimizer = nnx.Optimizer(var, optax.adam(0.1))
    grad_fn = nnx.value_and_grad(loss_fn)
    out, grads = grad_fn(var, jnp.zeros(1))  # noqa: RUF059  (the issue's own line)
    optimizer = optimizer.update(grads)

    check.close(nnx_api.read(var), adam_lands_at(1))
