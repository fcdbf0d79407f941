"""Trains an nnx.Param inside a tiny module."""

import jax.numpy as jnp
import optax
from flax import nnx


class Wrapper(nnx.Module):
    def __init__(self):
        self.var = nnx.Param(jnp.array(0.0))


wrapper = Wrapper()
optimizer = nnx.Optimizer(wrapper, optax.adam(0.1), wrt=nnx.Param)


def loss(wrapper):
    return (wrapper.var[...] - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss)(wrapper)
    optimizer.update(wrapper, grads)

value = float(wrapper.var[...])
print(value)
