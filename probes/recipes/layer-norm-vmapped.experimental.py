"""Maps an nnx.LayerNorm over rows: the module is the first argument of the mapped function, which is mapped over no axis."""

import jax.numpy as jnp
from flax.experimental import nnx

op = nnx.LayerNorm(2, rngs=nnx.Rngs(0))
x = jnp.array([[1.0, -2.0], [0.5, 3.0]])


@nnx.jit
def forward(op, x):
    return nnx.vmap(lambda op, x: op(x))(op, x)


value = forward(op, x)
print(value)
