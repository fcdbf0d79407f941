"""probes/ -> Probe, parsed with `ast` and never imported.

A probe is a test function in a file `test_*.py`. Its id is the function's name, its question the first paragraph of
the docstring. Everything else is in one mark with literal arguments:
`@pytest.mark.probe(title=..., group=..., links=(...), control=True, needs=(...))`. A function with parameters is a probe
for each case.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from compatmatrix.config import parameters
from compatmatrix.config.parameters import Case
from compatmatrix.config.syntax_tree import tree_digest
from compatmatrix.core.encoding import digest
from compatmatrix.core.errors import UserError
from compatmatrix.core.model import Probe

MARK = ("title", "group", "links", "control", "needs")
"""Arguments of the mark."""

HARNESS = Path(__file__).parents[1] / "execution" / "in_cell" / "probe_harness.py"
"""The code of `check` and `recipe`; read as text, as the probes are."""


_SKIPS = (["mark", "skip"], ["mark", "skipif"])


def read(folder: Path, environment: Mapping[str, str] = {}) -> tuple[Probe, ...]:
    """Read every probe of a folder, in the order of files and of functions in them.

    A probe's digest covers the syntax trees of its function, of the rest of its file that is no probe, of every helper
    module of the folder, of `HARNESS`, and of the recipes whose name begins with its id: all code that decides what a run
    observes, and no other probe's. The mark is left out: it only says how answers are shown and weighed.

    Args:
        folder: Where the files are.
        environment: The variables of ``[environment]``, which the digests cover too.

    Raises:
        UserError: there is no probe, a file is no Python, a probe has no docstring, or two have one name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder of probes")
    modules = [path.relative_to(folder) for path in sorted(folder.rglob("*.py")) if path.parent != folder / "recipes"]
    below = [path for path in modules if path.name.startswith("test_") and len(path.parts) > 1]
    if below:
        raise UserError(f"{folder / below[0]}: a file of probes stands in {folder} itself, not in a folder of it")
    helpers = {path.as_posix(): tree_digest(_parsed(folder / path)) for path in modules if path.name[:5] != "test_"}
    helpers[HARNESS.name] = tree_digest(_parsed(HARNESS))
    if environment:
        helpers["[environment]"] = digest(environment)
    probes: dict[str, Probe] = {}
    for path in sorted(folder.glob("test_*.py")):
        for probe in _of_file(path, folder, helpers):
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


def _of_file(path: Path, folder: Path, helpers: Mapping[str, str]) -> Iterator[Probe]:
    tree = _parsed(path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    functions = list(_functions(tree, path))
    rest = tree_digest(ast.Module([node for node in tree.body if node not in functions], type_ignores=[]))
    for node in functions:
        question, _, advice = (ast.get_docstring(node) or "").partition("\n\n")
        if not question:
            raise UserError(
                f"{path}:{node.lineno}: {node.name} has no docstring; its first paragraph is the question that readers see"
            )
        first_line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        scripts = sorted((folder / "recipes").glob(f"{_id(node.name)}.*"))
        recipes = {script.name: tree_digest(_parsed(script)) for script in scripts}
        mark = _mark(node, path)
        probe = Probe(
            id=_id(node.name),
            title=str(mark.get("title") or _id(node.name)),
            question=" ".join(question.split()),
            advice=" ".join(advice.split()),
            group=str(mark.get("group", "others")),
            file=path.name,
            digest=digest([helpers, rest, tree_digest(_without_mark(node)), recipes]),
            control=bool(mark.get("control", False)),
            links=tuple(mark.get("links", ())),
            needs=tuple(mark.get("needs", ())),
            source="".join(lines[first_line - 1 : node.end_lineno]),
            recipes={recipe.name: recipe.read_text(encoding="utf-8") for recipe in scripts},
        )
        yield from (_of_case(probe, node.name, case) for case in cases) if (cases := _cases(node, path)) else [probe]


def _of_case(probe: Probe, function: str, case: Case) -> Probe:
    """The probe of a function with parameters, for one case of them."""
    return msgspec.structs.replace(
        probe,
        id=f"{probe.id}-{re.sub('[^A-Za-z0-9.]+', '-', case.name).strip('-')}",
        title=f"{probe.title} [{case.name}]",
        question=f"{probe.question} ({case.words})",
        digest=digest([probe.digest, case.words]),
        test=f"{function}[{case.name}]",
    )


def _cases(node: ast.FunctionDef, path: Path) -> list[Case]:
    """The cases of a function with parameters; none of one without."""
    marks = [decorator for decorator in node.decorator_list if parameters.is_mark(decorator)]
    if len(marks) > 1:
        raise UserError(f"{path}:{node.lineno}: {node.name}: has {parameters.MARK} twice; list the cases in one")
    try:
        return parameters.cases(marks[0]) if marks else []
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path}:{marks[0].lineno}: {node.name}: parameters are read from the source, so literals only, in a list: {error}"
        ) from None


