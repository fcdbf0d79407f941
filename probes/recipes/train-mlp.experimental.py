"""Trains a model of two layers, ten steps under nnx.jit."""

import jax.numpy as jnp
import optax
from flax.experimental import nnx


class MLP(nnx.Module):
    def __init__(self, rngs):
        self.linear1 = nnx.Linear(4, 4, rngs=rngs)
        self.linear2 = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.linear2(nnx.relu(self.linear1(x)))


def weights(model):
    layers = (model.linear1, model.linear2)
    return [jnp.array(variable.value) for layer in layers for variable in (layer.kernel, layer.bias)]


x = jnp.eye(4)
y = jnp.eye(4)[::-1]
model = MLP(rngs=nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(0.05))
start = weights(model)


@nnx.jit
def train_step(model, optimizer, x, y):
    def loss_fn(model):
        return jnp.mean((model(x) - y) ** 2)

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(grads)
    return loss


for _ in range(10):
    loss = train_step(model, optimizer, x, y)

value = (start, weights(model))
print(loss)
