"""What everyday code asks of many layers at once: stacked by `nnx.vmap`, scanned over, and applied side by side."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import forms
import jax
import jax.numpy as jnp
import nnx_api
import numpy as np
import pytest
import training
from nnx_api import nnx
from stacks import (
    LAYERS,
    ROWS,
    block,
    inputs,
    layers_in,
    linear,
    require_lifted,
    scanned_class,
    stack_by_axis_size,
    stack_by_split_rngs,
)
from yardstick import Check


class Scanned(NamedTuple):
    """What came of a scan over a stack of blocks.

    `masks` are what each layer's dropout multiplies with, in the call that gave `y` and in the one after it; `plain` is the
    output without dropout.
    """

    linear: Any
    y: Any
    masks: Any
    plain: Any


def judged(check: Check, scanned: Scanned) -> tuple[Any, Any]:
    """The two outputs of a scan, and what a loop in numpy gives for them. Fails where a mask is none, or two are alike."""
    layers = layers_in(scanned.linear, check)
    masks = np.asarray(scanned.masks)
    check.that(set(masks.ravel()) == {0.0, 2.0}, f"dropout multiplies with {sorted(set(masks.ravel()))}, not 0 and 2")
    check.that(len({mask.tobytes() for mask in masks}) == 2 * LAYERS, "some layers, or two calls, drop the same")

    def loop(masks: Any) -> Any:
        x = ROWS
        for layer, mask in zip(layers, masks, strict=True):
            x = np.maximum(layer(x) * mask, 0.0)
        return x

    expected = loop(masks[:LAYERS]), loop(np.ones((LAYERS, 1)))
    return np.ravel((scanned.y, scanned.plain)), np.ravel(expected)


def masks_in(*splits: tuple[Any, Any]) -> Any:
    """What each layer's dropout multiplies with next: each is made anew, from its part of the state of a stack."""
    graphdef = splits[0][0]

    # In one compilation, for all layers.
    @jax.jit
    def masks(*states: Any) -> Any:
        states = jax.tree_util.tree_map(lambda *leaves: jnp.concatenate(leaves), *states)
        return jax.vmap(lambda state: nnx.merge(graphdef, state).dropout(jnp.ones(ROWS.shape)))(states)

    return masks(*(state for _, state in splits))


@functools.cache
def by_carry(split: bool) -> Scanned:
    """As the guides from 0.10.0 on write it; those of a time split the keys of the stack for the scan, too."""
    nnx_api.require("scan", "Carry")
    stack = nnx.clone(stack_by_split_rngs(block))
    around = nnx.split_rngs(splits=LAYERS) if split else training.itself
    forward = around(nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry))
    before = around(nnx.split)(nnx.clone(stack))
    y = forward(inputs(), stack)
    masks = masks_in(before, around(nnx.split)(nnx.clone(stack)))
    stack.eval()
    return Scanned(stack.linear, y, masks, forward(inputs(), stack))


def by_carry_with_own_keys() -> Scanned:
    """Without splitting, where each layer of a stack keeps a key of its own, as since Flax 0.11."""
    nnx_api.require("scan", "Carry")
    if any(leaf.ndim == 0 for leaf in nnx_api.leaves(nnx.state(stack_by_split_rngs(block)))):
        pytest.skip("the layers of a stack share one key here")
    return by_carry(False)


def twice(linear: Any, call: Callable[[bool], tuple[Any, Any]]) -> Scanned:
    """Where a scan splits the keys by itself, the masks are read off what comes out of each layer: 0 is dropped.

    Args:
        linear: The stack of `nnx.Linear`.
        call: Whether to drop -> the output, and that of each layer.
    """
    (y, first), (_, second) = call(True), call(True)
    masks = 2.0 * (np.concatenate([first, second]) != 0.0)
    return Scanned(linear, y, masks, call(False)[0])


@functools.cache
def by_constructor() -> Scanned:
    nnx_api.require("Scan", "split")
    if not hasattr(nnx.Scan, "constructor"):
        pytest.skip("nnx.Scan.constructor does not exist here")
    layers = nnx.Scan.constructor(scanned_class(), length=LAYERS)(rngs=nnx.Rngs(0))

    def call(drop: bool) -> Any:
        layers.train() if drop else layers.eval()
        return layers(inputs(), None)

    return twice(layers.scan_module.linear, call)


def by_pair() -> Scanned:
    nnx_api.require("scan")
    stack = stack_by_axis_size(block)

    def forward(x: Any, layer: Any) -> Any:
        y = layer(x)
        return y, y

    def call(drop: bool) -> Any:
        stack.train() if drop else stack.eval()
        return nnx.scan(forward)(inputs(), stack)

    return twice(stack.linear, call)


