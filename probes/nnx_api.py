"""Every adaptation of a probe to the API of the Flax release that it runs in.

A probe asks one question; how the question is put differs from release to release. All of that is here. Names are looked
up (is `nnx.Optimizer` there?), never version numbers. How a call is to be written is found out by calling: the newest form
with which a *module* that holds an `nnx.Param` trains to the right number is the form in which every other question is put
(`calibrated`). A signature would be a guess: a decorator may hide it. An exception that a call about anything else raises
is an answer and is never caught here.

Importing this module imports NNX, optax and jax and lets whatever that raises through: if it cannot be imported here, no
user can train anything here either.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from yardstick import adam_lands_at

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


@dataclass(frozen=True)
class Form:
    """How an optimizer is called: whether its constructor is given `wrt`, and `update` the model before the gradients."""

    wrt: bool
    model: bool

    def construct(self, name: str, model: Any, tx: Any, wrt: Any) -> Any:
        """`nnx.<name>` for the Variables of type `wrt`; where it cannot be told, for those that it trains by itself."""
        optimizer = getattr(nnx, name)
        return optimizer(model, tx, wrt=wrt) if self.wrt else optimizer(model, tx)

    def update(self, optimizer: Any, model: Any, grads: Any, **extra: Any) -> None:
        """One optimizer step."""
        if self.model:
            optimizer.update(model, grads, **extra)
        else:
            optimizer.update(grads, **extra)


FORMS = (
    Form(wrt=True, model=True),
    Form(wrt=True, model=False),
    Form(wrt=False, model=True),
    Form(wrt=False, model=False),
)
"""Newest first."""


@dataclass(frozen=True)
class Attempt:
    """What came of training a module with an `nnx.Param` in one form.

    `reached` is how far it got: 0 nothing was constructed, 1 there is no `update`, 2 no step was taken, 3 at least one.
    `refused` is whether a TypeError ended it, which is how Python refuses arguments.
    """

    form: Form
    reached: int
    trained: bool
    refused: bool


def variable(kind: Any) -> Any:
    """A Variable of that kind, at 0."""
    return kind(jnp.array(0.0))


def module_of(var: Any) -> Any:
    """A module that holds a Variable as `var`.

    Defined in a function: on a broken pair of Flax and jax even the class may raise.
    """

    class Wrapper(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.var = var

    return Wrapper()


def module_loss(module: Any) -> Any:
    """(v - 3)^2 of the Variable in `module_of`."""
    return (read(module.var) - 3.0) ** 2


@functools.cache
def attempt(name: str, form: Form) -> Attempt:
    """Train a module that holds an `nnx.Param` with `nnx.<name>` in this form, ten steps of adam."""
    reached, trained, refused = 0, False, False
    try:
        module = module_of(variable(nnx.Param))
        optimizer = form.construct(name, module, optax.adam(0.1), nnx.Param)
        reached = 1
        if hasattr(optimizer, "update"):
            reached = 2
            slope = grad(module_loss, nnx.Param)
            for _ in range(10):
                form.update(optimizer, module, slope(module))
                reached = 3
            trained = abs(float(read(module.var)) - adam_lands_at(10)) <= 1e-5
    except Exception as error:
        refused = isinstance(error, TypeError)
    return Attempt(form=form, reached=reached, trained=trained, refused=refused)


@functools.cache
def calibrated(name: str = "Optimizer") -> Attempt:
    """The newest form in which `nnx.<name>` trains a module; where none does, the one that is most likely meant.

    In the second case the control fails, and no other answer of the environment counts.
    """
    attempts = []
    for form in FORMS:
        attempts.append(attempt(name, form))
        if attempts[-1].trained:
            return attempts[-1]
    furthest = [one for one in attempts if one.reached == max(each.reached for each in attempts)]
    return next((one for one in furthest if all(signature_takes(name, one.form))), furthest[0])


def parameters(function: Any) -> Any:
    """The parameters of a callable by name; none where it does not tell."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def signature_takes(name: str, form: Form) -> tuple[bool, bool]:
    """Whether the signatures of constructor and of update agree with the form. Asked only where no form trains."""
    optimizer = getattr(nnx, name)
    wrt = parameters(optimizer.__init__).get("wrt")
    required = wrt is not None and wrt.default is inspect.Parameter.empty
    takes_model = "model" in parameters(getattr(optimizer, "update", None))
    return (wrt is not None if form.wrt else not required), form.model == takes_model


def require_optimizer(name: str = "Optimizer") -> None:
    """Skip where there is no `nnx.<name>` or it has no method `update`."""
    require(name)
    if calibrated(name).reached == 1:
        pytest.skip(f"nnx.{name}.update does not exist here")


def require_wrt() -> None:
    """Skip where `nnx.Optimizer` cannot be told which Variables to train."""
    require_optimizer()
    if not calibrated().form.wrt:
        pytest.skip("nnx.Optimizer takes no `wrt` here: it cannot be told what to train")


def require_call(name: str, form: Form) -> None:
    """Skip where `nnx.<name>` refuses to train a module in this form, so that older code does not fit any more."""
    require_optimizer(name)
    if calibrated(name).trained:
        tried = attempt(name, form)
        constructs, updates = (tried.reached > 0, False) if tried.refused else (True, True)
    else:
        constructs, updates = signature_takes(name, form)
    if not constructs:
        pytest.skip(f"nnx.{name} requires `wrt` here: the call without it does not fit")
    if not updates:
        pytest.skip(f"nnx.{name}.update requires the model here: update(grads) does not fit")


