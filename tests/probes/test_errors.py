"""What is written about errors in probes/errors.toml, held against what is on record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from compatmatrix.analysis.compatibility import Compatibility
from compatmatrix.analysis.standing import Environment, Standing
from compatmatrix.config import matrix_file
from compatmatrix.publish import error_pages, json_data
from compatmatrix.publish.error_pages import ErrorPage

ROOT = Path(__file__).parents[2]
PASTED = {
    "RuntimeError: Unsupported type: <class 'flax.nnx.variablelib.Variable'>, this is a bug.": "recipe",
    "IndexError: tuple index out of range": "recipe",
    "ImportError: cannot import name 'mutable_array' from 'jax._src.core' (/home/u/site-packages/jax/_src/core.py)": "install",
    "AttributeError: module 'jax.experimental.hijax' has no attribute 'HiPrimitive'": "install",
}
"""What users paste, and what helps them."""


@pytest.fixture(scope="module")
def known() -> Compatibility:
    view = json_data.read((ROOT / "reports" / "compatibility.json").read_bytes())
    return Compatibility(msgspec.structs.replace(view, config=matrix_file.load(ROOT / "matrix.toml", environ={})))


@pytest.fixture(scope="module")
def pages(known: Compatibility) -> Mapping[str, ErrorPage]:
    return {page.error.signature: page for page in error_pages.pages(known)}


def test_every_cause_is_of_an_error_on_record(known: Compatibility) -> None:
    used = {error.cause for error in known.errors.values()}
    assert [cause.pattern for cause in known.view.config.causes if cause not in used] == []


@pytest.mark.parametrize("text", PASTED)
def test_what_users_paste_leads_to_what_works(known: Compatibility, pages: Mapping[str, ErrorPage], text: str) -> None:
    (found,) = known.explain(f"Traceback (most recent call last):\n  File ...\n{text}\n")
    page = pages[found.signature]
    assert found.exact and found.cause
    assert bool(page.commands) == (PASTED[text] == "install") and bool(page.recipe) == (PASTED[text] == "recipe")


def test_every_command_installs_what_is_known_good(known: Compatibility, pages: Mapping[str, ErrorPage]) -> None:
    commands = {command.install for page in pages.values() for command in page.commands}
    assert commands
    for command in commands:
        subject, companion = (
            re.fullmatch(rf"{name}(.+)", requirement)
            for name, requirement in zip(("flax", "jax"), re.findall(r'"(.*?)"', command), strict=True)
        )
        assert subject and companion
        found = known.ranges(subject[1], companion[1], Environment())
        assert found.standing is Standing.GOOD and found.good, command
