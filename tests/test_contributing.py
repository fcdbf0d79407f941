"""What contributors are told, and what GitHub and pre-commit run, agrees with the project: sessions, Pythons, versions."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from compatmatrix.config import matrix_file, probe_files
from fixtures import write

ROOT = Path(__file__).parents[1]
HOOKS = ROOT / ".pre-commit-config.yaml"
CHECKS = ROOT / ".github/workflows/checks.yml"
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / "docs").glob("*.md"),
    *(path for path in (ROOT / ".github").rglob("*") if path.is_file()),
    HOOKS,
)


def tree(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sessions() -> set[str]:
    """The names of the sessions in noxfile.py."""
    body = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return {
        one.name for one in functions if any(ast.unparse(mark).startswith("nox.session") for mark in one.decorator_list)
    }


def named(text: str) -> set[str]:
    """The sessions that a text names in commands: ``nox -s lint tests`` in backticks, or to the end of a line."""
    lists = re.findall(r"""nox -s ["]?((?:[a-z]+ )*[a-z]+)(?= *(?:`|$|#|-- |--$|\())""", text, re.MULTILINE)
    return {name for one in lists for name in one.split()}


def test_sessions_are_found_in_every_form_of_a_command() -> None:
    text = "`nox -s a b` and nox -s c\nnox -s d  # why\nnox -s e -- --x\nnox -s \"f(x='1')\"\nnox -s g -- --x\nnox -s h --\n"
    assert named(text) == set("abcdefgh")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_session_that_is_named_exists(document: Path) -> None:
    assert named(document.read_text(encoding="utf-8")) <= sessions()


def test_contributors_are_told_of_the_sessions_that_a_pull_request_runs() -> None:
    ran = named(CHECKS.read_text(encoding="utf-8"))
    assert ran == {"lint", "tests"}
    assert ran <= named((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def test_the_tests_run_on_every_python_that_the_engine_admits_and_the_matrix_lists() -> None:
    matrix = tree(CHECKS)["jobs"]["tests"]["strategy"]["matrix"]
    listed = matrix_file.load(ROOT / "matrix.toml", environ={}).python.versions
    assert matrix["python"] == list(listed)
    assert {one["python"] for one in matrix["include"]} <= set(listed)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    admitted = SpecifierSet(project["requires-python"])
    lowest = int(listed[0].partition(".")[2])
    assert listed[0] in admitted and f"3.{lowest - 1}" not in admitted
    prefix = "Programming Language :: Python :: "
    classified = [one.removeprefix(prefix) for one in project["classifiers"] if one.startswith(prefix)]
    assert classified == ["3 :: Only", *listed]
    assert runpy.run_path(str(ROOT / ".ci/try_wheels.py"))["PYTHONS"] == listed


def test_the_engines_addresses_are_those_of_the_repository_that_matrix_toml_names(tmp_path: Path) -> None:
    """hatchling, which calls the hook, is not there: the base class is one of its own."""
    plugin = types.ModuleType("hatchling.metadata.plugin.interface")
    vars(plugin)["MetadataHookInterface"] = object
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, plugin.__name__, plugin)
        hook = runpy.run_path(str(ROOT / "hatch_build.py"))["Addresses"]()
    hook.root = str(tmp_path)
    metadata: dict[str, Any] = {}
    hook.update(metadata)
    assert metadata == {"urls": {}}
    (tmp_path / "matrix.toml").write_text(
        '[publish]\nrepository = "https://example.org/me/engine/"\n', encoding="utf-8"
    )
    hook.update(metadata)
    assert metadata["urls"]["Repository"] == "https://example.org/me/engine"
    assert metadata["urls"]["Issues"] == "https://example.org/me/engine/issues"


def test_pre_commit_runs_the_versions_that_constraints_txt_pins() -> None:
    """By way of nox: a hook that brought a tool of its own would drift from what `nox -s lint` runs."""
    repositories = tree(HOOKS)["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    brought = {name for hook in hooks.values() for name in hook.get("additional_dependencies", [])}
    assert brought == {"nox"}
    assert hooks["ruff"]["entry"].startswith("nox -s style")


def test_the_map_of_the_code_has_its_packages_in_their_order_and_names_files_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == configured["contracts"][0]["layers"][::-1]
    files = re.findall(r"`([a-z_/]+\.py)`", text)
    drawn = re.findall(r"\b[a-z]+(?:/[a-z_]+)+\b", text.split("```")[1].replace("reports/records", ""))
    files += [f"{module}.py" for module in drawn]
    assert len(files) > 40
    assert [file for file in files if not (ROOT / "src/compatmatrix" / file).is_file()] == []


def test_the_example_of_the_readme_is_a_probe(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Add a probe\n")[1].split("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    write(tmp_path, {"test_mine.py": example})
    (probe,) = probe_files.read(tmp_path)
    assert probe.group in matrix_file.load(ROOT / "matrix.toml", environ={}).groups
    nodes = list(ast.walk(ast.parse(example)))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    assert imported <= {node.id for node in nodes if isinstance(node, ast.Name)}, "`nox -s lint` refuses unused imports"


def test_what_a_test_needs_of_the_system_is_decided_in_one_place() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "platforms.py"]
    assert len(files) > 50
    deciding = {"pytest.mark.skipif", "sys.platform"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        nodes = ast.walk(ast.parse(text if "skipif" in text or "platform" in text else ""))
        assert deciding.isdisjoint(ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)), path
