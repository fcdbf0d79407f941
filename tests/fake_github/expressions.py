"""GitHub's expressions, as far as our workflow uses them: literals, contexts, comparisons, `&&`, `||`, `!` and functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(\d+)|([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(&&|\|\||==|!=|>|!|[(),]))")
_WHOLE = re.compile(r"^\s*\$\{\{(.*)\}\}\s*$", re.DOTALL)
_PART = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)

Functions = Mapping[str, Callable[..., Any]]
ALWAYS: Functions = {"fromJSON": json.loads, "cancelled": lambda: False}


def filled(text: str, contexts: Mapping[str, Any], functions: Functions = ALWAYS) -> str:
    """A text with its expressions replaced by their values."""
    return _PART.sub(lambda match: shown(value(match[1], contexts, functions)), text)


def condition(text: str | None, contexts: Mapping[str, Any], success: bool) -> bool:
    """Whether an `if:` holds; where it names no status function, only after success, as GitHub has it."""
    if text is None:
        return success
    whole = _WHOLE.match(text)
    inner = whole[1] if whole else text
    asked = re.search(r"\b(success|failure|always|cancelled)\(", inner)
    functions = {**ALWAYS, "success": lambda: success}
    return (asked is not None or success) and truth(value(inner, contexts, functions))


def value(expression: str, contexts: Mapping[str, Any], functions: Functions = ALWAYS) -> Any:
    """The value of one expression; what is not there is None."""
    whole = _WHOLE.match(expression)
    parser = _Parser(whole[1] if whole else expression, contexts, functions)
    found = parser.either()
    assert parser.peek() is None, f"not understood: {expression}"
    return found


def truth(found: Any) -> bool:
    return found not in (None, False, 0, "")


def shown(found: Any) -> str:
    return "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)


class _Parser:
    def __init__(self, text: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        self._contexts, self._functions = contexts, functions
        self._tokens: list[re.Match[str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            assert match, f"not understood: {text[position:]}"
            self._tokens.append(match)
            position = match.end()

    def peek(self) -> str | None:
        return self._tokens[0][0].strip() if self._tokens else None

    def either(self) -> Any:
        left = self._both()
        while self.peek() == "||":
            self._tokens.pop(0)
            right = self._both()
            left = left if truth(left) else right
        return left

    def _both(self) -> Any:
        left = self._compared()
        while self.peek() == "&&":
            self._tokens.pop(0)
            right = self._compared()
            left = right if truth(left) else left
        return left

    def _compared(self) -> Any:
        left = self._single()
        if (sign := self.peek()) in ("==", "!=", ">"):
            self._tokens.pop(0)
            right = self._single()
            if sign == ">":
                return _number(left) > _number(right)
            same = shown(left).lower() == shown(right).lower()
            return same if sign == "==" else not same
        return left

    def _single(self) -> Any:
        match = self._tokens.pop(0)
        text, number, name, sign = match.groups()
        if text is not None:
            return text[1:-1].replace("''", "'")
        if number is not None:
            return int(number)
        if sign == "!":
            return not truth(self._single())
        if sign == "(":
            found = self.either()
            assert self._tokens.pop(0)[0].strip() == ")"
            return found
        assert name is not None, f"not understood: {match[0]}"
        if self.peek() == "(":
            self._tokens.pop(0)
            arguments = []
            while self.peek() != ")":
                arguments.append(self.either())
            self._tokens.pop(0)
            return self._functions[name](*arguments)
        found = self._contexts
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def _number(found: Any) -> float:
    return float(found) if found not in (None, "") else 0.0
