"""Digests of Python source by its syntax tree: formatting, comments and docstrings do not change them."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from compatmatrix.core.encoding import digest

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def tree_digest(*trees: ast.AST | Sequence[ast.AST]) -> str:
    """Digest (16 hexadecimal digits) of syntax trees, the same under every Python that can parse them."""
    return digest([_plain(tree) for tree in trees])


def _plain(node: object) -> object:
    """A node as JSON-like data.

    Empty fields are left out: `ast` gains optional fields with new versions of Python (`type_params` in 3.12).
    """
    # By how often they occur: a checkout's `check` waits for all probes' digests.
    if isinstance(node, str | int | None):
        return node
    if isinstance(node, list | tuple):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):
        return ["Constant", {"value": f"{type(node.value).__name__} {node.value!r}"}]
    fields = {name: getattr(node, name, None) for name in node._fields if name != "type_comment"}
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    if isinstance(node, ast.JoinedStr):
        # Python 3.12 puts an empty constant after a nested format specification; others do not.
        fields["values"] = [value for value in node.values if getattr(value, "value", None) != ""]
    kept = {name: _plain(value) for name, value in fields.items() if value is not None and value != []}
    return [type(node).__name__, kept]
