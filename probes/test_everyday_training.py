"""What everyday code asks of a training loop: an optimizer, a list of layers, gradient clipping, jax.jit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import calibration
import forms
import jax
import jax.numpy as jnp
import nnx_api
import numpy as np
import optax
import pytest
import training
from nnx_api import nnx
from yardstick import Check


class Weights(NamedTuple):
    """The parameters of two layers."""

    kernel1: Any
    bias1: Any
    kernel2: Any
    bias2: Any


def weights_of(model: Any) -> Weights:
    """Those of a model with two layers, as arrays of numpy."""
    held = (nnx_api.held(layer, name) for layer in (model.linear1, model.linear2) for name in ("kernel", "bias"))
    return Weights(*(np.array(value) for value in held))


def mlp_target() -> tuple[Any, Any]:
    """Inputs and outputs to learn, those of the recipes."""
    return jnp.eye(4), jnp.eye(4)[::-1]


def train_plain_mlp(start: Weights) -> list[Any]:
    """Where ten steps of plain jax and optax take the weights."""
    x, y = mlp_target()
    tx = optax.adam(0.05)

    def loss(weights: Weights) -> Any:
        hidden = jax.nn.relu(x @ weights.kernel1 + weights.bias1)
        return jnp.mean((hidden @ weights.kernel2 + weights.bias2 - y) ** 2)

    def step(_: Any, trained: tuple[Weights, Any]) -> tuple[Weights, Any]:
        weights, state = trained
        updates, state = tx.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    @jax.jit
    def train(weights: Weights) -> Weights:
        return jax.lax.fori_loop(0, 10, step, (weights, tx.init(weights)))[0]

    weights = train(start)
    landed = [np.asarray(value) for value in weights]
    if not any((abs(one - other) > 0.1).any() for one, other in zip(landed, start, strict=True)):
        raise RuntimeError("plain optax trains nothing: no yardstick in this environment")
    return landed


@pytest.mark.probe(title="A training loop: Linear, Optimizer, jit", group="everyday")
def test_train_mlp(check: Check, recipe: Callable[[str], Any]) -> None:
    """Do ten steps of `nnx.Optimizer` in `nnx.jit` take a model of two `nnx.Linear` where plain jax and optax take it?"""
    calibration.require_optimizer()
    written = training.recipe_of(nnx.Param, calibration.calls_of_module())
    start, landed = recipe(written) if written else train_mlp_here()
    check.close(
        [np.asarray(value) for value in landed], train_plain_mlp(Weights(*(np.asarray(value) for value in start)))
    )


def train_mlp_here() -> tuple[Any, Any]:
    """The weights before and after training, where no recipe is written in the forms that fit here."""
    x, y = mlp_target()

    class MLP(nnx.Module):  # type: ignore[misc]
        def __init__(self, rngs: Any) -> None:
            self.linear1 = nnx.Linear(4, 4, rngs=rngs)
            self.linear2 = nnx.Linear(4, 4, rngs=rngs)

        def __call__(self, x: Any) -> Any:
            return self.linear2(nnx.relu(self.linear1(x)))

    model = MLP(nnx.Rngs(0))
    optimizer = calibration.make_optimizer(model, optax.adam(0.05), nnx.Param)
    start = weights_of(model)

    @nnx.jit
    def train_step(model: Any, optimizer: Any) -> None:
        grads = calibration.grad(lambda model: jnp.mean((model(x) - y) ** 2))(model)
        calibration.update(optimizer, model, grads)

    for _ in range(10):
        train_step(model, optimizer)
    return start, weights_of(model)


@pytest.mark.probe(title="A plain list of layers, assigned as it is", group="everyday")
def test_list_of_layers(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can a plain Python list of layers be assigned to an attribute as it is, and does `nnx.Optimizer` train all of them?

    Where they cannot, `nnx.List` and `nnx.data` are tried, and the note says which of them train all layers.
    """
    calibration.require_optimizer()
    expected = np.array([2.0 - 1.2, 3.0 - 0.8, 4.0 - 0.6])

    def loss(model: Any) -> Any:
        product = 1.0
        for layer in model.layers:
            product = product * nnx_api.held(layer, "var")
        return product

    def trained(wrap: Callable[[Any], Any]) -> Any:
        layers = [nnx_api.module_of(nnx.Param(jnp.array(start))) for start in (2.0, 3.0, 4.0)]
        model = nnx_api.holder(layers=wrap(layers))
        optimizer = calibration.make_optimizer(model, optax.sgd(0.1), nnx.Param)
        calibration.update(optimizer, model, calibration.grad(loss)(model))
        return [nnx_api.held(layer, "var") for layer in model.layers]

    def right(found: Any) -> bool:
        return bool(np.allclose(found, expected, rtol=0, atol=1e-5))

    def others() -> bool:
        return hasattr(nnx, "List") and right(recipe("nnx-list")) and right(trained(nnx.data))

    forms.answer_or_hint(
        lambda: check.close(trained(training.itself), expected),
        check,
        "nnx.List([...]) or nnx.data([...]) in the place of the list trains all layers",
        others,
    )


@pytest.mark.probe(title="Gradient clipping and a schedule", group="everyday")
def test_gradient_clipping_and_schedule(check: Check) -> None:
    """Does `nnx.Optimizer` clip gradients and follow a schedule of learning rates as plain optax does?"""
    calibration.require_optimizer()
    # The rate falls after the first step, the only one whose gradient is clipped.
    schedule = optax.piecewise_constant_schedule(1.0, {1: 0.25})
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(schedule))

    value = jnp.array(1.5)
    state = tx.init(value)
    model = nnx_api.module_of(nnx.Param(value))
    optimizer = calibration.make_optimizer(model, tx, nnx.Param)
    for _ in range(3):
        updates, state = tx.update(jax.grad(lambda v: (v - 3.0) ** 2)(value), state, value)
        value = optax.apply_updates(value, updates)
        calibration.update(optimizer, model, calibration.grad(nnx_api.module_loss)(model))
    # By way of 2.5 and 2.75.
    if abs(float(value) - 2.875) > 1e-6:
        raise RuntimeError(f"plain optax landed at {value}: no yardstick in this environment")
    check.close(nnx_api.held(model, "var"), float(value))


@pytest.mark.probe(title="split and merge in jax.jit", group="everyday")
def test_split_merge_jax_jit(check: Check) -> None:
    """Can a module be split, merged and called in plain `jax.jit`, and updated with the state that comes out?"""

    class Model(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.weight = nnx.Param(jnp.array(2.0))
            self.count = nnx.Variable(jnp.array(0.0))

        def __call__(self, x: Any) -> Any:
            nnx_api.hold(self, "count", nnx_api.held(self, "count") + 1.0)
            return nnx_api.held(self, "weight") * x

    model = Model()
    graphdef, state = nnx_api.split(model)

    @jax.jit
    def forward(state: Any, x: Any) -> Any:
        model = nnx_api.merge(graphdef, state)
        y = model(x)
        return y, nnx_api.split(model)[1]

    y, state = forward(state, 3.0)
    if hasattr(nnx, "update"):
        nnx.update(model, state)
    else:
        model.update(state)
    check.close([y, nnx_api.held(model, "count"), nnx_api.held(model, "weight")], [6.0, 1.0, 2.0])
