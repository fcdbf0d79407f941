"""Detects, inside a cell, changes that a release makes to pytest, to the probes' helpers, or to `sys.modules`.

`run_probes` creates a `TamperCheck` before it imports the subject. Like that script, this module keeps to the syntax of
the oldest Python that a cell may have.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
from typing import Any

TEST_TOOLS = ("pytest", "_pytest", "pluggy", "pytest_jsonreport")
"""The packages that run the probes and report on them."""

FILE_BYTES = 1_000_000
"""How much of a file in the probes' folder is compared, at most."""


class TamperCheck:
    """Remembers what decides about a release, restores what can be restored, and lists what was changed in ``changes``.

    It is a module finder: each module of the probes' folder and of `TEST_TOOLS` is remembered right after its execution,
    before other code can change it. A release shares the process, so it can always find a way that is not detected.
    """

    def __init__(self, probes: str) -> None:
        self.changes: list[str] = []
        self._probes = probes
        self._files = _contents(probes)
        self._names = {*TEST_TOOLS, *(os.path.splitext(file.split(os.sep)[0])[0] for file in self._files)}
        self._settings = _settings()
        self._modules: dict[str, types.ModuleType] = {}
        # Label; mapping and key that hold a callable; the callable; its parts.
        self._callables: list[tuple[str, Any, str, object, list[object]]] = []
        self._remember(sys.modules["__main__"])
        self._remember(sys.modules[__name__])
        self.go_first()
        # Imported before the subject, so that the subject cannot provide another pytest.
        import pytest  # noqa: F401

        self._before = dict(sys.modules)

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
        """Remember the callables of a module, and those of the classes that it defines."""
        name = module.__name__
        self._modules[name] = module
        self._remember_callables(name, vars(module), vars(module))
        for key, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == name:
                self._remember_callables(f"{name}.{key}", vars(value), vars(value))

    def remember_fixtures(self, values: dict[str, object]) -> None:
        """Remember a probe's fixtures: functions, and the methods that objects take from their classes."""
        for name, value in values.items():
            if isinstance(value, types.FunctionType):
                self._remember_callables("fixture", {name: value}, {name: value})
            elif type(value).__module__ in self._modules:
                self._remember_callables(f"fixture.{name}", vars(type(value)), getattr(value, "__dict__", {}))

    def _remember_callables(self, label: str, names: Any, holder: Any) -> None:
        for key, value in list(names.items()):
            if callable(value) or isinstance(value, (staticmethod, classmethod, property)):
                now = holder.get(key)
                self._callables.append((f"{label}.{key}", holder, key, now, _parts(now)))

    def check_after_import(self, owners: dict[str, str], lock: dict[str, str]) -> None:
        """Compare modules, settings and versions; restore modules and settings.

        Args:
            owners: Top-level module -> the watched package that it belongs to.
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
        for top, owner in owners.items():
            claimed = getattr(sys.modules.get(top), "__version__", None)
            installed = lock.get(re.sub(r"[-_.]+", "-", owner).lower())
            if top == owner and isinstance(claimed, str) and installed and claimed != installed:
                self.changes.append(f"{owner} {installed} says that it is {claimed[:60]}")

    def check_at_end(self) -> None:
        """Compare everything that was remembered, and the probes' files."""
        for label, holder, key, value, parts in self._callables:
            now = holder.get(key)
            if now is not value or list(map(id, _parts(now))) != list(map(id, parts)):
                self.changes.append(f"put something else in the place of {label}")
        # A helper that was never executed here is not the probes' own.
        for name in sorted({*self._modules, *(self._names & set(sys.modules))}):
            if sys.modules.get(name) is not self._modules.get(name):
                self.changes.append(f"put another module in the place of {name}")
        for path in _differing(self._files, _contents(self._probes)):
            self.changes.append(f"changed the probes' file {path}")
        self.changes = list(dict.fromkeys(self.changes))


def _parts(value: object) -> list[object]:
    """Code and defaults of a function, below its decorators; empty for everything else."""
    for name in ("__func__", "fget", "__wrapped__", "__wrapped__"):
        if not isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
            value = inspect.getattr_static(value, name, value)
    if not isinstance(value, types.FunctionType):
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