def require_extra_arguments() -> None:
    """Skip where `nnx.Optimizer.update` hands nothing but gradients on to optax."""
    require_optimizer()
    if calibrated().trained:
        refused = not takes_extra_arguments(calibrated().form)
    else:
        kinds = [parameter.kind for parameter in parameters(nnx.Optimizer.update).values()]
        refused = inspect.Parameter.VAR_KEYWORD not in kinds
    if refused:
        pytest.skip("nnx.Optimizer.update takes no further arguments here")


def takes_extra_arguments(form: Form) -> bool:
    """Whether `update` takes an argument that only the optax transformation knows."""
    module = module_of(variable(nnx.Param))
    tx = optax.GradientTransformationExtraArgs(
        init=lambda params: optax.EmptyState(), update=lambda updates, state, params=None, **extra: (updates, state)
    )
    optimizer = form.construct("Optimizer", module, tx, nnx.Param)
    grads = grad(module_loss, nnx.Param)(module)
    try:
        form.update(optimizer, module, grads, value=jnp.array(0.0))
    except TypeError:
        return False
    return True


def make_optimizer(model: Any, tx: Any, wrt: Any, name: str = "Optimizer") -> Any:
    """`nnx.<name>` told to train `wrt`, or not told where it cannot be: there it knows `nnx.Param` alone."""
    require_optimizer(name)
    return calibrated(name).form.construct(name, model, tx, wrt)


def update(optimizer: Any, model: Any, grads: Any, name: str = "Optimizer", **extra: Any) -> None:
    """One step of an optimizer that `make_optimizer` made."""
    calibrated(name).form.update(optimizer, model, grads, **extra)


FILTERS: tuple[Callable[[Any], dict[str, Any]], ...] = (
    lambda wrt: {"argnums": nnx.DiffState(0, wrt)},
    lambda wrt: {"wrt": wrt},
)
"""How `nnx.grad` is told in which Variables of its first argument to differentiate, newest first."""


@functools.cache
def calibrated_filter() -> int:
    """Which of FILTERS gives the slope of a module's `nnx.Param`; where none does, the one that is most likely meant."""
    for number, keywords in enumerate(FILTERS):
        try:
            slopes = leaves(nnx.grad(module_loss, **keywords(nnx.Param))(module_of(variable(nnx.Param))))
            if len(slopes) == 1 and abs(float(slopes[0]) + 6.0) <= 1e-5:
                return number
        except Exception:
            continue
    return 1 if "wrt" in parameters(nnx.grad) else 0


def grad(loss: Callable[..., Any], wrt: Any = None) -> Any:
    """`nnx.grad`, in the Variables of type `wrt` where it is given, else with the release's default filter."""
    return nnx.grad(loss) if wrt is None else nnx.grad(loss, **FILTERS[calibrated_filter()](wrt))


RECIPES_OF_PARAM = {
    (False, Form(wrt=True, model=True)): "update-with-model",
    (False, Form(wrt=False, model=False)): "update",
    (True, Form(wrt=False, model=False)): "experimental",
}
"""(NNX is experimental, form) -> the recipes that train an `nnx.Param` so."""

RECIPES_OF_VARIABLE = {
    (False, Form(wrt=True, model=True), 0): "update-with-model",
    (False, Form(wrt=True, model=False), 0): "diff-state",
    (False, Form(wrt=True, model=False), 1): "grad-wrt",
    (False, Form(wrt=False, model=False), 1): "without-wrt",
    (True, Form(wrt=False, model=False), 1): "experimental",
}
"""(NNX is experimental, form, filter of the gradient) -> the recipes that train an `nnx.Variable` so."""


def recipe_of(wrt: Any) -> str | None:
    """Which of a probe's recipes is written in a form that trains a module here; None where no recipe is."""
    require_optimizer()
    best = calibrated()
    if wrt is not nnx.Param:
        return RECIPES_OF_VARIABLE.get((EXPERIMENTAL, best.form, calibrated_filter()))
    for (experimental, form), recipe in RECIPES_OF_PARAM.items():
        # `wrt=nnx.Param` may be left out where it is the default, and the older recipe leaves it out.
        fits = attempt("Optimizer", form).trained if best.trained else form.model == best.form.model
        if experimental == EXPERIMENTAL and fits:
            return recipe
    return None


def itself(thing: Any) -> Any:
    return thing


def train(
    recipe: Callable[[str], Any],
    wrt: Any,
    wrap: Callable[[Any], Any] = itself,
    unwrap: Callable[[Any], Any] = itself,
) -> Any:
    """Train a Variable of type `wrt` with `nnx.Optimizer`, ten steps of adam(0.1) on (v - 3)^2 from 0; gives where it landed.

    The probe's recipe does it, where one is written in the form that trains a module here. Where none is, as in a release
    that is newer than all recipes, the same calls are made by `train_here`.
    """
    form = recipe_of(wrt)
    return recipe(form) if form else train_here(wrt, wrap, unwrap)


def train_here(wrt: Any, wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any]) -> Any:
    """As `train`, without a recipe: `wrap` puts the Variable where the probe wants it, `unwrap` takes it out again."""
    model = wrap(variable(wrt))
    optimizer = make_optimizer(model, optax.adam(0.1), wrt)
    slope = grad(lambda model: (read(unwrap(model)) - 3.0) ** 2, wrt)
    for _ in range(10):
        update(optimizer, model, slope(model))
    return read(unwrap(model))


def value_form() -> str:
    """Which form of a recipe that only reads and writes a Variable fits this release."""
    if EXPERIMENTAL:
        return "experimental"
    return "index" if READS_BY_INDEX else "value"
