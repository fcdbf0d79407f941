"""A rule that depends on a state or a pairing is in the table of these, and nowhere else: the syntax trees are searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import compatmatrix
from compatmatrix.core import pairings
from compatmatrix.core.states import CellState, OutcomeState

SOURCE = Path(compatmatrix.__file__).parent
NAMES = {*pairings.BY_NAME, *(state.value for state in OutcomeState), *(state.value for state in CellState)}

OTHER_MEANINGS = {
    ("cli/run.py", "inconclusive"): "a condition of --fail-on",
    ("cli/sources.py", "inconclusive"): "a condition of --fail-on",
}


def decisive(tree: ast.AST) -> Iterator[ast.expr]:
    """What a syntax tree compares with, matches or looks up."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=comparators):
                yield from (left, *comparators)
            case ast.MatchValue(value=value):
                yield value
            case ast.Dict(keys=keys):
                yield from (key for key in keys if key)
            case ast.Subscript(slice=index):
                yield index
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[key, *_]):
                yield key


def literals(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_nothing_outside_its_table_is_decided_by_a_literal_of_a_state_or_a_pairing() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), literal)
        for path in SOURCE.rglob("*.py")
        for expression in decisive(ast.parse(path.read_text(encoding="utf-8")))
        for literal in literals(expression)
        if literal in NAMES
    }
    assert found <= OTHER_MEANINGS.keys()


@pytest.mark.parametrize("text", ['x == "grid"', 'x in ("a", "grid")', '{"grid": 1}', 'x["grid"]', 'x.get("grid", 1)'])
def test_each_way_to_decide_by_a_literal_is_seen(text: str) -> None:
    assert "grid" in {literal for expression in decisive(ast.parse(text)) for literal in literals(expression)}
