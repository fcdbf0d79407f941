"""Trains an nnx.Variable with plain optax, as the pytree that it is."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

var = nnx.Variable(jnp.array(0.0))
tx = optax.adam(0.1)
opt_state = tx.init(var)


def loss(var):
    return (var[...] - 3.0) ** 2


for _ in range(10):
    grads = jax.grad(loss)(var)
    updates, opt_state = tx.update(grads, opt_state, var)
    var = optax.apply_updates(var, updates)

value = float(var[...])
print(value)
