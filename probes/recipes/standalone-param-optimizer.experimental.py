"""Trains an nnx.Param directly: no module around it."""

import jax.numpy as jnp
import optax
from flax.experimental import nnx

var = nnx.Param(jnp.array(0.0))
optimizer = nnx.Optimizer(var, optax.adam(0.1))


def loss(var):
    return (var.value - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss)(var)
    optimizer.update(grads)

value = float(var.value)
print(value)
