"""What the same users ask next: transformations of optax that want more of `nnx.Optimizer` than adam does.

Each is held against the same transformation on a plain dict of arrays.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import calibration
import jax
import jax.numpy as jnp
import nnx_api
import numpy as np
import optax
import pytest
from nnx_api import nnx
from yardstick import Check

KERNEL = np.array([[1.0, -2.0], [0.5, 3.0]], dtype=np.float32)
BIAS = np.array([-1.0, 2.0], dtype=np.float32)


def small_module() -> Any:
    """A module with two parameters. Defined in a function: on a broken pair of Flax and jax even the class may raise."""

    class Small(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.kernel = nnx.Param(jnp.ones((2, 2)))
            self.bias = nnx.Param(jnp.zeros(2))

    return Small()


@jax.jit
def distance(kernel: Any, bias: Any) -> Any:
    return jnp.sum((kernel - KERNEL) ** 2) + 4.0 * jnp.sum((bias - BIAS) ** 2)


def loss(model: Any) -> Any:
    return distance(nnx_api.read(model.kernel), nnx_api.read(model.bias))


def plain_loss(params: dict[str, Any]) -> Any:
    return distance(params["kernel"], params["bias"])


def plain_params() -> dict[str, Any]:
    return {"kernel": jnp.ones((2, 2)), "bias": jnp.zeros(2)}


def compiled(tx: Any) -> Any:
    """The same transformation with a compiled `update`: called eagerly, its loops would be compiled anew at every step."""

    def strong(tree: Any) -> Any:
        # Where the first step changes which arrays are of weak type, the second would be compiled once more.
        return jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf, leaf.dtype), tree)

    def update(*arguments: Any, **more: Any) -> Any:
        return strong(tx.update(*arguments, **more))

    return optax.GradientTransformationExtraArgs(
        lambda params: strong(tx.init(params)), jax.jit(update, static_argnames="value_fn")
    )


def numbers(kernel: Any, bias: Any) -> list[float]:
    return [float(number) for number in (*bias.ravel(), *kernel.ravel())]


def train_plain(tx: Any, steps: int) -> list[float]:
    """What plain optax does to the same numbers."""
    params = plain_params()
    state = tx.init(params)
    for _ in range(steps):
        updates, state = tx.update(jax.grad(plain_loss)(params), state, params)
        params = optax.apply_updates(params, updates)
    return numbers(**params)


def train_nnx(tx: Any, steps: int) -> list[float]:
    """What `nnx.Optimizer` does to them."""
    model = small_module()
    optimizer = calibration.make_optimizer(model, tx, wrt=nnx.Param)
    for _ in range(steps):
        calibration.update(optimizer, model, calibration.grad(loss)(model))
    return numbers(nnx_api.read(model.kernel), nnx_api.read(model.bias))


@pytest.mark.probe(
    title="nnx.Optimizer with optax.lbfgs", group="neighbors", links=("https://github.com/google/flax/issues/4144",)
)
def test_optimizer_lbfgs(check: Check) -> None:
    """Does `nnx.Optimizer` train with `optax.lbfgs`, given the value, the gradient and the value function it asks for?"""
    calibration.require_optimizer()
    if not hasattr(optax, "lbfgs"):
        pytest.skip("optax.lbfgs does not exist here")
    calibration.require_extra_arguments()
    tx = compiled(optax.lbfgs())

    model = small_module()
    optimizer = calibration.make_optimizer(model, tx, wrt=nnx.Param)
    graphdef, _ = nnx.split(model)

    def value_fn(state: Any) -> Any:
        return loss(nnx.merge(graphdef, state))

    for _ in range(2):
        value, grads = calibration.grad(loss, function="value_and_grad")(model)
        calibration.update(optimizer, model, grads, value=value, grad=grads, value_fn=value_fn)

    params = plain_params()
    state = tx.init(params)
    for _ in range(2):
        value, grads = jax.value_and_grad(plain_loss)(params)
        updates, state = tx.update(grads, state, params, value=value, grad=grads, value_fn=plain_loss)
        params = optax.apply_updates(params, updates)

    check.close(numbers(nnx_api.read(model.kernel), nnx_api.read(model.bias)), numbers(**params), tolerance=1e-4)


@pytest.mark.probe(
    title="nnx.Optimizer with optax.contrib.muon",
    group="neighbors",
    links=("https://github.com/google/flax/issues/4901",),
)
def test_optimizer_muon(check: Check) -> None:
    """Does `nnx.Optimizer` train a module with `optax.contrib.muon`?"""
    if importlib.util.find_spec("optax.contrib") is None or not hasattr(
        importlib.import_module("optax.contrib"), "muon"
    ):
        pytest.skip("optax.contrib.muon does not exist here")
    tx = compiled(optax.contrib.muon(0.1))
    check.close(train_nnx(tx, steps=2), train_plain(tx, steps=2))


def label(path: Any, _: Any) -> str:
    return "slow" if "bias" in jax.tree_util.keystr(path) else "fast"


def labels_of(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(label, params)


def partition(labels: Any) -> Any:
    """Two rules of descent for one model; `optax.partition` was called `multi_transform` before."""
    combine: Callable[..., Any] = optax.partition if hasattr(optax, "partition") else optax.multi_transform
    return combine({"slow": optax.sgd(0.01), "fast": optax.adam(0.1)}, labels)


@pytest.mark.probe(
    title="nnx.Optimizer with optax.partition",
    group="neighbors",
    links=("https://github.com/google/flax/issues/5372", "https://github.com/google/flax/issues/3955"),
)
def test_optimizer_partition(check: Check) -> None:
    """Does `nnx.Optimizer` train with `optax.partition` and a function that labels parameters by their path?

    One of the two rules is adam, which keeps state for each parameter, as most do; sgd alone would not show it.
    Where optax has no `partition` yet, its `multi_transform` is used: the same under an older name.
    """
    tx = partition(labels_of)
    check.close(train_nnx(tx, steps=2), train_plain(tx, steps=2))


@pytest.mark.probe(
    title="nnx.Optimizer with optax.partition, labels made beforehand",
    group="neighbors",
    links=("https://github.com/google/flax/issues/5372",),
)
def test_optimizer_partition_labels_ahead(check: Check) -> None:
    """Does `nnx.Optimizer` train with `optax.partition` and labels made beforehand from `nnx.state(model, nnx.Param)`?

    Hand optax the function that labels, and not the tree it made, where this fails and the other succeeds.
    """
    nnx_api.require("Optimizer", "state")
    labels = labels_of(nnx.state(small_module(), nnx.Param))
    check.close(train_nnx(partition(labels), steps=2), train_plain(partition(labels_of), steps=2))