def _parsed(path: Path) -> ast.Module:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: is no valid Python: {error.msg}") from None
    for node in ast.walk(tree):
        keywords = [keyword.arg for keyword in node.keywords] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Call) and "params" in keywords and ast.unparse(node.func).endswith("fixture"):
            raise UserError(f"{path}:{node.lineno}: a fixture with parameters would run a probe more than once")
    return tree


def _is_mark(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).split(".")[-2:] == ["mark", "probe"]


def _without_mark(node: ast.FunctionDef) -> ast.FunctionDef:
    bare = copy.copy(node)
    # A case that is added to a function's parameters leaves the answers of the others as they are.
    bare.decorator_list = [one for one in node.decorator_list if not _is_mark(one) and not parameters.is_mark(one)]
    return bare


def _mark(node: ast.FunctionDef, path: Path) -> dict[str, Any]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and _is_mark(decorator):
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


def _refuse_marks_and_imports(tree: ast.Module, path: Path) -> None:
    """Raises UserError for a mark that would not be read, and for an import of another file of probes."""
    read = {id(decorator) for node in tree.body for decorator in getattr(node, "decorator_list", ())}
    for marker in ast.walk(tree):
        if isinstance(marker, ast.Attribute) and ast.unparse(marker).split(".")[-2:] in _SKIPS:
            raise UserError(
                f"{path}:{marker.lineno}: a release can mark a probe too, so no mark counts as a skip; call pytest.skip()"
            )
        if isinstance(marker, ast.Call) and parameters.is_mark(marker) and id(marker) not in read:
            raise UserError(f"{path}:{marker.lineno}: {parameters.MARK} must stand as a decorator at each probe")
        if isinstance(marker, ast.Import | ast.ImportFrom) and any(name[:5] == "test_" for name in _imported(marker)):
            raise UserError(
                f"{path}:{marker.lineno}: what several files of probes use must stand in a module that is none of them"
            )


def _functions(tree: ast.Module, path: Path) -> Iterator[ast.FunctionDef]:
    """The test functions of a file; tests of a kind that cannot be a probe are an error, not ignored."""
    _refuse_marks_and_imports(tree, path)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and (node.name.startswith("Test") or _is_test_case(node)):
            raise UserError(f"{path}:{node.lineno}: {node.name}: a probe is a plain function, not a method of a class")
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            raise UserError(f"{path}:{node.lineno}: {node.name}: a probe is a plain function, not an async one")
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_"):
                    raise UserError(
                        f"{path}:{inner.lineno}: {inner.name}: a probe stands in no block; let it call pytest.skip()"
                    )
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _is_test_case(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def _imported(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that a statement imports."""
    names = [alias.name for alias in statement.names]
    return names if isinstance(statement, ast.Import) else [statement.module or ""]


def _id(function: str) -> str:
    return function.removeprefix("test_").replace("_", "-")
