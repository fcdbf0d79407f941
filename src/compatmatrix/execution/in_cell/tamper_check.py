"""Detects, inside a cell, changes that a release makes to pytest, to the probes' helpers, or to `sys.modules`.

`run_probes` creates a `TamperCheck` before it imports the subject. Like that script, this module keeps to the syntax of
the oldest Python that a cell may have.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

TEST_TOOLS = ("pytest", "_pytest", "pluggy", "pytest_jsonreport")
"""The packages that run the probes and report on them."""

NEIGHBORS = ("probe_harness", "old_checks", "cell_report")
"""The modules beside this one: what gives the probes `check` and `recipe`, and what reports of them."""

FILE_BYTES = 1_000_000
"""How much of a file in the probes' folder is compared, at most."""

_ABSENT = object()
"""In the place of a value: there is no such name."""


class Snapshot:
    """What the names of a module, a class or another object meant at one time.

    Args:
        label: What it is called in a finding.
        owner: The object.
        complete: Whether all values count, or those alone that hold code: functions, classes, modules, descriptors.
    """

    def __init__(self, label: str, owner: object, complete: bool) -> None:
        self._label, self._owner, self._complete = label, owner, complete
        self._names = _names(owner)
        self._parts = {key: _parts(value) for key, value in self._names.items() if _is_code(value)}

    def differences(self) -> Iterator[tuple[str, str]]:
        """The label and the key of each name that was replaced or removed, or was added and hides another."""
        now = _names(self._owner)
        for key in {**self._names, **now}:
            before, value = self._names.get(key, _ABSENT), now.get(key, _ABSENT)
            if before is value:
                changed = key in self._parts and list(map(id, _parts(value))) != list(map(id, self._parts[key]))
            elif before is _ABSENT and key.startswith("__"):
                changed = _is_code(value)
            else:
                before = self._hidden(key) if before is _ABSENT else before
                changed = before is not _ABSENT and (self._complete or _is_code(before))
            if changed:
                yield self._label, key

    def _hidden(self, key: str) -> object:
        """What was found under a name before it was added: a builtin, or what a (base) class has."""
        owner = self._owner
        kinds = owner.__mro__[1:] if isinstance(owner, type) else type(owner).__mro__
        places = [builtins] if isinstance(owner, types.ModuleType) else kinds
        return next((vars(place)[key] for place in places if key in vars(place)), _ABSENT)


