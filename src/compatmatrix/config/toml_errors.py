"""Where a mistake in a TOML file stands, and how it is told: file, line, key, what is wrong, what is accepted."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path


def explain(path: Path, text: str, problem: str, fields: Callable[[str], Sequence[str]]) -> str:
    """msgspec's message with the line of the key and, for an unknown key, those that ``fields`` knows in its table."""
    match = re.search(r" - at `\$\.?(.*?)`$", problem)
    key = match.group(1) if match else ""
    what = problem[: match.start()] if match else problem
    unknown = re.search(r"unknown field `(.*?)`", what) or re.search(r"required field `(.*?)`", what)
    if unknown:
        accepted = ", ".join(fields(key))
        key = f"{key}.{unknown.group(1)}" if key else unknown.group(1)
        problem = "is not known here" if "unknown" in what else "is missing"
        return f"{place(path, text, key)}: `{key}` {problem}; accepted: {accepted}"
    return f"{place(path, text, key)}: `{key}`: {what[0].lower()}{what[1:]}"


def place(path: Path, text: str, key: str) -> str:
    """``file:line`` of a dotted key: the key's own line, else its table's, else the file."""
    parts = re.sub(r"\[.*?\]", "", key).split(".")
    # Which of several tables of one name (`[[companion]]`) is meant; further indexes are within one line.
    listed = re.match(r"\w+\[(\d+)\]\.", key)
    before = int(listed.group(1)) if listed else 0
    table, found = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]+", line):
            table = header.group(1).strip()
            if table == parts[0] and before > 0:
                table, before = "", before - 1
            if table == ".".join(parts) or (table == ".".join(parts[:-1]) and found is None):
                found = number
        elif (assigned := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)) and [
            *filter(None, table.split(".")),
            assigned.group(1),
        ] == parts:
            return f"{path}:{number}"
    return f"{path}:{found}" if found else str(path)
