"""What works on a bare `nnx.Variable` or `nnx.Param`, piece by piece: the limitation is being lifted one rung at a time.

Every loss here receives the Variable and reads it through its accessor, as module code does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import jax
import jax.numpy as jnp
import nnx_api
import optax
import pytest
from nnx_api import nnx
from yardstick import Check, adam_lands_at, single


def variable(value: float = 0.0) -> Any:
    return nnx.Variable(jnp.array(value))


def loss(var: Any) -> Any:
    return (nnx_api.read(var) - 3.0) ** 2


@pytest.mark.probe(title="nnx.split and nnx.merge of a bare Variable", group="ladder")
def test_standalone_split_merge(check: Check) -> None:
    """Do `nnx.split` and `nnx.merge` take a bare `nnx.Variable` apart and put it together again?"""
    nnx_api.require("split", "merge")
    graphdef, state = nnx.split(variable(2.5))
    merged = nnx.merge(graphdef, state)
    check.equal(type(merged), nnx.Variable)
    check.close(nnx_api.read(merged), 2.5)


@pytest.mark.probe(title="nnx.state of a bare Variable", group="ladder")
def test_standalone_state(check: Check) -> None:
    """Does `nnx.state` give the state of a bare `nnx.Variable`?"""
    nnx_api.require("state")
    single(check, nnx_api.leaves(nnx.state(variable(2.5))), 2.5)


@pytest.mark.probe(title="nnx.clone of a bare Variable", group="ladder")
def test_standalone_clone(check: Check) -> None:
    """Does `nnx.clone` make an independent copy of a bare `nnx.Variable`?"""
    nnx_api.require("clone")
    original = variable(2.5)
    copy = nnx.clone(original)
    check.equal(type(copy), nnx.Variable)
    check.close(nnx_api.read(copy), 2.5)
    nnx_api.write(copy, jnp.array(7.0))
    check.that(float(nnx_api.read(original)) == 2.5, "writing to the copy changed the original")


@pytest.mark.probe(title="nnx.update of a bare Variable", group="ladder")
def test_standalone_update(check: Check) -> None:
    """Does `nnx.update(var, other_var)` give a bare `nnx.Variable` the value of another?"""
    nnx_api.require("update")
    var, other = variable(1.0), variable(2.5)
    nnx.update(var, other)
    check.equal(type(var), nnx.Variable)
    check.close(nnx_api.read(var), 2.5)
    nnx_api.write(var, jnp.array(7.0))
    check.that(float(nnx_api.read(other)) == 2.5, "the two Variables share their value afterwards")


@pytest.mark.probe(title="nnx.jit on a bare Variable", group="ladder", needs=("wrapper-param-jit",))
def test_standalone_jit(check: Check) -> None:
    """Does a function under `nnx.jit` change the bare `nnx.Variable` that it was given, in place?"""
    var = variable(2.5)

    @nnx.jit
    def double(var: Any) -> None:
        nnx_api.write(var, nnx_api.read(var) * 2.0)

    double(var)
    check.close(nnx_api.read(var), 5.0)


@pytest.mark.probe(title="nnx.grad of a bare Param", group="ladder")
def test_standalone_grad_param(check: Check) -> None:
    """Does `nnx.grad` differentiate a function of a bare `nnx.Param`?"""
    grads = calibration.grad(loss)(nnx.Param(jnp.array(0.0)))
    single(check, nnx_api.leaves(grads), -6.0)


@pytest.mark.probe(title="nnx.grad of a bare Variable, filter given", group="ladder")
def test_standalone_grad_variable(check: Check) -> None:
    """Does `nnx.grad` differentiate a function of a bare `nnx.Variable` when its filter names `nnx.Variable`?"""
    calibration.require_filter()
    grads = calibration.grad(loss, wrt=nnx.Variable)(variable())
    single(check, nnx_api.leaves(grads), -6.0)


@pytest.mark.probe(title="nnx.grad of a bare Variable, default filter", group="ladder")
def test_standalone_grad_variable_default(check: Check) -> None:
    """Does `nnx.grad` differentiate a function of a bare `nnx.Variable` when no filter is given?

    An empty gradient without an exception counts as nothing learned.
    """
    calibration.require_default_filter()
    grads = calibration.grad(loss)(variable())
    single(check, nnx_api.leaves(grads), -6.0)


@pytest.mark.probe(title="nnx.grad of arithmetic on a bare Variable", group="ladder")
def test_standalone_grad_arithmetic(check: Check) -> None:
    """Does `nnx.grad` give the slope of `(v - 3) ** 2` written on the bare `nnx.Variable` itself?

    Some releases hand the loss an array in the Variable's place: arithmetic does not notice, code that reads the value does.
    """
    calibration.require_filter()
    received: list[str] = []

    def arithmetic(var: Any) -> Any:
        received.append(type(var).__name__)
        return (var - 3.0) ** 2

    grads = calibration.grad(arithmetic, wrt=nnx.Variable)(variable())
    if received[0] != "Variable":
        check.note("the loss was handed an array in the Variable's place")
    single(check, nnx_api.leaves(grads), -6.0)


@pytest.mark.probe(title="jax.grad of a bare Variable", group="ladder")
def test_jax_grad_variable(check: Check) -> None:
    """Does plain `jax.grad` differentiate a function of a bare `nnx.Variable`?"""
    single(check, nnx_api.leaves(jax.grad(loss)(variable())), -6.0)


@pytest.mark.probe(title="optax on a bare Variable as a pytree", group="ladder")
def test_optax_pytree(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can plain optax train a bare `nnx.Variable`, taking it as the pytree that it is?"""
    check.close(recipe(nnx_api.value_form()), adam_lands_at())


@pytest.mark.probe(title="optax on the split state of a bare Variable", group="ladder")
def test_optax_split(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can plain optax train the state that `nnx.split` takes out of a bare `nnx.Variable`?"""
    nnx_api.require("split", "merge")
    check.close(recipe(nnx_api.value_form()), adam_lands_at())


@pytest.mark.probe(
    title="nnx.Optimizer on a bare Variable, in nnx.jit",
    group="ladder",
    links=("https://github.com/google/flax/issues/4564",),
    needs=("wrapper-param-jit",),
)
def test_standalone_optimizer_jit(check: Check) -> None:
    """Can `nnx.Optimizer` train a bare `nnx.Variable` inside `nnx.jit`?"""
    form, by = calibration.calls_of_bare(nnx.Variable)
    var = variable()
    optimizer = form.construct("Optimizer", var, optax.adam(0.1), nnx.Variable)

    slope = by.grad(loss, nnx.Variable)

    @nnx.jit
    def train_step(var: Any, optimizer: Any) -> None:
        form.update(optimizer, var, slope(var))

    for _ in range(10):
        train_step(var, optimizer)
    check.close(nnx_api.read(var), adam_lands_at())


@pytest.mark.probe(
    title="nnx.ModelAndOptimizer on a bare Variable",
    group="ladder",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_model_and_optimizer(check: Check) -> None:
    """Can `nnx.ModelAndOptimizer` train a bare `nnx.Variable`?"""
    form, by = calibration.calls_of_bare(nnx.Variable, "ModelAndOptimizer")
    var = variable()
    optimizer = form.construct("ModelAndOptimizer", var, optax.adam(0.1), nnx.Variable)
    for _ in range(10):
        form.update(optimizer, var, by.grad(loss, nnx.Variable)(var))
    check.close(nnx_api.read(var), adam_lands_at())
