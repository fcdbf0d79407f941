"""Trains an nnx.Variable inside a tiny module; optimizer and gradient are both told to."""

import jax.numpy as jnp
import optax
from flax import nnx


class Wrapper(nnx.Module):
    def __init__(self):
        self.var = nnx.Variable(jnp.array(0.0))


wrapper = Wrapper()
optimizer = nnx.Optimizer(wrapper, optax.adam(0.1), wrt=nnx.Variable)


def loss(wrapper):
    return (wrapper.var[...] - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss, argnums=nnx.DiffState(0, nnx.Variable))(wrapper)
    optimizer.update(wrapper, grads)

value = float(wrapper.var[...])
print(value)
