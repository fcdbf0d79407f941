"""Trains the state of an nnx.Variable with plain optax, and merges it back."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

graphdef, state = nnx.split(nnx.Variable(jnp.array(0.0)))
tx = optax.adam(0.1)
opt_state = tx.init(state)


def loss(state):
    var = nnx.merge(graphdef, state)
    return (var.value - 3.0) ** 2


for _ in range(10):
    grads = jax.grad(loss)(state)
    updates, opt_state = tx.update(grads, opt_state, state)
    state = optax.apply_updates(state, updates)

var = nnx.merge(graphdef, state)
value = float(var.value)
print(value)
