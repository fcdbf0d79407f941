"""Every adaptation of a probe to the API of the Flax release it finds itself in.

A probe asks one question; how the question is put differs from release to release. All of that is here, and all of it is
decided by looking at the API (is the name there, does the signature take the argument), never by a version number and never
by calling and catching: an exception from Flax is an answer, and must reach whoever reads the table.

Importing this module imports NNX, optax and jax and lets whatever that raises through: if it cannot be imported here, no
user can train anything here either.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import jax
import optax  # noqa: F401  (an environment without a working optax cannot answer any of the questions)
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


def takes(function: Callable[..., Any], argument: str) -> bool:
    """Whether a call may pass the argument, going by the signature."""
    return argument in inspect.signature(function).parameters


def requires(function: Callable[..., Any], argument: str) -> bool:
    """Whether a call must pass the argument, going by the signature."""
    parameter = inspect.signature(function).parameters.get(argument)
    return parameter is not None and parameter.default is inspect.Parameter.empty


def require_wrt() -> None:
    """Skip where `nnx.Optimizer` cannot be told which Variables to train."""
    require("Optimizer")
    if not takes(nnx.Optimizer.__init__, "wrt"):
        pytest.skip("nnx.Optimizer takes no `wrt` here: it trains nnx.Param only")


def require_call_without_wrt() -> None:
    """Skip where `nnx.Optimizer(model, tx)` followed by `update(grads)` does not fit the signatures any more."""
    require("Optimizer")
    if requires(nnx.Optimizer.__init__, "wrt"):
        pytest.skip("nnx.Optimizer requires `wrt` here: the call without it does not fit")
    if takes(nnx.Optimizer.update, "model"):
        pytest.skip("nnx.Optimizer.update requires the model here: update(grads) does not fit")


def require_extra_arguments() -> None:
    """Skip where `nnx.Optimizer.update` hands nothing but gradients on to optax."""
    require("Optimizer")
    kinds = [parameter.kind for parameter in inspect.signature(nnx.Optimizer.update).parameters.values()]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        pytest.skip("nnx.Optimizer.update takes no further arguments here")


def read(variable: Any) -> Any:
    """The value of a Variable, through the accessor that module code uses in this release.

    What is not a Variable has no such accessor, and the AttributeError is what module code would meet: where a release puts a
    bare array in the Variable's place, that is the finding.
    """
    if hasattr(Variable, "get_value"):
        return variable.get_value()
    return variable.value


def write(variable: Any, value: Any) -> None:
    """Assign to a Variable, through the accessor that module code uses in this release."""
    if hasattr(Variable, "set_value"):
        variable.set_value(value)
    else:
        variable.value = value


def leaves(tree: Any) -> list[Any]:
    """The arrays in whatever a transform returned: a State, a Variable, an array or a container of those."""
    found = jax.tree_util.tree_leaves(tree, is_leaf=lambda node: isinstance(node, Variable))
    return [read(leaf) if isinstance(leaf, Variable) else leaf for leaf in found]


def make_optimizer(model: Any, tx: Any, wrt: Any) -> Any:
    """`nnx.Optimizer` told to train `wrt`, or not told where it cannot be: there it knows `nnx.Param` alone."""
    require("Optimizer")
    if takes(nnx.Optimizer.__init__, "wrt"):
        return nnx.Optimizer(model, tx, wrt=wrt)
    return nnx.Optimizer(model, tx)


def update(optimizer: Any, model: Any, grads: Any, **extra: Any) -> None:
    """One optimizer step: the model became an argument when the optimizer stopped holding it."""
    if takes(type(optimizer).update, "model"):
        optimizer.update(model, grads, **extra)
    else:
        optimizer.update(grads, **extra)


def filtered(transform: Any, loss: Callable[..., Any], wrt: Any) -> Any:
    """`nnx.grad` or its like, of `loss` in the Variables of type `wrt` in its first argument."""
    if takes(transform, "wrt"):
        return transform(loss, wrt=wrt)
    return transform(loss, argnums=nnx.DiffState(0, wrt))


def grad(loss: Callable[..., Any], wrt: Any = None) -> Any:
    """`nnx.grad`, with the filter where one is given and with the release's default where not."""
    return nnx.grad(loss) if wrt is None else filtered(nnx.grad, loss, wrt)


def param_form() -> str:
    """Which form of a recipe that trains an `nnx.Param` with `nnx.Optimizer` fits this release."""
    require("Optimizer")
    if EXPERIMENTAL:
        return "experimental"
    return "update-with-model" if takes(nnx.Optimizer.update, "model") else "update"


def variable_form() -> str:
    """Which form of a recipe that trains an `nnx.Variable` with `nnx.Optimizer` fits this release."""
    require("Optimizer")
    if EXPERIMENTAL:
        return "experimental"
    if not takes(nnx.Optimizer.__init__, "wrt"):
        return "without-wrt"
    if takes(nnx.Optimizer.update, "model"):
        return "update-with-model"
    return "grad-wrt" if takes(nnx.grad, "wrt") else "diff-state"


def value_form() -> str:
    """Which form of a recipe that only reads and writes a Variable fits this release."""
    if EXPERIMENTAL:
        return "experimental"
    return "index" if READS_BY_INDEX else "value"
