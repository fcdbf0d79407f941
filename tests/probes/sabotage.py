"""A pytest plugin for an environment with Flax: runs each everyday probe as it is, and with what it asks about broken.

Nothing of a broken library may come out `supported`. Each entry of `SABOTAGES` replaces one part by something that does
nothing, or the wrong thing, without raising.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

Sabotage = Callable[[pytest.MonkeyPatch, Any], None]
"""Breaks a part of `nnx` for one test."""


def replaced(path: str, make: Callable[[Any], Any]) -> Sabotage:
    """Replaces what stands at a path below `nnx` by what is made of it."""

    def sabotage(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
        *owners, name = path.split(".")
        owner = functools.reduce(getattr, owners, nnx)
        monkeypatch.setattr(owner, name, make(getattr(owner, name)))

    return sabotage


def together(*sabotages: Sabotage) -> Sabotage:
    """All of them that find something to break; releases differ in where a part is."""

    def sabotage(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
        missing: list[AttributeError] = []
        for one in sabotages:
            try:
                one(monkeypatch, nnx)
            except AttributeError as error:
                missing.append(error)
        if len(missing) == len(sabotages):
            raise missing[0]

    return sabotage


def nothing(_: Any) -> Any:
    return lambda *args, **kwargs: None


def first_of_rest(_: Any) -> Any:
    return lambda self, x, *args, **kwargs: x


def with_arguments(**fixed: Any) -> Callable[[Any], Any]:
    """The same call with these arguments, whatever was given."""
    return lambda real: lambda *args, **kwargs: real(*args, **{**kwargs, **fixed})


def half(real: Any) -> Any:
    return lambda *args, **kwargs: 0.5 * real(*args, **kwargs)


def half_of_arrays(real: Any) -> Any:
    """A transformation whose functions give half the result, where that is an array."""

    @functools.wraps(real)
    def transform(*args: Any, **kwargs: Any) -> Any:
        import jax

        def call(*inputs: Any) -> Any:
            result = real(*args, **kwargs)(*inputs)
            return 0.5 * result if isinstance(result, jax.Array) else result

        return call

    return transform


def always_the_first(real: Any) -> Any:
    """A call that computes once, and gives that result ever after."""
    results: list[Any] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        results.append(real(*args, **kwargs))
        return results[0]

    return call


def equal_keys(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
    """Every key that is split off another one is that one."""
    import jax
    import jax.numpy as jnp

    def split(key: Any, num: Any = 2) -> Any:
        return jnp.broadcast_to(key, (*(num if isinstance(num, tuple) else (num,)), *key.shape))

    monkeypatch.setattr(jax.random, "split", split)


def without_rule(real: Any) -> Any:
    """A decorator whose `defvjp` is not heard."""

    class Function:
        def __init__(self, function: Any) -> None:
            self.function = function

        def __call__(self, *args: Any) -> Any:
            return self.function(*args)

        def defvjp(self, *args: Any) -> None: ...

    return Function


def same_mask(real: Any) -> Any:
    """A dropout that drops every second number, whatever the key."""

    def dropped(self: Any, x: Any, *, deterministic: bool | None = None, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        return x if deterministic else jnp.where(jnp.arange(x.shape[-1]) % 2, 2.0 * x, 0.0)

    return dropped


def gradients(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A `value_and_grad` whose gradients are changed."""

    def make(real: Any) -> Any:
        def differentiate(*args: Any, **kwargs: Any) -> Any:
            import jax

            def call(*inputs: Any) -> Any:
                value, grads = real(*args, **kwargs)(*inputs)
                return value, jax.tree_util.tree_map(change, grads)

            return call

        return differentiate

    return make


def checkpoint(change: Callable[[Any], Any]) -> Sabotage:
    """Changes every array that orbax restores."""

    def sabotage(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
        import jax
        import orbax.checkpoint as ocp

        for name in ("StandardCheckpointer", "PyTreeCheckpointer"):
            checkpointer = getattr(ocp, name)

            def restore(self: Any, *args: Any, real: Any = checkpointer.restore, **kwargs: Any) -> Any:
                return jax.tree_util.tree_map(change, real(self, *args, **kwargs))

            monkeypatch.setattr(checkpointer, "restore", restore)

    return sabotage


def restarted(leaf: Any) -> Any:
    """A counter at 0; keys stay."""
    import jax.numpy as jnp

    return jnp.zeros_like(leaf) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf


def unsharded(real: Any) -> Any:
    def specs(tree: Any) -> Any:
        import jax

        return {name: jax.sharding.PartitionSpec() for name in ("kernel", "bias")}

    return specs


def all_sharded(real: Any) -> Any:
    def specs(tree: Any) -> Any:
        import jax

        return {name: jax.sharding.PartitionSpec(None, "model") for name in ("kernel", "bias")}

    return specs


def lists_are_taken(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
    """A plain list is an attribute of a module also where the release refuses it."""
    real = nnx.Module.__setattr__

    def assign(self: Any, name: str, value: Any) -> None:
        real(self, name, nnx.List(value) if type(value) is list else value)

    if hasattr(nnx, "List"):
        monkeypatch.setattr(nnx.Module, "__setattr__", assign)


def linen_in_nnx(make: Callable[[Any], Any]) -> Sabotage:
    """Replaces what calls a Linen module, in whichever place the release has it."""
    homes = ("bridge.ToNNX", "compat.LinenWrapper", "compatibility.LinenWrapper")
    return together(*(replaced(f"{home}.__call__", make) for home in homes))


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
            replaced("scan", lambda real: lambda *a, **k: lambda x, layers: (x, None) if not k else x),
            replaced("Scan.__call__", lambda real: lambda self, x: (x, None)),
        ),
        "layers alike": equal_keys,
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
    from nnx_api import nnx

    if hasattr(nnx, "Optimizer"):
        calibration.calibrated()
        calibration.recipe_of(nnx.Param, calibration.calls_of_module())
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
