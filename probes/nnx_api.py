"""Every adaptation of a probe to the API of the Flax release that it runs in.

A probe asks one question; how the question is put differs from release to release. What differs is here: where NNX is,
how a Variable is read and written, and the forms in which its optimizer and its gradient have been called. Names are looked
up (is `nnx.Optimizer` there?), never version numbers. Which form fits this release is found out in `calibration`.

Importing this module imports NNX, optax and jax and lets whatever that raises through: if it cannot be imported here, no
user can train anything here either.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax  # noqa: F401  (see above)
import pytest

# NNX moved out of `flax.experimental`. The file decides, not an import that fails: a `flax.nnx` that is there but broken
# must be seen.
EXPERIMENTAL = importlib.util.find_spec("flax.nnx") is None
nnx: Any = importlib.import_module("flax.experimental.nnx" if EXPERIMENTAL else "flax.nnx")

Variable: Any = nnx.Variable

# `variable[...]` has been readable for longer than it has been the way to do it: `.value` is deprecated since there is both.
READS_BY_INDEX = hasattr(Variable, "get_value") and hasattr(Variable, "__getitem__")


def require(*names: str) -> None:
    """Skip the probe where NNX lacks a name that the question is about."""
    for name in names:
        if not hasattr(nnx, name):
            pytest.skip(f"nnx.{name} does not exist here")


def read(variable: Any) -> Any:
    """The value of a Variable, through the accessor that module code uses in this release.

    What is not a Variable has no such accessor, and the AttributeError is what module code would meet: where a release puts a
    bare array in the Variable's place, that is the finding.
    """
    if hasattr(Variable, "get_value"):
        return variable.get_value()
    if isinstance(variable, Variable) and not hasattr(variable, "value"):
        return variable[...]
    return variable.value


def write(variable: Any, value: Any) -> None:
    """Assign to a Variable, through the accessor that module code uses in this release."""
    if hasattr(Variable, "set_value"):
        variable.set_value(value)
    elif hasattr(variable, "value"):
        variable.value = value
    else:
        variable[...] = value


def held(module: Any, name: str) -> Any:
    """The value of the Variable that a module holds under that name; the first releases hand out the value itself."""
    found = getattr(module, name)
    return read(found) if isinstance(found, Variable) else found


def hold(module: Any, name: str, value: Any) -> None:
    """Assign to the Variable that a module holds under that name."""
    found = getattr(module, name)
    if isinstance(found, Variable):
        write(found, value)
    else:
        setattr(module, name, value)


def split(module: Any) -> tuple[Any, Any]:
    """The graphdef and the state of a module; the first releases have a method for it, which gives them the other way around."""
    if hasattr(nnx, "split"):
        graphdef, state = nnx.split(module)
    else:
        state, graphdef = module.split()
    return graphdef, state


def merge(graphdef: Any, state: Any) -> Any:
    """The module of a graphdef and a state."""
    return nnx.merge(graphdef, state) if hasattr(nnx, "split") else graphdef.merge(state)


def leaves(tree: Any) -> list[Any]:
    """The arrays in whatever a transform returned: a State, a Variable, an array or a container of those."""
    found = jax.tree_util.tree_leaves(tree, is_leaf=lambda node: isinstance(node, Variable))
    return [read(leaf) if isinstance(leaf, Variable) else leaf for leaf in found]


def variable(kind: Any) -> Any:
    """A Variable of that kind, at 0."""
    return kind(jnp.array(0.0))


def variable_loss(var: Any) -> Any:
    """(v - 3)^2 of a Variable."""
    return (read(var) - 3.0) ** 2


def module_of(var: Any) -> Any:
    """A module that holds a Variable as `var`.

    Defined in a function: on a broken pair of Flax and jax even the class may raise.
    """

    class Wrapper(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.var = var

    return Wrapper()


def holder(**parts: Any) -> Any:
    """A module with these attributes. Defined in a function, as that of `module_of`."""

    class Holder(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            for name, part in parts.items():
                setattr(self, name, part)

    return Holder()


def ones_linear() -> Any:
    """A Linear of two features whose kernel is all ones."""
    return nnx.Linear(2, 2, kernel_init=lambda key, shape, dtype: jnp.ones(shape, dtype), rngs=nnx.Rngs(0))


def module_loss(module: Any) -> Any:
    """(v - 3)^2 of the Variable in `module_of`."""
    return variable_loss(module.var)


@dataclass(frozen=True)
class Form:
    """How an optimizer is called.

    `wrt` is whether its constructor is told what to train, `positional` whether by position instead of by that name, and
    `model` whether `update` is given the model before the gradients.
    """

    wrt: bool
    model: bool
    positional: bool = False

    def construct(self, name: str, model: Any, tx: Any, wrt: Any) -> Any:
        """`nnx.<name>` for the Variables of type `wrt`; where it is not told, for those that it trains by itself."""
        optimizer = getattr(nnx, name)
        if not self.wrt:
            return optimizer(model, tx)
        return optimizer(model, tx, wrt) if self.positional else optimizer(model, tx, wrt=wrt)

    def update(self, optimizer: Any, model: Any, grads: Any, **extra: Any) -> None:
        """One optimizer step."""
        if self.model:
            optimizer.update(model, grads, **extra)
        else:
            optimizer.update(grads, **extra)


FORMS = (
    Form(wrt=True, model=True),
    Form(wrt=True, model=False),
    Form(wrt=True, model=True, positional=True),
    Form(wrt=True, model=False, positional=True),
    Form(wrt=False, model=True),
    Form(wrt=False, model=False),
)
"""Those that tell by name first, each kind newest first."""


@dataclass(frozen=True)
class Filter:
    """How `nnx.grad` is told in which Variables of its first argument to differentiate; not at all without a `name`."""

    name: Literal["argnums", "wrt"] | None
    positional: bool = False

    def grad(self, loss: Callable[..., Any], wrt: Any, function: str = "grad", **options: Any) -> Any:
        """`nnx.<function>` of the loss in the Variables of type `wrt`; where it is not told, with its default filter."""
        differentiate = functools.partial(getattr(nnx, function), **options)
        if self.name is None:
            return differentiate(loss)
        value = nnx.DiffState(0, wrt) if self.name == "argnums" else wrt
        return differentiate(loss, value) if self.positional else differentiate(loss, **{self.name: value})


DEFAULT_FILTER = Filter(None)

FILTERS = (Filter("argnums"), Filter("wrt"), Filter("argnums", True), Filter("wrt", True), DEFAULT_FILTER)
"""Those that tell by name first, each kind newest first."""


RECIPES_OF_PARAM = {
    (False, Form(wrt=True, model=True)): "update-with-model",
    (False, Form(wrt=False, model=False)): "update",
    (True, Form(wrt=False, model=False)): "experimental",
}
"""(NNX is experimental, form) -> the recipes that train an `nnx.Param` so, by the gradient's default filter."""

RECIPES_OF_VARIABLE = {
    (False, Form(wrt=True, model=True), Filter("argnums")): "update-with-model",
    (False, Form(wrt=True, model=False), Filter("argnums")): "diff-state",
    (False, Form(wrt=True, model=False), Filter("wrt")): "grad-wrt",
    (False, Form(wrt=False, model=False), Filter("wrt")): "without-wrt",
    (True, Form(wrt=False, model=False), Filter("wrt")): "experimental",
}
"""(NNX is experimental, form, filter of the gradient) -> the recipes that train an `nnx.Variable` so."""


def value_form() -> str:
    """Which form of a recipe that only reads and writes a Variable fits this release."""
    if EXPERIMENTAL:
        return "experimental"
    return "index" if READS_BY_INDEX else "value"
