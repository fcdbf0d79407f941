"""What everyday code asks of modules: batch norm, dropout, metrics and LoRA."""

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
from nnx_api import nnx
from yardstick import Check

NUMBERS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]], dtype=np.float32)


def inputs() -> Any:
    return jnp.array(NUMBERS)


@pytest.mark.probe(title="nnx.BatchNorm in training and evaluation", group="everyday")
def test_batch_norm(check: Check) -> None:
    """Do the running statistics of `nnx.BatchNorm` move in training, stand in evaluation, and normalize there?"""
    nnx_api.require("BatchNorm")

    def run(train: Callable[[Any], Any], evaluate: Callable[[Any], Any]) -> None:
        model = nnx_api.holder(norm=nnx.BatchNorm(2, momentum=0.5, rngs=nnx.Rngs(0)))
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
