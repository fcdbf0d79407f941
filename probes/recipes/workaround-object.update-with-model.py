"""Trains an nnx.Variable inside an nnx.Object."""

import jax.numpy as jnp
import optax
from flax import nnx


class Holder(nnx.Object):
    def __init__(self):
        self.var = nnx.Variable(jnp.array(0.0))


holder = Holder()
optimizer = nnx.Optimizer(holder, optax.adam(0.1), wrt=nnx.Variable)


def loss(holder):
    return (holder.var[...] - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss, argnums=nnx.DiffState(0, nnx.Variable))(holder)
    optimizer.update(holder, grads)

value = float(holder.var[...])
print(value)
