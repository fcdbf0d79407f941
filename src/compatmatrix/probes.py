"""probes/ -> the questions: read as text with `ast`, never imported.

A probe is a test function in a file `test_*.py`; its id is the function's name, its question the docstring's
first paragraph, and what else there is to say stands in one mark with literal arguments:
`@pytest.mark.probe(title=..., group=..., links=(...), control=True, needs=(...))`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compatmatrix.model import Probe, UserError

MARK = ("title", "group", "links", "control", "needs")
"""What the mark may say."""


def read(folder: Path) -> tuple[Probe, ...]:
    """Every probe of the folder, in the order of files and of functions in them.

    The digest covers the function, the rest of its file that is no probe, every helper module of the folder and
    the recipes whose name begins with the probe's id: all source that decides the answer, and no other probe's.

    Raises:
        UserError: a file is no Python, a probe has no docstring, or two have one name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of probes")
    helpers = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        if not path.name.startswith("test_"):
            _parsed(path, path.read_text(encoding="utf-8"))
            helpers.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    probes: dict[str, Probe] = {}
    for path in sorted(folder.glob("test_*.py")):
        for probe in _of_file(path, folder, helpers.hexdigest()):
            if probe.id in probes:
                raise UserError(f"{path}: the probe {probe.id!r} stands in {probes[probe.id].file} too; rename one")
            probes[probe.id] = probe
    if not probes:
        raise UserError(f"{folder}: holds no probe; a probe is a function test_… in a file test_….py")
    for probe in probes.values():
        for other in probe.needs:
            if other not in probes:
                raise UserError(f"{folder / probe.file}: {probe.id!r} needs {other!r}, which is no probe")
    return tuple(probes.values())


def _of_file(path: Path, folder: Path, helpers: str) -> Iterator[Probe]:
    text = path.read_text(encoding="utf-8")
    functions = list(_functions(_parsed(path, text), path))
    lines = text.splitlines(keepends=True)
    rest = list(lines)
    for node in functions:
        for number in range(_first_line(node) - 1, node.end_lineno or node.lineno):
            rest[number] = ""
    # Blank lines decide nothing, and they change with every probe that is added to the file.
    beside = "".join(line for line in rest if line.strip())
    for node in functions:
        question, _, advice = (ast.get_docstring(node) or "").partition("\n\n")
        if not question:
            raise UserError(
                f"{path}:{node.lineno}: {node.name} has no docstring; its first paragraph is the question that readers see"
            )
        own = "".join(lines[_first_line(node) - 1 : node.end_lineno])
        hashed = hashlib.sha256("\0".join([helpers, beside, own]).encode())
        scripts = sorted((folder / "recipes").glob(f"{_id(node)}.*"))
        for recipe in scripts:
            hashed.update(recipe.name.encode() + b"\0" + recipe.read_bytes() + b"\0")
        mark = _mark(node, path)
        yield Probe(
            id=_id(node),
            title=str(mark.get("title") or _id(node)),
            question=" ".join(question.split()),
            advice=" ".join(advice.split()),
            group=str(mark.get("group", "others")),
            file=path.name,
            digest=hashed.hexdigest()[:16],
            control=bool(mark.get("control", False)),
            links=tuple(mark.get("links", ())),
            needs=tuple(mark.get("needs", ())),
            source=own,
            recipes={recipe.name: recipe.read_text(encoding="utf-8") for recipe in scripts},
        )


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: is no valid Python: {error.msg}") from None


def _mark(node: ast.FunctionDef, path: Path) -> dict[str, Any]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.probe":
            try:
                mark = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in decorator.keywords}
            except ValueError:
                raise UserError(
                    f"{path}:{decorator.lineno}: the arguments of pytest.mark.probe must be literals"
                ) from None
            for name in mark.keys() - set(MARK):
                raise UserError(f"{path}:{decorator.lineno}: pytest.mark.probe knows {', '.join(MARK)}; not {name!r}")
            return mark
    return {}


def _functions(tree: ast.Module, path: Path) -> Iterator[ast.FunctionDef]:
    """The test functions of a file; what pytest would run but this reader cannot name is an error, never passed over."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            raise UserError(f"{path}:{node.lineno}: {node.name}: a probe is a plain function, not a method of a class")
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            raise UserError(f"{path}:{node.lineno}: {node.name}: a probe is a plain function, not an async one")
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            if any("mark.parametrize" in ast.unparse(decorator) for decorator in node.decorator_list):
                raise UserError(
                    f"{path}:{node.lineno}: {node.name}: a probe asks one question; write a function for each case"
                )
            yield node


def _first_line(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _id(node: ast.FunctionDef) -> str:
    return node.name.removeprefix("test_").replace("_", "-")
