"""Trains an nnx.Variable inside a plain list."""

import jax.numpy as jnp
import optax
from flax import nnx

variables = [nnx.Variable(jnp.array(0.0))]
optimizer = nnx.Optimizer(variables, optax.adam(0.1), wrt=nnx.Variable)


def loss(variables):
    return (variables[0].value - 3.0) ** 2


for _ in range(10):
    grads = nnx.grad(loss, argnums=nnx.DiffState(0, nnx.Variable))(variables)
    optimizer.update(grads)

value = float(variables[0].value)
print(value)