def by_class(keys: Callable[[], Any]) -> Scanned:
    """As the first releases lift a class; what draws random numbers is handed an `nnx.Rngs` in each call."""
    require_lifted("Scan")
    layers = nnx.Scan(scanned_class(), variable_axes={nnx.Param: 0}, length=LAYERS)(rngs=nnx.Rngs(0))

    def call(drop: bool) -> Any:
        rngs = keys()
        if hasattr(nnx, "flags"):
            with nnx.flags(deterministic=not drop):
                return layers(inputs(), rngs=rngs)
        layers.set_attributes(deterministic=not drop)
        return layers(inputs(), rngs=rngs)

    return twice(layers.scan_module.linear, call)


def by_class_and_one_rngs() -> Scanned:
    rngs = nnx.Rngs(dropout=1)
    return by_class(lambda: rngs)


def by_class_and_new_rngs() -> Scanned:
    seeds = itertools.count()
    return by_class(lambda: nnx.Rngs(dropout=next(seeds)))


CARRY = "nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)"
WITHOUT, WITH = (f"{CARRY} {word} nnx.split_rngs around it" for word in ("without", "with"))
WAYS: dict[str, Callable[[], Scanned]] = {
    WITHOUT: by_carry_with_own_keys,
    WITH: lambda: by_carry(True),
    "nnx.Scan.constructor": by_constructor,
    "nnx.vmap(axis_size=) and nnx.scan of a function that returns a pair": by_pair,
    "nnx.Scan of a class, one nnx.Rngs for all calls": by_class_and_one_rngs,
    "nnx.Scan of a class, a new nnx.Rngs for each call": by_class_and_new_rngs,
}


@pytest.mark.probe(title="Five layers with dropout by vmap and scan", group="everyday")
def test_scan_over_layers(check: Check) -> None:
    """Does a scan over five stacked blocks of Linear, Dropout and relu give what a loop over them gives?

    The block is that of Flax's migration guides. With dropout on, the loop multiplies with the mask that each layer's own key
    gives; where a scan splits the keys by itself, the masks are read off what comes out of each layer. No two layers and no
    two calls may drop the same. With dropout off, there are no masks.
    """
    forms.settle(check, {name: lambda way=way: check.close(*judged(check, way())) for name, way in WAYS.items()})


@pytest.mark.probe(
    title="Scan over layers in the other form that guides show",
    group="traps",
    links=("https://flax.readthedocs.io/en/latest/migrating/nnx_010_to_nnx_011.html",),
)
def test_scan_other_guide(check: Check) -> None:
    """Does the scan of `scan-over-layers` also run in the other of the two forms that Flax's guides show?

    Some have `nnx.split_rngs` around `nnx.scan`, which Flax 0.10 needs, and some do not; both forms are still in guides of
    later releases. The form with it is asked about where the one without gives the right answer, else the one without; the
    note says which form gives it here.
    """
    nnx_api.require("scan", "Carry")

    def right(way: str) -> bool:
        return bool(np.allclose(*judged(check, WAYS[way]()), rtol=0, atol=1e-5))

    here = next((way for way in WAYS if forms.succeeds(lambda way=way: right(way))), None)
    forms.answer_or_hint(
        lambda: check.close(*judged(check, by_carry(here == WITHOUT))), check, f"{here} does", lambda: here is not None
    )


@pytest.mark.probe(title="An ensemble of vmapped Linear models", group="everyday")
def test_vmap_ensemble(check: Check) -> None:
    """Does `nnx.vmap` create five different `nnx.Linear` and apply all of them to the same input?"""

    def compare(stack: Any, y: Any) -> None:
        check.close(np.ravel(y), np.ravel([model(ROWS) for model in layers_in(stack, check)]))

    def apply(create: Callable[[Any], Any], **options: Any) -> None:
        stack = create(linear)
        compare(stack, nnx.vmap(lambda model, x: model(x), in_axes=(0, None), **options)(stack, inputs()))

    def by_class() -> None:
        require_lifted("Vmap")

        class Model(nnx.Module):  # type: ignore[misc]
            def __init__(self, *, rngs: Any) -> None:
                self.linear = linear(rngs)

            def __call__(self, x: Any) -> Any:
                return self.linear(x)

        ensemble = nnx.Vmap(Model, variable_axes={nnx.Param: 0}, axis_size=LAYERS, in_args_axes=None)(rngs=nnx.Rngs(0))
        compare(ensemble.vmap_module.linear, ensemble(inputs()))

    forms.settle(
        check,
        {
            "nnx.split_rngs and nnx.vmap": lambda: apply(stack_by_split_rngs),
            "nnx.vmap(axis_size=)": lambda: apply(stack_by_axis_size, axis_size=LAYERS),
            "nnx.Vmap of a class": by_class,
        },
    )
