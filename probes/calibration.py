"""Finds the form of call in which this release trains a module, and puts every other question in that form.

A signature would be a guess: a decorator may hide it. So the forms are tried on a *module*. One is known to fit where it
trains an `nnx.Param` held by it to the right number, and known to choose what is trained where it does so with an
`nnx.Variable` too. A bare Variable is asked about in that form as well, unless it is trained in another one only. An
exception that a call about anything else raises is an answer and is never caught here.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax.numpy as jnp
import nnx_api
import optax
import pytest
from nnx_api import DEFAULT_FILTER, FILTERS, FORMS, Filter, Form, nnx
from yardstick import adam_lands_at

Call = TypeVar("Call", Form, Filter)


class CannotTell(Exception):
    """No known form of call tells this release to train an `nnx.Variable`: the probes are at fault, not the release."""


def newest(forms: Iterable[Call], trains: Callable[[Call, Any], bool]) -> tuple[Call, bool] | None:
    """The first form that trains either kind of Variable, each when told to; else the first that trains an `nnx.Param`.

    What is passed by position might be taken for anything: such a form counts only where it trains both.

    Returns:
        The form, and whether it trains both; None where no form is known to fit.
    """
    fitting = [form for form in forms if trains(form, nnx.Param)]
    for form in fitting:
        if trains(form, nnx.Variable):
            return form, True
    return next(((form, False) for form in fitting if not form.positional), None)


@functools.cache
def differentiates(form: Filter, kind: Any, function: str = "grad", bare: bool = False) -> bool:
    """Whether `nnx.<function>` in this form gives the slope of a Variable of that kind, in a module or bare."""
    try:
        var = nnx_api.variable(kind)
        loss, model = (nnx_api.variable_loss, var) if bare else (nnx_api.module_loss, nnx_api.module_of(var))
        result = form.grad(loss, kind, function)(model)
        slopes = nnx_api.leaves(result if function == "grad" else result[1])
        return len(slopes) == 1 and abs(float(slopes[0]) + 6.0) <= 1e-5
    except Exception:
        return False


@functools.cache
def calibrated_filter(function: str = "grad") -> tuple[Filter, bool]:
    """The form in which `nnx.<function>` is called, and whether it is known to fit; else it is the most likely one."""
    found = newest(FILTERS, lambda form, kind: differentiates(form, kind, function))
    if found:
        return found[0], True
    return Filter("wrt" if "wrt" in parameters(getattr(nnx, function)) else "argnums"), False


@dataclass(frozen=True)
class Attempt:
    """What came of training a Variable: whether it landed where it should, and how far it got.

    `reached` is 0 where nothing was constructed, 1 where there is no `update`, 2 where no step was taken, else 3.
    """

    reached: int
    trained: bool


@functools.cache
def attempt(name: str, form: Form, kind: Any, by: Filter | None = None, bare: bool = False) -> Attempt:
    """Train a Variable of that kind, in a module or bare, with `nnx.<name>` in this form, ten steps of adam.

    The gradient is called in the form `by`, or else in the calibrated one.
    """
    reached, trained = 0, False
    try:
        var = nnx_api.variable(kind)
        model = var if bare else nnx_api.module_of(var)
        optimizer = form.construct(name, model, optax.adam(0.1), kind)
        reached = 1
        if hasattr(optimizer, "update"):
            reached = 2
            slope = (by or calibrated_filter()[0]).grad(nnx_api.variable_loss if bare else nnx_api.module_loss, kind)
            for _ in range(10):
                form.update(optimizer, model, slope(model))
                reached = 3
            trained = abs(float(nnx_api.read(var if bare else model.var)) - adam_lands_at(10)) <= 1e-5
    except Exception:
        pass
    return Attempt(reached=reached, trained=trained)


@dataclass(frozen=True)
class Calibration:
    """The form in which `nnx.<name>` is called, and how far it got in training an `nnx.Param` in a module.

    `chooses` is whether it trains an `nnx.Variable` in a module, too, when told to.
    """

    form: Form
    reached: int
    trained: bool
    chooses: bool


@functools.cache
def calibrated(name: str = "Optimizer") -> Calibration:
    """The form in which `nnx.<name>` trains a module; where none does, the one that is most likely meant.

    In the second case the control fails, and no other answer of the environment counts.
    """
    found = newest(FORMS, lambda form, kind: attempt(name, form, kind).trained)
    if found:
        return Calibration(form=found[0], reached=3, trained=True, chooses=found[1])
    reached = {form: attempt(name, form, nnx.Param).reached for form in FORMS}
    furthest = [form for form in FORMS if reached[form] == max(reached.values())]
    form = next((form for form in furthest if all(signature_takes(name, form))), furthest[0])
    return Calibration(form=form, reached=reached[form], trained=False, chooses=False)


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
    nnx_api.require(name)
    if calibrated(name).reached == 1:
        pytest.skip(f"nnx.{name}.update does not exist here")


def require_wrt() -> None:
    """Skip where `nnx.Optimizer` cannot be told which Variables to train."""
    require_optimizer()
    if not calibrated().form.wrt:
        pytest.skip("nnx.Optimizer takes no `wrt` here: it cannot be told what to train")
    if not calibrated().chooses:
        require_filter()


def require_filter() -> None:
    """Raise `CannotTell` where `nnx.grad` works, but is told its filter in no known form."""
    if calibrated_filter() == (DEFAULT_FILTER, True):
        raise CannotTell("nnx.grad works here, but no known form of call tells it to differentiate in an nnx.Variable")


def require_default_filter(function: str = "grad") -> None:
    """Skip where there is no `nnx.<function>`, or it has to be told in which Variables to differentiate."""
    nnx_api.require(function)
    fits = differentiates(DEFAULT_FILTER, nnx.Param, function)
    if calibrated_filter(function)[1] and not (
        fits or differentiates(DEFAULT_FILTER, nnx.Variable, function, bare=True)
    ):
        pytest.skip(f"nnx.{function} requires a filter here")


def require_choice(name: str = "Optimizer") -> None:
    """Raise `CannotTell` where a bare `nnx.Variable` would fail only because the release cannot be told to train it.

    Where `nnx.<name>` refuses a bare `nnx.Param` as well, it does not come to that.
    """
    require_optimizer(name)
    best = calibrated(name)
    told = best.form.wrt and calibrated_filter()[0] != DEFAULT_FILTER
    if best.trained and not best.chooses and not told and attempt(name, best.form, nnx.Param, bare=True).reached:
        raise CannotTell(
            f"nnx.{name} takes a bare nnx.Param here, but is told in no known form to train an nnx.Variable"
        )


@functools.cache
def calls_of_bare(kind: Any, name: str = "Optimizer") -> tuple[Form, Filter]:
    """The forms in which `nnx.<name>` and `nnx.grad` are asked about a bare Variable of that kind.

    They are those that train a module. Where only others train the bare Variable, they are the newest of these: a release
    may refuse a filter for what is no module, or require one.
    """
    require_optimizer(name)
    best = calibrated(name).form, calibrated_filter()[0]
    for form, by in (best, *itertools.product(FORMS, FILTERS)):
        if attempt(name, form, kind, by, bare=True).trained:
            return form, by
    if kind is not nnx.Param:
        require_choice(name)
    return best


def require_call(name: str, form: Form, bare: bool = False) -> None:
    """Skip where `nnx.<name>` trains no module in this form and by `nnx.grad(loss)`, as older code has it.

    Where the call is about a `bare` Variable, it also fits if it trains that.
    """
    require_optimizer(name)
    if bare and attempt(name, form, nnx.Variable, DEFAULT_FILTER, bare=True).trained:
        return
    if calibrated(name).trained:
        tried = attempt(name, form, nnx.Param, DEFAULT_FILTER)
        constructs, updates = tried.reached > 0, tried.trained
    else:
        constructs, updates = signature_takes(name, form)
    if not constructs:
        pytest.skip(f"nnx.{name} requires `wrt` here: the call without it does not fit")
    if not updates:
        pytest.skip(f"nnx.{name}.update trains no module here when it is called as older code calls it")


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
    """Whether `update` takes an argument that only the optax transformation knows. Without it, the call is known to fit."""
    module = nnx_api.module_of(nnx_api.variable(nnx.Param))
    tx = optax.GradientTransformationExtraArgs(
        init=lambda params: optax.EmptyState(), update=lambda updates, state, params=None, **extra: (updates, state)
    )
    optimizer = form.construct("Optimizer", module, tx, nnx.Param)
    grads = grad(nnx_api.module_loss, nnx.Param)(module)
    try:
        form.update(optimizer, module, grads, value=jnp.array(0.0))
    except Exception:
        return False
    return True


def make_optimizer(model: Any, tx: Any, wrt: Any) -> Any:
    """`nnx.Optimizer` told to train `wrt`, or not told where it cannot be."""
    require_optimizer()
    return calibrated().form.construct("Optimizer", model, tx, wrt)


def update(optimizer: Any, model: Any, grads: Any, **extra: Any) -> None:
    """One step of an optimizer that `make_optimizer` made."""
    calibrated().form.update(optimizer, model, grads, **extra)


def grad(loss: Callable[..., Any], wrt: Any = None, function: str = "grad", **options: Any) -> Any:
    """`nnx.<function>`, in the Variables of type `wrt` where it is given.

    Else it is with the release's default filter or, where there is none, in those of type `nnx.Param`.
    """
    form, known = calibrated_filter(function)
    if wrt is None and (not known or differentiates(DEFAULT_FILTER, nnx.Param, function)):
        form = DEFAULT_FILTER
    return form.grad(loss, wrt or nnx.Param, function, **options)


def calls_of_module() -> tuple[Form, Filter]:
    """The forms in which `nnx.Optimizer` and `nnx.grad` are called on a module."""
    return calibrated().form, calibrated_filter()[0]
