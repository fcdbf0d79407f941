"""Limits that keep a module or a function of the engine small enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 60, 7


def too_large(path: Path) -> Iterator[str]:
    """What is over a limit in a file."""
    text = path.read_text(encoding="utf-8")
    if (lines := len(text.splitlines())) > FILE_LINES:
        yield f"{lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = node.args
            names = [argument.arg for argument in (*found.posonlyargs, *found.args, *found.kwonlyargs)]
            if (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES:
                yield f"{node.name}: {length} lines"
            if (count := len([name for name in names if name not in ("self", "cls")])) > PARAMETERS:
                yield f"{node.name}: {count} parameters"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_files_functions_and_parameter_lists_are_short(path: Path) -> None:
    assert list(too_large(path)) == []


def test_what_is_over_a_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    body = "    pass\n" * FUNCTION_LINES
    path.write_text(f"def it(self, a, b, c, d, *, e, f, g, h):\n{body}" + "\n" * FILE_LINES)
    assert list(too_large(path)) == ["361 lines", "it: 61 lines", "it: 8 parameters"]
