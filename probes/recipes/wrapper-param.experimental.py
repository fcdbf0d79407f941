"""Trains an nnx.Param inside a tiny module."""

import jax.numpy as jnp
import optax
from flax.experimental import nnx


class Wrapper(nnx.Module):
    def __init__(self):
        self.var = nnx.Param(jnp.array(0.0))


wrapper = Wrapper()
optimizer = nnx.Optimizer(wrapper, optax.adam(0.1))


def loss(wrapper):
    return (wrapper.var.value - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss)(wrapper)
    optimizer.update(grads)

value = float(wrapper.var.value)
print(value)
