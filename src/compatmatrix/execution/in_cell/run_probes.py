"""Runs inside a cell: compares what is installed with the lock, imports the subject, and runs pytest.

It is copied to the folder that holds the probes' copy, with its neighbors, and started as a script by the cell's
interpreter. It needs pytest and pytest-json-report, nothing of the engine, and keeps to the syntax of the oldest Python
that a cell may have. It writes one JSON object a line to the events file, so that a crash shows at which probe it was.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import importlib
import importlib.metadata
import json
import linecache
import os
import re
import sys
import time
import traceback
from typing import Any

TEXT = 4000
"""Most characters that are kept of one text."""

FRAMES = 14
"""Most frames that are kept of a traceback: the outermost few and the innermost."""


def main() -> int:
    """Run the task in the file that the argument names.

    Returns:
        pytest's exit code; 3 if what is installed is not the lock, 4 if the subject cannot be imported.
    """
    with open(sys.argv[1], encoding="utf-8") as file:
        task: dict[str, Any] = json.load(file)
    events = open(task["events"], "w", encoding="utf-8", buffering=1)

    def report(event: str, **details: object) -> None:
        events.write(json.dumps({"event": event, "at": time.time(), **details}) + "\n")

    wrong = _lock_differences(task["lock"])
    report("versions", wrong=wrong, python=list(sys.version_info[:3]))
    if wrong:
        return 3
    # An isolated interpreter does not search its script's folder for modules.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tampering = importlib.import_module("tamper_check").TamperCheck.start(task["probes"])
    harness = importlib.import_module("probe_harness")
    describe = Describer(task["probes"], task["packages"], harness)
    check_at_end = tampering.check_at_end  # looked up before the subject can replace it
    sys.path[0] = task["probes"]
    import pytest

    report("import")
    # Modules stay alive: looking for garbage among them again and again would take a fifth of a cell's time.
    gc.disable()
    try:
        __import__(task["import"])
    except BaseException as error:
        report("import-failed", exception=describe(error), sources=_sources())
        return 4
    finally:
        gc.freeze()
        gc.enable()
    tampering.check_after_import(task["packages"], task["lock"])
    report("imported")
    # pytest's plugin for unittest turns a SkipTest into a skip of its own, which hides where it was raised.
    arguments = [*task["pytest"], "-p", "no:unittest"]
    code = int(pytest.main(arguments, plugins=[harness, Plugin(report, describe, tampering)]))
    check_at_end()
    report("done", tampering=tampering.changes, sources=_sources())
    return code


def _lock_differences(lock: dict[str, str]) -> list[str]:
    """Where the installed packages are not exactly the names and versions of the lock.

    Each was installed from a wheel. A folder of metadata without WHEEL is a file of one of them, left by its packaging.
    """
    installed: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if distribution.read_text("WHEEL") is not None:
            installed[re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()] = distribution.version
    return [
        f"{name}: {lock.get(name, 'not')} in the lock, {installed.get(name, 'not')} installed"
        for name in sorted({*lock, *installed})
        if lock.get(name) != installed.get(name)
    ][:20]


def _sources() -> list[str]:
    """Source files of the environment that were imported, relative to it."""
    sources = []
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):  # anything can stand in sys.modules
            path = module.__dict__.get("__file__")
            if isinstance(path, str) and path.endswith(".py") and path.startswith(sys.prefix + os.sep):
                sources.append(os.path.relpath(path, sys.prefix))
    return sources


class Plugin:
    """Reports which probe starts, and adds to pytest-json-report what it leaves out of an exception."""

    def __init__(self, report: Any, describe: Describer, tampering: Any) -> None:
        self._report = report
        self._describe = describe
        self._tampering = tampering
        self._plugins: set[object] = set()

    def pytest_load_initial_conftests(self) -> None:
        # pytest has put its own finder, for the probes' files, before all others.
        self._tampering.go_first()

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


def _owners(packages: list[str]) -> dict[str, str]:
    """File, relative to site-packages -> the package that installed it."""
    owners: dict[str, str] = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            record = importlib.metadata.distribution(name).read_text("RECORD") or ""
            for row in csv.reader(record.splitlines()):
                owners.setdefault(row[0] if row else "", name)
    return owners


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is written: exit handlers of packages would only take time.
    os._exit(code)
