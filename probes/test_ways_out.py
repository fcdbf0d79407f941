"""What to do instead: plain optax on the array, or a container of any kind around the Variable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import calibration
import nnx_api
import pytest
import training
from nnx_api import nnx
from yardstick import Check, adam_lands_at


@pytest.mark.probe(
    title="optax on the array inside a bare Variable",
    group="ways-out",
    links=("https://github.com/google/flax/issues/4564",),
)
def test_workaround_raw_array(check: Check, recipe: Callable[[str], Any]) -> None:
    """Can plain optax train the array inside an `nnx.Variable`, written back after every step?"""
    check.close(recipe(nnx_api.value_form()), adam_lands_at())


@pytest.mark.probe(title="nnx.Optimizer on a list of Variables", group="ways-out")
def test_workaround_list(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in a plain list?"""
    calibration.require_wrt()
    check.close(training.train(recipe, nnx.Variable, lambda var: [var], lambda model: model[0]), adam_lands_at())


@pytest.mark.probe(title="nnx.Optimizer on a dict of Variables", group="ways-out")
def test_workaround_dict(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in a plain dict?"""
    calibration.require_wrt()
    check.close(
        training.train(recipe, nnx.Variable, lambda var: {"var": var}, lambda model: model["var"]), adam_lands_at()
    )


@pytest.mark.probe(title="nnx.Optimizer on a tuple of Variables", group="ways-out")
def test_workaround_tuple(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in a plain tuple?"""
    calibration.require_wrt()
    check.close(training.train(recipe, nnx.Variable, lambda var: (var,), lambda model: model[0]), adam_lands_at())


@pytest.mark.probe(title="nnx.Optimizer on an nnx.List of Variables", group="ways-out")
def test_workaround_nnx_list(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in an `nnx.List`?"""
    nnx_api.require("List")
    calibration.require_wrt()
    check.close(
        training.train(recipe, nnx.Variable, lambda var: nnx.List([var]), lambda model: model[0]), adam_lands_at()
    )


@pytest.mark.probe(title="nnx.Optimizer on an nnx.Dict of Variables", group="ways-out")
def test_workaround_nnx_dict(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in an `nnx.Dict`?"""
    nnx_api.require("Dict")
    calibration.require_wrt()
    check.close(
        training.train(recipe, nnx.Variable, lambda var: nnx.Dict({"var": var}), lambda model: model["var"]),
        adam_lands_at(),
    )


@pytest.mark.probe(title="nnx.Optimizer on an nnx.Sequential with a Variable", group="ways-out")
def test_workaround_sequential(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable in an `nnx.Sequential`?"""
    nnx_api.require("Sequential")
    calibration.require_wrt()
    check.close(training.train(recipe, nnx.Variable, nnx.Sequential, lambda model: model.layers[0]), adam_lands_at())


@pytest.mark.probe(title="nnx.Optimizer on an nnx.Object or nnx.Pytree with a Variable", group="ways-out")
def test_workaround_object(check: Check, recipe: Callable[[str], Any]) -> None:
    """Does `nnx.Optimizer`, with `wrt=nnx.Variable`, train a Variable held by a small `nnx.Object` or `nnx.Pytree`?"""
    calibration.require_wrt()
    pytree = hasattr(nnx, "Pytree")
    if not pytree:
        nnx_api.require("Object")

    def wrap(var: Any) -> Any:
        class Holder(nnx.Pytree if pytree else nnx.Object):  # type: ignore[misc]
            def __init__(self) -> None:
                self.var = var

        return Holder()

    calls = calibration.calls_of_module()
    form = training.recipe_of(nnx.Variable, calls)
    if pytree:
        form = "pytree" if form == "update-with-model" else None
    check.close(
        recipe(form) if form else training.train_here(nnx.Variable, calls, wrap, lambda model: model.var),
        adam_lands_at(),
    )
