"""What is wrong in a TOML file, all of it at once: file, line, key, what is wrong there and what is accepted."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

from compatmatrix.core.errors import UserError
from compatmatrix.core.text import suggestion

Problem = tuple[str, str]
"""A dotted key like ``companion[1].name``, and what is wrong there."""


def read(path: Path, advice: str = "") -> tuple[str, dict[str, Any]]:
    """Text and content of a TOML file.

    Args:
        advice: what to do where it cannot be read.

    Raises:
        UserError: it cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}){advice}") from None


def raise_all(path: Path, text: str, problems: Iterable[Problem]) -> None:
    """Raise a UserError that lists the problems in the order of the file; nothing where there are none.

    Args:
        text: content of the file.
    """
    placed = sorted((_line(text, key), f"`{key}`: {problem}") for key, problem in problems)
    lines = [f"{path}:{line}: {problem}" if line else f"{path}: {problem}" for line, problem in placed]
    if len(lines) > 1:
        lines.insert(0, f"{path}: {len(lines)} problems")
    if lines:
        raise UserError("\n  ".join(lines))


def structure_problems(tree: Mapping[str, Any], table: type[msgspec.Struct], above: str = "") -> Iterator[Problem]:
    """Every key of a table, and of the tables in it, that is unknown or missing or has a value that its type refuses.

    Args:
        above: the dotted key of the table, with a dot at its end.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    for name in tree.keys() - fields.keys():
        yield f"{above}{name}", f"is not known here{suggestion(name, fields) or ';'} accepted: {', '.join(fields)}"
    for name, field in fields.items():
        key, value, inner = f"{above}{name}", tree.get(name, {}), table_in(field.type)
        if name not in tree and not (field.required and inner):
            if field.required:
                meaning, example = documentation(field)
                yield key, f"is missing. {meaning} For example: {name} = {example}"
            continue
        tables = {key: value} if inner else {}
        if get_origin(field.type) is tuple:
            tables = {f"{key}[{number}]": each for number, each in enumerate(value)} if isinstance(value, list) else {}
        if inner and tables and all(isinstance(each, dict) for each in tables.values()):
            for place, each in tables.items():
                yield from structure_problems(each, inner, f"{place}.")
        else:
            yield from _value_problems(key, value, field.type)


def table_in(kind: Any) -> type[msgspec.Struct] | None:
    """The table that a field of this type holds, one or several; None where it holds values."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next(filter(None, map(table_in, get_args(kind))), None)


def documentation(field: FieldInfo) -> tuple[str, str]:
    """What the key of a field means, and an example of its value as TOML."""
    mark = next(mark for mark in field.type.__metadata__ if mark.description)
    return mark.description, toml(mark.examples[0])


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _value_problems(key: str, value: Any, kind: Any) -> Iterator[Problem]:
    parts = {key: value}
    if isinstance(value, dict) and not table_in(kind):
        parts = {f"{key}.{name}": {name: each} for name, each in value.items()} or parts
    for place, part in parts.items():
        try:
            msgspec.convert(part, kind)
        except msgspec.ValidationError as error:
            problem = str(error).partition(" - at ")[0].replace("`object`", "`table`")
            yield place, f"{problem[0].lower()}{problem[1:]}"


def _line(text: str, key: str) -> int:
    """The line of a dotted key: its own, else that of its table, else 0."""
    parts = re.sub(r"\[.*?\]", "", key).split(".")
    # Which of several tables of one name (`[[companion]]`) is meant; further indexes are within one line.
    index = re.match(r"\w+\[(\d+)\]\.", key)
    skip = int(index[1]) if index else 0
    table, table_line = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]+", line):
            table = header[1].strip()
            if table == parts[0] and skip > 0:
                table, skip = "", skip - 1
            if table == ".".join(parts) or (table == ".".join(parts[:-1]) and not table_line):
                table_line = number
        assignment = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
        if assignment and [*filter(None, table.split(".")), assignment[1]] == parts:
            return number
    return table_line
