"""Trains an nnx.Variable directly: no module around it."""

import jax.numpy as jnp
import optax
from flax import nnx

var = nnx.Variable(jnp.array(0.0))
optimizer = nnx.Optimizer(var, optax.adam(0.1), wrt=nnx.Variable)


def loss(var):
    return (var[...] - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss, argnums=nnx.DiffState(0, nnx.Variable))(var)
    optimizer.update(var, grads)

value = float(var[...])
print(value)
