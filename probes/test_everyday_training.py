"""What everyday code asks of modules and of a training loop."""

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
from nnx_api import nnx
from yardstick import Check

NUMBERS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]], dtype=np.float32)


def inputs() -> Any:
    return jnp.array(NUMBERS)


def holder(**parts: Any) -> Any:
    """A module with these attributes. Defined in a function, see `nnx_api.module_of`."""

    class Holder(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            for name, part in parts.items():
                setattr(self, name, part)

    return Holder()


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
    written = calibration.recipe_of(nnx.Param, calibration.calls_of_module())
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


@pytest.mark.probe(title="nnx.BatchNorm in training and evaluation", group="everyday")
def test_batch_norm(check: Check) -> None:
    """Do the running statistics of `nnx.BatchNorm` move in training, stand in evaluation, and normalize there?"""
    nnx_api.require("BatchNorm")

    def run(train: Callable[[Any], Any], evaluate: Callable[[Any], Any]) -> None:
        model = holder(norm=nnx.BatchNorm(2, momentum=0.5, rngs=nnx.Rngs(0)))
        outputs = [train(model)]
        found = [nnx_api.held(model.norm, name) for name in ("mean", "var")]
        outputs.append(evaluate(model))
        found += [nnx_api.held(model.norm, name) for name in ("mean", "var")]
        mean, var = NUMBERS.mean(axis=0), NUMBERS.var(axis=0)
        running_mean, running_var = 0.5 * mean, 0.5 + 0.5 * var
        expected = [running_mean, running_var] * 2
        expected += [(NUMBERS - mean) / np.sqrt(var + 1e-5), (NUMBERS - running_mean) / np.sqrt(running_var + 1e-5)]
        check.close(flat(found + outputs), flat(expected))

    def by_mode() -> None:
        if not hasattr(nnx.Module, "train"):
            pytest.skip("nnx.Module.train does not exist here")
        run(
            lambda model: (model.train(), model.norm(inputs()))[1],
            lambda model: (model.eval(), model.norm(inputs()))[1],
        )

    def by_argument() -> None:
        run(
            lambda model: model.norm(inputs(), use_running_average=False),
            lambda model: model.norm(inputs(), use_running_average=True),
        )

    forms.settle(check, {"model.train() and model.eval()": by_mode, "use_running_average= in the call": by_argument})


def flat(arrays: Any) -> Any:
    return np.concatenate([np.ravel(array) for array in arrays])


@pytest.mark.probe(title="nnx.Dropout in training and evaluation", group="everyday")
def test_dropout(check: Check) -> None:
    """Does `nnx.Dropout` keep its input when deterministic, else drop by its key, with a fresh one for every call?"""
    nnx_api.require("Dropout")
    ones = jnp.ones((1, 64))

    def run(construct: Callable[[Any], Callable[..., Any]]) -> None:
        layer = construct(nnx.Rngs(dropout=0))
        check.that((np.asarray(layer(ones, deterministic=True)) == 1.0).all(), "it drops when deterministic")
        first, second = (np.asarray(layer(ones, deterministic=False)) for _ in range(2))
        other = np.asarray(construct(nnx.Rngs(dropout=1))(ones, deterministic=False))
        same = np.asarray(construct(nnx.Rngs(dropout=0))(ones, deterministic=False))
        check.that(set(first.ravel()) == {0.0, 2.0}, f"it gives {sorted(set(first.ravel()))} of ones, not 0 and 2")
        check.that((first != second).any(), "two calls drop the same")
        check.that((first != other).any(), "two keys drop the same")
        check.that((first == same).all(), "the same key drops something else")

    def by_constructor() -> None:
        if "rngs" not in calibration.parameters(nnx.Dropout.__init__):
            pytest.skip("nnx.Dropout takes no `rngs` here")
        run(lambda rngs: nnx.Dropout(0.5, rngs=rngs))

    def by_call() -> None:
        def construct(rngs: Any) -> Any:
            layer = nnx.Dropout(0.5)
            return lambda x, deterministic: layer(x, deterministic=deterministic, rngs=rngs)

        run(construct)

    forms.settle(check, {"rngs= in the constructor": by_constructor, "rngs= in the call": by_call})


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
        model = holder(layers=wrap(layers))
        optimizer = calibration.make_optimizer(model, optax.sgd(0.1), nnx.Param)
        calibration.update(optimizer, model, calibration.grad(loss)(model))
        return [nnx_api.held(layer, "var") for layer in model.layers]

    def right(found: Any) -> bool:
        return bool(np.allclose(found, expected, rtol=0, atol=1e-5))

    def others() -> bool:
        return hasattr(nnx, "List") and right(recipe("nnx-list")) and right(trained(nnx.data))

    forms.answer_or_hint(
        lambda: check.close(trained(calibration.itself), expected),
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


@pytest.mark.probe(title="nnx.MultiMetric over two batches", group="everyday")
def test_metrics(check: Check) -> None:
    """Do `nnx.MultiMetric`, `Accuracy` and `Average` accumulate over two batches, and start again after a reset?"""
    nnx_api.require("MultiMetric", "metrics")
    metrics = nnx.MultiMetric(accuracy=nnx.metrics.Accuracy(), loss=nnx.metrics.Average("loss"))
    logits = jnp.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])

    def compute() -> list[Any]:
        result = metrics.compute()
        return [result["accuracy"], result["loss"]]

    metrics.update(logits=logits, labels=jnp.array([0, 1, 1]), loss=jnp.array(1.0))
    metrics.update(logits=logits, labels=jnp.array([1, 1, 1]), loss=jnp.array(4.0))
    found = compute()
    metrics.reset()
    metrics.update(logits=logits, labels=jnp.array([0, 1, 0]), loss=jnp.array(5.0))
    check.close([*found, *compute()], [0.5, 2.5, 1.0, 5.0])


@pytest.mark.probe(title="nnx.LoRA on an nnx.Linear", group="everyday")
def test_lora(check: Check) -> None:
    """Does `nnx.LoRA` add its low-rank product to a layer, and are its two factors the only `nnx.LoRAParam`?"""
    nnx_api.require("LoRA", "LoRAParam", "state")
    base = nnx_api.ones_linear()
    # Random numbers, which are replaced below, take longest to compile.
    takes = "a_initializer" in calibration.parameters(nnx.LoRA.__init__)
    options = {"a_initializer": jax.nn.initializers.zeros} if takes else {}
    layer = nnx.LoRA(2, 1, 2, base_module=base, rngs=nnx.Rngs(0), **options)
    a, b = np.array([[1.0], [2.0]], dtype=np.float32), np.array([[3.0, -1.0]], dtype=np.float32)
    nnx_api.hold(layer, "lora_a", jnp.array(a))
    nnx_api.hold(layer, "lora_b", jnp.array(b))
    factors = nnx_api.leaves(nnx.state(layer, nnx.LoRAParam))
    check.that(sorted(factor.shape for factor in factors) == [(1, 2), (2, 1)], f"{len(factors)} are LoRAParam")
    check.close(np.ravel(layer(inputs())), np.ravel(NUMBERS @ a @ b + NUMBERS @ np.ones((2, 2))))
