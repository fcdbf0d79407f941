"""A pytest plugin for an environment with Flax: runs each everyday probe as it is, and with what it asks about broken.

Nothing of a broken library may come out `supported`. Each entry of `SABOTAGES` replaces one part by something that does
nothing, or the wrong thing, without raising.
"""

from __future__ import annotations

import pytest
from broken_parts import (
    Sabotage,
    alike_keys,
    all_sharded,
    always_the_first,
    applies_no_layer,
    applies_no_lifted_layer,
    checkpoint,
    equal_keys,
    first_of_rest,
    forgotten,
    gradients,
    half,
    half_of_arrays,
    linen_in_nnx,
    lists_are_taken,
    nothing,
    of_copies,
    replaced,
    restarted,
    same_mask,
    scan_of,
    together,
    unsharded,
    with_arguments,
    without_rule,
)

UPDATE_DOES_NOTHING = replaced("Optimizer.update", nothing)

SABOTAGES: dict[str, dict[str, Sabotage]] = {
    "train-mlp": {
        "an update that does nothing": UPDATE_DOES_NOTHING,
        "relu that lets everything through": replaced("relu", lambda real: lambda x: x),
    },
    "batch-norm": {
        "always as in training": replaced("BatchNorm.__call__", with_arguments(use_running_average=False)),
        "always as in evaluation": replaced("BatchNorm.__call__", with_arguments(use_running_average=True)),
    },
    "dropout": {
        "nothing dropped": replaced("Dropout.__call__", first_of_rest),
        "no key used": replaced("Dropout.__call__", same_mask),
        "half dropped, none scaled": replaced("Dropout.__call__", half),
    },
    "layer-norm-vmapped": {
        "no normalization": replaced("LayerNorm.__call__", first_of_rest),
        "vmap that hands its input on": replaced("vmap", lambda real: lambda op, **kwargs: lambda *args: args[-1]),
    },
    "scan-over-layers": {
        "no layer applied": together(
            replaced("scan", applies_no_layer), replaced("Scan.__call__", applies_no_lifted_layer)
        ),
        "layers alike": equal_keys,
        "nothing dropped": replaced("Dropout.__call__", first_of_rest),
        "half dropped, none scaled": replaced("Dropout.__call__", half),
        "the same mask in every layer": replaced("Dropout.__call__", same_mask),
        "always as in training": replaced("Dropout.__call__", with_arguments(deterministic=False)),
        "the key of the first layer in every layer": scan_of(alike_keys),
        "the keys of one call in the next": together(scan_of(forgotten), replaced("split_rngs", of_copies)),
    },
    "vmap-ensemble": {
        "half the result": together(replaced("vmap", half_of_arrays), replaced("Vmap.__call__", half)),
        "layers alike": equal_keys,
    },
    "remat": {"nothing recomputed": replaced("remat", lambda real: lambda function, **kwargs: function)},
    "cond": {
        "no branch": replaced("cond", nothing),
        "always the first": replaced("cond", lambda real: lambda taken, one, other, *operands: one(*operands)),
        "both": replaced("cond", lambda real: lambda taken, one, other, *operands: (one(*operands), other(*operands))),
    },
    "while-loop": {
        "no turn": replaced("while_loop", lambda real: lambda go_on, turn, carry: carry),
        "one turn": replaced("while_loop", lambda real: lambda go_on, turn, carry: turn(carry)),
    },
    "custom-vjp": {"the rule not used": replaced("custom_vjp", without_rule)},
    "value-and-grad-aux": {
        "no gradient": replaced("value_and_grad", gradients(lambda slope: 0.0 * slope)),
        "the wrong gradient": replaced("value_and_grad", gradients(lambda slope: slope + 1.0)),
    },
    "split-merge-jax-jit": {
        "an update that does nothing": together(replaced("update", nothing), replaced("Module.update", nothing)),
    },
    "list-of-layers": {
        "an update that does nothing": UPDATE_DOES_NOTHING,
        "lists taken, an update that does nothing": together(UPDATE_DOES_NOTHING, lists_are_taken),
    },
    "gradient-clipping-and-schedule": {"an update that does nothing": UPDATE_DOES_NOTHING},
    "checkpoint-roundtrip": {"zeros restored": checkpoint(lambda leaf: 0 * leaf)},
    "checkpoint-rng-state": {"the counter restarted": checkpoint(restarted)},
    "linen-to-nnx": {
        "half the result": linen_in_nnx(half),
        "the parameters of the first call": linen_in_nnx(always_the_first),
    },
    "nnx-to-linen": {
        "half the result": replaced("bridge.ToLinen.__call__", half),
        "the parameters of the first call": replaced("bridge.ToLinen.__call__", always_the_first),
    },
    "sharding-metadata": {
        "no annotation": replaced("with_partitioning", lambda real: lambda init, axes: init),
        "no axis": replaced("get_partition_spec", unsharded),
        "an axis everywhere": replaced("get_partition_spec", all_sharded),
    },
    "lora": {
        "no product": replaced("LoRA.__call__", lambda real: lambda self, x: self.base_module(x)),
        "every Param is one": replaced("LoRAParam", lambda real: real.__mro__[1]),
    },
    "metrics": {
        "a reset that does nothing": replaced("MultiMetric.reset", nothing),
        "only the last batch": replaced(
            "MultiMetric.update", lambda real: lambda self, **k: (self.reset(), real(self, **k))
        ),
    },
}


def probe_of(name: str) -> str:
    return name.removeprefix("test_").replace("_", "-")


@pytest.fixture(autouse=True)
def sabotage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Breaks what the parameter names; the probe's calibration has been done before, and what it would keep is made anew."""
    import calibration
    import training
    from nnx_api import nnx

    if hasattr(nnx, "Optimizer"):
        calibration.calibrated()
        training.recipe_of(nnx.Param, calibration.calls_of_module())
    for function in ("grad", "value_and_grad"):
        calibration.grad(len, function=function)
    for thing in vars(request.module).values():
        if hasattr(thing, "cache_clear"):
            thing.cache_clear()
    if request.param:
        try:
            SABOTAGES[probe_of(request.node.originalname)][request.param](monkeypatch, nnx)
        except AttributeError as missing:
            pytest.skip(f"nothing to break here: {missing}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each probe as it is, and with each of its sabotages."""
    sabotages = SABOTAGES.get(probe_of(metafunc.function.__name__), {})
    metafunc.parametrize("sabotage", ["", *sabotages], indirect=True, ids=["as it is", *sabotages])
