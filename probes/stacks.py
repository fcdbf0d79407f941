"""Stacks of equal layers, as the releases create them, and each of their layers in numpy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import calibration
import jax
import jax.numpy as jnp
import nnx_api
import numpy as np
import pytest
from nnx_api import nnx
from yardstick import Check

LAYERS = 5
FEATURES = 12
# So many that no two masks are alike by chance. Of the last row, relu leaves nothing.
ROWS = (np.arange(4 * FEATURES, dtype=np.float32) * 5 % 11 + 1).reshape(4, FEATURES) / 8 * [[1], [1], [1], [-1]]


def inputs() -> Any:
    return jnp.array(ROWS, dtype=jnp.float32)


@functools.partial(jax.jit, static_argnames=("shape", "dtype"))
def initial(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
    """Positive numbers that depend on all words of the key, in less time than random ones take to compile."""
    words = jax.random.key_data(key)
    factors = np.arange(words.size, dtype=np.uint32) * np.uint32(0x9E3779B2) + np.uint32(1)
    fraction = (jnp.sum(words * factors, dtype=words.dtype) >> 8) / 2**24
    return ((jnp.arange(np.prod(shape)).reshape(shape) + fraction) * (2 / np.prod(shape) / shape[0])).astype(dtype)


def linear(rngs: Any) -> Any:
    return nnx.Linear(FEATURES, FEATURES, kernel_init=initial, rngs=rngs)


def block_class() -> Any:
    """The `Block` of the migration guides: Linear, Dropout and relu. Defined in a function, see `nnx_api.module_of`."""
    keeps_rngs = "rngs" in calibration.parameters(nnx.Dropout.__init__)

    class Block(nnx.Module):  # type: ignore[misc]
        def __init__(self, *, rngs: Any) -> None:
            self.linear = linear(rngs)
            self.dropout = nnx.Dropout(0.5, **({"rngs": rngs} if keeps_rngs else {}))

        def __call__(self, x: Any, **rngs: Any) -> Any:
            return jax.nn.relu(self.dropout(self.linear(x), **rngs))

    return Block


def block(rngs: Any) -> Any:
    return block_class()(rngs=rngs)


def scanned_class() -> Any:
    """The same for the releases whose `nnx.Scan` lifts a class: what it gives is the next input, and is collected, too."""

    class Layer(block_class()):  # type: ignore[misc]
        def __call__(self, x: Any, _: Any = None, **rngs: Any) -> Any:
            y = super().__call__(x, **rngs)
            return y, y

    return Layer


@functools.cache
def stack_by_split_rngs(make: Callable[[Any], Any]) -> Any:
    """A stack of layers, as the releases with `nnx.split_rngs` create it."""
    nnx_api.require("vmap", "split_rngs")
    return nnx.split_rngs(splits=LAYERS)(nnx.vmap(make, in_axes=(0,), out_axes=0))(nnx.Rngs(0))


@functools.cache
def stack_by_axis_size(make: Callable[[Any], Any]) -> Any:
    """A stack of layers, as earlier releases create it: their `nnx.vmap` splits the keys by itself."""
    nnx_api.require("vmap", "split")
    if "split_rngs" not in calibration.parameters(nnx.vmap):
        pytest.skip("nnx.vmap has no `split_rngs` here")
    return nnx.vmap(make, axis_size=LAYERS)(nnx.Rngs(0))


def require_lifted(transform: str) -> None:
    """Skip but where `nnx.Scan` and `nnx.Vmap` of a class are what makes a stack, as in the first releases."""
    nnx_api.require(transform)
    if hasattr(nnx, "split"):
        pytest.skip(f"nnx.{transform} is not what makes a stack here")


def layers_in(stack: Any, check: Check) -> list[Callable[[Any], Any]]:
    """Each layer of a stack, in numpy."""
    kernels, biases = (np.asarray(nnx_api.held(stack, name)) for name in ("kernel", "bias"))
    check.that(kernels.ndim == 3 and len(kernels) == LAYERS, f"the kernels have the shape {kernels.shape}")
    check.that(len(np.unique(kernels[:, 0, 0])) == LAYERS, "some are initialized alike")
    return [lambda x, kernel=kernel, bias=bias: x @ kernel + bias for kernel, bias in zip(kernels, biases, strict=True)]
