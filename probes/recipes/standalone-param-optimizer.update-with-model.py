"""Trains an nnx.Param directly: no module around it."""

import jax.numpy as jnp
import optax
from flax import nnx

var = nnx.Param(jnp.array(0.0))
optimizer = nnx.Optimizer(var, optax.adam(0.1), wrt=nnx.Param)


def loss(var):
    return (var[...] - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss)(var)
    optimizer.update(var, grads)

value = float(var[...])
print(value)
