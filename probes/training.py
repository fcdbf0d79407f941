"""Trains a Variable as its probe's recipe has it, or by the same calls where no recipe is written in the forms that fit here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import nnx_api
import optax
from nnx_api import DEFAULT_FILTER, EXPERIMENTAL, Filter, Form, nnx


def recipe_of(wrt: Any, calls: tuple[Form, Filter]) -> str | None:
    """Which of a probe's recipes is written in these forms; None where no recipe is."""
    if wrt is not nnx.Param:
        return nnx_api.RECIPES_OF_VARIABLE.get((EXPERIMENTAL, *calls))
    for (experimental, form), recipe in nnx_api.RECIPES_OF_PARAM.items():
        # `wrt=nnx.Param` may be left out where it is the default, and the older recipe leaves it out.
        trains = calibration.attempt("Optimizer", form, wrt, DEFAULT_FILTER).trained
        if experimental == EXPERIMENTAL and (
            trains if calibration.calibrated().trained else form.model == calls[0].model
        ):
            return recipe if calls == calibration.calls_of_module() else None
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

    The probe's recipe does it, where one is written in the forms that fit here. Where none is, as in a release that is
    newer than all recipes, the same calls are made by `train_here`.
    """
    calibration.require_optimizer()
    calls = calibration.calls_of_bare(wrt) if wrap is itself else calibration.calls_of_module()
    written = recipe_of(wrt, calls)
    return recipe(written) if written else train_here(wrt, calls, wrap, unwrap)


def train_here(wrt: Any, calls: tuple[Form, Filter], wrap: Callable[[Any], Any], unwrap: Callable[[Any], Any]) -> Any:
    """As `train`, without a recipe: `wrap` puts the Variable where the probe wants it, `unwrap` takes it out again."""
    form, by = calls
    model = wrap(nnx_api.variable(wrt))
    optimizer = form.construct("Optimizer", model, optax.adam(0.1), wrt)
    slope = by.grad(lambda model: nnx_api.variable_loss(unwrap(model)), wrt)
    for _ in range(10):
        form.update(optimizer, model, slope(model))
    return nnx_api.read(unwrap(model))
