"""States and pairings are spelled in their tables and nowhere else: the syntax trees are searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import compatmatrix
from compatmatrix.core import pairings
from compatmatrix.core.states import CellState, OutcomeState

SOURCE = Path(compatmatrix.__file__).parent
TABLES = ("core/states.py", "core/pairings.py")
NAMES = {*pairings.BY_NAME, *(state.value for state in OutcomeState), *(state.value for state in CellState)}
NAMES -= {pairings.PYTHON.name}  # also a program, a column, and a field of the published files

OTHER_MEANINGS = {
    ("cli/options.py", "inconclusive"): "a condition of --fail-on",
    ("cli/exit_codes.py", "inconclusive"): "a condition of --fail-on",
    ("cli/compare.py", "newest"): "what --against takes",
    ("cli/parser.py", "bisect"): "a command",
    ("publish/site.py", "grid"): "a template",
}


def literals(tree: ast.AST) -> Iterator[str]:
    """The strings of a syntax tree, those within f-strings and the names of keyword arguments of `dict` included."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
                yield from (keyword.arg for keyword in keywords if keyword.arg)


def test_nothing_outside_its_table_spells_a_state_or_a_pairing() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), literal)
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).as_posix() not in TABLES
        for literal in literals(ast.parse(path.read_text(encoding="utf-8")))
        if literal in NAMES
    }
    assert found == OTHER_MEANINGS.keys()


@pytest.mark.parametrize(
    "text", ['x == "grid"', 'x in ("a", "grid")', '{"grid": 1}', 'x["grid"]', 'x.get("grid", 1)', 'call("grid")',
             'GRID = "grid"', 'f"{x}" == f"grid"', "dict(grid=1)", 'match x:\n case "a" | "grid": ...'],
)  # fmt: skip
def test_each_way_to_spell_one_is_seen(text: str) -> None:
    assert "grid" in literals(ast.parse(text))
