"""Error messages about a TOML file: file, line, key, what is wrong there and what is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from msgspec.inspect import StructType, Type, UnionType, VarTupleType, type_info


def explain(path: Path, text: str, error: msgspec.ValidationError, table: type[msgspec.Struct]) -> str:
    """The message of a conversion error, with the line of its key.

    Args:
        text: content of the file.
        table: the type that the file was converted to; where a key is unknown or missing, the message lists those that
            are accepted in its table.
    """
    problem = str(error)
    match = re.search(r" - at `\$\.?(.*?)`$", problem)
    key, problem = (match[1], problem[: match.start()]) if match else ("", problem)
    if field := re.search(r"(unknown|required) field `(.*?)`", problem):
        accepted = ", ".join(_accepted(table, key))
        key = f"{key}.{field[2]}" if key else field[2]
        problem = "is not known here" if field[1] == "unknown" else "is missing"
        return f"{place(path, text, key)}: `{key}` {problem}; accepted: {accepted}"
    return f"{place(path, text, key)}: `{key}`: {problem[0].lower()}{problem[1:]}"


def place(path: Path, text: str, key: str) -> str:
    """``file:line`` of a dotted key like ``companion[1].name``: the key's own line, else its table's, else the file."""
    parts = re.sub(r"\[.*?\]", "", key).split(".")
    # Which of several tables of one name (`[[companion]]`) is meant; further indexes are within one line.
    index = re.match(r"\w+\[(\d+)\]\.", key)
    skip = int(index[1]) if index else 0
    table, table_line = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]+", line):
            table = header[1].strip()
            if table == parts[0] and skip > 0:
                table, skip = "", skip - 1
            if table == ".".join(parts) or (table == ".".join(parts[:-1]) and table_line is None):
                table_line = number
        assignment = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
        if assignment and [*filter(None, table.split(".")), assignment[1]] == parts:
            return f"{path}:{number}"
    return f"{path}:{table_line}" if table_line else str(path)


def _accepted(table: type[msgspec.Struct], key: str) -> list[str]:
    """The keys of the table at a dotted key."""
    node: Type = type_info(table)
    for part in filter(None, re.sub(r"\[.*?\]", "", key).split(".")):
        assert isinstance(node, StructType)
        node = next(field.type for field in node.fields if field.encode_name == part)
        if isinstance(node, UnionType):  # a table that may be left out
            node = next(each for each in node.types if isinstance(each, StructType))
        if isinstance(node, VarTupleType):  # an array of tables
            node = node.item_type
    assert isinstance(node, StructType)
    return [field.encode_name for field in node.fields]
