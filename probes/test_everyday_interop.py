"""What everyday code asks beside training: checkpoints by orbax, modules of Linen, annotations for sharding."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
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

NUMBERS = np.array([[1.0, -2.0], [0.5, 3.0]], dtype=np.float32)


def inputs() -> Any:
    return jnp.array(NUMBERS)


def orbax() -> Any:
    """orbax.checkpoint; skips where it is not installed."""
    if importlib.util.find_spec("orbax") is None or importlib.util.find_spec("orbax.checkpoint") is None:
        pytest.skip("orbax-checkpoint is not installed here")
    return importlib.import_module("orbax.checkpoint")


def by_standard_checkpointer(state: Any, abstract: Any) -> Any:
    """Save a state, and restore it into an abstract one, as the guide does from the release that has a guide."""
    ocp = orbax()
    if not hasattr(ocp, "StandardCheckpointer"):
        pytest.skip("orbax.checkpoint.StandardCheckpointer does not exist here")
    with tempfile.TemporaryDirectory() as folder:
        checkpointer = ocp.StandardCheckpointer()
        checkpointer.save(Path(folder) / "state", state)
        if hasattr(checkpointer, "wait_until_finished"):
            checkpointer.wait_until_finished()
        return checkpointer.restore(Path(folder) / "state", abstract)


def by_pytree_checkpointer(state: Any, abstract: Any) -> Any:
    """The same as the examples of the first releases do it."""
    ocp = orbax()
    if not hasattr(ocp, "PyTreeCheckpointer"):
        pytest.skip("orbax.checkpoint.PyTreeCheckpointer does not exist here")
    with tempfile.TemporaryDirectory() as folder:
        checkpointer = ocp.PyTreeCheckpointer()
        checkpointer.save(f"{folder}/state", state)
        return checkpointer.restore(f"{folder}/state", item=abstract)


CHECKPOINTERS = {
    "orbax.checkpoint.StandardCheckpointer": by_standard_checkpointer,
    "orbax.checkpoint.PyTreeCheckpointer": by_pytree_checkpointer,
}


Roundtrip = Callable[[Any, Any], Any]


def restored(model: Any, create: Callable[[], Any], roundtrip: Roundtrip) -> Any:
    """A module made of the state that came back, and of nothing else that `model` holds."""
    _, state = nnx_api.split(model)
    if hasattr(nnx, "split"):
        graphdef, abstract = nnx.split(nnx.eval_shape(create))
    else:
        abstract, graphdef = jax.eval_shape(lambda: create().split())
    return nnx_api.merge(graphdef, roundtrip(state, abstract))


def by_key_data(roundtrip: Roundtrip) -> Roundtrip:
    """The same with the data of each key in its place while it is on disk."""

    def is_key(leaf: Any) -> bool:
        return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))

    def data(tree: Any) -> Any:
        return jax.tree_util.tree_map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, tree)

    def key(leaf: Any, like: Any) -> Any:
        return jax.random.wrap_key_data(leaf) if is_key(like) else leaf

    return lambda state, abstract: jax.tree_util.tree_map(
        key, roundtrip(data(state), jax.eval_shape(data, abstract)), abstract
    )


@pytest.mark.probe(title="A checkpoint by orbax", group="everyday")
def test_checkpoint_roundtrip(check: Check) -> None:
    """Does the state of a module come back from disk with the same numbers, restored into an abstract state?"""
    orbax()

    def create() -> Any:
        return nnx.Linear(2, 2, kernel_init=lambda key, shape, dtype: jnp.zeros(shape, dtype), rngs=nnx.Rngs(0))

    def run(roundtrip: Roundtrip) -> None:
        model = create()
        nnx_api.hold(model, "kernel", inputs())
        nnx_api.hold(model, "bias", inputs()[1])
        found = restored(model, create, roundtrip)
        numbers = [np.ravel(nnx_api.held(found, name)) for name in ("kernel", "bias")]
        check.close(np.concatenate(numbers), [*NUMBERS.ravel(), *NUMBERS[1]])

    forms.settle(check, {name: lambda way=way: run(way) for name, way in CHECKPOINTERS.items()})


@pytest.mark.probe(title="A checkpoint by orbax, of a module with nnx.Dropout", group="everyday")
def test_checkpoint_rng_state(check: Check) -> None:
    """Does a module with `nnx.Dropout`, whose state holds a key, come back from disk and drop what it would have dropped?

    The release of orbax-checkpoint beside it decides that as much as Flax's.
    """
    orbax()
    ones = jnp.ones((1, 64))

    def create() -> Any:
        return nnx.Dropout(0.5, deterministic=False, rngs=nnx.Rngs(dropout=7))

    if "rngs" not in calibration.parameters(nnx.Dropout.__init__) or not nnx_api.leaves(nnx_api.split(create())[1]):
        pytest.skip("the state of nnx.Dropout holds no key here")

    def drops(roundtrip: Roundtrip) -> list[Any]:
        model = create()
        before = np.asarray(model(ones))
        found = restored(model, create, roundtrip)
        return [before, np.asarray(model(ones)), np.asarray(found(ones))]

    def run(roundtrip: Roundtrip) -> None:
        before, expected, dropped = drops(roundtrip)
        check.that((before != expected).any(), "two calls drop the same")
        check.that((dropped == expected).all(), "it drops something else after the restore")

    def with_key_data() -> bool:
        before, expected, dropped = drops(by_key_data(by_standard_checkpointer))
        return bool((before != expected).any() and (dropped == expected).all())

    forms.answer_or_hint(
        lambda: forms.settle(check, {name: lambda way=way: run(way) for name, way in CHECKPOINTERS.items()}),
        check,
        "With jax.random.key_data(key) saved in the place of each key and jax.random.wrap_key_data after the restore, it does",
        with_key_data,
    )


def known(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
    """A kernel in less time than random numbers take to compile."""
    return jnp.array(NUMBERS[::-1], dtype)


def dense() -> Any:
    return importlib.import_module("flax.linen").Dense(2, kernel_init=known)


def bridge(*names: str) -> Any:
    """`nnx.bridge`; skips where there is none, or where it lacks a name."""
    nnx_api.require("bridge")
    for name in names:
        if not hasattr(nnx.bridge, name):
            pytest.skip(f"nnx.bridge.{name} does not exist here")
    return nnx.bridge


@pytest.mark.probe(title="A Linen module in NNX", group="everyday")
def test_linen_to_nnx(check: Check) -> None:
    """Does a Linen module, wrapped for NNX, compute with the parameters that NNX holds, also after they changed?"""

    def kernel_in(state: Any) -> Any:
        """Where the wrapper keeps it differs between releases; it is the only array of this shape."""
        leaves = jax.tree_util.tree_leaves(nnx_api.leaves(state))
        return next(np.asarray(leaf) for leaf in leaves if leaf.shape == (2, 2))

    def compare(kernel: Any, first: Any, second: Any) -> None:
        """The second result is that of twice the parameters."""
        check.that(bool(kernel.any()), "its parameters are 0")
        expected = (NUMBERS @ kernel).ravel()
        check.close([*np.ravel(first), *np.ravel(second)], [*expected, *(2.0 * expected)])

    def by_bridge() -> None:
        model = bridge("ToNNX", "lazy_init").ToNNX(dense(), rngs=nnx.Rngs(0))
        nnx.bridge.lazy_init(model, inputs())
        first = model(inputs())
        state = nnx.state(model, nnx.Param)
        kernel = kernel_in(state)
        nnx.update(model, jax.tree_util.tree_map(lambda leaf: 2.0 * leaf, state))
        compare(kernel, first, model(inputs()))

    def by_wrapper() -> None:
        home = next((getattr(nnx, name) for name in ("compat", "compatibility") if hasattr(nnx, name)), None)
        if not hasattr(home, "LinenWrapper"):
            pytest.skip("LinenWrapper does not exist here")
        model = home.LinenWrapper(dense(), inputs(), rngs=nnx.Rngs(0))
        first = model(inputs())
        graphdef, state = nnx_api.split(model)
        kernel = kernel_in(state)
        double = nnx_api.merge(graphdef, jax.tree_util.tree_map(lambda leaf: 2.0 * leaf, state))
        compare(kernel, first, double(inputs()))

    forms.settle(check, {"nnx.bridge.ToNNX": by_bridge, "LinenWrapper": by_wrapper})


@pytest.mark.probe(title="An NNX module in Linen", group="everyday")
def test_nnx_to_linen(check: Check) -> None:
    """Does an NNX module, wrapped for Linen, compute with the parameters that `init` gave and `apply` is given?"""
    model = bridge("to_linen").to_linen(nnx.Linear, 2, out_features=2, kernel_init=known)
    variables = model.init(jax.random.key(0), inputs())
    kernel = np.asarray(nnx_api.leaves(variables["params"]["kernel"])[0])
    first = model.apply(variables, inputs())
    double = jax.tree_util.tree_map(lambda leaf: 2.0 * leaf, variables["params"])
    second = model.apply({**variables, "params": double}, inputs())
    expected = NUMBERS @ kernel
    check.that(bool(kernel.any()), "its parameters are 0")
    check.close(np.concatenate([np.ravel(first), np.ravel(second)]), [*expected.ravel(), *(2.0 * expected).ravel()])


@pytest.mark.probe(title="Sharding annotations", group="everyday")
def test_sharding_metadata(check: Check) -> None:
    """Does `nnx.get_partition_spec` give the axes that `nnx.with_partitioning` annotated a parameter with?"""
    nnx_api.require("with_partitioning", "get_partition_spec")
    spec = jax.sharding.PartitionSpec

    def run() -> None:
        init = nnx.with_partitioning(lambda key, shape, dtype=jnp.float32: jnp.ones(shape, dtype), (None, "model"))
        layer = nnx.Linear(2, 2, kernel_init=init, rngs=nnx.Rngs(0))
        specs = nnx.get_partition_spec(nnx_api.split(layer)[1])
        found = {}
        for name in ("kernel", "bias"):
            leaf = specs[name]
            if isinstance(leaf, spec):
                found[name] = leaf
            else:
                found[name] = nnx_api.read(leaf) if hasattr(leaf, "get_value") else leaf.value
        check.that(found["kernel"] == spec(None, "model"), f"the kernel's is {found['kernel']}")
        check.that(found["bias"] == spec(), f"the bias's is {found['bias']}")

    def in_mesh() -> None:
        for name in ("set_mesh", "make_mesh"):
            if not hasattr(jax, name):
                pytest.skip(f"jax.{name} does not exist here")
        with jax.set_mesh(jax.make_mesh((1, 1), ("data", "model"))):
            run()

    forms.settle(check, {"without a mesh": run, "in jax.set_mesh": in_mesh})
