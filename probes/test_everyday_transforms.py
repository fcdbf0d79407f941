"""What everyday code asks of the transformations: loops and branches that change a Variable, rules and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import forms
import jax
import jax.numpy as jnp
import nnx_api
import numpy as np
import pytest
from nnx_api import EXPERIMENTAL, nnx
from yardstick import Check, single

NUMBERS = np.array([[1.0, -2.0], [0.5, 3.0]], dtype=np.float32)


def inputs() -> Any:
    return jnp.array(NUMBERS)


def counter() -> Any:
    """A module with a count at 0 and a weight at 2. Defined in a function, see `nnx_api.module_of`."""

    class Counter(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.weight = nnx.Param(jnp.array(2.0))
            self.count = nnx.Variable(jnp.array(0.0))

    return Counter()


def add(module: Any, amount: float) -> None:
    nnx_api.hold(module, "count", nnx_api.held(module, "count") + amount)


@pytest.mark.probe(
    title="nnx.vmap of an nnx.LayerNorm",
    group="everyday",
    links=("https://github.com/google/flax/issues/4570",),
    needs=("wrapper-param-jit",),
)
def test_layer_norm_vmapped(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.vmap(op)(x)` in `nnx.jit`, with an `nnx.LayerNorm` as `op`, normalize every row? The call of issue 4570.

    Where it does not, the module is made an argument of the mapped function, and the note says whether that does.
    """
    nnx_api.require("vmap", "LayerNorm")
    mean, variance = NUMBERS.mean(axis=-1, keepdims=True), NUMBERS.var(axis=-1, keepdims=True)
    expected = (NUMBERS - mean) / np.sqrt(variance + 1e-6)

    @nnx.jit
    def forward(op: Any, x: Any) -> Any:
        return nnx.vmap(op)(x)

    def call() -> None:
        check.close(np.asarray(forward(nnx.LayerNorm(2, rngs=nnx.Rngs(0)), inputs())), expected)

    written, options = ("experimental", "") if EXPERIMENTAL else ("module-argument", ", in_axes=(None, 0)")

    def by_argument() -> bool:
        return bool(np.allclose(recipe(written), expected, rtol=0, atol=1e-5))

    forms.answer_or_hint(call, check, f"nnx.vmap(lambda op, x: op(x){options})(op, x) does", by_argument)


@pytest.mark.probe(title="nnx.remat that changes a Variable", group="everyday")
def test_remat(check: Check) -> None:
    """Does `nnx.remat` recompute, give the right gradient, and let its function change a Variable?"""
    nnx_api.require("remat")

    def wave(module: Any, x: Any) -> Any:
        add(module, 1.0)
        return jnp.sin(nnx_api.held(module, "weight") * x)

    def loss(module: Any) -> Any:
        return nnx.remat(wave)(module, 3.0)

    module = counter()
    grads = nnx_api.leaves(calibration.grad(loss)(module))
    check.close([*grads, nnx_api.held(module, "count")], [3.0 * np.cos(6.0), 1.0])
    graphdef, state = nnx_api.split(counter())
    text = str(jax.make_jaxpr(lambda state: loss(nnx_api.merge(graphdef, state)))(state))
    check.that("checkpoint" in text or "remat" in text, "nothing is recomputed")


@pytest.mark.probe(title="nnx.cond that changes a Variable", group="everyday")
def test_cond(check: Check) -> None:
    """Does `nnx.cond` change a Variable in the branch that it takes, and in no other?"""
    nnx_api.require("cond")
    module = counter()
    for taken in (True, False):
        nnx.cond(jnp.array(taken), lambda module: add(module, 1.0), lambda module: add(module, 10.0), module)
        check.close(nnx_api.held(module, "count"), 1.0 if taken else 11.0)


@pytest.mark.probe(title="nnx.while_loop that changes a Variable", group="everyday")
def test_while_loop(check: Check) -> None:
    """Does `nnx.while_loop` change a Variable in every turn?"""
    nnx_api.require("while_loop")

    def turn(carry: Any) -> Any:
        module, left = carry
        add(module, 2.0)
        return module, left - 1

    module = counter()
    nnx.while_loop(lambda carry: carry[1] > 0, turn, (module, 5))
    check.close(nnx_api.held(module, "count"), 10.0)


@pytest.mark.probe(title="nnx.custom_vjp of a function of a module", group="everyday")
def test_custom_vjp(check: Check) -> None:
    """Is the gradient of a function of a module the one that its `nnx.custom_vjp` rule gives?

    The rule gives ten times the derivative, so that a rule that is not used shows.
    """
    nnx_api.require("custom_vjp")

    @nnx.custom_vjp
    def square(module: Any) -> Any:
        return nnx_api.held(module, "var") ** 2

    def forward(module: Any) -> Any:
        return square(module), nnx_api.held(module, "var")

    def backward(value: Any, g: Any) -> Any:
        (module_g,), out_g = g
        module_g = jax.tree_util.tree_map(lambda leaf: leaf, module_g)
        nnx_api.write(module_g["var"], 20.0 * value * out_g)
        return (module_g,)

    square.defvjp(forward, backward)
    grads = calibration.grad(square)(nnx_api.module_of(nnx.Param(jnp.array(3.0))))
    single(check, nnx_api.leaves(grads), 60.0)


@pytest.mark.probe(title="nnx.value_and_grad with has_aux", group="everyday")
def test_value_and_grad_aux(check: Check) -> None:
    """Does `nnx.value_and_grad(has_aux=True)` give the value, the auxiliary output and the gradient?"""
    nnx_api.require("value_and_grad")

    def loss(model: Any) -> Any:
        value = nnx_api.held(model, "var")
        return (value - 3.0) ** 2, {"double": 2.0 * value}

    model = nnx_api.module_of(nnx.Param(jnp.array(5.0)))
    (value, aux), grads = calibration.grad(loss, function="value_and_grad", has_aux=True)(model)
    check.close([value, aux["double"], *nnx_api.leaves(grads)], [4.0, 10.0, 4.0])