class TamperCheck:
    """Remembers what decides about a release, restores what can be restored, and lists what was changed in ``changes``.

    It is a module finder: each module of the probes' folder and of `TEST_TOOLS`, and `NEIGHBORS`, is remembered right after
    its execution, before other code can change it. A release shares the process, so it can always find a way that is not detected.
    """

    def __init__(self, probes: str, files: dict[str, bytes], settings: dict[str, str]) -> None:
        self.changes: list[str] = []
        self._probes = probes
        self._files = files
        self._settings = settings
        self._names = {*TEST_TOOLS, *NEIGHBORS, *(os.path.splitext(file.split(os.sep)[0])[0] for file in files)}
        self._modules: dict[str, types.ModuleType] = {}
        self._snapshots: list[Snapshot] = []
        self._before: dict[str, types.ModuleType] = {}

    @classmethod
    def start(cls, probes: str) -> TamperCheck:
        """Read the probes' files and import pytest and `NEIGHBORS`: before the subject, so that it cannot provide others."""
        check = cls(probes, _contents(probes), _settings())
        check._snapshots.append(Snapshot("builtins", builtins, False))
        check._remember(sys.modules["__main__"])
        check._remember(sys.modules[__name__])
        check.go_first()
        import pytest  # noqa: F401

        for name in NEIGHBORS:
            importlib.import_module(name)
        harness: Any = sys.modules["probe_harness"]
        sys.modules["old_checks"].add_to(harness.Check)
        check._remember(harness)
        check._before = dict(sys.modules)
        return check

    def go_first(self) -> None:
        """Become the first of the module finders."""
        sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if finder is not self)]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the other finders return, with a loader that remembers the module; None for all other modules."""
        if name.partition(".")[0] not in self._names:
            return None
        finders = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec: Any = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        # pytest uses one loader for all of the probes' files: it is wrapped once.
        if spec is not None and spec.loader is not None and "exec_module" not in vars(spec.loader):
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                self._remember(module)

            spec.loader.exec_module = exec_module
        return spec

    def _remember(self, module: types.ModuleType) -> None:
        """Remember a module, and the classes that it defines.

        pytest keeps its own state in names of its modules. A class that derives from one of a package is the package's.
        """
        name = module.__name__
        self._modules[name] = module
        complete = name.partition(".")[0] not in TEST_TOOLS
        self._snapshots.append(Snapshot(name, module, complete))
        for key, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == name and self._derives_from_known(value):
                self._snapshots.append(Snapshot(f"{name}.{key}", value, complete))

    def _derives_from_known(self, kind: type) -> bool:
        """Whether a class has no base from a package that was imported after pytest."""
        return not self._before or {base.__module__ for base in kind.__mro__} <= {*self._modules, *self._before}

    def remember_fixtures(self, values: dict[str, object]) -> None:
        """Remember a probe's fixtures: functions, and objects of remembered classes."""
        functions = {name: value for name, value in values.items() if isinstance(value, types.FunctionType)}
        self._snapshots.append(Snapshot("fixture", types.SimpleNamespace(**functions), False))
        for name, value in values.items():
            if type(value).__module__ in self._modules:
                self._snapshots.append(Snapshot(f"fixture.{name}", value, False))

    def check_after_import(self, packages: list[str], lock: dict[str, str]) -> None:
        """Compare modules, settings and versions; restore modules and settings.

        Args:
            packages: The watched packages; where one has a module of its name, that says which version it is.
            lock: Package -> the installed version.
        """
        for name, module in self._before.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                self.changes.append(f"put another module in the place of {name}")
        for name in _differing(self._settings, _settings()):
            os.environ.pop(name, None)
            self.changes.append(f"changed the environment variable {name}")
        os.environ.update(self._settings)
        for name in packages:
            claimed = getattr(sys.modules.get(name), "__version__", None)
            installed = lock.get(re.sub(r"[-_.]+", "-", name).lower())
            if isinstance(claimed, str) and installed and claimed != installed:
                self.changes.append(f"{name} {installed} says that it is {claimed[:60]}")

    def check_at_end(self) -> None:
        """Compare everything that was remembered, and the probes' files."""
        for label, key in (found for snapshot in self._snapshots for found in snapshot.differences()):
            if key not in self._assigned_by_itself(label):
                self.changes.append(f"put something else in the place of {label}.{key}")
        # A helper that was never executed here is not the probes' own.
        for name in sorted({*self._modules, *(self._names & set(sys.modules))}):
            if sys.modules.get(name) is not self._modules.get(name):
                self.changes.append(f"put another module in the place of {name}")
        for path in _differing(self._files, _contents(self._probes)):
            self.changes.append(f"changed the probes' file {path}")
        self.changes = list(dict.fromkeys(self.changes))

    def _assigned_by_itself(self, label: str) -> set[str]:
        """The names that the functions of a module of the probes declare as `global`: they may change."""
        source = self._files.get(label.replace(".", os.sep) + ".py", b"")
        return {name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Global) for name in node.names}


def _names(owner: object) -> dict[str, object]:
    """The names of an object, with its type and, of a class, its bases."""
    kind = type(owner)
    is_class = issubclass(kind, type)  # `isinstance` would ask the object
    try:
        names = dict((type if is_class else object).__getattribute__(owner, "__dict__"), __class__=kind)
    except AttributeError:
        names = {"__class__": kind}
    for number, base in enumerate(type.__dict__["__bases__"].__get__(owner) if is_class else ()):
        names[f"__bases__[{number}]"] = base
    return names


def _is_code(value: object) -> bool:
    return callable(value) or issubclass(type(value), types.ModuleType) or hasattr(type(value), "__get__")


def _parts(value: Any) -> list[object]:
    """Code and defaults of a function, below its decorators; empty for everything else."""
    if issubclass(type(value), (staticmethod, classmethod)):
        value = value.__func__
    elif issubclass(type(value), property):
        value = value.fget
    for _ in range(2):
        if not issubclass(type(value), (types.FunctionType, type)):
            value = _names(value).get("__wrapped__", value)
    if not issubclass(type(value), types.FunctionType):
        return []
    return [value.__code__, value.__defaults__, *(value.__kwdefaults__ or {}).values()]


def _settings() -> dict[str, str]:
    """The environment variables that configure pytest."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}


def _contents(folder: str) -> dict[str, bytes]:
    """Relative path -> content of each file below a folder; links to nothing, FIFOs and the like count as empty."""
    contents = {}
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names):
            contents[os.path.relpath(path, folder)] = b""
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    contents[os.path.relpath(path, folder)] = file.read(FILE_BYTES)
    return contents


def _differing(before: Any, now: Any) -> list[str]:
    """The keys whose values differ between two mappings."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
