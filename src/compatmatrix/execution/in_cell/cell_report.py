"""Reports what pytest does in a cell: which test starts, and each exception as bounded data.

`run_probes` loads it before the subject. Like that script, it keeps to the syntax of the oldest Python that a cell may have.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.metadata
import linecache
import os
import re
import sys
import traceback
from collections.abc import Generator
from typing import Any

import pytest

TEXT = 4000
"""Most characters that are kept of one text."""

FRAMES = 14
"""Most frames that are kept of a traceback: the outermost few and the innermost."""


class Plugin:
    """Selects the tests, reports which one starts, and adds to pytest-json-report what it leaves out of an exception."""

    def __init__(self, report: Any, describe: Describer, tampering: Any, tests: list[str]) -> None:
        self._report = report
        self._describe = describe
        self._tampering = tampering
        self._tests = set(tests)
        self._plugins: set[object] = set()

    def pytest_load_initial_conftests(self) -> None:
        # pytest has put its own finder, for the probes' files, before all others.
        self._tampering.go_first()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        report = (yield).get_result()
        if report.outcome != "passed":
            error = report.call.excinfo.value
            # pytest puts an exception of its own in the place of an ImportError.
            exception = self._describe(error.__cause__ or error)
            self._report("not-collected", file=report.nodeid[:TEXT], outcome=report.outcome, exception=exception)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]

    def pytest_collection_finish(self, session: Any) -> None:
        self._plugins = session.config.pluginmanager.get_plugins()

    def pytest_sessionfinish(self, session: Any) -> None:
        if session.config.pluginmanager.get_plugins() != self._plugins:
            self._tampering.changes.append("registered or removed a plugin of pytest")

    def pytest_runtest_call(self, item: Any) -> None:
        self._tampering.remember_fixtures(item.funcargs)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._report("probe", nodeid=nodeid[:TEXT])

    def pytest_json_runtest_metadata(self, item: Any, call: Any) -> dict[str, object]:
        if call.excinfo is None:
            return {}
        return {call.when: self._describe(call.excinfo.value)}

    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        for test in json_report.get("tests", ()):
            for phase in ("setup", "call", "teardown"):
                for part in ("crash", "longrepr"):
                    test.get(phase, {}).pop(part, None)


class Describer:
    """Describes an exception as bounded data: type, message, and frames with paths that are the same on every machine.

    Args:
        probes: The probes' folder.
        packages: The watched packages: the subject and its companions.
        harness: The module that raises where a check fails.
    """

    def __init__(self, probes: str, packages: list[str], harness: Any) -> None:
        self._probes = os.path.realpath(probes)
        self._owners = _owners(packages)
        self._check_failed: type[BaseException] = harness.NoEffect
        self._answers: list[BaseException] = harness.ANSWERS

    def __call__(self, error: BaseException) -> dict[str, object]:
        kind = type(error)
        frames = [self._frame(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        # The frames by which pytest calls the probe are left out.
        first = next((number for number, frame in enumerate(frames) if str(frame["path"]).startswith("probes/")), 0)
        frames = frames[first:]
        plain = kind.__module__ in ("builtins", "__main__")
        try:
            message = str(error)
        except BaseException:
            message = "(its message cannot be made)"
        return {
            "type": (kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}")[:300],
            "package": self._owner_of_class(kind),
            "unknown_module": self._unknown_module(error),
            "check": issubclass(kind, self._check_failed),
            "answer": any(error is one for one in self._answers),
            "message": self._relative_paths(message[: 2 * TEXT])[:TEXT],
            "frames": frames[:4] + frames[-(FRAMES - 4) :] if len(frames) > FRAMES else frames,
            "left_out": max(0, len(frames) - FRAMES),
        }

    def _frame(self, frame: Any, line: int) -> dict[str, object]:
        filename = frame.f_code.co_filename
        path, package = self._location(filename)
        if package is None and not os.path.isabs(filename):
            # Code that was generated, or compiled by Cython, has no file of its own here. Its module has one.
            package = self._location(str(dict.get(frame.f_globals, "__file__", "")))[1]
        return {
            "path": path[:300],
            "line": line,
            "function": getattr(frame.f_code, "co_qualname", frame.f_code.co_name)[:200],
            "text": linecache.getline(filename, line).strip()[:300],
            "package": package,
        }

    def _relative_paths(self, text: str) -> str:
        """The text with this machine's paths made relative to site-packages, the probes or the Python installation."""
        text = re.sub(r"[^\s'\"()<>]*[\\/](?:site|dist)-packages[\\/]", "", text)
        text = text.replace(self._probes, "probes")
        for prefix in sorted({sys.prefix, sys.base_prefix, os.path.expanduser("~")}, key=len, reverse=True):
            if len(prefix) > 1:
                text = text.replace(prefix, "<python>")
        return text

    def _location(self, filename: str) -> tuple[str, str | None]:
        """The path relative to site-packages or the probes, and the watched package that installed the file."""
        parts = re.split(r"[\\/]", filename)
        for folder in ("site-packages", "dist-packages"):
            if folder in parts:
                path = "/".join(parts[parts.index(folder) + 1 :])
                return path, self._owners.get(path)
        real = os.path.realpath(filename)
        if real.startswith(self._probes + os.sep):
            return "probes/" + os.path.relpath(real, self._probes).replace(os.sep, "/"), None
        return parts[-1], None

    def _owner_of_class(self, kind: type) -> str | None:
        """The watched package that installed the module of a class; a submodule without a file belongs to its parent."""
        name = str(kind.__module__)
        while name:
            file = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(file, str):
                return self._location(file)[1]
            name = name.rpartition(".")[0]
        return None

    def _unknown_module(self, error: BaseException) -> str | None:
        """The module that was not found, unless it may belong to a watched package: a namespace holds others' modules too."""
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        if not isinstance(name, str):
            return None
        watched = {re.sub(r"[-_.]+", "/", package).lower() for package in self._owners.values()}
        watched |= {re.sub(r"(/__init__)?\.[^/]*$", "", file) for file in self._owners}
        parts = name.split(".")
        parents = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        alike = {re.sub(r"[-_/]+", "/", parent).lower() for parent in parents}
        return None if not watched.isdisjoint([*parents, *alike]) else name[:100]


def _owners(packages: list[str]) -> dict[str, str]:
    """File, relative to site-packages -> the package that installed it."""
    owners: dict[str, str] = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            record = importlib.metadata.distribution(name).read_text("RECORD") or ""
            for row in csv.reader(record.splitlines()):
                owners.setdefault(row[0] if row else "", name)
    return owners
