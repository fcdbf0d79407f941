"""Trains all layers of a list: plain lists are refused as attributes of a module; nnx.data([...]) would do as well."""

import jax.numpy as jnp
import optax
from flax import nnx


class Scale(nnx.Module):
    def __init__(self, start):
        self.scale = nnx.Param(jnp.array(start))


class Layered(nnx.Module):
    def __init__(self):
        self.layers = nnx.List([Scale(2.0), Scale(3.0), Scale(4.0)])


model = Layered()
optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)


def loss(model):
    product = 1.0
    for layer in model.layers:
        product = product * layer.scale[...]
    return product


grads = nnx.grad(loss)(model)
optimizer.update(model, grads)

value = [float(layer.scale[...]) for layer in model.layers]
print(value)
