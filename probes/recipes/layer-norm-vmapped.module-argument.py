"""Maps an nnx.LayerNorm over rows: the module is an argument of the mapped function, mapped over no axis."""

import jax.numpy as jnp
from flax import nnx

op = nnx.LayerNorm(2, rngs=nnx.Rngs(0))
x = jnp.array([[1.0, -2.0], [0.5, 3.0]])


@nnx.jit
def forward(op, x):
    return nnx.vmap(lambda op, x: op(x), in_axes=(None, 0))(op, x)


value = forward(op, x)
print(value)
