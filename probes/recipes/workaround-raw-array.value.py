"""Trains the array inside an nnx.Variable with plain optax, and writes it back."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

var = nnx.Variable(jnp.array(0.0))
tx = optax.adam(0.1)
opt_state = tx.init(var.value)


def loss(value):
    return (value - 3.0) ** 2


for _ in range(10):
    grads = jax.grad(loss)(var.value)
    updates, opt_state = tx.update(grads, opt_state)
    var.value = optax.apply_updates(var.value, updates)

value = float(var.value)
print(value)
