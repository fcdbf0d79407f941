"""What a probe may ask for: `check`, to hold a number against the yardstick, and `recipe`, to run a recipe's file."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from yardstick import Check

RECIPES = Path(__file__).parent / "recipes"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "probe(title, group, links, control, needs): how the table shows a probe; read from the source, so literals only",
    )


@pytest.fixture
def check(record_property: Callable[[str, object], None]) -> Check:
    """Compares, records what was found, and raises `NoEffect` where it is wrong."""
    return Check(record_property)


@pytest.fixture
def recipe(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[[str], Any]:
    """Runs `recipes/<id of the probe>.<form>.py`, the file that users are shown, and returns the `value` it ends with."""
    probe = request.node.originalname.removeprefix("test_").replace("_", "-")

    def run(form: str) -> Any:
        file = RECIPES / f"{probe}.{form}.py"
        record_property("recipe", file.name)
        return runpy.run_path(str(file), run_name="__main__")["value"]

    return run
