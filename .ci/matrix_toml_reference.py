"""Writes docs/matrix-toml.md, which says every key of matrix.toml: made of the types in config/tables.py.

python .ci/matrix_toml_reference.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec
from msgspec.structs import FieldInfo

from compatmatrix.config.tables import MatrixFile
from compatmatrix.config.toml_errors import documentation, table_in, toml

FILE = Path(__file__).parents[1] / "docs" / "matrix-toml.md"

START = """\
# matrix.toml

What is tested. The file stands beside `probes/` and `reports/`. `compatmatrix init NAME` writes one for a library on the index.

The tables and keys below are all there are. Any other is an error, and so is a key of a wrong type, or a required one that is missing:
one message names all of them, with their lines. A table can be left out unless it is required.

The shortest file:

```toml
{shortest}
```
"""


def reference() -> str:
    """The text of docs/matrix-toml.md."""
    parts = [START.format(shortest="\n\n".join(example(required=True)))]
    parts += ["\n".join(lines) + "\n" for lines in sections(MatrixFile)]
    parts.append("## A file with every key\n\n```toml\n" + "\n\n".join(example(required=False)) + "\n```\n")
    return "\n".join(parts)


def sections(table: type[msgspec.Struct], above: str = "") -> Iterator[list[str]]:
    """One section for each table in a table: what it is, then its keys."""
    for field in msgspec.structs.fields(table):
        name, inner = f"{above}{field.encode_name}", table_in(field.type)
        required = " Required." if field.required else ""
        if inner:
            title = f"[[{name}]]" if get_origin(field.type) is tuple else f"[{name}]"
            yield [f"## {title}", "", " ".join((inner.__doc__ or "").split()) + required, "", *rows(inner)]
            yield from sections(inner, f"{name}.")
        elif not above:  # its keys are the user's own
            default = [] if field.required else assignments(_default(field))
            fence = ["", "Where it is left out:", "", "```toml", *default, "```"] if default else []
            yield [f"## [{name}]", "", documentation(field)[0] + required, *fence]


def rows(table: type[msgspec.Struct]) -> Iterator[str]:
    """The table of a table's keys."""
    yield from ("| key | means | type | default | example |", "| --- | --- | --- | --- | --- |")
    for field in msgspec.structs.fields(table):
        if not table_in(field.type):
            meaning, value = documentation(field)
            default = "required" if field.required else f"`{toml(_default(field))}`"
            yield f"| `{field.encode_name}` | {meaning} | {_type(field)} | {default} | `{value}` |"


def example(required: bool, table: type[msgspec.Struct] = MatrixFile, above: str = "") -> Iterator[str]:
    """A file of the examples, table by table: of the required keys, or of all."""
    for field in msgspec.structs.fields(table):
        inner = table_in(field.type)
        if (required and not field.required) or (above and not inner):
            continue
        name = f"{above}{field.encode_name}"
        if not inner:
            lines = assignments(next(mark for mark in field.type.__metadata__ if mark.examples).examples[0])
        else:
            fields = [one for one in msgspec.structs.fields(inner) if not table_in(one.type)]
            chosen = [one for one in fields if one.required or not required]
            lines = [f"{one.encode_name} = {documentation(one)[1]}" for one in chosen]
        yield "\n".join([f"[[{name}]]" if get_origin(field.type) is tuple else f"[{name}]", *lines])
        if inner:
            yield from example(required, inner, f"{name}.")


def assignments(values: Mapping[str, Any]) -> list[str]:
    """The lines of a table of TOML."""
    return [f"{key} = {toml(value)}" for key, value in values.items()]


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _type(field: FieldInfo) -> str:
    hint = field.type.__origin__
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", tuple[str, ...]: "list of texts"}
    return names.get(hint, "table of texts")


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
