"""Parts of a library that do nothing, or the wrong thing, without raising; `sabotage` says which probe meets which."""

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
    """A dropout that drops every second number, whatever the key; where it should drop nothing, it does not."""

    def dropped(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        kept = real(self, x, *args, **kwargs) is x
        return x if kept else jnp.where(jnp.arange(x.shape[-1]) % 2, 2.0 * x, 0.0)

    return dropped


def applies_no_layer(real: Any) -> Any:
    """A scan whose output is its input."""

    def scan(*args: Any, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        return lambda x, layers: x if kwargs else (x, jnp.stack([x] * 5))

    return scan


def applies_no_lifted_layer(real: Any) -> Any:
    """The same for a class that is lifted."""

    def call(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        import jax.numpy as jnp

        return x, jnp.stack([x] * 5)

    return call


def scan_of(change: Callable[[pytest.MonkeyPatch, Any, Any], Any]) -> Sabotage:
    """Changes the stack of layers, and whatever else, for the time of each scan over it."""

    def sabotage(monkeypatch: pytest.MonkeyPatch, nnx: Any) -> None:
        def changed(function: Callable[..., Any], stack: Any, *args: Any, **kwargs: Any) -> Any:
            with monkeypatch.context() as patch:
                if "rngs" in kwargs:
                    kwargs["rngs"] = change(patch, nnx, kwargs["rngs"])
                return function(change(patch, nnx, stack), *args, **kwargs)

        def functional(real: Any) -> Any:
            return lambda *given, **options: (
                lambda x, stack: changed(lambda stack: real(*given, **options)(x, stack), stack)
            )

        def lifted(real: Any) -> Any:
            return lambda *args, **kwargs: changed(real, *args, **kwargs)

        together(replaced("scan", functional), replaced("Scan.__call__", lifted))(monkeypatch, nnx)

    return sabotage


def forgotten(patch: pytest.MonkeyPatch, nnx: Any, given: Any) -> Any:
    """A copy, so that what a scan changes is lost; keys that a call is given are the same ones in each call."""
    if isinstance(given, nnx.Rngs):
        return nnx.Rngs(dropout=1)
    import nnx_api

    return nnx.clone(given) if hasattr(nnx, "clone") else nnx_api.merge(*nnx_api.split(given))


def of_copies(real: Any) -> Any:
    """A decorator whose functions get copies, so that what they change is lost."""

    def decorator(**options: Any) -> Any:
        def copied(argument: Any) -> Any:
            from nnx_api import nnx

            return nnx.clone(argument) if isinstance(argument, (nnx.Module, nnx.Rngs)) else argument

        return lambda function: lambda *args: real(**options)(function)(*map(copied, args))

    return decorator


def alike_keys(patch: pytest.MonkeyPatch, nnx: Any, given: Any) -> Any:
    """All layers have the key of the first, and a key that is split gives itself."""
    import jax
    import jax.numpy as jnp
    import nnx_api

    equal_keys(patch, nnx)

    def alike(leaf: Any) -> Any:
        is_keys = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) and leaf.shape
        return jnp.broadcast_to(leaf[:1], leaf.shape) if is_keys else leaf

    if isinstance(given, nnx.Rngs):
        return given
    graphdef, state = nnx_api.split(given)
    return nnx_api.merge(graphdef, jax.tree_util.tree_map(alike, state))


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
