"""Detects, inside a cell, a release that changes what judges it: pytest and the helpers of the probes.

Copied beside `incell`, which starts it before anything of the subject is imported; as that, it keeps to the syntax of
the oldest Python that a cell may have.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
from typing import Any

JUDGES = ("pytest", "_pytest", "pluggy", "pytest_jsonreport")
"""The packages that run the probes and report on them."""


FILE_BYTES = 1_000_000
"""What is compared of a file in the probes' folder."""


class TamperCheck:
    """Holds on to what judges a release, undoes what can be undone, and lists in ``found`` what was changed.

    It is a finder of modules: each module of the probes' folder and of `JUDGES` is remembered at the end of its
    execution, whenever that is, before other code can change it. Code in one's own process can always do worse unseen;
    it spoils its own cell alone.
    """

    def __init__(self, probes: str) -> None:
        self.found: list[str] = []
        self._probes = probes
        self._files = _contents(probes)
        self._names = {*JUDGES, *(os.path.splitext(file.split(os.sep)[0])[0] for file in self._files)}
        self._settings = _settings()
        self._modules: dict[str, types.ModuleType] = {}
        # Label, mapping and key under which a callable stands, the callable, and what it does its work by.
        self._held: list[tuple[str, Any, str, object, list[object]]] = []
        self._remember(sys.modules["__main__"])
        self._remember(sys.modules[__name__])
        self.go_first()
        # Before anything of the subject's: what runs the probes is what was installed for that.
        import pytest  # noqa: F401

        self._before = dict(sys.modules)

    def go_first(self) -> None:
        """Be asked for modules before any other finder."""
        sys.meta_path[:] = [self, *(finder for finder in sys.meta_path if finder is not self)]

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the other finders find, with a loader that has the module remembered; None for what judges nothing."""
        if name.partition(".")[0] not in self._names:
            return None
        finders = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec: Any = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        # pytest loads all files with probes by one loader.
        if spec is not None and spec.loader is not None and "exec_module" not in vars(spec.loader):
            execute = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                execute(module)
                self._remember(module)

            spec.loader.exec_module = exec_module
        return spec

    def _remember(self, module: types.ModuleType) -> None:
        """Hold on to the callables of a module, and to those of the classes that it defines."""
        name = module.__name__
        self._modules[name] = module
        self._hold(name, vars(module), vars(module))
        for key, value in list(vars(module).items()):
            if isinstance(value, type) and value.__module__ == name:
                self._hold(f"{name}.{key}", vars(value), vars(value))

    def remember_fixtures(self, values: dict[str, object]) -> None:
        """Hold on to what a probe is given: its functions, and that its objects take their methods from their classes."""
        for name, value in values.items():
            if isinstance(value, types.FunctionType):
                self._hold("fixture", {name: value}, {name: value})
            elif type(value).__module__ in self._modules:
                self._hold(f"fixture.{name}", vars(type(value)), getattr(value, "__dict__", {}))

    def _hold(self, label: str, names: Any, holder: Any) -> None:
        for key, value in list(names.items()):
            if callable(value) or isinstance(value, (staticmethod, classmethod, property)):
                now = holder.get(key)
                self._held.append((f"{label}.{key}", holder, key, now, _parts(now)))

    def after_the_import(self, owners: dict[str, str], lock: dict[str, str]) -> None:
        """Compare modules, settings and versions, and put the first two back.

        Args:
            owners: Top-level module -> the watched package that it belongs to.
            lock: Package -> the version that is installed.
        """
        for name, module in self._before.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
                self.found.append(f"put another module in the place of {name}")
        for name in _differing(self._settings, _settings()):
            os.environ.pop(name, None)
            self.found.append(f"changed the environment variable {name}")
        os.environ.update(self._settings)
        for top, owner in owners.items():
            claimed = getattr(sys.modules.get(top), "__version__", None)
            installed = lock.get(re.sub(r"[-_.]+", "-", owner).lower())
            if top == owner and isinstance(claimed, str) and installed and claimed != installed:
                self.found.append(f"{owner} {installed} says that it is {claimed[:60]}")

    def at_the_end(self) -> None:
        """Compare all that was remembered, and the probes' files."""
        for label, holder, key, value, parts in self._held:
            now = holder.get(key)
            if now is not value or list(map(id, _parts(now))) != list(map(id, parts)):
                self.found.append(f"put something else in the place of {label}")
        # A helper that is there and was never executed came from elsewhere.
        for name in sorted({*self._modules, *(self._names & set(sys.modules))}):
            if sys.modules.get(name) is not self._modules.get(name):
                self.found.append(f"put another module in the place of {name}")
        for path in _differing(self._files, _contents(self._probes)):
            self.found.append(f"changed the probes' file {path}")
        self.found = list(dict.fromkeys(self.found))


def _parts(value: object) -> list[object]:
    """What a function does its work by, below what decorators made of it; nothing of what is no function."""
    for name in ("__func__", "fget", "__wrapped__", "__wrapped__"):
        if not isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
            value = inspect.getattr_static(value, name, value)
    if not isinstance(value, types.FunctionType):
        return []
    return [value.__code__, value.__defaults__, *(value.__kwdefaults__ or {}).values()]


def _settings() -> dict[str, str]:
    """The environment variables that pytest goes by."""
    return {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}


def _contents(folder: str) -> dict[str, bytes]:
    """Path from the folder -> content, of everything in it that is no folder; of what is no file, nothing is read."""
    found = {}
    for root, _, names in os.walk(folder):
        for path in (os.path.join(root, name) for name in names):
            found[os.path.relpath(path, folder)] = b""
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = file.read(FILE_BYTES)
    return found


def _differing(before: Any, now: Any) -> list[str]:
    """The names under which two mappings do not hold the same."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
