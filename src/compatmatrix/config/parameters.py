"""`pytest.mark.parametrize` with literal arguments -> its cases, each with the name that pytest gives it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

MARK = "pytest.mark.parametrize"


class Case(NamedTuple):
    """One set of parameters: pytest's name of it, and ``words`` like ``left=1, right=2``."""

    name: str
    words: str


def cases(decorator: ast.expr) -> list[Case]:
    """The cases of a decorator, in order.

    Raises:
        ValueError: An argument is not a literal, or the names that pytest gives the cases are not known for certain.
    """
    if not isinstance(decorator, ast.Call):
        raise ValueError("has no arguments")
    arguments = dict(zip(("argnames", "argvalues"), decorator.args, strict=False))
    arguments |= {str(keyword.arg): keyword.value for keyword in decorator.keywords}
    names, values = _literal(arguments["argnames"]), arguments["argvalues"]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    if not isinstance(values, ast.List | ast.Tuple) or not values.elts:
        raise ValueError("the cases are no list")
    ids = _literal(arguments.get("ids", ast.Constant(None))) or [None] * len(values.elts)
    found = [_case(names, value, name) for value, name in zip(values.elts, ids, strict=True)]
    if len({case.name for case in found}) < len(found):
        raise ValueError("two cases have one name")
    return found


def is_mark(decorator: ast.expr) -> bool:
    """Whether a decorator is `pytest.mark.parametrize`, whatever `pytest.mark` is called in the file."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).split(".")[-1] == "parametrize"


def _case(names: Sequence[str], node: ast.expr, name: str | None) -> Case:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.param":
        values = [_literal(argument) for argument in node.args]
        options = {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
        name = options.pop("id", None) or name
        if options:
            raise ValueError(f"pytest.param takes an id here, not {', '.join(map(str, options))}")
    else:
        value = _literal(node)
        values = [value] if len(names) == 1 else list(value)
    words = ", ".join(f"{name}={value!r}" for name, value in zip(names, values, strict=True))
    name = name or "-".join(_names(values))
    if not isinstance(name, str) or not name.isascii() or not name.isprintable() or set("[]:/\\") & set(name):
        raise ValueError(f"{name!r} is no plain name for a case: give it an id")
    return Case(name, words)


def _names(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if value is not None and not isinstance(value, str | int | float):
            raise ValueError("pytest numbers a case that is no number or text: give it an id")
        yield str(value)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{ast.unparse(node)} is none") from None
